//! The same system in a simulated world: the production loop and all processors on a log, a clock and neighbours that fail by seed.
//!
//! [`world`] decides by seed what happens next and what goes wrong; [`log`] is the log that it happens to, one small step at a time;
//! [`audit`] looks at everything after every step; [`bug`] holds mistakes that prove that the auditor sees something.
//!
//! Invariant: nothing here reads a clock, starts a thread or iterates in the sequence of a hash: equal seeds give equal traces.
//! Invariant: the worker, its loop and the processors are the production's; only what is around them is simulated.

pub mod audit;
pub mod bug;
pub mod log;
pub mod trace;
pub mod world;
