//! What belongs to an invoice beyond what lists are searched by: kept sealed, because it names persons and cards.

use serde::{Deserialize, Serialize};

use super::InvoiceError;
use crate::core::Core;
use crate::crypto::CryptoError;
use crate::crypto::binding::Binding;
use crate::model::{Card, Invoice, InvoiceId, MerchantId, Mode, Shown};

/// Who pays, as the merchant said. Personal data: no Debug.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Person {
    /// The merchant's own name of the customer.
    pub reference: String,
    /// Name; may be empty.
    pub name: String,
    /// E-mail address; may be empty.
    pub email: String,
}

/// Where the payer's browser goes afterwards.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Returns {
    /// Wherever no other says more.
    pub any: Option<String>,
    /// After a payment.
    pub success: Option<String>,
    /// While it is not known.
    pub pending: Option<String>,
    /// After a refusal.
    pub fail: Option<String>,
}

/// What may be shown of a card.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct CardFacts {
    /// The first six digits.
    pub first: String,
    /// The last four digits.
    pub last: String,
    /// How many digits it has.
    pub digits: u8,
    /// The brand by its name on the wire.
    pub brand: String,
    /// The name on it; masked where it comes from a stored card.
    pub holder: String,
    /// Year and month of its end; zero where it is not known.
    pub expiry: (u16, u8),
    /// The bank, where the operator's table knows it.
    pub bank: String,
    /// The bank's country.
    pub country: String,
}

/// The stored card that an invoice is to be paid by.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct StoredCard {
    /// Its token.
    pub token: String,
    /// What may be shown of it.
    pub facts: CardFacts,
    /// What the scheme called the first payment by it.
    pub scheme_reference: Option<String>,
}

/// A payment that was tried, or that succeeded.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Payment {
    /// Whether it came by a direct sale: its refusal ends the invoice.
    pub direct: bool,
    /// The payer's address.
    pub ip: String,
    /// The card.
    pub card: CardFacts,
    /// The id of a card that was put into the vault for it, and leaves if it does not succeed.
    pub kept: Option<String>,
    /// The token of that card.
    pub token: Option<String>,
    /// What the acquirer and the issuer called it.
    pub rrn: String,
    /// The issuer's code.
    pub approval_code: String,
    /// Whether the issuer saw the payer.
    pub authenticated: bool,
}

/// A refund that was asked for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Refund {
    /// Its operation.
    pub operation: String,
    /// The merchant's own name of it.
    pub reference: Option<String>,
}

/// The token of a direct sale as it was handed out.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct SaleToken {
    /// The token.
    pub text: String,
    /// Its number, `jti`.
    pub id: String,
    /// When it ends, in milliseconds since the epoch.
    pub ends_at: i64,
}

/// Everything that is sealed with an invoice. Personal data: no Debug.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Details {
    /// The name that the payer knows the merchant by.
    pub merchant_name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who pays.
    pub customer: Option<Person>,
    /// The merchant's own members, as JSON.
    pub metadata: Option<String>,
    /// Where changes are told.
    pub callback: Option<String>,
    /// Where the payer goes afterwards.
    pub returns: Returns,
    /// Whether a successful payment leaves a token.
    pub tokenize: bool,
    /// Whether the stored card may be charged without its holder.
    pub instant: bool,
    /// Whether the page offers no stored card.
    pub restrict_saved_cards: bool,
    /// The hosted form whose origins, look and words the page has.
    pub form: Option<String>,
    /// The stored card.
    pub stored: Option<StoredCard>,
    /// The token of a direct sale.
    pub sale: SaleToken,
    /// The payment that is under way.
    pub trying: Option<Payment>,
    /// The payment that succeeded.
    pub paid: Option<Payment>,
    /// Why the last payment on the page was refused, by the names of spec B.3.
    pub last_refusal: Option<String>,
    /// Refunds so far.
    pub refunds: Vec<Refund>,
}

impl Details {
    /// Sealed for an invoice.
    pub fn seal(
        &self,
        core: &Core,
        merchant: &MerchantId,
        mode: Mode,
        id: &InvoiceId,
    ) -> Result<Vec<u8>, InvoiceError> {
        let text = serde_json::to_vec(self).map_err(|_| CryptoError::Open)?;
        Ok(core.root.wrap(&bind(merchant, mode, id), &text, &*core.entropy)?)
    }

    /// Of a stored invoice.
    pub fn open(core: &Core, invoice: &Invoice) -> Result<Self, InvoiceError> {
        let binding = bind(&invoice.merchant, invoice.mode, &invoice.id);
        let text = core.root.unwrap(&binding, &invoice.sealed)?;
        Ok(serde_json::from_slice(&text).map_err(|_| CryptoError::Open)?)
    }
}

impl CardFacts {
    /// Of a stored card.
    pub fn of(core: &Core, card: &Card) -> Self {
        let Shown { brand, first_six, last_four, digits, expiry, holder, .. } = &card.shown;
        let issuer = core.bins.issuer_of_six(first_six).unwrap_or_default();
        Self {
            first: first_six.clone(),
            last: last_four.clone(),
            digits: *digits,
            brand: brand.wire().to_owned(),
            holder: holder.clone(),
            expiry: expiry.map_or((0, 0), |expiry| (expiry.year(), expiry.month())),
            bank: issuer.bank,
            country: issuer.country,
        }
    }

    /// The first six digits, stars, and the last four (spec C, rule 12).
    pub fn mask(&self) -> String {
        let hidden = usize::from(self.digits).saturating_sub(self.first.len() + self.last.len());
        format!("{}{}{}", self.first, "*".repeat(hidden), self.last)
    }
}

fn bind<'a>(merchant: &'a MerchantId, mode: Mode, id: &'a InvoiceId) -> Binding<'a> {
    Binding {
        merchant: merchant.as_str(),
        mode: mode.as_str(),
        record: id.as_str(),
        kind: "invoice",
        field: "details",
        number: 0,
        key_version: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_as_many_places_as_the_number() {
        let facts = |first: &str, last: &str, digits| CardFacts {
            first: first.to_owned(),
            last: last.to_owned(),
            digits,
            ..CardFacts::default()
        };
        assert_eq!(facts("512381", "0000", 16).mask(), "512381******0000");
        assert_eq!(facts("371449", "8431", 15).mask(), "371449*****8431");
        assert_eq!(facts("", "", 0).mask(), "");
    }
}
