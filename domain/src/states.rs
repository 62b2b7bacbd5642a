//! What all state machines share: a machine is one table, and what is not in it is refused by name.
use std::fmt::Debug;

/// A state machine. Its table is the whole truth: the diagrams in docs/states.md are drawn from it.
pub trait Machine: Copy + Eq + Debug + 'static {
    type Trigger: Copy + Eq + Debug + 'static;
    /// What the machine is about, for messages and diagrams: `task`.
    const NAME: &'static str;
    /// Where it begins.
    const INITIAL: Self;
    /// state, trigger, next state. No two rows share state and trigger.
    const TABLE: &'static [(Self, Self::Trigger, Self)];
    /// Every state there is.
    const ALL: &'static [Self];

    /// The next state.
    ///
    /// # Errors
    /// [`Refused`], naming state and trigger, for every pair that is not in the table.
    fn on(self, trigger: Self::Trigger) -> Result<Self, Refused<Self>> {
        let row = Self::TABLE.iter().find(|row| row.0 == self && row.1 == trigger);
        row.map(|row| row.2).ok_or(Refused { from: self, on: trigger })
    }

    /// Whether no trigger leads out of this state.
    fn is_terminal(self) -> bool {
        Self::TABLE.iter().all(|row| row.0 != self)
    }
}

/// A trigger that its state does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused<M: Machine> {
    pub from: M,
    pub on: M::Trigger,
}

impl<M: Machine> std::fmt::Display for Refused<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in state {:?} refuses {:?}", M::NAME, self.from, self.on)
    }
}

impl<M: Machine> std::error::Error for Refused<M> {}

/// The machine as a Mermaid state diagram, rows in the table's order, triggers of the same pair of states on one arrow.
pub fn diagram<M: Machine>() -> String {
    let mut text = format!("stateDiagram-v2\n    [*] --> {:?}\n", M::INITIAL);
    let mut drawn: Vec<(M, M)> = Vec::new();
    for (from, _, to) in M::TABLE {
        if drawn.contains(&(*from, *to)) {
            continue;
        }
        drawn.push((*from, *to));
        let triggers = M::TABLE.iter().filter(|row| (row.0, row.2) == (*from, *to));
        let labels: Vec<String> = triggers.map(|row| format!("{:?}", row.1)).collect();
        text.push_str(&format!("    {from:?} --> {to:?}: {}\n", labels.join(", ")));
    }
    for state in M::ALL.iter().filter(|state| state.is_terminal()) {
        text.push_str(&format!("    {state:?} --> [*]\n"));
    }
    text
}

/// For the tests of every table: no pair twice, every state but the first reachable, nothing outside the list.
#[cfg(test)]
#[track_caller]
pub(crate) fn check_table<M: Machine>() {
    for (index, row) in M::TABLE.iter().enumerate() {
        let twice = M::TABLE[..index].iter().any(|other| (other.0, other.1) == (row.0, row.1));
        assert!(!twice, "{} has two rows for {:?} on {:?}", M::NAME, row.0, row.1);
        assert!(
            M::ALL.contains(&row.0) && M::ALL.contains(&row.2),
            "{row:?} names a state that ALL does not"
        );
    }
    let mut reached = vec![M::INITIAL];
    while let Some(row) = M::TABLE.iter().find(|row| reached.contains(&row.0) && !reached.contains(&row.2)) {
        reached.push(row.2);
    }
    let missed: Vec<_> = M::ALL.iter().filter(|state| !reached.contains(state)).collect();
    assert!(missed.is_empty(), "{} never reaches {missed:?}", M::NAME);
}
