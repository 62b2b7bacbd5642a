//! Where SQLite and PostgreSQL differ: opening, transactions, placing values, taking a rebuilt database into use.
//!
//! Everything above writes one portable SQL, and binds values where they stand.
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool};

use crate::Error;

mod postgres;
mod sqlite;
mod statement;

pub(crate) use postgres::SCHEMA;
pub(crate) use statement::{DbRow, Statement, Value};

/// The most values that are bound to one statement (SQLite's default limit; PostgreSQL takes 65,535).
pub(crate) const BINDS_MAX: usize = 32_766;
/// Prepared statements kept per connection: every table has a handful, one for each number of rows.
const STATEMENTS_KEPT: usize = 512;
/// Connections for queries. They read snapshots and never wait for the writer.
const READERS_MAX: u32 = 4;

/// Where a database is, and how it is reached.
#[derive(Clone)]
pub(crate) enum Place {
    Sqlite(Box<SqliteConnectOptions>),
    /// With the schema that holds the tables.
    Postgres(Box<PgConnectOptions>, &'static str),
}

/// What a database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Created where it is not there.
    Write,
    /// The same, and nobody else uses it yet: what a crash leaves of it is thrown away.
    Rebuild,
    /// Must be there, and stays as it is.
    Read,
}

impl Place {
    /// # Errors
    /// [`Error::Address`], [`Error::InMemory`]; neither shows a password.
    pub fn parse(url: &str) -> Result<Place, Error> {
        let refused = |source| Error::Address { url: shown_url(url), source };
        if is_postgres(url) {
            let options = postgres::parse(url).map_err(|source| refused(Some(source)))?;
            return Ok(Place::Postgres(Box::new(options), SCHEMA));
        }
        if !url.starts_with("sqlite:") {
            return Err(refused(None));
        }
        // Each connection would have a database of its own.
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(Error::InMemory { url: url.to_owned() });
        }
        SqliteConnectOptions::from_str(url)
            .map(|options| Place::Sqlite(Box::new(options)))
            .map_err(|source| refused(Some(source)))
    }

    pub fn file(path: &Path) -> Place {
        Place::Sqlite(Box::new(SqliteConnectOptions::new().filename(path)))
    }

    /// The rule of the dialect for the text of a migration, which is written once for both.
    pub fn migration(&self, sql: &str) -> String {
        match self {
            Place::Sqlite(_) => sql.to_owned(),
            // Text is compared by its bytes, as SQLite does: else a list would have another sequence here, and a cursor another place.
            Place::Postgres(..) => sql.replace(" TEXT", " TEXT COLLATE \"C\""),
        }
    }
}

/// Without password and parameters: what may be shown.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Sqlite(options) => options.get_filename().display().fmt(f),
            Place::Postgres(options, _) => {
                write!(f, "postgres://{}@", options.get_username())?;
                match options.get_socket() {
                    Some(socket) => write!(f, "{}", socket.display())?,
                    None => write!(f, "{}:{}", options.get_host(), options.get_port())?,
                }
                write!(f, "/{}", options.get_database().unwrap_or(options.get_username()))
            }
        }
    }
}

/// Not derived: connect options hold passwords.
impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// An address as it may be shown, be it one or not: nothing between the user's name and the last `@`, and no parameters.
pub fn shown_url(url: &str) -> String {
    if is_postgres(url)
        && let Ok(options) = postgres::parse(url)
    {
        return Place::Postgres(Box::new(options), SCHEMA).to_string();
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        // No address at all: of what may be one with a slip in it, only what stands before the first sign.
        return url.split([':', '/', '?', '@']).next().unwrap_or_default().to_owned();
    };
    // The last one: a password that nobody encoded may hold any sign.
    let (user, place) = match rest.rsplit_once('@') {
        Some((credentials, place)) => (credentials.split(':').next().unwrap_or_default(), Some(place)),
        None => ("", None),
    };
    let place = place.unwrap_or(rest).split('?').next().unwrap_or_default();
    if user.is_empty() { format!("{scheme}://{place}") } else { format!("{scheme}://{user}@{place}") }
}

