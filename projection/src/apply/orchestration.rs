//! What moves while the plan runs: the order, its items, tasks and service orders.
use std::collections::BTreeMap;

use domain::order::event::{
    FeedbackIgnored, ItemStateChanged, MilestoneReached, OrderStateChanged, ServiceOrderStateChanged,
    TaskStateChanged, WaitFailed,
};
use domain::order::{ItemState, Values};
use domain::plan::TaskState;
use serde_json::{Value, json};

use super::{Staged, counted};
use crate::rows::{At, JsonText, TaskRow, text_of};

pub(super) fn order_moved(staged: &mut Staged, event: OrderStateChanged) -> bool {
    let Some(row) = staged.order(&event.cause) else { return false };
    row.enter(event.to, At(event.cause.at));
    row.order_version = event.order_version;
    row.waiting_for = event.waiting_for;
    row.next_due = event.next_due.map(At);
    true
}

pub(super) fn item_moved(staged: &mut Staged, event: ItemStateChanged) -> bool {
    let Some(row) = staged.items.change(&(event.cause.order_key.clone(), event.item_id)) else {
        return false;
    };
    let completed_before = row.state == ItemState::Completed;
    row.state = event.to;
    row.reason = event.reason;
    row.updated_at = At(event.cause.at);
    let Some(order) = staged.order(&event.cause) else { return false };
    order.moved();
    order.items_completed =
        adjusted(order.items_completed, completed_before, event.to == ItemState::Completed);
    true
}

/// A count of those for which something holds, after one of them changed.
pub(super) fn adjusted(count: u32, before: bool, now: bool) -> u32 {
    match (before, now) {
        (false, true) => count.saturating_add(1),
        (true, false) => count.saturating_sub(1),
        (true, true) | (false, false) => count,
    }
}

pub(super) fn task_moved(staged: &mut Staged, event: TaskStateChanged) -> bool {
    let Some(row) = staged.tasks.change(&(event.task_id,)) else { return false };
    if row.order_key != event.cause.order_key {
        return false;
    }
    let done_before = row.state.is_done();
    let (sent, retries) = sendings(row, &event);
    let at = At(event.cause.at);
    if sent > 0 {
        row.started_at.get_or_insert(at);
    }
    row.state = event.to;
    row.mode = event.mode;
    row.in_fallout = event.in_fallout;
    row.attempt = event.attempt;
    row.command_id = event.command_id.or(row.command_id);
    row.commands_sent = row.commands_sent.saturating_add(sent);
    row.retries = row.retries.saturating_add(retries);
    if let Some(failure) = &event.failure {
        row.failure = JsonText::of(failure);
    }
    row.reason = event.reason;
    if !event.outputs.is_empty() {
        row.outputs = merged(&row.outputs, event.outputs);
    }
    row.next_due = event.next_due.map(At);
    row.finished_at = is_finished(event.to).then_some(at);
    row.updated_at = at;
    staged.count(counted::COMMANDS_SENT, &event.system, i64::from(sent));
    staged.count(counted::RETRIES, &event.system, i64::from(retries));
    let Some(order) = staged.order(&event.cause) else { return false };
    order.moved();
    order.tasks_done = adjusted(order.tasks_done, done_before, event.to.is_done());
    true
}

/// How many commands the step sent, and how many of them were not the first of their id.
fn sendings(row: &TaskRow, event: &TaskStateChanged) -> (u32, u32) {
    if event.command_id.is_none() {
        return (0, 0);
    }
    let before = if event.command_id == row.command_id { row.attempt } else { 0 };
    let repeats = |attempts: u32| attempts.saturating_sub(1);
    (event.attempt.saturating_sub(before), repeats(event.attempt).saturating_sub(repeats(before)))
}

fn is_finished(state: TaskState) -> bool {
    state.is_done() || state == TaskState::FailedTerminal
}

/// What was reported before, and over it what is reported now.
fn merged(before: &JsonText, reported: Values) -> JsonText {
    // Most tasks report once, and then the texts are kept as they came.
    let mut values: BTreeMap<String, Value> = match before.value() {
        Value::Object(members) => members.into_iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            BTreeMap::new()
        }
    };
    if values.is_empty() {
        return JsonText::of_values(&reported);
    }
    values.extend(reported.into_iter().map(|(name, json)| (name, json.value())));
    JsonText::of(&values)
}

pub(super) fn service_order_moved(staged: &mut Staged, event: ServiceOrderStateChanged) -> bool {
    let Some(row) = staged.service_orders.change(&(event.service_order,)) else { return false };
    if row.order_key != event.cause.order_key {
        return false;
    }
    row.state = event.to;
    row.updated_at = At(event.cause.at);
    let Some(order) = staged.order(&event.cause) else { return false };
    order.moved();
    true
}

pub(super) fn milestone_reached(staged: &mut Staged, event: MilestoneReached) -> bool {
    let at = At(event.cause.at);
    let Some(row) = staged.items.change(&(event.cause.order_key.clone(), event.item_id)) else {
        return false;
    };
    let mut milestones = match row.milestones.value() {
        Value::Array(reached) => reached,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Vec::new(),
    };
    milestones.push(json!({ "milestone": event.milestone, "taskId": event.task_id, "at": at }));
    row.milestones = JsonText::of(&milestones);
    row.updated_at = at;
    staged.order(&event.cause).is_some()
}

/// Counted, and nothing else: it may name an order that is not there.
pub(super) fn feedback_ignored(staged: &mut Staged, event: &FeedbackIgnored) -> bool {
    staged.count(counted::FEEDBACK_IGNORED, text_of(&event.because), 1);
    true
}

/// What it waits for stays named: that is what a person has to look at.
pub(super) fn wait_failed(staged: &mut Staged, event: &WaitFailed) -> bool {
    let Some(order) = staged.order(&event.cause) else { return false };
    order.waiting_for = Some(event.waiting_for.clone());
    order.next_due = None;
    true
}
