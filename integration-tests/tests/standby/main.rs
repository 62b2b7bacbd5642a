//! The state of workers on their own disks: what a restart, a take-over and a rebuild read of the changelog, on a real broker.
//!
//! Faults met: workers and whole processes that are killed, their partitions taken over with and without a copy of their state;
//! a changelog that is cut off, made anew under the same name, and compacted until deletions are forgotten; a rebuild that is
//! cut short; a transaction that is left open over one partition of several; brokers that forget positions.
mod changelog;
mod members;
mod positions;
mod services;
mod workers;
