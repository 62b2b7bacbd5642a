//! Which ways through a state machine there are.

use domain::states::Machine;

/// Whether the table leads from one state to the other, with this trigger last. One record may tell of several transitions.
pub fn leads<M: Machine>(from: M, to: M, last: M::Trigger) -> bool {
    let mut reached = vec![from];
    let mut at = 0;
    while at < reached.len() {
        let here = reached[at];
        at += 1;
        if here.on(last).is_ok_and(|end| end == to) {
            return true;
        }
        for (_, _, next) in M::TABLE.iter().filter(|row| row.0 == here) {
            if !reached.contains(next) {
                reached.push(*next);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::plan::{TaskState::*, TaskTrigger};

    /// No fault: what the table has is a way, and what it has not is none.
    #[test]
    fn several_transitions_are_a_way_and_a_step_back_is_none() {
        assert!(leads(NotStarted, Dispatched, TaskTrigger::DispatchSent));
        assert!(!leads(Dispatched, NotStarted, TaskTrigger::DispatchSent));
        assert!(!leads(Cancelled, Ready, TaskTrigger::RepairApplied));
    }
}
