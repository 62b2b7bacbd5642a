//! Who reads and writes what, and the adapter that joins codec, processors and shard.
//!
//! Read `graph` first: the whole topology as data. `adapter` turns a record into decisions and decisions into records, over
//! a `shell` that a shard's step implements, and `memory` too. `regroup` says what another grouping means for what was read so far.
//!
//! Invariant: nothing here decides about an order. What a record means, a processor says.

pub mod adapter;
pub mod cause;
pub mod graph;
pub mod memory;
pub mod regroup;
pub mod shell;
mod stages;

pub use adapter::{Kept, Line, LineSettings, heartbeat, read_cell};
pub use graph::{KeyedBy, Processor, Stream, SubTopology, check};
