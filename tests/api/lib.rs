//! Nothing is shared yet.
