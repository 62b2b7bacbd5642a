//! The tables, one type per row: what `apply` writes is what a query answers.
//!
//! Each serializes in camelCase, times as RFC 3339; names of fields are contract. [`cell`] says how a value fills a column.
use domain::fallout::{CaseState, Detection, FailureDomain, Recoverability, Severity};
use domain::inventory::ProductState;
use domain::order::{ItemAction, ItemState, OrderState};
use domain::plan::{ExecutionMode, ServiceOrderKind, ServiceOrderState, TaskState};
use domain::{
    CaseId, CatalogVersion, CommandId, ItemId, OrderKey, ProductId, RequestId, ServiceOrderId, TaskId,
};
use serde::{Deserialize, Serialize};

mod cell;
mod stage;
mod store;

pub use cell::{At, INDEXED_TEXT_BYTES_MAX, JsonText};
pub(crate) use cell::{Cell, indexed, text_of};
pub(crate) use stage::Stage;
pub(crate) use store::{
    add_counters, count, delete_where, load, read_all, read_lines, select, upsert, write_changed,
};

use crate::dialect::{DbRow, Transaction, Value};

/// One row of a table. The first [`Row::KEYS`] columns are its primary key.
pub(crate) trait Row: Sized + Send {
    type Key: Ord + Clone + Send;
    const TABLE: &'static str;
    const COLUMNS: &'static [&'static str];
    const KEYS: usize;
    /// Indexed columns that most changes leave as they are.
    const SELDOM: &'static [&'static str] = &[];

    fn key(&self) -> Self::Key;
    /// The values of [`Row::SELDOM`].
    fn seldom(&self) -> Vec<Value> {
        Vec::new()
    }
    /// In the sequence of the columns.
    fn values(self) -> Vec<Value>;
    /// # Errors
    /// The database failed, or a column holds what this version cannot read.
    fn read(row: &DbRow) -> Result<Self, sqlx::Error>;
}

/// A struct, and its columns in the same sequence; so that neither can be forgotten.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident in $table:literal, key ($($key:ident: $key_type:ty),+), $keys:literal $(, seldom ($($seldom:ident),+))? {
        $($(#[$field_doc:meta])* $field:ident: $kind:ty,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)+
        }
        impl Row for $name {
            type Key = ($($key_type,)+);
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field),)+];
            const KEYS: usize = $keys;
            const SELDOM: &'static [&'static str] = &[$($(stringify!($seldom)),+)?];

            fn key(&self) -> Self::Key {
                ($(self.$key.clone(),)+)
            }
            fn seldom(&self) -> Vec<Value> {
                vec![$($(self.$seldom.clone().value()),+)?]
            }
            fn values(self) -> Vec<Value> {
                vec![$(self.$field.value(),)+]
            }
            fn read(row: &DbRow) -> Result<$name, sqlx::Error> {
                let mut columns = 0..;
                Ok($name { $($field: Cell::take(row, columns.next().unwrap_or_default())?,)+ })
            }
        }
    };
}

mod beside;
pub use beside::{BillingIntentRow, CounterRow, DownstreamHealthRow, NotificationRow, PositionRow};

row! {
    /// An order at a glance: a line of a list, and the head of its own page.
    OrderRow in "orders", key (key: OrderKey), 1, seldom (
        catalog_version, requester, external_id, priority, captured_at, ended_at, stuck, open_cases
    ) {
        key: OrderKey,
        state: OrderState,
        /// The TMF622 state.
        shown_state: String,
        order_version: u32,
        catalog_version: CatalogVersion,
        requester: String,
        external_id: Option<String>,
        contract: String,
        /// 0 is the highest, 4 the lowest.
        priority: u32,
        category: Option<String>,
        captured_at: At,
        /// When the last event moved it.
        updated_at: At,
        /// When nothing was left to do for it; absent again once it is taken up again.
        ended_at: Option<At>,
        requested_completion: Option<At>,
        /// The submission in force.
        submission: u32,
        /// How many came.
        submissions: u32,
        request_id: RequestId,
        waiting_for: Option<String>,
        next_due: Option<At>,
        stuck: bool,
        stuck_since: Option<At>,
        open_cases: u32,
        cases: u32,
        item_count: u32,
        items_completed: u32,
        task_count: u32,
        tasks_done: u32,
        /// The offset of the last event that moved it.
        last_sequence: i64,
    }
}

/// What became of a request under an order's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SubmissionOutcome {
    /// Not decided yet.
    Pending,
    Validated,
    Rejected,
    /// The order it was meant for is in progress, or ended.
    RevisionRefused,
    /// Valid, but the pinned catalog cannot say how to build it.
    NotDecomposed,
}

row! {
    /// One request under an order's key, with the reasons where it was refused.
    SubmissionRow in "submissions", key (order_key: OrderKey, submission: u32), 2 {
        order_key: OrderKey,
        submission: u32,
        request_id: RequestId,
        outcome: SubmissionOutcome,
        received_at: At,
        decided_at: Option<At>,
        contract: Option<String>,
        catalog_version: Option<CatalogVersion>,
        evidence: JsonText,
        reasons: JsonText,
        /// The order as submitted; as validated once it is.
        snapshot: JsonText,
    }
}

