//! One command per claim: `orderstream-bench w6`, `open-orders`, ... each prints a table, or JSON.
pub mod in_memory;
pub mod open_orders;
pub mod process;
pub mod w6;
pub mod world;
