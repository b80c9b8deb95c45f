//! Card brands: which leading digits belong to whom, how long their numbers and security codes are, and how
//! the digits are grouped for the eye. The ranges are those the schemes publish (ISO/IEC 7812 issuer numbers).

/// A card brand. `Other` is a number of no range in the table; it is accepted with generic rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brand {
    /// Visa, including Visa Electron.
    Visa,
    /// Mastercard, both the 51-55 and the 2221-2720 ranges.
    Mastercard,
    /// American Express.
    Amex,
    /// Discover.
    Discover,
    /// Diners Club International.
    Diners,
    /// JCB.
    Jcb,
    /// Maestro.
    Maestro,
    /// China UnionPay.
    UnionPay,
    /// Mir.
    Mir,
    /// Elo.
    Elo,
    /// Hipercard.
    Hipercard,
    /// Verve.
    Verve,
    /// Troy.
    Troy,
    /// RuPay.
    RuPay,
    /// Dankort.
    Dankort,
    /// A number of no range known here.
    Other,
}

/// One range of leading digits: from and to have the same number of digits.
struct Range {
    from: u32,
    to: u32,
    digits: u8,
    brand: Brand,
}

const fn range(from: u32, to: u32, digits: u8, brand: Brand) -> Range {
    Range { from, to, digits, brand }
}

const fn one(prefix: u32, digits: u8, brand: Brand) -> Range {
    range(prefix, prefix, digits, brand)
}

/// Longer prefixes stand before shorter ones: the first match wins.
const RANGES: &[Range] = &[
    one(506_699, 6, Brand::Elo),
    range(506_700, 506_778, 6, Brand::Elo),
    range(509_000, 509_999, 6, Brand::Elo),
    range(650_031, 650_033, 6, Brand::Elo),
    range(650_035, 650_051, 6, Brand::Elo),
    range(650_405, 650_439, 6, Brand::Elo),
    range(650_485, 650_538, 6, Brand::Elo),
    range(651_652, 651_679, 6, Brand::Elo),
    one(636_297, 6, Brand::Elo),
    one(636_368, 6, Brand::Elo),
    one(438_935, 6, Brand::Elo),
    one(431_274, 6, Brand::Elo),
    one(451_416, 6, Brand::Elo),
    one(457_393, 6, Brand::Elo),
    one(504_175, 6, Brand::Elo),
    one(627_780, 6, Brand::Elo),
    one(606_282, 6, Brand::Hipercard),
    range(506_099, 506_198, 6, Brand::Verve),
    range(650_002, 650_027, 6, Brand::Verve),
    range(507_865, 507_964, 6, Brand::Verve),
    range(622_126, 622_925, 6, Brand::UnionPay),
    range(3528, 3589, 4, Brand::Jcb),
    one(5019, 4, Brand::Dankort),
    range(2200, 2204, 4, Brand::Mir),
    one(9792, 4, Brand::Troy),
    range(2221, 2720, 4, Brand::Mastercard),
    one(6011, 4, Brand::Discover),
    range(8100, 8171, 4, Brand::UnionPay),
    one(5018, 4, Brand::Maestro),
    one(5020, 4, Brand::Maestro),
    one(5038, 4, Brand::Maestro),
    one(6304, 4, Brand::Maestro),
    one(6759, 4, Brand::Maestro),
    range(6761, 6763, 4, Brand::Maestro),
    range(644, 649, 3, Brand::Discover),
    range(300, 305, 3, Brand::Diners),
    one(309, 3, Brand::Diners),
    one(508, 3, Brand::RuPay),
    range(606, 607, 3, Brand::RuPay),
    range(652, 653, 3, Brand::RuPay),
    one(34, 2, Brand::Amex),
    one(37, 2, Brand::Amex),
    one(36, 2, Brand::Diners),
    range(38, 39, 2, Brand::Diners),
    one(35, 2, Brand::Jcb),
    range(51, 55, 2, Brand::Mastercard),
    one(62, 2, Brand::UnionPay),
    one(81, 2, Brand::UnionPay),
    one(65, 2, Brand::Discover),
    one(60, 2, Brand::RuPay),
    one(82, 2, Brand::RuPay),
    one(50, 2, Brand::Maestro),
    range(56, 58, 2, Brand::Maestro),
    one(63, 2, Brand::Maestro),
    one(67, 2, Brand::Maestro),
    one(4, 1, Brand::Visa),
];

/// Lengths of numbers that no table entry narrows down (ISO/IEC 7812: at most 19).
const GENERIC_LENGTHS: &[u8] = &[12, 13, 14, 15, 16, 17, 18, 19];

