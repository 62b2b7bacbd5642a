//! State: how cells and timers are named in every store, and the overlay of what is staged and not yet committed.

pub mod keys;
pub(crate) mod overlay;
#[cfg(test)]
mod tests;
pub(crate) mod timers;
