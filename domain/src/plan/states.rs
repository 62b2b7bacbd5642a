//! The machines of the task and of the service order. What is not in a table is refused.
use serde::{Deserialize, Serialize};

use crate::states::Machine;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskState {
    NotStarted,
    Ready,
    /// Its system is unhealthy, or lets few in: it waits for its turn.
    Deferred,
    Dispatched,
    Accepted,
    WaitingCallback,
    Completed,
    FailedRetrying,
    FailedRepairable,
    FailedTerminal,
    UnknownOutcome,
    Cancelled,
    Skipped,
    Undone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskTrigger {
    PredecessorsDone,
    DispatchSent,
    DownstreamUnhealthy,
    TurnGranted,
    /// A mapping whose source is missing: fallout, never an empty value (domain model, "Plan").
    InputMissing,
    FeedbackAccepted,
    FeedbackInProgress,
    FeedbackPartial,
    FeedbackCompleted,
    FailureTransient,
    FailureRepairable,
    FailureTerminal,
    /// The downstream system says it cannot tell what happened, or that it was asked twice.
    FailureUnknown,
    DeadlinePassed,
    BackoffElapsed,
    /// The downstream system, asked by the original id, has never heard of it: it is sent again under that id.
    ReconciledNotKnown,
    RetriesExhausted,
    ConditionFalse,
    NoLongerNeeded,
    RepairApplied,
    CompensationStarted,
    UndoCompleted,
}

use TaskState::*;
use TaskTrigger::*;

impl Machine for TaskState {
    type Trigger = TaskTrigger;
    const NAME: &'static str = "task";
    const INITIAL: TaskState = NotStarted;
    const ALL: &'static [TaskState] = &[
        NotStarted,
        Ready,
        Deferred,
        Dispatched,
        Accepted,
        WaitingCallback,
        Completed,
        FailedRetrying,
        FailedRepairable,
        FailedTerminal,
        UnknownOutcome,
        Cancelled,
        Skipped,
        Undone,
    ];
    #[rustfmt::skip]
    const TABLE: &'static [(TaskState, TaskTrigger, TaskState)] = &[
        (NotStarted,       PredecessorsDone,    Ready),
        (NotStarted,       ConditionFalse,      Skipped),
        (NotStarted,       NoLongerNeeded,      Cancelled),
        (Ready,            DispatchSent,        Dispatched),
        (Ready,            DownstreamUnhealthy, Deferred),
        (Ready,            InputMissing,        FailedRepairable),
        (Ready,            ConditionFalse,      Skipped),
        (Ready,            NoLongerNeeded,      Cancelled),
        (Deferred,         TurnGranted,         Ready),
        (Deferred,         NoLongerNeeded,      Cancelled),
        (Deferred,         FeedbackCompleted,   Completed), // it had been sent before: the answer is the truth
        (Dispatched,       FeedbackAccepted,    Accepted),
        (Dispatched,       FeedbackInProgress,  WaitingCallback),
        (Dispatched,       FeedbackPartial,     WaitingCallback),
        (Dispatched,       FeedbackCompleted,   Completed),
        (Dispatched,       FailureTransient,    FailedRetrying),
        (Dispatched,       FailureRepairable,   FailedRepairable),
        (Dispatched,       FailureTerminal,     FailedTerminal),
        (Dispatched,       FailureUnknown,      UnknownOutcome),
        (Dispatched,       RetriesExhausted,    FailedRepairable),
        (Dispatched,       DeadlinePassed,      UnknownOutcome), // reconciled by id, never sent under another
        (Dispatched,       UndoCompleted,       Undone),
        (Accepted,         FeedbackInProgress,  WaitingCallback),
        (Accepted,         FeedbackPartial,     WaitingCallback),
        (Accepted,         FeedbackCompleted,   Completed),
        (Accepted,         FailureTransient,    FailedRetrying),
        (Accepted,         FailureRepairable,   FailedRepairable),
        (Accepted,         FailureTerminal,     FailedTerminal),
        (Accepted,         FailureUnknown,      UnknownOutcome),
        (Accepted,         RetriesExhausted,    FailedRepairable),
        (Accepted,         DeadlinePassed,      UnknownOutcome),
        (Accepted,         UndoCompleted,       Undone),
        (WaitingCallback,  FeedbackPartial,     WaitingCallback),
        (WaitingCallback,  FeedbackCompleted,   Completed),
        (WaitingCallback,  FailureTransient,    FailedRetrying),
        (WaitingCallback,  FailureRepairable,   FailedRepairable),
        (WaitingCallback,  FailureTerminal,     FailedTerminal),
        (WaitingCallback,  FailureUnknown,      UnknownOutcome),
        (WaitingCallback,  RetriesExhausted,    FailedRepairable),
        (WaitingCallback,  DeadlinePassed,      UnknownOutcome),
        (WaitingCallback,  UndoCompleted,       Undone),
        (FailedRetrying,   BackoffElapsed,      Ready),
        (FailedRetrying,   FeedbackCompleted,   Completed), // the retry is not needed any more
        (FailedRetrying,   NoLongerNeeded,      Cancelled),
        (UnknownOutcome,   FeedbackAccepted,    Accepted),
        (UnknownOutcome,   FeedbackInProgress,  WaitingCallback),
        (UnknownOutcome,   FeedbackPartial,     WaitingCallback),
        (UnknownOutcome,   FeedbackCompleted,   Completed),
        (UnknownOutcome,   FailureTransient,    FailedRetrying),
        (UnknownOutcome,   FailureRepairable,   FailedRepairable),
        (UnknownOutcome,   FailureTerminal,     FailedTerminal),
        (UnknownOutcome,   ReconciledNotKnown,  Ready),
        (UnknownOutcome,   RetriesExhausted,    FailedRepairable), // nobody answers: a person finds out
        (UnknownOutcome,   UndoCompleted,       Undone),
        (FailedRepairable, RepairApplied,       Ready),
        (FailedRepairable, FeedbackCompleted,   Completed), // late, but true
        (FailedRepairable, NoLongerNeeded,      Cancelled),
        (FailedTerminal,   RepairApplied,       Ready),
        (FailedTerminal,   NoLongerNeeded,      Cancelled),
        (Completed,        CompensationStarted, Ready), // in mode redo or undo
        (Completed,        NoLongerNeeded,      Cancelled), // strategy "nothing" when no longer needed
        (Skipped,          CompensationStarted, Ready),
        (Undone,           CompensationStarted, Ready),
    ];
}

