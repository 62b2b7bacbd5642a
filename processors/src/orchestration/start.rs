//! How an order begins: its plan becomes cells, what it has to wait for is found, and the first tasks are sent.
use std::collections::BTreeSet;

use domain::inventory::{ProductRequest, ProductRequestKind};
use domain::order::event::{OrderDecomposed, OrderSignal, SignalKind};
use domain::order::{ItemAction, Order, OrderState, OrderTrigger, Values};
use domain::plan::Plan;
use domain::{ItemId, OrderKey, TaskId};

use super::state::{Cell, Head, Wait};
use super::step::{OrderWords, Step};
use super::{Output, START_TIMER, World, dispatch, layout, notify};
use crate::{Arrival, Cells};

pub(super) fn decomposed(
    key: &OrderKey,
    cells: &mut dyn Cells<Cell>,
    event: OrderDecomposed,
    world: &World<'_>,
    arrival: &Arrival,
) -> Vec<Output> {
    let OrderDecomposed { cause, order, plan } = event;
    let waits = waits_of(&order, &plan, arrival);
    let head = head_of(&order, &plan, cause.correlation_id, waits);
    let items: Vec<ItemId> = plan.items.iter().map(|item| item.item_id.clone()).collect();
    let mut step = Step::of_new_order(key, cells, head, world, arrival);
    layout::lay_down(&mut step, &order, plan);
    if step.head.waits.is_empty() {
        begin(&mut step, &items);
    } else {
        ask_and_wait(&mut step, &order);
    }
    step.finish()
}

fn head_of(order: &Order, plan: &Plan, correlation_id: String, waits: Vec<Wait>) -> Head {
    let revision =
        order.revision.as_ref().map(|revision| format!(", revision {revision}")).unwrap_or_default();
    Head {
        state: OrderState::Decomposed,
        order_version: order.order_version,
        catalog_version: plan.catalog_version.clone(),
        correlation_id,
        requester: order.requester.clone(),
        customer: order.party("customer").map(|party| party.id.clone()),
        priority: order.priority,
        dates: order.dates.clone(),
        billing_account: order.billing_account.clone(),
        commercial_evidence: format!(
            "request {}, order version {}{revision}",
            order.request_id, order.order_version
        ),
        waits,
        items_open: plan.items.len() as u32,
        items_failed_mandatory: 0,
        items_failed_optional: 0,
        tasks_active: 0,
        ended_at: None,
    }
}

/// What has to be over first: the requested start, the orders it follows, and the products that it changes.
fn waits_of(order: &Order, plan: &Plan, arrival: &Arrival) -> Vec<Wait> {
    let none = Wait { start: None, order: None, product: None, failed: false };
    let mut waits = Vec::new();
    if let Some(start) = order.dates.requested_start.filter(|start| *start > arrival.now) {
        waits.push(Wait { start: Some(start), ..none.clone() });
    }
    let orders: BTreeSet<_> = order.follows.iter().collect();
    waits.extend(orders.into_iter().map(|followed| Wait { order: Some(followed.clone()), ..none.clone() }));
    let changed = plan.items.iter().filter(|item| changes_product(item.action));
    let products: BTreeSet<_> =
        changed.filter_map(|item| order.item(&item.item_id)?.product.as_ref()).map(|p| &p.id).collect();
    waits.extend(products.into_iter().map(|product| Wait { product: Some(product.clone()), ..none.clone() }));
    waits
}

fn changes_product(action: ItemAction) -> bool {
    match action {
        ItemAction::Modify | ItemAction::Delete => true,
        ItemAction::Add | ItemAction::NoChange => false,
    }
}

/// Whoever is waited for is told so; each answers when it is over, at once where it is.
fn ask_and_wait(step: &mut Step<'_>, order: &Order) {
    let waits = step.head.waits.clone();
    for wait in &waits {
        if let Some(due) = wait.start {
            step.effect(Output::SetTimer { name: START_TIMER.to_owned(), due });
        }
        if let Some(followed) = &wait.order {
            let signal = OrderSignal {
                order_key: followed.clone(),
                kind: SignalKind::FollowerWaits,
                from_order: Some(step.key.clone()),
                product: None,
                product_version: None,
                task_id: None,
                message: None,
                at: step.now(),
                causation_id: step.arrival.id.clone(),
            };
            step.effect(Output::Signal(Box::new(signal)));
        }
    }
    for item in order.items.iter().filter(|item| changes_product(item.action)) {
        let Some(product) = &item.product else { continue };
        let request = ProductRequest {
            product_id: product.id.clone(),
            kind: ProductRequestKind::Await,
            order_key: step.key.clone(),
            item_id: item.id.clone(),
            report: None,
            expected_version: product.version,
            offering: None,
            specification: None,
            catalog_version: Some(step.head.catalog_version.clone()),
            customer: step.head.customer.clone(),
            characteristics: Values::new(),
            at: step.now(),
            correlation_id: step.head.correlation_id.clone(),
            causation_id: step.arrival.id.clone(),
        };
        step.effect(Output::Product(Box::new(request)));
    }
    let shown: Vec<String> = waits.iter().map(Wait::to_string).collect();
    // Only a date alone says when: another order or a product ends when it ends.
    let next_due = if let [Wait { start, .. }] = waits.as_slice() { *start } else { None };
    let words = OrderWords { waiting_for: Some(shown.join(", ")), next_due, ..OrderWords::default() };
    step.trigger_order(OrderTrigger::StartAwaited, true, words);
    notify::order(step);
}

/// Nothing is awaited any more: the order starts, and with it every task that waits for no other.
pub(super) fn begin(step: &mut Step<'_>, items: &[ItemId]) {
    if !step.trigger_order(OrderTrigger::Started, true, OrderWords::default()) {
        return;
    }
    notify::order(step);
    let mut roots: Vec<TaskId> = Vec::new();
    for id in items {
        let Some(plan) = step.item_plan(id) else { continue };
        roots.extend(&plan.roots);
        step.service_orders_touched.extend(&plan.service_orders_idle);
        step.items_touched.insert(id.clone());
    }
    roots.sort_unstable();
    for id in roots {
        dispatch::ready(step, id);
    }
}
