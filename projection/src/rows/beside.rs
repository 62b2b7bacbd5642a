//! What lies beside orders and products: what was asked of billing, said to people, known of systems; positions and counters.
use domain::downstream::CircuitState;
use domain::order::event::ChargeAction;
use domain::{ItemId, OrderKey, ProductId};
use serde::Serialize;

use super::{At, Cell, JsonText, Row};
use crate::dialect::{DbRow, Value};

row! {
    /// What billing was told to do. Its id is `partition-offset`: where it lies on its topic.
    BillingIntentRow in "billing_intents", key (id: String), 1 {
        id: String,
        order_key: OrderKey,
        item_id: ItemId,
        product: Option<ProductId>,
        action: ChargeAction,
        billing_account: Option<String>,
        offering: Option<String>,
        /// A list of agreed prices.
        prices: JsonText,
        quantity: u32,
        billing_effective: At,
        commercial_evidence: String,
        at: At,
        correlation_id: String,
        causation_id: String,
    }
}

row! {
    /// What somebody was told. Its id is `partition-offset`: where it lies on its topic.
    NotificationRow in "notifications", key (id: String), 1 {
        id: String,
        order_key: OrderKey,
        /// `requester` or `customer`.
        audience: String,
        /// The TMF622 state.
        shown_state: String,
        message: String,
        at: At,
        correlation_id: String,
        causation_id: String,
    }
}

row! {
    /// A downstream system as the shards last knew it; one that was never in trouble has no row.
    DownstreamHealthRow in "downstream_health", key (system: String), 1 {
        system: String,
        circuit: CircuitState,
        watched: bool,
        changed_at: At,
        reason: String,
        /// How many tasks wait for their turn.
        waiting: u32,
    }
}

row! {
    /// The first offset of a partition that is not applied.
    PositionRow in "positions", key (topic: String, partition_id: i64), 2 {
        topic: String,
        partition_id: i64,
        next_offset: i64,
        /// When the last record that is applied was written to the log; absent where an older version applied it.
        applied_at: Option<At>,
    }
}

row! {
    /// What is only counted.
    CounterRow in "counters", key (name: String, label: String), 2 {
        name: String,
        label: String,
        amount: i64,
    }
}
