//! Time: a start date that comes, an answer that does not, a retry that is due.
use domain::downstream::ObservationKind;
use domain::plan::{TaskState, TaskTrigger};
use domain::{TaskId, Timestamp};

use super::step::Step;
use super::{FORGET_TIMER, Output, START_TIMER, dispatch, failure, retention, state, waits};

pub(super) fn on_timer(step: &mut Step<'_>, name: &str) {
    if name == START_TIMER {
        waits::start_reached(step);
    } else if name == FORGET_TIMER {
        retention::forget(step);
    } else if let Some(id) = name.strip_prefix(state::TASK_PREFIX).and_then(|id| id.parse().ok()) {
        task_due(step, id);
    }
}

fn task_due(step: &mut Step<'_>, id: TaskId) {
    let now = step.now();
    let Some((task_state, due)) =
        step.task(id).and_then(|record| Some((record.task.state, record.task.due?)))
    else {
        return; // It outlived its purpose.
    };
    if due > now {
        // The due time moved away since the timer was set.
        step.effect(Output::SetTimer { name: state::task_cell(id), due });
        return;
    }
    match task_state {
        TaskState::Dispatched | TaskState::Accepted | TaskState::WaitingCallback => answer_missing(step, id),
        TaskState::UnknownOutcome => question_unanswered(step, id),
        TaskState::FailedRetrying => {
            clear_due(step, id);
            if step.trigger(id, TaskTrigger::BackoffElapsed, None) {
                dispatch::send_or_defer(step, id, false);
            }
        }
        TaskState::NotStarted
        | TaskState::Ready
        | TaskState::Deferred
        | TaskState::Completed
        | TaskState::FailedRepairable
        | TaskState::FailedTerminal
        | TaskState::Cancelled
        | TaskState::Skipped
        | TaskState::Undone => clear_due(step, id),
    }
}

fn clear_due(step: &mut Step<'_>, id: TaskId) {
    if let Some(record) = step.task(id) {
        record.task.due = None;
    }
}

/// The outcome is unknown: the system is asked by the original id (seed 001, "Unknown Outcome Pattern").
fn answer_missing(step: &mut Step<'_>, id: TaskId) {
    let now = step.now();
    let Some(record) = step.task(id) else { return };
    let sent = record.task.dispatched_at.unwrap_or(Timestamp(0));
    let reason = format!("not answered within {} ms", now.since_ms(sent));
    observe_silence(step, id);
    if step.trigger(id, TaskTrigger::DeadlinePassed, Some(reason)) {
        if let Some(record) = step.task(id) {
            record.task.queries = 0;
        }
        dispatch::ask(step, id, false);
    }
}

fn question_unanswered(step: &mut Step<'_>, id: TaskId) {
    let Some(record) = step.task(id) else { return };
    let (queries, name) = (record.task.queries, record.task.planned.task_type.clone());
    let queries_max = step.task_type(&name).map_or(0, |task_type| task_type.retry.queries_max);
    observe_silence(step, id);
    if queries >= queries_max {
        failure::give_up(step, id, format!("asked {queries} times what became of it, and not told"));
        return;
    }
    step.note(id, TaskState::UnknownOutcome, TaskTrigger::DeadlinePassed, Some("asked again".to_owned()));
    dispatch::ask(step, id, false);
}

/// A system that took the command, and is only slow, is not silent.
fn observe_silence(step: &mut Step<'_>, id: TaskId) {
    let Some(record) = step.task(id) else { return };
    record.granted = false;
    if std::mem::take(&mut record.answer_awaited) {
        dispatch::observe(step, id, ObservationKind::Unanswered);
    }
}
