//! One planner for every plan and every change of one. Pure: equal order and equal catalog give an equal plan, always.
//!
//! [`decompose`] reads the items and how they relate ([`items`]), makes the components of each and their tasks
//! ([`components`]), finds where every input comes from and what waits for what ([`connect`]), and puts the plan together.
use std::collections::HashSet;

use crate::catalog::Catalog;
use crate::order::Order;
use crate::plan::{Plan, PlannedItem, PlannedTask};
use crate::{Reason, ReasonCode, TaskId, limits, reason, size};

mod components;
mod connect;
mod graph;
mod inputs;
mod items;
#[cfg(test)]
pub(crate) mod tests;

pub use graph::sequence;

/// How an order is built, by the catalog version that it pins.
///
/// The sequence of the order's items does not matter. An item of action noChange gives no task. Where a task deletes, what the
/// catalog says of sequence is turned round; data always flows from the task that reports to the task that takes.
///
/// # Errors
/// Every reason for which the catalog cannot say how, at once, at most [`limits::REASONS_MAX`] (domain model, "Decomposition").
pub fn decompose(order: &Order, catalog: &Catalog) -> Result<Plan, Vec<Reason>> {
    let mut reasons = Reasons::default();
    if order.catalog_version != catalog.version {
        let message = format!(
            "the order runs on catalog version \"{}\" and never on another; \"{}\" was given",
            order.catalog_version, catalog.version
        );
        return Err(vec![Reason::new(ReasonCode::CatalogVersionUnknown, "", message)]);
    }
    let items = items::read(order, catalog, &mut reasons);
    let mut drafts = components::expand(order, catalog, &items, &mut reasons);
    if reasons.is_too_large() {
        return Err(reasons.into_all());
    }
    connect::connect(order, catalog, &items, &mut drafts, &mut reasons);
    graph::check(&items, &drafts, &mut reasons);
    if reasons.is_empty() && drafts.tasks.is_empty() {
        reasons.add(
            ReasonCode::PlanEmpty,
            "",
            "the order asks for nothing that has to be done; an item must add, modify or delete",
        );
    }
    if !reasons.is_empty() {
        return Err(reasons.into_all());
    }
    let plan = checked(assembled(order, &items, drafts));
    match too_large(order, &plan) {
        Some(reason) => Err(vec![reason]),
        None => Ok(plan),
    }
}

/// Order and plan travel in one record: one that does not fit would be taken from the line by the log, without a word to anybody.
fn too_large(order: &Order, plan: &Plan) -> Option<Reason> {
    let bytes = size::encoded_bytes_max(order) + size::encoded_bytes_max(plan);
    (bytes > limits::ORDER_AND_PLAN_BYTES_MAX).then(|| {
        let message = format!(
            "the order and its plan of {} tasks take {bytes} bytes, at most {} fit; split it, or shorten its longest values",
            plan.tasks.len(),
            limits::ORDER_AND_PLAN_BYTES_MAX
        );
        Reason::new(ReasonCode::PlanTooLarge, "", message)
    })
}

/// Reasons found so far, each once: a hundred units of one item fail for one reason.
#[derive(Default)]
struct Reasons {
    all: Vec<Reason>,
    seen: HashSet<Reason>,
}

impl Reasons {
    fn add(&mut self, code: ReasonCode, pointer: &str, message: impl Into<String>) {
        let reason = Reason::new(code, pointer, message);
        if self.seen.insert(reason.clone()) {
            self.all.push(reason);
        }
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether the plan was given up half way: what is missing from it then says nothing.
    fn is_too_large(&self) -> bool {
        self.all.iter().any(|reason| reason.code == ReasonCode::PlanTooLarge)
    }

    fn into_all(self) -> Vec<Reason> {
        reason::bounded(self.all)
    }
}

fn assembled(order: &Order, items: &items::Items<'_>, drafts: components::Drafts<'_>) -> Plan {
    let planned_items = items.all.iter().map(|item| PlannedItem {
        item_id: item.ordered.id.clone(),
        action: item.ordered.action,
        optional: item.offering.is_some_and(|offering| offering.optional),
        billable: item.offering.is_some_and(|offering| offering.billable),
        products: item.products.clone(),
        requires: item.requires.iter().map(|index| items.all[*index].ordered.id.clone()).collect(),
    });
    let ids: Vec<TaskId> = drafts.tasks.iter().map(|task| task.id).collect();
    let mut service_orders = drafts.used_service_orders(items);
    service_orders.sort_by_key(|service_order| service_order.id);
    let task = |task: components::Draft<'_>| {
        let item = &items.all[task.item];
        let component = &drafts.components[task.component];
        let mut predecessors: Vec<TaskId> = task.predecessors.iter().map(|index| ids[*index]).collect();
        predecessors.sort();
        PlannedTask {
            id: task.id,
            item_id: item.ordered.id.clone(),
            component: component.path.clone(),
            task_type: task.rule.task_type.clone(),
            system: task.system.to_owned(),
            service_order: component.service_order,
            action: item.ordered.action,
            predecessors,
            inputs: task.inputs,
            milestone: task.rule.milestone.clone(),
            product: item.products.get(component.unit as usize - 1).cloned(),
        }
    };
    let mut tasks: Vec<PlannedTask> = drafts.tasks.into_iter().map(task).collect();
    tasks.sort_by_key(|task| task.id);
    Plan {
        catalog_version: order.catalog_version.clone(),
        order_version: order.order_version,
        items: planned_items.collect(),
        service_orders,
        tasks,
    }
}

/// The contract of a plan: whoever runs it relies on it.
fn checked(plan: Plan) -> Plan {
    assert!(
        plan.tasks.is_sorted_by(|a, b| a.id < b.id),
        "sorted by id, and no id twice: equal orders, equal plans"
    );
    assert!(plan.tasks.len() <= limits::PLAN_TASKS_MAX, "a plan that is too large was refused before");
    assert!(
        graph::sequence(&plan.tasks).is_some(),
        "predecessors are in the plan, and the graph has no cycle"
    );
    plan
}
