//! Whether the order can be delivered: asked of a downstream system by a command, awaited, and asked again under the same id.
use domain::catalog::{Catalog, Catalogs};
use domain::command::{Command, CommandKind, Feedback, FeedbackKind};
use domain::limits::NOTE_BYTES_MAX;
use domain::order::event::{FeasibilityAsked, FeasibilityUnanswered};
use domain::order::{ItemAction, Order, OrderItem, Values};
use domain::plan::ExecutionMode;
use domain::{CommandId, Json, OrderKey, Reason, ReasonCode};
use serde_json::{Map, Value, json};

use super::{Decided, Inquiry, Output, Phase, Question, State, TIMER};
use crate::{Arrival, Decision, Timer};

/// The operation's name in the command.
pub const COMMAND: &str = "checkFeasibility";
/// The longest that one sending is waited for: the wait doubles from one to the next, up to this.
pub const ANSWER_MS_MAX: i64 = 60 * 60 * 1_000;

/// What is to be asked; none where no offering of the order wants it asked.
pub(super) fn question(
    key: &OrderKey,
    order: &Order,
    catalog: &Catalog,
    submission: u32,
    correlation_id: &str,
) -> Option<Question> {
    let mut inquiries: Vec<Inquiry> = Vec::new();
    for item in &order.items {
        let Some(wanted) = asks(item, catalog) else { continue };
        match inquiries.iter_mut().find(|inquiry| inquiry.system == wanted.system) {
            // Several offerings ask one system: the most patient of them says how long.
            Some(inquiry) => {
                inquiry.answer_ms = inquiry.answer_ms.max(wanted.answer_ms);
                inquiry.attempts_max = inquiry.attempts_max.max(wanted.attempts_max);
            }
            None => inquiries.push(wanted),
        }
    }
    (!inquiries.is_empty()).then(|| Question {
        submission,
        command_id: CommandId::feasibility(key, submission),
        inquiries,
        attempt: 0,
        due: None,
        correlation_id: correlation_id.to_owned(),
        order: order.clone(),
    })
}

/// What is there already, or is taken away, can be delivered.
fn asks(item: &OrderItem, catalog: &Catalog) -> Option<Inquiry> {
    let feasibility = match item.action {
        ItemAction::Add | ItemAction::Modify => catalog.offering_of(item)?.feasibility.as_ref()?,
        ItemAction::Delete | ItemAction::NoChange => return None,
    };
    Some(Inquiry {
        system: feasibility.system.clone(),
        answer_ms: feasibility.answer_ms,
        attempts_max: feasibility.attempts_max,
    })
}

/// Sends the question to the first system that is left, for the first time or again.
pub(super) fn ask(key: &OrderKey, mut question: Question, arrival: &Arrival) -> Decided {
    let submission = question.submission;
    let Some(inquiry) = question.inquiries.first() else {
        return super::validated(key, submission, question.order, &question.correlation_id, arrival);
    };
    question.attempt = question.attempt.saturating_add(1);
    let doubled_ms = inquiry.answer_ms.max(1).saturating_mul(1_i64 << (question.attempt - 1).min(16));
    let answer_due = arrival.now.plus_ms(doubled_ms.min(ANSWER_MS_MAX.max(inquiry.answer_ms)));
    question.due = Some(answer_due);
    let asked = FeasibilityAsked {
        cause: arrival.cause(key, &question.correlation_id),
        submission,
        command_id: question.command_id,
        system: inquiry.system.clone(),
        attempt: question.attempt,
        answer_due,
    };
    let command = Command {
        command_id: question.command_id,
        order_key: key.clone(),
        system: inquiry.system.clone(),
        kind: CommandKind::CheckFeasibility,
        name: COMMAND.to_owned(),
        mode: ExecutionMode::Do,
        attempt: question.attempt,
        priority: question.order.priority,
        action: ItemAction::Add,
        task_id: None,
        item_id: None,
        service_order: None,
        product: None,
        inputs: inputs(&question.order),
        issued_at: arrival.now,
        answer_due: Some(answer_due),
        correlation_id: question.correlation_id.clone(),
    };
    let state = State { submission, phase: Phase::Awaiting, question: Some(question) };
    Decision {
        outputs: vec![Output::Event(asked.into()), Output::Command(Box::new(command))],
        timers: vec![Timer::Set { name: TIMER.to_owned(), due: answer_due }],
        ..Decision::keep(Some(state))
    }
}

/// One input per item that changes something: `item/<id>`, an object of action, offering, quantity and characteristics.
fn inputs(order: &Order) -> Values {
    let changing = order.items.iter().filter(|item| item.action != ItemAction::NoChange);
    let input = |item: &OrderItem| {
        let mut characteristics = Map::new();
        for characteristic in &item.characteristics {
            characteristics.insert(characteristic.name.clone(), characteristic.value.value());
        }
        let object = json!({
            "action": item.action,
            "offering": item.offering.as_ref().map(|offering| &offering.id),
            "product": item.product.as_ref().map(|product| &product.id),
            "quantity": item.quantity,
            "characteristics": Value::Object(characteristics),
        });
        (format!("item/{}", item.id), Json::from(&object))
    };
    changing.map(input).collect()
}

