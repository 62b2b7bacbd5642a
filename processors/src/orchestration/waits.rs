//! Waiting for one another: an order for its start, for the orders it follows, for the products that it changes.
//!
//! What is waited for answers by itself when it is over, whichever of the two arrives first: who waits is remembered under the key
//! of what is waited for, be that known yet or not.
use domain::limits::{ORDER_ITEMS_MAX, ORDER_WAITS_MAX};
use domain::order::OrderState;
use domain::order::event::{OrderSignal, SignalKind, WaitFailed};
use domain::{ItemId, OrderKey};

use super::state::{self, Cell, Wait, Waiter};
use super::step::Step;
use super::{Output, START_TIMER, dispatch, start};
use crate::{Arrival, Cells};

/// A signal under a key that has no plan yet.
pub(super) fn before_order(
    key: &OrderKey,
    cells: &mut dyn Cells<Cell>,
    signal: &OrderSignal,
    arrival: &Arrival,
) -> Vec<Output> {
    match (signal.kind, &signal.from_order) {
        (SignalKind::FollowerWaits, Some(follower)) => {
            remember(key, cells, follower, arrival).into_iter().collect()
        }
        // Whoever is told these had a plan once; it is forgotten.
        (
            SignalKind::FollowerWaits
            | SignalKind::WaitOver
            | SignalKind::WaitFailed
            | SignalKind::TurnGranted,
            _,
        ) => Vec::new(),
    }
}

pub(super) fn on_signal(step: &mut Step<'_>, signal: &OrderSignal) {
    match signal.kind {
        SignalKind::FollowerWaits => follower_waits(step, signal),
        SignalKind::WaitOver => wait_over(step, |wait| is_about(wait, signal)),
        SignalKind::WaitFailed => wait_failed(step, signal),
        SignalKind::TurnGranted => {
            if let Some(id) = signal.task_id {
                dispatch::turn_granted(step, id);
            }
        }
    }
}

fn is_about(wait: &Wait, signal: &OrderSignal) -> bool {
    let order = wait.order.is_some() && wait.order == signal.from_order;
    order || (wait.product.is_some() && wait.product == signal.product)
}

/// The requested start has come.
pub(super) fn start_reached(step: &mut Step<'_>) {
    let now = step.now();
    let start = step.head.waits.iter().find_map(|wait| wait.start);
    match start {
        Some(due) if due > now => step.effect(Output::SetTimer { name: START_TIMER.to_owned(), due }),
        Some(_) => wait_over(step, |wait| wait.start.is_some()),
        None => (),
    }
}

fn wait_over(step: &mut Step<'_>, is_over: impl Fn(&Wait) -> bool) {
    if step.head.state != OrderState::Scheduled {
        return;
    }
    step.head.waits.retain(|wait| !is_over(wait));
    if step.head.waits.is_empty() {
        let plans = step.cells.scan(state::ITEM_PLAN_PREFIX, ORDER_ITEMS_MAX);
        let items = plans
            .into_iter()
            .filter_map(|(name, _)| name.strip_prefix(state::ITEM_PLAN_PREFIX).map(ItemId::from));
        let items: Vec<ItemId> = items.collect();
        start::begin(step, &items);
    }
}

/// What it waited for ended otherwise than hoped: told once, and a person decides. The order stays scheduled.
fn wait_failed(step: &mut Step<'_>, signal: &OrderSignal) {
    let cause = step.cause();
    let Some(wait) = step.head.waits.iter_mut().find(|wait| is_about(wait, signal) && !wait.failed) else {
        return;
    };
    wait.failed = true;
    let message = signal.message.clone().unwrap_or_else(|| "it ended otherwise than hoped".to_owned());
    let told = WaitFailed { cause, waiting_for: wait.to_string(), message };
    step.tell_first(told);
}

/// Another order waits for this one: answered at once where it has ended; remembered while it can still end well.
fn follower_waits(step: &mut Step<'_>, signal: &OrderSignal) {
    let Some(follower) = &signal.from_order else { return };
    let (key, arrival) = (step.key, step.arrival);
    let end = end_of(step.head.state);
    if let Some((kind, message)) = end {
        step.effect(answer(key, follower, kind, Some(format!("order {key} {message}")), arrival));
    }
    if !is_final(step.head.state)
        && let Some(refused) = remember(key, step.cells, follower, arrival)
    {
        step.effect(refused);
    }
}

/// What the end of an order is to those that wait for it; `None` while it has not ended.
fn end_of(state: OrderState) -> Option<(SignalKind, &'static str)> {
    match state {
        OrderState::Completed => Some((SignalKind::WaitOver, "is completed")),
        OrderState::PartiallyCompleted => Some((SignalKind::WaitFailed, "is completed only in part")),
        OrderState::Failed => Some((SignalKind::WaitFailed, "failed")),
        OrderState::Cancelled => Some((SignalKind::WaitFailed, "was cancelled")),
        OrderState::Captured
        | OrderState::Validated
        | OrderState::Decomposed
        | OrderState::Scheduled
        | OrderState::InProgress
        | OrderState::Rejected
        | OrderState::Suspended
        | OrderState::Amending
        | OrderState::Cancelling => None,
    }
}

/// An end that no repair can turn any more.
fn is_final(state: OrderState) -> bool {
    use domain::states::Machine;
    state.is_terminal()
}

/// The order has ended: all that wait are told. Those of an order that can still be repaired are kept, to be told again then.
pub(super) fn release(step: &mut Step<'_>) {
    let Some((kind, message)) = end_of(step.head.state) else { return };
    let (key, arrival) = (step.key, step.arrival);
    for (name, cell) in step.cells.scan(state::WAITER_PREFIX, ORDER_WAITS_MAX) {
        if let Cell::Waiter(waiter) = cell {
            step.effect(answer(
                key,
                &waiter.order_key,
                kind,
                Some(format!("order {key} {message}")),
                arrival,
            ));
        }
        if is_final(step.head.state) {
            step.cells.delete(&name);
        }
    }
}

/// `Some`: there are too many already, and the follower is told so.
fn remember(
    key: &OrderKey,
    cells: &mut dyn Cells<Cell>,
    follower: &OrderKey,
    arrival: &Arrival,
) -> Option<Output> {
    let name = state::waiter_cell(follower);
    if follower == key {
        let message = format!("order {key} cannot wait for itself");
        return Some(answer(key, follower, SignalKind::WaitFailed, Some(message), arrival));
    }
    if cells.get(&name).is_some() {
        return None;
    }
    if cells.scan(state::WAITER_PREFIX, ORDER_WAITS_MAX).len() >= ORDER_WAITS_MAX {
        let message = format!("{ORDER_WAITS_MAX} orders wait for order {key} already, and no more may");
        return Some(answer(key, follower, SignalKind::WaitFailed, Some(message), arrival));
    }
    cells.put(&name, Cell::Waiter(Waiter { order_key: follower.clone(), since: arrival.now }));
    None
}

fn answer(
    key: &OrderKey,
    to: &OrderKey,
    kind: SignalKind,
    message: Option<String>,
    arrival: &Arrival,
) -> Output {
    Output::Signal(Box::new(OrderSignal {
        order_key: to.clone(),
        kind,
        from_order: Some(key.clone()),
        product: None,
        product_version: None,
        task_id: None,
        message,
        at: arrival.now,
        causation_id: arrival.id.clone(),
    }))
}
