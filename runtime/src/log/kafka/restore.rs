//! Makes the store of a partition as new as what is committed, before the partition is handed out.
//!
//! 1. The group's committed positions, once no transaction of the former owner is open over them.
//! 2. Only then the end of the changelog: the other way round, the former owner's last transaction could be missed. It is
//!    the end of all that is written there, since a commit is told before each partition has heard of it; and what is
//!    open before that end is waited for.
//! 3. The changelog from where the store stands to that end. From its beginning only where the store cannot go on, and then
//!    beside what it has.
//!
//! How these steps are gone through for several partitions side by side, each handed out once it is ready: `restoring`.
//! While nothing is asked of it, the same thread follows the changelogs of partitions that others have (`standby`): so
//! nobody else writes what is restored here.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::error;

use super::Shared;
use super::context::Quiet;
use super::ends::{Ends, Place};
use super::failure::{failed, refused};
use super::options::TRANSACTION_TIMEOUT;
use super::origin::{self, Bounds, Glance, Looked, Recognised};
use super::restoring::serve;
use super::standby::Standby;
use super::store::{Origin, Progress, Store};
use super::transaction::wire_partition;
use crate::log::embedded::signal::Signal;
use crate::{Error, StopSignal};

/// The longest wait for committed positions before it is looked whether anybody still waits; then it is asked again.
const COMMITTED_WAIT: Duration = Duration::from_secs(2);
/// Between two looks whether open transactions are settled; they are within milliseconds, or after their own time-out.
pub(super) const SETTLED_LOOK: Duration = Duration::from_millis(5);
/// The longest wait for it: a transaction may last so long, and brokers look for those that have lasted too long every ten seconds.
pub(super) const SETTLED_WAIT: Duration = Duration::from_secs(2 * TRANSACTION_TIMEOUT.as_secs() + 5);
/// Names one assignment of a partition: what belongs to an older one is of no interest any more.
pub(crate) type Ticket = u64;

/// A partition that is ready: of each input topic, by index, where to go on.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) ticket: Ticket,
    pub(crate) partition: u32,
    pub(crate) positions: Vec<(usize, i64)>,
    /// Its changelog has nothing yet by which this group's stores could know it again.
    pub(crate) lacks_origin: bool,
}

/// What the thread is asked for.
pub(super) enum Job {
    Restore(Wanted),
    /// To be followed from now on, and no others.
    Follow(BTreeSet<u32>),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) ticket: Ticket,
    pub(super) partition: u32,
    /// Whether it comes from elsewhere, and was not held all the time.
    pub(super) is_new: bool,
}

/// Of each input, by index, the group's committed position; None: there is none.
pub(super) type Committed = Vec<(usize, Option<i64>)>;

/// The worker's side: asks for partitions and hears when they are ready.
pub(crate) struct Restorer {
    jobs: Option<Sender<Job>>,
    restored: Receiver<Result<Restored, Error>>,
    known: Arc<Known>,
    next_ticket: Ticket,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
pub(super) struct Known {
    wanted: Mutex<HashSet<Ticket>>,
    pub(super) stop: StopSignal,
    pub(super) replayed: AtomicU64,
    pub(super) followed: AtomicU64,
}

impl Known {
    pub(super) fn wants(&self, ticket: Ticket) -> bool {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).contains(&ticket)
    }
}

/// What a group reads, as the restorer needs to know it.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    /// As the cluster knows it.
    pub(crate) group: String,
    /// As the caller does.
    pub(crate) group_name: Arc<str>,
    pub(crate) topics: Vec<usize>,
    pub(crate) changelog: Arc<str>,
    pub(crate) delete_retention_ms: i64,
}

