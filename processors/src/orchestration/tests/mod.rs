//! Given, when, then. One plan serves most tests, a diamond with an optional tail:
//!
//! ```text
//! item 1   a ─┬─ b ─┬─ d        d needs b's output "circuit"
//!             └─ c ─┘
//! item 2      b ─── e ── f      optional; f needs e's output "ip"
//! ```
use std::collections::BTreeMap;

use domain::catalog::Catalog;
use domain::command::{Command, Feedback, FeedbackKind};
use domain::downstream::{CircuitState, DownstreamHealth};
use domain::order::event::{OrderDecomposed, OrderEvent, OrderSignal, SignalKind};
use domain::order::{ItemAction, ItemState, Order, OrderState, Values};
use domain::plan::{
    Plan, PlannedInput, PlannedItem, PlannedTask, ServiceOrder, ServiceOrderKind, ServiceOrderState,
    TaskState,
};
use domain::{Json, OrderKey, ProductId, ServiceOrderId, TaskId, Timestamp};
use serde_json::json;

use super::state::{self, Cell, TaskRecord};
use shown::{name_of, shown};

use super::{Event, Output, Settings, World, handle};
use crate::testing::{arrival, cause, item, key, order};
use crate::{Cells, MemoryCells};

mod cost;
mod failures;
mod health;
mod paths;
mod property;
mod shown;
mod waits;

pub const BREACH_MS: i64 = 1_000;

/// Types `work` (the usual), `patient` (two tries, many questions), `once` (one of each) and `manual` (nobody watches), all of
/// the system `network`.
fn catalog() -> Catalog {
    let task_type = |name: &str, attempts_max: u32, queries_max: u32, timeout_action: &str| {
        json!({
            "name": name, "system": "network", "command": format!("{name}Command"), "expectedMs": 100, "warningMs": 500,
            "breachMs": BREACH_MS, "timeoutAction": timeout_action, "ownerGroup": "network-ops",
            "retry": { "attemptsMax": attempts_max, "backoffMsMin": 100, "backoffMsMax": 400, "windowMs": 1_000_000,
                       "retryableCodes": ["BUSY"], "queriesMax": queries_max },
            "sideEffect": "none", "reversible": "no", "whenChanged": "nothing", "whenNotNeeded": "nothing",
            "customerNotification": if name == "once" { json!("Your line is ready.") } else { json!(null) },
        })
    };
    let rule = |code: &str, recoverability: &str| {
        json!({ "system": "*", "code": code, "normalizedCode": format!("N_{code}"), "domain": "provisioning",
                "recoverability": recoverability, "action": "look" })
    };
    let offering = |id: &str, failed_product: &str| json!({ "id": id, "name": id, "specification": "line", "billable": false, "failedProduct": failed_product });
    let circuit = json!({ "failuresMax": 3, "windowMs": 100, "openMsMin": 50, "openMsMax": 200, "probeMs": 20,
                          "releaseCount": 2, "releaseIntervalMs": 10 });
    let document = json!({
        "version": "2026.11",
        "systems": { "network": { "name": "network", "circuit": circuit, "outageCodes": ["DOWN"] } },
        "taskTypes": {
            "work": task_type("work", 3, 2, "reconcile"),
            "patient": task_type("patient", 2, 100, "reconcile"),
            "once": task_type("once", 1, 1, "reconcile"),
            "manual": task_type("manual", 1, 1, "nothing"),
        },
        "offerings": { "fiber": offering("fiber", "pendingTerminate"), "router": offering("router", "aborted") },
        "productSpecifications": {
            "line": { "id": "line", "name": "line", "version": "1", "commercialOnly": true, "characteristics": [] },
        },
        "serviceSpecifications": {}, "relationKinds": {},
        "falloutRules": [rule("BROKEN", "terminal"), rule("BAD_DATA", "repairable"), rule("TWICE", "unknownOutcome"),
                         rule("FLAKY", "transient"), rule("BUSY", "terminal")],
    });
    Catalog::from_json(&document.to_string()).expect("the test catalog has no findings")
}

fn task_id(name: &str) -> TaskId {
    TaskId::derived(&key(), &"any".into(), name, "task")
}

fn service_order_id(item: &str) -> ServiceOrderId {
    ServiceOrderId::derived(&key(), &item.into(), "service", 1)
}

fn planned_item(id: &str, optional: bool, requires: &[&str]) -> PlannedItem {
    PlannedItem {
        item_id: id.into(),
        action: ItemAction::Add,
        optional,
        billable: true,
        products: vec![ProductId(format!("product-{id}"))],
        requires: requires.iter().map(|id| (*id).into()).collect(),
    }
}

