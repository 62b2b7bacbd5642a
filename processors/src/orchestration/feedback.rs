//! Answers: correlated by the command's id, taken once, and never moving a task backwards. Acceptance is not completion.
use domain::command::{Feedback, FeedbackKind};
use domain::downstream::ObservationKind;
use domain::inventory::ServiceReport;
use domain::limits::{FEEDBACK_SEEN_MAX, SUBMISSIONS_MAX, TASK_OUTPUTS_MAX, VALUE_BYTES_MAX};
use domain::order::event::{FeedbackIgnored, IgnoredBecause};
use domain::order::{ItemAction, Values};
use domain::plan::{ExecutionMode, TaskState, TaskTrigger};
use domain::{CommandId, OrderKey, TaskId};

use super::state::{self, Cell};
use super::step::Step;
use super::{Output, dispatch, failure, notify, products};
use crate::Arrival;

/// Under a key without a plan no answer is ours; those to validation's questions are nobody else's business.
pub(super) fn without_order(key: &OrderKey, feedback: &Feedback, arrival: &Arrival) -> Vec<Output> {
    if is_validations(key, feedback.command_id) {
        return Vec::new();
    }
    let cause = arrival.cause(key, &feedback.command_id.to_string());
    vec![Output::Event(ignored(cause, feedback, IgnoredBecause::NotOurs).into())]
}

/// Whether the command asked if the order can be delivered. A hundred derived ids at most, and only for an unknown id.
fn is_validations(key: &OrderKey, command_id: CommandId) -> bool {
    (1..=SUBMISSIONS_MAX).any(|submission| CommandId::feasibility(key, submission) == command_id)
}

fn ignored(
    cause: domain::order::event::Cause,
    feedback: &Feedback,
    because: IgnoredBecause,
) -> FeedbackIgnored {
    FeedbackIgnored {
        cause,
        feedback_id: feedback.feedback_id.clone(),
        command_id: feedback.command_id,
        system: feedback.system.clone(),
        because,
    }
}

pub(super) fn on_feedback(step: &mut Step<'_>, feedback: Feedback) {
    let Some(Cell::Command(index)) = step.cells.get(&state::command_cell(feedback.command_id)) else {
        if !is_validations(step.key, feedback.command_id) {
            ignore(step, &feedback, IgnoredBecause::NotOurs);
        }
        return;
    };
    match refusal(step, index.task_id, &feedback) {
        Some(because) => ignore(step, &feedback, because),
        None => {
            let told = feedback.clone();
            let awaited = await_no_more(step, index.task_id, Awaited::default());
            if take(step, index.task_id, feedback) {
                taken(step, index.task_id, &told, awaited);
            } else {
                await_no_more(step, index.task_id, awaited);
                ignore(step, &told, IgnoredBecause::Late);
            }
        }
    }
}

fn ignore(step: &mut Step<'_>, feedback: &Feedback, because: IgnoredBecause) {
    let event = ignored(step.cause(), feedback, because);
    step.tell_first(event);
}

/// Why an answer is not even looked at.
fn refusal(step: &mut Step<'_>, id: TaskId, feedback: &Feedback) -> Option<IgnoredBecause> {
    let Some(record) = step.task(id) else { return Some(IgnoredBecause::NotOurs) };
    let task = &record.task;
    if task.feedback_seen.contains(&feedback.feedback_id) {
        return Some(IgnoredBecause::Repeated);
    }
    // A redo has another command: what the former run's is told is past.
    if task.command_id != Some(feedback.command_id) {
        return Some(IgnoredBecause::Late);
    }
    let older = feedback.attempt.is_some_and(|attempt| attempt < task.attempt);
    (older && !is_truth_of_any_attempt(feedback.kind)).then_some(IgnoredBecause::Repeated)
}

/// What is done is done, whichever sending is answered: all of them are one command. The rest says how one sending went.
fn is_truth_of_any_attempt(kind: FeedbackKind) -> bool {
    match kind {
        FeedbackKind::Completed
        | FeedbackKind::PartialActivation
        | FeedbackKind::Suspended
        | FeedbackKind::Resumed
        | FeedbackKind::Terminated => true,
        FeedbackKind::Accepted
        | FeedbackKind::InProgress
        | FeedbackKind::Failed
        | FeedbackKind::NotKnown
        | FeedbackKind::Unknown => false,
    }
}

/// Moves the task. `false`: its state does not take this answer any more.
fn take(step: &mut Step<'_>, id: TaskId, feedback: Feedback) -> bool {
    match feedback.kind {
        FeedbackKind::Accepted => goes_on(step, id, TaskTrigger::FeedbackAccepted),
        FeedbackKind::InProgress => goes_on(step, id, TaskTrigger::FeedbackInProgress),
        FeedbackKind::PartialActivation => partial(step, id, feedback.outputs),
        FeedbackKind::Completed => completed(step, id, feedback.outputs),
        FeedbackKind::Failed => failure::failed(step, id, feedback),
        FeedbackKind::NotKnown => failure::not_known(step, id),
        FeedbackKind::Suspended => unasked(step, id, ServiceReport::Suspended),
        FeedbackKind::Resumed => unasked(step, id, ServiceReport::Resumed),
        FeedbackKind::Terminated => unasked(step, id, ServiceReport::Terminated),
        // The shell makes a dead letter of it; here it changes nothing.
        FeedbackKind::Unknown => false,
    }
}

/// What a task awaited when an answer came; taking the answer may send again, and then the next one is awaited.
#[derive(Clone, Copy, Debug, Default)]
struct Awaited {
    answer: bool,
    granted: bool,
}

