//! Forgetting: an ended order's tasks are kept for a while, so that a late answer is known to be late; then all but its head goes.
use domain::order::OrderState;

use super::state;
use super::step::Step;
use super::{FORGET_TIMER, Output};

/// The most cells that one step deletes; what is left is deleted by the next, at once after it.
pub const FORGET_CELLS_MAX: usize = 256;

const FORGOTTEN: [&str; 5] = [
    state::COMMAND_PREFIX,
    state::ITEM_PREFIX,
    state::ITEM_PLAN_PREFIX,
    state::SERVICE_ORDER_PREFIX,
    state::TASK_PREFIX,
];

/// Sets the timer for an order that nothing can move any more. One that failed, or is completed in part, may be repaired: it stays.
pub(super) fn plan(step: &mut Step<'_>) {
    match step.head.state {
        OrderState::Completed | OrderState::Cancelled => {
            let due = step.now().plus_ms(step.world.settings.retention_ms);
            step.effect(Output::SetTimer { name: FORGET_TIMER.to_owned(), due });
        }
        OrderState::Captured
        | OrderState::Validated
        | OrderState::Decomposed
        | OrderState::Scheduled
        | OrderState::InProgress
        | OrderState::PartiallyCompleted
        | OrderState::Rejected
        | OrderState::Suspended
        | OrderState::Amending
        | OrderState::Cancelling
        | OrderState::Failed => (),
    }
}

/// Deletes at most [`FORGET_CELLS_MAX`] cells, the commands first: an answer then is not ours, and meets no half of a task.
pub(super) fn forget(step: &mut Step<'_>) {
    let ended = step.head.state == OrderState::Completed || step.head.state == OrderState::Cancelled;
    let due = step.head.ended_at.map(|at| at.plus_ms(step.world.settings.retention_ms));
    let Some(due) = due.filter(|_| ended) else { return };
    if due > step.now() {
        step.effect(Output::SetTimer { name: FORGET_TIMER.to_owned(), due });
        return;
    }
    let mut room = FORGET_CELLS_MAX;
    for prefix in FORGOTTEN {
        for (name, _) in step.cells.scan(prefix, room) {
            step.cells.delete(&name);
            room -= 1;
        }
        if room == 0 {
            let due = step.now();
            step.effect(Output::SetTimer { name: FORGET_TIMER.to_owned(), due });
            return;
        }
    }
}
