//! Which leading digits belong to which brand. The ranges are those that the schemes publish for ISO/IEC 7812
//! issuer numbers, and that acquirers' integration guides repeat; what is known to scheme members only is not here.

use crate::Brand;

/// Leading digits from the first to the second number, which have equally many digits.
struct Range(u32, u32, Brand);

const fn one(prefix: u32, brand: Brand) -> Range {
    Range(prefix, prefix, brand)
}

/// The brand that decides over lengths and grouping. Longer prefixes stand first: the first match wins.
const OWNERS: &[Range] = &[
    Range(5_078_030, 5_078_036, Brand::Meeza),
    Range(5_078_083, 5_078_102, Brand::Meeza),
    one(286_900, Brand::Carnet),
    Range(401_178, 401_179, Brand::Elo),
    one(431_274, Brand::Elo),
    one(438_935, Brand::Elo),
    one(451_416, Brand::Elo),
    one(457_393, Brand::Elo),
    Range(457_631, 457_632, Brand::Elo),
    one(502_275, Brand::Carnet),
    one(504_175, Brand::Elo),
    Range(506_099, 506_198, Brand::Verve),
    one(506_199, Brand::Carnet),
    Range(506_699, 506_778, Brand::Elo),
    Range(507_865, 507_964, Brand::Verve),
    Range(508_500, 508_999, Brand::RuPay),
    Range(509_000, 509_999, Brand::Elo),
    Range(588_845, 588_851, Brand::Mada),
    Range(588_982, 588_983, Brand::Mada),
    one(589_005, Brand::Mada),
    one(589_206, Brand::Mada),
    one(589_562, Brand::Naranja),
    one(589_657, Brand::Cabal),
    Range(604_201, 604_400, Brand::Cabal),
    one(604_906, Brand::Mada),
    one(605_141, Brand::Mada),
    one(606_282, Brand::Hipercard),
    Range(606_985, 607_984, Brand::RuPay),
    Range(608_001, 608_500, Brand::RuPay),
    Range(622_126, 622_925, Brand::UnionPay),
    one(627_780, Brand::Elo),
    one(636_120, Brand::Mada),
    one(636_297, Brand::Elo),
    one(636_368, Brand::Elo),
    one(637_095, Brand::Hiper),
    one(637_568, Brand::Hiper),
    one(637_599, Brand::Hiper),
    one(637_609, Brand::Hiper),
    one(637_612, Brand::Hiper),
    one(639_388, Brand::Carnet),
    one(639_484, Brand::Carnet),
    one(639_559, Brand::Carnet),
    Range(650_002, 650_027, Brand::Verve),
    Range(650_031, 650_033, Brand::Elo),
    Range(650_035, 650_051, Brand::Elo),
    Range(650_405, 650_439, Brand::Elo),
    Range(650_485, 650_538, Brand::Elo),
    Range(650_541, 650_598, Brand::Elo),
    Range(650_700, 650_718, Brand::Elo),
    Range(650_720, 650_727, Brand::Elo),
    Range(650_901, 650_978, Brand::Elo),
    Range(651_652, 651_679, Brand::Elo),
    Range(652_150, 653_149, Brand::RuPay),
    Range(655_000, 655_019, Brand::Elo),
    Range(655_021, 655_058, Brand::Elo),
    Range(817_200, 820_199, Brand::RuPay),
    Range(968_201, 968_211, Brand::Mada),
    Range(2200, 2204, Brand::Mir),
    one(2205, Brand::Borica),
    Range(2221, 2720, Brand::Mastercard),
    Range(3528, 3589, Brand::Jcb),
    one(5018, Brand::Maestro),
    one(5019, Brand::Dankort),
    one(5020, Brand::Maestro),
    one(5038, Brand::Maestro),
    one(5614, Brand::UzCard),
    one(5893, Brand::Maestro),
    one(6011, Brand::Discover),
    one(6304, Brand::Maestro),
    one(6703, Brand::Bancontact),
    one(6759, Brand::Maestro),
    Range(6761, 6763, Brand::Maestro),
    Range(8100, 8171, Brand::UnionPay),
    one(8600, Brand::UzCard),
    one(9112, Brand::Belkart),
    one(9704, Brand::Napas),
    one(9792, Brand::Troy),
    one(9860, Brand::Humo),
    Range(300, 305, Brand::Diners),
    one(309, Brand::Diners),
    one(636, Brand::InterPayment),
    Range(644, 649, Brand::Discover),
    one(31, Brand::TUnion),
    one(34, Brand::Amex),
    one(36, Brand::Diners),
    one(37, Brand::Amex),
    Range(38, 39, Brand::Diners),
    one(50, Brand::Maestro),
    Range(51, 55, Brand::Mastercard),
    Range(56, 58, Brand::Maestro),
    one(62, Brand::UnionPay),
    one(63, Brand::Maestro),
    one(65, Brand::Discover),
    one(67, Brand::Maestro),
    one(1, Brand::Uatp),
    one(4, Brand::Visa),
];

