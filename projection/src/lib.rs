//! The query side: events in, rows out, questions answered from the rows. The only SQL.
//!
//! [`Projection::apply`] writes a batch of events and the position after it in one transaction; [`apply`] says which event makes
//! which row, [`rows`] what the rows are, [`query`] what can be asked.
//!
//! Invariant: nothing here decides anything. What a row says, an event said; the same events always make the same rows, however
//! they are cut into batches. So the whole database can be thrown away and made again from the log.
//! Invariant: nothing here reads a log. Whoever does hands over records and asks [`Projection::positions`] where to go on.
use std::collections::BTreeMap;
use std::path::Path;

use sqlx::migrate::{MigrateError, Migrator};
use tokio::sync::watch;

pub mod apply;
mod dialect;
pub mod query;
pub mod rows;
mod status;

pub use apply::{Applied, Projected};
use dialect::{Place, Pools};

/// The tables, version by version. A database that knows a later one is refused.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// By topic and partition: the first offset that is not applied.
pub type Positions = BTreeMap<(String, i32), i64>;

/// What can go wrong here. None of it is about an order: an event that fits nothing is counted and kept in the history.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not open the database \"{place}\"")]
    Open { place: String, source: sqlx::Error },
    #[error("the database \"{url}\" would be gone with its connection; name a file")]
    InMemory { url: String },
    /// Permanent: rows of a later version cannot be written or read by this one.
    #[error(
        "the database was written by a newer version (its tables are at {found}, this version knows up to {known})"
    )]
    Newer { found: i64, known: i64 },
    #[error("could not bring the tables up to date")]
    Migrate(#[source] MigrateError),
    /// Passing, mostly (a full disk, a lock): nothing of the batch was applied, and it can be handed over again.
    #[error("could not apply {records} records")]
    Apply { records: usize, source: sqlx::Error },
    #[error("could not read {what}")]
    Read { what: &'static str, source: sqlx::Error },
    #[error("\"{cursor}\" is no cursor of this list; take the one that came with the page before")]
    Cursor { cursor: String },
    #[error("there is no table \"{table}\"")]
    TableUnknown { table: String },
}

/// The database, open. Clones share it.
#[derive(Clone, Debug)]
pub struct Projection {
    pools: Pools,
    /// What is applied, told to those who wait for it.
    applied: watch::Sender<Positions>,
}

impl Projection {
    /// Opens the database at a URL (`sqlite:///var/lib/orderstream/projection.db`), creates it where there is none, and brings its
    /// tables up to date.
    ///
    /// # Errors
    /// [`Error::Newer`] for a database of a later version; [`Error::Open`], [`Error::InMemory`] and [`Error::Migrate`].
    pub async fn open(url: &str) -> Result<Projection, Error> {
        Projection::open_at(Place::Url(url)).await
    }

    /// The same for a file, whatever characters its path has.
    ///
    /// # Errors
    /// As [`Projection::open`].
    pub async fn open_file(path: &Path) -> Result<Projection, Error> {
        Projection::open_at(Place::File(path)).await
    }

    async fn open_at(place: Place<'_>) -> Result<Projection, Error> {
        let pools = dialect::connect(place).await?;
        MIGRATIONS.run(&pools.writer).await.map_err(|error| match error {
            MigrateError::VersionMissing(found) => Error::Newer {
                found,
                known: MIGRATIONS.iter().map(|step| step.version).max().unwrap_or_default(),
            },
            other => Error::Migrate(other),
        })?;
        let projection = Projection { pools, applied: watch::Sender::new(Positions::new()) };
        projection.applied.send_replace(projection.positions().await?);
        Ok(projection)
    }

    /// Where to go on reading, by topic and partition. A partition that is not there was never read.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn positions(&self) -> Result<Positions, Error> {
        let read_error = |source| Error::Read { what: "the positions", source };
        let mut connection = self.pools.readers.acquire().await.map_err(read_error)?;
        apply::read_positions(&mut connection).await.map_err(read_error)
    }

    /// Writes what the records say, and the positions after them, in one transaction. A record below its partition's position is
    /// skipped, so a batch can be handed over again; records of one partition come in ascending sequence.
    ///
    /// Dropping the future before it is done applies all of it or nothing.
    ///
    /// # Errors
    /// [`Error::Apply`]; then nothing was applied.
    pub async fn apply(&self, batch: Vec<Applied>) -> Result<(), Error> {
        let records = batch.len();
        let apply_error = |source| Error::Apply { records, source };
        let mut transaction =
            self.pools.writer.begin_with(dialect::BEGIN_WRITE).await.map_err(apply_error)?;
        let positions = apply::write(&mut transaction, batch).await.map_err(apply_error)?;
        transaction.commit().await.map_err(apply_error)?;
        if !positions.is_empty() {
            self.applied.send_modify(|applied| applied.extend(positions));
        }
        Ok(())
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
        self.pools.readers.close().await;
        self.pools.writer.close().await;
    }
}
