//! Makes the store of a partition as new as what is committed, before the partition is handed out.
//!
//! 1. The group's committed positions, once no transaction of the former owner is open over them.
//! 2. Only then the end of the changelog: the other way round, the former owner's last transaction could be missed. It is
//!    the end of all that is written there, since a commit is told before each partition has heard of it; and what is
//!    open before that end is waited for.
//! 3. The changelog from where the store stands to that end. From its beginning only where the store cannot go on, and then
//!    beside what it has.
//!
//! While nothing is asked of it, the same thread follows the changelogs of partitions that others have ([`super::standby`]): so
//! nobody else writes what is restored here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, unbounded};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{debug, error, warn};

use super::Shared;
use super::context::Quiet;
use super::ends::Ends;
use super::failure::{failed, refused};
use super::options::TRANSACTION_TIMEOUT;
use super::origin::{self, Bounds, Recognised};
use super::replay::Replay;
use super::standby::Standby;
use super::store::{Origin, Progress, Store};
use super::transaction::wire_partition;
use crate::log::embedded::signal::Signal;
use crate::{Error, StopSignal};

/// The longest wait for committed positions before it is looked whether anybody still waits; then it is asked again.
const COMMITTED_WAIT: Duration = Duration::from_secs(2);
/// Between two tries while the brokers do not answer.
const RETRY_MS_MIN: u64 = 50;
const RETRY_MS_MAX: u64 = 5_000;
/// Between two looks whether open transactions are settled; they are within milliseconds, or after their own time-out.
const SETTLED_LOOK: Duration = Duration::from_millis(5);
/// The longest wait for it: a transaction may last so long, and brokers look for those that have lasted too long every ten seconds.
const SETTLED_WAIT: Duration = Duration::from_secs(2 * TRANSACTION_TIMEOUT.as_secs() + 5);
/// What lasts is said again so often.
const TELL_EVERY: Duration = Duration::from_secs(60);
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
enum Job {
    Restore(Wanted),
    /// To be followed from now on, and no others.
    Follow(BTreeSet<u32>),
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    ticket: Ticket,
    partition: u32,
    /// Whether it comes from elsewhere, and was not held all the time.
    is_new: bool,
}

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
    stop: StopSignal,
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
        let run = Run { worker: worker.into(), shared, inputs, store, consumer, ends, known: known_here };
        metrics::counter!("orderstream_replayed_records_total").increment(0);
        let standby = Standby::new(run.shared.clone(), worker);
        let thread = std::thread::Builder::new()
            .name(format!("{worker}-restore"))
            .spawn(move || run.serve(standby, &jobs, &restored_in, &signal))
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
}

impl Run {
    pub(super) fn is_stopping(&self) -> bool {
        self.known.stop.is_stopped()
    }

    fn serve(
        &self,
        mut standby: Standby,
        jobs: &Receiver<Job>,
        restored: &Sender<Result<Restored, Error>>,
        signal: &Signal,
    ) {
        loop {
            let first = match jobs.recv_timeout(standby.wait(Instant::now())) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    standby.turn(self);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut batch = Vec::new();
            for job in std::iter::once(first).chain(jobs.try_iter()) {
                match job {
                    Job::Restore(wanted) => {
                        standby.give_up(wanted.partition);
                        batch.push(wanted);
                    }
                    Job::Follow(partitions) => standby.follow(partitions),
                }
            }
            if !batch.is_empty() {
                self.restore_all(batch, restored);
                signal.notify();
            }
        }
    }

    /// Until all are ready that are still wanted.
    fn restore_all(&self, mut batch: Vec<Wanted>, restored: &Sender<Result<Restored, Error>>) {
        let (mut retry_ms, mut told_at) = (RETRY_MS_MIN, None);
        loop {
            batch.retain(|job| self.known.wants(job.ticket));
            if batch.is_empty() {
                return;
            }
            match self.restore(&batch) {
                Ok(ready) => {
                    for one in ready {
                        let _ = restored.send(Ok(one));
                    }
                    return;
                }
                Err(problem) if problem.is_passing() => {
                    let partitions: Vec<u32> = batch.iter().map(|wanted| wanted.partition).collect();
                    let reason = problem.chain();
                    if told_at.is_none_or(|told_at: Instant| told_at.elapsed() >= TELL_EVERY) {
                        told_at = Some(Instant::now());
                        warn!(worker = %self.worker, ?partitions, reason, "state could not be restored; it is tried again");
                    } else {
                        debug!(worker = %self.worker, ?partitions, reason, retry_ms, "restore is tried once more");
                    }
                    self.known.stop.wait(Duration::from_millis(retry_ms));
                    retry_ms = (retry_ms * 2).min(RETRY_MS_MAX);
                }
                Err(problem) => {
                    let _ = restored.send(Err(problem));
                    return;
                }
            }
        }
    }

