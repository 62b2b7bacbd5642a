//! The history: one row per event, with a line for people and the details for programs.
use domain::fallout::FalloutCase;
use domain::order::event::{OrderEvent, TaskStateChanged};
use serde::Serialize;
use serde_json::{Value, json};

use crate::rows::{At, HistoryRow, JsonText, text_of};

/// The longest line for people, in characters; the details have the rest.
const SUMMARY_CHARS_MAX: usize = 500;

pub(super) fn row(sequence: i64, event: &OrderEvent) -> HistoryRow {
    let cause = event.cause();
    HistoryRow {
        order_key: cause.order_key.clone(),
        sequence,
        at: At(cause.at),
        name: event.name().to_owned(),
        summary: bounded(summary(event)),
        correlation_id: cause.correlation_id.clone(),
        causation_id: cause.causation_id.clone(),
        actor: cause.actor.clone(),
        details: JsonText::of(&details(event)),
    }
}

/// Cut to [`SUMMARY_CHARS_MAX`], and then ending in an ellipsis.
pub(super) fn bounded(mut line: String) -> String {
    if let Some((end, _)) = line.char_indices().nth(SUMMARY_CHARS_MAX) {
        line.truncate(end);
        line.push('…');
    }
    line
}

fn arrow(from: &impl Serialize, to: &impl Serialize) -> String {
    format!("{} → {}", text_of(from), text_of(to))
}

fn because(reason: Option<&String>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

fn reasons(list: &[domain::Reason]) -> String {
    let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
    format!("{} reasons: {}", list.len(), shown.join("; "))
}

fn summary(event: &OrderEvent) -> String {
    match event {
        OrderEvent::OrderCaptured(event) => {
            let (items, submission) = (event.order.items.len(), event.submission);
            format!(
                "captured submission {submission} with {items} items, catalog {}",
                event.order.catalog_version
            )
        }
        OrderEvent::RequestIgnored(event) => {
            format!("request {} came again and was ignored", event.request_id)
        }
        OrderEvent::OrderValidated(event) => format!("submission {} is valid", event.submission),
        OrderEvent::OrderRejected(event) => {
            format!("submission {} rejected for {}", event.submission, reasons(&event.reasons))
        }
        OrderEvent::RevisionRefused(event) => {
            format!("submission {} refused for {}", event.submission, reasons(&event.reasons))
        }
        OrderEvent::FeasibilityAsked(event) => {
            format!("{} asked whether it can be delivered, attempt {}", event.system, event.attempt)
        }
        OrderEvent::FeasibilityUnanswered(event) => {
            format!("{} did not answer {} times whether it can be delivered", event.system, event.attempts)
        }
        OrderEvent::OrderDecomposed(event) => {
            let (tasks, service_orders) = (event.plan.tasks.len(), event.plan.service_orders.len());
            format!("planned as {service_orders} service orders with {tasks} tasks")
        }
        OrderEvent::DecompositionFailed(event) => {
            format!("could not be planned for {}", reasons(&event.reasons))
        }
        OrderEvent::FalloutDetected(event) => case_summary(&event.case),
        OrderEvent::FalloutClassified(event) => {
            let filed = &event.classification;
            format!("case filed as {} for {}", filed.normalized_code, filed.owner_group)
        }
        OrderEvent::FalloutResolved(event) => format!("case resolved: {}", event.resolution),
        OrderEvent::OrderMarkedStuck(event) => {
            format!("stuck: nothing was expected after {}", event.silent_since)
        }
        OrderEvent::OrderStateChanged(event) => {
            let wait =
                event.waiting_for.as_ref().map(|wait| format!(", waiting for {wait}")).unwrap_or_default();
            format!("order {}{wait}{}", arrow(&event.from, &event.to), because(event.reason.as_ref()))
        }
        OrderEvent::ItemStateChanged(event) => {
            format!(
                "item {} {}{}",
                event.item_id,
                arrow(&event.from, &event.to),
                because(event.reason.as_ref())
            )
        }
        OrderEvent::TaskStateChanged(event) => task_summary(event),
        OrderEvent::ServiceOrderStateChanged(event) => {
            format!(
                "service order {} of item {} {}",
                event.service_order,
                event.item_id,
                arrow(&event.from, &event.to)
            )
        }
        OrderEvent::MilestoneReached(event) => format!("item {} reached {}", event.item_id, event.milestone),
        OrderEvent::FeedbackIgnored(event) => {
            format!("answer {} of {} ignored: {}", event.feedback_id, event.system, text_of(&event.because))
        }
        OrderEvent::WaitFailed(event) => format!("wait for {} failed: {}", event.waiting_for, event.message),
    }
}

fn case_summary(case: &FalloutCase) -> String {
    let (failure, filed) = (&case.failure, &case.classification);
    let cause = format!("{} {}: {}", failure.system, failure.code, failure.message);
    format!("case for {} opened, {} ({cause})", filed.owner_group, filed.normalized_code)
}

fn task_summary(event: &TaskStateChanged) -> String {
    let task = format!("task {} of item {} ({})", event.task_type, event.item_id, event.component);
    let attempt = if event.attempt > 1 { format!(", attempt {}", event.attempt) } else { String::new() };
    let failure = event.failure.as_ref().map(|failure| format!(" ({}: {})", failure.code, failure.message));
    let reason = because(event.reason.as_ref());
    format!("{task} {}{attempt}{}{reason}", arrow(&event.from, &event.to), failure.unwrap_or_default())
}

/// The event without its cause, which has columns of its own. Snapshots and plans have tables of their own.
fn details(event: &OrderEvent) -> Value {
    match event {
        OrderEvent::OrderCaptured(event) => json!({ "submission": event.submission,
            "requestId": event.order.request_id, "catalogVersion": event.order.catalog_version,
            "findings": event.findings, "evidence": event.evidence }),
        OrderEvent::OrderValidated(event) => json!({ "submission": event.submission }),
        OrderEvent::OrderDecomposed(event) => json!({ "catalogVersion": event.plan.catalog_version,
            "orderVersion": event.plan.order_version, "items": event.plan.items.len(),
            "serviceOrders": event.plan.service_orders.len(), "tasks": event.plan.tasks.len() }),
        OrderEvent::RequestIgnored(event) => without_cause(event),
        OrderEvent::OrderRejected(event) => without_cause(event),
        OrderEvent::RevisionRefused(event) => without_cause(event),
        OrderEvent::FeasibilityAsked(event) => without_cause(event),
        OrderEvent::FeasibilityUnanswered(event) => without_cause(event),
        OrderEvent::DecompositionFailed(event) => without_cause(event),
        OrderEvent::OrderStateChanged(event) => without_cause(event),
        OrderEvent::ItemStateChanged(event) => without_cause(event),
        OrderEvent::TaskStateChanged(event) => without_cause(event),
        OrderEvent::ServiceOrderStateChanged(event) => without_cause(event),
        OrderEvent::MilestoneReached(event) => without_cause(event),
        OrderEvent::FeedbackIgnored(event) => without_cause(event),
        OrderEvent::WaitFailed(event) => without_cause(event),
        OrderEvent::FalloutDetected(event) => without_cause(event),
        OrderEvent::FalloutClassified(event) => without_cause(event),
        OrderEvent::FalloutResolved(event) => without_cause(event),
        OrderEvent::OrderMarkedStuck(event) => without_cause(event),
    }
}

fn without_cause(event: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(event).expect("our records are written as JSON");
    if let Value::Object(members) = &mut value {
        members.shift_remove("cause");
    }
    value
}
