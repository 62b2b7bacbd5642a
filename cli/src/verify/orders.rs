//! Each order is one story: what is kept of it, what its events tell, its timers and its cases; and if it is active, something is
//! expected of it.
use std::collections::{BTreeMap, BTreeSet};

use domain::order::OrderState;
use domain::plan::TaskState;
use domain::{TaskId, Timestamp};
use processors::orchestration::state::{self, Cell, Head, ItemPlan, TaskRecord};
use processors::{capture, fallout, orchestration, stuck_orders, validation};
use runtime::{Clock, SystemClock, TimerKey};
use topology::{Kept, Processor};

use super::cells::place;
use super::rows::{Row, Told, text};
use super::{Check, Subject};
use crate::order::word;

/// All that is kept of one order.
#[derive(Default)]
struct Kepts {
    capture: Option<capture::state::State>,
    evidence: BTreeSet<String>,
    validation: Option<validation::state::State>,
    head: Option<Head>,
    tasks: BTreeMap<TaskId, TaskRecord>,
    /// Item and its state, and the same of service orders.
    items: BTreeMap<String, String>,
    item_plans: Vec<ItemPlan>,
    service_orders: BTreeMap<String, String>,
    /// Ids of commands whose tasks are known.
    commands: BTreeSet<String>,
    fallout: Option<fallout::state::Head>,
    cases: BTreeSet<String>,
    stuck: Option<stuck_orders::State>,
}

pub(super) fn check(subject: &Subject<'_>, told: &Told, captured: &BTreeSet<String>) -> Check {
    let mut check = Check::new("orders");
    if !subject.is_quiet {
        check.notes.push(
            "some records were not processed when the service stopped: what follows from them is not asked for".to_owned(),
        );
    }
    for (key, row) in &told.orders {
        subject.progress.inc(1);
        check.looked_at += 1;
        match Kepts::read(subject, key) {
            Ok(kepts) => Order { subject, told, key, row, kepts: &kepts, check: &mut check }.check(),
            Err(error) => check.unreadable(format!("order \"{key}\""), &error),
        }
    }
    if !told.is_partial {
        for key in captured.iter().filter(|key| !told.orders.contains_key(*key)) {
            check.find(format!("order \"{key}\""), "capture knows it, and no event tells of it");
        }
    }
    check
}

impl Kepts {
    fn read(subject: &Subject<'_>, key: &str) -> Result<Kepts, runtime::Error> {
        let mut kepts = Kepts::default();
        for processor in Processor::ALL {
            for (cell, value) in
                subject.log.cells(subject.partition_of(key), processor.name(), key.as_bytes())?
            {
                let cell = String::from_utf8_lossy(&cell);
                // What cannot be read was told where all cells were read; here it counts as missing.
                if let Ok(kept) = topology::read_cell(&subject.state, processor, &cell, &value) {
                    kepts.take(&cell, kept);
                }
            }
        }
        Ok(kepts)
    }

    fn take(&mut self, cell: &str, kept: Kept) {
        match kept {
            Kept::Capture(state) => self.capture = Some(state),
            Kept::Evidence => drop(self.evidence.insert(cell.rsplit('/').next().unwrap_or(cell).to_owned())),
            Kept::Validation(state) => self.validation = Some(*state),
            Kept::StuckOrders(state) => self.stuck = Some(state),
            Kept::Fallout(fallout::state::Cell::Head(head)) => self.fallout = Some(head),
            Kept::Fallout(fallout::state::Cell::Case(case)) => drop(self.cases.insert(case.id.to_string())),
            Kept::Fallout(fallout::state::Cell::Subject(_)) => {}
            Kept::Orchestration(kept) => self.take_orchestration(cell, kept),
            Kept::Inventory(_) | Kept::Downstream(_) => {}
        }
    }

