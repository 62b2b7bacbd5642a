//! Deleting the history of orders that ended long ago. The orders stay, with items, tasks, cases and submissions.
use domain::Timestamp;

use crate::dialect::{Transaction, Value};
use crate::rows::delete_where;
use crate::{Error, Projection, Statement};

/// The most orders whose history goes in one transaction: a writer is not kept waiting for long.
pub const PRUNED_ORDERS_MAX: usize = 256;

impl Projection {
    /// Deletes the history of orders that ended before `before`, at most [`PRUNED_ORDERS_MAX`] of them, the earliest first; says of
    /// how many. 0: nothing is left to delete. An order that is taken up again and ends later counts from its later end.
    ///
    /// To be called only when all of the log is applied: what ended longest ago comes last else, and would be passed over.
    ///
    /// # Errors
    /// [`Error::Prune`]; then nothing was deleted.
    pub async fn prune_history(&self, before: Timestamp) -> Result<usize, Error> {
        let mut transaction = self.pools.write().await.map_err(Error::Prune)?;
        let pruned = prune(&mut transaction, before).await.map_err(Error::Prune)?;
        transaction.commit().await.map_err(Error::Prune)?;
        Ok(pruned)
    }
}

async fn prune(transaction: &mut Transaction, before: Timestamp) -> Result<usize, sqlx::Error> {
    // How far it has come is kept: else every look would begin with all the orders that are done with.
    let done = transaction.fetch(Statement::new("SELECT ended_at, order_key FROM pruned")).await?;
    let mut statement = Statement::new("SELECT key, ended_at FROM orders WHERE ended_at < ");
    statement.bind(before.0);
    if let Some(row) = done.first() {
        statement
            .push(" AND (ended_at, key) > (")
            .bind(row.integer(0)?)
            .push(", ")
            .bind(row.text(1)?)
            .push(")");
    }
    statement
        .push(" ORDER BY ended_at, key LIMIT ")
        .bind(i64::try_from(PRUNED_ORDERS_MAX).unwrap_or(i64::MAX));
    let rows = transaction.fetch(statement).await?;
    let Some(last) = rows.last() else { return Ok(0) };
    let keys = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
    let (last_key, last_ended_at) = (last.text(0)?, last.integer(1)?);
    delete_where(transaction, "history", "order_key", keys.into_iter().map(Value::from)).await?;
    let mut mark = Statement::new("INSERT INTO pruned (id, ended_at, order_key) ");
    mark.bind_rows([vec![1.into(), last_ended_at.into(), last_key.into()]]);
    mark.push(" ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at, order_key = excluded.order_key");
    transaction.execute(mark).await?;
    Ok(rows.len())
}
