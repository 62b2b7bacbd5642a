//! Bad input: documents and records that are malformed, hostile or merely odd, and what must come of each.
//!
//! Read `bad-input/expected.toml` first: it is the table. [`table`] reads it and makes the bytes, [`outcome`] says what became of a
//! request, [`mutate`] makes more of them from the official examples.
pub mod mutate;
pub mod outcome;
pub mod table;

pub use outcome::Outcome;
pub use table::Case;
