//! Everything that is written as TMF622, TMF641 or TMF637, held against TM Forum's own definitions; and read again.
//!
//! Every golden scenario at every fifth of its way, and generated orders at any moment of theirs, whatever downstream answers.
mod definitions;
mod documents;
mod large;
mod round_trip;
mod seen;
