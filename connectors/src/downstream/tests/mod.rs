use std::path::Path;

use domain::command::{Command, CommandKind, Feedback, FeedbackKind};
use domain::order::{ItemAction, Priority, Values};
use domain::plan::ExecutionMode;
use domain::{CommandId, FeedbackId, Json, OrderKey, TaskId, Timestamp};

use super::*;

mod behaviour;
mod durability;
mod truth;

/// Latency 10, accepted after 2, no progress; `extra` is TOML.
pub fn scenario(extra: &str) -> Scenario {
    let base = "seed = 3\n[behaviour]\nlatency = { kind = \"fixed\", ms = 10 }\naccepted_after = { kind = \"fixed\", ms = 2 }\n";
    Scenario::from_toml(&format!("{base}{extra}")).unwrap()
}

/// The scenario with one fault for the command `activate` of every order.
pub fn with_fault(fault: &str) -> Scenario {
    scenario(&format!("[commands.activate]\noutputs = [\"ipAddress\", \"portId\"]\nfault = {fault}\n"))
}

pub fn command(order: &str, name: &str, attempt: u32) -> Command {
    let order_key = OrderKey::from(order);
    let task = TaskId::derived(&order_key, &"1".into(), "access", name);
    Command {
        command_id: CommandId::derived(task, ExecutionMode::Do, 1),
        order_key,
        system: "provisioning".into(),
        kind: CommandKind::Execute,
        name: name.into(),
        mode: ExecutionMode::Do,
        attempt,
        priority: Priority::HIGHEST,
        action: ItemAction::Add,
        task_id: Some(task),
        item_id: Some("1".into()),
        service_order: None,
        product: None,
        inputs: Values::from([("bandwidth".to_owned(), Json::from(100))]),
        issued_at: Timestamp(0),
        answer_due: None,
        correlation_id: "c".into(),
    }
}

pub fn query(of: &Command) -> Command {
    Command { kind: CommandKind::Query, ..of.clone() }
}

pub fn check_feasibility(order: &str, attempt: u32) -> Command {
    let command_id = CommandId::feasibility(&order.into(), 1);
    let plain = command(order, "checkServiceability", attempt);
    Command { command_id, kind: CommandKind::CheckFeasibility, task_id: None, item_id: None, ..plain }
}

/// A downstream in a directory of its own, which is removed with it.
pub struct Bench {
    pub downstream: Downstream,
    pub directory: tempfile::TempDir,
}

impl Bench {
    pub fn new(scenario: Scenario) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        Bench { downstream: open(directory.path(), scenario), directory }
    }

    /// Sends at `now`, and confirms what is answered at once.
    pub fn send(&mut self, command: &Command, now: i64) -> Vec<Feedback> {
        let answers = self.downstream.receive(std::slice::from_ref(command), Timestamp(now)).unwrap();
        self.confirm(&answers);
        answers
    }

    /// All that is still to come, as lines.
    pub fn rest(&mut self) -> Vec<String> {
        let answers = self.downstream.due(Timestamp::NEVER).unwrap();
        self.confirm(&answers);
        shown(&answers)
    }

    pub fn confirm(&mut self, answers: &[Feedback]) {
        let ids: Vec<FeedbackId> = answers.iter().map(|answer| answer.feedback_id.clone()).collect();
        self.downstream.confirm(&ids).unwrap();
    }

    pub fn effects(&self) -> usize {
        self.downstream.ledger().effects().map(Result::unwrap).count()
    }

    pub fn audit(&self) -> Audit {
        self.downstream.ledger().audit().unwrap()
    }
}

pub fn open(directory: &Path, scenario: Scenario) -> Downstream {
    Downstream::open(directory, scenario).unwrap()
}

/// `at kind code`, in the sequence in which they are due.
pub fn shown(answers: &[Feedback]) -> Vec<String> {
    let line = |answer: &Feedback| {
        let code = answer.code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
        format!("{} {:?}{code}", answer.at.0, answer.kind)
    };
    answers.iter().map(line).collect()
}

pub fn kinds(answers: &[Feedback]) -> Vec<FeedbackKind> {
    answers.iter().map(|answer| answer.kind).collect()
}
