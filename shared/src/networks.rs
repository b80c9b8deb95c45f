//! The brands that a form takes, and the choice that a card with several of them leaves to its holder.

use crate::{Brand, ranges};

/// The most brands that one card carries in the table.
pub const MOST: usize = 3;

/// Which brands a form takes (`card_types`), in the merchant's order of preference. By default all, without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// By brand, `Other` included: 0 is not taken, lower numbers are preferred.
    ranks: [u8; Brand::COUNT + 1],
}

/// The brands of one card that a form takes, the preferred one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Networks([Option<Brand>; MOST]);

impl Default for Accepted {
    fn default() -> Self {
        Self { ranks: [1; Brand::COUNT + 1] }
    }
}

impl Accepted {
    /// Takes the brands of a list alone, the first one most gladly. An empty list takes all.
    pub fn only(order: &[Brand]) -> Self {
        if order.is_empty() {
            return Self::default();
        }
        let mut ranks = [0; Brand::COUNT + 1];
        for (&brand, rank) in order.iter().zip(1..) {
            if let Some(place) = ranks.get_mut(brand as usize).filter(|place| **place == 0) {
                *place = rank;
            }
        }
        Self { ranks }
    }

    /// Takes the brands of wire names between spaces, as the page's markup lists them.
    pub fn from_names(names: &str) -> Self {
        let order: Vec<Brand> = names.split_ascii_whitespace().map(Brand::from_wire).collect();
        Self::only(&order)
    }

    /// Whether a brand is taken.
    pub fn takes(&self, brand: Brand) -> bool {
        self.rank(brand) != 0
    }

    /// The brands of a number that are taken: none is a card that is not accepted, several are a choice.
    /// Where the merchant has no preference, the brand that the number belongs to comes first.
    pub fn networks(&self, digits: &str) -> Networks {
        let mut networks = Networks([None; MOST]);
        for brand in std::iter::once(Brand::of(digits)).chain(ranges::companions(digits)) {
            networks.add(brand, self);
        }
        networks
    }

    fn rank(&self, brand: Brand) -> u8 {
        self.ranks.get(brand as usize).copied().unwrap_or(0)
    }
}

impl Networks {
    /// No brand: nothing was entered, or nothing is accepted.
    pub const NONE: Self = Self([None; MOST]);

    /// The brand at a place; the preferred one at 0.
    pub fn at(&self, place: usize) -> Option<Brand> {
        self.0.get(place).copied().flatten()
    }

    /// Whether the holder has a choice.
    pub fn is_choice(&self) -> bool {
        self.at(1).is_some()
    }

    /// Whether a brand is among them.
    pub fn has(&self, brand: Brand) -> bool {
        self.0.contains(&Some(brand))
    }

    /// The brands, the preferred one first.
    pub fn iter(&self) -> impl Iterator<Item = Brand> + '_ {
        self.0.iter().flatten().copied()
    }

    /// Brings brands back that were listed before; more than fit are left out.
    pub fn of(brands: impl Iterator<Item = Brand>) -> Self {
        let mut networks = Self::NONE;
        for (place, brand) in networks.0.iter_mut().zip(brands) {
            *place = Some(brand);
        }
        networks
    }

    /// Puts a taken brand behind those that are preferred as much or more.
    fn add(&mut self, brand: Brand, accepted: &Accepted) {
        if !accepted.takes(brand) || self.has(brand) {
            return;
        }
        let rank = accepted.rank(brand);
        let mut moving = Some(brand);
        for place in &mut self.0 {
            match *place {
                Some(there) if moving == Some(brand) && accepted.rank(there) <= rank => {}
                _ => std::mem::swap(place, &mut moving),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(accepted: Accepted, digits: &str) -> Vec<Brand> {
        accepted.networks(digits).iter().collect()
    }

    #[test]
    fn a_card_with_two_brands_leaves_a_choice() {
        let all = Accepted::default();
        assert_eq!(networks(all, "4571000000000001"), [Brand::Visa, Brand::Dankort]);
        assert_eq!(networks(all, "4970100000000055"), [Brand::Visa, Brand::CartesBancaires]);
        assert_eq!(networks(all, "6221260000000000"), [Brand::UnionPay, Brand::Discover]);
        assert_eq!(networks(all, "4406470000000000"), [Brand::Visa, Brand::Mada]);
        assert_eq!(networks(all, "4111111111111111"), [Brand::Visa]);
        assert_eq!(networks(all, "7"), [Brand::Other]);
        assert!(all.networks("45710").is_choice() && !all.networks("457").is_choice());
    }

    #[test]
    fn the_merchants_order_comes_first() {
        let order = Accepted::only(&[Brand::CartesBancaires, Brand::Visa]);
        assert_eq!(networks(order, "4970100000000055"), [Brand::CartesBancaires, Brand::Visa]);
        assert_eq!(order, Accepted::from_names(" cartes_bancaires visa visa"));
    }

    #[test]
    fn what_is_not_listed_is_not_taken() {
        let visa = Accepted::only(&[Brand::Visa]);
        assert_eq!(networks(visa, "4970100000000055"), [Brand::Visa]);
        assert_eq!(networks(visa, "5555555555554444"), []);
        assert_eq!(networks(visa, "7000"), []);
        let dankort = Accepted::only(&[Brand::Dankort]);
        assert_eq!(networks(dankort, "4571000000000001"), [Brand::Dankort], "its second brand is enough");
        assert!(Accepted::only(&[Brand::Other]).takes(Brand::Other));
    }
}
