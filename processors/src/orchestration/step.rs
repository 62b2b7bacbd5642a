//! The working set of one call: what was read, what it became, and what follows.
//!
//! Cells are read at most once and written at most once, and only where they changed. Timers follow `task.due`. Events are
//! assembled at the end, so that a task that moved twice is told of once.
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use domain::catalog::TaskType;
use domain::order::OrderTrigger;
use domain::order::Values;
use domain::order::event::{MilestoneReached, OrderEvent, OrderStateChanged, TaskStateChanged};
use domain::plan::{TaskState, TaskTrigger};
use domain::states::Machine;
use domain::{ItemId, OrderKey, ServiceOrderId, TaskId, Timestamp};

use super::state::{self, Cell, Head, ItemPlan, ItemRecord, ServiceOrderRecord, TaskRecord};
use super::{Output, World, products, settle};
use crate::{Arrival, Cells};

pub(super) fn head(cells: &dyn Cells<Cell>) -> Option<Head> {
    if let Some(Cell::Head(head)) = cells.get(state::HEAD_CELL) { Some(*head) } else { None }
}

/// A cell's content now, and as it is stored (`None`: not yet).
#[derive(Debug)]
struct Loaded<T> {
    now: T,
    stored: Option<T>,
}

/// How a task moved in this step, from its first state to its last.
#[derive(Debug)]
struct Move {
    from: TaskState,
    trigger: TaskTrigger,
    reason: Option<String>,
    outputs: Values,
}

pub(super) struct Step<'a> {
    pub key: &'a OrderKey,
    pub cells: &'a mut dyn Cells<Cell>,
    pub world: &'a World<'a>,
    pub arrival: &'a Arrival,
    pub head: Head,
    head_stored: Option<Head>,
    tasks: BTreeMap<TaskId, Loaded<TaskRecord>>,
    items: BTreeMap<ItemId, Loaded<ItemRecord>>,
    service_orders: BTreeMap<ServiceOrderId, Loaded<ServiceOrderRecord>>,
    item_plans: BTreeMap<ItemId, Rc<ItemPlan>>,
    moves: BTreeMap<TaskId, Move>,
    moved: Vec<TaskId>,
    /// Whose counters changed; emptied when it is settled.
    pub items_touched: BTreeSet<ItemId>,
    pub service_orders_touched: BTreeSet<ServiceOrderId>,
    opening: Vec<OrderEvent>,
    milestones: Vec<OrderEvent>,
    following: Vec<OrderEvent>,
    effects: Vec<Output>,
}

