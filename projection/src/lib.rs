//! The query side: events in, rows out, questions answered from the rows. The only SQL.
//!
//! [`Projection::apply`] writes a batch of events and the position after it in one transaction; [`apply`] says which event makes
//! which row, [`rows`] what the rows are, [`query`] what can be asked. It lives in an SQLite file or in PostgreSQL: [`dialect`]
//! holds what differs. [`Rebuild`] makes a whole one beside it and puts it in its place.
//!
//! Invariant: nothing here decides anything. What a row says, an event said; the same events always make the same rows, however
//! they are cut into batches, in either database. So the whole database can be thrown away and made again from the log.
//! Invariant: nothing here reads a log or a clock. Whoever does hands over records and asks [`Projection::positions`] where to go on.
//! Invariant: no password leaves it. What is shown of an address is [`shown_url`].
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};
use tokio::sync::watch;

pub mod apply;
mod dialect;
mod lag;
mod prune;
pub mod query;
mod rebuild;
pub mod rows;
mod status;

pub use apply::{Applied, Projected};
pub use dialect::shown_url;
use dialect::{Place, Pools, Purpose, Statement};
pub use lag::{End, Lag};
pub use prune::PRUNED_ORDERS_MAX;
pub use rebuild::Rebuild;
pub use status::{Status, TableStatus};

/// The tables, version by version. A database that knows a later one is refused.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// By topic and partition: the first offset that is not applied.
pub type Positions = BTreeMap<(String, i32), i64>;

