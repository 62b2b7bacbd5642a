//! Makes the store of a partition as new as what is committed, before the partition is handed out.
//!
//! 1. The group's committed positions, once no transaction of the former owner is open over them.
//! 2. Only then the end of the changelog: the other way round, the former owner's last transaction could be missed. It is
//!    the end of all that is written there, since a commit is told before each partition has heard of it; and what is
//!    open before that end is waited for.
//! 3. The changelog from where the store stands to that end. From its beginning only where the store cannot go on.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{debug, error, warn};

use super::Shared;
use super::context::Quiet;
use super::ends::Ends;
use super::failure::{failed, refused};
use super::fitness::{Changelog, unfit};
use super::replay::Replay;
use super::store::Store;
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
/// Names one assignment of a partition: what belongs to an older one is of no interest any more.
pub(crate) type Ticket = u64;

/// A partition that is ready: of each input topic, by index, where to go on.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) ticket: Ticket,
    pub(crate) partition: u32,
    pub(crate) positions: Vec<(usize, i64)>,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    ticket: Ticket,
    partition: u32,
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
        let config = shared.options.reading(&format!("{worker}-restore"), &inputs.group);
        let consumer = BaseConsumer::from_config_and_context(&config, Quiet).map_err(refused)?;
        let ends = Ends::new(&shared.options, &format!("{worker}-ends"))?;
        let (jobs_in, jobs) = unbounded(); // bounded by the partitions there are
        let (restored_in, restored) = unbounded();
        let known = Arc::new(Known::default());
        let run = Run { shared: shared.clone(), inputs, store, consumer, ends, known: known.clone() };
        let thread = std::thread::Builder::new()
            .name(format!("{worker}-restore"))
            .spawn(move || run.serve(&jobs, &restored_in, &signal))
            .map_err(|source| Error::Store { doing: "start a thread of the log", source: source.into() })?;
        Ok(Self { jobs: Some(jobs_in), restored, known, next_ticket: 1, thread: Some(thread) })
    }

    pub(crate) fn want(&mut self, partition: u32) -> Result<Ticket, Error> {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.known.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket);
        let jobs = self.jobs.as_ref().ok_or(Error::Closed)?;
        jobs.send(Job { ticket, partition }).map_err(|_| Error::Closed)?;
        Ok(ticket)
    }

    pub(crate) fn forget(&self, ticket: Ticket) {
        self.known.wanted.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
    }

    /// The next that is ready. An error is one that trying again does not mend.
    pub(crate) fn take(&self) -> Result<Option<Restored>, Error> {
        self.restored.try_recv().ok().transpose()
    }

    /// How many records of the changelog were read so far.
    pub(crate) fn replayed(&self) -> u64 {
        self.known.replayed.load(Ordering::Relaxed)
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
    pub(super) shared: Arc<Shared>,
    pub(super) inputs: Inputs,
    pub(super) store: Arc<Store>,
    pub(super) consumer: BaseConsumer<Quiet>,
    ends: Ends,
    pub(super) known: Arc<Known>,
}

impl Run {
    fn serve(&self, jobs: &Receiver<Job>, restored: &Sender<Result<Restored, Error>>, signal: &Signal) {
        for first in jobs {
            let mut batch = vec![first];
            batch.extend(jobs.try_iter());
            let mut retry_ms = RETRY_MS_MIN;
            loop {
                batch.retain(|job| self.known.wants(job.ticket));
                if batch.is_empty() {
                    break;
                }
                match self.restore(&batch) {
                    Ok(ready) => {
                        for one in ready {
                            let _ = restored.send(Ok(one));
                        }
                        break;
                    }
                    Err(problem) if problem.is_passing() => {
                        debug!(reason = problem.chain(), retry_ms, "restore is tried again");
                        self.known.stop.wait(Duration::from_millis(retry_ms));
                        retry_ms = (retry_ms * 2).min(RETRY_MS_MAX);
                    }
                    Err(problem) => {
                        let _ = restored.send(Err(problem));
                        break;
                    }
                }
            }
            signal.notify();
        }
    }

    fn wanted<'a>(&self, jobs: &'a [Job]) -> impl Iterator<Item = &'a Job> {
        jobs.iter().filter(|job| self.known.wants(job.ticket))
    }

    fn restore(&self, jobs: &[Job]) -> Result<Vec<Restored>, Error> {
        let committed = self.committed(jobs)?;
        let mut ends = BTreeMap::new();
        for job in jobs {
            ends.insert(job.partition, self.ends.written(&self.inputs.changelog, job.partition)?);
        }
        let mut replays = BTreeMap::new();
        for job in jobs {
            let (low, high) = ends[&job.partition];
            self.await_settled(job, high)?;
            if let Some(replay) = self.begin(job, low, high)? {
                replays.insert(job.partition, replay);
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

    /// The group's positions; asks until no open transaction hides any.
    fn committed(&self, jobs: &[Job]) -> Result<TopicPartitionList, Error> {
        let mut asked = TopicPartitionList::new();
        for job in jobs {
            for topic in &self.inputs.topics {
                asked.add_partition(&self.shared.wire[*topic], wire_partition(job.partition));
            }
        }
        self.consumer.committed_offsets(asked, COMMITTED_WAIT).map_err(failed("read the group's positions"))
    }

    /// Until all that is written before `high` is either committed or aborted.
    fn await_settled(&self, job: &Job, high: i64) -> Result<(), Error> {
        while self.known.wants(job.ticket)
            && self.ends.committed(&self.inputs.changelog, job.partition)?.1 < high
        {
            self.known.stop.wait(SETTLED_LOOK);
        }
        Ok(())
    }

    /// Where to read from; None: the store has everything.
    fn begin(&self, job: &Job, low: i64, high: i64) -> Result<Option<Replay>, Error> {
        let partition = job.partition;
        let progress = self.store.progress(partition)?;
        let now_ms = self.shared.clock.now_ms();
        let delete_retention_ms = self.inputs.delete_retention_ms;
        let changelog = Changelog { begin: low, end: high, delete_retention_ms };
        let needed = self.store.processors();
        let unfit = progress.as_ref().and_then(|progress| unfit(progress, needed, changelog, now_ms));
        let (next_offset, rebuilding) = match (progress, unfit) {
            (Some(progress), None) => (progress.next_offset, false),
            (None, _) => {
                self.store.clear(partition, low)?;
                (low, true)
            }
            (Some(_), Some(reason)) => {
                warn!(partition, %reason, "state of the partition is rebuilt from the whole changelog");
                self.store.clear(partition, low)?;
                (low, true)
            }
        };
        if next_offset >= high {
            self.store.replay(partition, &[], next_offset, false, now_ms)?;
            return Ok(None);
        }
        Ok(Some(Replay {
            ticket: job.ticket,
            next_offset,
            end_offset: high,
            rebuilding,
            changes: Vec::new(),
            bytes: 0,
            records: 0,
            foreign: 0,
        }))
    }

    /// Where the group goes on in each input; one that never was there begins with the oldest record.
    fn positions(&self, job: &Job, committed: &TopicPartitionList) -> Result<Restored, Error> {
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
        Ok(Restored { ticket: job.ticket, partition: job.partition, positions })
    }
}
