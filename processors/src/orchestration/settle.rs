//! What the tasks' moves mean: for their service orders, their items, and the order.
use std::collections::VecDeque;

use domain::order::event::{ItemStateChanged, ServiceOrderStateChanged};
use domain::order::{ItemState, ItemTrigger, OrderState, OrderTrigger};
use domain::plan::{ServiceOrderState, ServiceOrderTrigger, TaskState, TaskTrigger};
use domain::states::Machine;
use domain::{ItemId, ServiceOrderId, TaskId};

use super::state::{ItemRecord, ServiceOrderRecord};
use super::step::{OrderWords, Step};
use super::{billing, dispatch, notify, products, retention, waits};

/// Whether the task counts as done for its item. What was cancelled was not done.
pub(super) fn is_done(state: TaskState) -> bool {
    state.is_done() && state != TaskState::Cancelled
}

/// Whether its system has the command, and an answer is awaited.
pub(super) fn is_with_system(state: TaskState) -> bool {
    match state {
        TaskState::Dispatched | TaskState::Accepted | TaskState::WaitingCallback => true,
        TaskState::NotStarted
        | TaskState::Ready
        | TaskState::Deferred
        | TaskState::Completed
        | TaskState::FailedRetrying
        | TaskState::FailedRepairable
        | TaskState::FailedTerminal
        | TaskState::UnknownOutcome
        | TaskState::Cancelled
        | TaskState::Skipped
        | TaskState::Undone => false,
    }
}

/// Whether the run has failed, or may have, and is being dealt with.
pub(super) fn is_in_fallout(state: TaskState) -> bool {
    match state {
        TaskState::FailedRepairable | TaskState::FailedTerminal | TaskState::UnknownOutcome => true,
        TaskState::NotStarted
        | TaskState::Ready
        | TaskState::Deferred
        | TaskState::Dispatched
        | TaskState::Accepted
        | TaskState::WaitingCallback
        | TaskState::Completed
        | TaskState::FailedRetrying
        | TaskState::Cancelled
        | TaskState::Skipped
        | TaskState::Undone => false,
    }
}

/// Whether the last failure still says something about the task.
pub(super) fn tells_failure(state: TaskState) -> bool {
    is_in_fallout(state) || state == TaskState::FailedRetrying
}

/// Whether nothing is lost by not doing it: nobody is at it. What is with its system goes on to its end, so that the truth is known.
fn can_be_dropped(state: TaskState) -> bool {
    match state {
        TaskState::NotStarted
        | TaskState::Ready
        | TaskState::Deferred
        | TaskState::FailedRetrying
        | TaskState::FailedRepairable => true,
        TaskState::Dispatched
        | TaskState::Accepted
        | TaskState::WaitingCallback
        | TaskState::UnknownOutcome
        | TaskState::Completed
        | TaskState::FailedTerminal
        | TaskState::Cancelled
        | TaskState::Skipped
        | TaskState::Undone => false,
    }
}

/// A task failed for good: its item fails, and with it every item that cannot do without.
pub(super) fn failed_for_good(step: &mut Step<'_>, id: TaskId) {
    let Some(record) = step.task(id) else { return };
    let (item, successors) = (record.task.planned.item_id.clone(), record.task.successors.clone());
    let mut failing = VecDeque::from([(item.clone(), ItemTrigger::TaskFailedForGood)]);
    add_items_of(step, &successors, &item, &mut failing);
    while let Some((id, trigger)) = failing.pop_front() {
        if !fail_item(step, &id, trigger) {
            continue;
        }
        let Some(plan) = step.item_plan(&id) else { continue };
        failing.extend(plan.needed_by.iter().map(|other| (other.clone(), ItemTrigger::RequiredItemFailed)));
        for task in &plan.tasks {
            let Some(state) = step.task(*task).map(|record| record.task.state) else { continue };
            if !can_be_dropped(state)
                || !step.trigger(*task, TaskTrigger::NoLongerNeeded, Some(DROPPED.to_owned()))
            {
                continue;
            }
            dispatch::refuse_turn(step, *task, false);
            let Some(record) = step.task(*task) else { continue };
            record.task.due = None;
            let successors = record.task.successors.clone();
            add_items_of(step, &successors, &id, &mut failing);
        }
    }
}

const DROPPED: &str = "its item can never be completed";

/// The other items whose tasks are among these: a task that can never start is one that fails for good.
fn add_items_of(
    step: &mut Step<'_>,
    tasks: &[TaskId],
    than: &ItemId,
    failing: &mut VecDeque<(ItemId, ItemTrigger)>,
) {
    for task in tasks {
        let Some(record) = step.task(*task) else { continue };
        if record.task.planned.item_id != *than && can_be_dropped(record.task.state) {
            failing.push_back((record.task.planned.item_id.clone(), ItemTrigger::RequiredItemFailed));
        }
    }
}

/// `false`: the item is settled already.
fn fail_item(step: &mut Step<'_>, id: &ItemId, trigger: ItemTrigger) -> bool {
    let settled = step.item(id).is_none_or(|record| record.state.is_settled());
    if settled || !move_item(step, id, trigger) {
        return false;
    }
    step.head.items_open = step.head.items_open.saturating_sub(1);
    let optional = step.item(id).is_some_and(|record| record.optional);
    if optional {
        step.head.items_failed_optional += 1;
        no_longer_awaited(step, id);
    } else {
        step.head.items_failed_mandatory += 1;
    }
    products::failed(step, id);
    true
}

