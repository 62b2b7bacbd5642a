//! The auditor: looks at everything after every step, from outside, and says which invariant broke.
//!
//! It rests on nothing that the runtime or the simulated log say of themselves: inputs are noted where the handler is called, state is
//! folded anew from the changelog, and what an order came to is read from the topics as any outsider would.

mod commits;
mod folds;
mod ids;
mod states;
mod story;

use schemas::codec::Codec;

use crate::log::Cluster;
pub use commits::Commits;
pub use folds::Folds;
pub use story::Story;

/// What must hold after every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    NothingLost,
    NothingTwice,
    OneIdPerCommand,
    OneEffectPerTask,
    NoStateBackwards,
    TimersFireOnce,
    OneTimePerBatch,
    StoreIsTheFold,
    KeyOrder,
    DeadLettersAreMeant,
    WorkersGoOn,
    Progress,
    EndsAsTheOracleSays,
}

/// All invariants: their names in messages, and what they say. ARCHITECTURE.md lists the same.
#[rustfmt::skip]
pub const INVARIANTS: [(Invariant, &str, &str); 13] = [
    (Invariant::NothingLost, "nothing-lost", "a group's committed position never passes a committed record that no committed batch has processed"),
    (Invariant::NothingTwice, "nothing-twice", "no record is processed by two committed batches, and no event id is written twice"),
    (Invariant::OneIdPerCommand, "one-id-per-command", "a command id has one content, and an attempt of a task has one command id"),
    (Invariant::OneEffectPerTask, "one-effect-per-task", "the downstream's ledger holds no work that was done twice or undone before it was done"),
    (Invariant::NoStateBackwards, "no-state-backwards", "every change of an order, item or task begins where the last one ended, along the transition tables"),
    (Invariant::TimersFireOnce, "timers-fire-once", "a committed batch fires a timer only if it is set, for that time, by what was committed before, and not before that time"),
    (Invariant::OneTimePerBatch, "one-time-per-batch", "a committed batch has one time, that of its worker's clock, or at most a minute ahead of one that was turned back"),
    (Invariant::StoreIsTheFold, "store-is-the-fold", "a local store equals the fold of the committed changelog up to the position that it says it has applied"),
    (Invariant::KeyOrder, "key-order", "what follows from a later batch of a shard lies behind what follows from an earlier one, per topic and key"),
    (Invariant::DeadLettersAreMeant, "dead-letters-are-meant", "nothing goes to the dead letters but what was sent unreadable"),
    (Invariant::WorkersGoOn, "workers-go-on", "no worker stops for good unless its process was made to crash"),
    (Invariant::Progress, "progress", "once faults stop, everything comes to rest within a bounded number of steps"),
    (Invariant::EndsAsTheOracleSays, "ends-as-the-oracle-says", "at rest, every order is what the oracle said before the run"),
];

impl Invariant {
    pub fn name(self) -> &'static str {
        INVARIANTS.iter().find(|(invariant, ..)| *invariant == self).map_or("", |(_, name, _)| name)
    }

    pub fn says(self) -> &'static str {
        INVARIANTS.iter().find(|(invariant, ..)| *invariant == self).map_or("", |(.., says)| says)
    }
}

/// An invariant that broke, and where it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    pub what: String,
}

impl Violation {
    pub fn of<T>(invariant: Invariant, what: impl Into<String>) -> Result<T, Violation> {
        Err(Violation { invariant, what: what.into() })
    }
}

/// Everything that is remembered from step to step.
#[derive(Debug, Default)]
pub struct Auditor {
    commits: Commits,
    folds: Folds,
    pub story: Story,
}

impl Auditor {
    /// One look, after a step.
    ///
    /// # Errors
    /// The first invariant that is found broken.
    pub fn look(&mut self, cluster: &mut Cluster, codec: &Codec) -> Result<(), Violation> {
        self.commits.look(&cluster.broker)?;
        self.folds.look(cluster)?;
        self.story.look(&cluster.broker, codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No fault: the list for people is the list of the code.
    #[test]
    fn architecture_lists_every_invariant_as_it_is_here() {
        let page = include_str!("../../../ARCHITECTURE.md");
        for (invariant, name, says) in INVARIANTS {
            assert!(page.contains(&format!("- `{name}`: {says}")), "{name} is not told as it is in the code");
            assert_eq!((invariant.name(), invariant.says()), (name, says));
        }
    }
}
