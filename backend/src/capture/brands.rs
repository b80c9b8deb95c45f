//! What a form says about card brands: which it takes, in which order of preference, and how long their security
//! codes are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::{Accepted, Brand, CardNumber, CodeLengths};

use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::vault::members;

/// The settings, as stored: only what was checked.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct BrandSettings {
    /// `card_types`: wire names, the preferred one first; empty takes all.
    pub card_types: Vec<String>,
    /// `cvv_lengths`: by wire name, 3 or 4 or both.
    pub cvv_lengths: BTreeMap<String, Vec<u8>>,
}

impl BrandSettings {
    /// Takes its members out of the body that makes a form.
    pub fn take(body: &mut Members) -> Result<Self, Invalid> {
        Ok(Self { card_types: take_types(body)?, cvv_lengths: take_lengths(body)? })
    }

    /// The brands that are taken.
    pub fn accepted(&self) -> Accepted {
        accepted(&self.card_types)
    }

    /// The same on an endpoint that takes some card types alone: those that both take. Where they share none, what
    /// the form says stays, and the endpoint refuses every card.
    #[must_use]
    pub fn on(mut self, endpoint: &[String]) -> Self {
        let own = std::mem::take(&mut self.card_types);
        let shared: Vec<_> = own.iter().filter(|name| endpoint.contains(name)).cloned().collect();
        self.card_types = match (own.is_empty(), shared.is_empty()) {
            (true, _) => endpoint.to_vec(),
            (false, true) => own,
            (false, false) => shared,
        };
        self
    }

    /// The lengths of security codes.
    pub fn codes(&self) -> CodeLengths {
        let mut codes = CodeLengths::default();
        for (name, lengths) in &self.cvv_lengths {
            codes.set(Brand::from_wire(name), lengths);
        }
        codes
    }

    /// The lengths for the page's markup, as `CodeLengths::from_markup` reads them.
    pub fn codes_markup(&self) -> String {
        let entry = |(name, lengths): (&String, &Vec<u8>)| {
            let digits: String = lengths.iter().map(ToString::to_string).collect();
            format!("{name}:{digits}")
        };
        self.cvv_lengths.iter().map(entry).collect::<Vec<_>>().join(" ")
    }
}

/// A brand by a name that people write: its wire name or its title in any spelling, or a usual other name of it.
pub fn named(name: &str) -> Option<Brand> {
    let letters = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let folded = letters(name);
    let known = match folded.as_str() {
        "americanexpress" => "amex",
        "dinersclub" | "dinersclubinternational" => "diners",
        "unionpay" | "chinaunionpay" | "cup" => "union",
        "eurocard" | "mc" => "mastercard",
        "cb" => "cartesbancaires",
        other => other,
    };
    Brand::ALL.into_iter().find(|brand| letters(brand.wire()) == known || letters(brand.title()) == known)
}

/// Takes `card_types` out of a body: wire names, none twice; none where it is left out.
pub fn take_types(body: &mut Members) -> Result<Vec<String>, Invalid> {
    const AT: &str = "/card_types";
    let items = match body.take("card_types") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::List(items)) => items,
        Some(_) => return Err(Invalid::new(AT, "type", "This has to be a list of card types.")),
    };
    if items.is_empty() {
        return Err(Invalid::new(AT, "empty", "At least one card type has to be taken."));
    }
    let mut types: Vec<String> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let name = item.as_text().unwrap_or_default();
        check_name(name, &format!("{AT}/{index}"))?;
        if types.iter().any(|known| known == name) {
            return Err(Invalid::new(format!("{AT}/{index}"), "twice", "This card type is listed already."));
        }
        types.push(name.to_owned());
    }
    Ok(types)
}