    fn take_orchestration(&mut self, name: &str, cell: Cell) {
        match cell {
            Cell::Head(head) => self.head = Some(*head),
            Cell::Task(task) => drop(self.tasks.insert(task.task.planned.id, *task)),
            Cell::Item(item) => drop(self.items.insert(item.item_id.0.clone(), word(&item.state))),
            Cell::ServiceOrder(of) => drop(self.service_orders.insert(of.id.to_string(), word(&of.state))),
            Cell::ItemPlan(plan) => self.item_plans.push(*plan),
            Cell::Command(_) => {
                self.commands.extend(name.strip_prefix(state::COMMAND_PREFIX).map(str::to_owned));
            }
            Cell::Waiter(_) => {}
        }
    }
}

struct Order<'a> {
    subject: &'a Subject<'a>,
    told: &'a Told,
    key: &'a str,
    row: &'a Row,
    kepts: &'a Kepts,
    check: &'a mut Check,
}

impl Order<'_> {
    fn check(&mut self) {
        let state: Option<OrderState> = serde_json::from_value(text(self.row, "state").into()).ok();
        let Some(state) = state else {
            self.find(Processor::Orchestration, "*", "its events leave it in no state that there is");
            return;
        };
        self.request();
        self.head(state);
        self.fallout();
        self.watch(state);
        if state.is_active() && self.subject.is_quiet && !self.is_expected() {
            self.check.find(
                format!("order \"{}\"", self.key),
                format!(
                    "it is {}, and nothing is expected of it: no timer, open command, open case or wait",
                    word(&state)
                ),
            );
        }
    }

    fn find(&mut self, processor: Processor, cell: &str, what: impl Into<String>) {
        self.check.find(place(processor.name(), self.key, cell), what);
    }

    fn request(&mut self) {
        match &self.kepts.capture {
            None => self.find(Processor::Capture, "state", "it is missing"),
            Some(capture) => {
                for kept in capture.evidence.iter().filter(|kept| !self.kepts.evidence.contains(&kept.digest))
                {
                    self.find(
                        Processor::Capture,
                        &format!("evidence/{}", kept.digest),
                        "the raw request is missing",
                    );
                }
            }
        }
        if self.kepts.validation.is_none() && self.subject.is_quiet {
            self.find(Processor::Validation, "state", "it is missing");
        }
    }

    fn head(&mut self, state: OrderState) {
        let planned = match state {
            OrderState::Captured | OrderState::Validated | OrderState::Rejected => false,
            OrderState::Decomposed
            | OrderState::Scheduled
            | OrderState::InProgress
            | OrderState::PartiallyCompleted
            | OrderState::Completed
            | OrderState::Suspended
            | OrderState::Amending
            | OrderState::Cancelling
            | OrderState::Cancelled
            | OrderState::Failed => true,
        };
        let Some(head) = &self.kepts.head else {
            // Before decomposition there is none; nor afterwards, where orchestration stands apart and has not come to it.
            if planned && (self.subject.is_quiet || state != OrderState::Decomposed) {
                self.find(
                    Processor::Orchestration,
                    state::HEAD_CELL,
                    format!("it is missing, and events tell of the order as {}", word(&state)),
                );
            }
            return;
        };
        if head.state != state {
            let what = format!("the order is {}, and {} by its last event", word(&head.state), word(&state));
            self.find(Processor::Orchestration, state::HEAD_CELL, what);
        }
        if !is_forgotten(head) {
            self.tasks(head);
            let (items, service_orders) = (&self.kepts.items, &self.kepts.service_orders);
            self.parts(state::ITEM_PREFIX, "itemId", items, &self.told.items);
            self.parts(state::SERVICE_ORDER_PREFIX, "id", service_orders, &self.told.service_orders);
            self.plans();
        }
    }

    fn tasks(&mut self, head: &Head) {
        let told = self.told.tasks.get(self.key).map(Vec::as_slice).unwrap_or_default();
        for row in told {
            let id = text(row, "id");
            let cell = format!("{}{id}", state::TASK_PREFIX);
            let kept = id.parse().ok().and_then(|id: TaskId| self.kepts.tasks.get(&id));
            match kept {
                None => {
                    self.find(Processor::Orchestration, &cell, "it is missing, and the plan has the task")
                }
                Some(kept) => self.task(&cell, kept, text(row, "state")),
            }
        }
        let known =
            self.kepts.tasks.keys().filter(|id| !told.iter().any(|row| text(row, "id") == id.to_string()));
        for id in known.copied().collect::<Vec<_>>() {
            self.find(Processor::Orchestration, &state::task_cell(id), "no plan has the task");
        }
        let active = self.kepts.tasks.values().filter(|kept| kept.task.state.is_active()).count();
        if active != head.tasks_active as usize {
            let what = format!("{} tasks are active by its count, and {active} are", head.tasks_active);
            self.find(Processor::Orchestration, state::HEAD_CELL, what);
        }
    }

    fn task(&mut self, cell: &str, kept: &TaskRecord, told: &str) {
        let task = &kept.task;
        if word(&task.state) != told {
            let what = format!("the task is {}, and {told} by its last event", word(&task.state));
            self.find(Processor::Orchestration, cell, what);
        }
        if let Some(command) = task.command_id
            && !self.kepts.commands.contains(&command.to_string())
        {
            let what = format!("it is missing: an answer to task {} would not be known", task.planned.id);
            self.find(Processor::Orchestration, &state::command_cell(command), what);
        }
        // A due time that moved away is noticed when the timer fires: it may stand earlier, never later.
        if let Some(due) = task.due.filter(|_| task.state.is_active()) {
            self.timer(Processor::Orchestration, cell, due);
        }
    }

    /// Each row that events tell of, and each cell, in the same state.
    fn parts(
        &mut self,
        prefix: &str,
        id: &str,
        kept: &BTreeMap<String, String>,
        told: &BTreeMap<String, Vec<Row>>,
    ) {
        let told = told.get(self.key).map(Vec::as_slice).unwrap_or_default();
        for row in told {
            let (cell, told) = (format!("{prefix}{}", text(row, id)), text(row, "state"));
            match kept.get(text(row, id)) {
                None => self.find(
                    Processor::Orchestration,
                    &cell,
                    format!("it is missing, and {told} by the events"),
                ),
                Some(kept) if kept != told => {
                    self.find(
                        Processor::Orchestration,
                        &cell,
                        format!("it is {kept}, and {told} by its last event"),
                    );
                }
                Some(_) => {}
            }
        }
    }

    /// What is kept of an item that never changes names tasks that are there.
    fn plans(&mut self) {
        let planned: BTreeSet<String> =
            self.kepts.item_plans.iter().map(|plan| plan.planned.item_id.0.clone()).collect();
        for item in self.kepts.items.keys().filter(|item| !planned.contains(*item)) {
            self.check.find(
                place(
                    Processor::Orchestration.name(),
                    self.key,
                    &format!("{}{item}", state::ITEM_PLAN_PREFIX),
                ),
                "it is missing, and the item is there",
            );
        }
        for plan in &self.kepts.item_plans {
            for task in plan.tasks.iter().filter(|task| !self.kepts.tasks.contains_key(*task)) {
                self.check.find(
                    place(Processor::Orchestration.name(), self.key, &state::task_cell(*task)),
                    format!("it is missing, and item \"{}\" has the task", plan.planned.item_id),
                );
            }
        }
    }

    /// Open cases are kept, and only they.
    fn fallout(&mut self) {
        let told = self.told.cases.get(self.key).map(Vec::as_slice).unwrap_or_default();
        let is_open = |row: &&Row| row.get("isOpen").and_then(serde_json::Value::as_bool) == Some(true);
        let open: BTreeSet<&str> = told.iter().filter(is_open).map(|row| text(row, "id")).collect();
        for id in open
            .iter()
            .filter(|id| !self.kepts.cases.contains(**id))
            .map(|id| (*id).to_owned())
            .collect::<Vec<_>>()
        {
            self.find(
                Processor::Fallout,
                &format!("case/{id}"),
                "it is missing, and the case is open by the events",
            );
        }
        for id in
            self.kepts.cases.iter().filter(|id| !open.contains(id.as_str())).cloned().collect::<Vec<_>>()
        {
            self.find(
                Processor::Fallout,
                &format!("case/{id}"),
                "it is kept as open, and is not by the events",
            );
        }
        let counted = self.kepts.fallout.as_ref().map_or(0, |head| head.open as usize);
        if counted != self.kepts.cases.len() {
            let what =
                format!("{counted} cases are open by its count, and {} are kept", self.kepts.cases.len());
            self.find(Processor::Fallout, fallout::state::HEAD, what);
        }
    }

    /// Every active order is watched, by a timer that fires.
    fn watch(&mut self, state: OrderState) {
        match self.kepts.stuck.as_ref().map(|stuck| stuck.timer_at) {
            Some(Some(at)) => self.timer(Processor::StuckOrders, stuck_orders::TIMER, at),
            Some(None) => {}
            None if state.is_active() && self.subject.is_quiet => {
                self.find(
                    Processor::StuckOrders,
                    "state",
                    "it is missing: nobody would notice if the order got stuck",
                );
            }
            None => {}
        }
    }

    /// There is a timer of this name that fires at `due` or before.
    fn timer(&mut self, processor: Processor, name: &str, due: Timestamp) {
        match self.timer_due(processor, name) {
            Ok(Some(found)) if found <= due => {}
            Ok(found) => {
                let found = found.map_or("is not set".to_owned(), |found| format!("fires only at {found}"));
                self.check.find(
                    format!("timer \"{name}\" of {} of \"{}\"", processor.name(), self.key),
                    format!("it {found}, and is wanted at {due}"),
                );
            }
            Err(error) => self.check.unreadable(format!("timer \"{name}\" of \"{}\"", self.key), &error),
        }
    }

    fn timer_due(&self, processor: Processor, name: &str) -> Result<Option<Timestamp>, runtime::Error> {
        let partition = self.subject.partition_of(self.key);
        let timer = TimerKey::new(partition, processor.name(), self.key.as_bytes(), name);
        Ok(self.subject.log.timer_due_ms(&timer)?.map(Timestamp))
    }

    /// A timer that moves it, a command whose answer is awaited, a turn, a case, a wait.
    fn is_expected(&self) -> bool {
        let kepts = self.kepts;
        let waits = kepts.head.as_ref().is_some_and(|head| !head.waits.is_empty())
            || kepts.stuck.as_ref().is_some_and(|stuck| stuck.waits || stuck.stuck.is_some());
        let asks = kepts.validation.as_ref().is_some_and(|state| state.question.is_some());
        let works = kepts.tasks.values().any(|kept| match kept.task.state {
            TaskState::Dispatched
            | TaskState::Accepted
            | TaskState::WaitingCallback
            | TaskState::UnknownOutcome => true,
            TaskState::Deferred => kept.turn_wanted,
            TaskState::FailedRetrying => {
                matches!(
                    self.timer_due(Processor::Orchestration, &state::task_cell(kept.task.planned.id)),
                    Ok(Some(_))
                )
            }
            TaskState::NotStarted
            | TaskState::Ready
            | TaskState::Completed
            | TaskState::FailedRepairable
            | TaskState::FailedTerminal
            | TaskState::Cancelled
            | TaskState::Skipped
            | TaskState::Undone => false,
        });
        let starts =
            matches!(self.timer_due(Processor::Orchestration, orchestration::START_TIMER), Ok(Some(_)));
        waits || asks || works || starts || !kepts.cases.is_empty()
    }
}

/// Its tasks are no longer kept, or are just being deleted.
fn is_forgotten(head: &Head) -> bool {
    let is_final = head.state == OrderState::Completed || head.state == OrderState::Cancelled;
    let due = head.ended_at.map(|at| at.plus_ms(orchestration::RETENTION_MS_DEFAULT));
    is_final && due.is_some_and(|due| due <= Timestamp(SystemClock.now_ms()))
}