/// One connection that writes and a few that read.
#[derive(Clone)]
pub(crate) enum Pools {
    /// `is_frozen`: it shows what was there when it was opened, whatever is written afterwards.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        is_frozen: bool,
    },
    Postgres {
        writer: PgPool,
        readers: PgPool,
        options: Box<PgConnectOptions>,
    },
}

impl Pools {
    /// # Errors
    /// [`Error::Open`], [`Error::Damaged`]; for [`Purpose::Read`] also [`Error::Missing`].
    pub async fn open(place: &Place, purpose: Purpose) -> Result<Pools, Error> {
        let opened = match place {
            Place::Sqlite(options) => sqlite::open(options, purpose).await,
            Place::Postgres(options, schema) => postgres::open(options, schema, purpose).await,
        };
        opened.map_err(|source| could_not_open(place, source))
    }

    /// A transaction that reads one snapshot. To be committed as soon as all is read: an open one holds up whoever changes tables.
    pub async fn snapshot(&self) -> Result<Transaction, sqlx::Error> {
        match self {
            Pools::Sqlite { readers, .. } => Ok(Transaction::Sqlite(readers.begin().await?)),
            Pools::Postgres { readers, options, .. } => postgres::snapshot(readers, options).await,
        }
    }

    /// A transaction that writes; only one at a time goes on, whichever process has it.
    pub async fn write(&self) -> Result<Transaction, sqlx::Error> {
        match self {
            Pools::Sqlite { writer, .. } => {
                // The lock is taken at once: one taken only at the first write can be refused then, when a reader's snapshot is
                // out of date.
                Ok(Transaction::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?))
            }
            Pools::Postgres { writer, options, .. } => postgres::write(writer, options).await,
        }
    }

    pub fn is_frozen(&self) -> bool {
        match self {
            Pools::Sqlite { is_frozen, .. } => *is_frozen,
            Pools::Postgres { .. } => false,
        }
    }

    /// How many bytes the database takes.
    pub async fn bytes(&self) -> Result<i64, sqlx::Error> {
        match self {
            Pools::Sqlite { readers, .. } => sqlite::bytes(readers).await,
            Pools::Postgres { readers, .. } => postgres::bytes(readers).await,
        }
    }

    pub async fn close(&self) {
        match self {
            Pools::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

/// Not derived: connect options hold passwords.
impl std::fmt::Debug for Pools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Pools::Sqlite { .. } => "Sqlite",
            Pools::Postgres { .. } => "Postgres",
        })
    }
}

pub(crate) fn could_not_open(place: &Place, source: sqlx::Error) -> Error {
    let shown = place.to_string();
    match source {
        source if sqlite::is_damage(&source) => Error::Damaged { place: shown, source },
        sqlx::Error::RowNotFound => Error::Missing { place: shown },
        source => Error::Open { place: shown, source },
    }
}

/// Whether a database file is not one, or not whole any more.
pub(crate) fn is_damage(error: &sqlx::Error) -> bool {
    sqlite::is_damage(error)
}

/// Whether the same may work later, without anybody doing anything to the database.
pub(crate) fn is_passing(error: &sqlx::Error) -> bool {
    postgres::is_passing(error)
}

