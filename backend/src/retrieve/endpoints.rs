//! Making, listing and deleting retrieve endpoints.

use zeroize::Zeroizing;

use super::{RetrieveError, bind, page_secret, wrapping_key};
use crate::access::Caller;
use crate::capture::endpoints::check_id;
use crate::capture::ttl::Ttl;
use crate::core::Core;
use crate::crypto::{Key32, aead, secret};
use crate::invalid::Invalid;
use crate::model::{Outcome, RetrieveEndpoint, RetrieveId, VaultKey};
use crate::storage::{Page, StoreError};
use crate::vault::cards;
use crate::vault::keys::{self, KeyAccess};

/// The most members that an endpoint masks.
const MOST_FIELDS: usize = 50;
/// The longest name of one.
const LONGEST_FIELD: usize = 100;

/// What a creation asks for, parsed.
pub struct NewRetrieval {
    /// Its life.
    pub ttl: Ttl,
    /// The name in its address; generated where none is given.
    pub unique_id: Option<String>,
    /// The only card to read.
    pub token: Option<String>,
    /// The only reference to read.
    pub reference: Option<String>,
    /// Members to mask.
    pub mask_fields: Vec<String>,
    /// How many reads in its life.
    pub max_uses: Option<u32>,
    /// How many reveals on the hosted page.
    pub max_reveals: u32,
    /// Whether it shows its card there alone.
    pub reveal_only: bool,
    /// The operations of the rules that what is read is changed by, as `rules::stored::kept` writes them.
    pub rules: Option<String>,
}

/// A created endpoint. Its secrets are shown once.
pub struct Created {
    /// The endpoint.
    pub endpoint: RetrieveEndpoint,
    /// The secret that reads, and opens the page too.
    pub secret: Zeroizing<String>,
    /// The secret that opens the page and nothing else.
    pub page_secret: Zeroizing<String>,
}

/// Creates an endpoint for a caller who knows the vault key's passphrase.
pub async fn create(
    core: &Core,
    caller: &Caller,
    access: &KeyAccess,
    new: NewRetrieval,
) -> Result<Created, RetrieveError> {
    check(core, &new)?;
    let key = keys::find(core, caller, &access.user).await?;
    let custody = core.keyring.custody(core, &key, &access.passphrase, &caller.actor()).await?;
    let secret = secret::generate_secret(&*core.entropy);
    let page_secret = page_secret(core, &secret);
    let endpoint = build(core, &key, new, &page_secret, &custody)?;
    let mut transaction = core.store.begin().await?;
    // A passphrase that changed since, or changes meanwhile, would leave an endpoint behind that it does not end.
    if !transaction.hold_key(key.merchant.clone(), key.id.clone(), key.row_version).await? {
        return Err(crate::vault::VaultError::Contended.into());
    }
    if let Some(token) = &endpoint.lock_token {
        let found =
            transaction.find_cards_by_token(key.merchant.clone(), key.id.clone(), token.clone(), 100).await?;
        let wanted = endpoint.lock_reference.as_ref();
        let card = found
            .into_iter()
            .find(|card| wanted.is_none_or(|wanted| card.reference == *wanted))
            .ok_or(RetrieveError::Unknown)?;
        // A card that is deleted meanwhile would leave an endpoint behind.
        if !transaction.hold_card(card.merchant, card.id).await? {
            return Err(StoreError::Retry.into());
        }
    }
    transaction.add_retrieval(endpoint.clone()).await.map_err(|error| match error {
        StoreError::Conflict => RetrieveError::Taken,
        other => other.into(),
    })?;
    let entry = core.entry(&caller.actor(), "retrieve.create", endpoint.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(Created { endpoint, secret, page_secret })
}

/// A page of a merchant's endpoints.
pub async fn list(core: &Core, caller: &Caller, page: Page) -> Result<Vec<RetrieveEndpoint>, RetrieveError> {
    Ok(core.store.read().await?.list_retrievals(caller.merchant.clone(), caller.mode, page).await?)
}

/// One endpoint of the caller's merchant.
pub async fn find(core: &Core, caller: &Caller, unique_id: &str) -> Result<RetrieveEndpoint, RetrieveError> {
    let mut transaction = core.store.read().await?;
    let found =
        transaction.find_retrieval(caller.merchant.clone(), caller.mode, unique_id.to_owned()).await?;
    found.ok_or(RetrieveError::Unknown)
}

/// Deletes an endpoint; its name is free at once.
pub async fn delete(core: &Core, caller: &Caller, unique_id: &str) -> Result<(), RetrieveError> {
    let endpoint = find(core, caller, unique_id).await?;
    let mut transaction = core.store.begin().await?;
    transaction.delete_retrieval(caller.merchant.clone(), endpoint.id.clone()).await?;
    let entry = core.entry(&caller.actor(), "retrieve.delete", endpoint.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(())
}

fn check(core: &Core, new: &NewRetrieval) -> Result<(), RetrieveError> {
    let refused = |at: &str, code, detail: String| Err(Invalid::new(at, code, detail).into());
    if new.ttl == Ttl::Endless && !core.policy.endless_endpoints {
        return refused(
            "/ttl",
            "endless",
            "Endpoints without an end are switched off on this server.".to_owned(),
        );
    }
    if let Some(id) = &new.unique_id {
        check_id("/unique_id", id)?;
    }
    cards::check_reference(new.reference.as_deref().unwrap_or_default())?;
    let most = core.policy.max_uses_cap;
    for (at, uses) in [("max_uses", new.max_uses.unwrap_or(1)), ("max_reveals", new.max_reveals)] {
        if uses == 0 || uses > most {
            return refused(&format!("/{at}"), "range", format!("{at} has to be between 1 and {most}."));
        }
    }
    let fields = &new.mask_fields;
    if fields.len() > MOST_FIELDS
        || fields.iter().any(|field| field.len() > LONGEST_FIELD || field.contains(','))
    {
        let detail = "mask_fields has at most 50 names of at most 100 bytes.";
        return refused("/mask_fields", "range", detail.to_owned());
    }
    Ok(())
}

fn build(
    core: &Core,
    key: &VaultKey,
    new: NewRetrieval,
    page_secret: &str,
    custody: &Key32,
) -> Result<RetrieveEndpoint, RetrieveError> {
    let now = core.now();
    let mut endpoint = RetrieveEndpoint {
        id: RetrieveId::new(now, &*core.entropy),
        unique_id: new.unique_id.unwrap_or_else(|| secret::generate_id(&*core.entropy)),
        merchant: key.merchant.clone(),
        mode: key.mode,
        key: key.id.clone(),
        key_name: key.name.clone(),
        secret_hash: secret::hash(page_secret).to_vec(),
        wrapped: Vec::new(),
        lock_token: new.token,
        lock_reference: new.reference,
        mask_fields: new.mask_fields,
        expires_at: match new.ttl {
            Ttl::For(life) => Some(now.plus(life)),
            Ttl::Endless => None,
        },
        max_uses: new.max_uses.unwrap_or(core.policy.max_uses),
        uses: 0,
        max_reveals: new.max_reveals,
        reveals: 0,
        created_at: now,
        reveal_only: new.reveal_only,
        rules: new.rules,
    };
    let inner = aead::seal(
        &wrapping_key(core, &endpoint, page_secret),
        &bind(&endpoint),
        custody.as_bytes(),
        &*core.entropy,
    );
    endpoint.wrapped = core.root.wrap(&bind(&endpoint), &inner, &*core.entropy)?;
    Ok(endpoint)
}
