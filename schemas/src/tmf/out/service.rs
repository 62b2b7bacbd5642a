//! TMF641: the service orders that a product order was decomposed into.
//!
//! One per order item and specification, of every kind: what goes to billing, shipping or a partner is written in the same form, and
//! `category` says which it is. These are for those who run the services; codes and messages are the downstream system's own.
use domain::order::ItemAction;
use domain::plan::{ServiceOrderKind, ServiceOrderState};

use super::object::{Object, text, whole};
use super::order::note;
use super::view::{CaseView, OrderView, ServiceOrderView};
use super::{Style, Version, fault, item, party, states};
use crate::tmf::json::Node;

/// A service order has one item, and this is its id.
const ITEM_ID: &str = "1";
/// How a resource order relates to the service order that needs it.
const PARENT: &str = "parent";

/// Every service order of a product order, in the view's sequence. TMF641 is written as v4.1.0, whatever the style's version.
pub fn service_orders(view: &OrderView, style: &Style) -> Vec<Node> {
    let style = &Style { version: Version::V4, base: style.base.clone() };
    view.service_orders.iter().map(|one| service_order(one, view, style)).collect()
}

fn service_order(one: &ServiceOrderView, view: &OrderView, style: &Style) -> Node {
    let (order, made) = (&view.order, &one.service_order);
    let is_completed = one.state == ServiceOrderState::Completed;
    Object::named("ServiceOrder")
        .put("id", text(&made.id.to_string()))
        .put("href", style.service_order_href(made.id))
        .put("externalId", text(order.key.as_str()))
        .put("state", text(states::service_order(one.state)))
        .put("category", text(category(made.kind)))
        .text("description", order.description.as_deref())
        .put("priority", text(&order.priority.level().to_string()))
        .time("orderDate", Some(view.captured_at))
        .time("startDate", one.started_at)
        .time("requestedStartDate", order.dates.requested_start)
        .time("requestedCompletionDate", order.dates.requested_completion)
        .time("expectedCompletionDate", order.dates.expected_completion)
        .time("completionDate", Some(one.updated_at).filter(|_| is_completed))
        .put("externalReference", Node::List(vec![product_order(view, style)]))
        .list(
            "orderRelationship",
            made.parent.map(|parent| {
                Object::new()
                    .put("relationshipType", text(PARENT))
                    .put("id", text(&parent.to_string()))
                    .put("href", style.service_order_href(parent))
                    .put("@referredType", text("ServiceOrder"))
                    .done()
            }),
        )
        .list("relatedParty", party::typed(&order.parties))
        .list("note", order.notes.iter().zip(1_u32..).map(|(one, number)| note(one, number, style)))
        .list("milestone", milestones(one, view))
        .list("jeopardyAlert", cases(one, view).filter(|_| !is_failed(one)).map(alert))
        .list("errorMessage", cases(one, view).filter(|_| is_failed(one)).map(error))
        .put("serviceOrderItem", Node::List(vec![order_item(one, view, style)]))
        .done()
}

fn category(kind: ServiceOrderKind) -> &'static str {
    match kind {
        ServiceOrderKind::Service => "service",
        ServiceOrderKind::Resource => "resource",
        ServiceOrderKind::Billing => "billing",
        ServiceOrderKind::Shipping => "shipping",
        ServiceOrderKind::Partner => "partner",
        ServiceOrderKind::Manual => "manual",
    }
}

fn is_failed(one: &ServiceOrderView) -> bool {
    one.state == ServiceOrderState::Failed
}

fn product_order(view: &OrderView, style: &Style) -> Node {
    let key = &view.order.key;
    let reference = Object::new().put("id", text(key.as_str()));
    // TMF641 v4 wants an absolute address here, and only here: a relative one is none.
    let reference = match style.base.is_empty() {
        true => reference,
        false => reference.put("href", style.order_href(key)),
    };
    reference.put("externalReferenceType", text("ProductOrder")).put("name", text(key.as_str())).done()
}

fn milestones<'v>(one: &'v ServiceOrderView, view: &'v OrderView) -> impl Iterator<Item = Node> + 'v {
    let own = view.milestones.iter().filter(|milestone| milestone.service_order == one.service_order.id);
    own.map(|milestone| {
        Object::new()
            .put("id", text(&milestone.task_id.to_string()))
            .put("name", text(&milestone.name))
            .put("status", text(fault::status(milestone, view.state.is_active())))
            .time("milestoneDate", milestone.reached_at)
            .done()
    })
}

fn cases<'v>(one: &'v ServiceOrderView, view: &'v OrderView) -> impl Iterator<Item = &'v CaseView> + 'v {
    view.cases.iter().filter(|case| case.service_order == Some(one.service_order.id))
}

fn alert(case: &CaseView) -> Node {
    Object::new()
        .put("id", text(&case.id.to_string()))
        .put("name", text(&case.normalized_code))
        .put("jeopardyType", text(fault::detected(case.detection)))
        .put("exception", text(&case.code))
        .put("message", text(&case.message))
        .time("alertDate", Some(case.at))
        .done()
}

fn error(case: &CaseView) -> Node {
    Object::new()
        .put("code", text(&case.normalized_code))
        .put("reason", text(&format!("{}: {}", case.system, case.code)))
        .put("message", text(&case.message))
        .time("timestamp", Some(case.at))
        .done()
}

fn order_item(one: &ServiceOrderView, view: &OrderView, style: &Style) -> Node {
    let made = &one.service_order;
    // The plan has no item that the order has not.
    let action = view.order.item(&made.item_id).map_or(ItemAction::NoChange, |item| item.action);
    let product = one.product.as_ref().map(|id| {
        Object::named("RelatedEntity")
            .put("id", text(id.as_str()))
            .put("href", style.product_href(id))
            .put("role", text("realizedProduct"))
            .put("@referredType", text("Product"))
            .done()
    });
    let service = Object::new()
        .put("id", text(&made.id.to_string()))
        .put("name", text(&made.specification))
        .put("serviceType", text(category(made.kind)))
        .put("state", text(states::service(action, one.state)))
        .put("serviceSpecification", Object::new().put("id", text(&made.specification)).done())
        .list(
            "serviceCharacteristic",
            made.characteristics.iter().map(|(name, json)| item::characteristic(name, json, style)),
        )
        .list("relatedEntity", product);
    Object::new()
        .put("id", text(ITEM_ID))
        .put("action", text(states::action(action)))
        .put("quantity", whole(1_u32))
        .put("state", text(states::service_order(one.state)))
        .put("service", service.done())
        .done()
}
