//! Everything at a glance: how many orders stand where, and what troubles them.
use std::collections::BTreeMap;

use domain::fallout::{FailureDomain, Recoverability};
use domain::order::OrderState;
use serde::Serialize;

use crate::apply::counted;
use crate::dialect::{Statement, Transaction};
use crate::rows::{Cell, count};
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
        let mut snapshot = self.pools.snapshot().await.map_err(read_error)?;
        let summary = read_summary(&mut snapshot).await.map_err(read_error)?;
        snapshot.commit().await.map_err(read_error)?;
        Ok(summary)
    }
}

async fn read_summary(snapshot: &mut Transaction) -> Result<Summary, sqlx::Error> {
    let mut summary = Summary::default();
    let by_state = Statement::new("SELECT state, COUNT(*) FROM orders GROUP BY state");
    for row in snapshot.fetch(by_state).await? {
        summary.orders_by_state.insert(Cell::take(&row, 0)?, row.integer(1)?);
    }
    summary.orders = summary.orders_by_state.values().sum();
    summary.stuck_orders = count(snapshot, "SELECT COUNT(*) FROM orders WHERE stuck = TRUE").await?;
    summary.orders_in_fallout = count(snapshot, "SELECT COUNT(*) FROM orders WHERE open_cases > 0").await?;
    summary.cases = read_cases(snapshot).await?;
    summary.open_cases = summary.cases.iter().map(|group| group.open).sum();
    for row in snapshot.fetch(Statement::new("SELECT name, label, amount FROM counters")).await? {
        let (name, label, amount) = (row.text(0)?, row.text(1)?, row.integer(2)?);
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

async fn read_cases(snapshot: &mut Transaction) -> Result<Vec<CaseGroup>, sqlx::Error> {
    let by_class = "SELECT domain, recoverability, normalized_code, SUM(CASE WHEN is_open THEN 1 ELSE 0 END), COUNT(*) \
                    FROM cases GROUP BY domain, recoverability, normalized_code \
                    ORDER BY domain, recoverability, normalized_code";
    let rows = snapshot.fetch(Statement::new(by_class)).await?;
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
