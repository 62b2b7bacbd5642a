//! The whole, on real files: scenarios as data, the two worlds that run them, and the judge that compares.
//!
//! Read `scenario` first; the files are in `scenarios/`. `tests/` has what drives them.
pub mod avro;
pub mod bad_input;
pub mod budget;
pub mod commits;
pub mod disk;
pub mod docs;
pub mod kafka;
pub mod outsiders;
pub mod plain;
pub mod play;
pub mod process;
pub mod registry;
pub mod scenario;
pub mod secured;
pub mod shop;
pub mod site;
pub mod wire;
pub mod work;
