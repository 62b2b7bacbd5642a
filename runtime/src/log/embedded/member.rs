//! A worker's side of the embedded log.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, unbounded};

use super::assignment::{Event, Generation, MemberId};
use super::fetch::{Fetch, fetch_all, lag};
use super::options;
use super::request::{Commit, Encoded, Request};
use super::signal::Signal;
use super::store::Store;
use crate::Error;
use crate::Names;
use crate::log::{Batch, BatchId, COMMITS_IN_FLIGHT_MAX, Limits, Log, Membership, Outcome, Polled};
use crate::record::Topics;
use crate::store::keys::{CellKey, TimerKey};
use crate::timer::DueTimer;

/// How long a rewind or a leave waits for what is on its way; a disk that takes longer is an error to be told.
const SETTLE_WAIT: Duration = Duration::from_secs(30);
/// What no partition ever has: a batch for a partition that is not held is fenced.
const GENERATION_NONE: Generation = Generation::MAX;

/// A member of a group on the embedded log.
#[derive(Debug)]
pub struct Member {
    store: Arc<Store>,
    requests: Sender<Request>,
    membership: Membership,
    id: MemberId,
    inputs: Vec<usize>,
    partitions: u32,
    signal: Arc<Signal>,
    events: Receiver<Event>,
    events_in: Sender<Event>,
    /// Taken from `events` and not yet applied, should applying have failed.
    event: Option<Event>,
    outcomes: Receiver<(BatchId, Outcome)>,
    outcomes_in: Sender<(BatchId, Outcome)>,
    epoch: u64,
    next_id: u64,
    in_flight: VecDeque<BatchId>,
    /// A batch failed: nothing is appended until a rewind.
    failed: bool,
    expelled: bool,
    left: bool,
    held: BTreeMap<u32, Generation>,
    /// Revoked, to be handed over at the next poll.
    releasing: Vec<u32>,
    fetches: Vec<Fetch>,
    broadcasts: Vec<Fetch>,
    turn: usize,
    names: Names,
    /// No timer of the partition is due before: the scan need not pass what fired long ago and is not yet compacted away.
    timers_from_ms: HashMap<u32, i64>,
}

impl Member {
    pub(crate) fn join(
        store: Arc<Store>,
        requests: Sender<Request>,
        membership: Membership,
        id: MemberId,
    ) -> Result<Self, Error> {
        let inputs: Vec<usize> =
            membership.topics.iter().map(|name| store.topics().index(name)).collect::<Result<_, _>>()?;
        let partitions = equal_partitions(&membership, store.topics(), &inputs)?;
        let mut broadcasts = Vec::new();
        for name in &membership.topics_broadcast {
            let topic = store.topics().index(name)?;
            broadcasts.extend((0..store.topics().at(topic).partitions).map(|partition| Fetch {
                topic,
                partition,
                next_offset: store.earliest(topic, partition),
            }));
        }
        let (events_in, events) = unbounded();
        let (outcomes_in, outcomes) = unbounded(); // bounded by COMMITS_IN_FLIGHT_MAX
        let member = Self {
            store,
            requests,
            membership,
            id,
            inputs,
            partitions,
            signal: Arc::default(),
            events,
            events_in,
            event: None,
            outcomes,
            outcomes_in,
            epoch: 0,
            next_id: 0,
            in_flight: VecDeque::new(),
            failed: false,
            expelled: false,
            left: false,
            held: BTreeMap::new(),
            releasing: Vec::new(),
            fetches: Vec::new(),
            broadcasts,
            turn: 0,
            names: Names::default(),
            timers_from_ms: HashMap::new(),
        };
        let broadcast_topics = member.broadcasts.iter().map(|fetch| fetch.topic);
        let mut topics: Vec<usize> = member.inputs.iter().copied().chain(broadcast_topics).collect();
        topics.sort_unstable();
        topics.dedup();
        let signal = member.signal.clone();
        member.request(Request::Watch { watcher: id, topics, signal })?;
        member.request_join()?;
        Ok(member)
    }

    /// Its number, for [`super::Embedded::expire`].
    pub fn id(&self) -> u64 {
        self.id
    }

    fn request(&self, request: Request) -> Result<(), Error> {
        self.requests.send(request).map_err(|_| Error::Closed)
    }

    fn request_join(&self) -> Result<(), Error> {
        self.request(Request::Join {
            group: self.membership.group.clone(),
            partitions: self.partitions,
            member: self.id,
            events: self.events_in.clone(),
            signal: self.signal.clone(),
        })
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        if self.releasing.is_empty() {
            return Ok(());
        }
        let partitions = std::mem::take(&mut self.releasing);
        self.held.retain(|partition, _| !partitions.contains(partition));
        let group = self.membership.group.clone();
        self.request(Request::Release { group, member: self.id, partitions })
    }

