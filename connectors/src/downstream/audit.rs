//! What must never be found in a ledger.
use std::collections::BTreeMap;
use std::fmt;

use domain::command::CommandKind;
use domain::plan::ExecutionMode;
use domain::{CommandId, OrderKey, TaskId};

use super::entry::{Entry, Standing};
use super::ledger::{Error, Ledger};

/// The most findings that are kept; the rest are counted.
pub const FINDINGS_MAX: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The same work of one order was done under two identities: the customer has it twice.
    DoneTwice {
        order: OrderKey,
        task: TaskId,
        mode: ExecutionMode,
        name: String,
        first: CommandId,
        second: CommandId,
    },
    /// One command id came with differing contents.
    PayloadChanged { order: OrderKey, command: CommandId, name: String, digests: usize },
    /// A command that changes something came without the task that it belongs to.
    WithoutTask { order: OrderKey, command: CommandId, name: String },
    /// Something was undone, or done anew, that had not been done.
    UndoneBeforeDone { order: OrderKey, task: TaskId, name: String },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::DoneTwice { order, task, mode, name, first, second } => {
                write!(
                    f,
                    "order \"{order}\": \"{name}\" ({mode:?}) of task {task} was done as {first} and as {second}"
                )
            }
            Finding::PayloadChanged { order, command, name, digests } => {
                write!(f, "order \"{order}\": \"{name}\" came as {command} with {digests} differing contents")
            }
            Finding::WithoutTask { order, command, name } => {
                write!(f, "order \"{order}\": \"{name}\" ({command}) names no task")
            }
            Finding::UndoneBeforeDone { order, task, name } => {
                write!(f, "order \"{order}\": \"{name}\" of task {task} was undone or redone, and never done")
            }
        }
    }
}

/// The result of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Sorted by order; at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    pub findings_left_out: u64,
    pub commands: u64,
    pub effects: u64,
    /// Sendings beyond the first of each command.
    pub resent: u64,
    /// Deliveries of a sending that had been delivered before.
    pub redelivered: u64,
    pub queries: u64,
}

impl Audit {
    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding)
        } else {
            self.findings_left_out += 1
        }
    }

    fn count(&mut self, entry: &Entry) {
        self.commands += 1;
        self.effects += u64::from(entry.is_effect());
        self.resent += u64::from(entry.tries.saturating_sub(1));
        self.redelivered += u64::from(entry.received.saturating_sub(entry.tries));
        self.queries += u64::from(entry.queries);
    }
}

type Work = (OrderKey, TaskId);

impl Ledger {
    /// Reads every row. Memory follows the number of effects.
    pub fn audit(&self) -> Result<Audit, Error> {
        let mut audit = Audit::default();
        let mut works: BTreeMap<Work, Vec<(ExecutionMode, CommandId, String, String)>> = BTreeMap::new();
        for entry in self.entries() {
            let entry = entry?;
            audit.count(&entry);
            let (order, command, name) = (entry.order_key.clone(), entry.command_id, entry.name.clone());
            if !entry.conflicts.is_empty() {
                let digests = entry.conflicts.len() + 1;
                audit.find(Finding::PayloadChanged {
                    order: order.clone(),
                    command,
                    name: name.clone(),
                    digests,
                });
            }
            if entry.kind != CommandKind::Execute || entry.standing != Standing::Applied {
                continue;
            }
            match entry.task_id {
                Some(task) => works.entry((order, task)).or_default().push((
                    entry.mode,
                    command,
                    entry.inputs_digest,
                    name,
                )),
                None => audit.find(Finding::WithoutTask { order, command, name }),
            }
        }
        for ((order, task), effects) in works {
            for (at, (mode, second, digest, name)) in effects.iter().enumerate() {
                let twin = effects[..at].iter().find(|(other, _, other_digest, _)| {
                    // Work is done for the first time once; it is redone only with other data (domain model, "Command").
                    other == mode && (*mode == ExecutionMode::Do || digest == other_digest)
                });
                if let Some((_, first, _, _)) = twin {
                    let (order, name) = (order.clone(), name.clone());
                    audit.find(Finding::DoneTwice {
                        order,
                        task,
                        mode: *mode,
                        name,
                        first: *first,
                        second: *second,
                    });
                }
            }
            let begun =
                effects.iter().any(|(mode, ..)| matches!(mode, ExecutionMode::Do | ExecutionMode::AmendDo));
            if let Some((.., name)) = effects.first().filter(|_| !begun) {
                audit.find(Finding::UndoneBeforeDone { order, task, name: name.clone() });
            }
        }
        Ok(audit)
    }
}
