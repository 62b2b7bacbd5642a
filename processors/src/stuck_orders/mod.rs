//! Finds stuck orders: active orders that nothing will move again (seed 001, "Progress Invariant").
//!
//! An order is alive as long as one task of it, or the order itself, is within its expected time, a case of it is open, or
//! it waits for something without a date. It is stuck when the last of these is over, and a grace has passed.
//!
//! One timer per order. It is set anew only when the due time comes nearer; one that moved away is noticed when the timer
//! fires. So a step costs no timer, and a scan costs only what is due.
use domain::order::OrderState;
use domain::order::event::{OrderEvent, OrderMarkedStuck, OrderStateChanged, TaskStateChanged};
use domain::plan::TaskState;
use domain::{CaseId, OrderKey, Timestamp};

use crate::{Arrival, Decision, Timer};

pub mod state;
#[cfg(test)]
mod tests;

pub use state::{LastDue, State, TaskDue};

/// The name of the one timer of an order.
pub const TIMER: &str = "stuck";

/// How much silence is too much. All in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// After the last due time, so that a late answer and its timer come first.
    pub grace_ms: i64,
    /// How long an order may take from one of our own stages to the next.
    pub stage_ms: i64,
    /// How long a task may wait for its turn at an unwell system before that itself is a silence.
    pub deferred_ms: i64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { grace_ms: 60_000, stage_ms: 10 * 60_000, deferred_ms: 24 * 60 * 60_000 }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Anything of the order's topic, this processor's own events included.
    Order(&'a OrderEvent),
    TimerFired,
}

/// Total and pure. The only event it writes is [`OrderMarkedStuck`].
pub fn handle(
    key: &OrderKey,
    state: Option<State>,
    event: Event<'_>,
    settings: &Settings,
    arrival: &Arrival,
) -> Decision<State, OrderEvent> {
    match event {
        Event::Order(event) => observe(key, state, event, settings),
        Event::TimerFired => judge(key, state, settings, arrival),
    }
}

fn observe(
    key: &OrderKey,
    state: Option<State>,
    event: &OrderEvent,
    settings: &Settings,
) -> Decision<State, OrderEvent> {
    assert_eq!(event.order_key(), key, "an event is handled under the key of its order");
    let stage_due = event.at().plus_ms(settings.stage_ms);
    let reported = state.as_ref().filter(|state| state.stuck.is_some()).map(|state| state.latest_due().due);
    let state = match (event, state) {
        (OrderEvent::OrderCaptured(event), None) => {
            Some(State::new(event.submission, &event.cause.correlation_id, stage_due))
        }
        (OrderEvent::OrderStateChanged(event), state) => order_moved(state, event, settings),
        (OrderEvent::OrderRejected(_), _) => None,
        // A request under the key of an order that ended long ago began this watch.
        (OrderEvent::RevisionRefused(event), Some(state)) if event.submission == state.submission => None,
        (_, None) => None,
        (OrderEvent::FeasibilityAsked(event), Some(state)) => Some(expect_order(state, event.answer_due)),
        (OrderEvent::OrderValidated(_) | OrderEvent::OrderDecomposed(_), Some(state)) => {
            Some(expect_order(state, stage_due))
        }
        (OrderEvent::TaskStateChanged(event), Some(state)) => Some(task_moved(state, event, settings)),
        (OrderEvent::FalloutDetected(event), Some(mut state)) => {
            state.case_opened(event.case.id);
            Some(state)
        }
        (OrderEvent::FalloutResolved(event), Some(mut state)) => {
            state.case_resolved(event.case_id);
            state.stuck = state.stuck.filter(|stuck| *stuck != event.case_id);
            // Whatever was resolved has to show now: from here on a silence counts anew.
            state.order_due = state.order_due.max(event.cause.at);
            Some(state)
        }
        // Of the rest none moves an order: a case follows, another event of the same step says more, or nothing happened.
        (
            OrderEvent::OrderCaptured(_)
            | OrderEvent::RequestIgnored(_)
            | OrderEvent::RevisionRefused(_)
            | OrderEvent::FeasibilityUnanswered(_)
            | OrderEvent::DecompositionFailed(_)
            | OrderEvent::ItemStateChanged(_)
            | OrderEvent::ServiceOrderStateChanged(_)
            | OrderEvent::MilestoneReached(_)
            | OrderEvent::FeedbackIgnored(_)
            | OrderEvent::WaitFailed(_)
            | OrderEvent::FalloutClassified(_)
            | OrderEvent::OrderMarkedStuck(_),
            state,
        ) => state,
    };
    watch(state.map(|state| told_apart(state, reported)), settings)
}

