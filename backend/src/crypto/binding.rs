//! What a ciphertext is bound to: the associated data of everything sealed (design decision 3).

use super::length;

/// The first byte of the encoding. A change of the members takes a new one.
const VERSION: u8 = 0x01;

/// The place that a ciphertext belongs to. Moved to any other place it does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The merchant's id.
    pub merchant: &'a str,
    /// `test` or `live`.
    pub mode: &'a str,
    /// The id of the row.
    pub record: &'a str,
    /// What sort of record it is, such as `card` or `cvv`.
    pub kind: &'static str,
    /// The member or column of the record.
    pub field: &'a str,
    /// The number of the patch or of the version of the record; 0 where there is only one.
    pub number: u32,
    /// The version of the key that seals.
    pub key_version: u32,
}

impl Binding<'_> {
    /// Version byte, then each member behind its length in 8 bytes, so that no two bindings encode alike.
    pub fn encode(&self) -> Vec<u8> {
        let number = self.number.to_be_bytes();
        let key_version = self.key_version.to_be_bytes();
        let members: [&[u8]; 7] = [
            self.merchant.as_bytes(),
            self.mode.as_bytes(),
            self.record.as_bytes(),
            self.kind.as_bytes(),
            self.field.as_bytes(),
            &number,
            &key_version,
        ];
        let mut encoded =
            Vec::with_capacity(1 + members.iter().map(|member| 8 + member.len()).sum::<usize>());
        encoded.push(VERSION);
        for member in members {
            encoded.extend_from_slice(&length(member));
            encoded.extend_from_slice(member);
        }
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{BINDING, moved},
        *,
    };

    #[test]
    fn every_member_counts() {
        for other in moved() {
            assert_ne!(other.encode(), BINDING.encode(), "{other:?}");
        }
    }

    #[test]
    fn a_character_cannot_move_to_the_next_member() {
        let left = Binding { merchant: "ab", mode: "c", ..BINDING };
        let right = Binding { merchant: "a", mode: "bc", ..BINDING };
        assert_ne!(left.encode(), right.encode());
    }
}
