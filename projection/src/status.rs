//! The rows of the projection, for comparing it with another.
use sqlx::Row as _;

use crate::dialect::{Db, DbConnection};
use crate::rows::{Row, lines, read_all};
use crate::{Error, Projection};

impl Projection {
    /// The rows of one of [`crate::rows::EVENT_TABLES`], a line of JSON each, in the sequence of its key. For comparing: the same log
    /// makes the same lines. All of them are in memory at once.
    ///
    /// # Errors
    /// [`Error::TableUnknown`], [`Error::Read`].
    pub async fn lines(&self, table: &str) -> Result<Vec<String>, Error> {
        let read_error = |source| Error::Read { what: "the rows of a table", source };
        let mut connection = self.pools.readers.acquire().await.map_err(read_error)?;
        let found = lines(&mut connection, table).await.map_err(read_error)?;
        found.ok_or_else(|| Error::TableUnknown { table: table.to_owned() })
    }
}

pub(crate) async fn read_lines<R: Row + serde::Serialize>(
    connection: &mut DbConnection,
) -> Result<Vec<String>, sqlx::Error> {
    let keys = R::COLUMNS[..R::KEYS].join(", ");
    let rows: Vec<R> = read_all(connection, |query| {
        query.push(format!(" ORDER BY {keys}"));
    })
    .await?;
    rows.iter()
        .map(|row| serde_json::to_string(row).map_err(|error| sqlx::Error::Encode(error.into())))
        .collect()
}

/// Counters are no rows of a type of their own.
pub(crate) async fn counter_lines(connection: &mut DbConnection) -> Result<Vec<String>, sqlx::Error> {
    let all = "SELECT name, label, amount FROM counters ORDER BY name, label";
    let rows = sqlx::query::<Db>(all).fetch_all(connection).await?;
    let line = |row: &crate::dialect::DbRow| {
        let (name, label, amount): (String, String, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(serde_json::json!({ "name": name, "label": label, "amount": amount }).to_string())
    };
    rows.iter().map(line).collect()
}
