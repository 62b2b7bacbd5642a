//! What whoever ordered is told: true, and free of internals (seed 001, "Communication Invariant").
use domain::order::OrderState;
use domain::order::event::Notification;

use super::Output;
use super::step::Step;

pub const TO_REQUESTER: &str = "requester";
pub const TO_CUSTOMER: &str = "customer";

/// The order's new state, to the requester.
pub(super) fn order(step: &mut Step<'_>) {
    let message = match step.head.state {
        OrderState::Scheduled => "Your order is accepted, and its work has not begun yet.",
        OrderState::InProgress => "Work on your order has begun.",
        OrderState::Completed => "Your order is completed.",
        OrderState::PartiallyCompleted => {
            "Your order is completed in part; some optional parts could not be delivered."
        }
        OrderState::Failed => "Your order could not be delivered.",
        OrderState::Cancelled => "Your order is cancelled.",
        OrderState::Suspended => "Your order is on hold.",
        OrderState::Amending => "Your order is being changed.",
        OrderState::Cancelling => "Your order is being cancelled.",
        // Said by the processors that decide these.
        OrderState::Captured | OrderState::Validated | OrderState::Decomposed | OrderState::Rejected => {
            return;
        }
    };
    tell(step, TO_REQUESTER, message.to_owned());
}

/// What the catalog wants the customer to be told when a task is done.
pub(super) fn customer(step: &mut Step<'_>, message: String) {
    tell(step, TO_CUSTOMER, message);
}

fn tell(step: &mut Step<'_>, audience: &str, message: String) {
    let notification = Notification {
        cause: step.cause(),
        audience: audience.to_owned(),
        shown_state: step.head.state.shown_outside().to_owned(),
        message,
    };
    step.effect(Output::Notification(Box::new(notification)));
}
