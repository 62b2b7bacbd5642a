//! Many rows at once: reading by key, writing, deleting.
//!
//! Statements come in few sizes, so that each is prepared once per connection and not once per number of rows.
use std::collections::BTreeMap;

use sqlx::QueryBuilder;

use super::Row;
use crate::dialect::{BINDS_MAX, Db, DbConnection};

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
    connection: &mut DbConnection,
    columns: &[&str],
    keys: impl ExactSizeIterator<Item = Vec<String>> + Send,
) -> Result<Vec<R>, sqlx::Error> {
    let mut found = Vec::new();
    let (total, mut keys) = (keys.len(), keys);
    for length in lengths(total) {
        let mut query = select::<R>();
        query.push(" WHERE ");
        matching(&mut query, columns, keys.by_ref().take(length));
        for row in query.build().fetch_all(&mut *connection).await? {
            found.push(R::read(&row)?);
        }
    }
    Ok(found)
}

/// Deletes the rows whose `column` equals one of the `keys`.
pub(crate) async fn delete_where(
    connection: &mut DbConnection,
    table: &str,
    column: &str,
    keys: impl ExactSizeIterator<Item = String> + Send,
) -> Result<(), sqlx::Error> {
    let (total, mut keys) = (keys.len(), keys);
    for length in lengths(total) {
        let mut query = QueryBuilder::new(format!("DELETE FROM {table} WHERE "));
        matching(&mut query, &[column], keys.by_ref().take(length).map(|key| vec![key]));
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// `a IN (?, ?)`, or `(a, b) IN (VALUES (?, ?), (?, ?))`.
fn matching(query: &mut QueryBuilder<Db>, columns: &[&str], keys: impl Iterator<Item = Vec<String>>) {
    if let [column] = columns {
        query.push(format!("{column} IN ("));
        let mut list = query.separated(", ");
        for part in keys.flatten() {
            list.push_bind(part);
        }
    } else {
        query.push(format!("({}) IN (", columns.join(", ")));
        query.push_values(keys, |mut list, parts| {
            for part in parts {
                list.push_bind(part);
            }
        });
    }
    query.push(")");
}

/// `SELECT` all columns of a row's table.
pub(crate) fn select<R: Row>() -> QueryBuilder<Db> {
    QueryBuilder::new(format!("SELECT {} FROM {}", R::COLUMNS.join(", "), R::TABLE))
}

/// All rows that a query made from [`select`] finds.
pub(crate) async fn read_all<R: Row>(
    connection: &mut DbConnection,
    restrict: impl FnOnce(&mut QueryBuilder<Db>),
) -> Result<Vec<R>, sqlx::Error> {
    let mut query = select::<R>();
    restrict(&mut query);
    let rows = query.build().fetch_all(connection).await?;
    rows.iter().map(R::read).collect()
}

/// Writes rows, over those of the same key. No two of them may have the same key.
pub(crate) async fn upsert<R: Row>(connection: &mut DbConnection, rows: Vec<R>) -> Result<(), sqlx::Error> {
    let (keys, others) = R::COLUMNS.split_at(R::KEYS);
    let assignments: Vec<String> =
        others.iter().map(|column| format!("{column} = excluded.{column}")).collect();
    let into = format!("INSERT INTO {} ({}) ", R::TABLE, R::COLUMNS.join(", "));
    let over = format!(" ON CONFLICT ({}) DO UPDATE SET {}", keys.join(", "), assignments.join(", "));
    let (total, mut rows) = (rows.len(), rows.into_iter());
    for length in lengths(total) {
        let mut query = QueryBuilder::new(&into);
        query.push_values(rows.by_ref().take(length), |mut binds, row| row.bind(&mut binds));
        query.push(&over);
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Adds to counters; one that is not there yet begins at zero.
pub(crate) async fn add_counters(
    connection: &mut DbConnection,
    amounts: BTreeMap<(&'static str, String), i64>,
) -> Result<(), sqlx::Error> {
    let (total, mut amounts) = (amounts.len(), amounts.into_iter());
    for length in lengths(total) {
        let mut query = QueryBuilder::new("INSERT INTO counters (name, label, amount) ");
        query.push_values(amounts.by_ref().take(length), |mut binds, ((name, label), amount)| {
            binds.push_bind(name).push_bind(label).push_bind(amount);
        });
        query.push(" ON CONFLICT (name, label) DO UPDATE SET amount = counters.amount + excluded.amount");
        query.build().execute(&mut *connection).await?;
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
