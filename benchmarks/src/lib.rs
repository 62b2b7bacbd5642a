//! One command per claim: `orderstream-bench w6`, `growth`, `open-orders`, `kafka`, `kafka-open-orders`, `demo`, `line`; `all` runs what needs
//! no broker, `growth` apart, and writes a table and JSON.
pub mod apart;
pub mod bare;
pub mod demo;
pub mod growth;
pub mod hops;
pub mod in_memory;
pub mod kafka;
pub mod kafka_open;
pub mod open_orders;
pub mod points;
pub mod process;
pub mod report;
pub mod running;
pub mod w6;
pub mod waiting;
pub mod world;