    fn apply_event(&mut self) -> Result<Option<Polled>, Error> {
        if self.event.is_none() {
            self.event = self.events.try_recv().ok();
        }
        let Some(event) = &self.event else { return Ok(None) };
        let polled = match event.clone() {
            Event::Assigned(assigned) => {
                let partitions: Vec<u32> = assigned.iter().map(|(partition, _)| *partition).collect();
                let fetches = self.committed_fetches(partitions.iter().copied())?;
                self.fetches.extend(fetches);
                self.held.extend(assigned);
                self.timers_from_ms.retain(|partition, _| !partitions.contains(partition));
                Some(Polled::Assigned(partitions))
            }
            Event::Revoke(mut partitions) => {
                partitions.retain(|partition| self.held.contains_key(partition));
                self.fetches.retain(|fetch| !partitions.contains(&fetch.partition));
                self.releasing.extend(&partitions);
                (!partitions.is_empty()).then_some(Polled::Revoked(partitions))
            }
            Event::Lost(partitions) => {
                self.held.clear();
                self.fetches.clear();
                self.releasing.clear();
                self.expelled = true;
                Some(Polled::Lost(partitions))
            }
        };
        self.event = None;
        Ok(polled)
    }

    /// All inputs of these partitions, each where the group's committed position is.
    fn committed_fetches(&self, partitions: impl Iterator<Item = u32>) -> Result<Vec<Fetch>, Error> {
        let mut fetches = Vec::new();
        for partition in partitions {
            for topic in &self.inputs {
                let position = self.store.position(&self.membership.group, *topic, partition)?;
                // A group that never was here begins with the oldest record there is.
                let next_offset = position.unwrap_or_else(|| self.store.earliest(*topic, partition));
                fetches.push(Fetch { topic: *topic, partition, next_offset });
            }
        }
        Ok(fetches)
    }

    /// Until all that is on its way has its outcome.
    fn drain(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + SETTLE_WAIT;
        while !self.in_flight.is_empty() {
            if self.next_outcome(deadline)?.is_none() {
                return Err(Error::WaitEnded { wait_ms: SETTLE_WAIT.as_millis() as u64 });
            }
        }
        Ok(())
    }

    fn next_outcome(&mut self, deadline: Instant) -> Result<Option<(BatchId, Outcome)>, Error> {
        loop {
            self.signal.clear();
            if let Ok((id, outcome)) = self.outcomes.try_recv() {
                let oldest = self.in_flight.pop_front();
                assert_eq!(oldest, Some(id), "outcomes come in the sequence of the batches");
                return Ok(Some((id, outcome)));
            }
            self.store.check_open()?;
            if Instant::now() >= deadline {
                return Ok(None);
            }
            self.signal.wait(deadline);
        }
    }
}

/// The one partition count of the inputs.
fn equal_partitions(membership: &Membership, topics: &Topics, inputs: &[usize]) -> Result<u32, Error> {
    let refused = |reason: String| Error::GroupRefused { group: membership.group.clone(), reason };
    let Some(first) = inputs.first() else { return Err(refused("it reads no topic".to_owned())) };
    let first = topics.at(*first);
    for topic in inputs.iter().map(|index| topics.at(*index)) {
        if topic.partitions != first.partitions {
            return Err(refused(format!(
                "topic \"{}\" has {} partitions and topic \"{}\" has {}; inputs of one group need as many each",
                first.name, first.partitions, topic.name, topic.partitions
            )));
        }
    }
    Ok(first.partitions)
}

impl Log for Member {
    fn topics(&self) -> &Arc<Topics> {
        self.store.topics()
    }

    fn poll(&mut self, limits: Limits, wait: Duration) -> Result<Polled, Error> {
        let deadline = Instant::now() + wait;
        self.hand_over()?;
        loop {
            self.signal.clear();
            self.store.check_open()?;
            let (turn, names) = (&mut self.turn, &mut self.names);
            let broadcast = fetch_all(&self.store, &mut self.broadcasts, turn, limits, names)?;
            if !broadcast.is_empty() {
                return Ok(Polled::Broadcast(broadcast));
            }
            if let Some(polled) = self.apply_event()? {
                return Ok(polled);
            }
            if !self.outcomes.is_empty() && !self.failed {
                return Ok(Polled::Settled);
            }
            let (turn, names) = (&mut self.turn, &mut self.names);
            let records = fetch_all(&self.store, &mut self.fetches, turn, limits, names)?;
            if !records.is_empty() {
                return Ok(Polled::Records(records));
            }
            if Instant::now() >= deadline {
                return Ok(Polled::Nothing);
            }
            self.signal.wait(deadline);
        }
    }

