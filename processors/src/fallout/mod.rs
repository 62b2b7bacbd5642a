//! Fallout: what blocks an order becomes a case, classified, owned, and resolved when the blockage is gone (seed 001).
//!
//! One case per blockage. A task that cannot go on is one, and so is a missing answer: its case is of low severity and resolves
//! itself when the outcome is known. A task has at most one open case; if its nature changes (the timeout turned out to be a
//! failure), the case is filed anew instead of a second one being opened.
use domain::OrderKey;
use domain::catalog::{Catalog, Catalogs};
use domain::order::OrderState;
use domain::order::event::{OrderEvent, OrderStateChanged, TaskStateChanged};
use domain::plan::{TaskState, TaskTrigger};

use crate::{Arrival, Cells};

mod blockage;
mod cases;
pub mod state;
#[cfg(test)]
mod tests;

pub use state::{Cell, Head, Subject};

/// The stages of an order that can be blocked as a whole; tasks are named by their ids.
pub const SUBJECT_FEASIBILITY: &str = "feasibility";
pub const SUBJECT_DECOMPOSITION: &str = "decomposition";
pub const SUBJECT_WAIT: &str = "wait";
pub const SUBJECT_STUCK: &str = "stuck";

/// One step: the head as it stands, and what follows so far.
struct Step<'a> {
    key: &'a OrderKey,
    cells: &'a mut dyn Cells<Cell>,
    catalogs: &'a Catalogs,
    arrival: &'a Arrival,
    correlation_id: &'a str,
    /// What the event itself follows from: equal however often it is told.
    causation_id: &'a str,
    /// None before the order is captured, and after it has ended.
    head: Option<Head>,
    outputs: Vec<OrderEvent>,
}

/// Pure and total. Reads any event of the order's topic, its own included; writes `FalloutDetected`, `FalloutClassified` and
/// `FalloutResolved`. What is known of the order is in `cells`.
///
/// # Panics
/// If the event is about another order than `key`: then the shell has mixed up two records.
pub fn handle(
    key: &OrderKey,
    cells: &mut dyn Cells<Cell>,
    event: &OrderEvent,
    catalogs: &Catalogs,
    arrival: &Arrival,
) -> Vec<OrderEvent> {
    assert_eq!(event.order_key(), key, "an event is handled under the key of its order");
    let before = match cells.get(state::HEAD) {
        Some(Cell::Head(head)) => Some(head),
        None => None,
        Some(cell @ (Cell::Case(_) | Cell::Subject(_))) => {
            panic!("the head of {key} is a head, and not {cell:?}")
        }
    };
    let correlation_id = event.cause().correlation_id.as_str();
    let causation_id = event.cause().causation_id.as_str();
    let head = before.clone();
    let mut step =
        Step { key, cells, catalogs, arrival, correlation_id, causation_id, head, outputs: Vec::new() };
    step.take(event);
    match step.head {
        Some(head) if before.as_ref() != Some(&head) => step.cells.put(state::HEAD, Cell::Head(head)),
        None if before.is_some() => step.cells.delete(state::HEAD),
        Some(_) | None => {}
    }
    step.outputs
}

