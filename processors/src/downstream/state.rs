//! What is kept of a downstream system: the breaker, and the queue of the tasks that wait for their turn.
//!
//! Three kinds of cells: [`HEAD`], `turn/<priority>/<sequence>` (so that their names sort as the queue does), and
//! `task/<task id>`, which finds the turn of a task.
use domain::downstream::CircuitState;
use domain::{OrderKey, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

pub const HEAD: &str = "head";
pub const TURN_PREFIX: &str = "turn/";

/// The most failures that are counted, whatever the policy asks for: they stand in one record.
pub const FAILURES_COUNTED_MAX: u32 = 1_000;

/// One part of the state.
// A system has one head and many turns; boxing the head would buy nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Head(Head),
    Turn(Turn),
    Place(Place),
}

/// The breaker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    pub circuit: CircuitState,
    /// From the first failure until a whole window without one.
    pub watched: bool,
    /// Oldest first; those within the window.
    pub failures: Vec<Timestamp>,
    pub last_failure: Option<Timestamp>,
    /// How long the circuit stays open this time.
    pub open_ms: i64,
    /// While open: until then.
    pub open_until: Option<Timestamp>,
    /// While half-open: the task that was let through.
    pub probe: Option<Probe>,
    /// How many tasks wait.
    pub waiting: u32,
    /// The number of the next one that will wait.
    pub sequence: i64,
    /// While closed and some wait: when the next are let through.
    pub release_at: Option<Timestamp>,
    /// How many are let through then.
    pub release_count: u32,
    /// How many waited after the last release: one that does not shrink is released faster.
    pub waiting_before: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    pub order_key: OrderKey,
    pub task_id: TaskId,
    /// No answer by then is a failure.
    pub due: Timestamp,
}

/// A task that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    pub order_key: OrderKey,
    pub task_id: TaskId,
    pub wanted_at: Timestamp,
}

/// Where the turn of a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub turn_cell: String,
}

/// Names sort as the queue does: the highest priority first (0), then who came first.
pub fn turn_cell(priority: u8, sequence: i64) -> String {
    format!("{TURN_PREFIX}{priority:03}/{sequence:019}")
}

pub fn place_cell(task: TaskId) -> String {
    format!("task/{task}")
}