impl TaskState {
    /// Whether an answer, a timer or a turn is awaited.
    pub fn is_active(self) -> bool {
        match self {
            Ready | Deferred | Dispatched | Accepted | WaitingCallback | FailedRetrying | UnknownOutcome => {
                true
            }
            NotStarted | Completed | FailedRepairable | FailedTerminal | Cancelled | Skipped | Undone => {
                false
            }
        }
    }

    /// Whether a successor may start.
    pub fn is_done(self) -> bool {
        match self {
            Completed | Skipped | Undone | Cancelled => true,
            NotStarted | Ready | Deferred | Dispatched | Accepted | WaitingCallback | FailedRetrying
            | FailedRepairable | FailedTerminal | UnknownOutcome => false,
        }
    }
}

/// The TMF641 states of a service order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServiceOrderState {
    Acknowledged,
    InProgress,
    Held,
    Partial,
    Completed,
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServiceOrderTrigger {
    TaskStarted,
    TaskPartial,
    TaskBlocked,
    TaskUnblocked,
    TasksDone,
    TaskFailedForGood,
    RepairStarted,
    Cancel,
}

impl Machine for ServiceOrderState {
    type Trigger = ServiceOrderTrigger;
    const NAME: &'static str = "service order";
    const INITIAL: ServiceOrderState = ServiceOrderState::Acknowledged;
    const ALL: &'static [ServiceOrderState] = &[
        ServiceOrderState::Acknowledged,
        ServiceOrderState::InProgress,
        ServiceOrderState::Held,
        ServiceOrderState::Partial,
        ServiceOrderState::Completed,
        ServiceOrderState::Failed,
        ServiceOrderState::Cancelled,
    ];
    #[rustfmt::skip]
    const TABLE: &'static [(ServiceOrderState, ServiceOrderTrigger, ServiceOrderState)] = &[
        (ServiceOrderState::Acknowledged, ServiceOrderTrigger::TaskStarted,       ServiceOrderState::InProgress),
        (ServiceOrderState::Acknowledged, ServiceOrderTrigger::TaskBlocked,       ServiceOrderState::Held),
        (ServiceOrderState::Acknowledged, ServiceOrderTrigger::TasksDone,         ServiceOrderState::Completed),
        (ServiceOrderState::Acknowledged, ServiceOrderTrigger::TaskFailedForGood, ServiceOrderState::Failed),
        (ServiceOrderState::Acknowledged, ServiceOrderTrigger::Cancel,            ServiceOrderState::Cancelled),
        (ServiceOrderState::InProgress,   ServiceOrderTrigger::TaskPartial,       ServiceOrderState::Partial),
        (ServiceOrderState::InProgress,   ServiceOrderTrigger::TaskBlocked,       ServiceOrderState::Held),
        (ServiceOrderState::InProgress,   ServiceOrderTrigger::TasksDone,         ServiceOrderState::Completed),
        (ServiceOrderState::InProgress,   ServiceOrderTrigger::TaskFailedForGood, ServiceOrderState::Failed),
        (ServiceOrderState::InProgress,   ServiceOrderTrigger::Cancel,            ServiceOrderState::Cancelled),
        (ServiceOrderState::Partial,      ServiceOrderTrigger::TaskBlocked,       ServiceOrderState::Held),
        (ServiceOrderState::Partial,      ServiceOrderTrigger::TasksDone,         ServiceOrderState::Completed),
        (ServiceOrderState::Partial,      ServiceOrderTrigger::TaskFailedForGood, ServiceOrderState::Failed),
        (ServiceOrderState::Partial,      ServiceOrderTrigger::Cancel,            ServiceOrderState::Cancelled),
        (ServiceOrderState::Held,         ServiceOrderTrigger::TaskUnblocked,     ServiceOrderState::InProgress),
        (ServiceOrderState::Held,         ServiceOrderTrigger::TasksDone,         ServiceOrderState::Completed),
        (ServiceOrderState::Held,         ServiceOrderTrigger::TaskFailedForGood, ServiceOrderState::Failed),
        (ServiceOrderState::Held,         ServiceOrderTrigger::Cancel,            ServiceOrderState::Cancelled),
        (ServiceOrderState::Failed,       ServiceOrderTrigger::RepairStarted,     ServiceOrderState::InProgress),
        (ServiceOrderState::Failed,       ServiceOrderTrigger::Cancel,            ServiceOrderState::Cancelled),
        (ServiceOrderState::Completed,    ServiceOrderTrigger::RepairStarted,     ServiceOrderState::InProgress),
        (ServiceOrderState::Completed,    ServiceOrderTrigger::Cancel,            ServiceOrderState::Cancelled),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::states::check_table;

    #[track_caller]
    fn check(from: TaskState, on: TaskTrigger, expected: &str) {
        let shown = from.on(on).map_or_else(|refused| refused.to_string(), |to| format!("{to:?}"));
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_tables_are_whole() {
        check_table::<TaskState>();
        check_table::<ServiceOrderState>();
    }

    #[test]
    fn late_feedback_never_moves_a_task_backwards() {
        check(Accepted, FeedbackCompleted, "Completed");
        check(Completed, FeedbackAccepted, "task in state Completed refuses FeedbackAccepted");
        check(WaitingCallback, FeedbackAccepted, "task in state WaitingCallback refuses FeedbackAccepted");
        let answers =
            [FeedbackAccepted, FeedbackInProgress, FeedbackPartial, FeedbackCompleted, FailureTransient];
        assert!(answers.iter().all(|on| Completed.on(*on).is_err()));
    }

    #[test]
    fn an_unknown_outcome_is_never_sent_again_before_it_was_asked_for() {
        let into_ready: Vec<_> =
            TaskState::TABLE.iter().filter(|row| row.0 == UnknownOutcome && row.2 == Ready).collect();
        assert_eq!(into_ready, [&(UnknownOutcome, ReconciledNotKnown, Ready)]);
    }
}
