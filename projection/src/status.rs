//! What the projection is: where, of which version, how large; and its rows for comparing it with another.
use serde::Serialize;

use crate::dialect::{Pools, Transaction};
use crate::rows::{EVENT_TABLES, count, lines};
use crate::{Error, Projection};

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableStatus {
    pub table: &'static str,
    pub rows: i64,
}

/// The database at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Without a password.
    pub place: String,
    pub schema_version: i64,
    pub tables: Vec<TableStatus>,
    /// Of tables and indexes.
    pub bytes: i64,
}

impl Projection {
    /// Counts all rows of all tables: of millions, it takes seconds.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn status(&self) -> Result<Status, Error> {
        let read_error = |source| Error::Read { what: "the tables", source };
        let mut snapshot = self.pools.snapshot().await.map_err(read_error)?;
        let mut tables = Vec::new();
        for table in EVENT_TABLES {
            let rows =
                count(&mut snapshot, &format!("SELECT COUNT(*) FROM {table}")).await.map_err(read_error)?;
            tables.push(TableStatus { table, rows });
        }
        snapshot.commit().await.map_err(read_error)?;
        let found = found_version(&self.pools).await.map_err(read_error)?;
        Ok(Status {
            place: self.place.clone(),
            schema_version: found.unwrap_or_default(),
            tables,
            bytes: self.pools.bytes().await.map_err(read_error)?,
        })
    }

    /// The rows of one of [`EVENT_TABLES`], a line of JSON each, in the sequence of its key. For comparing: the same log makes the
    /// same lines in either database. All of them are in memory at once.
    ///
    /// # Errors
    /// [`Error::TableUnknown`], [`Error::Read`].
    pub async fn lines(&self, table: &str) -> Result<Vec<String>, Error> {
        let read_error = |source| Error::Read { what: "the rows of a table", source };
        let mut snapshot = self.pools.snapshot().await.map_err(read_error)?;
        let found = lines(&mut snapshot, table).await.map_err(read_error)?;
        snapshot.commit().await.map_err(read_error)?;
        found.ok_or_else(|| Error::TableUnknown { table: table.to_owned() })
    }
}

/// The version of the tables; `None` where there are none.
pub(crate) async fn found_version(pools: &Pools) -> Result<Option<i64>, sqlx::Error> {
    let mut snapshot = pools.snapshot().await?;
    let there = match &snapshot {
        Transaction::Sqlite(_) => "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
        Transaction::Postgres(_) => {
            "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = '_sqlx_migrations'"
        }
    };
    let found = match count(&mut snapshot, there).await? {
        0 => None,
        _ => Some(count(&mut snapshot, "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations").await?),
    };
    snapshot.commit().await?;
    Ok(found)
}