/// Puts `next` in the place of what was awaited so far, which is returned.
fn await_no_more(step: &mut Step<'_>, id: TaskId, next: Awaited) -> Awaited {
    let Some(record) = step.task(id) else { return next };
    let answer = std::mem::replace(&mut record.answer_awaited, next.answer);
    let granted = std::mem::replace(&mut record.granted, next.granted);
    Awaited { answer, granted }
}

/// What every answer that was taken leaves behind.
fn taken(step: &mut Step<'_>, id: TaskId, feedback: &Feedback, awaited: Awaited) {
    let world = step.world;
    let Some(record) = step.task(id) else { return };
    let seen = &mut record.task.feedback_seen;
    if seen.len() >= FEEDBACK_SEEN_MAX {
        seen.remove(0);
    }
    seen.push(feedback.feedback_id.clone());
    let system = record.task.planned.system.clone();
    let outage = feedback.code.as_ref().is_some_and(|code| failure::says_outage(step, &system, code));
    if feedback.kind == FeedbackKind::Failed && outage {
        dispatch::observe(step, id, ObservationKind::Unanswered);
    } else if awaited.answer
        && (awaited.granted || world.health.get(&system).is_some_and(|health| health.watched))
    {
        dispatch::observe(step, id, ObservationKind::Answered);
    }
}

/// It is being dealt with. After an unknown outcome it has its full time again: the system says that it is at it.
fn goes_on(step: &mut Step<'_>, id: TaskId, trigger: TaskTrigger) -> bool {
    let now = step.now();
    let Some(record) = step.task(id) else { return false };
    let (was, name) = (record.task.state, record.task.planned.task_type.clone());
    if !step.trigger(id, trigger, None) {
        return false;
    }
    dispatch::refuse_turn(step, id, false);
    let due = step.task_type(&name).map(|task_type| now.plus_ms(task_type.breach_ms));
    if let Some(record) = step.task(id).filter(|_| was == TaskState::UnknownOutcome) {
        record.task.due = due;
    }
    true
}

fn partial(step: &mut Step<'_>, id: TaskId, outputs: Values) -> bool {
    if !goes_on(step, id, TaskTrigger::FeedbackPartial) {
        return false;
    }
    keep_outputs(step, id, outputs);
    let Some(record) = step.task(id) else { return true };
    let (service_order, planned) = (record.task.planned.service_order, record.task.planned.clone());
    if let Some(record) = step.service_order(service_order) {
        record.partial = true;
        step.service_orders_touched.insert(service_order);
    }
    // Only what is being built can be half there; an active product stays active while it is changed.
    if planned.action == ItemAction::Add {
        products::of_task(step, &planned, ServiceReport::PartialActivation);
    }
    true
}

fn completed(step: &mut Step<'_>, id: TaskId, outputs: Values) -> bool {
    let now = step.now();
    let Some(record) = step.task(id) else { return false };
    let trigger = match record.task.mode {
        ExecutionMode::Undo => TaskTrigger::UndoCompleted,
        ExecutionMode::Do | ExecutionMode::Redo | ExecutionMode::AmendDo => TaskTrigger::FeedbackCompleted,
    };
    if !step.trigger(id, trigger, None) {
        return false;
    }
    dispatch::refuse_turn(step, id, false);
    keep_outputs(step, id, outputs);
    let Some(record) = step.task(id) else { return true };
    record.task.finished_at = Some(now);
    record.task.due = None;
    let (planned, successors) = (record.task.planned.clone(), record.task.successors.clone());
    if let Some(milestone) = planned.milestone {
        step.milestone(planned.item_id, id, milestone);
    }
    let to_customer =
        step.task_type(&planned.task_type).and_then(|task_type| task_type.customer_notification.clone());
    if let Some(message) = to_customer {
        notify::customer(step, message);
    }
    for successor in successors {
        let Some(record) = step.task(successor) else { continue };
        record.task.waiting_for = record.task.waiting_for.saturating_sub(1);
        if record.task.waiting_for == 0 && record.task.state == TaskState::NotStarted {
            dispatch::ready(step, successor);
        }
    }
    true
}

/// Keeps what was reported, within the limits; what is beyond them is named, and is missing at whoever needs it.
fn keep_outputs(step: &mut Step<'_>, id: TaskId, outputs: Values) {
    let Some(record) = step.task(id) else { return };
    let (mut kept, mut dropped) = (Values::new(), Vec::new());
    for (name, value) in outputs {
        let room = record.task.outputs.len() < TASK_OUTPUTS_MAX || record.task.outputs.contains_key(&name);
        if room && name.len() + value.text().len() <= VALUE_BYTES_MAX {
            record.task.outputs.insert(name.clone(), value.clone());
            kept.insert(name, value);
        } else {
            dropped.push(name.chars().take(DROPPED_NAME_CHARS_MAX).collect::<String>());
        }
    }
    step.reported(id, kept);
    if !dropped.is_empty() {
        let count = dropped.len();
        dropped.truncate(DROPPED_NAMES_MAX);
        let limits = format!("at most {TASK_OUTPUTS_MAX} outputs of {VALUE_BYTES_MAX} bytes are kept");
        step.remark(id, format!("{count} outputs were dropped ({}): {limits}", dropped.join(", ")));
    }
}

/// The most names of dropped outputs in one remark, and the most characters of each.
const DROPPED_NAMES_MAX: usize = 5;
const DROPPED_NAME_CHARS_MAX: usize = 64;

/// A finished service changed by itself: its product is told of it, the task stays what it is.
fn unasked(step: &mut Step<'_>, id: TaskId, report: ServiceReport) -> bool {
    let Some(record) = step.task(id).filter(|record| record.task.state == TaskState::Completed) else {
        return false;
    };
    let planned = record.task.planned.clone();
    // What was to be taken away is gone: that is no news.
    if planned.action == ItemAction::Delete {
        return false;
    }
    products::of_task(step, &planned, report);
    true
}
