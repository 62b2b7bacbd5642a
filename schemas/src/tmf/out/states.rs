//! Which state of ours is shown as which of TM Forum's. Every state is, by the compiler; `docs/standards-fields.md` has the tables.
use domain::inventory::ProductState;
use domain::order::{ItemAction, ItemState, OrderState};
use domain::plan::ServiceOrderState;

/// TMF622, of an order; v4 and v5 agree. v5's `draft` and `inProgress.accepted` are never shown: nothing here is one.
pub fn order(state: OrderState) -> &'static str {
    match state {
        OrderState::Captured | OrderState::Validated => "acknowledged",
        OrderState::Rejected => "rejected",
        OrderState::Scheduled => "pending",
        OrderState::Suspended => "held",
        OrderState::Decomposed | OrderState::InProgress | OrderState::Amending => "inProgress",
        OrderState::Cancelling => "pendingCancellation",
        OrderState::Cancelled => "cancelled",
        OrderState::PartiallyCompleted => "partial",
        OrderState::Completed => "completed",
        OrderState::Failed => "failed",
    }
}

/// TMF622, of an item; v4 and v5 agree. What has ended shows its own end; what has not shows what holds for the order, where that
/// says more.
pub fn item(order: OrderState, item: ItemState) -> &'static str {
    match item {
        ItemState::Completed => "completed",
        ItemState::Failed => "failed",
        ItemState::Cancelled => "cancelled",
        ItemState::Pending | ItemState::InProgress | ItemState::Blocked => match order {
            OrderState::Rejected => "rejected",
            OrderState::Cancelled => "cancelled",
            OrderState::Cancelling => "pendingCancellation",
            OrderState::Suspended => "held",
            OrderState::Captured | OrderState::Validated => "acknowledged",
            OrderState::Decomposed
            | OrderState::Scheduled
            | OrderState::InProgress
            | OrderState::PartiallyCompleted
            | OrderState::Completed
            | OrderState::Amending
            | OrderState::Failed => unfinished(item),
        },
    }
}

fn unfinished(item: ItemState) -> &'static str {
    match item {
        ItemState::Pending => "pending",
        ItemState::InProgress => "inProgress",
        ItemState::Blocked => "held",
        ItemState::Completed => "completed",
        ItemState::Failed => "failed",
        ItemState::Cancelled => "cancelled",
    }
}

/// TMF641, of a service order and of its item.
pub fn service_order(state: ServiceOrderState) -> &'static str {
    match state {
        ServiceOrderState::Acknowledged => "acknowledged",
        ServiceOrderState::InProgress => "inProgress",
        ServiceOrderState::Held => "held",
        ServiceOrderState::Partial => "partial",
        ServiceOrderState::Completed => "completed",
        ServiceOrderState::Failed => "failed",
        ServiceOrderState::Cancelled => "cancelled",
    }
}

/// TMF641, of the service that a service order is about. A service that is only changed is active all the time.
pub fn service(action: ItemAction, state: ServiceOrderState) -> &'static str {
    match (action, state) {
        (ItemAction::Add, ServiceOrderState::Completed) => "active",
        (ItemAction::Add, ServiceOrderState::Acknowledged) => "designed",
        (
            ItemAction::Add,
            ServiceOrderState::InProgress
            | ServiceOrderState::Held
            | ServiceOrderState::Partial
            | ServiceOrderState::Failed
            | ServiceOrderState::Cancelled,
        ) => "inactive",
        (ItemAction::Delete, ServiceOrderState::Completed) => "terminated",
        (
            ItemAction::Delete,
            ServiceOrderState::Acknowledged
            | ServiceOrderState::InProgress
            | ServiceOrderState::Held
            | ServiceOrderState::Partial
            | ServiceOrderState::Failed
            | ServiceOrderState::Cancelled,
        )
        | (ItemAction::Modify | ItemAction::NoChange, _) => "active",
    }
}

/// TMF637; v4 and v5 agree. Both files of TM Forum write `aborted ` with a blank at its end, which the text of the standard does not.
pub fn product(state: ProductState) -> &'static str {
    match state {
        ProductState::Created => "created",
        ProductState::PendingActive => "pendingActive",
        ProductState::Cancelled => "cancelled",
        ProductState::Active => "active",
        ProductState::PendingTerminate => "pendingTerminate",
        ProductState::Terminated => "terminated",
        ProductState::Suspended => "suspended",
        ProductState::Aborted => "aborted",
    }
}

pub(super) fn action(action: ItemAction) -> &'static str {
    match action {
        ItemAction::Add => "add",
        ItemAction::Modify => "modify",
        ItemAction::Delete => "delete",
        ItemAction::NoChange => "noChange",
    }
}
