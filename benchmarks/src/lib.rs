//! One command per claim: `orderstream-bench w6`, `open-orders`, `kafka`, `kafka-open-orders`, `demo`, `line`; `all` runs them and writes a table and JSON.
pub mod bare;
pub mod demo;
pub mod in_memory;
pub mod kafka;
pub mod kafka_open;
pub mod open_orders;
pub mod process;
pub mod report;
pub mod running;
pub mod w6;
pub mod world;
