//! TMF622: a product order.
use domain::OrderKey;
use domain::order::{Note, Order, OrderState};

use super::object::{Object, text};
use super::view::OrderView;
use super::{Style, fault, item, party, states};
use crate::tmf::json::Node;
use crate::tmf::key;

/// The word for "that one first", of those that are read.
const FOLLOWS: &str = "dependsOn";

/// One order as TMF622 has it, by the style's version.
///
/// `id` is the order key: by it the order is found again. The requester's references stand in `externalId`.
pub fn product_order(view: &OrderView, style: &Style) -> Node {
    let order = &view.order;
    let dates = &order.dates;
    // "When the order was created": the requester's own date where it gave one.
    let created = if style.is_v5() { "creationDate" } else { "orderDate" };
    Object::named("ProductOrder")
        .put("id", text(order.key.as_str()))
        .put("href", style.order_href(&order.key))
        .put("externalId", external_id(order, style))
        .put("state", text(states::order(view.state)))
        .text("category", order.category.as_deref())
        .text("description", order.description.as_deref())
        .put("priority", text(&order.priority.level().to_string()))
        .time(created, Some(dates.requested.unwrap_or(view.captured_at)))
        .time("requestedStartDate", dates.requested_start)
        .time("requestedCompletionDate", dates.requested_completion)
        .time("expectedCompletionDate", dates.expected_completion)
        .time("completionDate", ended_in(view, OrderState::Completed))
        .time("cancellationDate", ended_in(view, OrderState::Cancelled))
        .list("channel", order.channel.iter().map(|id| channel(id, style)))
        .maybe("billingAccount", order.billing_account.as_deref().map(|id| party::account(id, style)))
        .list("relatedParty", party::related(&order.parties, style))
        .list("note", order.notes.iter().zip(1_u32..).map(|(one, number)| note(one, number, style)))
        .list("orderRelationship", of_v5(style, order.follows.iter().map(|key| follows(key, style))))
        .list("productOrderErrorMessage", of_v5(style, fault::errors(view, style)))
        .list("productOrderMilestone", of_v5(style, fault::milestones(view, style)))
        .list("productOrderJeopardyAlert", of_v5(style, fault::alerts(view, style)))
        .list("productOrderItem", item::nested(view, style))
        .extended("ProductOrder", extensions(view, style))
        .carried(item::carried(order.carried.as_ref(), order, style))
        .done()
}

/// What the standard's own members do not carry.
fn extensions(view: &OrderView, style: &Style) -> Object {
    let dates = &view.order.dates;
    let ours = Object::new()
        .text("revision", view.order.revision.as_deref())
        .time("effectiveDate", dates.effective)
        .time("billingEffectiveDate", dates.billing_effective)
        .time("serviceEffectiveDate", dates.service_effective)
        .time("contractEffectiveDate", dates.contract_effective);
    if style.is_v5() {
        return ours;
    }
    ours.list("productOrderRelationship", view.order.follows.iter().map(|key| follows(key, style)))
        .list("productOrderErrorMessage", fault::errors(view, style))
        .list("productOrderMilestone", fault::milestones(view, style))
        .list("productOrderJeopardyAlert", fault::alerts(view, style))
}

/// Nothing for v4, which has no such member.
fn of_v5(style: &Style, nodes: impl IntoIterator<Item = Node>) -> Vec<Node> {
    if style.is_v5() { nodes.into_iter().collect() } else { Vec::new() }
}

fn ended_in(view: &OrderView, state: OrderState) -> Option<domain::Timestamp> {
    view.ended_at.filter(|_| view.state == state)
}

/// v5: the reference that the key is made of, first, and the requester's own id of the order. v4 has room for the reference alone.
fn external_id(order: &Order, style: &Style) -> Node {
    let (owner, reference_type, reference) = key::parts(&order.key);
    if !style.is_v5() {
        return Node::Text(reference);
    }
    let entry = |owner: &str, reference_type: &str, id: &str| {
        Object::named("ExternalIdentifier")
            .put("owner", text(owner))
            .put("externalIdentifierType", text(reference_type))
            .put("id", text(id))
            .done()
    };
    let own = order.external_id.as_deref().filter(|id| *id != reference || reference_type != key::ID_TYPE);
    let named = entry(&owner, &reference_type, &reference);
    Node::List(std::iter::once(named).chain(own.map(|id| entry(&owner, key::ID_TYPE, id))).collect())
}

fn channel(id: &str, style: &Style) -> Node {
    if !style.is_v5() {
        return Object::new().put("id", text(id)).done();
    }
    let inner = Object::named("ChannelRef").put("id", text(id)).done();
    Object::named("RelatedChannel").put("channel", inner).done()
}

pub(super) fn note(note: &Note, number: u32, style: &Style) -> Node {
    Object::typed(style, "Note")
        .put("id", text(&number.to_string()))
        .text("author", note.author.as_deref())
        .time("date", note.at)
        .put("text", text(&note.text))
        .done()
}

fn follows(key: &OrderKey, style: &Style) -> Node {
    Object::typed(style, "OrderRelationship")
        .put("relationshipType", text(FOLLOWS))
        .put("id", text(key.as_str()))
        .put("href", style.order_href(key))
        .put("@referredType", text("ProductOrder"))
        .done()
}
