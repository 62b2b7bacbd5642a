//! What an outsider reads from the topics: the story of every order, the commands, the dead letters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use connectors::upstream::ActualOrder;
use domain::command::Command;
use domain::order::event::OrderEvent;
use domain::order::{ItemState, OrderState};
use domain::plan::TaskState;
use domain::states::Machine;
use domain::{CaseId, ItemId, OrderKey, ReasonCode, TaskId};
use runtime::Record;
use runtime::shard::HEADER_REASON;
use schemas::codec::Codec;
use schemas::{headers, topics};

use super::ids::Ids;
use super::states::leads;
use super::{Invariant, Violation};
use crate::log::broker::Broker;

/// The keys of what is sent unreadable begin with this.
pub const UNREADABLE_PREFIX: &str = "unreadable/";

/// The events that say of an input that it changed nothing.
const REPETITIONS: [&str; 2] = ["FeedbackIgnored", "RequestIgnored"];

/// One order, folded from its events.
#[derive(Clone, Debug, Default)]
struct Told {
    state: Option<OrderState>,
    /// The last submission that validation has spoken about.
    decided: u32,
    stuck: bool,
    cases: BTreeSet<CaseId>,
    rejection_codes: BTreeSet<ReasonCode>,
    revisions_refused: u32,
    tasks: BTreeMap<TaskId, TaskState>,
    items: BTreeMap<ItemId, ItemState>,
}

/// Everything that was read so far.
#[derive(Debug, Default)]
pub struct Story {
    cursors: BTreeMap<(Arc<str>, u32), i64>,
    version: u64,
    orders: BTreeMap<OrderKey, Told>,
    event_ids: BTreeSet<Bytes>,
    ids: Ids,
    pub dead_letters: u64,
    /// What was read since it was last taken, in words; for the trace.
    pub heard: Vec<String>,
}