    fn append(&mut self, batch: Batch) -> Result<BatchId, Error> {
        assert!(self.in_flight.len() < COMMITS_IN_FLIGHT_MAX, "the caller settles before it appends more");
        assert!(!self.failed, "the caller rewinds after a batch that failed");
        let records = Encoded::checked(&self.store, &batch.outputs)?;
        for position in &batch.positions {
            self.store.topics().index(&position.topic)?;
        }
        let generation = |partition: &u32| self.held.get(partition).copied().unwrap_or(GENERATION_NONE);
        let fences = batch.partitions.iter().map(|partition| (*partition, generation(partition))).collect();
        for change in &batch.timers {
            if let Some(due_ms) = change.due_ms
                && let Some(from_ms) = self.timers_from_ms.get_mut(&change.timer.partition())
            {
                *from_ms = due_ms.min(*from_ms);
            }
        }
        let id = BatchId(self.next_id);
        self.request(Request::Commit(Box::new(Commit {
            member: self.id,
            group: self.membership.group.clone(),
            epoch: self.epoch,
            id,
            fences,
            positions: batch.positions,
            records,
            cells: batch.cells,
            timers: batch.timers,
            outcomes: self.outcomes_in.clone(),
            signal: self.signal.clone(),
        })))?;
        self.next_id += 1;
        self.in_flight.push_back(id);
        Ok(id)
    }

    fn tells_failures(&self) -> bool {
        true
    }

    fn settle(&mut self, wait: Duration) -> Result<Option<(BatchId, Outcome)>, Error> {
        if self.in_flight.is_empty() || self.failed {
            return Ok(None);
        }
        let settled = self.next_outcome(Instant::now() + wait)?;
        self.failed = settled.as_ref().is_some_and(|(_, outcome)| *outcome != Outcome::Committed);
        Ok(settled)
    }

    fn rewind(&mut self) -> Result<(), Error> {
        self.drain()?;
        self.epoch += 1;
        self.failed = false;
        self.timers_from_ms.clear();
        if self.expelled {
            self.request_join()?;
            self.expelled = false;
            return Ok(());
        }
        let staying: Vec<u32> =
            self.held.keys().copied().filter(|partition| !self.releasing.contains(partition)).collect();
        self.fetches = self.committed_fetches(staying.into_iter())?;
        Ok(())
    }

    fn cell(&mut self, cell: &[u8]) -> Result<Option<Bytes>, Error> {
        self.store.get(options::STATE, cell)
    }

    fn cells(&mut self, prefix: &[u8], cells_max: usize) -> Result<Vec<(CellKey, Bytes)>, Error> {
        self.store.cells(prefix, cells_max)
    }

    fn timer_due_ms(&mut self, timer: &TimerKey) -> Result<Option<i64>, Error> {
        self.store.timer_due_ms(timer)
    }

    fn due_timers(
        &mut self,
        partition: u32,
        until_ms: i64,
        timers_max: usize,
    ) -> Result<Vec<DueTimer>, Error> {
        let from_ms = self.timers_from_ms.get(&partition).copied().unwrap_or(i64::MIN);
        if from_ms > until_ms {
            return Ok(Vec::new());
        }
        let mut due = Vec::new();
        for processor in &self.membership.processors {
            due.extend(self.store.due_timers(processor, partition, (from_ms, until_ms), timers_max)?);
        }
        due.sort_unstable();
        due.truncate(timers_max);
        // Only what no batch on its way can undercut may be skipped next time.
        if self.in_flight.is_empty() && timers_max > 0 {
            let from_ms = due.first().map_or(until_ms.saturating_add(1), |first| first.due_ms);
            self.timers_from_ms.insert(partition, from_ms);
        }
        Ok(due)
    }

    fn lag_records(&self) -> u64 {
        lag(&self.store, &self.fetches)
    }

    fn leave(&mut self) -> Result<(), Error> {
        self.drain()?;
        self.left = true;
        self.request(Request::Remove { group: self.membership.group.clone(), member: self.id })?;
        self.request(Request::Unwatch { watcher: self.id })
    }
}

impl Drop for Member {
    /// A worker that died without leaving: its partitions go to the others, what it had not committed is gone.
    fn drop(&mut self) {
        if !self.left {
            // A log that is closed has no group to leave.
            let _ = self.request(Request::Remove { group: self.membership.group.clone(), member: self.id });
            let _ = self.request(Request::Unwatch { watcher: self.id });
        }
    }
}
