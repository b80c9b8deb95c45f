//! Identifiers: a prefix that says what is named, and 26 characters that sort by the time of their making.

use crate::{crypto::entropy::Entropy, model::Timestamp};

/// Crockford's base 32: digits and capitals without I, L, O, U; sorts like the bytes it encodes.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 48 bits of milliseconds and 80 random bits, as 26 characters.
fn sortable(now: Timestamp, entropy: &dyn Entropy) -> String {
    let mut random = [0_u8; 10];
    entropy.fill(&mut random);
    text_of(now, &random)
}

fn text_of(now: Timestamp, random: &[u8; 10]) -> String {
    let mut bits = u128::from(now.millis().cast_unsigned() & 0xFFFF_FFFF_FFFF) << 80;
    for (index, byte) in random.iter().rev().enumerate() {
        bits |= u128::from(*byte) << (8 * index);
    }
    let mut text = String::with_capacity(26);
    for place in (0..26).rev() {
        let index = usize::try_from((bits >> (5 * place)) & 31).unwrap_or(0);
        text.push(ALPHABET.get(index).copied().map_or('0', char::from));
    }
    text
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// A new identifier, made from the passed clock and randomness.
            pub fn new(now: Timestamp, entropy: &dyn Entropy) -> Self {
                Self(format!(concat!($prefix, "_{}"), sortable(now, entropy)))
            }

            /// An identifier read back from storage.
            pub fn stored(text: String) -> Self {
                Self(text)
            }

            /// Before every identifier that was made at this time, and after all that were made earlier.
            pub fn first_of(time: Timestamp) -> Self {
                Self(format!(concat!($prefix, "_{}"), text_of(time, &[0; 10])))
            }

            /// The text, as stored and shown.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A merchant: the tenant that everything else belongs to.
    MerchantId = "mer";
    /// A pair of credentials of a merchant.
    ApiKeyId = "key";
    /// A vault key: the custody unit under which cards are sealed.
    KeyId = "vky";
    /// A stored card.
    CardId = "card";
    /// One incarnation of a capture endpoint; its public `unique_id` can be used again after deletion.
    EndpointId = "cep";
    /// One incarnation of a retrieve endpoint.
    RetrieveId = "rtv";
    /// An entry of the audit log.
    AuditId = "aud";
    /// An outgoing event.
    EventId = "evt";
    /// One hour's key around security codes.
    CvvKeyId = "cvk";
    /// A card request.
    RequestId = "req";
    /// A call to a gateway.
    OperationId = "opn";
    /// A gateway transaction; its `transaction_id` is another, of digits.
    TransactionId = "txn";
    /// An account update.
    UpdateId = "upd";
    /// A host that cards may be sent to.
    HostId = "pxh";
    /// A card on its way to another server.
    SendId = "snd";
    /// A credential of an operator.
    OperatorKeyId = "opk";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::entropy::SeededEntropy;

    #[test]
    fn identifiers_sort_by_time() {
        let entropy = SeededEntropy::new(7);
        let early = CardId::new(Timestamp::from_millis(1_700_000_000_000), &entropy);
        let late = CardId::new(Timestamp::from_millis(1_700_000_000_001), &entropy);
        assert!(early < late);
        assert!(early.as_str().starts_with("card_"));
        assert_eq!(early.as_str().len(), 31);
        let border = CardId::first_of(Timestamp::from_millis(1_700_000_000_001));
        assert!(early < border && border < late);
    }
}
