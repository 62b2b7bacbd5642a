//! The simulated upstream: orders by seed, with planted faults, and an oracle that says what must come of each.
//!
//! [`generator`] decides what is sent, [`shapes`] what can be ordered and what work it is, [`faults`] and [`invalid`] what is wrong
//! with it; [`oracle`] judges how it ended.

pub mod document;
pub mod faults;
pub mod generator;
pub mod invalid;
pub mod oracle;
mod order;
pub mod shape;
pub mod shapes;
pub mod submission;
#[cfg(test)]
mod tests;
mod unreadable;

pub use faults::{FaultKind, PlantedFault};
pub use generator::Generator;
pub use oracle::{ActualOrder, ExpectedEffects, ExpectedOrder, Oracle, Outcome, Totals};
pub use submission::{Example, Expected, Settings, Submission};
