//! The same system in a simulated world: the production loop and all processors on a log, a clock and neighbours that
//! fail by seed.
pub mod bug;
pub mod log;
