//! What a failure means: try again, let somebody repair it, give it up, or find out what happened.
//!
//! Who decides, in this sequence, the first that has something to say:
//! 1. the task type's retry policy: a code in `retryable_codes` is transient;
//! 2. the catalog's fallout rule that names the code or matches the message: its recoverability;
//! 3. the system's `outage_codes`: the system is unwell, not the command, so it is transient;
//! 4. the system's own word `retryable`, where it is `true`: transient;
//! 5. a fallout rule for everything, or everything of the system: its recoverability;
//! 6. nobody: repairable. A failure that nobody knows is never repeated blindly, and never given up by a machine.
use domain::catalog::TaskType;
use domain::catalog::task_type::RetryPolicy;
use domain::codes::UNSPECIFIED;
use domain::command::Feedback;
use domain::fallout::Recoverability;
use domain::fallout::rules::ANY;
use domain::limits::{NOTE_BYTES_MAX, TEXT_BYTES_MAX};
use domain::plan::{Failure, TaskState, TaskTrigger};
use domain::{CommandId, TaskId, Timestamp, text};

use super::step::Step;
use super::{dispatch, settle};

/// Beyond so many doublings every backoff has reached its maximum.
const DOUBLINGS_MAX: u32 = 32;
/// The part of a backoff that is jitter at most: a quarter.
const JITTER_DIVISOR: i64 = 4;

/// A system says that it failed. Tried again, asked for, repaired or given up.
pub(super) fn failed(step: &mut Step<'_>, id: TaskId, feedback: Feedback) -> bool {
    // Of another system's words as much is kept as a person reads: they go into the task, its events and its case.
    let code =
        feedback.code.as_deref().map_or(UNSPECIFIED.to_owned(), |code| text::kept(code, TEXT_BYTES_MAX));
    let message = text::kept(feedback.message.as_deref().unwrap_or_default(), NOTE_BYTES_MAX);
    let Some(record) = step.task(id) else { return false };
    let system = record.task.planned.system.clone();
    let name = record.task.planned.task_type.clone();
    let task_type = step.task_type(&name);
    let failure = Failure { system, code, message, at: step.now() };
    match recoverability(step, task_type, &failure, feedback.retryable) {
        Recoverability::Transient => retry_or_give_up(step, id, task_type, failure),
        Recoverability::Repairable | Recoverability::Compensatable | Recoverability::PolicyException => {
            stop(step, id, TaskTrigger::FailureRepairable, failure, None)
        }
        Recoverability::Terminal => {
            let stopped = stop(step, id, TaskTrigger::FailureTerminal, failure, None);
            if stopped {
                settle::failed_for_good(step, id);
            }
            stopped
        }
        Recoverability::UnknownOutcome => unknown(step, id, failure),
    }
}

fn recoverability(
    step: &Step<'_>,
    task_type: Option<&TaskType>,
    failure: &Failure,
    retryable: Option<bool>,
) -> Recoverability {
    let Failure { system, code, message, .. } = failure;
    if task_type.is_some_and(|task_type| task_type.retry.retryable_codes.contains(code)) {
        return Recoverability::Transient;
    }
    let rule = step.world.catalog.and_then(|catalog| catalog.fallout().rule(system, code, message));
    if let Some(rule) = rule.filter(|rule| rule.code != ANY || rule.message_pattern.is_some()) {
        return rule.recoverability;
    }
    if says_outage(step, system, code) || retryable == Some(true) {
        return Recoverability::Transient;
    }
    rule.map_or(Recoverability::Repairable, |rule| rule.recoverability)
}

/// Whether the code says that the system itself is unwell.
pub(super) fn says_outage(step: &Step<'_>, system: &str, code: &str) -> bool {
    let known = step.world.catalog.and_then(|catalog| catalog.systems.get(system));
    known.is_some_and(|known| known.outage_codes.iter().any(|outage| outage == code))
}

/// Ends the waiting for an answer: `trigger` says how, `failure` why. `false`: the table refuses.
fn stop(
    step: &mut Step<'_>,
    id: TaskId,
    trigger: TaskTrigger,
    failure: Failure,
    reason: Option<String>,
) -> bool {
    if !step.trigger(id, trigger, reason) {
        return false;
    }
    dispatch::refuse_turn(step, id, false);
    if let Some(record) = step.task(id) {
        record.task.last_failure = Some(failure);
        record.task.due = None;
    }
    true
}

