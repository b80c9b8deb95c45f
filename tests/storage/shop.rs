//! A merchant with a vault key, and what such a merchant stores.

use std::time::Duration;

use backend::crypto::CryptoError;
use backend::model::{
    AuditEntry, AuditId, CaptureEndpoint, Card, CardId, Custody, CvvKey, CvvKeyId, CvvRecord, EndpointId,
    EventId, EventState, KeyId, KeyPairRow, Lock, Merchant, MerchantId, Mode, OutboxEvent, Outcome,
    RetrieveEndpoint, RetrieveId, Schedule, Shown, Timestamp, VaultKey,
};
use backend::storage::{
    CaptureSubmission, LateSeal, Limits, NewCard, SealedCvv, SealedPatch, ShownChange, Transaction,
};
use shared::{Brand, Expiry, YearMonth};

use crate::engines::{ALL, Db, NOW};

/// A merchant with a vault key.
#[derive(Clone)]
pub struct Shop {
    /// Where.
    pub db: Db,
    /// The merchant.
    pub merchant: MerchantId,
    /// The vault key.
    pub key: KeyId,
}

impl Shop {
    /// Stores a merchant of this name with a vault key `main`.
    pub async fn open(db: &Db, name: &str) -> Self {
        let merchant = MerchantId::new(NOW, &*db.entropy);
        let shop = Self { db: db.clone(), merchant, key: KeyId::new(NOW, &*db.entropy) };
        let mut t = db.begin().await;
        let merchant = Merchant { id: shop.merchant.clone(), name: name.to_owned(), created_at: NOW };
        t.add_merchant(merchant).await.unwrap();
        t.add_key(shop.vault_key("main"), shop.pair(1)).await.unwrap();
        t.commit().await.unwrap();
        shop
    }

    /// The shop's vault key under a name.
    pub fn vault_key(&self, name: &str) -> VaultKey {
        VaultKey {
            id: self.key.clone(),
            merchant: self.merchant.clone(),
            mode: Mode::Test,
            name: name.to_owned(),
            custody: Custody::Passphrase,
            salt: vec![1; 16],
            kdf: "m=19456".to_owned(),
            wrapped_custody: vec![2; 60],
            wrapped_token_key: vec![3; 60],
            current: 1,
            row_version: 1,
            created_at: NOW,
        }
    }

    /// A pair of the vault key.
    pub fn pair(&self, version: u32) -> KeyPairRow {
        KeyPairRow {
            key: self.key.clone(),
            version,
            public: vec![4; 32],
            wrapped_private: vec![5; 60],
            wrapped_psk: vec![6; 60],
            created_at: NOW,
        }
    }

    /// A card that is not stored yet.
    pub fn card(&self, token: &str) -> Card {
        Card {
            id: CardId::new(NOW, &*self.db.entropy),
            merchant: self.merchant.clone(),
            mode: Mode::Test,
            key: self.key.clone(),
            key_version: 1,
            token: token.to_owned(),
            reference: "order".to_owned(),
            fingerprint: String::new(),
            shown: Shown {
                brand: Brand::Visa,
                network: None,
                first_six: "411111".to_owned(),
                last_four: "1111".to_owned(),
                digits: 16,
                expiry: Expiry::new(2030, 5).ok(),
                holder: "A*** B***".to_owned(),
                owner_id: "••82".to_owned(),
            },
            version: 1,
            last_patch: 0,
            waiting: 0,
            waiting_bytes: 0,
            sealed: token.as_bytes().to_vec(),
            created_at: NOW,
            updated_at: NOW,
        }
    }

    /// Stores a card of this token.
    pub async fn add_card(&self, token: &str) -> Card {
        let card = self.card(token);
        let mut t = self.db.begin().await;
        t.add_card(card.clone()).await.unwrap();
        t.commit().await.unwrap();
        card
    }

    /// The stored card of this token.
    pub async fn find_card(&self, t: &mut dyn Transaction, token: &str) -> Option<Card> {
        t.find_card(self.merchant.clone(), self.key.clone(), token.to_owned(), "order".to_owned())
            .await
            .unwrap()
    }