    fn wanted<'a>(&self, jobs: &'a [Wanted]) -> impl Iterator<Item = &'a Wanted> {
        jobs.iter().filter(|job| self.known.wants(job.ticket))
    }

    fn restore(&self, jobs: &[Wanted]) -> Result<Vec<Restored>, Error> {
        let committed = self.committed(jobs)?;
        // Whoever has all up to the ends that are asked for next is as new as now.
        let asked_ms = self.shared.clock.now_ms();
        let mut bounds = BTreeMap::new();
        for job in jobs {
            bounds.insert(job.partition, self.ends.written(&self.inputs.changelog, job.partition)?);
        }
        for job in jobs {
            self.await_settled(job.ticket, job.partition, bounds[&job.partition].1)?;
        }
        let new: Vec<(u32, Bounds)> =
            jobs.iter().filter(|job| job.is_new).map(|job| (job.partition, bounds[&job.partition])).collect();
        let known = self.recognise(&new, || self.wanted(jobs).next().is_some())?;
        let mut replays = BTreeMap::new();
        for job in self.wanted(jobs) {
            let known = known.get(&job.partition).copied().unwrap_or_default();
            let replay = Replay::begin(self, job.partition, bounds[&job.partition], asked_ms, known)?;
            match replay.is_at_end() {
                true => replay.finish(self, job.partition)?,
                false => drop(replays.insert(job.partition, (job.ticket, replay))),
            }
        }
        if !replays.is_empty() {
            let done = self.replay(&mut replays);
            // Nothing is fetched any more that nobody would take.
            self.consumer.unassign().map_err(failed("end the reading of the changelog"))?;
            done?;
        }
        self.wanted(jobs).map(|job| self.positions(job, &committed)).collect()
    }

    /// Whether the changelogs of these partitions are those that the store was written from, as far as it can tell.
    pub(super) fn recognise(
        &self,
        partitions: &[(u32, Bounds)],
        goes_on: impl Fn() -> bool,
    ) -> Result<HashMap<u32, Recognised>, Error> {
        let place = (&*self.inputs.changelog, &*self.inputs.group_name);
        let look = |stands: &dyn Fn(u32) -> Result<Option<Progress>, Error>| {
            let mut asked: Vec<(u32, Origin, Bounds)> = Vec::new();
            for (partition, bounds) in partitions {
                let origin = stands(*partition)?.and_then(|stands| stands.origin);
                asked.extend(origin.map(|origin| (*partition, origin, *bounds)));
            }
            origin::recognise(&self.consumer, place, &asked, &goes_on)
        };
        let in_force = look(&|partition| self.store.progress(partition))?;
        let beside = look(&|partition| self.store.building(partition))?;
        let both = |(partition, _): &(u32, Bounds)| {
            let (in_force, beside) = (in_force.get(partition).copied(), beside.get(partition).copied());
            (*partition, Recognised { in_force, beside })
        };
        Ok(partitions.iter().map(both).collect())
    }

    /// The group's positions; asks until no open transaction hides any.
    fn committed(&self, jobs: &[Wanted]) -> Result<TopicPartitionList, Error> {
        let mut asked = TopicPartitionList::new();
        for job in jobs {
            for topic in &self.inputs.topics {
                asked.add_partition(&self.shared.wire[*topic], wire_partition(job.partition));
            }
        }
        self.consumer.committed_offsets(asked, COMMITTED_WAIT).map_err(failed("read the group's positions"))
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
    fn positions(&self, job: &Wanted, committed: &TopicPartitionList) -> Result<Restored, Error> {
        let mut positions = Vec::with_capacity(self.inputs.topics.len());
        for index in &self.inputs.topics {
            let topic = &self.shared.wire[*index];
            let found = committed.find_partition(topic, wire_partition(job.partition));
            let oldest = self.ends.written(topic, job.partition)?.0;
            let next_offset = match found.map(|element| element.offset()) {
                Some(Offset::Offset(next_offset)) if next_offset < oldest => {
                    // The group misses them for ever: retention is shorter than it was away.
                    let (topic, partition) = (&**topic, job.partition);
                    error!(
                        topic,
                        partition, next_offset, oldest, "records were deleted before they were read"
                    );
                    oldest
                }
                Some(Offset::Offset(next_offset)) => next_offset,
                Some(_) | None => oldest,
            };
            positions.push((*index, next_offset));
        }
        let progress = self.store.progress(job.partition)?;
        let lacks_origin = progress.is_none_or(|progress| progress.origin.is_none());
        Ok(Restored { ticket: job.ticket, partition: job.partition, positions, lacks_origin })
    }
}