/// A silence that begins after another was reported ends later than that one, by the least there is: ids of cases and events are made of
/// when. Where this machine's clock is ahead of those that events are written by, all that moves an order may be due before what was
/// reported.
fn told_apart(mut state: State, reported: Option<Timestamp>) -> State {
    let Some(reported) = reported.filter(|_| state.stuck.is_none()) else { return state };
    if state.latest_due().due <= reported {
        state.order_due = reported.plus_ms(1);
    }
    state
}

/// The order is expected to move by `due`; it has moved just now.
fn expect_order(mut state: State, due: Timestamp) -> State {
    state.order_due = due;
    state.waits = false;
    state.stuck = None;
    state
}

fn order_moved(state: Option<State>, event: &OrderStateChanged, settings: &Settings) -> Option<State> {
    if !event.to.is_active() {
        return None;
    }
    let at = event.cause.at;
    // Repaired after it had failed: watched again, and the submission is no matter any more.
    let state = state.unwrap_or_else(|| State::new(0, &event.cause.correlation_id, at));
    // Once it is in progress, its tasks say what is expected.
    let stage_ms = if event.to == OrderState::InProgress { 0 } else { settings.stage_ms };
    let due = event.next_due.unwrap_or(at.plus_ms(stage_ms));
    let mut state = expect_order(state, due);
    state.waits =
        event.waiting_for.is_some() && event.next_due.is_none() || event.to == OrderState::Suspended;
    Some(state)
}

fn task_moved(mut state: State, event: &TaskStateChanged, settings: &Settings) -> State {
    let at = event.cause.at;
    state.stuck = None;
    state.order_due = state.order_due.max(at);
    if !event.to.is_active() {
        state.tasks.remove(&event.task_id.to_string());
        return state;
    }
    let silence_ms = if event.to == TaskState::Deferred { settings.deferred_ms } else { settings.stage_ms };
    let due = event.next_due.unwrap_or(at.plus_ms(silence_ms));
    state.expect_task(event.task_id, TaskDue { item_id: event.item_id.clone(), due });
    state
}

/// Sets the timer where there is none, or where it would be too late.
fn watch(state: Option<State>, settings: &Settings) -> Decision<State, OrderEvent> {
    // A timer that outlives its order finds no state, and does nothing.
    let Some(mut state) = state else { return Decision::keep(None) };
    let silent_at = state.last_due().map(|last| last.due.plus_ms(settings.grace_ms));
    match silent_at {
        Some(due) if state.stuck.is_none() && state.timer_at.is_none_or(|timer_at| due < timer_at) => {
            state.timer_at = Some(due);
            let timers = vec![Timer::Set { name: TIMER.to_owned(), due }];
            Decision { timers, ..Decision::keep(Some(state)) }
        }
        Some(_) | None => Decision::keep(Some(state)),
    }
}

fn judge(
    key: &OrderKey,
    state: Option<State>,
    settings: &Settings,
    arrival: &Arrival,
) -> Decision<State, OrderEvent> {
    let Some(mut state) = state else { return Decision::keep(None) };
    // A timer that was replaced and fires all the same is not the one that is awaited.
    if state.timer_at.is_some_and(|timer_at| arrival.now < timer_at) {
        return Decision::keep(Some(state));
    }
    state.timer_at = None;
    match state.last_due() {
        Some(last) if state.stuck.is_none() && last.due.plus_ms(settings.grace_ms) <= arrival.now => {
            report(key, state, last, arrival)
        }
        Some(_) | None => watch(Some(state), settings),
    }
}

/// The case id is derived from the order and the silence it reports: one silence of an order, one case.
fn report(key: &OrderKey, mut state: State, last: LastDue, arrival: &Arrival) -> Decision<State, OrderEvent> {
    let case_id = CaseId::derived(key, "stuck", &last.due.to_string());
    let event = OrderMarkedStuck {
        cause: arrival.cause(key, &state.correlation_id),
        case_id,
        silent_since: last.due,
        task_id: last.task_id,
        item_id: last.item_id,
    };
    state.stuck = Some(case_id);
    Decision { outputs: vec![event.into()], ..Decision::keep(Some(state)) }
}
