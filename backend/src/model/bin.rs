//! What is known of the issuer of a number by its leading digits.

/// The issuer of a range of numbers, in the operator's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuer {
    /// The brand.
    pub brand: String,
    /// The bank.
    pub bank: String,
    /// The country.
    pub country: String,
    /// Such as `credit`.
    pub kind: String,
    /// Such as `classic`.
    pub level: String,
}

/// A line of the table: leading digits and the issuer of the numbers that begin so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinRange {
    /// 6 to 11 digits.
    pub prefix: String,
    /// Whose they are.
    pub issuer: Issuer,
}