/// Further brands that cards of a range carry beside their owner's. CB publishes its ranges to its members only;
/// 497 is the old French range of its Visa cards. RuPay and LankaPay share ranges with JCB, Discover with UnionPay.
const COMPANIONS: &[Range] = &[
    one(357_111, Brand::LankaPay),
    one(407_197, Brand::Mada),
    one(407_395, Brand::Mada),
    one(409_201, Brand::Mada),
    one(410_685, Brand::Mada),
    one(417_633, Brand::Mada),
    one(419_593, Brand::Mada),
    Range(422_817, 422_819, Brand::Mada),
    one(428_331, Brand::Mada),
    Range(428_671, 428_673, Brand::Mada),
    one(431_361, Brand::Mada),
    one(432_328, Brand::Mada),
    one(434_107, Brand::Mada),
    one(439_954, Brand::Mada),
    one(440_533, Brand::Mada),
    one(440_647, Brand::Mada),
    one(440_795, Brand::Mada),
    one(445_564, Brand::Mada),
    one(446_393, Brand::Mada),
    one(446_404, Brand::Mada),
    one(446_672, Brand::Mada),
    one(455_036, Brand::Mada),
    one(455_708, Brand::Mada),
    one(457_865, Brand::Mada),
    one(458_456, Brand::Mada),
    one(462_220, Brand::Mada),
    Range(468_540, 468_543, Brand::Mada),
    Range(483_010, 483_012, Brand::Mada),
    one(484_783, Brand::Mada),
    Range(486_094, 486_096, Brand::Mada),
    Range(489_318, 489_319, Brand::Mada),
    one(513_213, Brand::Mada),
    one(520_058, Brand::Mada),
    one(521_076, Brand::Mada),
    one(524_130, Brand::Mada),
    one(524_514, Brand::Mada),
    one(529_415, Brand::Mada),
    one(529_741, Brand::Mada),
    one(530_060, Brand::Mada),
    one(530_906, Brand::Mada),
    one(531_095, Brand::Mada),
    one(531_196, Brand::Mada),
    one(532_013, Brand::Mada),
    one(535_825, Brand::Mada),
    one(535_989, Brand::Mada),
    one(536_023, Brand::Mada),
    one(537_767, Brand::Mada),
    one(543_085, Brand::Mada),
    one(543_357, Brand::Mada),
    one(549_760, Brand::Mada),
    one(554_180, Brand::Mada),
    Range(622_126, 622_925, Brand::Discover),
    one(4571, Brand::Dankort),
    one(6703, Brand::Maestro),
    one(353, Brand::RuPay),
    one(356, Brand::RuPay),
    one(497, Brand::CartesBancaires),
];

/// The brand of the longest range that the digits begin with.
pub(crate) fn owner(digits: &str) -> Brand {
    OWNERS.iter().find(|range| range.matches(digits)).map_or(Brand::Other, |range| range.2)
}

/// The brands that a card of these digits carries beside its owner's.
pub(crate) fn companions(digits: &str) -> impl Iterator<Item = Brand> + '_ {
    COMPANIONS.iter().filter(|range| range.matches(digits)).map(|range| range.2)
}

impl Range {
    fn matches(&self, digits: &str) -> bool {
        let width = self.0.ilog10() as usize + 1;
        let head = digits.get(..width).and_then(|head| head.parse().ok());
        head.is_some_and(|head| (self.0..=self.1).contains(&head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_numbers_have_their_brand() {
        for (number, brand) in [
            ("4111111111111111", Brand::Visa),
            ("5555555555554444", Brand::Mastercard),
            ("2221000000000009", Brand::Mastercard),
            ("2223003122003222", Brand::Mastercard),
            ("2720990000000007", Brand::Mastercard),
            ("378282246310005", Brand::Amex),
            ("6011111111111117", Brand::Discover),
            ("30569309025904", Brand::Diners),
            ("36227206271667", Brand::Diners),
            ("3530111333300000", Brand::Jcb),
            ("6200000000000005", Brand::UnionPay),
            ("6759649826438453", Brand::Maestro),
            ("2200000000000004", Brand::Mir),
            ("9792000000000001", Brand::Troy),
            ("5019717010103742", Brand::Dankort),
            ("6362970000457013", Brand::Elo),
            ("6062826786276634", Brand::Hipercard),
            ("6370950000000005", Brand::Hiper),
            ("6703444444444449", Brand::Bancontact),
            ("135410014004955", Brand::Uatp),
            ("5081470000000000", Brand::Maestro),
            ("5085000000000000", Brand::RuPay),
            ("5078030000000000", Brand::Meeza),
            ("7000000000000000", Brand::Other),
            ("", Brand::Other),
        ] {
            assert_eq!(Brand::of(number), brand, "{}", brand.title());
        }
    }

    #[test]
    fn an_incomplete_number_has_the_brand_of_what_is_there() {
        assert_eq!(Brand::of("6"), Brand::Other);
        assert_eq!(Brand::of("63"), Brand::Maestro);
        assert_eq!(Brand::of("636"), Brand::InterPayment);
        assert_eq!(Brand::of("636297"), Brand::Elo);
    }

    #[test]
    fn ranges_are_ordered_and_overlap_only_where_the_longer_wins() {
        for table in [OWNERS, COMPANIONS] {
            for range in table {
                assert_eq!(range.0.ilog10(), range.1.ilog10());
                assert!(range.0 <= range.1);
            }
            for pair in table.windows(2) {
                let (a, b) = (&pair[0], &pair[1]);
                let longer = a.0.ilog10() > b.0.ilog10();
                assert!(longer || (a.0.ilog10() == b.0.ilog10() && a.1 < b.0), "{} before {}", a.0, b.0);
            }
        }
    }

    #[test]
    fn a_companion_is_never_the_owner() {
        for range in COMPANIONS {
            let digits = range.0.to_string();
            assert_ne!(owner(&digits), range.2, "{digits}");
        }
    }
}