impl Restorer {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        worker: &str,
        inputs: Inputs,
        store: Arc<Store>,
        signal: Arc<Signal>,
    ) -> Result<Self, Error> {
        let config = shared.options.restoring(&format!("{worker}-restore"), &inputs.group);
        let consumer = BaseConsumer::from_config_and_context(&config, Quiet).map_err(refused)?;
        let ends = Ends::new(&shared.options, &format!("{worker}-ends"))?;
        let (jobs_in, jobs) = unbounded(); // bounded by the partitions there are
        let (restored_in, restored) = unbounded();
        let known = Arc::new(Known::default());
        let (shared, known_here) = (shared.clone(), known.clone());
        let glance = RefCell::new(Glance::new());
        let run =
            Run { worker: worker.into(), shared, inputs, store, consumer, ends, known: known_here, glance };
        metrics::counter!("orderstream_replayed_records_total").increment(0);
        let standby = Standby::new(run.shared.clone(), worker);
        let thread = std::thread::Builder::new()
            .name(format!("{worker}-restore"))
            .spawn(move || serve(&run, standby, &jobs, &restored_in, &signal))
            .map_err(|source| Error::Store { doing: "start a thread of the log", source: source.into() })?;
        Ok(Self { jobs: Some(jobs_in), restored, known, next_ticket: 1, thread: Some(thread) })
    }

    /// `is_new`: it comes from elsewhere, and was not held all the time.
    pub(crate) fn want(&mut self, partition: u32, is_new: bool) -> Result<Ticket, Error> {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.known.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket);
        self.ask(Job::Restore(Wanted { ticket, partition, is_new }))?;
        Ok(ticket)
    }

    /// Has these followed from now on, and no others. None of them may be held, or written by a batch that is on its way.
    pub(crate) fn follow(&self, partitions: BTreeSet<u32>) -> Result<(), Error> {
        self.ask(Job::Follow(partitions))
    }

    fn ask(&self, job: Job) -> Result<(), Error> {
        let jobs = self.jobs.as_ref().ok_or(Error::Closed)?;
        jobs.send(job).map_err(|_| Error::Closed)
    }

    pub(crate) fn forget(&self, ticket: Ticket) {
        self.known.wanted.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
    }

    /// The next that is ready. An error is one that trying again does not mend.
    pub(crate) fn take(&self) -> Result<Option<Restored>, Error> {
        match self.restored.try_recv() {
            Ok(restored) => restored.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            // Its thread ended by a panic, which has been told. Whoever waits for a partition would wait for ever.
            Err(TryRecvError::Disconnected) => Err(Error::Closed),
        }
    }

    /// How many records of the changelog were read so far.
    pub(crate) fn replayed(&self) -> u64 {
        self.known.replayed.load(Ordering::Relaxed)
    }

    /// The same, for copies of what others have.
    pub(crate) fn followed(&self) -> u64 {
        self.known.followed.load(Ordering::Relaxed)
    }
}

impl Drop for Restorer {
    /// Waits for its thread, which holds the store; as long as one call of the client takes.
    fn drop(&mut self) {
        self.known.wanted.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.known.stop.stop();
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("restore thread panicked");
        }
    }
}

pub(super) struct Run {
    pub(super) worker: Arc<str>,
    pub(super) shared: Arc<Shared>,
    pub(super) inputs: Inputs,
    pub(super) store: Arc<Store>,
    pub(super) consumer: BaseConsumer<Quiet>,
    pub(super) ends: Ends,
    pub(super) known: Arc<Known>,
    pub(super) glance: RefCell<Glance>,
}

impl Run {
    pub(super) fn is_stopping(&self) -> bool {
        self.known.stop.is_stopped()
    }

    /// What a test has instead of the length from which on changelogs are read one after the other.
    pub(super) fn together_records_max(&self) -> Option<u64> {
        self.shared.options.faults.as_ref().and_then(|faults| faults.together_records_max())
    }

    /// Whether the changelogs of these partitions are those that the store was written from, as far as it can tell. Not those that were
    /// not read in time: each look has `wait` at most, and there are two.
    pub(super) fn recognise(
        &self,
        partitions: &[(u32, Bounds)],
        wait: Duration,
        goes_on: impl Fn() -> bool,
    ) -> Result<HashMap<u32, Recognised>, Error> {
        let place = (&*self.inputs.changelog, &*self.inputs.group_name);
        let glancing = || origin::glancing(&self.shared.options, &self.worker, &self.inputs.group);
        let look = |stands: &dyn Fn(u32) -> Result<Option<Progress>, Error>| {
            let mut asked: Vec<(u32, Origin, Bounds)> = Vec::new();
            for (partition, bounds) in partitions {
                let origin = stands(*partition)?.and_then(|stands| stands.origin);
                asked.extend(origin.map(|origin| (*partition, origin, *bounds)));
            }
            self.glance.borrow_mut().recognise(glancing, place, &asked, wait, &goes_on)
        };
        let in_force = look(&|partition| self.store.progress(partition))?;
        let beside = look(&|partition| self.store.building(partition))?;
        let both = |(partition, _): &(u32, Bounds)| {
            let is_late = in_force.late.contains(partition) || beside.late.contains(partition);
            let told = |looked: &Looked| looked.told.get(partition).copied();
            let known = Recognised { in_force: told(&in_force), beside: told(&beside) };
            (!is_late).then_some((*partition, known))
        };
        Ok(partitions.iter().filter_map(both).collect())
    }

