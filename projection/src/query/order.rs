//! One order, whole.
use domain::{CatalogVersion, OrderKey, RequestId};
use serde::Serialize;

use crate::dialect::{DbRow, Transaction, Value};
use crate::rows::{
    At, CaseRow, Cell, HistoryRow, ItemRow, JsonText, OrderRow, Row, ServiceOrderRow, SubmissionOutcome,
    SubmissionRow, TaskRow, read_all, select,
};
use crate::{Error, Projection};

/// The most rows of history that come with an order, and in one page of it.
pub const HISTORY_ROWS_MAX: usize = 2_000;

/// One request under an order's key, without the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmissionView {
    pub submission: u32,
    pub request_id: RequestId,
    pub outcome: SubmissionOutcome,
    pub received_at: At,
    pub decided_at: Option<At>,
    pub contract: Option<String>,
    pub catalog_version: Option<CatalogVersion>,
    pub evidence: JsonText,
    /// All reasons: `{code, pointer, message}`.
    pub reasons: JsonText,
}

impl Row for SubmissionView {
    type Key = u32;
    const TABLE: &'static str = SubmissionRow::TABLE;
    const COLUMNS: &'static [&'static str] = &[
        "submission",
        "request_id",
        "outcome",
        "received_at",
        "decided_at",
        "contract",
        "catalog_version",
        "evidence",
        "reasons",
    ];
    const KEYS: usize = 1;

    fn key(&self) -> u32 {
        self.submission
    }
    fn values(self) -> Vec<Value> {
        unreachable!("a view is only read");
    }
    fn read(row: &DbRow) -> Result<SubmissionView, sqlx::Error> {
        Ok(SubmissionView {
            submission: Cell::take(row, 0)?,
            request_id: Cell::take(row, 1)?,
            outcome: Cell::take(row, 2)?,
            received_at: Cell::take(row, 3)?,
            decided_at: Cell::take(row, 4)?,
            contract: Cell::take(row, 5)?,
            catalog_version: Cell::take(row, 6)?,
            evidence: Cell::take(row, 7)?,
            reasons: Cell::take(row, 8)?,
        })
    }
}

/// Everything that is shown of an order; the fields of its row stand at the top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    #[serde(flatten)]
    pub order: OrderRow,
    /// In the sequence of the document.
    pub items: Vec<ItemRow>,
    pub service_orders: Vec<ServiceOrderRow>,
    /// No task stands before one that it waits for.
    pub tasks: Vec<TaskRow>,
    /// In the sequence in which they were detected.
    pub case_list: Vec<CaseRow>,
    pub submission_list: Vec<SubmissionView>,
    /// From the beginning, at most [`HISTORY_ROWS_MAX`].
    pub history: Vec<HistoryRow>,
    /// Whether there is more of it: [`Projection::history`] goes on.
    pub history_left_off: bool,
    /// Whether its beginning is gone: deleted by `history_retention_days`, or by the log before a rebuild.
    pub history_begins_late: bool,
}

impl OrderView {
    /// The cases that somebody still has to do something about.
    pub fn open_cases(&self) -> impl Iterator<Item = &CaseRow> {
        self.case_list.iter().filter(|case| case.is_open)
    }
}

impl Projection {
    /// An order with its items, plan, cases and history; `None` where there is no order of this key.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn order(&self, key: &OrderKey) -> Result<Option<OrderView>, Error> {
        let read_error = |source| Error::Read { what: "the order", source };
        let mut snapshot = self.pools.snapshot().await.map_err(read_error)?;
        let view = read_order(&mut snapshot, key).await.map_err(read_error)?;
        snapshot.commit().await.map_err(read_error)?;
        Ok(view)
    }

    /// What happened under a key after a sequence (-1: from the beginning), at most [`HISTORY_ROWS_MAX`] rows. Also for a key without
    /// an order: a refused answer can name one.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn history(&self, key: &OrderKey, after_sequence: i64) -> Result<Vec<HistoryRow>, Error> {
        let read_error = |source| Error::Read { what: "the history", source };
        let mut snapshot = self.pools.snapshot().await.map_err(read_error)?;
        let rows = read_history(&mut snapshot, key, after_sequence, HISTORY_ROWS_MAX);
        let rows = rows.await.map_err(read_error)?;
        snapshot.commit().await.map_err(read_error)?;
        Ok(rows)
    }

    /// A submission with its document; `None` where there is none of this number.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn submission(&self, key: &OrderKey, submission: u32) -> Result<Option<SubmissionRow>, Error> {
        let mut statement = select::<SubmissionRow>();
        statement.push(" WHERE order_key = ").bind(key.clone().value());
        statement.push(" AND submission = ").bind(i64::from(submission));
        let rows = self.list("the submission", statement);
        Ok(rows.await?.pop())
    }
}

async fn read_order(snapshot: &mut Transaction, key: &OrderKey) -> Result<Option<OrderView>, sqlx::Error> {
    let mut orders: Vec<OrderRow> = of_order(snapshot, key, "key", "key").await?;
    let Some(order) = orders.pop() else { return Ok(None) };
    let mut history = read_history(snapshot, key, -1, HISTORY_ROWS_MAX + 1).await?;
    let history_left_off = history.len() > HISTORY_ROWS_MAX;
    history.truncate(HISTORY_ROWS_MAX);
    let history_begins_late = !history.iter().any(|row| row.name == "OrderCaptured");
    Ok(Some(OrderView {
        order,
        items: of_order(snapshot, key, "order_key", "position").await?,
        service_orders: of_order(snapshot, key, "order_key", "item_id, id").await?,
        tasks: of_order(snapshot, key, "order_key", "position").await?,
        case_list: of_order(snapshot, key, "order_key", "detected_at, id").await?,
        submission_list: of_order(snapshot, key, "order_key", "submission").await?,
        history,
        history_left_off,
        history_begins_late,
    }))
}

async fn of_order<R: Row>(
    snapshot: &mut Transaction,
    key: &OrderKey,
    column: &'static str,
    sort: &'static str,
) -> Result<Vec<R>, sqlx::Error> {
    let mut statement = select::<R>();
    statement.push(&format!(" WHERE {column} = ")).bind(key.clone().value());
    statement.push(&format!(" ORDER BY {sort}"));
    read_all(snapshot, statement).await
}

async fn read_history(
    snapshot: &mut Transaction,
    key: &OrderKey,
    after_sequence: i64,
    rows: usize,
) -> Result<Vec<HistoryRow>, sqlx::Error> {
    let mut statement = select::<HistoryRow>();
    statement.push(" WHERE order_key = ").bind(key.clone().value());
    statement.push(" AND sequence > ").bind(after_sequence);
    statement.push(" ORDER BY sequence LIMIT ").bind(i64::try_from(rows).unwrap_or(i64::MAX));
    read_all(snapshot, statement).await
}