fn planned_task(item: &str, name: &str, predecessors: &[&str]) -> PlannedTask {
    let mut predecessors: Vec<TaskId> = predecessors.iter().map(|name| task_id(name)).collect();
    predecessors.sort_unstable();
    PlannedTask {
        id: task_id(name),
        item_id: item.into(),
        component: name.to_owned(),
        task_type: "work".to_owned(),
        system: "network".to_owned(),
        service_order: service_order_id(item),
        action: ItemAction::Add,
        predecessors,
        inputs: vec![PlannedInput {
            name: "name".into(),
            value: Some(Json::from(name)),
            task: None,
            output: None,
        }],
        milestone: None,
        product: Some(ProductId(format!("product-{item}"))),
    }
}

fn service_order(item: &str) -> ServiceOrder {
    ServiceOrder {
        id: service_order_id(item),
        item_id: item.into(),
        kind: ServiceOrderKind::Service,
        specification: "service".to_owned(),
        parent: None,
        characteristics: Values::new(),
    }
}

fn from_output(name: &str, task: &str, output: &str) -> PlannedInput {
    PlannedInput { name: name.into(), value: None, task: Some(task_id(task)), output: Some(output.into()) }
}

/// The plan of the picture above.
fn diamond() -> (Order, Plan) {
    let mut tasks = vec![
        planned_task("1", "a", &[]),
        planned_task("1", "b", &["a"]),
        planned_task("1", "c", &["a"]),
        planned_task("1", "d", &["b", "c"]),
        planned_task("2", "e", &["b"]),
        planned_task("2", "f", &["e"]),
    ];
    tasks[3].inputs.push(from_output("circuit", "b", "circuit"));
    tasks[3].milestone = Some("lineReady".to_owned());
    tasks[5].inputs.push(from_output("address", "e", "ip"));
    let order = Order { items: vec![item("1", "fiber"), item("2", "router")], ..order() };
    let items = vec![planned_item("1", false, &[]), planned_item("2", true, &["1"])];
    (order, plan(items, tasks))
}

fn plan(items: Vec<PlannedItem>, mut tasks: Vec<PlannedTask>) -> Plan {
    let mut service_orders: Vec<ServiceOrder> = items
        .iter()
        .filter(|item| tasks.iter().any(|task| task.item_id == item.item_id))
        .map(|item| service_order(item.item_id.as_str()))
        .collect();
    service_orders.sort_by_key(|service_order| service_order.id);
    tasks.sort_by_key(|task| task.id);
    Plan { catalog_version: "2026.11".into(), order_version: 1, items, service_orders, tasks }
}

/// One order, its cells, and everything that followed so far.
struct Run<C = MemoryCells<Cell>> {
    key: OrderKey,
    cells: C,
    catalog: Catalog,
    health: BTreeMap<String, DownstreamHealth>,
    now: i64,
    answers: usize,
    /// What followed from the last input.
    last: Vec<Output>,
    all: Vec<Output>,
    timers: BTreeMap<String, Timestamp>,
}

impl<C: Cells<Cell> + Default> Run<C> {
    fn new() -> Run<C> {
        Run {
            key: key(),
            cells: C::default(),
            catalog: catalog(),
            health: BTreeMap::new(),
            now: 1_000,
            answers: 0,
            last: Vec::new(),
            all: Vec::new(),
            timers: BTreeMap::new(),
        }
    }

    fn of((order, plan): (Order, Plan)) -> Run<C> {
        let mut run = Run::new();
        run.decomposed(order, plan);
        run
    }

    fn decomposed(&mut self, order: Order, plan: Plan) -> &mut Run<C> {
        self.event(Event::Decomposed(Box::new(OrderDecomposed { cause: cause(self.now), order, plan })))
    }

    fn event(&mut self, event: Event) -> &mut Run<C> {
        let settings = Settings::default();
        let world = World { catalog: Some(&self.catalog), health: &self.health, settings };
        self.last = handle(&self.key, &mut self.cells, event, &world, &arrival(self.now));
        for output in &self.last {
            match output {
                Output::SetTimer { name, due } => drop(self.timers.insert(name.clone(), *due)),
                Output::CancelTimer { name } => drop(self.timers.remove(name)),
                Output::Event(_)
                | Output::Command(_)
                | Output::Signal(_)
                | Output::Product(_)
                | Output::Observation(_)
                | Output::Billing(_)
                | Output::Notification(_) => (),
            }
        }
        self.all.extend(self.last.iter().cloned());
        self
    }

    /// An answer to the task's command, with an id of its own.
    fn feedback(&mut self, name: &str, kind: FeedbackKind) -> Feedback {
        self.answers += 1;
        let record = self.task(name);
        Feedback {
            feedback_id: format!("answer-{}", self.answers).as_str().into(),
            command_id: record.task.command_id.expect("the task was sent"),
            order_key: self.key.clone(),
            system: "network".to_owned(),
            kind,
            attempt: Some(record.task.attempt),
            outputs: Values::new(),
            code: None,
            message: None,
            retryable: None,
            at: Timestamp(self.now),
        }
    }

