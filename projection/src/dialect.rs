//! Where databases differ: everything that another database than SQLite would have to say otherwise.
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::Error;

pub(crate) type Db = sqlx::Sqlite;
pub(crate) type DbConnection = sqlx::SqliteConnection;
pub(crate) type DbPool = sqlx::SqlitePool;
pub(crate) type DbRow = sqlx::sqlite::SqliteRow;

/// How a transaction that will write begins. SQLite takes the write lock at once: a lock taken only at the first write can be
/// refused then, when a reader's snapshot is out of date.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// The most values that are bound to one statement (SQLite's default limit; PostgreSQL takes 65,535).
pub(crate) const BINDS_MAX: usize = 32_766;

/// How long a connection waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Prepared statements kept per connection: every table has a handful, one for each number of rows.
const STATEMENTS_KEPT: usize = 512;
/// Connections for queries. They read snapshots and never wait for the writer.
const READERS_MAX: u32 = 4;

/// One connection that writes and a few that read.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    pub writer: DbPool,
    pub readers: DbPool,
}

/// Where the database is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    Url(&'a str),
    File(&'a Path),
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Url(url) => f.write_str(url),
            Place::File(path) => path.display().fmt(f),
        }
    }
}

/// Opens the database, and creates the file where there is none.
pub(crate) async fn connect(place: Place<'_>) -> Result<Pools, Error> {
    let could_not_open = |source| Error::Open { place: place.to_string(), source };
    let options = match place {
        // Each connection would have a database of its own.
        Place::Url(url) if url.contains(":memory:") || url.contains("mode=memory") => {
            return Err(Error::InMemory { url: url.to_owned() });
        }
        Place::Url(url) => SqliteConnectOptions::from_str(url).map_err(could_not_open)?,
        Place::File(path) => SqliteConnectOptions::new().filename(path),
    };
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A power failure may lose the last transactions, rows and positions together: the log has them.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_KEPT);
    let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone());
    let writer = writer.await.map_err(could_not_open)?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .connect_lazy_with(options.pragma("query_only", "on"));
    Ok(Pools { writer, readers })
}
