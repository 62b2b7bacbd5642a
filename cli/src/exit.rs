//! The exit codes of the binary: contract for scripts, so they are never renumbered.

/// What was asked for is done.
pub const DONE: u8 = 0;
/// It could not be done: an unreadable file, a busy port, a full disk, damaged data, no service.
pub const FAILED: u8 = 1;
/// The command line is wrong; clap's own code.
pub const USAGE: u8 = 2;
/// The answer is no: an order refused or not found, a document or catalog with findings, a check that found something.
pub const REFUSED: u8 = 3;
/// Not within the time asked for (`--timeout`).
pub const TIMED_OUT: u8 = 4;