    fn take(&mut self, feedback: Feedback) -> &mut Run<C> {
        self.now += 1;
        self.event(Event::Feedback(Box::new(feedback)))
    }

    fn answer(&mut self, name: &str, kind: FeedbackKind) -> &mut Run<C> {
        let feedback = self.feedback(name, kind);
        self.take(feedback)
    }

    /// Completes the task, reporting what the plan needs of any.
    fn complete(&mut self, name: &str) -> &mut Run<C> {
        let outputs = [("circuit".to_owned(), Json::from("C-1")), ("ip".to_owned(), Json::from("192.0.2.1"))];
        let feedback = self.feedback(name, FeedbackKind::Completed);
        self.take(Feedback { outputs: outputs.into(), ..feedback })
    }

    fn fail(&mut self, name: &str, code: &str) -> &mut Run<C> {
        let feedback = self.feedback(name, FeedbackKind::Failed);
        self.take(Feedback { code: Some(code.to_owned()), message: Some("no".to_owned()), ..feedback })
    }

    fn signal(
        &mut self,
        kind: SignalKind,
        from: Option<&str>,
        product: Option<&str>,
        task: Option<&str>,
    ) -> &mut Run<C> {
        self.now += 1;
        let signal = OrderSignal {
            order_key: self.key.clone(),
            kind,
            from_order: from.map(OrderKey::from),
            product: product.map(ProductId::from),
            product_version: None,
            task_id: task.map(task_id),
            message: Some("because".to_owned()),
            at: Timestamp(self.now),
            causation_id: "signal".to_owned(),
        };
        self.event(Event::Signal(Box::new(signal)))
    }

    /// The timer of that name falls due; it has to be set.
    #[track_caller]
    fn timer(&mut self, name: &str) -> &mut Run<C> {
        let due = self.timers.remove(name).unwrap_or_else(|| panic!("no timer \"{name}\" is set"));
        self.now = self.now.max(due.0);
        self.event(Event::Timer { name: name.to_owned() })
    }

    fn task_timer(&mut self, name: &str) -> &mut Run<C> {
        self.timer(&state::task_cell(task_id(name)))
    }

    fn circuit(&mut self, circuit: CircuitState, waiting: u32, watched: bool) -> &mut Run<C> {
        let health = DownstreamHealth {
            system: "network".to_owned(),
            circuit,
            watched,
            changed_at: Timestamp(self.now),
            reason: String::new(),
            waiting,
        };
        self.health.insert("network".to_owned(), health);
        self
    }

    fn task(&self, name: &str) -> TaskRecord {
        match self.cells.get(&state::task_cell(task_id(name))) {
            Some(Cell::Task(record)) => *record,
            other => panic!("task {name} is {other:?}"),
        }
    }

    fn head(&self) -> state::Head {
        super::step::head(&self.cells).expect("the order is there")
    }

    fn item_state(&self, id: &str) -> ItemState {
        match self.cells.get(&state::item_cell(&id.into())) {
            Some(Cell::Item(record)) => record.state,
            other => panic!("item {id} is {other:?}"),
        }
    }

    fn service_order_state(&self, item: &str) -> ServiceOrderState {
        match self.cells.get(&state::service_order_cell(service_order_id(item))) {
            Some(Cell::ServiceOrder(record)) => record.state,
            other => panic!("service order of {item} is {other:?}"),
        }
    }

    /// `order state | tasks by name | items`, in short words: what a test expects is one line.
    #[track_caller]
    fn stands(
        &mut self,
        order: OrderState,
        tasks: &[(&str, TaskState)],
        items: &[(&str, ItemState)],
    ) -> &mut Run<C> {
        assert_eq!(self.head().state, order, "the order");
        for (name, state) in tasks {
            assert_eq!(self.task(name).task.state, *state, "task {name}");
        }
        for (id, state) in items {
            assert_eq!(self.item_state(id), *state, "item {id}");
        }
        self
    }

    /// What followed from the last input, in short words.
    #[track_caller]
    fn gives(&mut self, expected: &[&str]) -> &mut Run<C> {
        let shown: Vec<String> = self.last.iter().map(shown).collect();
        assert_eq!(shown, expected);
        self
    }

    /// The same, only what begins with `prefix`.
    #[track_caller]
    fn gives_of(&mut self, prefix: &str, expected: &[&str]) -> &mut Run<C> {
        let all = self.last.iter().map(shown);
        let shown: Vec<String> = all.filter(|shown| shown.starts_with(prefix)).collect();
        assert_eq!(shown, expected);
        self
    }

    fn commands(&self) -> Vec<Command> {
        let commands = self
            .all
            .iter()
            .filter_map(|output| if let Output::Command(it) = output { Some(&**it) } else { None });
        commands.cloned().collect()
    }
}
