//! The `cardamom` command.
fn main() {}
