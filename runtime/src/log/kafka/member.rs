//! A worker's side of the log on Kafka.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use tracing::{debug, warn};

use super::Shared;
use super::assignment;
use super::broadcast::Broadcast;
use super::context::MemberContext;
use super::failure::{failed, is_forbidden, reading_refused};
use super::incoming::{self, Names};
use super::options::{CALL_WAIT, HANG_WAIT};
use super::pipeline::Pipeline;
use super::restore::{Restorer, Ticket};
use super::store::Store;
use super::upkeep::Upkeep;
use crate::Error;
use crate::log::embedded::signal::Signal;
use crate::log::{Batch, BatchId, COMMITS_IN_FLIGHT_MAX, Limits, Log, Membership, Outcome, Polled};
use crate::record::{Record, Topics};
use crate::store::keys::{CellKey, TimerKey};
use crate::timer::DueTimer;

/// The client swallows some of its own events, after which its queue may hold more without saying so: it is looked at this
/// often, however quiet it is.
const LOOK_WAIT: Duration = Duration::from_millis(200);

/// A batch on its way.
pub(super) struct InFlight {
    pub(super) id: BatchId,
    pub(super) appended: Instant,
    /// It was fenced before it was sent.
    pub(super) fenced: bool,
    /// Those that it touches.
    pub(super) partitions: Vec<u32>,
}

/// A member of a group on Kafka.
pub struct Member {
    pub(super) shared: Arc<Shared>,
    pub(super) membership: Membership,
    pub(super) inputs: Vec<usize>,
    /// As the cluster knows it.
    pub(super) changelog: Arc<str>,
    /// None: it has left.
    pub(super) consumer: Option<BaseConsumer<MemberContext>>,
    /// The group's word that this is a member, of the newest generation in which it was one. None: it is none.
    pub(super) proof: Option<Arc<ConsumerGroupMetadata>>,
    pub(super) signal: Arc<Signal>,
    pub(super) store: Arc<Store>,
    /// None: to be made anew.
    pub(super) pipeline: Option<Pipeline>,
    pub(super) restorer: Restorer,
    pub(super) broadcast: Broadcast,
    pub(super) held: Vec<u32>,
    pub(super) restoring: BTreeMap<u32, Ticket>,
    /// Revoked, to be handed over at the next poll.
    pub(super) releasing: Vec<u32>,
    /// Whose changelog has nothing yet by which the store could know it again; the next batch of each writes it.
    pub(super) without_origin: BTreeSet<u32>,
    /// Positions as all that was appended leaves them, of the partitions that are held.
    pub(super) positions: BTreeMap<(usize, u32), i64>,
    /// By partition, when those of all inputs were last appended with a batch.
    pub(super) positions_noted: HashMap<u32, Instant>,
    /// Behind what was handed out.
    pub(super) fetched: HashMap<(usize, u32), i64>,
    /// Records that have come, and wait for what was broadcast before them.
    pub(super) waiting: Vec<Record>,
    pub(super) in_flight: VecDeque<InFlight>,
    pub(super) next_id: u64,
    /// A batch failed: nothing is appended until a rewind.
    pub(super) failed: bool,
    pub(super) names: Names,
    pub(super) upkeep: Upkeep,
    /// No timer of the partition is due before: the scan need not pass what fired long ago and is not yet compacted away.
    timers_from_ms: HashMap<u32, i64>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Member")
            .field("membership", &self.membership)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

impl Member {
    pub(crate) fn join(shared: Arc<Shared>, membership: Membership) -> Result<Self, Error> {
        let parts = assignment::open(&shared, &membership)?;
        let member = Self {
            shared,
            membership,
            inputs: parts.inputs,
            changelog: parts.changelog,
            consumer: Some(parts.consumer),
            proof: None,
            signal: parts.signal,
            store: parts.store,
            pipeline: Some(parts.pipeline),
            restorer: parts.restorer,
            broadcast: parts.broadcast,
            held: Vec::new(),
            restoring: BTreeMap::new(),
            releasing: Vec::new(),
            without_origin: BTreeSet::new(),
            positions: BTreeMap::new(),
            positions_noted: HashMap::new(),
            fetched: HashMap::new(),
            waiting: Vec::new(),
            in_flight: VecDeque::new(),
            next_id: 0,
            failed: false,
            names: Names::default(),
            upkeep: parts.upkeep,
            timers_from_ms: HashMap::new(),
        };
        let changelog = member.changelog.clone();
        member.consumer()?.subscribe(&[&changelog]).map_err(failed("join the group"))?;
        Ok(member)
    }

