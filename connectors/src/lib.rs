//! The neighbours of the pipeline, simulated: the systems that carry out commands, and the requesters that send orders.
//!
//! [`downstream`] answers commands and keeps a durable ledger of every effect it had, so that anyone can count afterwards whether
//! something was done twice. [`upstream`] generates orders by seed, plants faults, and says beforehand what must come of each.
//!
//! Invariant: no thread, socket, clock or log here. The shell carries records to and fro and gives the time.
//! Invariant: what an order must come to is told without asking the planner or a processor: it was written down from the shipped
//! catalog by hand, so that a mistake of theirs is noticed and not repeated.

pub mod downstream;
pub mod upstream;
