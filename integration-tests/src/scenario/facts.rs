//! What the records of a run say, folded per order.
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use domain::command::{Command, CommandKind};
use domain::fallout::Classification;
use domain::inventory::{ProductChanged, ProductState};
use domain::order::event::{BillingIntent, ChargeAction, Notification, OrderEvent};
use domain::order::{ItemState, OrderState, Values};
use domain::plan::TaskState;
use domain::{CaseId, CommandId, ProductId};
use runtime::Record;
use schemas::codec::Codec;
use schemas::topics;
use serde::Serialize;

use super::Outcome;
use super::file::Case;

/// Who is told about the order as a whole; the customer is told about steps of it.
const TO_REQUESTER: &str = "requester";

/// A word as it stands in records: `failedTerminal`.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Everything about one order.
#[derive(Clone, Debug, Default)]
pub struct OrderFacts {
    pub state: Option<OrderState>,
    pub items: BTreeMap<String, ItemState>,
    /// By `component/taskType`.
    pub tasks: BTreeMap<String, TaskState>,
    /// In the sequence in which they were opened.
    cases: Vec<(CaseId, Classification, bool)>,
    /// Each as the words that it can be found by, the record's name first.
    pub events: Vec<Vec<String>>,
    pub commands: BTreeMap<String, u32>,
    pub queries: BTreeMap<String, u32>,
    pub effects: BTreeMap<String, u32>,
    /// What the commands of a name carried, the last sending.
    pub carried: BTreeMap<String, Values>,
    /// What the commands of a name reported.
    pub reported: BTreeMap<String, Values>,
    pub service_orders: Vec<String>,
    pub products: BTreeMap<ProductId, ProductState>,
    pub told: Vec<String>,
    pub refusals: Vec<String>,
    pub charges_started: usize,
    /// The command ids of each task and mode, with their inputs: more than one is a broken promise.
    pub command_ids: BTreeMap<String, BTreeSet<(CommandId, String)>>,
}

/// Everything about all orders.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub orders: BTreeMap<String, OrderFacts>,
    pub dead_letters: Vec<String>,
}

impl OrderFacts {
    pub fn cases(&self) -> Vec<Case> {
        let case = |(_, filed, open): &(CaseId, Classification, bool)| Case {
            code: filed.normalized_code.clone(),
            recoverability: word(&filed.recoverability),
            open: *open,
        };
        self.cases.iter().map(case).collect()
    }

    fn take(&mut self, event: &OrderEvent) {
        let mut words = vec![event.name().to_owned()];
        match event {
            OrderEvent::OrderCaptured(_) => {
                // A request under the key of a live order is captured too, and moves nothing.
                if matches!(self.state, None | Some(OrderState::Rejected)) {
                    self.state = Some(OrderState::Captured);
                }
            }
            OrderEvent::OrderValidated(_) => self.state = Some(OrderState::Validated),
            OrderEvent::OrderRejected(event) => {
                self.state = Some(OrderState::Rejected);
                self.refusals.extend(event.reasons.iter().map(|reason| word(&reason.code)));
            }
            OrderEvent::RevisionRefused(event) => {
                self.refusals.extend(event.reasons.iter().map(|reason| word(&reason.code)));
            }
            OrderEvent::OrderDecomposed(event) => {
                self.state = Some(OrderState::Decomposed);
                let plan = &event.plan;
                self.service_orders = plan.service_orders.iter().map(|it| it.specification.clone()).collect();
                self.service_orders.sort();
                self.items.extend(plan.items.iter().map(|item| (item.item_id.0.clone(), ItemState::Pending)));
                let place =
                    |task: &domain::plan::PlannedTask| format!("{}/{}", task.component, task.task_type);
                self.tasks.extend(plan.tasks.iter().map(|task| (place(task), TaskState::NotStarted)));
            }
            OrderEvent::OrderStateChanged(event) => {
                self.state = Some(event.to);
                words.push(word(&event.to));
            }
            OrderEvent::ItemStateChanged(event) => {
                self.items.insert(event.item_id.0.clone(), event.to);
                words.extend([event.item_id.0.clone(), word(&event.to)]);
            }
            OrderEvent::TaskStateChanged(event) => {
                let place = format!("{}/{}", event.component, event.task_type);
                words.extend([place.clone(), word(&event.to), word(&event.trigger)]);
                self.tasks.insert(place, event.to);
            }
            OrderEvent::ServiceOrderStateChanged(event) => {
                words.extend([event.item_id.0.clone(), word(&event.to)])
            }
            OrderEvent::MilestoneReached(event) => words.push(event.milestone.clone()),
            OrderEvent::FeedbackIgnored(event) => words.push(word(&event.because)),
            OrderEvent::FalloutDetected(event) => {
                words.push(event.case.classification.normalized_code.clone());
                self.cases.push((event.case.id, event.case.classification.clone(), true));
            }
            OrderEvent::FalloutClassified(event) => {
                words.push(event.classification.normalized_code.clone());
                if let Some(case) = self.cases.iter_mut().find(|case| case.0 == event.case_id) {
                    case.1 = event.classification.clone();
                }
            }
            OrderEvent::FalloutResolved(event) => {
                if let Some(case) = self.cases.iter_mut().find(|case| case.0 == event.case_id) {
                    case.2 = false;
                }
            }
            OrderEvent::RequestIgnored(_)
            | OrderEvent::FeasibilityAsked(_)
            | OrderEvent::FeasibilityUnanswered(_)
            | OrderEvent::DecompositionFailed(_)
            | OrderEvent::WaitFailed(_)
            | OrderEvent::OrderMarkedStuck(_) => {}
        }
        self.events.push(words);
    }