fn take_lengths(body: &mut Members) -> Result<BTreeMap<String, Vec<u8>>, Invalid> {
    let options = match body.take("cvv_lengths") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(options)) => options,
        Some(_) => {
            let detail = "This has to be an object of card types with their lengths.";
            return Err(Invalid::new("/cvv_lengths", "type", detail));
        }
    };
    let mut all = BTreeMap::new();
    for (name, value) in options {
        let shown = if shared::digits::holds_card_number(&name) { "…" } else { &name };
        let at = format!("/cvv_lengths/{}", shown.chars().take(60).collect::<String>());
        check_name(&name, &at)?;
        let wrong = || Invalid::new(at.clone(), "range", "This has to be a list of 3, 4 or both.");
        let Value::List(items) = value else { return Err(wrong()) };
        let mut lengths = Vec::new();
        for item in &items {
            let length =
                item.as_typed().and_then(|text| text.parse().ok()).filter(|length| matches!(length, 3 | 4));
            lengths.push(length.ok_or_else(wrong)?);
        }
        lengths.sort_unstable();
        lengths.dedup();
        if lengths.is_empty() {
            return Err(wrong());
        }
        all.insert(name, lengths);
    }
    Ok(all)
}

fn check_name(name: &str, at: &str) -> Result<(), Invalid> {
    if name == Brand::Other.wire() || Brand::from_wire(name) != Brand::Other {
        return Ok(());
    }
    Err(Invalid::new(at, "unknown", "There is no such card type."))
}

/// Whether an endpoint takes a card of these leading digits under a brand that was chosen, and the brand under which
/// it is used where that is not the one that the number belongs to.
pub fn check(
    card_types: &[String],
    name: &str,
    number: &CardNumber,
    chosen: Option<Brand>,
) -> Result<Option<Brand>, Invalid> {
    let networks = accepted(card_types).networks(number.digits());
    let Some(first) = networks.at(0) else {
        return Err(not_accepted(&members::pointer("", name)));
    };
    match chosen {
        Some(brand) if networks.has(brand) => Ok(Some(brand)),
        Some(_) => Err(not_accepted(&format!("/{}", members::NETWORK))),
        // A card with a choice that nobody made is used as what its number says, where that is taken.
        None if networks.has(number.brand()) => Ok(None),
        None => Ok(Some(first)),
    }
}

fn accepted(card_types: &[String]) -> Accepted {
    let order: Vec<Brand> = card_types.iter().map(|name| Brand::from_wire(name)).collect();
    Accepted::only(&order)
}

/// The refusal of a card whose type is not taken.
pub fn not_accepted(at: &str) -> Invalid {
    Invalid::new(at, "not_accepted", "This card type is not accepted here.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brands_are_known_by_what_people_write() {
        for (written, wire) in [
            ("Visa", "visa"),
            ("AMERICAN EXPRESS", "amex"),
            ("Diners-Club", "diners"),
            ("Master Card", "mastercard"),
        ] {
            assert_eq!(named(written).map(Brand::wire), Some(wire), "{written}");
        }
        for brand in Brand::ALL {
            assert_eq!(named(brand.wire()), Some(brand));
        }
        assert_eq!((named("nobody"), named("")), (None, None));
    }

    #[test]
    fn form_and_endpoint_take_what_both_take() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (form, endpoint, expected) in [
            (&[][..], &[][..], &[][..]),
            (&[], &["visa"], &["visa"]),
            (&["amex", "visa"], &[], &["amex", "visa"]),
            (&["amex", "visa"], &["visa", "amex", "jcb"], &["amex", "visa"]),
            (&["amex"], &["visa"], &["amex"]),
        ] {
            let form = BrandSettings { card_types: names(form), ..BrandSettings::default() };
            assert_eq!(form.on(&names(endpoint)).card_types, names(expected));
        }
    }

    #[test]
    fn the_markup_leads_back() {
        let mut body = Members::parse(br#"{"cvv_lengths":{"amex":[4,3,3],"mada":["3"]}}"#).unwrap();
        let brands = BrandSettings::take(&mut body).unwrap();
        assert_eq!(brands.codes_markup(), "amex:34 mada:3");
        assert_eq!(CodeLengths::from_markup(&brands.codes_markup()), brands.codes());
    }
}
