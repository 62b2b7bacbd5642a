//! What is wrong, what is in danger, and what was reached. Whoever ordered reads it: nothing of how we work inside is told.
//!
//! While an order goes on, an open case is something in danger; once nothing goes on any more, it is the error that the order ended with.
use domain::fallout::Detection;
use domain::order::OrderItem;
use domain::{ItemId, OrderKey, Reason};

use super::Style;
use super::object::{Object, text};
use super::view::{CaseView, MilestoneView, OrderView};
use crate::tmf::json::Node;

/// What is told of a case for which the catalog's rules say nothing to the customer.
const MESSAGE_OPEN: &str = "the order is delayed; it is being looked at";
const MESSAGE_ENDED: &str = "it could not be carried out";
const MESSAGE_STUCK: &str = "nothing has happened for longer than expected; it is being looked at";

/// Why it was refused, or what it failed of.
pub(super) fn errors(view: &OrderView, style: &Style) -> Vec<Node> {
    let refusal = view.refusal.iter().flat_map(|refusal| {
        refusal.reasons.iter().map(|reason| {
            let item = item_at(&view.order.items, reason);
            message(&format!("{:?}", reason.code), style)
                .put("reason", text(&reason.message))
                .put("message", text(&reason.to_string()))
                .time("timestamp", Some(refusal.at))
                .list("productOrderItem", item.map(|item| item_ref(&view.order.key, &item.id, style)))
                .done()
        })
    });
    let ended = view.cases.iter().filter(|_| !view.state.is_active()).map(|case| {
        message(&case.normalized_code, style)
            .put("reason", text(case.customer_message.as_deref().unwrap_or(MESSAGE_ENDED)))
            .time("timestamp", Some(case.at))
            .list("productOrderItem", case.item_id.iter().map(|id| item_ref(&view.order.key, id, style)))
            .done()
    });
    refusal.chain(ended).collect()
}

fn message(code: &str, style: &Style) -> Object {
    Object::typed(style, "ProductOrderErrorMessage").put("code", text(code))
}

/// The innermost item that a reason is about.
fn item_at<'o>(items: &'o [OrderItem], reason: &Reason) -> Option<&'o OrderItem> {
    let holds = |item: &&OrderItem| {
        let below = reason.pointer.strip_prefix(item.pointer.as_str());
        !item.pointer.is_empty() && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    items.iter().filter(holds).max_by_key(|item| item.pointer.len())
}

/// What is in danger.
pub(super) fn alerts(view: &OrderView, style: &Style) -> Vec<Node> {
    if !view.state.is_active() {
        return Vec::new();
    }
    let of_case = |case: &CaseView| {
        let default = if case.detection == Detection::StuckOrder { MESSAGE_STUCK } else { MESSAGE_OPEN };
        Object::typed(style, "ProductOrderJeopardyAlert")
            .put("id", text(&case.id.to_string()))
            .put("name", text(&case.normalized_code))
            .put("jeopardyType", text(detected(case.detection)))
            .put("message", text(case.customer_message.as_deref().unwrap_or(default)))
            .time("alertDate", Some(case.at))
            .list("productOrderItem", case.item_id.iter().map(|id| item_ref(&view.order.key, id, style)))
            .done()
    };
    let has_case = view.cases.iter().any(|case| case.detection == Detection::StuckOrder);
    let stuck = view.stuck_since.filter(|_| !has_case).map(|since| {
        Object::typed(style, "ProductOrderJeopardyAlert")
            .put("id", text("stuck"))
            .put("name", text("stuck"))
            .put("jeopardyType", text(detected(Detection::StuckOrder)))
            .put("message", text(MESSAGE_STUCK))
            .time("alertDate", Some(since))
            .done()
    });
    view.cases.iter().map(of_case).chain(stuck).collect()
}

pub(super) fn detected(by: Detection) -> &'static str {
    match by {
        Detection::TaskFailed => "taskFailed",
        Detection::RetriesExhausted => "retriesExhausted",
        Detection::Timeout => "timeout",
        Detection::InputMissing => "inputMissing",
        Detection::DecompositionFailed => "decompositionFailed",
        Detection::FeasibilityUnanswered => "feasibilityUnanswered",
        Detection::WaitEnded => "waitEnded",
        Detection::StuckOrder => "stuckOrder",
        Detection::InvariantBroken => "invariantBroken",
        Detection::ReconciliationMismatch => "reconciliationMismatch",
    }
}

/// Those of the plan, reached or not.
pub(super) fn milestones(view: &OrderView, style: &Style) -> Vec<Node> {
    let of_plan = |milestone: &MilestoneView| {
        Object::typed(style, "ProductOrderMilestone")
            .put("id", text(&milestone.task_id.to_string()))
            .put("name", text(&milestone.name))
            .put("status", text(status(milestone, view.state.is_active())))
            .time("milestoneDate", milestone.reached_at)
            .put("productOrderItem", Node::List(vec![item_ref(&view.order.key, &milestone.item_id, style)]))
            .done()
    };
    view.milestones.iter().map(of_plan).collect()
}

/// The three words that v5 allows; v4's TMF641 leaves them open.
pub(super) fn status(milestone: &MilestoneView, can_be_reached: bool) -> &'static str {
    match (milestone.reached_at, can_be_reached) {
        (Some(_), _) => "Completed",
        (None, true) => "Yet-To-Reach",
        (None, false) => "Violated",
    }
}

/// The capital in the name of the address is the standard's.
fn item_ref(key: &OrderKey, item: &ItemId, style: &Style) -> Node {
    Object::typed(style, "ProductOrderItemRef")
        .put("productOrderId", text(key.as_str()))
        .put("productOrderItemId", text(&item.0))
        .put("ProductOrderHref", style.order_href(key))
        .done()
}
