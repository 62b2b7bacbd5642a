//! The whole, on real files: scenarios as data, the two worlds that run them, and the judge that compares.
//!
//! Read `scenario` first; the files are in `scenarios/`. `tests/` has what drives them.
pub mod avro;
pub mod bad_input;
pub mod docs;
pub mod kafka;
pub mod process;
pub mod registry;
pub mod scenario;
pub mod shop;
pub mod work;
