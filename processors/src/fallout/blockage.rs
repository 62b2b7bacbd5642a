//! What an event says of a blockage: whose, how it was noticed, and the failure word for word.
// Codes of what we noticed ourselves; a rule of the catalog may file them like any other.
use domain::codes::{
    FEASIBILITY_UNANSWERED, INPUT_MISSING, MISSING_CALLBACK, ORDER_STUCK, RETRIES_EXHAUSTED, TASK_FAILED,
    WAIT_ENDED,
};
use domain::fallout::Detection;
use domain::limits::NOTE_BYTES_MAX;
use domain::order::event::{
    DecompositionFailed, FeasibilityUnanswered, OrderMarkedStuck, TaskStateChanged, WaitFailed,
};
use domain::plan::{Failure, TaskState, TaskTrigger};
use domain::{CaseId, ItemId, Reason, TaskId, Timestamp};

use super::{SUBJECT_DECOMPOSITION, SUBJECT_FEASIBILITY, SUBJECT_STUCK, SUBJECT_WAIT};

/// The system of failures that are nobody else's.
pub(super) const OWN_SYSTEM: &str = "orderstream";
/// Whose case it is where neither a rule nor the catalog says so.
const OWNER_ORDERS: &str = "order-operations";
const OWNER_CATALOG: &str = "catalog-operations";

/// Something that keeps an order from moving.
#[derive(Clone, Debug)]
pub(super) struct Blockage {
    /// A task id, or a stage of the order.
    pub subject: String,
    /// Given where whoever noticed it named the case already.
    pub case_id: Option<CaseId>,
    pub task_id: Option<TaskId>,
    pub item_id: Option<ItemId>,
    pub detection: Detection,
    pub failure: Failure,
    /// Whether the code is our own word: then it is its own normalised code where no rule says otherwise.
    pub own_code: bool,
    /// What was asked may have been done: whatever a rule says, the outcome is unknown.
    pub unknown_outcome: bool,
    pub owner_group_default: String,
}

impl Blockage {
    fn of_order(subject: &str, detection: Detection, failure: Failure) -> Blockage {
        Blockage {
            subject: subject.to_owned(),
            case_id: None,
            task_id: None,
            item_id: None,
            detection,
            failure,
            own_code: true,
            unknown_outcome: false,
            owner_group_default: OWNER_ORDERS.to_owned(),
        }
    }
}

fn failure(system: &str, code: &str, message: String, at: Timestamp) -> Failure {
    Failure { system: system.to_owned(), code: code.to_owned(), message, at }
}

pub(super) fn feasibility(event: &FeasibilityUnanswered) -> Blockage {
    let message =
        format!("asked {} times whether the order can be delivered, without an answer", event.attempts);
    let failure = failure(&event.system, FEASIBILITY_UNANSWERED, message, event.cause.at);
    Blockage::of_order(SUBJECT_FEASIBILITY, Detection::FeasibilityUnanswered, failure)
}

pub(super) fn decomposition(event: &DecompositionFailed) -> Blockage {
    let code = event
        .reasons
        .first()
        .map_or_else(|| "DecompositionFailed".to_owned(), |reason| format!("{:?}", reason.code));
    let failure = failure(OWN_SYSTEM, &code, shown(&event.reasons), event.cause.at);
    let owner_group_default = OWNER_CATALOG.to_owned();
    Blockage {
        owner_group_default,
        ..Blockage::of_order(SUBJECT_DECOMPOSITION, Detection::DecompositionFailed, failure)
    }
}

/// All reasons in one text, as many as fit into [`NOTE_BYTES_MAX`].
fn shown(reasons: &[Reason]) -> String {
    let mut text = String::new();
    for reason in reasons {
        let next = reason.to_string();
        if text.len() + next.len() + 2 > NOTE_BYTES_MAX {
            text.push_str(if text.is_empty() { "too long to be shown" } else { "; and more" });
            break;
        }
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&next);
    }
    text
}

pub(super) fn wait(event: &WaitFailed) -> Blockage {
    let message = format!("waited for {}: {}", event.waiting_for, event.message);
    Blockage::of_order(
        SUBJECT_WAIT,
        Detection::WaitEnded,
        failure(OWN_SYSTEM, WAIT_ENDED, message, event.cause.at),
    )
}

pub(super) fn stuck(event: &OrderMarkedStuck) -> Blockage {
    let message = format!("something should have happened by {}, and nothing did", event.silent_since);
    let failure = failure(OWN_SYSTEM, ORDER_STUCK, message, event.cause.at);
    Blockage {
        case_id: Some(event.case_id),
        task_id: event.task_id,
        item_id: event.item_id.clone(),
        ..Blockage::of_order(SUBJECT_STUCK, Detection::StuckOrder, failure)
    }
}

/// A task that moved to failedRepairable, failedTerminal or unknownOutcome.
pub(super) fn task(event: &TaskStateChanged, owner_group: Option<String>) -> Blockage {
    let unknown_outcome = event.to == TaskState::UnknownOutcome;
    let (detection, own_code, own_message) = match event.trigger {
        TaskTrigger::RetriesExhausted => (Detection::RetriesExhausted, RETRIES_EXHAUSTED, "no try is left"),
        TaskTrigger::InputMissing => (Detection::InputMissing, INPUT_MISSING, "an input has no source"),
        TaskTrigger::DeadlinePassed => {
            (Detection::Timeout, MISSING_CALLBACK, "no answer in time: asked for by the original command id")
        }
        // Any other way into the unknown is the same silence, seen at a later step of it.
        TaskTrigger::DispatchSent | TaskTrigger::BackoffElapsed | TaskTrigger::TurnGranted
            if unknown_outcome =>
        {
            (Detection::Timeout, MISSING_CALLBACK, "no answer in time: asked for by the original command id")
        }
        TaskTrigger::PredecessorsDone
        | TaskTrigger::DispatchSent
        | TaskTrigger::DownstreamUnhealthy
        | TaskTrigger::TurnGranted
        | TaskTrigger::FeedbackAccepted
        | TaskTrigger::FeedbackInProgress
        | TaskTrigger::FeedbackPartial
        | TaskTrigger::FeedbackCompleted
        | TaskTrigger::FailureTransient
        | TaskTrigger::FailureRepairable
        | TaskTrigger::FailureTerminal
        | TaskTrigger::FailureUnknown
        | TaskTrigger::BackoffElapsed
        | TaskTrigger::ReconciledNotKnown
        | TaskTrigger::ConditionFalse
        | TaskTrigger::NoLongerNeeded
        | TaskTrigger::RepairApplied
        | TaskTrigger::CompensationStarted
        | TaskTrigger::UndoCompleted => (Detection::TaskFailed, TASK_FAILED, "the task failed"),
    };
    // The missing answer is the news of a timeout; an earlier failure of the task is not.
    let told = event.failure.clone().filter(|_| detection != Detection::Timeout);
    let is_own = told.is_none();
    let own = || {
        let message = event.reason.clone().unwrap_or_else(|| own_message.to_owned());
        failure(&event.system, own_code, message, event.cause.at)
    };
    Blockage {
        subject: event.task_id.to_string(),
        case_id: None,
        task_id: Some(event.task_id),
        item_id: Some(event.item_id.clone()),
        detection,
        failure: told.unwrap_or_else(own),
        own_code: is_own,
        unknown_outcome,
        owner_group_default: owner_group.unwrap_or_else(|| OWNER_ORDERS.to_owned()),
    }
}
