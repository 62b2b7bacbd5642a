//! Who reads and writes what, and the adapter that joins codec, processors and shard.
//!
//! Read `graph` first: the whole topology as data.

pub mod graph;

pub use graph::{KeyedBy, Processor, Stream, SubTopology, check};
