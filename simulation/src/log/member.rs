//! A worker's side of the simulated log: [`runtime::Log`] over a process in the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use runtime::{
    Batch, BatchId, CellKey, DueTimer, Error, Limits, Log, Outcome, Polled, Record, TimerKey, Topics,
};

use super::broker::Broker;
use super::group::Told;
use super::process::{Io, Process};
use super::takeover::Taking;
use super::{Cluster, Shared};

/// A member of a group on the simulated log.
#[derive(Debug)]
pub struct Member {
    cluster: Shared,
    topics: Arc<Topics>,
    id: u64,
}

impl Member {
    pub(super) fn new(cluster: Shared, topics: Arc<Topics>, id: u64) -> Self {
        Self { cluster, topics, id }
    }

    /// The number of its process in the cluster.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Runs something on the process. A dead one answers nothing any more.
    fn with<R>(&self, run: impl FnOnce(&mut Process, &mut Io<'_>) -> R) -> Result<R, Error> {
        let mut cluster = self.cluster.lock();
        let is_alive =
            |cluster: &Cluster| cluster.processes.get(&self.id).is_some_and(|process| !process.dead);
        if !is_alive(&cluster) {
            return Err(Error::Closed);
        }
        let result = cluster.with(self.id, run).ok_or(Error::Closed)?;
        // It may have crashed on the way.
        if is_alive(&cluster) { Ok(result) } else { Err(Error::Closed) }
    }
}

/// Reads from these positions as far as the limits allow, beginning with another one each time.
fn fetch(
    broker: &Broker,
    positions: &mut BTreeMap<(Arc<str>, u32), i64>,
    turn: usize,
    mut limits: Limits,
) -> Vec<Record> {
    let mut records = Vec::new();
    let places: Vec<(Arc<str>, u32)> = positions.keys().cloned().collect();
    for step in 0..places.len() {
        let place = &places[(turn + step) % places.len()];
        let Some(partition) = broker.partition(&place.0, place.1) else { continue };
        let position = positions.entry(place.clone()).or_default();
        while limits.records_max > 0
            && limits.bytes_max > 0
            && let Some((offset, record)) = partition.next_committed(*position, i64::MAX)
        {
            limits.records_max -= 1;
            limits.bytes_max = limits.bytes_max.saturating_sub(record.value.as_ref().map_or(0, Bytes::len));
            records.push(record.clone());
            *position = offset + 1;
        }
    }
    records
}

impl Process {
    /// What there is at this moment.
    fn poll(&mut self, io: &mut Io<'_>, limits: Limits) -> Polled {
        self.release(io);
        let broadcast = fetch(io.broker, &mut self.broadcasts, 0, limits);
        if !broadcast.is_empty() {
            return Polled::Broadcast(broadcast);
        }
        if let Some(polled) = self.hear(io) {
            return polled;
        }
        if !self.taken.is_empty() {
            return Polled::Assigned(std::mem::take(&mut self.taken));
        }
        if self.has_outcome() {
            return Polled::Settled;
        }
        self.turn = self.turn.wrapping_add(1);
        let records = fetch(io.broker, &mut self.fetches, self.turn, limits);
        if records.is_empty() { Polled::Nothing } else { Polled::Records(records) }
    }

    /// Whether a poll would give something, as of now.
    pub fn has_news(&self, broker: &Broker) -> bool {
        let more = |positions: &BTreeMap<(Arc<str>, u32), i64>| {
            positions.iter().any(|((topic, partition), from)| {
                broker.partition(topic, *partition).is_some_and(|found| found.has_more(*from))
            })
        };
        let group = broker.groups.get(&self.membership.group);
        let told = !self.deaf && !self.expelled && group.is_some_and(|group| group.has_news(self.id));
        told || !self.taken.is_empty()
            || !self.releasing.is_empty()
            || self.has_outcome()
            || more(&self.broadcasts)
            || more(&self.fetches)
    }

    fn release(&mut self, io: &mut Io<'_>) {
        let partitions = std::mem::take(&mut self.releasing);
        if partitions.is_empty() {
            return;
        }
        self.held.retain(|partition| !partitions.contains(partition));
        let group = io.broker.groups.entry(self.membership.group.clone()).or_default();
        group.release(self.id, &partitions);
    }

