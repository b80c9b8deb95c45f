//! Card brands: what each is called, how long its numbers and security codes are, and how its digits are grouped
//! for the eye. Which digits belong to whom stands in `ranges`.

use crate::ranges;

/// Declares the brands: one row each, with the wire name, the name that cardholders know, and the lengths in digits.
macro_rules! brands {
    ($($name:ident $wire:literal $title:literal [$($length:literal)+])+) => {
        /// A card brand. `Other` is a number of no range in the table; it is accepted with generic rules.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Brand {
            $(#[doc = $title] $name,)+
            /// A number of no range known here.
            Other,
        }

        impl Brand {
            /// Every brand of the table, without `Other`.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$name,)+];
            /// How many brands the table has; also the number of `Other`.
            pub const COUNT: usize = Self::Other as usize;

            const fn row(self) -> Row {
                match self {
                    $(Self::$name => Row($wire, $title, 0 $(| 1 << ($length - 12))+),)+
                    Self::Other => Row("other", "", 0xFF),
                }
            }
        }
    };
}

/// Wire name, name for people, and one bit for each length from 12 digits on.
struct Row(&'static str, &'static str, u8);

// The first eight wire names are those of the vault interface's own form (spec A.3).
brands! {
    Visa "visa" "Visa" [13 16 19]
    Mastercard "mastercard" "Mastercard" [16]
    Amex "amex" "American Express" [15]
    Discover "discover" "Discover" [16 17 18 19]
    Diners "diners" "Diners Club" [14 15 16 17 18 19]
    Jcb "jcb" "JCB" [16 17 18 19]
    Maestro "maestro" "Maestro" [12 13 14 15 16 17 18 19]
    UnionPay "union" "UnionPay" [16 17 18 19]
    CartesBancaires "cartes_bancaires" "CB" [16]
    Dankort "dankort" "Dankort" [16]
    Bancontact "bancontact" "Bancontact" [16 17 18 19]
    Mada "mada" "mada" [16]
    Meeza "meeza" "Meeza" [16 17 18 19]
    Mir "mir" "Mir" [16 17 18 19]
    Elo "elo" "Elo" [16]
    Hipercard "hipercard" "Hipercard" [13 16 19]
    Hiper "hiper" "Hiper" [16]
    Cabal "cabal" "Cabal" [16]
    Naranja "naranja" "Naranja" [16]
    Carnet "carnet" "Carnet" [16]
    Verve "verve" "Verve" [16 18 19]
    Troy "troy" "Troy" [16]
    RuPay "rupay" "RuPay" [16]
    LankaPay "lankapay" "LankaPay" [16]
    Napas "napas" "NAPAS" [16 19]
    TUnion "tunion" "T-Union" [19]
    Humo "humo" "HUMO" [16]
    UzCard "uzcard" "Uzcard" [16]
    Belkart "belkart" "Belkart" [16]
    Borica "borica" "BORICA" [16]
    InterPayment "interpayment" "InterPayment" [16 17 18 19]
    Uatp "uatp" "UATP" [15]
}

impl Brand {
    /// The brand that a number's leading digits belong to; the digits are ASCII and may be incomplete.
    pub fn of(digits: &str) -> Self {
        ranges::owner(digits)
    }

    /// The name on the wire (`card_type`).
    pub const fn wire(self) -> &'static str {
        self.row().0
    }

    /// The brand of a wire name; unknown names are `Other`.
    pub fn from_wire(name: &str) -> Self {
        Self::ALL.into_iter().find(|brand| brand.wire() == name).unwrap_or(Self::Other)
    }

    /// The name a cardholder knows; empty for `Other`.
    pub const fn title(self) -> &'static str {
        self.row().1
    }

    /// The fewest digits of a number of this brand.
    pub const fn min_length(self) -> usize {
        12 + self.row().2.trailing_zeros() as usize
    }

    /// The most digits of a number of this brand.
    pub const fn max_length(self) -> usize {
        19 - self.row().2.leading_zeros() as usize
    }

    /// How many digits the security code has: the accepted lengths, ascending.
    pub const fn cvv_lengths(self) -> &'static [u8] {
        match self {
            Self::Amex => &[4],
            Self::Other | Self::Uatp => &[3, 4],
            _ => &[3],
        }
    }

    /// How many digits stand in each group when the number is shown; the rest follows in fours.
    pub const fn groups(self) -> &'static [u8] {
        match self {
            Self::Amex => &[4, 6, 5],
            Self::Diners => &[4, 6, 4],
            _ => &[4, 4, 4, 4],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_lead_back() {
        for brand in Brand::ALL {
            assert_eq!(Brand::from_wire(brand.wire()), brand);
            assert!(!brand.title().is_empty());
        }
        assert_eq!(Brand::from_wire("other"), Brand::Other);
        assert_eq!(Brand::from_wire("nobody"), Brand::Other);
    }

    #[test]
    fn lengths_are_those_of_the_schemes() {
        for (brand, shortest, longest) in [
            (Brand::Visa, 13, 19),
            (Brand::Mastercard, 16, 16),
            (Brand::Amex, 15, 15),
            (Brand::Diners, 14, 19),
            (Brand::Maestro, 12, 19),
            (Brand::UnionPay, 16, 19),
            (Brand::Other, 12, 19),
        ] {
            assert_eq!((brand.min_length(), brand.max_length()), (shortest, longest), "{}", brand.title());
        }
    }
}