    /// How many records of the changelog were read to restore state, since it joined.
    pub fn replayed_records(&self) -> u64 {
        self.restorer.replayed()
    }

    /// How many records of the changelog were read for copies of what others have, since it joined.
    pub fn followed_records(&self) -> u64 {
        self.restorer.followed()
    }

    /// Its id within the group, as the group lists it; None: it is not listed. For operators and tests who take it out.
    ///
    /// Errors: it has left; the brokers do not answer.
    pub fn group_member_id(&self) -> Result<Option<String>, Error> {
        let group = self.shared.options.wire(&self.membership.group);
        let groups = self
            .consumer()?
            .fetch_group_list(Some(&group), CALL_WAIT)
            .map_err(failed("list the members of the group"))?;
        let mut members = groups.groups().iter().flat_map(|group| group.members());
        let ours = members.find(|member| member.client_id() == &*self.membership.worker);
        Ok(ours.map(|member| member.id().to_owned()))
    }

    pub(super) fn consumer(&self) -> Result<&BaseConsumer<MemberContext>, Error> {
        self.consumer.as_ref().ok_or(Error::Closed)
    }

    /// Timers of a partition that was elsewhere may be due at any time, and its positions are to be committed by this member, too.
    pub(super) fn forget_what_was(&mut self, partition: u32) {
        self.timers_from_ms.remove(&partition);
        self.positions_noted.remove(&partition);
    }

    /// What has come, without waiting. Rebalances that come with it are kept until they are asked for.
    fn fetch(&mut self, mut limits: Limits) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        let consumer = self.consumer.as_ref().ok_or(Error::Closed)?;
        while incoming::has_room(&limits) {
            match consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let Some(index) = self.shared.index_of_wire(rdkafka::Message::topic(&message)) else {
                        continue;
                    };
                    if let Some(record) = incoming::record_of(&self.shared, &mut self.names, &message) {
                        incoming::spend(&mut limits, &record);
                        self.fetched.insert((index, record.partition), record.offset + 1);
                        records.push(record);
                    }
                }
                Some(Err(problem @ KafkaError::MessageConsumptionFatal(_))) => {
                    return Err(failed("read records")(problem));
                }
                Some(Err(problem)) => match self.refused(&problem) {
                    Some(refused) => return Err(refused),
                    // The client goes on by itself once the brokers answer.
                    None => debug!(%problem, "reading records"),
                },
                None => break,
            }
        }
        Ok(records)
    }

    /// What no waiting mends.
    fn refused(&self, problem: &KafkaError) -> Option<Error> {
        let reading = reading_refused(problem, self.inputs.iter().map(|input| &*self.shared.wire[*input]));
        // Nobody will ever make it a member.
        let is_kept_out = self.proof.is_none() && is_forbidden(problem);
        let (group, reason) = (self.membership.group.clone(), problem.to_string());
        reading.or_else(|| is_kept_out.then_some(Error::GroupRefused { group, reason }))
    }

    /// How long a call of the client may take before it is given up.
    fn hang_wait(&self) -> Duration {
        self.shared.options.faults.as_ref().and_then(|faults| faults.hang_wait()).unwrap_or(HANG_WAIT)
    }

    /// The outcome of the oldest batch on its way, if it is known.
    pub(super) fn next_outcome(&mut self) -> Option<(BatchId, Outcome)> {
        let first = self.in_flight.front()?;
        let hang_wait = self.hang_wait();
        let (id, fenced, hangs) = (first.id, first.fenced, first.appended.elapsed() > hang_wait);
        if fenced {
            self.in_flight.pop_front();
            return Some((id, Outcome::Fenced));
        }
        let outcome = loop {
            match self.pipeline.as_ref().map(Pipeline::outcome) {
                // Of a batch that was given up before.
                Some(Some((told, _))) if told != id => {}
                Some(Some((_, outcome))) => break outcome,
                Some(None) if !hangs => return None,
                None | Some(None) => {
                    warn!(worker = %self.membership.worker, batch = id.0, "client hangs; its producers are replaced");
                    self.pipeline = None;
                    break Outcome::Unknown {
                        reason: format!("no answer from the client within {hang_wait:?}"),
                    };
                }
            }
        };
        self.in_flight.pop_front();
        Some((id, outcome))
    }

    fn has_outcome(&self) -> bool {
        let Some(first) = self.in_flight.front() else { return false };
        let known = self.pipeline.as_ref().is_none_or(Pipeline::has_outcome);
        first.fenced || known || first.appended.elapsed() > self.hang_wait()
    }
}

