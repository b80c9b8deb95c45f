//! Payment invoices: made by a merchant, paid on a page or by a direct sale, by a typed card or a stored one, and
//! captured, freed or given back afterwards (seed 004, spec part B).
//!
//! `change` is the one place where an invoice changes; `pay` begins payments and `settle` is told how operations
//! ended. `page` holds what the payment page asks for.

pub mod change;
pub mod create;
pub mod details;
pub mod document;
pub mod expiry;
mod hidden;
pub mod input;
pub mod manage;
pub mod page;
pub mod pay;
pub mod sale;
pub mod sale_keys;
pub mod sale_token;
pub mod secrets;
pub mod settle;
pub mod tokens;

use url::Url;

use crate::access::Caller;
use crate::core::Actor;
use crate::crypto::CryptoError;
use crate::invalid::Invalid;
use crate::model::{Invoice, Scopes};
use crate::operations::OperationError;
use crate::outbox::OutboxError;
use crate::outgoing::Outgoing;
use crate::storage::{self, StoreError, Transaction};
use crate::vault::VaultError;

pub use details::Details;

/// What invoices need of this server beside the core.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    /// Where the world reaches this server.
    pub public_url: &'p Url,
    /// The client that will make the callbacks.
    pub callbacks: &'p Outgoing,
}

/// An invoice with what is sealed with it.
pub struct Whole {
    /// The row.
    pub invoice: Invoice,
    /// What is sealed.
    pub details: Details,
}

/// Why a call about invoices did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// Values were refused: each told.
    #[error("values were refused")]
    Invalid(Vec<Invalid>),
    /// No such invoice, or another merchant's: all alike.
    #[error("unknown invoice")]
    Unknown,
    /// The token of a direct sale is none, has ended, or is used up: all alike.
    #[error("the token of the sale is not good")]
    SaleToken,
    /// The invoice is in a state that does not allow it; the text says which would.
    #[error("the invoice's state does not allow it: {0}")]
    State(&'static str),
    /// An operation is under way.
    #[error("an operation of this invoice is under way")]
    Busy,
    /// The acquirer refused; the reason by the names of spec B.3.
    #[error("the acquirer refused: {0}")]
    Declined(String),
    /// The gateway could not be called, or its result not be filed.
    #[error(transparent)]
    Operation(OperationError),
    /// The vault's own errors.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Place<'_> {
    /// An address of this server.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }
}

impl From<OperationError> for InvoiceError {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::UnknownService => {
                Invalid::new("/data/attributes/service", "unknown", "There is no such service.").into()
            }
            OperationError::Vault(VaultError::Invalid(errors)) => Self::Invalid(errors),
            OperationError::Vault(error) => Self::Vault(error),
            other => Self::Operation(other),
        }
    }
}

impl From<InvoiceError> for OperationError {
    fn from(error: InvoiceError) -> Self {
        match error {
            InvoiceError::Vault(error) => Self::Vault(error),
            InvoiceError::Operation(error) => error,
            other => Self::Owner(other.to_string()),
        }
    }
}

impl From<StoreError> for InvoiceError {
    fn from(error: StoreError) -> Self {
        Self::Vault(error.into())
    }
}

impl From<CryptoError> for InvoiceError {
    fn from(error: CryptoError) -> Self {
        Self::Vault(error.into())
    }
}

impl From<Invalid> for InvoiceError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}

impl From<OutboxError> for InvoiceError {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Store(error) => error.into(),
            OutboxError::Crypto(error) => error.into(),
        }
    }
}

impl From<secrets::StoreOrCrypto> for InvoiceError {
    fn from(error: secrets::StoreOrCrypto) -> Self {
        match error {
            secrets::StoreOrCrypto::Store(error) => error.into(),
            secrets::StoreOrCrypto::Crypto(error) => error.into(),
        }
    }
}

impl InvoiceError {
    /// Whether somebody else changed the same thing at the same time, so that trying again helps.
    pub const fn is_race(&self) -> bool {
        matches!(self, Self::Vault(error) if error.is_race())
    }
}

/// Tries in all where somebody else changes the same invoice.
const TRIES: usize = 5;

/// Runs until it has won its races what nobody would call again, or what something follows that must not happen twice.
pub(crate) async fn until_won<T, F>(run: impl FnMut() -> F) -> Result<T, InvoiceError>
where
    F: Future<Output = Result<T, InvoiceError>>,
{
    storage::until_won(TRIES, InvoiceError::is_race, run).await
}

/// An invoice that was read before, as it stands in this transaction.
async fn again(transaction: &mut dyn Transaction, seen: &Invoice) -> Result<Invoice, InvoiceError> {
    let found = transaction.find_invoice(seen.merchant.clone(), seen.id.clone()).await?;
    found.ok_or(InvoiceError::Unknown)
}

/// Whoever pays acts for the merchant in this one thing.
fn payer(invoice: &Invoice, address: &str) -> Caller {
    Caller {
        merchant: invoice.merchant.clone(),
        mode: invoice.mode,
        login: format!("invoice:{}", invoice.id),
        scopes: Scopes::of(&[]),
        address: address.to_owned(),
    }
}

/// Who acts where nobody does: the sweeper, an inquiry.
fn nobody(invoice: &Invoice, name: &str) -> Actor {
    Actor {
        merchant: Some(invoice.merchant.clone()),
        mode: Some(invoice.mode),
        name: name.to_owned(),
        address: String::new(),
    }
}