    /// The group's positions in all inputs of a partition; asks until no open transaction hides any.
    ///
    /// Errors: the group does not answer, or not for each of them. What it does not tell is not taken for nothing.
    pub(super) fn committed(&self, partition: u32) -> Result<Committed, Error> {
        const DOING: &str = "read the group's positions";
        let mut asked = TopicPartitionList::new();
        for topic in &self.inputs.topics {
            asked.add_partition(&self.shared.wire[*topic], wire_partition(partition));
        }
        let told = self.consumer.committed_offsets(asked, COMMITTED_WAIT).map_err(failed(DOING))?;
        let position = |topic: &usize| {
            let element = told.find_partition(&self.shared.wire[*topic], wire_partition(partition));
            let element = element.ok_or_else(|| Error::Store { doing: DOING, source: "no answer".into() })?;
            element.error().map_err(failed(DOING))?;
            match element.offset() {
                Offset::Offset(next_offset) => Ok((*topic, Some(next_offset))),
                _ => Ok((*topic, None)),
            }
        };
        self.inputs.topics.iter().map(position).collect()
    }

    /// Until all that is written before `high` is either committed or aborted.
    ///
    /// Errors: it takes longer than any transaction may. Then so much may not be there any more, and the end is asked for anew.
    pub(super) fn await_settled(&self, ticket: Ticket, partition: u32, high: i64) -> Result<(), Error> {
        let deadline = Instant::now() + SETTLED_WAIT;
        while self.known.wants(ticket) && self.ends.committed(&self.inputs.changelog, partition)?.1 < high {
            if Instant::now() >= deadline {
                return Err(Error::WaitEnded { wait_ms: SETTLED_WAIT.as_millis() as u64 });
            }
            self.known.stop.wait(SETTLED_LOOK);
        }
        Ok(())
    }

    /// Where the group goes on in each input; one that never was there begins with the oldest record.
    ///
    /// Errors: the brokers do not answer; the group has no position at all where it has state.
    pub(super) fn positions(&self, job: &Wanted, committed: &Committed) -> Result<Restored, Error> {
        let partition = job.partition;
        let progress = self.store.progress(partition)?;
        let lacks_origin = progress.is_none_or(|progress| progress.origin.is_none());
        if !lacks_origin && committed.iter().all(|(_, position)| position.is_none()) {
            let topics: Vec<&str> = committed.iter().map(|(index, _)| &*self.shared.wire[*index]).collect();
            let (group, topics) = (self.inputs.group.as_str().into(), topics.join(", "));
            return Err(Error::PositionsGone { group, partition, topics });
        }
        let topic = |index: usize| self.shared.wire[index].clone();
        let places: Vec<Place> = committed.iter().map(|(index, _)| (topic(*index), partition)).collect();
        let mut positions = Vec::with_capacity(committed.len());
        for ((index, position), (oldest, _)) in committed.iter().zip(self.ends.written_all(&places)?) {
            let topic = &*self.shared.wire[*index];
            let next_offset = match position {
                Some(next_offset) if *next_offset < oldest => {
                    // The group misses them for ever: retention is shorter than it was away.
                    error!(
                        topic,
                        partition, next_offset, oldest, "records were deleted before they were read"
                    );
                    oldest
                }
                Some(next_offset) => *next_offset,
                None => oldest,
            };
            positions.push((*index, next_offset));
        }
        Ok(Restored { ticket: job.ticket, partition, positions, lacks_origin })
    }
}