fn retry_or_give_up(step: &mut Step<'_>, id: TaskId, task_type: Option<&TaskType>, failure: Failure) -> bool {
    let now = step.now();
    let Some(record) = step.task(id) else { return false };
    let (attempt, command_id) = (record.task.attempt, record.task.command_id);
    let retry_at = task_type.map(|task_type| {
        let backoff_ms = backoff_ms(&task_type.retry, attempt, command_id);
        (
            now.plus_ms(backoff_ms),
            may_send_again(&task_type.retry, attempt, record.first_sent_at, now.plus_ms(backoff_ms)),
        )
    });
    match retry_at {
        Some((retry_at, true)) => {
            let retried = stop(step, id, TaskTrigger::FailureTransient, failure, None);
            if let Some(record) = step.task(id).filter(|_| retried) {
                record.task.due = Some(retry_at);
            }
            retried
        }
        Some((_, false)) | None => {
            let reason = Some(format!("sent {attempt} times, and no further try is allowed"));
            stop(step, id, TaskTrigger::RetriesExhausted, failure, reason)
        }
    }
}

/// The system cannot tell, or says that it was asked twice: it is asked what became of it.
fn unknown(step: &mut Step<'_>, id: TaskId, failure: Failure) -> bool {
    let with_system = step.task(id).is_some_and(|record| settle::is_with_system(record.task.state));
    if !with_system || !stop(step, id, TaskTrigger::FailureUnknown, failure, None) {
        return false;
    }
    if let Some(record) = step.task(id) {
        record.task.queries = 0;
    }
    dispatch::ask(step, id, false);
    true
}

/// The system, asked by the original id, never heard of the command: it is sent again under that id, if the budget allows.
pub(super) fn not_known(step: &mut Step<'_>, id: TaskId) -> bool {
    let now = step.now();
    let Some(record) = step.task(id).filter(|record| record.task.state == TaskState::UnknownOutcome) else {
        return false;
    };
    let (attempt, first_sent_at, name) =
        (record.task.attempt, record.first_sent_at, record.task.planned.task_type.clone());
    let allowed =
        step.task_type(&name).is_some_and(|it| may_send_again(&it.retry, attempt, first_sent_at, now));
    if !allowed {
        let reason = format!("never received, sent {attempt} times, and no further try is allowed");
        return give_up(step, id, reason);
    }
    dispatch::refuse_turn(step, id, false);
    if !step.trigger(id, TaskTrigger::ReconciledNotKnown, Some("its system never received it".to_owned())) {
        return false;
    }
    if let Some(record) = step.task(id) {
        record.task.due = None;
    }
    dispatch::send_or_defer(step, id, false);
    true
}

/// Nothing a machine may do is left: a person finds out.
pub(super) fn give_up(step: &mut Step<'_>, id: TaskId, reason: String) -> bool {
    if !step.trigger(id, TaskTrigger::RetriesExhausted, Some(reason)) {
        return false;
    }
    dispatch::refuse_turn(step, id, false);
    if let Some(record) = step.task(id) {
        record.task.due = None;
    }
    true
}

fn may_send_again(
    policy: &RetryPolicy,
    attempt: u32,
    first_sent_at: Option<Timestamp>,
    at: Timestamp,
) -> bool {
    attempt < policy.attempts_max && first_sent_at.is_none_or(|first| at.since_ms(first) <= policy.window_ms)
}

/// How long to wait after the `count`-th time, from 1: doubled each time, with jitter that is derived from the command's id, so
/// that a replay waits as long as the first run did.
pub(super) fn backoff_ms(policy: &RetryPolicy, count: u32, command_id: Option<CommandId>) -> i64 {
    let doublings = count.saturating_sub(1).min(DOUBLINGS_MAX);
    let doubled_ms = policy.backoff_ms_min.saturating_mul(1_i64 << doublings);
    let backoff_ms = doubled_ms.min(policy.backoff_ms_max);
    backoff_ms.saturating_add(command_id.map_or(0, |id| id.derived_below(backoff_ms / JITTER_DIVISOR)))
}
