//! Where the database keeps what the root key wrapped, for the rotation of the root key: each place is a column.
//! A new column of this kind gets a place here, and nowhere
//! else; a test compares the list with the schema.

use async_trait::async_trait;

use super::Result;

/// Whose the rows of a place are, which their binding needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The row names merchant and mode.
    Row,
    /// The row's vault key does.
    Key,
    /// Nobody's: the installation's.
    Nobody,
}

/// The names of a place in the schema.
pub(super) struct Columns {
    /// The table.
    pub table: &'static str,
    /// The column of the wrapped bytes.
    pub wrapped: &'static str,
    /// The column that names the record.
    pub id: &'static str,
    /// The column that numbers the rows of one record.
    pub number: Option<&'static str>,
    /// Where merchant and mode stand.
    pub owner: Owner,
}

/// A column that holds what the root key wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrapPlace {
    /// The custody key of a vault key.
    Custody,
    /// The token key of a vault key.
    TokenKey,
    /// The private half of a pair.
    Private,
    /// The pre-shared key of a pair.
    Psk,
    /// The key of an hour's security codes.
    CvvKey,
    /// The webhook of a capture endpoint.
    Webhook,
    /// A page's result.
    PageResult,
    /// The answer to a form's submit.
    FormSubmit,
    /// The content of an outgoing event.
    Event,
    /// What a merchant's webhooks are signed with.
    WebhookSecret,
    /// What a card request says of its recipient.
    CardRequest,
    /// The hash code and the settings of a company.
    Company,
    /// What a retrieve endpoint opens its vault key with.
    Retrieval,
    /// What an invoice says of its payer.
    Invoice,
    /// What invoice callbacks are signed with.
    CallbackSecret,
    /// What the tokens of direct sales are signed with.
    SaleKey,
    /// What a host is called with: a certificate of ours, an authority.
    ProxyHost,
    /// What is queued to be sent.
    ProxySend,
    /// What came of it.
    ProxyResult,
}

impl WrapPlace {
    /// All places.
    pub const ALL: [Self; 19] = [
        Self::Custody,
        Self::TokenKey,
        Self::Private,
        Self::Psk,
        Self::CvvKey,
        Self::Webhook,
        Self::PageResult,
        Self::FormSubmit,
        Self::Event,
        Self::WebhookSecret,
        Self::CardRequest,
        Self::Company,
        Self::Retrieval,
        Self::Invoice,
        Self::CallbackSecret,
        Self::SaleKey,
        Self::ProxyHost,
        Self::ProxySend,
        Self::ProxyResult,
    ];

    /// The table and the column.
    pub const fn column(self) -> (&'static str, &'static str) {
        let columns = self.columns();
        (columns.table, columns.wrapped)
    }

    /// What the root key binds the values to, as where they are made: the kind of the record and the field.
    pub const fn bound_as(self) -> (&'static str, &'static str) {
        match self {
            Self::Custody => ("vault key", "custody"),
            Self::TokenKey => ("vault key", "token"),
            Self::Private => ("vault key", "private"),
            Self::Psk => ("vault key", "psk"),
            Self::CvvKey => ("cvv key", "key"),
            Self::Webhook => ("capture endpoint", "webhook"),
            Self::PageResult => ("page result", "outcome"),
            Self::FormSubmit => ("form submit", "answer"),
            Self::Event => ("event", "body"),
            Self::CardRequest => ("card request", "details"),
            Self::Company => ("company", "settings"),
            Self::Retrieval => ("retrieve endpoint", "custody"),
            Self::Invoice => ("invoice", "details"),
            Self::CallbackSecret => ("callback secret", "secret"),
            Self::SaleKey => ("sale key", "private"),
            Self::ProxyHost => ("proxy host", "settings"),
            Self::ProxySend => ("proxy send", "request"),
            Self::ProxyResult => ("proxy send", "result"),
            Self::WebhookSecret => ("webhook secret", "secret"),
        }
    }