/// What can go wrong here. None of it is about an order: an event that fits nothing is counted and kept in the history.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "\"{url}\" is no address of a projection; it is sqlite:///path/of/a/file or postgres://user@host/database"
    )]
    Address { url: String, source: Option<sqlx::Error> },
    #[error("could not open the projection \"{place}\"")]
    Open { place: String, source: sqlx::Error },
    #[error("the database \"{url}\" would be gone with its connection; name a file")]
    InMemory { url: String },
    /// Permanent, and nothing is lost by it: the log has all of it.
    #[error(
        "the projection \"{place}\" is damaged; `orderstream projection rebuild` makes it anew from the log"
    )]
    Damaged { place: String, source: sqlx::Error },
    #[error(
        "\"{place}\" is there, and is no projection; it would be gone: name another place, or remove it first"
    )]
    NotOurs { place: String },
    #[error("there is no projection at \"{place}\"; the service makes it when it runs")]
    Missing { place: String },
    /// Permanent: rows of a later version cannot be written or read by this one.
    #[error(
        "the database was written by a newer version (its tables are at {found}, this version knows up to {known})"
    )]
    Newer { found: i64, known: i64 },
    /// For those who only look: looking changes nothing.
    #[error(
        "the tables of the projection are at {found} and this version reads {known}; the service brings them up to date when it starts"
    )]
    Older { found: i64, known: i64 },
    #[error("could not bring the tables up to date")]
    Migrate(#[source] MigrateError),
    /// Passing, mostly (a full disk, a lock, no connection): nothing of the batch was applied, and it can be handed over again.
    #[error("could not apply {records} records")]
    Apply { records: usize, source: sqlx::Error },
    /// The database came back with less than it had confirmed: its server crashed, or it was put back from a backup. Nothing of the
    /// batch was applied; whoever reads the log goes on at [`Projection::positions`].
    #[error(
        "the projection has forgotten what it had applied: partition {partition} of topic \"{topic}\" is applied up to {stored}, and was \
         up to {confirmed}"
    )]
    Forgotten { topic: String, partition: i32, stored: i64, confirmed: i64 },
    #[error("could not read {what}")]
    Read { what: &'static str, source: sqlx::Error },
    #[error("could not delete old history")]
    Prune(#[source] sqlx::Error),
    /// `detail`: what the database adds to its reason, or nothing.
    #[error("could not put the new projection in the place of \"{place}\"{detail}")]
    Swap { place: String, detail: String, source: sqlx::Error },
    #[error("\"{cursor}\" is no cursor of this list; take the one that came with the page before")]
    Cursor { cursor: String },
    #[error("there is no table \"{table}\"")]
    TableUnknown { table: String },
}

impl Error {
    fn source_of_database(&self) -> Option<&sqlx::Error> {
        match self {
            Error::Open { source, .. }
            | Error::Apply { source, .. }
            | Error::Read { source, .. }
            | Error::Prune(source)
            | Error::Swap { source, .. }
            | Error::Damaged { source, .. }
            | Error::Migrate(MigrateError::Execute(source)) => Some(source),
            Error::Address { .. }
            | Error::InMemory { .. }
            | Error::Missing { .. }
            | Error::NotOurs { .. }
            | Error::Newer { .. }
            | Error::Older { .. }
            | Error::Migrate(_)
            | Error::Forgotten { .. }
            | Error::Cursor { .. }
            | Error::TableUnknown { .. } => None,
        }
    }

    /// Whether the database is only out of reach: the same may work later, without anybody doing anything to it.
    pub fn is_passing(&self) -> bool {
        self.source_of_database().is_some_and(dialect::is_passing)
    }

    /// Whether the database has to be made anew.
    pub fn is_damage(&self) -> bool {
        self.source_of_database().is_some_and(dialect::is_damage)
    }
}

/// The database, open. Clones share it.
#[derive(Clone, Debug)]
pub struct Projection {
    pools: Pools,
    /// As it may be shown.
    place: String,
    /// What is applied, told to those who wait for it.
    applied: watch::Sender<Positions>,
}

impl Projection {
    /// Opens the database at a URL (`sqlite:///var/lib/orderstream/projection.db`, `postgres://user@host/database`), makes its
    /// tables where there are none, and brings older ones up to date. A file is created, a PostgreSQL database must be there.
    ///
    /// # Errors
    /// [`Error::Newer`] for a database of a later version; [`Error::Open`], [`Error::Address`], [`Error::InMemory`],
    /// [`Error::Damaged`] and [`Error::Migrate`].
    pub async fn open(url: &str) -> Result<Projection, Error> {
        Projection::open_at(&Place::parse(url)?, Purpose::Write).await
    }

    /// The same for a file, whatever characters its path has.
    ///
    /// # Errors
    /// As [`Projection::open`].
    pub async fn open_file(path: &Path) -> Result<Projection, Error> {
        Projection::open_at(&Place::file(path), Purpose::Write).await
    }

    /// Opens what is there, for looking: creates nothing and changes nothing.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Older`]; and as [`Projection::open`].
    pub async fn open_existing(url: &str) -> Result<Projection, Error> {
        Projection::open_at(&Place::parse(url)?, Purpose::Read).await
    }

    async fn open_at(place: &Place, purpose: Purpose) -> Result<Projection, Error> {
        let pools = Pools::open(place, purpose).await?;
        match purpose {
            Purpose::Write | Purpose::Rebuild => migrate(place, &pools).await?,
            Purpose::Read => check_version(place, &pools).await?,
        }
        let projection =
            Projection { pools, place: place.to_string(), applied: watch::Sender::new(Positions::new()) };
        projection.applied.send_replace(projection.positions().await?);
        Ok(projection)
    }

    /// Where it is, as it may be shown: without a password.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether it shows what was there when it was opened, and nothing that is written afterwards: so it is for those who may not
    /// write, where nobody had the file open. Whoever waits for something opens it anew.
    pub fn is_frozen(&self) -> bool {
        self.pools.is_frozen()
    }

    /// Where to go on reading, by topic and partition. A partition that is not there was never read.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn positions(&self) -> Result<Positions, Error> {
        let read_error = |source| Error::Read { what: "the positions", source };
        let mut snapshot = self.pools.snapshot().await.map_err(read_error)?;
        let positions = apply::read_positions(&mut snapshot).await.map_err(read_error)?;
        snapshot.commit().await.map_err(read_error)?;
        Ok(positions)
    }

    /// Writes what the records say, and the positions after them, in one transaction. A record below its partition's position is
    /// skipped, so a batch can be handed over again; records of one partition come in ascending sequence.
    ///
    /// Dropping the future before it is done applies all of it or nothing.
    ///
    /// # Errors
    /// [`Error::Apply`], [`Error::Forgotten`]; then nothing was applied.
    pub async fn apply(&self, batch: Vec<Applied>) -> Result<(), Error> {
        let records = batch.len();
        let apply_error = |source| Error::Apply { records, source };
        let mut transaction = self.pools.write().await.map_err(apply_error)?;
        let known = apply::read_positions(&mut transaction).await.map_err(apply_error)?;
        self.check_remembered(&known)?;
        let positions = apply::write(&mut transaction, known, batch).await.map_err(apply_error)?;
        transaction.commit().await.map_err(apply_error)?;
        if !positions.is_empty() {
            self.applied.send_modify(|applied| applied.extend(positions));
        }
        Ok(())
    }

    /// Whether the database answers, and still has all that it has confirmed to this process.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Forgotten`], once: from then on what it has is what counts.
    pub async fn check(&self) -> Result<(), Error> {
        self.check_remembered(&self.positions().await?)
    }

    /// Else the next batch would leave a hole before it.
    fn check_remembered(&self, known: &Positions) -> Result<(), Error> {
        let stored = |place: &(String, i32)| known.get(place).copied().unwrap_or(0);
        let forgotten = self.applied.borrow().iter().find_map(|(place, confirmed)| {
            let (topic, partition, stored, confirmed) = (place.0.clone(), place.1, stored(place), *confirmed);
            (stored < confirmed).then_some(Error::Forgotten { topic, partition, stored, confirmed })
        });
        let Some(forgotten) = forgotten else { return Ok(()) };
        self.applied.send_replace(known.clone());
        Err(forgotten)
    }

    /// Ready once the record at `offset` is applied by this process: whoever has written can wait for the own write. Bound it by a
    /// time limit; the record may never come.
    pub async fn reached(&self, topic: &str, partition: i32, offset: i64) {
        let mut applied = self.applied.subscribe();
        let place = (topic.to_owned(), partition);
        // Fails only when the sender is gone, and `self` holds it.
        let _ = applied.wait_for(|positions| positions.get(&place).is_some_and(|next| *next > offset)).await;
    }

    /// Closes all connections; what is under way is finished first.
    pub async fn close(&self) {
        self.pools.close().await;
    }
}

