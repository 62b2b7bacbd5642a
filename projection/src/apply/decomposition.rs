//! The plan: the order's service orders and tasks, and what the catalog says of its items.
use std::collections::BTreeMap;

use domain::order::OrderState;
use domain::order::event::{DecompositionFailed, OrderDecomposed};
use domain::plan::{ExecutionMode, Plan, PlannedTask, ServiceOrder, ServiceOrderState, TaskState};
use domain::states::Machine;
use domain::{ItemId, TaskId};

use super::Staged;
use super::capture::{describe, replace_items};
use super::validation::decide;
use crate::rows::{At, JsonText, ServiceOrderRow, SubmissionOutcome, TaskRow};

pub(super) fn decomposed(staged: &mut Staged, event: OrderDecomposed) -> bool {
    let OrderDecomposed { cause, order, plan } = event;
    let at = At(cause.at);
    let Some(row) = staged.order(&cause) else { return false };
    let planned_before = row.task_count > 0;
    describe(row, &order);
    row.enter(OrderState::Decomposed, at);
    row.task_count = u32::try_from(plan.tasks.len()).unwrap_or(u32::MAX);
    row.tasks_done = 0;
    row.waiting_for = None;
    row.next_due = None;
    let submission = row.submission;
    let key = cause.order_key.clone();
    if planned_before {
        let tasks = staged.tasks.keys(|task| task.order_key == key);
        staged.tasks.forget(tasks);
        let service_orders = staged.service_orders.keys(|service_order| service_order.order_key == key);
        staged.service_orders.forget(service_orders);
        staged.plan_replaced.insert(key.clone());
    }
    // What an earlier attempt failed for does not hold any more.
    let failed_before = |row: &crate::rows::SubmissionRow| row.outcome == SubmissionOutcome::NotDecomposed;
    if staged.submissions.get(&(key.clone(), submission)).is_some_and(failed_before) {
        decide(staged, &cause, submission, &order.request_id, SubmissionOutcome::Validated, &[]);
    }
    replace_items(staged, &key, &order, at);
    for item in &plan.items {
        if let Some(row) = staged.items.change(&(key.clone(), item.item_id.clone())) {
            row.optional = item.optional;
            row.billable = item.billable;
            row.products = JsonText::of(&item.products);
            row.requires = JsonText::of(&item.requires);
        }
    }
    for service_order in plan.service_orders.iter() {
        staged.service_orders.put(service_order_row(service_order, &key, at));
    }
    let positions = work_order(&plan);
    for task in &plan.tasks {
        let position = positions.get(&task.id).copied().unwrap_or_default();
        staged.tasks.put(task_row(task, &key, position, at));
    }
    true
}

/// The order stays validated; a case is opened beside it.
pub(super) fn failed(staged: &mut Staged, event: DecompositionFailed) -> bool {
    let Some(row) = staged.order(&event.cause) else { return false };
    let (submission, request_id) = (row.submission, row.request_id.clone());
    decide(staged, &event.cause, submission, &request_id, SubmissionOutcome::NotDecomposed, &event.reasons);
    true
}

fn service_order_row(service_order: &ServiceOrder, key: &domain::OrderKey, at: At) -> ServiceOrderRow {
    ServiceOrderRow {
        id: service_order.id,
        order_key: key.clone(),
        item_id: service_order.item_id.clone(),
        kind: service_order.kind,
        specification: service_order.specification.clone(),
        parent: service_order.parent,
        characteristics: JsonText::of_values(&service_order.characteristics),
        state: ServiceOrderState::INITIAL,
        updated_at: at,
    }
}

fn task_row(task: &PlannedTask, key: &domain::OrderKey, position: u32, at: At) -> TaskRow {
    TaskRow {
        id: task.id,
        order_key: key.clone(),
        item_id: task.item_id.clone(),
        position,
        component: task.component.clone(),
        task_type: task.task_type.clone(),
        system: task.system.clone(),
        service_order: task.service_order,
        action: task.action,
        predecessors: JsonText::of(&task.predecessors),
        inputs: JsonText::of(&task.inputs),
        milestone: task.milestone.clone(),
        product: task.product.clone(),
        state: TaskState::INITIAL,
        mode: ExecutionMode::Do,
        in_fallout: false,
        attempt: 0,
        command_id: None,
        commands_sent: 0,
        retries: 0,
        failure: JsonText::of(&()),
        reason: None,
        outputs: JsonText::of(&BTreeMap::<String, ()>::new()),
        next_due: None,
        started_at: None,
        finished_at: None,
        updated_at: at,
    }
}

/// The tasks in a sequence in which they could be done: by how long the chain before them is, then by item and component.
fn work_order(plan: &Plan) -> BTreeMap<TaskId, u32> {
    let mut successors: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
    let mut waiting_for: BTreeMap<TaskId, usize> = BTreeMap::new();
    for task in &plan.tasks {
        waiting_for.insert(task.id, task.predecessors.len());
        for predecessor in &task.predecessors {
            successors.entry(*predecessor).or_default().push(task.id);
        }
    }
    // Tasks enter once all their predecessors have; a task of a cycle, which no plan has, never does, and is shown last.
    let mut depths: BTreeMap<TaskId, u32> = BTreeMap::new();
    let mut ready: Vec<TaskId> =
        waiting_for.iter().filter(|(_, open)| **open == 0).map(|(id, _)| *id).collect();
    for depth in 0.. {
        let mut next = Vec::new();
        for id in std::mem::take(&mut ready) {
            depths.insert(id, depth);
            for successor in successors.get(&id).into_iter().flatten() {
                if let Some(open) = waiting_for.get_mut(successor) {
                    *open -= 1;
                    next.extend((*open == 0).then_some(*successor));
                }
            }
        }
        if next.is_empty() {
            break;
        }
        ready = next;
    }
    let items: BTreeMap<&ItemId, usize> = plan.items.iter().map(|item| &item.item_id).zip(0..).collect();
    let mut sequence: Vec<&PlannedTask> = plan.tasks.iter().collect();
    sequence.sort_by_cached_key(|task| {
        let depth = depths.get(&task.id).copied().unwrap_or(u32::MAX);
        (depth, items.get(&task.item_id).copied(), task.component.clone(), task.id)
    });
    sequence.iter().map(|task| task.id).zip(0..).collect()
}
