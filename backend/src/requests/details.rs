//! What a merchant asked for, beyond what lists are searched by: kept sealed, because it names a person.

use serde::{Deserialize, Serialize};

use super::RequestError;
use super::money::Money;
use crate::core::Core;
use crate::crypto::CryptoError;
use crate::crypto::binding::Binding;
use crate::model::{CardRequest, MerchantId, Mode, RequestId};

/// Whom the recipient can turn to.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Support {
    /// An https address.
    pub link: Option<String>,
    /// What stands for that address.
    pub link_text: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// A telephone number as people write it.
    pub phone: Option<String>,
}

/// Everything that the merchant gave, checked. Personal data: no Debug.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Details {
    /// The merchant's name for its own account; kept and shown again.
    pub brand: Option<String>,
    /// Two letters, or a tag of a language of the pages (BCP 47).
    pub language: String,
    /// The hosted form whose stylesheet the page takes.
    pub css: Option<String>,
    /// Whether the form asks for the security code.
    pub cvv: bool,
    /// Brands that are taken, by folded name; all where it is empty.
    pub card_types: Vec<String>,
    /// The recipient's name; may be empty.
    pub recipient_name: String,
    /// Where an e-mail goes.
    pub recipient_email: Option<String>,
    /// Where a text message goes, E.164.
    pub recipient_phone: Option<String>,
    /// The merchant's template; the built-in one where there is none.
    pub template: Option<String>,
    /// Before the text of message and page.
    pub header: String,
    /// After the text of message and page.
    pub footer: String,
    /// What the card is asked for.
    pub money: Option<Money>,
    /// Seconds of the link's life.
    pub ttl: u64,
    /// Where changes are told.
    pub callback: Option<String>,
    /// The name that the recipient knows the merchant by.
    pub merchant_name: String,
    /// Whom the recipient can turn to.
    pub support: Support,
    /// Where one-time passcodes go, E.164; none are asked for where there is none.
    pub passcode_phone: Option<String>,
    /// The stored card whose security code is asked for.
    pub card: Option<String>,
    /// Whether the security code makes a new card of the stored one, which stays as it is.
    pub duplicate: bool,
}

impl Details {
    /// Seals them for a request.
    pub fn seal(
        &self,
        core: &Core,
        merchant: &MerchantId,
        mode: Mode,
        id: &RequestId,
    ) -> Result<Vec<u8>, CryptoError> {
        let text = serde_json::to_vec(self).map_err(|_| CryptoError::Open)?;
        core.root.wrap(&bind(merchant, mode, id), &text, &*core.entropy)
    }

    /// Opens those of a request.
    pub fn open(core: &Core, request: &CardRequest) -> Result<Self, RequestError> {
        let binding = bind(&request.merchant, request.mode, &request.id);
        let text = core.root.unwrap(&binding, &request.sealed)?;
        Ok(serde_json::from_slice(&text).map_err(|_| CryptoError::Open)?)
    }
}

fn bind<'a>(merchant: &'a MerchantId, mode: Mode, id: &'a RequestId) -> Binding<'a> {
    Binding {
        merchant: merchant.as_str(),
        mode: mode.as_str(),
        record: id.as_str(),
        kind: "card request",
        field: "details",
        number: 0,
        key_version: 0,
    }
}