/// The version of the tables that this version of the program reads and writes.
pub fn schema_version() -> i64 {
    MIGRATIONS.iter().map(|step| step.version).max().unwrap_or_default()
}

async fn migrate(place: &Place, pools: &Pools) -> Result<(), Error> {
    let of_dialect = |step: &Migration| {
        let sql = AssertSqlSafe(place.migration(step.sql.as_str())).into_sql_str();
        let description = Cow::Owned(step.description.to_string());
        Migration::new(step.version, description, step.migration_type, sql, step.no_tx)
    };
    let migrator = Migrator::with_migrations(MIGRATIONS.iter().map(of_dialect).collect());
    let migrated = match pools {
        Pools::Sqlite { writer, .. } => migrator.run(writer).await,
        Pools::Postgres { writer, .. } => migrator.run(writer).await,
    };
    migrated.map_err(|error| match error {
        MigrateError::VersionMissing(found) => Error::Newer { found, known: schema_version() },
        MigrateError::Execute(source) if dialect::is_damage(&source) => {
            dialect::could_not_open(place, source)
        }
        other => Error::Migrate(other),
    })
}

async fn check_version(place: &Place, pools: &Pools) -> Result<(), Error> {
    let known = schema_version();
    let found =
        status::found_version(pools).await.map_err(|source| dialect::could_not_open(place, source))?;
    match found {
        None => Err(Error::Missing { place: place.to_string() }),
        Some(found) if found > known => Err(Error::Newer { found, known }),
        Some(found) if found < known => Err(Error::Older { found, known }),
        Some(_) => Ok(()),
    }
}
