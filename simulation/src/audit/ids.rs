//! Command ids: one content each, and one id for every attempt of a task.

use std::collections::BTreeMap;

use connectors::downstream::entry::digest;
use domain::command::{Command, CommandKind};
use domain::{CommandId, TaskId};

use super::{Invariant, Violation};

/// All commands that were committed.
#[derive(Debug, Default)]
pub struct Ids {
    contents: BTreeMap<CommandId, String>,
    /// By task, mode and attempt.
    attempts: BTreeMap<(TaskId, String, u32), CommandId>,
}

impl Ids {
    pub fn take(&mut self, command: &Command) -> Result<(), Violation> {
        let CommandKind::Execute = command.kind else { return Ok(()) };
        let id = command.command_id;
        let content = digest(command);
        let known = self.contents.entry(id).or_insert_with(|| content.clone());
        if *known != content {
            let what =
                format!("command {id} ({}) of \"{}\" has two contents", command.name, command.order_key);
            return Violation::of(Invariant::OneIdPerCommand, what);
        }
        let Some(task) = command.task_id else { return Ok(()) };
        let attempt = (task, format!("{:?}", command.mode), command.attempt);
        let first = *self.attempts.entry(attempt).or_insert(id);
        if first != id {
            let what = format!("attempt {} of task {task} was sent as {first} and as {id}", command.attempt);
            return Violation::of(Invariant::OneIdPerCommand, what);
        }
        Ok(())
    }
}