    /// The stored card of this token, which is there.
    pub async fn stored(&self, token: &str) -> Card {
        self.find_card(&mut *self.db.read().await, token).await.unwrap()
    }

    /// How many cards are stored.
    pub async fn count_cards(&self) -> usize {
        let mut t = self.db.read().await;
        t.list_cards(self.merchant.clone(), self.key.clone(), ALL).await.unwrap().len()
    }

    /// A retrieve endpoint that is not stored yet: three uses, one reveal, ends in an hour.
    pub fn retrieval(&self, unique_id: &str) -> RetrieveEndpoint {
        RetrieveEndpoint {
            id: RetrieveId::new(NOW, &*self.db.entropy),
            unique_id: unique_id.to_owned(),
            merchant: self.merchant.clone(),
            mode: Mode::Test,
            key: self.key.clone(),
            key_name: "main".to_owned(),
            secret_hash: vec![1; 32],
            wrapped: vec![2; 60],
            lock_token: Some("token".to_owned()),
            lock_reference: None,
            mask_fields: vec!["card_number".to_owned(), "note".to_owned()],
            expires_at: Some(NOW.plus(Duration::from_hours(1))),
            max_uses: 3,
            uses: 0,
            max_reveals: 1,
            reveals: 0,
            created_at: NOW,
            reveal_only: true,
            rules: Some("{}".to_owned()),
        }
    }

    /// The key of an hour.
    pub fn cvv_key(&self, hour: i64) -> CvvKey {
        CvvKey { id: CvvKeyId::new(NOW, &*self.db.entropy), hour, wrapped: vec![8; 60], created_at: NOW }
    }

    /// An endpoint that is not stored yet: 100 uses, 30 a minute, ends in an hour.
    pub fn endpoint(&self, unique_id: &str) -> CaptureEndpoint {
        CaptureEndpoint {
            id: EndpointId::new(NOW, &*self.db.entropy),
            unique_id: unique_id.to_owned(),
            merchant: self.merchant.clone(),
            mode: Mode::Test,
            key: self.key.clone(),
            key_name: "main".to_owned(),
            secret_hash: vec![9; 32],
            algorithm: "sha256".to_owned(),
            lock: None,
            reference: Some("order".to_owned()),
            return_card_metadata: true,
            webhook: None,
            expires_at: Some(NOW.plus(Duration::from_hours(1))),
            max_uses: 100,
            max_per_minute: 30,
            uses: 0,
            minute: 0,
            minute_uses: 0,
            refused: 0,
            disabled_at: None,
            created_at: NOW,
            card_types: vec!["visa".to_owned(), "cartes_bancaires".to_owned()],
            rules: None,
            min_expiry: Some(YearMonth { year: 2027, month: 5 }),
        }
    }

    /// Stores an endpoint.
    pub async fn add_endpoint(&self, endpoint: CaptureEndpoint) -> CaptureEndpoint {
        let mut t = self.db.begin().await;
        t.add_endpoint(endpoint.clone()).await.unwrap();
        t.commit().await.unwrap();
        endpoint
    }

    /// The stored endpoint of this name.
    pub async fn find_endpoint(&self, unique_id: &str) -> Option<CaptureEndpoint> {
        let mut t = self.db.read().await;
        t.find_endpoint(self.merchant.clone(), Mode::Test, unique_id.to_owned()).await.unwrap()
    }

    /// A capture of a new card of this token, with a code, through an open endpoint.
    pub fn capture(&self, endpoint: &CaptureEndpoint, token: &str) -> CaptureSubmission {
        let row = self.card(token);
        let cvv = cvv(&row.id, &CvvKeyId::stored("cvk_new".to_owned()));
        CaptureSubmission { card: Some(NewCard { row, cvv: Some(cvv) }), ..self.update(endpoint, None) }
    }