impl Story {
    /// Reads on wherever there is something new.
    pub fn look(&mut self, broker: &Broker, codec: &Codec) -> Result<(), Violation> {
        if self.version == broker.version {
            return Ok(());
        }
        self.version = broker.version;
        let topics = broker.topics.clone();
        for spec in topics.iter().filter(|spec| is_read(&spec.name)) {
            for partition in 0..spec.partitions {
                let Some(found) = broker.partition(&spec.name, partition) else { continue };
                let mut from = self.cursors.get(&(spec.name.clone(), partition)).copied().unwrap_or(0);
                while let Some((offset, record)) = found.next_committed(from, i64::MAX) {
                    from = offset + 1;
                    self.record(record, codec)?;
                }
                self.cursors.insert((spec.name.clone(), partition), from);
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &Record, codec: &Codec) -> Result<(), Violation> {
        if record.topic.as_ref() == topics::DEAD_LETTERS {
            return self.dead_letter(record);
        }
        let header = |name: &str| record.headers.iter().find(|header| header.0.as_ref() == name);
        let kind = header(headers::CE_TYPE).map(|(_, kind)| String::from_utf8_lossy(kind).into_owned());
        let kind = kind.unwrap_or_default();
        // Ids are derived from the input's: of an input that comes again and again, each time is told under one id.
        let is_about_repetition = REPETITIONS.iter().any(|name| headers::type_of(name) == kind);
        if let Some((_, id)) = header(headers::CE_ID)
            && !self.event_ids.insert(id.clone())
            && !is_about_repetition
        {
            let what = format!("{kind} {id:?} lies on {} twice", record.topic);
            return Violation::of(Invariant::NothingTwice, what);
        }
        let value = record.value.as_deref().unwrap_or_default();
        let unreadable = |what: String| Violation { invariant: Invariant::NoStateBackwards, what };
        if topics::system_of(&record.topic).is_some() {
            let command: Command = codec.decode(value).map_err(|error| unreadable(error.to_string()))?;
            let Command { order_key, name, kind, attempt, .. } = &command;
            self.heard.push(format!("{order_key} command {name} {kind:?} attempt {attempt}"));
            return self.ids.take(&command);
        }
        if record.topic.as_ref() == topics::ORDER_EVENTS {
            let event = codec.decode_event(value).map_err(|error| unreadable(error.to_string()))?;
            self.heard.push(in_words(&event));
            let told = self.orders.entry(event.order_key().clone()).or_default();
            return told.hear(&event).map_err(|what| {
                unreadable(format!("order \"{}\", {}: {what}", event.order_key(), event.name()))
            });
        }
        Ok(())
    }

    fn dead_letter(&mut self, record: &Record) -> Result<(), Violation> {
        self.dead_letters += 1;
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
        if key.starts_with(UNREADABLE_PREFIX) {
            return Ok(());
        }
        let reason = record.headers.iter().find(|(name, _)| name.as_ref() == HEADER_REASON);
        let reason = reason.map(|(_, reason)| String::from_utf8_lossy(reason).into_owned());
        let what = format!("\"{key}\" is a dead letter: {}", reason.unwrap_or_default());
        Violation::of(Invariant::DeadLettersAreMeant, what)
    }

    /// The orders as they stand, without their effects.
    pub fn orders(&self) -> impl Iterator<Item = ActualOrder> + '_ {
        self.orders.iter().filter_map(|(key, told)| {
            let state = told.state?;
            Some(ActualOrder {
                key: key.clone(),
                state,
                stuck: told.stuck,
                open_cases: told.cases.len() as u32,
                rejection_codes: if state == OrderState::Rejected {
                    told.rejection_codes.clone()
                } else {
                    BTreeSet::new()
                },
                revisions_refused: told.revisions_refused,
                effects: BTreeMap::new(),
            })
        })
    }
}

/// An event, as far as it says what moved.
fn in_words(event: &OrderEvent) -> String {
    let moved = match event {
        OrderEvent::TaskStateChanged(event) => format!(
            "{} {:?} to {:?} by {:?}, attempt {}",
            event.task_type, event.from, event.to, event.trigger, event.attempt
        ),
        OrderEvent::OrderStateChanged(event) => format!("{:?} to {:?}", event.from, event.to),
        OrderEvent::ItemStateChanged(event) => {
            format!("{} {:?} to {:?}", event.item_id, event.from, event.to)
        }
        OrderEvent::FalloutDetected(event) => format!("{:?}", event.case.classification.normalized_code),
        OrderEvent::FeedbackIgnored(event) => format!("{:?} {}", event.because, event.feedback_id),
        OrderEvent::OrderCaptured(_)
        | OrderEvent::RequestIgnored(_)
        | OrderEvent::OrderValidated(_)
        | OrderEvent::OrderRejected(_)
        | OrderEvent::RevisionRefused(_)
        | OrderEvent::FeasibilityAsked(_)
        | OrderEvent::FeasibilityUnanswered(_)
        | OrderEvent::OrderDecomposed(_)
        | OrderEvent::DecompositionFailed(_)
        | OrderEvent::ServiceOrderStateChanged(_)
        | OrderEvent::MilestoneReached(_)
        | OrderEvent::WaitFailed(_)
        | OrderEvent::FalloutClassified(_)
        | OrderEvent::FalloutResolved(_)
        | OrderEvent::OrderMarkedStuck(_) => String::new(),
    };
    format!("{} {} {moved}", event.order_key(), event.name())
}

/// What has to be read by an outsider to know everything.
fn is_read(topic: &str) -> bool {
    let ours = [topics::ORDER_EVENTS, topics::PRODUCT_EVENTS, topics::BILLING_INTENTS, topics::NOTIFICATIONS];
    ours.contains(&topic) || topic == topics::DEAD_LETTERS || topics::system_of(topic).is_some()
}

/// The state that it goes on from, checked and replaced.
fn go_on<M: Machine>(known: &mut M, from: M, to: M, trigger: M::Trigger) -> Result<(), String> {
    if *known != from {
        return Err(format!("{} goes from {from:?} to {to:?} on {trigger:?}, and was in {known:?}", M::NAME));
    }
    if !leads(from, to, trigger) {
        return Err(format!("no way leads the {} from {from:?} to {to:?} with {trigger:?} last", M::NAME));
    }
    *known = to;
    Ok(())
}

impl Told {
    fn hear(&mut self, event: &OrderEvent) -> Result<(), String> {
        match event {
            OrderEvent::OrderCaptured(event) if event.submission == 1 => self.reach(OrderState::Captured),
            OrderEvent::OrderCaptured(_) => {
                // A request under the key of a live order is captured too, and moves nothing.
                if self.state == Some(OrderState::Rejected) {
                    self.reach(OrderState::Captured);
                }
            }
            OrderEvent::OrderValidated(event) => self.decide(event.submission, OrderState::Validated)?,
            OrderEvent::OrderRejected(event) => {
                self.decide(event.submission, OrderState::Rejected)?;
                self.rejection_codes = event.reasons.iter().map(|reason| reason.code).collect();
            }
            OrderEvent::RevisionRefused(_) => self.revisions_refused += 1,
            OrderEvent::OrderDecomposed(event) => {
                self.reach(OrderState::Decomposed);
                let tasks = event.plan.tasks.iter().map(|task| (task.id, TaskState::NotStarted));
                self.tasks = tasks.collect();
                self.items =
                    event.plan.items.iter().map(|item| (item.item_id.clone(), ItemState::INITIAL)).collect();
            }
            OrderEvent::OrderStateChanged(event) => {
                let mut known = self.state.unwrap_or(OrderState::INITIAL);
                go_on(&mut known, event.from, event.to, event.trigger)?;
                self.reach(known);
            }
            OrderEvent::ItemStateChanged(event) => {
                let known = self.items.entry(event.item_id.clone()).or_insert(ItemState::INITIAL);
                go_on(known, event.from, event.to, event.trigger)?;
                self.stuck = false;
            }
            OrderEvent::TaskStateChanged(event) => {
                let known = self.tasks.entry(event.task_id).or_insert(TaskState::INITIAL);
                go_on(known, event.from, event.to, event.trigger)?;
                self.stuck = false;
            }
            OrderEvent::FalloutDetected(event) => {
                self.cases.insert(event.case.id);
            }
            OrderEvent::FalloutResolved(event) => {
                self.cases.remove(&event.case_id);
            }
            OrderEvent::OrderMarkedStuck(_) => {
                // Where the scan is apart, its mark can come behind the end.
                self.stuck = self.state.is_none_or(OrderState::is_active);
            }
            OrderEvent::ServiceOrderStateChanged(_) => self.stuck = false,
            OrderEvent::RequestIgnored(_)
            | OrderEvent::FeasibilityAsked(_)
            | OrderEvent::FeasibilityUnanswered(_)
            | OrderEvent::DecompositionFailed(_)
            | OrderEvent::MilestoneReached(_)
            | OrderEvent::FeedbackIgnored(_)
            | OrderEvent::WaitFailed(_)
            | OrderEvent::FalloutClassified(_) => {}
        }
        Ok(())
    }

    fn reach(&mut self, state: OrderState) {
        self.state = Some(state);
        self.stuck = false;
    }

    /// Validation has spoken about a submission. Where capture stands apart, it may have told of the next one meanwhile.
    fn decide(&mut self, submission: u32, to: OrderState) -> Result<(), String> {
        let is_open = matches!(self.state, Some(OrderState::Captured | OrderState::Rejected));
        if !is_open || submission <= self.decided {
            let (state, decided) = (self.state, self.decided);
            return Err(format!(
                "submission {submission} is {to:?}; it was {state:?}, decided up to {decided}"
            ));
        }
        self.decided = submission;
        self.reach(to);
        Ok(())
    }
}