row! {
    ItemRow in "items", key (order_key: OrderKey, item_id: ItemId), 2, seldom (offering) {
        order_key: OrderKey,
        item_id: ItemId,
        /// Its place in the order, from 0.
        position: u32,
        state: ItemState,
        action: ItemAction,
        quantity: u32,
        offering: Option<String>,
        offering_name: Option<String>,
        specification: Option<String>,
        /// The product that the requester named.
        product: Option<ProductId>,
        /// The products that it makes or changes: ids.
        products: JsonText,
        parent: Option<ItemId>,
        /// The items that it cannot do without: ids.
        requires: JsonText,
        optional: bool,
        billable: bool,
        /// An object.
        characteristics: JsonText,
        /// A list of `{milestone, taskId, at}`.
        milestones: JsonText,
        reason: Option<String>,
        updated_at: At,
    }
}

row! {
    ServiceOrderRow in "service_orders", key (id: ServiceOrderId), 1, seldom (order_key) {
        id: ServiceOrderId,
        order_key: OrderKey,
        item_id: ItemId,
        kind: ServiceOrderKind,
        specification: String,
        parent: Option<ServiceOrderId>,
        characteristics: JsonText,
        state: ServiceOrderState,
        updated_at: At,
    }
}

row! {
    /// A task: its place in the plan, and its life so far.
    TaskRow in "tasks", key (id: TaskId), 1, seldom (order_key, position, command_id) {
        id: TaskId,
        order_key: OrderKey,
        item_id: ItemId,
        /// Its place in the order of work: no task stands before one that it waits for.
        position: u32,
        component: String,
        task_type: String,
        system: String,
        service_order: ServiceOrderId,
        action: ItemAction,
        /// Task ids.
        predecessors: JsonText,
        /// A list of `{name, value, task, output}`.
        inputs: JsonText,
        milestone: Option<String>,
        product: Option<ProductId>,
        state: TaskState,
        mode: ExecutionMode,
        in_fallout: bool,
        attempt: u32,
        command_id: Option<CommandId>,
        /// Over all its commands.
        commands_sent: u32,
        /// The sendings that were not the first of their command.
        retries: u32,
        /// The last failure, or null.
        failure: JsonText,
        reason: Option<String>,
        /// An object of all that was reported.
        outputs: JsonText,
        next_due: Option<At>,
        started_at: Option<At>,
        finished_at: Option<At>,
        updated_at: At,
    }
}

row! {
    /// One event of an order.
    HistoryRow in "history", key (order_key: OrderKey, sequence: i64), 2 {
        order_key: OrderKey,
        /// Its offset: all events of an order lie on one partition.
        sequence: i64,
        at: At,
        /// The name of its record type.
        name: String,
        summary: String,
        correlation_id: String,
        causation_id: String,
        actor: String,
        details: JsonText,
    }
}

row! {
    CaseRow in "cases", key (id: CaseId), 1, seldom (
        order_key, severity, domain, recoverability, normalized_code, owner_group, failure_system, detected_at
    ) {
        id: CaseId,
        order_key: OrderKey,
        item_id: Option<ItemId>,
        task_id: Option<TaskId>,
        detection: Detection,
        state: CaseState,
        is_open: bool,
        severity: Severity,
        domain: FailureDomain,
        recoverability: Recoverability,
        normalized_code: String,
        owner_group: String,
        action: String,
        customer_impact: bool,
        revenue_impact: bool,
        customer_message: Option<String>,
        failure_system: String,
        /// The original code, preserved exactly (seed 001, "rawErrorCode").
        failure_code: String,
        failure_message: String,
        failure_at: At,
        /// What the item was about, to find causes that come back.
        offering: Option<String>,
        catalog_version: Option<CatalogVersion>,
        escalated: bool,
        assignee: Option<String>,
        detected_at: At,
        touched_at: At,
        sla_due: Option<At>,
        resolved_at: Option<At>,
        resolution: Option<String>,
        reopened: u32,
        /// How often it was classified.
        filed: u32,
    }
}

row! {
    /// A product instance as it stands (TMF637).
    ProductRow in "products", key (id: ProductId), 1 {
        id: ProductId,
        state: ProductState,
        version: u32,
        offering: Option<String>,
        specification: Option<String>,
        catalog_version: Option<CatalogVersion>,
        characteristics: JsonText,
        customer: Option<String>,
        /// The order and the item that last changed it.
        order_key: OrderKey,
        item_id: ItemId,
        started_at: Option<At>,
        terminated_at: Option<At>,
        changed_at: At,
    }
}

row! {
    /// One event of a product.
    ProductHistoryRow in "product_history", key (product_id: ProductId, sequence: i64), 2 {
        product_id: ProductId,
        sequence: i64,
        at: At,
        name: String,
        summary: String,
        order_key: OrderKey,
        correlation_id: String,
        causation_id: String,
        details: JsonText,
    }
}

/// All tables that events make, by name; and their rows as lines.
macro_rules! tables {
    ($($row:ident)+) => {
        pub const TABLES: &[&str] = &[$($row::TABLE,)+ "log_ends", "pruned"];
        /// The tables of which the same log always makes the same rows.
        pub const EVENT_TABLES: &[&str] = &[$($row::TABLE,)+];

        /// The rows of a table, a line of JSON each, in the sequence of its key; `None` for a table that is none of ours.
        pub(crate) async fn lines(
            transaction: &mut Transaction,
            table: &str,
        ) -> Result<Option<Vec<String>>, sqlx::Error> {
            $(if table == $row::TABLE {
                return read_lines::<$row>(transaction).await.map(Some);
            })+
            Ok(None)
        }
    };
}
tables! {
    OrderRow SubmissionRow ItemRow ServiceOrderRow TaskRow HistoryRow CaseRow ProductRow ProductHistoryRow BillingIntentRow
    NotificationRow DownstreamHealthRow PositionRow CounterRow
}
