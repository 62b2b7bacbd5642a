//! What billing has to do, told when an item is done; never how much of it (seed 000, "Billing Impact").
use domain::order::event::{BillingIntent, ChargeAction};
use domain::order::{Dates, ItemAction};
use domain::{ItemId, Timestamp};

use super::Output;
use super::step::Step;

/// One intent per billable item, with the prices as they were agreed.
pub(super) fn completed(step: &mut Step<'_>, id: &ItemId) {
    let Some(plan) = step.item_plan(id).filter(|plan| plan.planned.billable) else { return };
    let action = match plan.planned.action {
        ItemAction::Add => ChargeAction::Start,
        ItemAction::Modify => ChargeAction::Change,
        ItemAction::Delete => ChargeAction::Stop,
        ItemAction::NoChange => return,
    };
    let ordered = plan.ordered.as_ref();
    let account = ordered.and_then(|item| item.billing_account.clone());
    let intent = BillingIntent {
        cause: step.cause(),
        item_id: id.clone(),
        // Of several units none stands for the others: the item does.
        product: if let [product] = plan.planned.products.as_slice() { Some(product.clone()) } else { None },
        action,
        billing_account: account.or_else(|| step.head.billing_account.clone()),
        offering: ordered.and_then(|item| item.offering.as_ref()).map(|offering| offering.id.clone()),
        prices: ordered.map(|item| item.prices.clone()).unwrap_or_default(),
        quantity: ordered.map_or(1, |item| item.quantity),
        billing_effective: effective(action, &step.head.dates, step.now()),
        commercial_evidence: step.head.commercial_evidence.clone(),
    };
    step.effect(Output::Billing(Box::new(intent)));
}

/// From when on billing has to act.
///
/// A charge begins or changes on the agreed date, but never before the service does: what does not work yet is not charged for.
/// It stops on the agreed date, be that past: a delay of ours is not charged for either. Without a date: when the work is done.
pub(super) fn effective(action: ChargeAction, dates: &Dates, done_at: Timestamp) -> Timestamp {
    match action {
        ChargeAction::Start | ChargeAction::Change => {
            dates.billing_effective.or(dates.service_effective).map_or(done_at, |agreed| agreed.max(done_at))
        }
        ChargeAction::Stop => dates
            .billing_effective
            .or(dates.cancellation_effective)
            .or(dates.service_effective)
            .unwrap_or(done_at),
    }
}