impl Log for Member {
    fn topics(&self) -> &Arc<Topics> {
        &self.shared.topics
    }

    fn poll(&mut self, limits: Limits, wait: Duration) -> Result<Polled, Error> {
        let deadline = Instant::now() + wait;
        let was_sending = self.is_sending();
        self.hand_over()?;
        self.keep_up()?;
        loop {
            self.signal.clear();
            let broadcast = self.broadcast.poll(&self.shared, &mut self.names, limits)?;
            if !broadcast.is_empty() {
                return Ok(Polled::Broadcast(broadcast));
            }
            // Until all of the broadcast is handed out nothing is asked for that could come before it.
            if self.broadcast.is_complete() {
                if let Some(polled) = self.apply_rebalance()? {
                    return Ok(polled);
                }
                if let Some(polled) = self.take_restored()? {
                    return Ok(polled);
                }
                if !self.failed && self.has_outcome() {
                    return Ok(Polled::Settled);
                }
                if self.waiting.is_empty() {
                    self.waiting = self.fetch(limits)?;
                }
                if !self.waiting.is_empty() {
                    let before = self.broadcast.catch_up(&self.shared, &mut self.names, limits)?;
                    return Ok(match before.is_empty() {
                        true => Polled::Records(std::mem::take(&mut self.waiting)),
                        false => Polled::Broadcast(before),
                    });
                }
                if let Some(polled) = self.apply_rebalance()? {
                    return Ok(polled);
                }
                if was_sending && !self.is_sending() {
                    return Ok(Polled::Settled);
                }
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(Polled::Nothing);
            }
            self.signal.wait(deadline.min(now + LOOK_WAIT));
        }
    }

    fn append(&mut self, batch: Batch) -> Result<BatchId, Error> {
        assert!(self.in_flight.len() < COMMITS_IN_FLIGHT_MAX, "the caller settles before it appends more");
        assert!(!self.failed, "the caller rewinds after a batch that failed");
        let id = BatchId(self.next_id);
        for change in &batch.timers {
            if let Some(due_ms) = change.due_ms
                && let Some(from_ms) = self.timers_from_ms.get_mut(&change.timer.partition())
            {
                *from_ms = due_ms.min(*from_ms);
            }
        }
        let holds = batch.partitions.iter().all(|partition| self.held.contains(partition));
        let proof = self.proof.clone().filter(|_| holds);
        let fenced = proof.is_none();
        let partitions = batch.partitions.clone();
        if let Some(proof) = proof {
            let work = self.work(id, batch, proof)?;
            self.pipeline.as_ref().ok_or(Error::Closed)?.push(work)?;
        }
        self.next_id += 1;
        self.in_flight.push_back(InFlight { id, appended: Instant::now(), fenced, partitions });
        Ok(id)
    }

    fn is_sending(&self) -> bool {
        !self.failed && self.pipeline.as_ref().is_some_and(Pipeline::is_sending)
    }

    fn settle(&mut self, wait: Duration) -> Result<Option<(BatchId, Outcome)>, Error> {
        if self.in_flight.is_empty() || self.failed {
            return Ok(None);
        }
        let deadline = Instant::now() + wait;
        loop {
            self.signal.clear();
            if let Some((id, outcome)) = self.next_outcome() {
                self.failed = outcome != Outcome::Committed;
                return Ok(Some((id, outcome)));
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(None);
            }
            self.signal.wait(deadline.min(now + LOOK_WAIT));
        }
    }

    fn rewind(&mut self) -> Result<(), Error> {
        self.timers_from_ms.clear();
        self.positions_noted.clear();
        self.go_back()
    }

    fn cell(&mut self, cell: &[u8]) -> Result<Option<Bytes>, Error> {
        self.store.cell(cell)
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
        let Ok(consumer) = self.consumer() else { return 0 };
        let ends = consumer.context().ends();
        let left = |(place, next_offset): (&(usize, u32), &i64)| {
            let wire = &self.shared.wire[place.0];
            let end = ends.get(&**wire).and_then(|ends| ends.get(&place.1)).copied().unwrap_or(*next_offset);
            (end - next_offset).max(0).unsigned_abs()
        };
        self.fetched.iter().map(left).sum()
    }

    fn leave(&mut self) -> Result<(), Error> {
        self.drain()?;
        self.close();
        Ok(())
    }
}

impl Drop for Member {
    /// A worker that died without leaving: its partitions go to the others, what it had not committed is gone.
    fn drop(&mut self) {
        self.close();
    }
}