/// An answer; one that is not to the question that is being asked changes nothing.
pub(super) fn answered(
    key: &OrderKey,
    state: Option<State>,
    feedback: &Feedback,
    catalogs: &Catalogs,
    arrival: &Arrival,
) -> Decided {
    let Some(mut state) = state else { return Decision::keep(None) };
    let Some(question) = state.question.take_if(|question| is_answer(question, feedback)) else {
        return Decision::keep(Some(state));
    };
    let cancel = || Timer::Cancel { name: TIMER.to_owned() };
    match feedback.kind {
        FeedbackKind::Completed => {
            let mut rest = question;
            rest.inquiries.remove(0);
            rest.attempt = 0;
            let newest = state.submission;
            let done = rest.inquiries.is_empty();
            let mut decision = ask(key, rest, arrival);
            if done {
                decision.timers.push(cancel());
            }
            heard_of(decision, newest)
        }
        FeedbackKind::Failed if !is_passing(&question, feedback, catalogs) => {
            let reason = Reason::new(ReasonCode::NotFeasible, "", refusal(feedback));
            let request_id = &question.order.request_id;
            let correlation_id = &question.correlation_id;
            let newest = state.submission;
            let mut decision =
                super::rejected(key, question.submission, request_id, correlation_id, vec![reason], arrival);
            decision.timers.push(cancel());
            heard_of(decision, newest)
        }
        // Not yet, or not now: the timer asks again.
        FeedbackKind::Accepted
        | FeedbackKind::InProgress
        | FeedbackKind::Failed
        | FeedbackKind::PartialActivation
        | FeedbackKind::NotKnown
        | FeedbackKind::Suspended
        | FeedbackKind::Resumed
        | FeedbackKind::Terminated
        | FeedbackKind::Unknown => {
            state.question = Some(question);
            Decision::keep(Some(state))
        }
    }
}

/// Requests that were refused meanwhile stay heard of.
fn heard_of(mut decision: Decided, newest: u32) -> Decided {
    if let Some(state) = &mut decision.state {
        state.submission = state.submission.max(newest);
    }
    decision
}

/// By the command id; the system matters only where several are asked one after the other.
fn is_answer(question: &Question, feedback: &Feedback) -> bool {
    let is_asked = question.inquiries.first().is_some_and(|inquiry| inquiry.system == feedback.system);
    question.command_id == feedback.command_id && (is_asked || question.inquiries.len() == 1)
}

/// Whether the system only could not say: an order is not rejected because a system is unwell.
fn is_passing(question: &Question, feedback: &Feedback, catalogs: &Catalogs) -> bool {
    let catalog = catalogs.get(&question.order.catalog_version);
    let system = catalog
        .zip(question.inquiries.first())
        .and_then(|(catalog, asked)| catalog.systems.get(&asked.system));
    let is_outage = |code: &String| system.is_some_and(|system| system.outage_codes.contains(code));
    feedback.retryable == Some(true) || feedback.code.as_ref().is_some_and(is_outage)
}

/// The system's own words, cut to [`NOTE_BYTES_MAX`].
fn refusal(feedback: &Feedback) -> String {
    let code = feedback.code.as_deref().unwrap_or("no code");
    let said = feedback.message.as_deref().unwrap_or("no message");
    let mut text = format!("system \"{}\" says that it cannot be delivered: {code}: {said}", feedback.system);
    if text.len() > NOTE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(NOTE_BYTES_MAX));
    }
    text
}

/// No answer in time: asked again under the same id, until that was often enough.
pub(super) fn timer_fired(key: &OrderKey, state: Option<State>, arrival: &Arrival) -> Decided {
    let Some(mut state) = state else { return Decision::keep(None) };
    let is_due = |question: &mut Question| question.due.is_some_and(|due| due <= arrival.now);
    let Some(mut question) = state.question.take_if(is_due) else { return Decision::keep(Some(state)) };
    let newest = state.submission;
    let attempts_max = question.inquiries.first().map_or(0, |inquiry| inquiry.attempts_max);
    if question.attempt < attempts_max {
        return heard_of(ask(key, question, arrival), newest);
    }
    question.due = None;
    let unanswered = FeasibilityUnanswered {
        cause: arrival.cause(key, &question.correlation_id),
        submission: question.submission,
        command_id: question.command_id,
        system: question.inquiries.first().map(|inquiry| inquiry.system.clone()).unwrap_or_default(),
        attempts: question.attempt,
    };
    state.question = Some(question);
    Decision { outputs: vec![Output::Event(unanswered.into())], ..Decision::keep(Some(state)) }
}
