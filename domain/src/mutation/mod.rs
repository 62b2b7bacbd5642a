//! A request to change an order after capture, and its decision: an entity with its own state (seed 000).
//!
//! The shapes and the machine stand here; what decides is later work of the planner and of a processor.
use serde::{Deserialize, Serialize};

use crate::states::Machine;
use crate::{ItemId, MutationId, OrderKey, Reason, RequestId, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MutationKind {
    Revision,
    CancelOrder,
    CancelItem,
    Reschedule,
    Correction,
    AddItem,
    RollBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MutationState {
    Requested,
    Classified,
    ApprovalPending,
    ConsentPending,
    Accepted,
    Queued,
    Planned,
    Applying,
    Applied,
    Rejected,
    Stale,
    Skipped,
    Superseded,
    Terminating,
    Terminated,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MutationTrigger {
    Classify,
    AskApproval,
    AskConsent,
    Accept,
    Reject,
    Queue,
    /// A newer revision took its place in the queue.
    Skip,
    Supersede,
    Plan,
    /// The order moved on since the request: evaluated again at apply time.
    FoundStale,
    StartApplying,
    Done,
    Fail,
    /// A revision of this running revision came.
    Terminate,
    SafePointReached,
}

use MutationState::*;
use MutationTrigger::*;

impl Machine for MutationState {
    type Trigger = MutationTrigger;
    const NAME: &'static str = "mutation";
    const INITIAL: MutationState = Requested;
    const ALL: &'static [MutationState] = &[
        Requested,
        Classified,
        ApprovalPending,
        ConsentPending,
        Accepted,
        Queued,
        Planned,
        Applying,
        Applied,
        Rejected,
        Stale,
        Skipped,
        Superseded,
        Terminating,
        Terminated,
        Failed,
    ];
    #[rustfmt::skip]
    const TABLE: &'static [(MutationState, MutationTrigger, MutationState)] = &[
        (Requested,       Classify,         Classified),
        (Requested,       Reject,           Rejected),
        (Classified,      AskApproval,      ApprovalPending),
        (Classified,      AskConsent,       ConsentPending),
        (Classified,      Accept,           Accepted),
        (Classified,      Reject,           Rejected),
        (ApprovalPending, AskConsent,       ConsentPending),
        (ApprovalPending, Accept,           Accepted),
        (ApprovalPending, Reject,           Rejected),
        (ApprovalPending, Supersede,        Superseded),
        (ConsentPending,  Accept,           Accepted),
        (ConsentPending,  Reject,           Rejected),
        (ConsentPending,  Supersede,        Superseded),
        (Accepted,        Queue,            Queued),
        (Accepted,        Plan,             Planned),
        (Accepted,        FoundStale,       Stale),
        (Queued,          Skip,             Skipped),
        (Queued,          Supersede,        Superseded),
        (Queued,          Plan,             Planned),
        (Queued,          FoundStale,       Stale),
        (Stale,           Accept,           Accepted),
        (Stale,           Reject,           Rejected),
        (Planned,         FoundStale,       Stale),
        (Planned,         StartApplying,    Applying),
        (Applying,        Done,             Applied),
        (Applying,        Fail,             Failed),
        (Applying,        Terminate,        Terminating),
        (Terminating,     SafePointReached, Terminated),
        (Terminating,     Fail,             Failed),
    ];
}

/// What is asked, by whom, and against which version of the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mutation {
    pub id: MutationId,
    pub order_key: OrderKey,
    pub request_id: RequestId,
    pub kind: MutationKind,
    pub state: MutationState,
    /// For what concerns one item.
    pub item_id: Option<ItemId>,
    pub expected_order_version: Option<u32>,
    pub requested_by: String,
    pub reason_code: String,
    pub approval: Option<String>,
    pub consent: Option<String>,
    pub requested_at: Timestamp,
    pub evaluated_at: Option<Timestamp>,
    /// Why it was refused; empty where it was not.
    pub reasons: Vec<Reason>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        crate::states::check_table::<MutationState>();
    }
}