impl Step<'_> {
    fn take(&mut self, event: &OrderEvent) {
        match event {
            OrderEvent::OrderCaptured(event) => {
                let begun = || Head { submission: event.submission, ..Head::default() };
                self.head.get_or_insert_with(begun);
            }
            // A request under the key of an order that ended long ago.
            OrderEvent::RevisionRefused(event) => {
                if self.head.as_ref().is_some_and(|head| head.submission == event.submission) {
                    self.end("the request was refused");
                }
            }
            OrderEvent::OrderValidated(event) => {
                let head = self.head.get_or_insert_default();
                head.catalog_version = Some(event.order.catalog_version.clone());
                head.priority = event.order.priority;
                head.customer_committed = event.order.dates.customer_committed;
                self.resolve(SUBJECT_FEASIBILITY, "the question was answered");
                self.resolve(SUBJECT_STUCK, "the order moved again");
            }
            OrderEvent::OrderRejected(_) => {
                self.end("the order was rejected");
            }
            OrderEvent::FeasibilityUnanswered(event) => self.block(blockage::feasibility(event)),
            OrderEvent::DecompositionFailed(event) => self.block(blockage::decomposition(event)),
            OrderEvent::OrderDecomposed(_) => {
                self.resolve(SUBJECT_DECOMPOSITION, "the order was decomposed");
                self.resolve(SUBJECT_STUCK, "the order moved again");
            }
            OrderEvent::WaitFailed(event) => self.block(blockage::wait(event)),
            // Where the scan is apart, the order may have ended before it heard of that.
            OrderEvent::OrderMarkedStuck(_) if self.head.as_ref().is_none_or(|head| head.failed) => {}
            OrderEvent::OrderMarkedStuck(event) => self.block(blockage::stuck(event)),
            OrderEvent::OrderStateChanged(event) => self.order_moved(event),
            OrderEvent::TaskStateChanged(event) => self.task_moved(event),
            // Nothing of these blocks an order or frees it.
            OrderEvent::RequestIgnored(_)
            | OrderEvent::FeasibilityAsked(_)
            | OrderEvent::ItemStateChanged(_)
            | OrderEvent::ServiceOrderStateChanged(_)
            | OrderEvent::MilestoneReached(_)
            | OrderEvent::FeedbackIgnored(_)
            | OrderEvent::FalloutDetected(_)
            | OrderEvent::FalloutClassified(_)
            | OrderEvent::FalloutResolved(_) => {}
        }
    }

    fn order_moved(&mut self, event: &OrderStateChanged) {
        if let Some(head) = &mut self.head {
            head.failed = !event.to.is_active();
        }
        match event.to {
            OrderState::Completed => return self.end("the order is completed"),
            OrderState::Cancelled => return self.end("the order is cancelled"),
            OrderState::Rejected => return self.end("the order was rejected"),
            OrderState::InProgress => self.resolve(SUBJECT_WAIT, "what the order waited for is over"),
            // Somebody still has to decide about what failed.
            OrderState::PartiallyCompleted | OrderState::Failed => {}
            OrderState::Captured
            | OrderState::Validated
            | OrderState::Decomposed
            | OrderState::Scheduled
            | OrderState::Suspended
            | OrderState::Amending
            | OrderState::Cancelling => {}
        }
        self.resolve(SUBJECT_STUCK, "the order moved again");
    }

    fn task_moved(&mut self, event: &TaskStateChanged) {
        self.resolve(SUBJECT_STUCK, "the order moved again");
        let resolution = match event.to {
            TaskState::FailedRepairable | TaskState::FailedTerminal | TaskState::UnknownOutcome => {
                let catalog = self.catalog();
                let task_type = catalog.and_then(|catalog| catalog.task_types.get(&event.task_type));
                let owner_group = task_type.map(|task_type| task_type.owner_group.clone());
                return self.block(blockage::task(event, owner_group));
            }
            TaskState::Completed | TaskState::Undone => "the task is done",
            TaskState::Skipped | TaskState::Cancelled => "the task is not needed any more",
            TaskState::FailedRetrying => "the outcome is known, and the task is tried again",
            TaskState::Accepted | TaskState::WaitingCallback => "the outcome is known, and the task goes on",
            TaskState::NotStarted | TaskState::Ready | TaskState::Deferred | TaskState::Dispatched => {
                if event.trigger == TaskTrigger::RepairApplied {
                    "a repair was applied, and the task goes on"
                } else {
                    "the task is sent again under its own command id"
                }
            }
        };
        self.resolve(&event.task_id.to_string(), resolution);
    }

    /// The pinned version; before one is pinned, the newest.
    fn catalog(&self) -> Option<&Catalog> {
        let pinned = self.head.as_ref().and_then(|head| head.catalog_version.as_ref());
        pinned.map_or_else(|| self.catalogs.latest(), |version| self.catalogs.get(version))
    }
}
