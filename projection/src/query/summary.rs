//! Everything at a glance: how many orders stand where, and what troubles them.
use std::collections::BTreeMap;

use domain::fallout::{FailureDomain, Recoverability};
use domain::order::OrderState;
use serde::Serialize;
use sqlx::{QueryBuilder, Row as _};

use crate::apply::counted;
use crate::dialect::{Db, DbConnection};
use crate::rows::Cell;
use crate::{Error, Projection};

/// The cases of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseGroup {
    pub domain: FailureDomain,
    pub recoverability: Recoverability,
    pub normalized_code: String,
    pub open: i64,
    /// Open and resolved.
    pub total: i64,
}

/// Counts of everything since the projection began; what is not there counts zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub orders: i64,
    pub orders_by_state: BTreeMap<OrderState, i64>,
    pub stuck_orders: i64,
    /// Orders with an open case.
    pub orders_in_fallout: i64,
    pub open_cases: i64,
    pub cases: Vec<CaseGroup>,
    pub commands_sent: i64,
    pub commands_sent_by_system: BTreeMap<String, i64>,
    /// Sendings that were not the first of their command.
    pub retries: i64,
    pub retries_by_system: BTreeMap<String, i64>,
    pub feedback_ignored: BTreeMap<String, i64>,
    /// Of refusals, by code.
    pub reasons: BTreeMap<String, i64>,
    /// By name of the record type.
    pub events: BTreeMap<String, i64>,
    /// By name of the record type: events of something that is not there. Not empty means that the log was not read from its beginning.
    pub unmatched: BTreeMap<String, i64>,
}

impl Projection {
    /// # Errors
    /// [`Error::Read`].
    pub async fn summary(&self) -> Result<Summary, Error> {
        let read_error = |source| Error::Read { what: "the summary", source };
        let mut snapshot = self.pools.readers.begin().await.map_err(read_error)?;
        let summary = read_summary(&mut snapshot).await.map_err(read_error)?;
        snapshot.commit().await.map_err(read_error)?;
        Ok(summary)
    }
}

async fn read_summary(connection: &mut DbConnection) -> Result<Summary, sqlx::Error> {
    let mut summary = Summary::default();
    let by_state = "SELECT state, COUNT(*) FROM orders GROUP BY state";
    for row in QueryBuilder::<Db>::new(by_state).build().fetch_all(&mut *connection).await? {
        summary.orders_by_state.insert(Cell::take(&row, 0)?, row.try_get(1)?);
    }
    summary.orders = summary.orders_by_state.values().sum();
    summary.stuck_orders =
        count(connection, "SELECT COUNT(*) FROM orders WHERE stuck_since IS NOT NULL").await?;
    summary.orders_in_fallout =
        count(connection, "SELECT COUNT(DISTINCT order_key) FROM cases WHERE is_open = TRUE").await?;
    summary.cases = read_cases(connection).await?;
    summary.open_cases = summary.cases.iter().map(|group| group.open).sum();
    for row in
        sqlx::query::<Db>("SELECT name, label, amount FROM counters").fetch_all(&mut *connection).await?
    {
        let (name, label, amount): (String, String, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let counters = match name.as_str() {
            counted::COMMANDS_SENT => &mut summary.commands_sent_by_system,
            counted::RETRIES => &mut summary.retries_by_system,
            counted::FEEDBACK_IGNORED => &mut summary.feedback_ignored,
            counted::REASONS => &mut summary.reasons,
            counted::EVENTS => &mut summary.events,
            counted::UNMATCHED => &mut summary.unmatched,
            _ => continue,
        };
        counters.insert(label, amount);
    }
    summary.commands_sent = summary.commands_sent_by_system.values().sum();
    summary.retries = summary.retries_by_system.values().sum();
    Ok(summary)
}

async fn count(connection: &mut DbConnection, sql: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query::<Db>(sql).fetch_one(connection).await?.try_get(0)
}

async fn read_cases(connection: &mut DbConnection) -> Result<Vec<CaseGroup>, sqlx::Error> {
    let by_class = "SELECT domain, recoverability, normalized_code, SUM(CASE WHEN is_open THEN 1 ELSE 0 END), COUNT(*) \
                    FROM cases GROUP BY domain, recoverability, normalized_code \
                    ORDER BY domain, recoverability, normalized_code";
    let rows = sqlx::query::<Db>(by_class).fetch_all(connection).await?;
    let group = |row| {
        Ok(CaseGroup {
            domain: Cell::take(&row, 0)?,
            recoverability: Cell::take(&row, 1)?,
            normalized_code: Cell::take(&row, 2)?,
            open: Cell::take(&row, 3)?,
            total: Cell::take(&row, 4)?,
        })
    };
    rows.into_iter().map(group).collect()
}
