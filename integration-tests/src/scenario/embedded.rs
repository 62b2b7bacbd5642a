//! The same processors on the embedded log: real workers, turned by hand until nothing is left to do.
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
use schemas::codec::Codec;
use schemas::topics;
use topology::{Line, LineSettings, SubTopology};

use super::World;

const PARTITIONS: u32 = 3;
const BATCH: Limits = Limits { records_max: 1_000, bytes_max: 8 << 20 };
/// Until a commit that is on its way is looked for again.
const TURN_WAIT: Duration = Duration::from_millis(1);
/// Of real time: a world that works longer at one simulated time does not come to rest.
const SETTLE_WAIT: Duration = Duration::from_secs(60);

/// A log in a folder, and one worker per sub-topology.
#[derive(Debug)]
pub struct EmbeddedWorld {
    clock: ManualClock,
    log: AnyLog,
    codec: Arc<Codec>,
    groups: Vec<SubTopology>,
    workers: Vec<Worker<AnyMember, Line>>,
    reader: AnyReader,
}

impl EmbeddedWorld {
    /// With the catalog published.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn open(
        directory: &Path,
        groups: Vec<SubTopology>,
        published: &Catalog,
        now: Timestamp,
    ) -> anyhow::Result<EmbeddedWorld> {
        topology::check(&groups)?;
        let clock = ManualClock::at(now.0);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let topics = specs(PARTITIONS, published.systems.keys().cloned());
        let names: Vec<Arc<str>> = topics.iter().map(|spec| spec.name.clone()).collect();
        let log = Embedded::open(directory, topics, Durability::Os, shared.clone())?;
        let store = Store::on(log, shared.clone())?;
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
            workers.push(Worker::new(member, line, shared.clone(), settings)?);
        }
        let reader = store.log.reader(&names, &Start::Earliest)?;
        Ok(EmbeddedWorld { clock, log: store.log, codec: store.codec, groups, workers, reader })
    }

    /// One turn of every worker; whether all were idle.
    fn round(&mut self) -> anyhow::Result<bool> {
        let mut idle = true;
        for worker in &mut self.workers {
            idle &= worker.turn(TURN_WAIT)? == Turn::Idle;
        }
        Ok(idle)
    }

    fn lag_records(&self) -> anyhow::Result<u64> {
        let mut lag = 0;
        for group in &self.groups {
            for topic in group.topics() {
                lag += self.log.lag_records(&group.name, topic)?.iter().sum::<u64>();
            }
        }
        Ok(lag)
    }
}

impl World for EmbeddedWorld {
    fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ms())
    }

    fn codec(&self) -> &Codec {
        &self.codec
    }

    fn send(&mut self, records: Vec<Outgoing>) -> anyhow::Result<()> {
        self.log.producer().send(&records)?;
        Ok(())
    }

    fn settle(&mut self) -> anyhow::Result<Vec<Record>> {
        let deadline = Instant::now() + SETTLE_WAIT;
        // What one worker writes another may read: at rest is who was idle in the same round with all records processed.
        while !(self.round()? && self.lag_records()? == 0) {
            ensure!(Instant::now() < deadline, "not at rest after {} s", SETTLE_WAIT.as_secs());
        }
        let mut written = Vec::new();
        loop {
            let records = self.reader.poll(BATCH, Duration::ZERO)?;
            if records.is_empty() {
                return Ok(written);
            }
            written.extend(records);
        }
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
