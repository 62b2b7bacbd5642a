//! Which event makes which row: one file per family of events.
//!
//! A batch is three steps: the rows that its events touch are read, each table with few statements; the events change them in
//! memory, one after the other; what changed is written back. So a row that fifty events of a batch touch is read and written once.
use std::collections::{BTreeMap, BTreeSet};

use domain::downstream::DownstreamHealth;
use domain::inventory::{ProductChanged, ProductReportRefused};
use domain::order::event::{BillingIntent, Cause, Notification, OrderEvent};
use domain::{CaseId, ItemId, OrderKey, ServiceOrderId, TaskId, Timestamp};

use crate::Positions;
use crate::dialect::Transaction;
use crate::rows::{
    At, BillingIntentRow, CaseRow, Cell as _, DownstreamHealthRow, HistoryRow, ItemRow, NotificationRow,
    OrderRow, PositionRow, ProductHistoryRow, ProductRow, ServiceOrderRow, Stage, SubmissionRow, TaskRow,
    add_counters, delete_where, load, read_all, select, upsert, write_changed,
};

mod beside;
mod capture;
mod decomposition;
mod fallout;
mod history;
mod inventory;
mod orchestration;
mod stuck_orders;
mod validation;

/// A record of the log, as far as it concerns the query side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Projected {
    Order(OrderEvent),
    ProductChanged(Box<ProductChanged>),
    ProductReportRefused(Box<ProductReportRefused>),
    Billing(Box<BillingIntent>),
    Notification(Box<Notification>),
    Health(Box<DownstreamHealth>),
    /// Nothing that is shown: only the position moves.
    Skip,
}

impl From<OrderEvent> for Projected {
    fn from(event: OrderEvent) -> Projected {
        Projected::Order(event)
    }
}

/// A record and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// When it was written to the log.
    pub at: Timestamp,
    pub event: Projected,
}

/// What is only counted, by these names; the label is what it is counted by.
pub(crate) mod counted {
    /// By system.
    pub const COMMANDS_SENT: &str = "commandsSent";
    /// By system: sendings that were not the first of their command.
    pub const RETRIES: &str = "retries";
    /// By reason.
    pub const FEEDBACK_IGNORED: &str = "feedbackIgnored";
    /// By code of the reason.
    pub const REASONS: &str = "reasons";
    /// By name of the record: repeated requests, refused reports, waits that failed, ...
    pub const EVENTS: &str = "events";
    /// By name of the record: events of orders, items, tasks or cases that are not there.
    pub const UNMATCHED: &str = "unmatched";
}

/// The rows that a batch touches, and what it adds.
#[derive(Debug)]
pub(crate) struct Staged {
    /// The partition and the offset of the event at hand.
    partition: i32,
    sequence: i64,
    orders: Stage<OrderRow>,
    submissions: Stage<SubmissionRow>,
    items: Stage<ItemRow>,
    service_orders: Stage<ServiceOrderRow>,
    tasks: Stage<TaskRow>,
    cases: Stage<CaseRow>,
    products: Stage<ProductRow>,
    billing_intents: Stage<BillingIntentRow>,
    notifications: Stage<NotificationRow>,
    health: Stage<DownstreamHealthRow>,
    history: Vec<HistoryRow>,
    product_history: Vec<ProductHistoryRow>,
    counters: BTreeMap<(&'static str, String), i64>,
    /// The orders whose item rows all come from this batch, and those whose plan does.
    items_replaced: BTreeSet<OrderKey>,
    plan_replaced: BTreeSet<OrderKey>,
}

impl Staged {
    fn count(&mut self, name: &'static str, label: impl Into<String>, amount: i64) {
        if amount != 0 {
            *self.counters.entry((name, label.into())).or_default() += amount;
        }
    }

    /// The order that an event moves. An order that is not there is not made up: it is counted, and the event kept in the history.
    fn order(&mut self, cause: &Cause) -> Option<&mut OrderRow> {
        let order = self.orders.change(&(cause.order_key.clone(),))?;
        order.updated_at = At(cause.at);
        order.last_sequence = self.sequence;
        Some(order)
    }

    fn unmatched(&mut self, name: &'static str) {
        self.count(counted::UNMATCHED, name, 1);
    }

    fn take(&mut self, partition: i32, sequence: i64, event: Projected) {
        self.partition = partition;
        self.sequence = sequence;
        match event {
            Projected::Order(event) => self.take_order_event(event),
            Projected::ProductChanged(event) => inventory::changed(self, *event),
            Projected::ProductReportRefused(event) => inventory::report_refused(self, *event),
            Projected::Billing(event) => beside::billed(self, *event),
            Projected::Notification(event) => beside::told(self, *event),
            Projected::Health(event) => beside::health(self, *event),
            Projected::Skip => {}
        }
    }