impl Brand {
    /// Every brand of the table, without `Other`.
    pub const ALL: [Self; 15] = [
        Self::Visa,
        Self::Mastercard,
        Self::Amex,
        Self::Discover,
        Self::Diners,
        Self::Jcb,
        Self::Maestro,
        Self::UnionPay,
        Self::Mir,
        Self::Elo,
        Self::Hipercard,
        Self::Verve,
        Self::Troy,
        Self::RuPay,
        Self::Dankort,
    ];

    /// The brand of a number or of its first digits, given as ASCII digits.
    pub fn of(digits: &str) -> Self {
        RANGES.iter().find(|range| range.matches(digits)).map_or(Self::Other, |range| range.brand)
    }

    /// The name on the wire (`card_type`), as the vault interface's clients know it (spec A.3).
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Visa => "visa",
            Self::Mastercard => "mastercard",
            Self::Amex => "amex",
            Self::Discover => "discover",
            Self::Diners => "diners",
            Self::Jcb => "jcb",
            Self::Maestro => "maestro",
            Self::UnionPay => "union",
            Self::Mir => "mir",
            Self::Elo => "elo",
            Self::Hipercard => "hipercard",
            Self::Verve => "verve",
            Self::Troy => "troy",
            Self::RuPay => "rupay",
            Self::Dankort => "dankort",
            Self::Other => "other",
        }
    }

    /// The brand of a wire name; unknown names are `Other`.
    pub fn from_wire(name: &str) -> Self {
        Self::ALL.into_iter().find(|brand| brand.wire() == name).unwrap_or(Self::Other)
    }

    /// The name a cardholder knows; empty for `Other`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Visa => "Visa",
            Self::Mastercard => "Mastercard",
            Self::Amex => "American Express",
            Self::Discover => "Discover",
            Self::Diners => "Diners Club",
            Self::Jcb => "JCB",
            Self::Maestro => "Maestro",
            Self::UnionPay => "UnionPay",
            Self::Mir => "Mir",
            Self::Elo => "Elo",
            Self::Hipercard => "Hipercard",
            Self::Verve => "Verve",
            Self::Troy => "Troy",
            Self::RuPay => "RuPay",
            Self::Dankort => "Dankort",
            Self::Other => "",
        }
    }

    /// The lengths, in digits, that numbers of this brand have, ascending.
    pub const fn lengths(self) -> &'static [u8] {
        match self {
            Self::Visa | Self::Hipercard => &[13, 16, 19],
            Self::Mastercard | Self::Elo | Self::Troy | Self::RuPay | Self::Dankort => &[16],
            Self::Amex => &[15],
            Self::Diners => &[14, 15, 16, 17, 18, 19],
            Self::Discover | Self::Jcb | Self::UnionPay | Self::Mir => &[16, 17, 18, 19],
            Self::Verve => &[16, 18, 19],
            Self::Maestro | Self::Other => GENERIC_LENGTHS,
        }
    }

    /// The longest number of this brand, in digits.
    pub fn max_length(self) -> usize {
        usize::from(self.lengths().last().copied().unwrap_or(19))
    }

    /// How many digits the security code has: the accepted lengths, ascending.
    pub const fn cvv_lengths(self) -> &'static [u8] {
        match self {
            Self::Amex => &[4],
            Self::Other => &[3, 4],
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

impl Range {
    fn matches(&self, digits: &str) -> bool {
        digits
            .get(..usize::from(self.digits))
            .and_then(|head| head.parse::<u32>().ok())
            .is_some_and(|head| (self.from..=self.to).contains(&head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_test_numbers_have_their_brand() {
        for (number, brand) in [
            ("4111111111111111", Brand::Visa),
            ("5555555555554444", Brand::Mastercard),
            ("2223003122003222", Brand::Mastercard),
            ("378282246310005", Brand::Amex),
            ("6011111111111117", Brand::Discover),
            ("30569309025904", Brand::Diners),
            ("3530111333300000", Brand::Jcb),
            ("6200000000000005", Brand::UnionPay),
            ("2200000000000004", Brand::Mir),
            ("9792000000000001", Brand::Troy),
        ] {
            assert_eq!(Brand::of(number), brand, "{}", brand.title());
        }
        assert_eq!(Brand::of(""), Brand::Other);
    }

    #[test]
    fn ranges_have_ends_of_their_own_length() {
        for range in RANGES {
            let width = range.from.to_string().len();
            assert_eq!(width, usize::from(range.digits));
            assert_eq!(width, range.to.to_string().len());
            assert!(range.from <= range.to);
        }
    }

    #[test]
    fn wire_names_lead_back() {
        for brand in Brand::ALL {
            assert_eq!(Brand::from_wire(brand.wire()), brand);
        }
    }
}
