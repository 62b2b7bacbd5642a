//! Many rows at once: reading by key, writing, deleting.
//!
//! Statements come in few sizes, so that each is prepared once per connection and not once per number of rows.
use std::collections::BTreeMap;

use serde::Serialize;

use super::stage::Changed;
use super::{Row, indexed};
use crate::dialect::{BINDS_MAX, Statement, Transaction, Value};

/// The numbers of rows that one statement takes; any number is a sum of these.
const ROWS_PER_STATEMENT: &[usize] = &[128, 32, 8, 2, 1];
/// More columns than the widest table has.
const COLUMNS_MAX: usize = 40;
// The largest statement of the widest table fits.
const _: () = assert!(ROWS_PER_STATEMENT[0] * COLUMNS_MAX <= BINDS_MAX);

/// The lengths of the statements for `rows` rows, largest first.
fn lengths(mut rows: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let length = ROWS_PER_STATEMENT.iter().copied().find(|length| *length <= rows)?;
        rows -= length;
        Some(length)
    })
}

/// The rows whose `columns` equal one of the `keys`; each key has as many parts as there are columns.
pub(crate) async fn load<R: Row>(
    transaction: &mut Transaction,
    columns: &[&str],
    keys: impl ExactSizeIterator<Item = Vec<Value>> + Send,
) -> Result<Vec<R>, sqlx::Error> {
    let mut found = Vec::new();
    let (total, mut keys) = (keys.len(), keys);
    for length in lengths(total) {
        let mut statement = select::<R>();
        statement.push(" WHERE ");
        matching(&mut statement, columns, keys.by_ref().take(length));
        for row in transaction.fetch(statement).await? {
            found.push(R::read(&row)?);
        }
    }
    Ok(found)
}

/// Deletes the rows whose `column` equals one of the `keys`.
pub(crate) async fn delete_where(
    transaction: &mut Transaction,
    table: &str,
    column: &str,
    keys: impl ExactSizeIterator<Item = Value> + Send,
) -> Result<(), sqlx::Error> {
    let (total, mut keys) = (keys.len(), keys);
    for length in lengths(total) {
        let mut statement = Statement::new(format!("DELETE FROM {table} WHERE "));
        matching(&mut statement, &[column], keys.by_ref().take(length).map(|key| vec![key]));
        transaction.execute(statement).await?;
    }
    Ok(())
}

/// `a IN ($1, $2)`, or `(a, b) IN (VALUES ($1, $2), ($3, $4))`.
fn matching(statement: &mut Statement, columns: &[&str], keys: impl Iterator<Item = Vec<Value>>) {
    if let [column] = columns {
        statement.push(column).push(" IN ").bind_list(keys.flatten());
    } else {
        statement.push("(").push(&columns.join(", ")).push(") IN (");
        statement.bind_rows(keys).push(")");
    }
}

/// `SELECT` all columns of a row's table.
pub(crate) fn select<R: Row>() -> Statement {
    Statement::new(format!("SELECT {} FROM {}", R::COLUMNS.join(", "), R::TABLE))
}

/// All rows that a statement made from [`select`] finds.
pub(crate) async fn read_all<R: Row>(
    transaction: &mut Transaction,
    statement: Statement,
) -> Result<Vec<R>, sqlx::Error> {
    transaction.fetch(statement).await?.iter().map(R::read).collect()
}

/// All rows as JSON, by their keys.
pub(crate) async fn read_lines<R: Row + Serialize>(
    transaction: &mut Transaction,
) -> Result<Vec<String>, sqlx::Error> {
    let mut statement = select::<R>();
    statement.push(&format!(" ORDER BY {}", R::COLUMNS[..R::KEYS].join(", ")));
    let rows: Vec<R> = read_all(transaction, statement).await?;
    let line = |row: &R| serde_json::to_string(row).map_err(|error| sqlx::Error::Decode(error.into()));
    rows.iter().map(line).collect()
}

/// A number that a statement without values finds.
pub(crate) async fn count(transaction: &mut Transaction, sql: &str) -> Result<i64, sqlx::Error> {
    let rows = transaction.fetch(Statement::new(sql)).await?;
    rows.first().ok_or(sqlx::Error::RowNotFound)?.integer(0)
}

/// Writes what changed. SQLite makes every index anew of which a column is assigned, whatever is assigned: orders have eleven, of which
/// most changes concern two.
pub(crate) async fn write_changed<R: Row>(
    transaction: &mut Transaction,
    changed: Changed<R>,
) -> Result<(), sqlx::Error> {
    upsert(transaction, changed.whole).await?;
    upsert_without(transaction, R::SELDOM, changed.without_seldom).await
}

/// Writes rows, over those of the same key. No two of them may have the same key.
pub(crate) async fn upsert<R: Row>(transaction: &mut Transaction, rows: Vec<R>) -> Result<(), sqlx::Error> {
    upsert_without(transaction, &[], rows).await
}

/// `kept`: columns that stay as they are where there is such a row.
async fn upsert_without<R: Row>(
    transaction: &mut Transaction,
    kept: &[&str],
    rows: Vec<R>,
) -> Result<(), sqlx::Error> {
    let (keys, others) = R::COLUMNS.split_at(R::KEYS);
    let written = others.iter().filter(|column| !kept.contains(column));
    let assignments: Vec<String> = written.map(|column| format!("{column} = excluded.{column}")).collect();
    let into = format!("INSERT INTO {} ({}) ", R::TABLE, R::COLUMNS.join(", "));
    let over = format!(" ON CONFLICT ({}) DO UPDATE SET {}", keys.join(", "), assignments.join(", "));
    let (total, mut rows) = (rows.len(), rows.into_iter());
    for length in lengths(total) {
        let mut statement = Statement::new(&*into);
        statement.bind_rows(rows.by_ref().take(length).map(Row::values)).push(&over);
        transaction.execute(statement).await?;
    }
    Ok(())
}

/// Adds to counters; one that is not there yet begins at zero.
pub(crate) async fn add_counters(
    transaction: &mut Transaction,
    amounts: BTreeMap<(&'static str, String), i64>,
) -> Result<(), sqlx::Error> {
    let (total, mut amounts) = (amounts.len(), amounts.into_iter());
    for length in lengths(total) {
        let mut statement = Statement::new("INSERT INTO counters (name, label, amount) ");
        let row = |((name, label), amount): ((&str, String), i64)| {
            vec![name.into(), indexed(label).into(), amount.into()]
        };
        statement.bind_rows(amounts.by_ref().take(length).map(row));
        statement.push(" ON CONFLICT (name, label) DO UPDATE SET amount = counters.amount + excluded.amount");
        transaction.execute(statement).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_few_sizes_add_up_to_any_number_of_rows() {
        for rows in 0..1_000 {
            assert_eq!(lengths(rows).sum::<usize>(), rows);
        }
        assert_eq!(lengths(171).collect::<Vec<_>>(), [128, 32, 8, 2, 1]);
        assert_eq!(lengths(0).count(), 0);
    }
}