    /// A capture that updates the card that an endpoint is locked to.
    pub fn update(&self, endpoint: &CaptureEndpoint, lock: Option<Lock>) -> CaptureSubmission {
        CaptureSubmission {
            endpoint: endpoint.id.clone(),
            merchant: self.merchant.clone(),
            at: NOW,
            address: "192.0.2.1".to_owned(),
            limits: Some(Limits { per_address: 1000, per_merchant: 1000 }),
            single_use: false,
            card: None,
            lock,
            late: Box::new(Late::Seals),
            audit: self.entry("capture"),
            event: None,
            once: None,
        }
    }

    /// An audit entry.
    pub fn entry(&self, action: &'static str) -> AuditEntry {
        AuditEntry {
            id: AuditId::new(NOW, &*self.db.entropy),
            merchant: Some(self.merchant.clone()),
            mode: Some(Mode::Test),
            at: NOW,
            actor: "endpoint:e".to_owned(),
            action: action.into(),
            object: String::new(),
            outcome: Outcome::Done,
            address: "192.0.2.1".to_owned(),
            mac: vec![12; 32],
        }
    }

    /// The audit log.
    pub async fn log(&self) -> Vec<AuditEntry> {
        self.db.read().await.list_audit(self.merchant.clone(), ALL).await.unwrap()
    }

    /// An outgoing event.
    pub fn event(&self, subject: &str) -> OutboxEvent {
        OutboxEvent {
            id: EventId::new(NOW, &*self.db.entropy),
            merchant: self.merchant.clone(),
            mode: Mode::Test,
            kind: "card.captured".to_owned(),
            subject: subject.to_owned(),
            channel: "webhook".to_owned(),
            sealed: vec![10; 50],
            schedule: Schedule::STANDARD,
            erases: false,
            state: EventState::Waiting,
            attempts: 0,
            due_at: NOW,
            created_at: NOW,
            finished_at: None,
        }
    }
}

/// A code of a card that ends in a minute and may be used twice.
pub fn cvv(card: &CardId, key: &CvvKeyId) -> CvvRecord {
    CvvRecord {
        card: card.clone(),
        cvv_key: key.clone(),
        key_version: 1,
        sealed: vec![7; 40],
        expires_at: NOW.plus(Duration::from_mins(1)),
        uses_left: 2,
        created_at: NOW,
    }
}

/// What a capture seals for a card that exists.
pub enum Late {
    /// A patch that tells its place, with a new expiry, and a code.
    Seals,
    /// A patch of so many bytes and no code.
    Bytes(usize),
    /// A code alone.
    Code,
    /// Nothing: sealing fails.
    Fails,
}

/// The content of the patch that `Late::Seals` makes.
pub fn patch_of(card: &CardId, number: u32) -> Vec<u8> {
    format!("{card}/{number}").into_bytes()
}

/// The end of codes that `Late` makes.
pub fn code_end() -> Timestamp {
    NOW.plus(Duration::from_mins(9))
}

impl LateSeal for Late {
    fn patch(&self, card: &CardId, number: u32) -> Result<Option<SealedPatch>, CryptoError> {
        let sealed = match self {
            Self::Seals => patch_of(card, number),
            Self::Bytes(count) => vec![0; *count],
            Self::Code => return Ok(None),
            Self::Fails => return Err(CryptoError::Open),
        };
        let shown = ShownChange { expiry: Expiry::new(2033, 3).ok(), ..ShownChange::default() };
        Ok(Some(SealedPatch { key_version: 1, sealed, shown }))
    }

    fn cvv(&self, _card: &CardId) -> Result<Option<SealedCvv>, CryptoError> {
        if matches!(self, Self::Bytes(_)) {
            return Ok(None);
        }
        Ok(Some(SealedCvv {
            cvv_key: CvvKeyId::stored("cvk_late".to_owned()),
            key_version: 1,
            sealed: vec![11; 40],
            expires_at: code_end(),
            uses_left: 1,
        }))
    }

    fn mark(&self, entry: &mut AuditEntry) {
        entry.mac = entry.object.as_bytes().to_vec();
    }
}
