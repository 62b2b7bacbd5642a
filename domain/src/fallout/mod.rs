//! A durable, classified, owned, timed blockage: an exception is an event, fallout is a managed state (seed 001).
use serde::{Deserialize, Serialize};

use crate::plan::Failure;
use crate::{CaseId, ItemId, OrderKey, TaskId, Timestamp};

pub mod rules;
pub mod states;

pub use states::{CaseState, CaseTrigger, HumanTaskState, HumanTaskTrigger};

/// Seed 001, "Failure Domain".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailureDomain {
    Data,
    Configuration,
    Catalog,
    Pricing,
    Eligibility,
    Inventory,
    Provisioning,
    Billing,
    Partner,
    ManualOps,
    Platform,
}

/// Seed 001, "Recoverability".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Recoverability {
    Transient,
    Repairable,
    Compensatable,
    Terminal,
    UnknownOutcome,
    PolicyException,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// What noticed it (seed 001, "Detection Model").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Detection {
    TaskFailed,
    RetriesExhausted,
    /// No answer in time: the outcome is unknown.
    Timeout,
    InputMissing,
    DecompositionFailed,
    FeasibilityUnanswered,
    /// What it waits for ended otherwise than hoped.
    WaitEnded,
    StuckOrder,
    InvariantBroken,
    ReconciliationMismatch,
}

/// How a failure is filed; made by the rule table, kept with the raw code beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Classification {
    /// The platform's own code, for routing and reporting; the raw one stays with the failure.
    pub normalized_code: String,
    pub domain: FailureDomain,
    pub recoverability: Recoverability,
    pub owner_group: String,
    /// The next recommended action.
    pub action: String,
    pub customer_impact: bool,
    pub revenue_impact: bool,
    /// True, and free of internals (seed 001, "Communication Invariant").
    pub customer_message: Option<String>,
}

/// One case. An order may have many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FalloutCase {
    pub id: CaseId,
    pub order_key: OrderKey,
    pub item_id: Option<ItemId>,
    pub task_id: Option<TaskId>,
    pub detection: Detection,
    pub failure: Failure,
    pub classification: Classification,
    pub severity: Severity,
    pub state: CaseState,
    /// A flag with history, not a resolution.
    pub escalated: bool,
    pub assignee: Option<String>,
    pub detected_at: Timestamp,
    pub touched_at: Timestamp,
    pub sla_due: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
    pub resolution: Option<String>,
    /// How often it came back after it was resolved.
    pub reopened: u32,
}
