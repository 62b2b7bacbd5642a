//! `orderstream order show`: one order, whole.
use std::process::ExitCode;

use domain::OrderKey;
use projection::Projection;
use projection::query::{OrderView, SubmissionView};
use projection::rows::SubmissionOutcome;

use super::{list_table, short, word};
use crate::text::printable;

pub async fn show(projection: &Projection, key: &str, json: bool) -> anyhow::Result<ExitCode> {
    let view = projection.order(&OrderKey::from(key)).await?.ok_or_else(|| super::no_order(key))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&view)?);
    } else {
        print_order(&view);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_order(view: &OrderView) {
    let order = &view.order;
    println!(
        "order {}: {} (outside: {})",
        printable(order.key.as_str()),
        word(&order.state),
        order.shown_state
    );
    println!(
        "  version {}, catalog {}, priority {}, requester {}, {} of {} tasks done",
        order.order_version,
        order.catalog_version,
        order.priority,
        printable(&order.requester),
        order.tasks_done,
        order.task_count
    );
    if let Some(waiting_for) = &order.waiting_for {
        println!("  waits for {}", printable(waiting_for));
    }
    if order.stuck {
        println!("  stuck: nothing is expected of it any more");
    }
    view.submission_list.iter().for_each(print_submission);
    print_plan(view);
    print_cases(view);
    let mut history = list_table(&["at", "event", "what", "who"]);
    for row in &view.history {
        let cells = [row.at.0.to_string(), row.name.clone(), row.summary.clone(), row.actor.clone()];
        history.add_row(cells);
    }
    println!("\nhistory\n{history}");
    if view.history_left_off {
        let key = crate::text::quoted(order.key.as_str());
        println!("the history goes on: orderstream order history {key}");
    }
}

/// Only where there is something to say: most orders come once and are valid.
fn print_submission(submission: &SubmissionView) {
    let reasons = reasons(submission);
    if !reasons.is_empty() || submission.outcome != SubmissionOutcome::Validated {
        println!("  submission {}: {}", submission.submission, word(&submission.outcome));
    }
    reasons.iter().for_each(|reason| println!("    {reason}"));
}

/// The reasons of a refusal as lines: code, JSON pointer into the request, and what would be right.
pub fn reasons(submission: &SubmissionView) -> Vec<String> {
    let reasons: Vec<domain::Reason> = serde_json::from_value(submission.reasons.value()).unwrap_or_default();
    reasons.iter().map(|reason| printable(&reason.to_string())).collect()
}

fn print_plan(view: &OrderView) {
    let mut items = list_table(&["item", "state", "action", "offering", "quantity", "optional"]);
    for item in &view.items {
        items.add_row([
            item.item_id.0.clone(),
            word(&item.state),
            word(&item.action),
            item.offering.clone().unwrap_or_default(),
            item.quantity.to_string(),
            if item.optional { "optional".to_owned() } else { String::new() },
        ]);
    }
    println!("\nitems\n{items}");
    let mut tasks = list_table(&["item", "component", "task", "system", "state", "attempt", "reported"]);
    for task in &view.tasks {
        tasks.add_row([
            task.item_id.0.clone(),
            task.component.clone(),
            task.task_type.clone(),
            task.system.clone(),
            word(&task.state),
            task.attempt.to_string(),
            short(&task.outputs),
        ]);
    }
    println!("\nplan\n{tasks}");
}

fn print_cases(view: &OrderView) {
    if view.case_list.is_empty() {
        return;
    }
    let mut cases = list_table(&["case", "state", "severity", "code", "owner", "detected", "message"]);
    for case in &view.case_list {
        cases.add_row([
            case.id.to_string(),
            word(&case.state),
            word(&case.severity),
            case.normalized_code.clone(),
            case.owner_group.clone(),
            case.detected_at.0.to_string(),
            case.failure_message.clone(),
        ]);
    }
    println!("\nfallout\n{cases}");
}
