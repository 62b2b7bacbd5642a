//! The same processors on a real log: real workers, turned by hand until nothing is left to do.
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use cli::service::{Store, catalog, specs};
use domain::Timestamp;
use domain::catalog::Catalog;
use runtime::log::embedded::{Durability, Start};
use runtime::shard::Turn;
use runtime::{
    AnyLog, AnyMember, AnyReader, Clock, Embedded, Limits, ManualClock, Membership, Outgoing, Record, Worker,
};
use schemas::codec::{Codec, StateCodec};
use schemas::registry::{InMemory, LocalIds, SchemaIds};
use schemas::topics;
use topology::{Line, LineSettings, SubTopology};

use super::World;
use super::rest::Rest;
use crate::kafka::Cluster;

const PARTITIONS_EMBEDDED: u32 = 3;
/// Each costs questions, and time.
const PARTITIONS_KAFKA: u32 = 2;
/// Another count than of the rest.
const PARTITIONS_OUTWARD: u32 = 1;
const BATCH: Limits = Limits { records_max: 1_000, bytes_max: 8 << 20 };
/// Until a commit that is on its way is looked for again.
const TURN_WAIT: Duration = Duration::from_millis(1);
/// Of real time: a world that works longer at one simulated time does not come to rest.
const SETTLE_WAIT: Duration = Duration::from_secs(60);

/// A log, and one worker per sub-topology.
pub struct LogWorld {
    clock: ManualClock,
    store: Store,
    workers: Vec<Worker<AnyMember, Line>>,
    reader: AnyReader,
    rest: Rest,
    /// Read, and not asked for yet.
    written: Vec<Record>,
}

impl std::fmt::Debug for LogWorld {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LogWorld").field("log", &self.store.log).finish_non_exhaustive()
    }
}

impl LogWorld {
    /// On an embedded log in this folder, with the catalog published.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn embedded(
        directory: &Path,
        groups: Vec<SubTopology>,
        published: &Catalog,
        now: Timestamp,
    ) -> anyhow::Result<LogWorld> {
        let clock = ManualClock::at(now.0);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let topics = specs(PARTITIONS_EMBEDDED, PARTITIONS_EMBEDDED, published.systems.keys().cloned());
        let log = Embedded::open(directory, topics, Durability::Os, shared.clone())?;
        LogWorld::on(Store::on(log, shared)?, clock, groups, published)
    }

    /// On a cluster, under a prefix that nobody has used before; the workers' state is in this folder.
    ///
    /// # Errors
    /// The brokers do not answer; the folder cannot be used.
    pub fn on_kafka(
        cluster: &Cluster,
        prefix: &str,
        directory: &Path,
        groups: Vec<SubTopology>,
        published: &Catalog,
        now: Timestamp,
    ) -> anyhow::Result<LogWorld> {
        let clock = ManualClock::at(now.0);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let mut topics = specs(PARTITIONS_KAFKA, PARTITIONS_OUTWARD, published.systems.keys().cloned());
        // The brokers' clock is another, by which all that happens here may be long past.
        topics.iter_mut().for_each(|spec| spec.retention_ms = None);
        let mut options = cluster.options(directory);
        options.prefix = prefix.to_owned();
        runtime::log::kafka::create(&options, topics.clone())?;
        let log = AnyLog::on_kafka(options, topics, shared.clone())?;
        let ids: Arc<dyn SchemaIds> = Arc::new(LocalIds::open(InMemory::default())?);
        let (codec, state) = (Arc::new(Codec::new(ids.clone())), Arc::new(StateCodec::new(ids.clone())));
        LogWorld::on(Store { log, codec, state, ids, clock: shared }, clock, groups, published)
    }

    fn on(
        store: Store,
        clock: ManualClock,
        groups: Vec<SubTopology>,
        published: &Catalog,
    ) -> anyhow::Result<LogWorld> {
        topology::check(&groups)?;
        catalog::publish(&store, published)?;
        let mut workers = Vec::new();
        for group in &groups {
            let membership = Membership {
                group: group.name.as_str().into(),
                worker: group.name.as_str().into(),
                processors: group.processors.iter().map(|processor| processor.name().into()).collect(),
                topics: group.topics().into_iter().map(Into::into).collect(),
                topics_broadcast: vec![topics::CATALOG.into(), topics::DOWNSTREAM_HEALTH.into()],
            };
            let member = store.log.member(membership)?;
            let line =
                Line::new(group.clone(), store.codec.clone(), store.state.clone(), LineSettings::default());
            let settings = runtime::Settings::new(&group.name, topics::DEAD_LETTERS);
            workers.push(Worker::new(member, line, store.clock.clone(), settings)?);
        }
        let names: Vec<Arc<str>> = store.log.topics().iter().map(|spec| spec.name.clone()).collect();
        let reader = store.log.reader(&names, &Start::Earliest)?;
        let rest = Rest::new(groups);
        Ok(LogWorld { clock, store, workers, reader, rest, written: Vec::new() })
    }

    /// One turn of every worker; whether all were idle.
    fn round(&mut self) -> anyhow::Result<bool> {
        let mut idle = true;
        for worker in &mut self.workers {
            idle &= worker.turn(TURN_WAIT)? == Turn::Idle;
        }
        Ok(idle)
    }

    /// Whether a timer waits to be fired, as those do that let records pass before them.
    fn is_due(&mut self) -> anyhow::Result<bool> {
        let now = self.now();
        Ok(self.next_due()?.is_some_and(|due| due <= now))
    }

    /// Whether nothing new has come.
    fn read(&mut self) -> anyhow::Result<bool> {
        let mut quiet = true;
        loop {
            let records = self.reader.poll(BATCH, Duration::ZERO)?;
            if records.is_empty() {
                return Ok(quiet);
            }
            quiet = false;
            self.written.extend(records);
        }
    }
}

impl World for LogWorld {
    fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ms())
    }

    fn codec(&self) -> &Codec {
        &self.store.codec
    }

    fn send(&mut self, records: Vec<Outgoing>) -> anyhow::Result<()> {
        let placed = self.store.log.producer().send(&records)?;
        for (record, (partition, offset)) in records.iter().zip(placed) {
            self.rest.sent(&record.topic, partition, offset);
        }
        Ok(())
    }

    fn settle(&mut self) -> anyhow::Result<Vec<Record>> {
        let deadline = Instant::now() + SETTLE_WAIT;
        // What one worker writes another may read: at rest is who was idle in the same round with all records processed.
        while !(self.round()? & self.read()?
            && !self.is_due()?
            && self.rest.is_here(&self.store.log, &self.reader)?)
        {
            ensure!(Instant::now() < deadline, "not at rest after {} s", SETTLE_WAIT.as_secs());
        }
        Ok(std::mem::take(&mut self.written))
    }

    fn next_due(&mut self) -> anyhow::Result<Option<Timestamp>> {
        let mut first = None;
        for worker in &mut self.workers {
            let due = worker.next_due_ms()?.map(Timestamp);
            first = first.into_iter().chain(due).min();
        }
        Ok(first)
    }

    fn advance(&mut self, to: Timestamp) {
        self.clock.set(to.0.max(self.clock.now_ms()));
    }
}
