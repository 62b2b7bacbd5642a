//! How long orders took: for percentiles.
use domain::order::OrderState;
use domain::{OrderKey, Timestamp};
use serde::Serialize;

use super::Conditions;
use crate::dialect::{DbRow, Value};
use crate::rows::{At, Cell, OrderRow, Row, select};
use crate::{Error, Projection};

/// One ended order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderTime {
    pub key: OrderKey,
    pub state: OrderState,
    pub captured_at: At,
    pub ended_at: At,
}

impl OrderTime {
    /// From capture to end, in milliseconds.
    pub fn elapsed_ms(&self) -> i64 {
        self.ended_at.0.since_ms(self.captured_at.0)
    }
}

impl Row for OrderTime {
    type Key = OrderKey;
    const TABLE: &'static str = OrderRow::TABLE;
    const COLUMNS: &'static [&'static str] = &["key", "state", "captured_at", "ended_at"];
    const KEYS: usize = 1;

    fn key(&self) -> OrderKey {
        self.key.clone()
    }
    fn values(self) -> Vec<Value> {
        unreachable!("a view is only read");
    }
    fn read(row: &DbRow) -> Result<OrderTime, sqlx::Error> {
        Ok(OrderTime {
            key: Cell::take(row, 0)?,
            state: Cell::take(row, 1)?,
            captured_at: Cell::take(row, 2)?,
            ended_at: Cell::take(row, 3)?,
        })
    }
}

impl Projection {
    /// The orders in one of these states (all that end, where none is named) that ended at `since` or later, in the sequence in
    /// which they ended; at most `limit`.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn times(
        &self,
        states: &[OrderState],
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<OrderTime>, Error> {
        let mut statement = select::<OrderTime>();
        let mut conditions = Conditions::of(&mut statement);
        conditions.with("ended_at >= ", Some(At(since)));
        conditions.one_of("state", states.to_vec());
        statement.push(" ORDER BY ended_at, key LIMIT ").bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.list("the times of orders", statement).await
    }
}