impl<'a> Step<'a> {
    pub fn new(
        key: &'a OrderKey,
        cells: &'a mut dyn Cells<Cell>,
        head: Head,
        world: &'a World<'a>,
        arrival: &'a Arrival,
    ) -> Step<'a> {
        let head_stored = Some(head.clone());
        Step { head_stored, ..Step::of_new_order(key, cells, head, world, arrival) }
    }

    /// Of an order that is not stored yet.
    pub fn of_new_order(
        key: &'a OrderKey,
        cells: &'a mut dyn Cells<Cell>,
        head: Head,
        world: &'a World<'a>,
        arrival: &'a Arrival,
    ) -> Step<'a> {
        Step {
            key,
            cells,
            world,
            arrival,
            head,
            head_stored: None,
            tasks: BTreeMap::new(),
            items: BTreeMap::new(),
            service_orders: BTreeMap::new(),
            item_plans: BTreeMap::new(),
            moves: BTreeMap::new(),
            moved: Vec::new(),
            items_touched: BTreeSet::new(),
            service_orders_touched: BTreeSet::new(),
            opening: Vec::new(),
            milestones: Vec::new(),
            following: Vec::new(),
            effects: Vec::new(),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.arrival.now
    }

    pub fn cause(&self) -> domain::order::event::Cause {
        self.arrival.cause(self.key, &self.head.correlation_id)
    }

    pub fn task_type(&self, name: &str) -> Option<&'a TaskType> {
        self.world.catalog.and_then(|catalog| catalog.task_types.get(name))
    }

    pub fn task(&mut self, id: TaskId) -> Option<&mut TaskRecord> {
        if !self.tasks.contains_key(&id)
            && let Some(Cell::Task(record)) = self.cells.get(&state::task_cell(id))
        {
            self.tasks.insert(id, Loaded { now: (*record).clone(), stored: Some(*record) });
        }
        self.tasks.get_mut(&id).map(|loaded| &mut loaded.now)
    }

    pub fn item(&mut self, id: &ItemId) -> Option<&mut ItemRecord> {
        if !self.items.contains_key(id)
            && let Some(Cell::Item(record)) = self.cells.get(&state::item_cell(id))
        {
            self.items.insert(id.clone(), Loaded { now: record.clone(), stored: Some(record) });
        }
        self.items.get_mut(id).map(|loaded| &mut loaded.now)
    }

    pub fn service_order(&mut self, id: ServiceOrderId) -> Option<&mut ServiceOrderRecord> {
        if !self.service_orders.contains_key(&id)
            && let Some(Cell::ServiceOrder(record)) = self.cells.get(&state::service_order_cell(id))
        {
            self.service_orders.insert(id, Loaded { now: record.clone(), stored: Some(record) });
        }
        self.service_orders.get_mut(&id).map(|loaded| &mut loaded.now)
    }

    pub fn item_plan(&mut self, id: &ItemId) -> Option<Rc<ItemPlan>> {
        if !self.item_plans.contains_key(id)
            && let Some(Cell::ItemPlan(plan)) = self.cells.get(&state::item_plan_cell(id))
        {
            self.item_plans.insert(id.clone(), Rc::new(*plan));
        }
        self.item_plans.get(id).cloned()
    }

    pub fn add_task(&mut self, record: TaskRecord) {
        self.tasks.insert(record.task.planned.id, Loaded { now: record, stored: None });
    }

    pub fn add_item(&mut self, record: ItemRecord) {
        self.items.insert(record.item_id.clone(), Loaded { now: record, stored: None });
    }

    pub fn add_service_order(&mut self, record: ServiceOrderRecord) {
        self.service_orders.insert(record.id, Loaded { now: record, stored: None });
    }

    /// Written at once: it never changes.
    pub fn add_item_plan(&mut self, plan: ItemPlan) {
        let id = plan.planned.item_id.clone();
        self.cells.put(&state::item_plan_cell(&id), Cell::ItemPlan(Box::new(plan.clone())));
        self.item_plans.insert(id, Rc::new(plan));
    }

    /// An effect on somebody else: told after all events, in this sequence.
    pub fn effect(&mut self, output: Output) {
        self.effects.push(output);
    }

    /// An event from before the tasks moved: the order began, an answer was ignored.
    pub fn tell_first(&mut self, event: impl Into<OrderEvent>) {
        self.opening.push(event.into());
    }

    /// An event that follows from the tasks' moves.
    pub fn tell(&mut self, event: impl Into<OrderEvent>) {
        self.following.push(event.into());
    }

    pub fn milestone(&mut self, item_id: ItemId, task_id: TaskId, milestone: String) {
        let cause = self.cause();
        self.milestones.push(MilestoneReached { cause, item_id, task_id, milestone }.into());
    }

    /// Moves a task by its table and keeps the counters of its item, service order and order. `false`: the table refuses.
    pub fn trigger(&mut self, id: TaskId, trigger: TaskTrigger, reason: Option<String>) -> bool {
        let Some(record) = self.task(id) else { return false };
        let from = record.task.state;
        let Ok(to) = from.on(trigger) else { return false };
        record.task.state = to;
        record.task.in_fallout = settle::is_in_fallout(to);
        let (item_id, service_order) =
            (record.task.planned.item_id.clone(), record.task.planned.service_order);
        self.note(id, from, trigger, reason);
        self.head.tasks_active = moved(self.head.tasks_active, from.is_active(), to.is_active());
        self.count_in_service_order(service_order, from, to);
        self.count_in_item(&item_id, from, to);
        true
    }

    fn count_in_service_order(&mut self, id: ServiceOrderId, from: TaskState, to: TaskState) {
        let Some(record) = self.service_order(id) else { return };
        record.open = moved(record.open, !settle::is_done(from), !settle::is_done(to));
        record.active = moved(record.active, from.is_active(), to.is_active());
        record.blocked =
            moved(record.blocked, from == TaskState::FailedRepairable, to == TaskState::FailedRepairable);
        record.cancelled = moved(record.cancelled, from == TaskState::Cancelled, to == TaskState::Cancelled);
        record.started |= to == TaskState::Dispatched;
        record.failed |= to == TaskState::FailedTerminal;
        self.service_orders_touched.insert(id);
    }

    fn count_in_item(&mut self, id: &ItemId, from: TaskState, to: TaskState) {
        let Some(record) = self.item(id) else { return };
        record.open = moved(record.open, !settle::is_done(from), !settle::is_done(to));
        record.blocked =
            moved(record.blocked, from == TaskState::FailedRepairable, to == TaskState::FailedRepairable);
        let begins = to == TaskState::Dispatched && !record.started;
        record.started |= begins;
        self.items_touched.insert(id.clone());
        if begins {
            products::started(self, id);
        }
    }

    /// A step of a task that is to be told, be its state another one or not.
    pub fn note(&mut self, id: TaskId, from: TaskState, trigger: TaskTrigger, reason: Option<String>) {
        match self.moves.get_mut(&id) {
            Some(known) => {
                known.trigger = trigger;
                known.reason = reason.or(known.reason.take());
            }
            None => {
                self.moves.insert(id, Move { from, trigger, reason, outputs: Values::new() });
                self.moved.push(id);
            }
        }
    }

    /// What was reported with this step of the task.
    pub fn reported(&mut self, id: TaskId, outputs: Values) {
        if let Some(known) = self.moves.get_mut(&id) {
            known.outputs.extend(outputs);
        }
    }

    /// A word beside what is told of the task in this step.
    pub fn remark(&mut self, id: TaskId, words: String) {
        if let Some(known) = self.moves.get_mut(&id) {
            known.reason = Some(match known.reason.take() {
                Some(reason) => format!("{reason}; {words}"),
                None => words,
            });
        }
    }

    /// Moves the order by its table and tells it. `first`: before the tasks' moves. `false`: the table refuses.
    pub fn trigger_order(&mut self, trigger: OrderTrigger, first: bool, words: OrderWords) -> bool {
        let from = self.head.state;
        let Ok(to) = from.on(trigger) else { return false };
        self.head.state = to;
        let changed = OrderStateChanged {
            cause: self.cause(),
            order_version: self.head.order_version,
            from,
            to,
            trigger,
            reason: words.reason,
            waiting_for: words.waiting_for,
            next_due: words.next_due,
        };
        if first {
            self.tell_first(changed)
        } else {
            self.tell(changed)
        }
        true
    }

    /// Settles what the tasks' moves mean for items, service orders and the order, writes what changed, and says what follows.
    pub fn finish(mut self) -> Vec<Output> {
        settle::settle(&mut self);
        let mut outputs: Vec<Output> =
            std::mem::take(&mut self.opening).into_iter().map(Output::Event).collect();
        for id in std::mem::take(&mut self.moved) {
            outputs.extend(self.task_event(id).map(Output::Event));
        }
        outputs.extend(self.milestones.drain(..).map(Output::Event));
        outputs.extend(self.following.drain(..).map(Output::Event));
        outputs.append(&mut self.effects);
        self.save(&mut outputs);
        outputs
    }

    fn task_event(&mut self, id: TaskId) -> Option<OrderEvent> {
        let told = self.moves.remove(&id)?;
        let (cause, turn_wait_ms, now) = (self.cause(), self.world.settings.turn_wait_ms, self.now());
        let record = &self.tasks.get(&id)?.now;
        let task = &record.task;
        let turn_due = record.turn_wanted.then(|| now.plus_ms(turn_wait_ms));
        let answer_due = || {
            let breach_ms = self.task_type(&task.planned.task_type)?.breach_ms;
            settle::is_with_system(task.state).then_some(task.dispatched_at?.plus_ms(breach_ms))
        };
        let changed = TaskStateChanged {
            cause,
            task_id: id,
            item_id: task.planned.item_id.clone(),
            component: task.planned.component.clone(),
            task_type: task.planned.task_type.clone(),
            system: task.planned.system.clone(),
            from: told.from,
            to: task.state,
            trigger: told.trigger,
            mode: task.mode,
            in_fallout: task.in_fallout,
            attempt: task.attempt,
            command_id: task.command_id,
            failure: if settle::tells_failure(task.state) { task.last_failure.clone() } else { None },
            reason: told.reason,
            outputs: told.outputs,
            // Also where no timer watches it: the stuck-order scan then has something to go by.
            next_due: task.due.or(turn_due).or_else(answer_due),
        };
        Some(changed.into())
    }

    fn save(self, outputs: &mut Vec<Output>) {
        for (id, Loaded { now, stored }) in self.tasks {
            let due_stored = stored.as_ref().and_then(|record| record.task.due);
            if now.task.due != due_stored {
                let name = state::task_cell(id);
                outputs.push(match now.task.due {
                    Some(due) => Output::SetTimer { name, due },
                    None => Output::CancelTimer { name },
                });
            }
            if stored.as_ref() != Some(&now) {
                self.cells.put(&state::task_cell(id), Cell::Task(Box::new(now)));
            }
        }
        for (id, Loaded { now, stored }) in self.items {
            if stored.as_ref() != Some(&now) {
                self.cells.put(&state::item_cell(&id), Cell::Item(now));
            }
        }
        for (id, Loaded { now, stored }) in self.service_orders {
            if stored.as_ref() != Some(&now) {
                self.cells.put(&state::service_order_cell(id), Cell::ServiceOrder(now));
            }
        }
        if self.head_stored.as_ref() != Some(&self.head) {
            self.cells.put(state::HEAD_CELL, Cell::Head(Box::new(self.head)));
        }
    }
}

/// What is said beside a move of the order.
#[derive(Debug, Default)]
pub(super) struct OrderWords {
    pub reason: Option<String>,
    pub waiting_for: Option<String>,
    pub next_due: Option<Timestamp>,
}

/// A counter of those for which something holds, after one of them moved.
fn moved(count: u32, held: bool, holds: bool) -> u32 {
    match (held, holds) {
        (false, true) => count.saturating_add(1),
        (true, false) => count.saturating_sub(1),
        (true, true) | (false, false) => count,
    }
}
