//! Pumps events from the log into the projection, which keeps its own position.
//!
//! A database that is out of reach holds up nothing but itself: the pump waits and tries again, and its lag is a metric.
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Timestamp;
use projection::{End, Projection};
use runtime::log::embedded::Start;
use runtime::log::{Limits, Position};
use runtime::{AnyReader, Record, StopSignal};

use super::backoff::{Backoff, log_may_pass, until_done};
use super::projected::{TOPICS, applied, ends, unexplained};
use super::vitals::{PROJECTION, Vitals};
use super::watched::place;
use super::{Store, heartbeat};

mod aside;
mod before;
mod lag;

use aside::Aside;
pub use before::{check, look};
use lag::Lag;

/// As many bytes of events as go into one transaction.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// As many heartbeats as are read at once.
const BEATS: Limits = Limits { records_max: 1_000, bytes_max: 1 << 20 };
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// Under load there is one transaction in so long a time: each costs the database about the same, however few events are in it.
const APPLY_EVERY: Duration = Duration::from_millis(250);
/// How often the ends of the log are noted in the database, for those who see only that.
const NOTE_ENDS_EVERY: Duration = Duration::from_secs(1);
/// How often history that is old enough is looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 86_400_000;

/// How the projection is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    /// As many events as go into one transaction.
    pub batch_records_max: usize,
    /// So long after its end an order keeps its history; 0: for ever.
    pub history_retention_days: u32,
}

/// Until `stop`; then what is read is applied and the database closed.
///
/// # Errors
/// The database cannot be opened for another reason than being out of reach, or the log cannot be read. A transaction that fails is
/// tried again for ever.
pub fn run(
    url: &str,
    keeping: Keeping,
    store: &Arc<Store>,
    vitals: &Vitals,
    stop: &StopSignal,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let Some(projection) = open(url, store, vitals, stop).await? else { return Ok(()) };
        let ended = match Pump::new(&projection, store, keeping, vitals, stop).await {
            Ok(Some(mut pump)) => pump.run(stop).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        projection.close().await;
        ended
    })
}

/// Opens the database, however long it is out of reach; `None` where `stop` came first.
async fn open(
    url: &str,
    store: &Store,
    vitals: &Vitals,
    stop: &StopSignal,
) -> anyhow::Result<Option<Projection>> {
    let lag = Lag::new();
    let mut backoff = Backoff::new();
    loop {
        match Projection::open(url).await {
            Ok(projection) => {
                vitals.goes_on(PROJECTION);
                return Ok(Some(projection));
            }
            Err(error) if error.is_passing() => {
                // Nobody knows yet how much of it is applied: at most, nothing.
                if let Some(ends) = ends_now(store)? {
                    lag.records(ends.iter().map(|end| end.end_offset.unsigned_abs()).sum());
                }
                let (error, backoff_ms) = (format!("{:#}", anyhow::Error::from(error)), backoff.pause_ms());
                tracing::warn!(error, backoff_ms, "projection is out of reach, it is tried again");
                vitals.waits(PROJECTION, "its database", &error);
            }
            Err(error) => return Err(error.into()),
        }
        if backoff.wait(stop) {
            return Ok(None);
        }
    }
}

/// How far the log goes now; `None` where it cannot say so at the moment. Nothing rests on it, and whoever asked asks again.
///
/// # Errors
/// What trying again does not mend.
fn ends_now(store: &Store) -> anyhow::Result<Option<Vec<End>>> {
    match ends(store) {
        Err(error) if log_may_pass(&error) => {
            tracing::debug!(error = format!("{error:#}"), "ends of the log are not known at the moment");
            Ok(None)
        }
        known => known.map(Some),
    }
}

/// What became of a batch.
enum Batch {
    Applied,
    /// The database has less than it had: the log is read again from there.
    ToReadAgain,
    Stopped,
}

/// Where the projection is.
async fn positions(projection: &Projection) -> anyhow::Result<Vec<Position>> {
    let known = projection.positions().await?.into_iter();
    let position = |((topic, partition), next_offset): ((String, i32), i64)| Position {
        topic: topic.as_str().into(),
        partition: partition.unsigned_abs(),
        next_offset,
    };
    Ok(known.map(position).collect())
}

/// Reads on from there.
fn reader(store: &Store, from: Vec<Position>) -> anyhow::Result<AnyReader> {
    Ok(store.log.reader(&TOPICS.map(Into::into), &Start::Positions(from))?)
}

struct Pump<'a> {
    projection: &'a Projection,
    store: &'a Store,
    reader: AnyReader,
    beats: AnyReader,
    vitals: &'a Vitals,
    lag: Lag,
    aside: Aside,
    noted: (Instant, Vec<End>),
    /// When the last batch was begun.
    applied_at: Instant,
    is_idle: bool,
    keeping: Keeping,
    pruned_at: Option<Instant>,
}