    fn take_order_event(&mut self, event: OrderEvent) {
        let name = event.name();
        self.history.push(history::row(self.sequence, &event));
        self.count(counted::EVENTS, name, 1);
        let matched = match event {
            OrderEvent::OrderCaptured(event) => capture::captured(self, *event),
            // Nothing follows from it.
            OrderEvent::RequestIgnored(_) => true,
            OrderEvent::OrderValidated(event) => validation::validated(self, *event),
            OrderEvent::OrderRejected(event) => validation::rejected(self, *event),
            OrderEvent::RevisionRefused(event) => validation::revision_refused(self, *event),
            OrderEvent::FeasibilityAsked(event) => validation::feasibility_asked(self, *event),
            OrderEvent::FeasibilityUnanswered(event) => validation::feasibility_unanswered(self, *event),
            OrderEvent::OrderDecomposed(event) => decomposition::decomposed(self, *event),
            OrderEvent::DecompositionFailed(event) => decomposition::failed(self, *event),
            OrderEvent::OrderStateChanged(event) => orchestration::order_moved(self, *event),
            OrderEvent::ItemStateChanged(event) => orchestration::item_moved(self, *event),
            OrderEvent::TaskStateChanged(event) => orchestration::task_moved(self, *event),
            OrderEvent::ServiceOrderStateChanged(event) => orchestration::service_order_moved(self, *event),
            OrderEvent::MilestoneReached(event) => orchestration::milestone_reached(self, *event),
            OrderEvent::FeedbackIgnored(event) => orchestration::feedback_ignored(self, &event),
            OrderEvent::WaitFailed(event) => orchestration::wait_failed(self, &event),
            OrderEvent::FalloutDetected(event) => fallout::detected(self, *event),
            OrderEvent::FalloutClassified(event) => fallout::classified(self, *event),
            OrderEvent::FalloutResolved(event) => fallout::resolved(self, *event),
            OrderEvent::OrderMarkedStuck(event) => stuck_orders::marked(self, &event),
        };
        if !matched {
            self.unmatched(name);
        }
    }
}

/// The keys of the rows that a batch reads.
#[derive(Debug, Default)]
struct Wanted<'a> {
    orders: BTreeSet<&'a OrderKey>,
    submissions: BTreeSet<&'a OrderKey>,
    items: BTreeSet<(&'a OrderKey, &'a ItemId)>,
    service_orders: BTreeSet<ServiceOrderId>,
    tasks: BTreeSet<TaskId>,
    cases: BTreeSet<CaseId>,
}

impl<'a> Wanted<'a> {
    fn add(&mut self, event: &'a Projected) {
        let Projected::Order(event) = event else { return };
        let key = event.order_key();
        self.orders.insert(key);
        match event {
            OrderEvent::OrderValidated(_)
            | OrderEvent::OrderRejected(_)
            | OrderEvent::RevisionRefused(_)
            | OrderEvent::OrderDecomposed(_)
            | OrderEvent::DecompositionFailed(_) => {
                self.submissions.insert(key);
            }
            OrderEvent::ItemStateChanged(event) => {
                self.items.insert((key, &event.item_id));
            }
            OrderEvent::MilestoneReached(event) => {
                self.items.insert((key, &event.item_id));
            }
            OrderEvent::TaskStateChanged(event) => {
                self.tasks.insert(event.task_id);
            }
            OrderEvent::ServiceOrderStateChanged(event) => {
                self.service_orders.insert(event.service_order);
            }
            OrderEvent::FalloutDetected(event) => {
                self.cases.insert(event.case.id);
                self.items.extend(event.case.item_id.as_ref().map(|item| (key, item)));
            }
            OrderEvent::FalloutClassified(event) => {
                self.cases.insert(event.case_id);
            }
            OrderEvent::FalloutResolved(event) => {
                self.cases.insert(event.case_id);
            }
            // What these write, they write anew, or into the order's own row.
            OrderEvent::OrderCaptured(_)
            | OrderEvent::RequestIgnored(_)
            | OrderEvent::FeasibilityAsked(_)
            | OrderEvent::FeasibilityUnanswered(_)
            | OrderEvent::OrderStateChanged(_)
            | OrderEvent::FeedbackIgnored(_)
            | OrderEvent::WaitFailed(_)
            | OrderEvent::OrderMarkedStuck(_) => {}
        }
    }

