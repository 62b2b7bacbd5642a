//! What follows from orders outside of them: charges, messages to people, the health of systems.
use domain::downstream::DownstreamHealth;
use domain::order::event::{BillingIntent, Notification};

use super::{Staged, counted};
use crate::rows::{At, BillingIntentRow, DownstreamHealthRow, JsonText, NotificationRow, indexed};

/// Where the record lies on its topic: the same whenever it is read again.
fn id(staged: &Staged) -> String {
    format!("{}-{}", staged.partition, staged.sequence)
}

pub(super) fn billed(staged: &mut Staged, intent: BillingIntent) {
    let id = id(staged);
    staged.count(counted::EVENTS, "BillingIntent", 1);
    staged.billing_intents.put(BillingIntentRow {
        id,
        order_key: intent.cause.order_key,
        item_id: intent.item_id,
        product: intent.product,
        action: intent.action,
        billing_account: intent.billing_account.map(indexed),
        offering: intent.offering.map(indexed),
        prices: JsonText::of(&intent.prices),
        quantity: intent.quantity,
        billing_effective: At(intent.billing_effective),
        commercial_evidence: intent.commercial_evidence,
        at: At(intent.cause.at),
        correlation_id: intent.cause.correlation_id,
        causation_id: intent.cause.causation_id,
    });
}

pub(super) fn told(staged: &mut Staged, notification: Notification) {
    let id = id(staged);
    staged.count(counted::EVENTS, "Notification", 1);
    staged.notifications.put(NotificationRow {
        id,
        order_key: notification.cause.order_key,
        audience: indexed(notification.audience),
        shown_state: notification.shown_state,
        message: notification.message,
        at: At(notification.cause.at),
        correlation_id: notification.cause.correlation_id,
        causation_id: notification.cause.causation_id,
    });
}

/// Not counted: its topic is compacted, and a rebuild would count fewer.
pub(super) fn health(staged: &mut Staged, health: DownstreamHealth) {
    staged.health.put(DownstreamHealthRow {
        system: indexed(health.system),
        circuit: health.circuit,
        watched: health.watched,
        changed_at: At(health.changed_at),
        reason: health.reason,
        waiting: health.waiting,
    });
}
