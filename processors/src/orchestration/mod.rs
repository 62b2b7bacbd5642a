//! Runs an order's plan: the heart.
//!
//! A ready task becomes a command on its system; the answer moves the task; what it reports feeds later tasks. Nothing downstream
//! is assumed: a command that is not answered in time is asked for by its own id, and never sent under another.
//!
//! Read [`state`] for what is kept, [`start`] for how an order begins, then [`dispatch`], [`feedback`] and [`settle`], in which a
//! task's step becomes that of its item, its service order and its order. [`step`] is the working set of one call.
//!
//! An ended order keeps its tasks for [`Settings::retention_ms`], so that a late answer is known to be late and a service that is
//! suspended by itself still finds its product; then everything but its head is deleted, a bounded number of cells at a time.
use std::collections::BTreeMap;

use domain::catalog::Catalog;
use domain::command::{Command, Feedback};
use domain::downstream::{DownstreamHealth, DownstreamObserved};
use domain::inventory::ProductRequest;
use domain::order::event::{BillingIntent, Notification, OrderDecomposed, OrderEvent, OrderSignal};
use domain::{CatalogVersion, OrderKey, Timestamp};

use crate::{Arrival, Cells};

mod billing;
mod dispatch;
mod failure;
mod feedback;
mod layout;
mod notify;
mod products;
mod retention;
mod settle;
mod start;
pub mod state;
mod step;
#[cfg(test)]
mod tests;
mod timeout;
mod waits;

pub use state::Cell;

/// The timer of the requested start.
pub const START_TIMER: &str = "start";
/// The timer after which an ended order's tasks are forgotten.
pub const FORGET_TIMER: &str = "forget";

/// All that can happen to an order here.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// There is a plan.
    Decomposed(Box<OrderDecomposed>),
    Feedback(Box<Feedback>),
    Signal(Box<OrderSignal>),
    Timer {
        name: String,
    },
}

/// All that can follow from it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Event(OrderEvent),
    Command(Box<Command>),
    Signal(Box<OrderSignal>),
    Product(Box<ProductRequest>),
    Observation(Box<DownstreamObserved>),
    Billing(Box<BillingIntent>),
    Notification(Box<Notification>),
    /// Replaces the timer of that name.
    SetTimer {
        name: String,
        due: Timestamp,
    },
    CancelTimer {
        name: String,
    },
}

/// What is known beside the order itself.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The version that the order pins ([`pinned_version`], or the plan's own when it comes). `None` where no order is known yet
    /// under the key; a task whose catalog is missing stops with fallout.
    pub catalog: Option<&'a Catalog>,
    /// By system. A system that is not in it is well.
    pub health: &'a BTreeMap<String, DownstreamHealth>,
    pub settings: Settings,
}

/// What an operator may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long an ended order's tasks are kept.
    pub retention_ms: i64,
    /// How long a task may wait for its turn before the stuck-order scan looks at it.
    pub turn_wait_ms: i64,
}

/// Ninety days: longer than any system of the shipped catalog takes to answer.
pub const RETENTION_MS_DEFAULT: i64 = 90 * 24 * 60 * 60 * 1_000;
/// A day: an outage that lasts longer is somebody's business order by order.
pub const TURN_WAIT_MS_DEFAULT: i64 = 24 * 60 * 60 * 1_000;

impl Default for Settings {
    fn default() -> Settings {
        Settings { retention_ms: RETENTION_MS_DEFAULT, turn_wait_ms: TURN_WAIT_MS_DEFAULT }
    }
}

/// The catalog version that the order of these cells runs on; `None` where no plan has come yet.
pub fn pinned_version(cells: &dyn Cells<Cell>) -> Option<CatalogVersion> {
    step::head(cells).map(|head| head.catalog_version)
}

/// Total and pure: equal cells, event, world and arrival give equal cells and outputs.
///
/// The outputs are in the sequence in which they are to be appended.
pub fn handle(
    key: &OrderKey,
    cells: &mut dyn Cells<Cell>,
    event: Event,
    world: &World<'_>,
    arrival: &Arrival,
) -> Vec<Output> {
    let Some(head) = step::head(cells) else { return without_plan(key, cells, event, world, arrival) };
    let mut step = step::Step::new(key, cells, head, world, arrival);
    match event {
        // The plan came before: validation lets no second one through while the order is there.
        Event::Decomposed(_) => (),
        Event::Feedback(feedback) => feedback::on_feedback(&mut step, *feedback),
        Event::Signal(signal) => waits::on_signal(&mut step, &signal),
        Event::Timer { name } => timeout::on_timer(&mut step, &name),
    }
    step.finish()
}

fn without_plan(
    key: &OrderKey,
    cells: &mut dyn Cells<Cell>,
    event: Event,
    world: &World<'_>,
    arrival: &Arrival,
) -> Vec<Output> {
    match event {
        Event::Decomposed(decomposed) => start::decomposed(key, cells, *decomposed, world, arrival),
        Event::Feedback(feedback) => feedback::without_order(key, &feedback, arrival),
        Event::Signal(signal) => waits::before_order(key, cells, &signal, arrival),
        // A timer that outlived its order.
        Event::Timer { .. } => Vec::new(),
    }
}
