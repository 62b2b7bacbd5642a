//! The machines of the order and of its items. What is not in a table is refused.
use serde::{Deserialize, Serialize};

use crate::states::Machine;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderState {
    Captured,
    Validated,
    Decomposed,
    Scheduled,
    InProgress,
    PartiallyCompleted,
    Completed,
    Rejected,
    Suspended,
    Amending,
    Cancelling,
    Cancelled,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderTrigger {
    RulesPassed,
    RulesBroken,
    Resubmitted,
    PlanMade,
    /// A start date, another order or a product is awaited.
    StartAwaited,
    Started,
    /// Everything that can finish has; some optional item has not.
    OptionalItemsFailed,
    AllItemsDone,
    /// A mandatory item can never be done, and nothing is active any more.
    MandatoryItemFailed,
    RepairStarted,
    Suspend,
    Resume,
    AmendmentStarted,
    AmendmentApplied,
    CancellationStarted,
    EffectsCompensated,
}

use OrderState::*;
use OrderTrigger::*;

impl Machine for OrderState {
    type Trigger = OrderTrigger;
    const NAME: &'static str = "order";
    const INITIAL: OrderState = Captured;
    const ALL: &'static [OrderState] = &[
        Captured,
        Validated,
        Decomposed,
        Scheduled,
        InProgress,
        PartiallyCompleted,
        Completed,
        Rejected,
        Suspended,
        Amending,
        Cancelling,
        Cancelled,
        Failed,
    ];
    #[rustfmt::skip]
    const TABLE: &'static [(OrderState, OrderTrigger, OrderState)] = &[
        (Captured,           RulesPassed,         Validated),
        (Captured,           RulesBroken,         Rejected),
        (Rejected,           Resubmitted,         Captured),
        (Validated,          PlanMade,            Decomposed),
        (Decomposed,         StartAwaited,        Scheduled),
        (Decomposed,         Started,             InProgress),
        (Scheduled,          Started,             InProgress),
        (InProgress,         AllItemsDone,        Completed),
        (InProgress,         OptionalItemsFailed, PartiallyCompleted),
        (InProgress,         MandatoryItemFailed, Failed),
        (PartiallyCompleted, RepairStarted,       InProgress),
        (PartiallyCompleted, AllItemsDone,        Completed),
        (Failed,             RepairStarted,       InProgress),
        (Scheduled,          Suspend,             Suspended),
        (InProgress,         Suspend,             Suspended),
        (Suspended,          Resume,              InProgress),
        (InProgress,         AmendmentStarted,    Amending),
        (PartiallyCompleted, AmendmentStarted,    Amending),
        (Failed,             AmendmentStarted,    Amending), // a revision can also correct a failed order (seed 003)
        (Amending,           AmendmentApplied,    InProgress),
        (Captured,           CancellationStarted, Cancelling),
        (Validated,          CancellationStarted, Cancelling),
        (Decomposed,         CancellationStarted, Cancelling),
        (Scheduled,          CancellationStarted, Cancelling),
        (InProgress,         CancellationStarted, Cancelling),
        (PartiallyCompleted, CancellationStarted, Cancelling),
        (Suspended,          CancellationStarted, Cancelling),
        (Amending,           CancellationStarted, Cancelling),
        (Failed,             CancellationStarted, Cancelling),
        (Cancelling,         EffectsCompensated,  Cancelled), // never before every external effect is stopped or compensated
    ];
}

impl OrderState {
    /// Whether the order needs something done or awaited: the ones that the stuck-order scan watches.
    pub fn is_active(self) -> bool {
        match self {
            Captured | Validated | Decomposed | Scheduled | InProgress | Suspended | Amending
            | Cancelling => true,
            PartiallyCompleted | Completed | Rejected | Cancelled | Failed => false,
        }
    }