    /// What the group has to say, as far as the caller has to know it.
    fn hear(&mut self, io: &mut Io<'_>) -> Option<Polled> {
        if self.deaf || self.expelled {
            return None;
        }
        let bug = io.bug;
        let group = io.broker.groups.entry(self.membership.group.clone()).or_default();
        if !group.knows(self.id) {
            let lost = std::mem::take(&mut self.held).into_iter().collect();
            self.fetches.clear();
            self.appended.clear();
            self.releasing.clear();
            self.taking.clear();
            self.taken.clear();
            self.expelled = true;
            return Some(Polled::Lost(lost));
        }
        while let Some(told) = group.tell(self.id) {
            match told {
                Told::Assigned { generation, partitions } => {
                    self.generation = generation;
                    self.taking.extend(partitions.into_iter().map(|partition| Taking::new(partition, bug)));
                }
                Told::Revoke { generation, partitions } => {
                    self.generation = generation;
                    let (held, unused): (Vec<u32>, Vec<u32>) = partitions
                        .into_iter()
                        .partition(|it| self.held.contains(it) && !self.taken.contains(it));
                    self.taking.retain(|taking| !unused.contains(&taking.partition));
                    self.taken.retain(|partition| !unused.contains(partition));
                    self.held.retain(|partition| !unused.contains(partition));
                    self.fetches.retain(|(_, at), _| !unused.contains(at) && !held.contains(at));
                    if !unused.is_empty() {
                        group.release(self.id, &unused);
                    }
                    if !held.is_empty() {
                        self.releasing.extend(&held);
                        return Some(Polled::Revoked(held));
                    }
                }
            }
        }
        None
    }

    /// Whatever can be done without anybody else; true: something was.
    fn drive(&mut self, io: &mut Io<'_>) -> bool {
        self.advance(io, 0).is_some() || self.take_over(io, 0) || io.broker.write_marker(0).is_some()
    }
}

impl Log for Member {
    fn topics(&self) -> &Arc<Topics> {
        &self.topics
    }

    /// With a wait, everything that can happen meanwhile happens; without, only what has happened is told.
    fn poll(&mut self, limits: Limits, wait: Duration) -> Result<Polled, Error> {
        self.with(|process, io| {
            loop {
                let polled = process.poll(io, limits);
                if polled != Polled::Nothing || wait.is_zero() || !process.drive(io) {
                    return polled;
                }
            }
        })
    }

    fn append(&mut self, batch: Batch) -> Result<BatchId, Error> {
        for outgoing in &batch.outputs {
            self.topics.check(outgoing)?;
        }
        self.with(|process, io| {
            assert!(
                process.flights.len() < runtime::log::COMMITS_IN_FLIGHT_MAX,
                "the caller settles before it appends more"
            );
            assert!(!process.failed, "the caller rewinds after a batch that failed");
            process.append(batch, io.bug)
        })
    }

    fn settle(&mut self, wait: Duration) -> Result<Option<(BatchId, Outcome)>, Error> {
        self.with(|process, io| {
            loop {
                let settled = process.settle();
                let is_over = settled.is_some() || process.flights.is_empty() || process.failed;
                if is_over || wait.is_zero() || !process.drive(io) {
                    return settled;
                }
            }
        })
    }

    fn rewind(&mut self) -> Result<(), Error> {
        let is_back = self.with(|process, io| {
            process.void(io);
            if process.expelled {
                process.expelled = false;
                let spec = process.membership.topics.first().and_then(|topic| io.broker.topics.get(topic));
                let partitions = spec.map_or(0, |spec| spec.partitions);
                let membership = process.membership.clone();
                let group = io.broker.groups.entry(membership.group).or_default();
                group.join(partitions, process.id, &membership.worker);
                return true;
            }
            process.go_back(io)
        })?;
        // A transaction of somebody who hangs; its coordinator gives it up soon.
        if is_back { Ok(()) } else { Err(Error::WaitEnded { wait_ms: 0 }) }
    }

    fn cell(&mut self, cell: &[u8]) -> Result<Option<Bytes>, Error> {
        self.with(|_, io| io.store.cell(cell))
    }

    fn cells(&mut self, prefix: &[u8], cells_max: usize) -> Result<Vec<(CellKey, Bytes)>, Error> {
        self.with(|_, io| io.store.cells(prefix, cells_max))
    }

    fn timer_due_ms(&mut self, timer: &TimerKey) -> Result<Option<i64>, Error> {
        self.with(|_, io| io.store.timer_due_ms(timer))
    }

    fn due_timers(
        &mut self,
        partition: u32,
        until_ms: i64,
        timers_max: usize,
    ) -> Result<Vec<DueTimer>, Error> {
        self.with(|process, io| io.store.due(&process.membership.processors, partition, until_ms, timers_max))
    }

    fn lag_records(&self) -> u64 {
        let lag = self.with(|process, io| {
            let of = |((topic, partition), from): (&(Arc<str>, u32), &i64)| {
                io.broker.partition(topic, *partition).map_or(0, |found| found.last_stable() - from)
            };
            process.fetches.iter().map(of).sum::<i64>().max(0).unsigned_abs()
        });
        lag.unwrap_or(0)
    }

    fn leave(&mut self) -> Result<(), Error> {
        self.with(|process, io| {
            while !process.flights.is_empty() && !process.failed && process.drive(io) {
                let _ = process.settle();
            }
            process.void(io);
            let group = process.membership.group.clone();
            io.broker.groups.entry(group).or_default().remove(process.id);
            process.held.clear();
            process.fetches.clear();
            process.taking.clear();
        })
    }
}
