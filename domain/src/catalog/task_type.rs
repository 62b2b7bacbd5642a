//! What a fulfilment task is: whom it asks, how long it may take, what a failure means, and how it is undone (domain model, "Task type").
use serde::{Deserialize, Serialize};

use super::expression::Expression;
use crate::plan::TaskState;

/// What happens when no answer came by `breach_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum TimeoutAction {
    /// The outcome is unknown: ask the system by the original command id.
    #[default]
    Reconcile,
    /// Nobody watches this task by a timer (manual work without a date); only the stuck-order scan will notice.
    Nothing,
}

/// Retries of one command under the same id (seed 001, "Retry Policy"). What is left out is as in [`RetryPolicy::default`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// How often the command is sent at most, the first time included. At least 1.
    pub attempts_max: u32,
    pub backoff_ms_min: i64,
    pub backoff_ms_max: i64,
    /// No retry later than this after the first sending.
    pub window_ms: i64,
    /// Codes that are worth another try whatever the rule table says of them.
    #[serde(default)]
    pub retryable_codes: Vec<String>,
    /// How often an unknown outcome is asked for at most, before a person has to find out.
    pub queries_max: u32,
}

/// Five attempts within a day, from two seconds to five minutes apart; an unknown outcome is asked for eight times.
impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            attempts_max: 5,
            backoff_ms_min: 2_000,
            backoff_ms_max: 300_000,
            window_ms: 86_400_000,
            retryable_codes: Vec::new(),
            queries_max: 8,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SideEffect {
    None,
    Reservation,
    Activation,
    Shipment,
    Appointment,
    Billing,
    Contract,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reversible {
    #[default]
    Yes,
    No,
    Partial,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangedStrategy {
    #[default]
    Redo,
    UndoThenDo,
    Nothing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NotNeededStrategy {
    #[default]
    Undo,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PointOfNoReturn {
    /// A change is refused; a follow-on order is offered.
    Hard,
    /// A change is possible, and its consequence is stated.
    Soft,
}

/// From when on a change is not simple any more (seed 003, "About Point of No Return").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PointOfNoReturnRule {
    pub kind: PointOfNoReturn,
    /// Reached when the task reaches this state ...
    pub from_state: TaskState,
    /// ... and this, where given, holds over the perspectives.
    pub when: Option<Expression>,
    pub consequence: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskType {
    pub name: String,
    /// The system that is asked; a key of [`super::Catalog::systems`].
    pub system: String,
    /// The operation's name in the command.
    pub command: String,
    /// How long it takes when all is well, from dispatch.
    pub expected_ms: i64,
    /// From when on it is late, and shown so.
    pub warning_ms: i64,
    /// From when on it is not expected any more. Never below `warning_ms`.
    pub breach_ms: i64,
    #[serde(default)]
    pub timeout_action: TimeoutAction,
    /// Whose case it is when it fails and no rule says otherwise.
    pub owner_group: String,
    #[serde(default)]
    pub retry: RetryPolicy,
    pub side_effect: SideEffect,
    #[serde(default)]
    pub reversible: Reversible,
    /// The operation that undoes it. Required where there is a side effect, unless `reversible` is `no`.
    pub compensating_command: Option<String>,
    /// The state from which on cancelling is compensation and not simply stopping (seed 000, "Cancellation Cutoff").
    pub cancellation_cutoff: Option<TaskState>,
    pub point_of_no_return: Option<PointOfNoReturnRule>,
    /// Inputs whose change matters; empty: every input (seed 003, "Data Significance").
    #[serde(default)]
    pub significant_fields: Vec<String>,
    #[serde(default)]
    pub when_changed: ChangedStrategy,
    pub when_changed_expression: Option<Expression>,
    #[serde(default)]
    pub when_not_needed: NotNeededStrategy,
    pub when_not_needed_expression: Option<Expression>,
    /// Whether a task still in progress is compensated, and after which grace period.
    #[serde(default)]
    pub compensate_in_progress: bool,
    #[serde(default)]
    pub grace_ms: i64,
    #[serde(default)]
    pub billing_impact: bool,
    /// What the customer is told when the task is done; nothing where absent.
    pub customer_notification: Option<String>,
    /// The outputs that a completion must report; one that is missing is fallout at whoever needs it.
    #[serde(default)]
    pub outputs: Vec<String>,
}

/// What `whenChangedExpression` may come to: the names of [`ChangedStrategy`].
pub(super) const CHANGED_STRATEGIES: &[&str] = &["redo", "undoThenDo", "nothing"];
/// What `whenNotNeededExpression` may come to: the names of [`NotNeededStrategy`].
pub(super) const NOT_NEEDED_STRATEGIES: &[&str] = &["undo", "nothing"];

/// When to stop asking a system, and when to ask again (seed 001, "Retry Storm Prevention").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CircuitPolicy {
    /// So many failures within `window_ms` open the circuit.
    pub failures_max: u32,
    pub window_ms: i64,
    /// How long it stays open before one probe is let through; doubles with every failed probe up to `open_ms_max`.
    pub open_ms_min: i64,
    pub open_ms_max: i64,
    /// How long a probe's answer is waited for.
    pub probe_ms: i64,
    /// After it closed: how many waiting tasks are let through per `release_interval_ms`, the highest priority first.
    pub release_count: u32,
    pub release_interval_ms: i64,
}

/// A downstream system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct System {
    pub name: String,
    pub circuit: CircuitPolicy,
    /// Codes that say that the system itself is unwell, and not the one command: they count for the circuit.
    #[serde(default)]
    pub outage_codes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_strategies_are_those_of_their_types() {
        let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
        let changed = [ChangedStrategy::Redo, ChangedStrategy::UndoThenDo, ChangedStrategy::Nothing];
        assert_eq!(changed.map(|one| word(serde_json::json!(one))), CHANGED_STRATEGIES);
        let not_needed = [NotNeededStrategy::Undo, NotNeededStrategy::Nothing];
        assert_eq!(not_needed.map(|one| word(serde_json::json!(one))), NOT_NEEDED_STRATEGIES);
    }
}