/// A transaction. Dropped without [`Transaction::commit`], nothing of it was.
pub(crate) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    pub async fn fetch(&mut self, statement: Statement) -> Result<Vec<DbRow>, sqlx::Error> {
        match self {
            Transaction::Sqlite(transaction) => {
                let rows = statement.sqlite()?.fetch_all(&mut **transaction).await?;
                Ok(rows.into_iter().map(DbRow::Sqlite).collect())
            }
            Transaction::Postgres(transaction) => {
                let rows = statement.postgres()?.fetch_all(&mut **transaction).await?;
                Ok(rows.into_iter().map(DbRow::Postgres).collect())
            }
        }
    }

    /// Gives how many rows it changed.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, sqlx::Error> {
        match self {
            Transaction::Sqlite(transaction) => {
                Ok(statement.sqlite()?.execute(&mut **transaction).await?.rows_affected())
            }
            Transaction::Postgres(transaction) => {
                Ok(statement.postgres()?.execute(&mut **transaction).await?.rows_affected())
            }
        }
    }

    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Transaction::Sqlite(transaction) => transaction.commit().await,
            Transaction::Postgres(transaction) => transaction.commit().await,
        }
    }

    /// How this database would find what a statement asks for, a line per step.
    #[cfg(test)]
    pub async fn explain(&mut self, mut statement: Statement) -> Result<Vec<String>, sqlx::Error> {
        let (prefix, column) = match self {
            Transaction::Sqlite(_) => ("EXPLAIN QUERY PLAN ", 3),
            Transaction::Postgres(_) => ("EXPLAIN (COSTS OFF) ", 0),
        };
        statement.prefix(prefix);
        self.fetch(statement).await?.iter().map(|row| row.text(column)).collect()
    }
}

/// What is made beside the database at `place`, to take its place.
pub(crate) fn beside(place: &Place) -> Place {
    match place {
        Place::Sqlite(options) => {
            Place::Sqlite(Box::new((**options).clone().filename(sqlite::beside(options.get_filename()))))
        }
        Place::Postgres(options, _) => Place::Postgres(options.clone(), postgres::SCHEMA_REBUILDING),
    }
}

/// Whether nothing is there that anybody could miss: nothing at all, or a projection.
pub(crate) async fn is_free_or_ours(place: &Place) -> Result<bool, Error> {
    match place {
        Place::Sqlite(options) => sqlite::is_free_or_ours(options.get_filename()).await,
        // The schema is ours by its name.
        Place::Postgres(..) => Ok(true),
    }
    .map_err(|source| could_not_open(place, source))
}

/// Removes what an interrupted rebuild left there.
pub(crate) async fn discard(place: &Place) -> Result<(), Error> {
    let discarded = match place {
        Place::Sqlite(options) => sqlite::remove(options.get_filename()).map_err(sqlx::Error::Io),
        Place::Postgres(options, schema) => postgres::drop_schema(options, schema).await,
    };
    discarded.map_err(|source| could_not_open(place, source))
}

/// Puts the closed database that was made [`beside`] in the place of the one in use, at one instant.
///
/// Gives where a file that was not whole is now.
pub(crate) async fn swap_in(place: &Place) -> Result<Option<PathBuf>, Error> {
    let swapped = match place {
        Place::Sqlite(options) => sqlite::swap_in(options.get_filename()).await,
        Place::Postgres(options, _) => postgres::swap_in(options).await.map(|()| None),
    };
    let detail = |source: &sqlx::Error| {
        postgres::detail(source).map(|detail| format!(" ({detail})")).unwrap_or_default()
    };
    swapped.map_err(|source| Error::Swap { place: place.to_string(), detail: detail(&source), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_password_and_parameters_whether_it_is_one_or_not() {
        let rows = [
            ("postgres://u:secret@h:1/d?sslmode=disable", "postgres://u@h:1/d"),
            ("postgres://u:secret@h/d?password=secret", "postgres://u@h:5432/d"),
            ("postgresql://u@h/d?host=/run/x&password=secret", "postgres://u@/run/x/d"),
            ("postgres://u:sec/secret@h/d", "postgres://u@h/d"),
            ("postgres://u:sec?secret@h/d", "postgres://u@h/d"),
            ("postgres://u:sec#secret@h/d", "postgres://u@h/d"),
            ("postgres://u:sec@secret@h:x/d", "postgres://u@h:x/d"),
            ("mysql://u:secret@h/d", "mysql://u@h/d"),
            ("postgres:u:secret", "postgres"),
            ("postgres//u:secret@h", "postgres"),
            ("sqlite:///var/lib/a.db?mode=rwc", "sqlite:///var/lib/a.db"),
        ];
        for (url, shown) in rows {
            assert_eq!(shown_url(url), shown);
        }
    }
}
