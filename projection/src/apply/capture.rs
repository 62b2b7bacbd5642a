//! Captured orders: the first submission makes the order; a later one is only noted until validation has spoken.
use domain::order::event::OrderCaptured;
use domain::order::{ItemState, Order, OrderItem, OrderState};
use domain::{ItemId, OrderKey};

use super::Staged;
use crate::rows::{At, ItemRow, JsonText, OrderRow, SubmissionOutcome, SubmissionRow, indexed};

pub(super) fn captured(staged: &mut Staged, event: OrderCaptured) -> bool {
    let OrderCaptured { cause, submission, order, findings, evidence } = event;
    let at = At(cause.at);
    staged.submissions.put(SubmissionRow {
        order_key: cause.order_key.clone(),
        submission,
        request_id: order.request_id.clone(),
        outcome: SubmissionOutcome::Pending,
        received_at: at,
        decided_at: None,
        contract: Some(order.contract.clone()),
        catalog_version: Some(order.catalog_version.clone()),
        evidence: JsonText::of(&evidence),
        reasons: JsonText::of(&findings),
        snapshot: JsonText::of(&order),
    });
    if submission == 1 {
        staged.orders.put(new_order(cause.order_key.clone(), at, staged.sequence, &order));
        replace_items(staged, &cause.order_key, &order, at);
        return true;
    }
    let Some(row) = staged.order(&cause) else { return false };
    row.submissions = row.submissions.max(submission);
    true
}

fn new_order(key: OrderKey, at: At, sequence: i64, order: &Order) -> OrderRow {
    let mut row = OrderRow {
        key,
        state: OrderState::Captured,
        shown_state: String::new(),
        order_version: 0,
        catalog_version: order.catalog_version.clone(),
        requester: String::new(),
        external_id: None,
        contract: String::new(),
        priority: 0,
        category: None,
        captured_at: at,
        updated_at: at,
        ended_at: None,
        requested_completion: None,
        submission: 1,
        submissions: 1,
        request_id: order.request_id.clone(),
        waiting_for: None,
        next_due: None,
        stuck: false,
        stuck_since: None,
        open_cases: 0,
        cases: 0,
        item_count: 0,
        items_completed: 0,
        task_count: 0,
        tasks_done: 0,
        last_sequence: sequence,
    };
    describe(&mut row, order);
    row.enter(OrderState::Captured, at);
    row
}

/// Takes over what a snapshot of the order says.
pub(super) fn describe(row: &mut OrderRow, order: &Order) {
    row.order_version = order.order_version;
    row.catalog_version = order.catalog_version.clone();
    row.requester = indexed(order.requester.clone());
    // Most give no id of their own beside the reference that names the order.
    let reference = || order.key.parts().map(|[.., reference]| reference);
    row.external_id = order.external_id.clone().or_else(reference).map(indexed);
    row.contract = order.contract.clone();
    row.priority = u32::from(order.priority.level());
    row.category = order.category.clone();
    row.requested_completion = order.dates.requested_completion.map(At);
    row.request_id = order.request_id.clone();
}

/// The order's items are those of this snapshot, and nothing has happened to them yet.
pub(super) fn replace_items(staged: &mut Staged, key: &OrderKey, order: &Order, at: At) {
    // Found by their range: a batch of new orders would otherwise look at all items of all others.
    let of_order =
        staged.items.keys_from((key.clone(), ItemId(String::new())), |item| item.order_key == *key);
    staged.items.forget(of_order);
    staged.items_replaced.insert(key.clone());
    let mut distinct = std::collections::BTreeSet::new();
    for (position, item) in (0..).zip(&order.items) {
        // An order that is not validated can name two items alike; the first is shown.
        if distinct.insert(&item.id) {
            staged.items.put(item_row(key, position, item, at));
        }
    }
    if let Some(row) = staged.orders.change(&(key.clone(),)) {
        row.item_count = u32::try_from(distinct.len()).unwrap_or(u32::MAX);
        row.items_completed = 0;
    }
}

fn item_row(key: &OrderKey, position: u32, item: &OrderItem, at: At) -> ItemRow {
    let members = item.characteristics.iter().map(|one| (one.name.as_str(), &one.value));
    let none: [&str; 0] = [];
    ItemRow {
        order_key: key.clone(),
        item_id: item.id.clone(),
        position,
        state: ItemState::Pending,
        action: item.action,
        quantity: item.quantity,
        offering: item.offering.as_ref().map(|offering| indexed(offering.id.clone())),
        offering_name: item.offering.as_ref().and_then(|offering| offering.name.clone()),
        specification: item.specification.as_ref().map(|specification| specification.id.clone()),
        product: item.product.as_ref().map(|product| product.id.clone()),
        products: JsonText::of(&none),
        parent: item.parent.clone(),
        requires: JsonText::of(&none),
        optional: false,
        billable: false,
        characteristics: JsonText::of_members(members),
        milestones: JsonText::of(&none),
        reason: None,
        updated_at: at,
    }
}

impl OrderRow {
    /// The order is in this state since `at`, and moved: it is not stuck.
    pub(super) fn enter(&mut self, state: OrderState, at: At) {
        self.state = state;
        self.shown_state = state.shown_outside().to_owned();
        self.ended_at = (!state.is_active()).then_some(at);
        self.moved();
    }

    /// Something of the order moved: it is not stuck.
    pub(super) fn moved(&mut self) {
        self.stuck = false;
        self.stuck_since = None;
    }
}