    /// The TMF622 state that is shown outside (domain model, "States are separate").
    pub fn shown_outside(self) -> &'static str {
        match self {
            Captured | Validated => "acknowledged",
            Scheduled => "pending",
            Suspended => "held",
            Decomposed | InProgress | Amending => "inProgress",
            Cancelling => "pendingCancellation",
            PartiallyCompleted => "partial",
            Completed => "completed",
            Rejected => "rejected",
            Cancelled => "cancelled",
            Failed => "failed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ItemState {
    Pending,
    InProgress,
    /// Some task of it cannot go on before a person or a system acts (seed 001, "Order, Task, and Fallout State").
    Blocked,
    Completed,
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ItemTrigger {
    TaskStarted,
    TaskBlocked,
    TaskUnblocked,
    TasksDone,
    /// A task of it can never be done.
    TaskFailedForGood,
    /// An item that it needs failed for good.
    RequiredItemFailed,
    RepairStarted,
    Cancel,
}

impl Machine for ItemState {
    type Trigger = ItemTrigger;
    const NAME: &'static str = "order item";
    const INITIAL: ItemState = ItemState::Pending;
    const ALL: &'static [ItemState] = &[
        ItemState::Pending,
        ItemState::InProgress,
        ItemState::Blocked,
        ItemState::Completed,
        ItemState::Failed,
        ItemState::Cancelled,
    ];
    #[rustfmt::skip]
    const TABLE: &'static [(ItemState, ItemTrigger, ItemState)] = &[
        (ItemState::Pending,    ItemTrigger::TaskStarted,        ItemState::InProgress),
        (ItemState::Pending,    ItemTrigger::TasksDone,          ItemState::Completed), // nothing to do: noChange, or all skipped
        (ItemState::Pending,    ItemTrigger::TaskBlocked,        ItemState::Blocked),
        (ItemState::Pending,    ItemTrigger::TaskFailedForGood,  ItemState::Failed),
        (ItemState::Pending,    ItemTrigger::RequiredItemFailed, ItemState::Failed),
        (ItemState::Pending,    ItemTrigger::Cancel,             ItemState::Cancelled),
        (ItemState::InProgress, ItemTrigger::TasksDone,          ItemState::Completed),
        (ItemState::InProgress, ItemTrigger::TaskBlocked,        ItemState::Blocked),
        (ItemState::InProgress, ItemTrigger::TaskFailedForGood,  ItemState::Failed),
        (ItemState::InProgress, ItemTrigger::RequiredItemFailed, ItemState::Failed),
        (ItemState::InProgress, ItemTrigger::Cancel,             ItemState::Cancelled),
        (ItemState::Blocked,    ItemTrigger::TaskUnblocked,      ItemState::InProgress),
        (ItemState::Blocked,    ItemTrigger::TasksDone,          ItemState::Completed), // the late answer was the last
        (ItemState::Blocked,    ItemTrigger::TaskFailedForGood,  ItemState::Failed),
        (ItemState::Blocked,    ItemTrigger::RequiredItemFailed, ItemState::Failed),
        (ItemState::Blocked,    ItemTrigger::Cancel,             ItemState::Cancelled),
        (ItemState::Failed,     ItemTrigger::RepairStarted,      ItemState::InProgress),
        (ItemState::Failed,     ItemTrigger::Cancel,             ItemState::Cancelled),
        (ItemState::Completed,  ItemTrigger::RepairStarted,      ItemState::InProgress), // a change in flight redoes part of it
        (ItemState::Completed,  ItemTrigger::Cancel,             ItemState::Cancelled),
    ];
}

impl ItemState {
    /// Whether nothing is left to do for the item.
    pub fn is_settled(self) -> bool {
        match self {
            ItemState::Completed | ItemState::Failed | ItemState::Cancelled => true,
            ItemState::Pending | ItemState::InProgress | ItemState::Blocked => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::states::check_table;

    #[test]
    fn the_tables_are_whole() {
        check_table::<OrderState>();
        check_table::<ItemState>();
    }

    #[test]
    fn an_order_cannot_be_cancelled_before_its_effects_are_compensated() {
        let into_cancelled: Vec<_> = OrderState::TABLE.iter().filter(|row| row.2 == Cancelled).collect();
        assert_eq!(into_cancelled, [&(Cancelling, EffectsCompensated, Cancelled)]);
        assert_eq!(
            InProgress.on(EffectsCompensated).unwrap_err().to_string(),
            "order in state InProgress refuses EffectsCompensated"
        );
    }

    #[test]
    fn ended_orders_take_nothing() {
        assert!(Completed.is_terminal() && Cancelled.is_terminal());
        assert!(!Rejected.is_terminal(), "a rejected order can be corrected and resubmitted");
    }
}
