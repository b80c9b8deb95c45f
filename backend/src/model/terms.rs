//! The terms of a stored security code: until when, where and how often it may be used, and what goes with it
//! (spec B.5).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::Timestamp;

/// No code is kept longer than this after its card was stored, whatever the operator allows: 48 months, of which
/// four years have one leap day (spec B.5).
pub const LONGEST_LIFE: Duration = Duration::from_hours(1461 * 24);
/// The most destinations.
pub const MAX_DESTINATIONS: usize = 50;

/// The terms of a code. They go with the code: a newer code begins with the operator's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CvvTerms {
    /// When the code ends.
    pub expires_at: Timestamp,
    /// How often it may still be used, at all destinations together.
    pub uses_left: u32,
    /// Where it may be used; empty for everywhere.
    pub destinations: Vec<CvvDestination>,
    /// Whether the card is deleted when the code ends or is used up.
    pub deletes_card: bool,
    /// When the code was stored.
    pub created_at: Timestamp,
}

/// A place where a code may be used, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct CvvDestination {
    /// What kind of place.
    pub kind: DestinationKind,
    /// Which one; empty for any of the kind.
    pub data: String,
    /// How often, 1 to 50.
    pub quota: u32,
    /// How often so far.
    pub used: u32,
}

/// The kinds of places that clients name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum DestinationKind {
    /// A server that the card is sent to, by its host name.
    HostName,
    /// The merchant itself: a read with a credential that may read codes.
    Owner,
    /// Another merchant.
    OtherMerchant,
    /// Another user.
    OtherUser,
    /// A file server.
    Sftp,
    /// A property of any kind.
    GeneralProperty,
}

/// A use of a code.
#[derive(Clone, Copy, Debug)]
pub struct Use<'u> {
    /// What kind of place.
    pub kind: DestinationKind,
    /// Which one.
    pub data: &'u str,
}

impl Use<'static> {
    /// A read by the merchant.
    pub const BY_OWNER: Self = Self { kind: DestinationKind::Owner, data: "" };
}

impl DestinationKind {
    const ALL: [(Self, &'static str); 6] = [
        (Self::HostName, "HostName"),
        (Self::Owner, "Owner"),
        (Self::OtherMerchant, "OtherMerchant"),
        (Self::OtherUser, "OtherUser"),
        (Self::Sftp, "SFTP"),
        (Self::GeneralProperty, "GeneralProperty"),
    ];

    /// The kind of a name in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(kind, _)| kind)
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The largest quota.
    pub const fn most(self) -> u32 {
        if matches!(self, Self::GeneralProperty) { 5 } else { 50 }
    }

    /// A place's name as it is compared: of a host its name alone, whether it came as a name or as an address.
    pub fn normal(self, data: &str) -> String {
        let data = data.trim();
        if self != Self::HostName {
            return data.to_owned();
        }
        let address = if data.contains("://") { data.to_owned() } else { format!("https://{data}") };
        let host = Url::parse(&address).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.unwrap_or_default()
    }
}

impl CvvTerms {
    /// Counts a use. `false`, and nothing counted, where it is not allowed.
    pub fn take(&mut self, at: Use<'_>, now: Timestamp) -> bool {
        if self.expires_at <= now || self.uses_left == 0 {
            return false;
        }
        if !self.destinations.is_empty() {
            let data = at.kind.normal(at.data);
            let place = self.destinations.iter_mut().find(|place| {
                place.kind == at.kind
                    && place.used < place.quota
                    && (place.data.is_empty() || place.data == data)
            });
            let Some(place) = place else { return false };
            place.used += 1;
        }
        self.uses_left -= 1;
        true
    }

    /// Replaces the destinations. What was used at a place stays used there.
    pub fn restrict(&mut self, mut destinations: Vec<CvvDestination>, usual: u32) {
        for place in &mut destinations {
            let known = self.destinations.iter().find(|old| old.kind == place.kind && old.data == place.data);
            place.used = known.map_or(0, |old| old.used.min(place.quota));
        }
        self.destinations = destinations;
        self.uses_left = if self.destinations.is_empty() {
            self.uses_left.min(usual)
        } else {
            self.destinations.iter().map(|place| place.quota - place.used).sum()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn place(kind: DestinationKind, data: &str, quota: u32) -> CvvDestination {
        CvvDestination { kind, data: data.to_owned(), quota, used: 0 }
    }

    fn terms(destinations: Vec<CvvDestination>) -> CvvTerms {
        let mut terms = CvvTerms {
            expires_at: Timestamp::from_millis(2_000),
            uses_left: 1,
            destinations: Vec::new(),
            deletes_card: false,
            created_at: NOW,
        };
        terms.restrict(destinations, 1);
        terms
    }

    #[test]
    fn without_destinations_the_count_alone_decides() {
        let mut terms = terms(Vec::new());
        assert!(!terms.clone().take(Use::BY_OWNER, Timestamp::from_millis(2_000)));
        assert!(terms.take(Use { kind: DestinationKind::HostName, data: "any.example" }, NOW));
        assert!(!terms.take(Use::BY_OWNER, NOW));
    }

    #[test]
    fn each_destination_has_its_quota() {
        let host = DestinationKind::HostName;
        let mut terms = terms(vec![place(host, "a.example", 2), place(DestinationKind::Owner, "", 1)]);
        assert_eq!(terms.uses_left, 3);
        let at = |data| Use { kind: host, data };
        assert!(!terms.take(at("b.example"), NOW));
        assert!(terms.take(at("https://A.example:8443/x?y"), NOW));
        assert!(terms.take(at("a.example"), NOW));
        assert!(!terms.take(at("a.example"), NOW));
        assert_eq!(terms.uses_left, 1);
        assert!(terms.take(Use::BY_OWNER, NOW) && !terms.take(Use::BY_OWNER, NOW));
        assert_eq!(terms.uses_left, 0);
    }

    #[test]
    fn new_terms_give_no_use_back() {
        let host = DestinationKind::HostName;
        let mut terms = terms(vec![place(host, "a.example", 2)]);
        assert!(terms.take(Use { kind: host, data: "a.example" }, NOW));
        terms.restrict(vec![place(host, "a.example", 3), place(host, "b.example", 1)], 1);
        assert_eq!((terms.uses_left, terms.destinations[0].used), (3, 1));
        terms.restrict(Vec::new(), 1);
        assert_eq!(terms.uses_left, 1);
    }
}
