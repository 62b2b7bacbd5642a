//! The plan as cells: what never changes of an item, and the counters that say when something is done.
use std::collections::{BTreeMap, BTreeSet};

use domain::order::{ItemAction, ItemState, Order, Values};
use domain::plan::{ExecutionMode, Plan, PlannedTask, ServiceOrder, ServiceOrderState, Task, TaskState};
use domain::{ItemId, ServiceOrderId, TaskId};

use super::state::{ItemPlan, ItemRecord, ServiceOrderRecord, TaskRecord};
use super::step::Step;

/// An item, and the items that stand in some relation to it.
type Relation = BTreeMap<ItemId, BTreeSet<ItemId>>;

/// Lays the plan down; nothing is sent yet.
pub(super) fn lay_down(step: &mut Step<'_>, order: &Order, plan: Plan) {
    let mut successors: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
    let mut tasks_of: BTreeMap<ItemId, Vec<TaskId>> = BTreeMap::new();
    let mut roots_of: BTreeMap<ItemId, Vec<TaskId>> = BTreeMap::new();
    let mut open: BTreeMap<ServiceOrderId, u32> = BTreeMap::new();
    for task in &plan.tasks {
        tasks_of.entry(task.item_id.clone()).or_default().push(task.id);
        if task.predecessors.is_empty() {
            roots_of.entry(task.item_id.clone()).or_default().push(task.id);
        }
        for predecessor in &task.predecessors {
            successors.entry(*predecessor).or_default().push(task.id);
        }
        *open.entry(task.service_order).or_default() += 1;
    }
    for parent in plan.service_orders.iter().filter_map(|service_order| service_order.parent) {
        *open.entry(parent).or_default() += 1;
    }
    let awaits = items_awaited(&plan, &tasks_of);
    let awaited_by = turned(&awaits);
    let needs = plan.items.iter().map(|item| (item.item_id.clone(), item.requires.iter().cloned().collect()));
    let needed_by = turned(&needs.collect());
    let related = |relation: &Relation, id: &ItemId| -> Vec<ItemId> {
        relation.get(id).map(|items| items.iter().cloned().collect()).unwrap_or_default()
    };
    for planned in plan.items {
        let id = planned.item_id.clone();
        let tasks = tasks_of.remove(&id).unwrap_or_default();
        let awaited = awaits.get(&id).map_or(0, BTreeSet::len);
        step.add_item(ItemRecord {
            item_id: id.clone(),
            state: ItemState::Pending,
            action: planned.action,
            optional: planned.optional,
            open: (tasks.len() + awaited) as u32,
            blocked: 0,
            started: false,
        });
        let idle = plan.service_orders.iter().filter(|it| it.item_id == id && !open.contains_key(&it.id));
        step.add_item_plan(ItemPlan {
            ordered: order.item(&id).cloned(),
            tasks,
            roots: roots_of.remove(&id).unwrap_or_default(),
            service_orders_idle: idle.map(|service_order| service_order.id).collect(),
            needed_by: related(&needed_by, &id),
            awaited_by: related(&awaited_by, &id),
            planned,
        });
    }
    for service_order in plan.service_orders {
        let open = open.get(&service_order.id).copied().unwrap_or(0);
        step.add_service_order(new_service_order(service_order, open));
    }
    for planned in plan.tasks {
        let successors = successors.remove(&planned.id).unwrap_or_default();
        step.add_task(new_task(planned, successors));
    }
}

/// For each item, the items that have to be settled before it can complete.
///
/// An item waits for what it requires. One without work of its own (a bundle) waits for those that require it instead, and these
/// not for it; otherwise it would be charged for before anything of it works. Items that wait for one another in a circle wait
/// for their own tasks only.
fn items_awaited(plan: &Plan, tasks_of: &BTreeMap<ItemId, Vec<TaskId>>) -> Relation {
    let works: Vec<_> = plan.items.iter().filter(|item| item.action != ItemAction::NoChange).collect();
    let frames: BTreeSet<&ItemId> =
        works.iter().map(|it| &it.item_id).filter(|id| !tasks_of.contains_key(*id)).collect();
    let planned: BTreeSet<&ItemId> = plan.items.iter().map(|it| &it.item_id).collect();
    let mut awaits = Relation::new();
    for item in works {
        for required in item.requires.iter().filter(|id| **id != item.item_id && planned.contains(id)) {
            let (waiting, awaited) =
                if frames.contains(required) { (required, &item.item_id) } else { (&item.item_id, required) };
            awaits.entry(waiting.clone()).or_default().insert(awaited.clone());
        }
    }
    without_circles(awaits)
}

fn without_circles(mut awaits: Relation) -> Relation {
    let awaited_by = turned(&awaits);
    let mut counts: BTreeMap<ItemId, usize> =
        awaits.iter().map(|(id, awaited)| (id.clone(), awaited.len())).collect();
    let mut free: Vec<ItemId> = awaited_by.keys().filter(|id| !counts.contains_key(*id)).cloned().collect();
    while let Some(id) = free.pop() {
        for waiting in awaited_by.get(&id).into_iter().flatten() {
            let Some(count) = counts.get_mut(waiting) else { continue };
            *count -= 1;
            if *count == 0 {
                counts.remove(waiting);
                free.push(waiting.clone());
            }
        }
    }
    // What is left waits, directly or not, for itself.
    for id in counts.keys() {
        awaits.remove(id);
    }
    awaits
}

fn turned(relation: &Relation) -> Relation {
    let mut turned = Relation::new();
    for (from, targets) in relation {
        for target in targets {
            turned.entry(target.clone()).or_default().insert(from.clone());
        }
    }
    turned
}

fn new_service_order(service_order: ServiceOrder, open: u32) -> ServiceOrderRecord {
    ServiceOrderRecord {
        id: service_order.id,
        item_id: service_order.item_id,
        parent: service_order.parent,
        state: ServiceOrderState::Acknowledged,
        open,
        active: 0,
        blocked: 0,
        cancelled: 0,
        started: false,
        failed: false,
        partial: false,
    }
}

fn new_task(planned: PlannedTask, successors: Vec<TaskId>) -> TaskRecord {
    let task = Task {
        // A predecessor that is not in the plan is never done: the stuck-order scan will show it, and nothing is sent too early.
        waiting_for: planned.predecessors.len() as u32,
        planned,
        successors,
        state: TaskState::NotStarted,
        mode: ExecutionMode::Do,
        in_fallout: false,
        run: 1,
        attempt: 0,
        command_id: None,
        queries: 0,
        outputs: Values::new(),
        ran_with: None,
        dispatched_at: None,
        finished_at: None,
        due: None,
        last_failure: None,
        skip_reason: None,
        feedback_seen: Vec::new(),
    };
    TaskRecord { task, first_sent_at: None, answer_awaited: false, granted: false, turn_wanted: false }
}
