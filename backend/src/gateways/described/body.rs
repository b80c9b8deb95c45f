//! Marks in the place of the card's number and code, and their replacement.

use minijinja::Value;
use zeroize::Zeroizing;

use crate::crypto::entropy::{self, Entropy};
use crate::crypto::hex;
use crate::gateways::CardInUse;

/// What stands for the number and the code of one call. Nobody who writes into the same body can guess it.
pub struct Marks {
    number: String,
    cvv: String,
}

impl Marks {
    /// For one call.
    pub fn new(entropy: &dyn Entropy, _card: &CardInUse<'_>) -> Self {
        let mark = |name: &str| format!("{name}{}", hex(&entropy::bytes::<16>(entropy)));
        Self { number: mark("number"), cvv: mark("cvv") }
    }

    /// The card as templates see it.
    pub fn facts(&self, card: &CardInUse<'_>) -> Value {
        let cvv = if card.cvv.is_some() { self.cvv.as_str() } else { "" };
        let card = Value::from_pairs([
            ("number", Value::from(self.number.as_str())),
            ("cvv", Value::from(cvv)),
            ("holder", Value::from(card.holder)),
            ("month", Value::from(format!("{:02}", card.expiry.month()))),
            ("year", Value::from(card.expiry.year().to_string())),
            ("brand", Value::from(card.number.brand().wire())),
        ]);
        Value::from_pairs([("card", card)])
    }

    /// The body with the card in it. Digits need no escape in any notation.
    pub fn replace(&self, body: &str, card: &CardInUse<'_>) -> Zeroizing<String> {
        // Of its final size from the start: growing would leave copies behind.
        let mut whole = Zeroizing::new(String::with_capacity(body.len() + 64));
        let mut rest = body;
        while let Some((place, mark, digits)) = self.first(rest, card) {
            whole.push_str(rest.get(..place).unwrap_or_default());
            whole.push_str(digits);
            rest = rest.get(place + mark..).unwrap_or_default();
        }
        whole.push_str(rest);
        whole
    }

    fn first<'c>(&self, text: &str, card: &'c CardInUse<'_>) -> Option<(usize, usize, &'c str)> {
        let number = text.find(&self.number).map(|place| (place, self.number.len(), card.number.digits()));
        let code = card.cvv.and_then(|code| Some((text.find(&self.cvv)?, self.cvv.len(), code.digits())));
        [number, code].into_iter().flatten().min_by_key(|(place, ..)| *place)
    }
}