    pub(super) const fn columns(self) -> Columns {
        let (table, wrapped, id, number, owner) = match self {
            Self::Custody => ("vault_key", "wrapped_custody", "id", None, Owner::Row),
            Self::TokenKey => ("vault_key", "wrapped_token_key", "id", None, Owner::Row),
            Self::Private => ("vault_key_pair", "wrapped_private", "key_id", Some("version"), Owner::Key),
            Self::Psk => ("vault_key_pair", "wrapped_psk", "key_id", Some("version"), Owner::Key),
            Self::CvvKey => ("cvv_key", "wrapped", "id", None, Owner::Nobody),
            Self::Webhook => ("capture_endpoint", "webhook", "id", None, Owner::Row),
            Self::PageResult => ("page_result", "sealed", "id_hash", None, Owner::Row),
            Self::FormSubmit => ("form_submit", "sealed", "id_hash", None, Owner::Row),
            Self::Event => ("outbox_event", "sealed", "id", None, Owner::Row),
            Self::CardRequest => ("card_request", "sealed", "id", None, Owner::Row),
            Self::Company => ("gateway_company", "sealed", "company_id", None, Owner::Row),
            Self::Retrieval => ("retrieve_endpoint", "wrapped", "id", None, Owner::Row),
            Self::Invoice => ("invoice", "sealed", "id", None, Owner::Row),
            Self::CallbackSecret => ("callback_secret", "sealed", "merchant_id", None, Owner::Row),
            Self::SaleKey => ("sale_key", "wrapped_private", "id", None, Owner::Nobody),
            Self::ProxyHost => ("proxy_host", "sealed", "id", None, Owner::Row),
            Self::ProxySend => ("proxy_send", "sealed", "id", None, Owner::Row),
            Self::ProxyResult => ("proxy_send", "result", "id", None, Owner::Row),
            Self::WebhookSecret => ("webhook_secret", "sealed", "merchant_id", None, Owner::Row),
        };
        Columns { table, wrapped, id, number, owner }
    }
}

impl Columns {
    /// Table, merchant and mode as a query names them; the table's own name is `t`.
    pub fn source(&self) -> (String, &'static str, &'static str) {
        match self.owner {
            Owner::Row => (format!("{} t", self.table), "t.merchant_id", "t.mode"),
            Owner::Key => {
                (format!("{} t JOIN vault_key k ON k.id = t.key_id", self.table), "k.merchant_id", "k.mode")
            }
            Owner::Nobody => (format!("{} t", self.table), "''", "''"),
        }
    }
}

/// One wrapped value and what it is bound to.
#[derive(Clone, Debug)]
pub struct Wrap {
    /// The record's identity.
    pub record: String,
    /// The number of the row within the record; 0 where there is one row.
    pub number: u32,
    /// The merchant's id; empty where nobody's.
    pub merchant: String,
    /// The mode's name; empty where nobody's.
    pub mode: String,
    /// What is stored.
    pub wrapped: Vec<u8>,
}

/// A stretch of a place, by identity.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// The last identity of it; the next stretch begins after.
    pub end: String,
    /// What an older version wrapped.
    pub old: Vec<Wrap>,
}

/// For the worker that moves wraps to the newest version of the root key: of all merchants.
#[async_trait]
pub trait Wraps {
    /// How many wraps of a place each version of the root key made, oldest first. Erased ones do not count.
    async fn count_wraps(&mut self, place: WrapPlace) -> Result<Vec<(u32, u64)>>;
    /// The next `rows` rows of a place after an identity, and those among them that a version older than
    /// `version` wrapped. `None` behind the last row.
    async fn list_wraps(
        &mut self,
        place: WrapPlace,
        version: u32,
        after: String,
        rows: u32,
    ) -> Result<Option<Stretch>>;
    /// Replaces wraps that are still what was read; the second of each pair is the new one. Answers how many.
    async fn replace_wraps(&mut self, place: WrapPlace, wraps: Vec<(Wrap, Vec<u8>)>) -> Result<u64>;
}