fn no_longer_awaited(step: &mut Step<'_>, id: &ItemId) {
    let Some(plan) = step.item_plan(id) else { return };
    for other in &plan.awaited_by {
        if let Some(record) = step.item(other) {
            record.open = record.open.saturating_sub(1);
            step.items_touched.insert(other.clone());
        }
    }
}

/// Brings service orders, items and the order to where their tasks put them.
pub(super) fn settle(step: &mut Step<'_>) {
    while let Some(id) = step.service_orders_touched.pop_first() {
        while let Some(trigger) = step.service_order(id).and_then(|record| service_order_trigger(record)) {
            if !move_service_order(step, id, trigger) {
                break;
            }
        }
    }
    while let Some(id) = step.items_touched.pop_first() {
        while let Some(trigger) = step.item(&id).and_then(|record| item_trigger(record)) {
            if !move_item(step, &id, trigger) {
                break;
            }
            if trigger == ItemTrigger::TasksDone {
                step.head.items_open = step.head.items_open.saturating_sub(1);
                products::completed(step, &id);
                billing::completed(step, &id);
                no_longer_awaited(step, &id);
            }
        }
    }
    settle_order(step);
}

fn item_trigger(record: &ItemRecord) -> Option<ItemTrigger> {
    match record.state {
        ItemState::Completed | ItemState::Failed | ItemState::Cancelled => None,
        ItemState::Pending | ItemState::InProgress | ItemState::Blocked if record.open == 0 => {
            Some(ItemTrigger::TasksDone)
        }
        ItemState::Pending | ItemState::InProgress if record.blocked > 0 => Some(ItemTrigger::TaskBlocked),
        ItemState::Blocked if record.blocked == 0 => Some(ItemTrigger::TaskUnblocked),
        ItemState::Pending if record.started => Some(ItemTrigger::TaskStarted),
        ItemState::Pending | ItemState::InProgress | ItemState::Blocked => None,
    }
}

fn move_item(step: &mut Step<'_>, id: &ItemId, trigger: ItemTrigger) -> bool {
    let Some(record) = step.item(id) else { return false };
    let from = record.state;
    let Ok(to) = from.on(trigger) else { return false };
    record.state = to;
    let changed =
        ItemStateChanged { cause: step.cause(), item_id: id.clone(), from, to, trigger, reason: None };
    step.tell(changed);
    true
}

fn service_order_trigger(record: &ServiceOrderRecord) -> Option<ServiceOrderTrigger> {
    use ServiceOrderState::*;
    match record.state {
        Completed | Failed | Cancelled => None,
        Acknowledged | InProgress | Partial | Held if record.failed => {
            Some(ServiceOrderTrigger::TaskFailedForGood)
        }
        Acknowledged | InProgress | Partial | Held if record.open == 0 => {
            Some(ServiceOrderTrigger::TasksDone)
        }
        Acknowledged | InProgress | Partial | Held if record.cancelled > 0 && record.active == 0 => {
            Some(ServiceOrderTrigger::Cancel)
        }
        Acknowledged | InProgress | Partial if record.blocked > 0 => Some(ServiceOrderTrigger::TaskBlocked),
        Held if record.blocked == 0 => Some(ServiceOrderTrigger::TaskUnblocked),
        Acknowledged if record.started => Some(ServiceOrderTrigger::TaskStarted),
        InProgress if record.partial => Some(ServiceOrderTrigger::TaskPartial),
        Acknowledged | InProgress | Partial | Held => None,
    }
}

fn move_service_order(step: &mut Step<'_>, id: ServiceOrderId, trigger: ServiceOrderTrigger) -> bool {
    let Some(record) = step.service_order(id) else { return false };
    let from = record.state;
    let Ok(to) = from.on(trigger) else { return false };
    record.state = to;
    let (item_id, parent) = (record.item_id.clone(), record.parent);
    let changed =
        ServiceOrderStateChanged { cause: step.cause(), service_order: id, item_id, from, to, trigger };
    step.tell(changed);
    let Some(above) = parent.and_then(|parent| step.service_order(parent)) else { return true };
    match to {
        ServiceOrderState::Completed => above.open = above.open.saturating_sub(1),
        ServiceOrderState::Failed => above.failed = true,
        ServiceOrderState::Cancelled => above.cancelled += 1,
        ServiceOrderState::InProgress => above.started = true,
        ServiceOrderState::Acknowledged | ServiceOrderState::Held | ServiceOrderState::Partial => (),
    }
    step.service_orders_touched.extend(parent);
    true
}

/// An order ends when nothing of it is active any more, and not before.
fn settle_order(step: &mut Step<'_>) {
    let head = &step.head;
    if head.state != OrderState::InProgress || head.tasks_active > 0 {
        return;
    }
    let trigger = match (head.items_failed_mandatory, head.items_open, head.items_failed_optional) {
        (1.., _, _) => OrderTrigger::MandatoryItemFailed,
        (0, 0, 0) => OrderTrigger::AllItemsDone,
        (0, 0, 1..) => OrderTrigger::OptionalItemsFailed,
        (0, 1.., _) => return,
    };
    if !step.trigger_order(trigger, false, OrderWords::default()) {
        return;
    }
    step.head.ended_at = Some(step.now());
    notify::order(step);
    waits::release(step);
    retention::plan(step);
}
