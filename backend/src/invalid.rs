//! What is told of a value that was refused.

/// A value that was refused: where, why, and what a person is told. Never the value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The JSON pointer (RFC 6901) or the query parameter.
    pub pointer: String,
    /// The stable name of the problem.
    pub code: &'static str,
    /// One sentence.
    pub detail: String,
}

impl Invalid {
    /// A refused value.
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}