impl<'a> Pump<'a> {
    async fn new(
        projection: &'a Projection,
        store: &'a Store,
        keeping: Keeping,
        vitals: &'a Vitals,
        stop: &StopSignal,
    ) -> anyhow::Result<Option<Pump<'a>>> {
        let from = positions(projection).await?;
        let open = || Ok((reader(store, from.clone())?, heartbeat::reader(store)?));
        let Some((reader, beats)) = until_done(PROJECTION, stop, open)? else { return Ok(None) };
        let noted = (Instant::now(), Vec::new());
        Ok(Some(Pump {
            projection,
            store,
            reader,
            beats,
            vitals,
            lag: Lag::new(),
            aside: Aside::default(),
            noted,
            applied_at: Instant::now(),
            is_idle: false,
            keeping,
            pruned_at: None,
        }))
    }

    async fn run(&mut self, stop: &StopSignal) -> anyhow::Result<()> {
        while !stop.is_stopped() {
            if self.stands_aside(stop) {
                // Whoever sees only the database sees by its ends how far behind it is.
                self.note_ends(false).await?;
                self.vitals.projected(self.reader.lag_records());
                self.beat(stop).await?;
                continue;
            }
            let batch = Limits { records_max: self.keeping.batch_records_max, bytes_max: BATCH_BYTES_MAX };
            let records = self.reader.poll(batch, IDLE_WAIT)?;
            if records.is_empty() {
                self.lag.set(0, None, 0);
                self.note_ends(true).await?;
                self.prune(stop).await;
            } else {
                let records = self.gathered(records, batch, stop)?;
                match self.apply(&records, stop).await {
                    Batch::Applied => self.note_ends(false).await?,
                    Batch::ToReadAgain => self.read_again(stop).await?,
                    Batch::Stopped => return Ok(()),
                }
            }
            self.vitals.projected(self.reader.lag_records());
            self.beat(stop).await?;
        }
        Ok(())
    }

    /// Waits a little where much state is being read back: orders wait for that, and only readers for this.
    fn stands_aside(&mut self, stop: &StopSignal) -> bool {
        let was_aside = self.aside.is_aside();
        let is_aside = self.aside.look(&self.store.log.restoring(), Instant::now());
        if is_aside {
            self.lag.grows(self.reader.lag_records(), Instant::now());
            self.vitals.waits(PROJECTION, aside::AT, aside::REASON);
            stop.wait(IDLE_WAIT);
        } else if was_aside {
            self.vitals.goes_on(PROJECTION);
        }
        is_aside
    }

    /// With what comes until the next transaction is due. What comes after a rest is not kept waiting.
    fn gathered(
        &mut self,
        mut records: Vec<Record>,
        batch: Limits,
        stop: &StopSignal,
    ) -> anyhow::Result<Vec<Record>> {
        let early = APPLY_EVERY.saturating_sub(self.applied_at.elapsed());
        let records_max = batch.records_max.saturating_sub(records.len());
        let bytes: usize = records.iter().filter_map(|record| Some(record.value.as_ref()?.len())).sum();
        let left = Limits { records_max, bytes_max: batch.bytes_max.saturating_sub(bytes) };
        if !early.is_zero() && left.records_max > 0 && left.bytes_max > 0 {
            stop.wait(early);
            records.extend(self.reader.poll(left, Duration::ZERO)?);
        }
        self.applied_at = Instant::now();
        Ok(records)
    }

    /// A heartbeat has reached its end here: what was read before it is applied, and the database answers.
    async fn beat(&mut self, stop: &StopSignal) -> anyhow::Result<()> {
        let passed = heartbeat::passed(self.store, &self.beats.poll(BEATS, Duration::ZERO)?);
        let last = passed.iter().map(|(heartbeat, _)| heartbeat.sent_at.0).max();
        let Some(sent_at_ms) = last else { return Ok(()) };
        match self.projection.check().await {
            Ok(()) => self.vitals.beat(PROJECTION, 0, sent_at_ms),
            Err(error @ projection::Error::Forgotten { .. }) => {
                tracing::warn!(%error, "what came after is read again");
                self.read_again(stop).await?;
            }
            // Out of reach: the missing heartbeat says so.
            Err(_) => {}
        }
        Ok(())
    }

    /// Back to where the database says that it is, as soon as it answers.
    async fn read_again(&mut self, stop: &StopSignal) -> anyhow::Result<()> {
        let mut backoff = Backoff::new();
        while !stop.is_stopped() {
            let from = positions(self.projection).await;
            match from.and_then(|from| reader(self.store, from)) {
                Ok(reader) => {
                    self.reader = reader;
                    return Ok(());
                }
                Err(error) => tracing::warn!(
                    error = format!("{error:#}"),
                    backoff_ms = backoff.pause_ms(),
                    "its positions could not be read"
                ),
            }
            backoff.wait(stop);
        }
        Ok(())
    }

    /// Says that it waits at the first of these records.
    fn waits(&self, records: &[Record], reason: &str) {
        let at = records.first().map(place).unwrap_or_default();
        self.vitals.waits(PROJECTION, &at, reason);
    }

    /// Until a registry that is away has said what these are: to pass over them would leave a hole that nobody need have.
    fn explained(&self, records: &[Record], stop: &StopSignal) -> bool {
        let mut backoff = Backoff::new();
        while let Some(error) = unexplained(&self.store.codec, records) {
            if backoff.is_to_be_told() {
                let backoff_ms = backoff.pause_ms();
                tracing::warn!(error, backoff_ms, "an event cannot be read yet, the projection waits");
            }
            self.waits(records, &error);
            if backoff.wait(stop) {
                return false;
            }
        }
        true
    }

    /// Applies a batch however often it takes.
    async fn apply(&self, records: &[Record], stop: &StopSignal) -> Batch {
        if !self.explained(records, stop) {
            return Batch::Stopped;
        }
        // Decoded anew for each try: a second copy of a batch would cost memory always, and a second try is rare.
        let batch = || records.iter().map(|record| applied(&self.store.codec, record)).collect();
        let oldest = records.iter().map(|record| record.timestamp_ms).min();
        let mut backoff = Backoff::new();
        loop {
            let behind = self.reader.lag_records() + records.len() as u64;
            self.lag.set(behind, oldest, self.store.clock.now_ms());
            let Err(error) = self.projection.apply(batch()).await else { break };
            if let projection::Error::Forgotten { .. } = error {
                tracing::warn!(%error, "what came after is read again");
                return Batch::ToReadAgain;
            }
            let damaged = error.is_damage();
            let error = format!("{:#}", anyhow::Error::from(error));
            self.waits(records, &error);
            if damaged {
                tracing::error!(
                    error,
                    "projection is damaged: stop the service and rebuild it; orders go on meanwhile"
                );
                backoff.longest();
            } else {
                let backoff_ms = backoff.pause_ms();
                tracing::warn!(error, backoff_ms, "projection could not be written, it is tried again");
            }
            if backoff.wait(stop) {
                return Batch::Stopped;
            }
        }
        self.vitals.goes_on(PROJECTION);
        let left = self.reader.lag_records();
        // What comes next was written after what was applied.
        let newest = records.iter().map(|record| record.timestamp_ms).max();
        self.lag.set(left, newest.filter(|_| left > 0), self.store.clock.now_ms());
        Batch::Applied
    }

    /// Now and then while there is work, and once when there is none.
    async fn note_ends(&mut self, idle: bool) -> anyhow::Result<()> {
        // The first time that it comes to rest they are noted at once, for whoever waits for that.
        let first_idle = idle && !std::mem::replace(&mut self.is_idle, idle);
        self.is_idle = idle;
        if !first_idle && self.noted.0.elapsed() < NOTE_ENDS_EVERY {
            return Ok(());
        }
        let Some(ends) = ends_now(self.store)?.filter(|ends| *ends != self.noted.1) else {
            self.noted.0 = Instant::now();
            return Ok(());
        };
        match self.projection.note_ends(&ends, Timestamp(self.store.clock.now_ms())).await {
            Ok(()) => self.noted = (Instant::now(), ends),
            // The next batch or the next look notes them; what matters, the batch, says so louder.
            Err(error) => tracing::debug!(%error, "ends of the log could not be noted"),
        }
        Ok(())
    }

    /// Only when all is applied: what ended longest ago could be among the rest.
    async fn prune(&mut self, stop: &StopSignal) {
        let due = self.pruned_at.is_none_or(|at| at.elapsed() >= PRUNE_EVERY);
        if self.keeping.history_retention_days == 0 || !due {
            return;
        }
        self.pruned_at = Some(Instant::now());
        let kept_ms = i64::from(self.keeping.history_retention_days).saturating_mul(DAY_MS);
        let before = Timestamp(self.store.clock.now_ms().saturating_sub(kept_ms));
        let mut orders = 0;
        while !stop.is_stopped() {
            match self.projection.prune_history(before).await {
                Ok(0) => break,
                Ok(pruned) => orders += pruned,
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::warn!(error, "old history could not be deleted, it is tried again in a minute");
                    break;
                }
            }
        }
        if orders > 0 {
            tracing::info!(orders, %before, "history of ended orders deleted");
        }
    }
}
