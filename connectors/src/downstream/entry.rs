//! What the ledger knows of one command id.
use domain::command::{Command, CommandKind};
use domain::order::Values;
use domain::plan::ExecutionMode;
use domain::{CommandId, ItemId, OrderKey, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The most differing payloads that are remembered of one command id.
const CONFLICTS_MAX: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// Every sending was lost on its way: asked for, the system knows nothing of it.
    Unheard,
    /// Answered with a failure, and not done.
    Refused,
    /// Accepted, and not done.
    Held,
    /// It had its effect.
    Applied,
    /// A question that was answered; it has no effect.
    Answered,
}

/// The failure that a system answers with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    pub code: String,
    pub message: String,
    pub retryable: Option<bool>,
}

/// One row of the ledger: one command id, however often it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub command_id: CommandId,
    pub order_key: OrderKey,
    pub system: String,
    pub name: String,
    pub kind: CommandKind,
    pub mode: ExecutionMode,
    pub task_id: Option<TaskId>,
    pub item_id: Option<ItemId>,
    /// Of everything that says what is to be done; see [`digest`].
    pub inputs_digest: String,
    pub standing: Standing,
    pub first_at: Timestamp,
    /// When it had its effect, once and for all; absent: it has had none.
    pub applied_at: Option<Timestamp>,
    /// From when on a query says `completed`.
    pub done_at: Option<Timestamp>,
    /// How often it came, the redelivery of one sending included; queries apart.
    pub received: u32,
    /// The highest attempt that came: how often it was sent.
    pub attempts: u32,
    /// How many sendings were dealt with.
    pub tries: u32,
    pub queries: u32,
    pub outage_refusals: u32,
    pub outputs: Values,
    pub refusal: Option<Refusal>,
    /// Digests of other payloads that came under this id; must stay empty.
    pub conflicts: Vec<String>,
}

impl Entry {
    pub(super) fn new(command: &Command, now: Timestamp) -> Entry {
        Entry {
            command_id: command.command_id,
            order_key: command.order_key.clone(),
            system: command.system.clone(),
            name: command.name.clone(),
            kind: command.kind,
            mode: command.mode,
            task_id: command.task_id,
            item_id: command.item_id.clone(),
            inputs_digest: digest(command),
            standing: Standing::Unheard,
            first_at: now,
            applied_at: None,
            done_at: None,
            received: 0,
            attempts: 0,
            tries: 0,
            queries: 0,
            outage_refusals: 0,
            outputs: Values::new(),
            refusal: None,
            conflicts: Vec::new(),
        }
    }

    /// Whether something was done in the world under this id.
    pub fn is_effect(&self) -> bool {
        self.applied_at.is_some()
    }

    /// Notes another payload under this id.
    pub(super) fn conflicting(&mut self, digest: String) {
        if self.conflicts.len() < CONFLICTS_MAX && !self.conflicts.contains(&digest) {
            self.conflicts.push(digest);
        }
    }
}

/// A digest (UUIDv5) of what a command asks for: order, system, name, mode, action, item, product and inputs; not of how often or when.
pub fn digest(command: &Command) -> String {
    let asked = (
        (&command.order_key, &command.system, &command.name, command.kind),
        (command.mode, command.action, &command.task_id, &command.item_id, &command.product),
        &command.inputs,
    );
    // Fails only for failing writers and for maps whose keys are no text; there is neither.
    let bytes = serde_json::to_vec(&asked).expect("a command is plain data");
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes).hyphenated().to_string()
}
