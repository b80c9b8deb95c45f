//! Hosted forms as the merchant configured them, the one-time results that pages are redirected to, and the
//! submits that may arrive again.

use super::{MerchantId, Mode, Timestamp};

/// A configured hosted form. Its settings are kept as the JSON that the form use case reads and writes.
#[derive(Clone, Debug)]
pub struct HostedForm {
    /// The public identity, part of the page's address.
    pub id: String,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// `pcd`; others later.
    pub form_type: String,
    /// Checked settings as JSON.
    pub settings: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a page needs after a redirect: kept sealed, for minutes, under the hash of its address.
#[derive(Clone, Debug)]
pub struct PageResult {
    /// SHA-256 of the identifier in the address, as hex.
    pub id_hash: String,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The content, sealed under the root key.
    pub sealed: Vec<u8>,
    /// Whether it was read before: the second reader gets the plain page.
    pub was_read: bool,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A filled form that was stored: kept with its capture, so that the same submit, sent again because its answer
/// was lost, is answered alike and stores nothing more.
#[derive(Clone, Debug)]
pub struct FormSubmit {
    /// A keyed digest of what only the page that sent it knows, as hex.
    pub id_hash: String,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The answer, sealed under the root key.
    pub sealed: Vec<u8>,
    /// When it ends.
    pub expires_at: Timestamp,
}