    fn command(&mut self, command: &Command) {
        let counted = match command.kind {
            CommandKind::Query => &mut self.queries,
            CommandKind::Execute | CommandKind::CheckFeasibility => &mut self.commands,
        };
        *counted.entry(command.name.clone()).or_default() += 1;
        let subject = command.task_id.map_or_else(|| "order".to_owned(), |task| task.to_string());
        let ids =
            self.command_ids.entry(format!("{}/{:?}/{subject}", command.name, command.mode)).or_default();
        let inputs = if command.kind == CommandKind::Query { None } else { Some(&command.inputs) };
        if let Some(inputs) = inputs {
            self.carried.insert(command.name.clone(), inputs.clone());
            ids.insert((command.command_id, format!("{inputs:?}")));
        } else if !ids.iter().any(|(id, _)| *id == command.command_id) {
            ids.insert((command.command_id, "asked about, never sent".to_owned()));
        }
    }
}

impl Facts {
    /// # Errors
    /// A record that is none of ours.
    pub fn of(codec: &Codec, outcome: &Outcome) -> anyhow::Result<Facts> {
        let mut facts = Facts::default();
        for record in &outcome.records {
            facts.take(codec, record).with_context(|| format!("{} {}", record.topic, record.offset))?;
        }
        for (key, name, values) in &outcome.script.effects {
            let order = facts.orders.entry(key.clone()).or_default();
            *order.effects.entry(name.clone()).or_default() += 1;
            order.reported.insert(name.clone(), values.clone());
        }
        Ok(facts)
    }

    fn take(&mut self, codec: &Codec, record: &Record) -> anyhow::Result<()> {
        let value = record.value.as_deref().unwrap_or_default();
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
        match record.topic.as_ref() {
            topics::ORDER_EVENTS => self.orders.entry(key).or_default().take(&codec.decode_event(value)?),
            topics::NOTIFICATIONS => {
                let told: Notification = codec.decode(value)?;
                if told.audience == TO_REQUESTER {
                    self.orders.entry(key).or_default().told.push(told.shown_state);
                }
            }
            topics::BILLING_INTENTS => {
                let intent: BillingIntent = codec.decode(value)?;
                let started = usize::from(intent.action == ChargeAction::Start);
                self.orders.entry(key).or_default().charges_started += started;
            }
            topics::PRODUCT_EVENTS if codec.record_name(value)? == "ProductChanged" => {
                let changed: ProductChanged = codec.decode(value)?;
                let order = self.orders.entry(changed.product.order_key.0.clone()).or_default();
                order.products.insert(changed.product.id, changed.product.state);
            }
            topics::DEAD_LETTERS => {
                let reason =
                    record.headers.iter().find(|(name, _)| name.as_ref() == runtime::shard::HEADER_REASON);
                let reason =
                    reason.map_or("", |(_, reason)| std::str::from_utf8(reason).unwrap_or("not text"));
                self.dead_letters.push(reason.to_owned());
            }
            topic if topics::system_of(topic).is_some() => {
                self.orders.entry(key).or_default().command(&codec.decode(value)?);
            }
            _ => {}
        }
        Ok(())
    }
}
