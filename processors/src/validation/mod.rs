//! Validates orders: every rule against the pinned catalog, all reasons at once; then asks whether it can be delivered.
//!
//! Rules are pure functions, a file per family, each `check(order, catalog) -> Vec<Reason>`. What the anti-corruption layer
//! could not read came with the order as findings; what follows from a finding is not held against the requester twice.
//!
//! A rejected order may be corrected and submitted again under its key. One that is under way, or ended, is not touched by
//! another request under its key: that request is refused.
use domain::catalog::Catalogs;
use domain::command::{Command, Feedback};
use domain::order::OrderState;
use domain::order::event::{
    OrderCaptured, OrderEvent, OrderRejected, OrderStateChanged, OrderValidated, RevisionRefused,
};
use domain::{OrderKey, Reason, ReasonCode, RequestId, reason};

use crate::{Arrival, Decision, Timer};

mod characteristics;
mod circles;
mod eligibility;
mod feasibility;
mod findings;
mod items;
mod offering;
mod prices;
pub mod state;
mod structure;
#[cfg(test)]
mod tests;

pub use state::{Inquiry, Phase, Question, State};

/// The name of the only timer: the question is sent again, or given up.
pub const TIMER: &str = "feasibility";

#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    Captured(&'a OrderCaptured),
    /// The order moved after decomposition: whether it has ended is what matters here.
    StateChanged(&'a OrderStateChanged),
    /// Any answer under the order's key; those to other questions are ignored.
    Feedback(&'a Feedback),
    TimerFired,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Event(OrderEvent),
    Command(Box<Command>),
}

type Decided = Decision<State, Output>;

/// Total and pure. The pinned version is looked up in `catalogs`.
pub fn handle(
    key: &OrderKey,
    state: Option<State>,
    event: Event<'_>,
    catalogs: &Catalogs,
    arrival: &Arrival,
) -> Decided {
    match event {
        Event::Captured(event) => {
            assert_eq!(event.cause.order_key, *key, "an event is handled under the key of its order");
            captured(key, state, event, catalogs, arrival)
        }
        Event::StateChanged(event) => order_moved(state, event),
        Event::Feedback(feedback) => feasibility::answered(key, state, feedback, catalogs, arrival),
        Event::TimerFired => feasibility::timer_fired(key, state, arrival),
    }
}

fn captured(
    key: &OrderKey,
    state: Option<State>,
    event: &OrderCaptured,
    catalogs: &Catalogs,
    arrival: &Arrival,
) -> Decided {
    match state {
        // Told before.
        Some(state) if event.submission <= state.submission => Decision::keep(Some(state)),
        None => validate(key, event, catalogs, arrival),
        Some(state) => match state.phase {
            Phase::Rejected => validate(key, event, catalogs, arrival),
            Phase::Awaiting | Phase::Validated => {
                refuse(key, state, event, ReasonCode::OrderInProgress, arrival)
            }
            Phase::Ended => refuse(key, state, event, ReasonCode::OrderEnded, arrival),
        },
    }
}

/// The order that has the key is not touched; the request is answered with everything that is wrong with it.
fn refuse(
    key: &OrderKey,
    mut state: State,
    event: &OrderCaptured,
    code: ReasonCode,
    arrival: &Arrival,
) -> Decided {
    let message = if code == ReasonCode::OrderEnded {
        "the order of this key has ended; order again under another key"
    } else {
        "the order of this key is in progress; a change of it is not taken"
    };
    let mut reasons = vec![Reason::new(code, "", message)];
    reasons.extend(event.findings.iter().cloned());
    let refused = RevisionRefused {
        cause: arrival.cause(key, &event.cause.correlation_id),
        submission: event.submission,
        request_id: event.order.request_id.clone(),
        reasons: reason::bounded(reasons),
    };
    state.submission = event.submission;
    Decision { outputs: vec![Output::Event(refused.into())], ..Decision::keep(Some(state)) }
}

fn validate(key: &OrderKey, event: &OrderCaptured, catalogs: &Catalogs, arrival: &Arrival) -> Decided {
    let correlation_id = event.cause.correlation_id.as_str();
    let Some(catalog) = catalogs.get(&event.order.catalog_version) else {
        let mut reasons = event.findings.clone();
        if !reasons.iter().any(|reason| reason.code == ReasonCode::CatalogVersionUnknown) {
            let message = format!("catalog version \"{}\" is not known", event.order.catalog_version);
            reasons.push(Reason::new(ReasonCode::CatalogVersionUnknown, "", message));
        }
        return rejected(key, event.submission, &event.order.request_id, correlation_id, reasons, arrival);
    };
    let order = characteristics::with_defaults(&event.order, catalog);
    let mut reasons = structure::check(&order, catalog, event.cause.at);
    reasons.extend(items::check(&order));
    reasons.extend(offering::check(&order, catalog));
    reasons.extend(characteristics::check(&order, catalog));
    reasons.extend(prices::check(&order, catalog));
    let ineligible = eligibility::check(&order, catalog, &reasons);
    reasons.extend(ineligible);
    let reasons = findings::joined(&order, &event.findings, reasons);
    if !reasons.is_empty() {
        return rejected(key, event.submission, &order.request_id, correlation_id, reasons, arrival);
    }
    match feasibility::question(key, &order, catalog, event.submission, correlation_id) {
        Some(question) => feasibility::ask(key, question, arrival),
        None => validated(key, event.submission, order, correlation_id, arrival),
    }
}

fn validated(
    key: &OrderKey,
    submission: u32,
    order: domain::order::Order,
    correlation_id: &str,
    arrival: &Arrival,
) -> Decided {
    let cause = arrival.cause(key, correlation_id);
    let event = OrderValidated { cause, submission, order };
    let state = State { submission, phase: Phase::Validated, question: None };
    Decision { outputs: vec![Output::Event(event.into())], ..Decision::keep(Some(state)) }
}

fn rejected(
    key: &OrderKey,
    submission: u32,
    request_id: &RequestId,
    correlation_id: &str,
    reasons: Vec<Reason>,
    arrival: &Arrival,
) -> Decided {
    let event = OrderRejected {
        cause: arrival.cause(key, correlation_id),
        submission,
        request_id: request_id.clone(),
        reasons: reason::bounded(reasons),
    };
    let state = State { submission, phase: Phase::Rejected, question: None };
    Decision { outputs: vec![Output::Event(event.into())], ..Decision::keep(Some(state)) }
}

/// An order that ended may be repaired and move again: then it is in progress once more.
fn order_moved(state: Option<State>, event: &OrderStateChanged) -> Decided {
    let Some(mut state) = state else { return Decision::keep(None) };
    state.phase = match event.to {
        OrderState::Completed | OrderState::Failed | OrderState::Cancelled => Phase::Ended,
        OrderState::Rejected => Phase::Rejected,
        OrderState::Captured
        | OrderState::Validated
        | OrderState::Decomposed
        | OrderState::Scheduled
        | OrderState::InProgress
        | OrderState::PartiallyCompleted
        | OrderState::Suspended
        | OrderState::Amending
        | OrderState::Cancelling => Phase::Validated,
    };
    let asked = state.question.take().and_then(|question| question.due).is_some();
    let timers = if asked { vec![Timer::Cancel { name: TIMER.to_owned() }] } else { Vec::new() };
    Decision { timers, ..Decision::keep(Some(state)) }
}
