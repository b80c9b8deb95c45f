//! The tests of this package stand in `api` and `storage`; nothing is shared between them.
