//! The answers to one command, and when they are due.
use domain::command::{Command, Feedback, FeedbackKind};
use domain::order::Values;
use domain::{FeedbackId, Timestamp};

use super::entry::Refusal;
use super::fault::Fault;
use super::scenario::Behaviour;

/// How much later a duplicate, and an answer that is out of its order, comes.
const BEHIND_MS: i64 = 3;

/// Collects the answers to one command, each with its due time.
#[derive(Debug)]
pub(super) struct Answers<'a> {
    command: &'a Command,
    /// Part of every answer's id: which sending, or which query, is answered.
    turn: String,
    pub due: Vec<(Timestamp, Feedback)>,
}

/// The times of a command that is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub received_at: Timestamp,
    pub done_at: Timestamp,
    /// When it is accepted, where it is.
    pub accepted_at: Option<Timestamp>,
    pub progress: u32,
}

impl Course {
    pub fn new(now: Timestamp, behaviour: Behaviour, rng: &mut impl rand::Rng) -> Course {
        let latency_ms = behaviour.latency.draw(rng);
        let accepted_ms = behaviour.accepted_after.map(|after| after.draw(rng).min(latency_ms));
        Course {
            received_at: now,
            done_at: now.plus_ms(latency_ms),
            accepted_at: accepted_ms.map(|ms| now.plus_ms(ms)),
            progress: behaviour.progress,
        }
    }
}

impl<'a> Answers<'a> {
    pub fn new(command: &'a Command, turn: String) -> Answers<'a> {
        Answers { command, turn, due: Vec::new() }
    }

    pub fn command(&self) -> &'a Command {
        self.command
    }

    /// One answer. `name` tells it from the others of this turn: equal names are the same answer.
    pub fn push(&mut self, at: Timestamp, kind: FeedbackKind, name: &str) -> &mut Feedback {
        let feedback = Feedback {
            feedback_id: FeedbackId(format!("{}/{}/{name}", self.command.command_id, self.turn)),
            command_id: self.command.command_id,
            order_key: self.command.order_key.clone(),
            system: self.command.system.clone(),
            kind,
            attempt: Some(self.command.attempt),
            outputs: Values::new(),
            code: None,
            message: None,
            retryable: None,
            at,
        };
        self.due.push((at, feedback));
        let last = self.due.len() - 1;
        &mut self.due[last].1
    }

    pub fn failed(&mut self, at: Timestamp, refusal: &Refusal) {
        let feedback = self.push(at, FeedbackKind::Failed, "failed");
        feedback.code = Some(refusal.code.clone());
        feedback.message = Some(refusal.message.clone());
        feedback.retryable = refusal.retryable;
    }

    pub fn completed(&mut self, at: Timestamp, outputs: &Values) {
        self.push(at, FeedbackKind::Completed, "completed").outputs = outputs.clone();
    }

    pub fn accepted(&mut self, course: Course) {
        if let Some(at) = course.accepted_at {
            self.push(at, FeedbackKind::Accepted, "accepted");
        }
    }

    /// Accepted, in progress and completed, in that order.
    fn in_order(&mut self, course: Course, outputs: &Values) {
        self.accepted(course);
        let from = course.accepted_at.unwrap_or(course.received_at);
        let span_ms = course.done_at.since_ms(from);
        for n in 1..=course.progress {
            let at = from.plus_ms(span_ms * i64::from(n) / i64::from(course.progress + 1));
            self.push(at, FeedbackKind::InProgress, &format!("inProgress{n}"));
        }
        self.completed(course.done_at, outputs);
    }

    /// What is answered to a command that is done, with what goes wrong on the way back.
    pub fn done(&mut self, course: Course, outputs: &Values, fault: Option<&Fault>) {
        let Some(fault) = fault else { return self.in_order(course, outputs) };
        match fault {
            Fault::SilentButDone => {}
            Fault::DuplicateAnswers => {
                self.in_order(course, outputs);
                let again: Vec<_> =
                    self.due.iter().map(|(at, feedback)| (at.plus_ms(BEHIND_MS), feedback.clone())).collect();
                self.due.extend(again);
            }
            Fault::OutOfOrder => {
                self.completed(course.done_at, outputs);
                self.push(course.done_at.plus_ms(BEHIND_MS), FeedbackKind::InProgress, "inProgress1");
                self.push(course.done_at.plus_ms(2 * BEHIND_MS), FeedbackKind::Accepted, "accepted");
            }
            Fault::LateDuplicate { after_ms } => {
                self.in_order(course, outputs);
                let late =
                    self.push(course.done_at.plus_ms(*after_ms), FeedbackKind::Completed, "completedAgain");
                late.outputs = outputs.clone();
            }
            Fault::PartialThenDone => {
                self.accepted(course);
                let half_ms = course.done_at.since_ms(course.received_at) / 2;
                let half = outputs.len().div_ceil(2);
                let partial = self.push(
                    course.received_at.plus_ms(half_ms),
                    FeedbackKind::PartialActivation,
                    "partial",
                );
                partial.outputs =
                    outputs.iter().take(half).map(|(name, value)| (name.clone(), value.clone())).collect();
                self.completed(course.done_at, outputs);
            }
            Fault::AlreadyDone { code } => {
                let message = "the gateway gave up while the system went on".to_owned();
                self.failed(course.done_at, &Refusal { code: code.clone(), message, retryable: Some(true) });
            }
            Fault::SuspendedLater { after_ms, resumed_after_ms } => {
                self.in_order(course, outputs);
                let at = course.done_at.plus_ms(*after_ms);
                self.push(at, FeedbackKind::Suspended, "suspended");
                if let Some(ms) = resumed_after_ms {
                    self.push(at.plus_ms(*ms), FeedbackKind::Resumed, "resumed");
                }
            }
            Fault::TerminatedLater { after_ms } => {
                self.in_order(course, outputs);
                self.push(course.done_at.plus_ms(*after_ms), FeedbackKind::Terminated, "terminated");
            }
            // These have run their course of sendings that are not done; from now on all goes well.
            Fault::Fails { .. } | Fault::Lost { .. } | Fault::AcceptedThenSilent => {
                self.in_order(course, outputs)
            }
        }
    }
}