    async fn read(self, transaction: &mut Transaction) -> Result<Staged, sqlx::Error> {
        let key = |key: &OrderKey| vec![key.clone().value()];
        let orders = load(transaction, &["key"], self.orders.into_iter().map(key)).await?;
        let submissions = load(transaction, &["order_key"], self.submissions.into_iter().map(key)).await?;
        let pair = |(order, item): (&OrderKey, &ItemId)| vec![order.clone().value(), item.clone().value()];
        let items = load(transaction, &["order_key", "item_id"], self.items.into_iter().map(pair)).await?;
        let ids = self.service_orders.into_iter().map(|id| vec![id.value()]);
        let service_orders = load(transaction, &["id"], ids).await?;
        let tasks = load(transaction, &["id"], self.tasks.into_iter().map(|id| vec![id.value()])).await?;
        let cases = load(transaction, &["id"], self.cases.into_iter().map(|id| vec![id.value()])).await?;
        Ok(Staged {
            partition: 0,
            sequence: 0,
            orders: Stage::new(orders),
            submissions: Stage::new(submissions),
            items: Stage::new(items),
            service_orders: Stage::new(service_orders),
            tasks: Stage::new(tasks),
            cases: Stage::new(cases),
            products: Stage::new(Vec::new()),
            billing_intents: Stage::new(Vec::new()),
            notifications: Stage::new(Vec::new()),
            health: Stage::new(Vec::new()),
            history: Vec::new(),
            product_history: Vec::new(),
            counters: BTreeMap::new(),
            items_replaced: BTreeSet::new(),
            plan_replaced: BTreeSet::new(),
        })
    }
}

pub(crate) async fn read_positions(transaction: &mut Transaction) -> Result<Positions, sqlx::Error> {
    let rows: Vec<PositionRow> = read_all(transaction, select::<PositionRow>()).await?;
    let place = |row: PositionRow| {
        let partition = i32::try_from(row.partition_id).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(((row.topic, partition), row.next_offset))
    };
    rows.into_iter().map(place).collect()
}

/// Writes a batch within a transaction that the caller commits, on top of what the transaction knows as applied; the positions that
/// moved are the answer.
pub(crate) async fn write(
    transaction: &mut Transaction,
    known: Positions,
    batch: Vec<Applied>,
) -> Result<Positions, sqlx::Error> {
    let mut moved: BTreeMap<(String, i32), PositionRow> = BTreeMap::new();
    let mut fresh = Vec::with_capacity(batch.len());
    for record in batch {
        let Applied { topic, partition, offset, at, event } = record;
        let place = (topic, partition);
        let next = moved.get(&place).map(|row| row.next_offset).or_else(|| known.get(&place).copied());
        if next.is_none_or(|next| offset >= next) {
            let row = PositionRow {
                topic: place.0.clone(),
                partition_id: i64::from(partition),
                next_offset: offset.saturating_add(1),
                applied_at: Some(At(at)),
            };
            moved.insert(place, row);
            fresh.push((partition, offset, event));
        }
    }
    let mut wanted = Wanted::default();
    for (_, _, event) in &fresh {
        wanted.add(event);
    }
    let mut staged = wanted.read(transaction).await?;
    for (partition, offset, event) in fresh {
        staged.take(partition, offset, event);
    }
    write_staged(transaction, staged).await?;
    let positions = moved.iter().map(|(place, row)| (place.clone(), row.next_offset)).collect();
    upsert(transaction, moved.into_values().collect()).await?;
    Ok(positions)
}

async fn write_staged(transaction: &mut Transaction, staged: Staged) -> Result<(), sqlx::Error> {
    let keys = |orders: &BTreeSet<OrderKey>| {
        orders.iter().map(|key| key.clone().value()).collect::<Vec<_>>().into_iter()
    };
    delete_where(transaction, "items", "order_key", keys(&staged.items_replaced)).await?;
    delete_where(transaction, "tasks", "order_key", keys(&staged.plan_replaced)).await?;
    delete_where(transaction, "service_orders", "order_key", keys(&staged.plan_replaced)).await?;
    write_changed(transaction, staged.orders.into_changed()).await?;
    write_changed(transaction, staged.submissions.into_changed()).await?;
    write_changed(transaction, staged.items.into_changed()).await?;
    write_changed(transaction, staged.service_orders.into_changed()).await?;
    write_changed(transaction, staged.tasks.into_changed()).await?;
    write_changed(transaction, staged.cases.into_changed()).await?;
    write_changed(transaction, staged.products.into_changed()).await?;
    write_changed(transaction, staged.billing_intents.into_changed()).await?;
    write_changed(transaction, staged.notifications.into_changed()).await?;
    write_changed(transaction, staged.health.into_changed()).await?;
    upsert(transaction, Stage::new(staged.history).into_all()).await?;
    upsert(transaction, Stage::new(staged.product_history).into_all()).await?;
    add_counters(transaction, staged.counters).await
}
