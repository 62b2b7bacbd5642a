//! For those who follow one order or one request and ask often: few rows, by index.
use domain::{OrderKey, RequestId};

use super::SubmissionView;
use crate::dialect::Statement;
use crate::rows::{Cell, HistoryRow, OrderRow, read_all, select};
use crate::{Error, Projection};

/// What the events say of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestTrace {
    /// How it arrived, each time that it came, in sequence: a capture, or a repetition that was ignored.
    pub arrivals: Vec<Arrival>,
    /// The submission that it became, with its outcome; absent while none of its captures is known.
    pub submission: Option<SubmissionView>,
    /// Where the order of its key stands in the same snapshot.
    pub order: Option<OrderRow>,
}

/// One time that a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The offset of the event that says so.
    pub sequence: i64,
    /// Whether it had come before, and nothing followed.
    pub repeated: bool,
}

/// The records by which capture tells of a request.
const CAPTURED: &str = "OrderCaptured";
const IGNORED: &str = "RequestIgnored";

impl Projection {
    /// The row of an order alone; `None` where there is no order of this key.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn order_row(&self, key: &OrderKey) -> Result<Option<OrderRow>, Error> {
        Ok(self.list("the order", row_of(key)).await?.pop())
    }

    /// What became of a request under a key, from one snapshot.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn request(&self, key: &OrderKey, request: &RequestId) -> Result<RequestTrace, Error> {
        let read_error = |source| Error::Read { what: "the request", source };
        let mut snapshot = self.pools.snapshot().await.map_err(read_error)?;
        let mut told = select::<HistoryRow>();
        told.push(" WHERE order_key = ").bind(key.clone().value());
        told.push(" AND correlation_id = ").bind(request.0.as_str());
        told.push(" AND name IN ").bind_list([CAPTURED.into(), IGNORED.into()]).push(" ORDER BY sequence");
        let told: Vec<HistoryRow> = read_all(&mut snapshot, told).await.map_err(read_error)?;
        let mut became = select::<SubmissionView>();
        became.push(" WHERE order_key = ").bind(key.clone().value());
        became.push(" AND request_id = ").bind(request.clone().value()).push(" ORDER BY submission");
        let mut became: Vec<SubmissionView> = read_all(&mut snapshot, became).await.map_err(read_error)?;
        let mut orders: Vec<OrderRow> = read_all(&mut snapshot, row_of(key)).await.map_err(read_error)?;
        snapshot.commit().await.map_err(read_error)?;
        let arrival = |row: &HistoryRow| Arrival { sequence: row.sequence, repeated: row.name == IGNORED };
        Ok(RequestTrace {
            arrivals: told.iter().map(arrival).collect(),
            submission: became.pop(),
            order: orders.pop(),
        })
    }
}

fn row_of(key: &OrderKey) -> Statement {
    let mut statement = select::<OrderRow>();
    statement.push(" WHERE key = ").bind(key.clone().value());
    statement
}
