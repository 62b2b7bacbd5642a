//! The simulated log: what the log on Kafka does, in memory, one small step at a time.
//!
//! [`Cluster`] is the world that survives: the broker, the disks, and the processes of the workers. [`Member`] is a worker's
//! handle on it, and implements [`runtime::Log`]. Nothing here waits, draws or reads a clock: who drives it decides what
//! happens next, and what happens in between.

pub mod broker;
pub mod compaction;
pub mod group;
mod member;
pub mod partition;
pub mod process;
mod rebuild;
mod standby;
pub mod store;
mod takeover;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runtime::{BatchId, Error, Membership, Outgoing, Topics};

pub use member::Member;

use crate::bug::Bug;
use broker::Broker;
use process::{CommitFault, Io, Note, Phase, Process, Producer, RING};
use standby::Followed;
use store::{Loss, Store};

/// A store's place: group and worker.
pub type Disk = (Arc<str>, Arc<str>);

/// Everything that a crash of workers leaves behind, and the workers' processes.
#[derive(Debug)]
pub struct Cluster {
    pub broker: Broker,
    pub disks: BTreeMap<Disk, Store>,
    pub processes: BTreeMap<u64, Process>,
    bug: Option<Bug>,
    /// Whoever commits next meets it.
    pub next_commit: Option<CommitFault>,
    /// Whether markers are written as soon as a transaction is decided.
    pub is_prompt: bool,
    /// Whether workers that start from now on keep copies of the state of others.
    pub stand_by: bool,
    next_process: u64,
}

/// A cluster that the driver and all members share. One thread uses it.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<Cluster>>);

impl Shared {
    pub fn new(topics: Arc<Topics>, bug: Option<Bug>) -> Self {
        Self(Arc::new(Mutex::new(Cluster {
            broker: Broker::new(topics),
            disks: BTreeMap::new(),
            processes: BTreeMap::new(),
            bug,
            next_commit: None,
            is_prompt: false,
            stand_by: false,
            next_process: 1,
        })))
    }

    /// A panic of a test's assertion says enough; what it leaves is still whole.
    pub fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker's process starts and joins its group.
    ///
    /// # Errors
    /// A topic is unknown, or the inputs differ in their partition counts.
    pub fn member(&self, membership: Membership) -> Result<Member, Error> {
        let topics = self.lock().broker.topics.clone();
        let id = self.lock().open(membership)?;
        Ok(Member::new(self.clone(), topics, id))
    }
}

impl Cluster {
    fn open(&mut self, membership: Membership) -> Result<u64, Error> {
        let partitions = equal_partitions(&self.broker.topics, &membership)?;
        let id = self.next_process;
        self.next_process += 1;
        let mut broadcasts = BTreeMap::new();
        for name in &membership.topics_broadcast {
            let spec = self.broker.topics.get(name);
            let spec = spec.ok_or_else(|| Error::TopicUnknown { topic: name.clone() })?;
            broadcasts.extend((0..spec.partitions).map(|partition| ((name.clone(), partition), 0)));
        }
        let (group, worker) = (membership.group.clone(), membership.worker.clone());
        let ring = (0..RING).map(|slot| Arc::<str>::from(format!("{group}-{worker}-{slot}")));
        let ring = ring.map(|name| Producer { epoch: self.broker.init(&name), name, is_spoilt: false });
        let ring = ring.collect();
        self.disks.entry((group.clone(), worker.clone())).or_default();
        let replaced = self.broker.groups.entry(group).or_default().join(partitions, id, &worker);
        if let Some(replaced) = replaced.and_then(|id| self.processes.get_mut(&id)) {
            // Two processes never share a disk: whoever starts the second has made sure that the first is gone.
            replaced.dead = true;
        }
        self.processes.insert(
            id,
            Process {
                id,
                membership,
                ring,
                flights: Default::default(),
                failed: false,
                dead: false,
                fuse: None,
                next_commit: None,
                ahead_ms: 0,
                deaf: false,
                stands_by: self.stand_by,
                generation: 0,
                held: Default::default(),
                taking: Vec::new(),
                taken: Vec::new(),
                releasing: Vec::new(),
                expelled: false,
                fetches: BTreeMap::new(),
                appended: BTreeMap::new(),
                broadcasts,
                next_id: 0,
                turn: 0,
            },
        );
        Ok(id)
    }

    /// Runs something on a process and all that it works on; None: there is no such process.
    fn with<R>(&mut self, id: u64, run: impl FnOnce(&mut Process, &mut Io<'_>) -> R) -> Option<R> {
        let process = self.processes.get_mut(&id)?;
        let disk = (process.membership.group.clone(), process.membership.worker.clone());
        let store = self.disks.entry(disk).or_default();
        let mut io = Io { broker: &mut self.broker, store, bug: self.bug, fault: &mut self.next_commit };
        let result = run(process, &mut io);
        if self.is_prompt {
            self.broker.finish_all();
        }
        Some(result)
    }

    /// One phase of a batch of this process; see [`Process::advance`].
    pub fn advance(&mut self, id: u64, turn: usize) -> Option<(BatchId, Phase)> {
        self.with(id, |process, io| process.advance(io, turn)).flatten()
    }

    /// One step of a take-over of this process.
    pub fn take_over(&mut self, id: u64, turn: usize) -> bool {
        self.with(id, |process, io| process.take_over(io, turn)).unwrap_or(false)
    }

    /// One step of a copy of somebody else's state.
    pub fn follow(&mut self, id: u64, turn: usize) -> Option<Followed> {
        self.with(id, |process, io| process.follow(io, turn)).flatten()
    }

    /// Whether some copy of this process lacks anything.
    pub fn can_follow(&self, id: u64) -> bool {
        let Some(process) = self.processes.get(&id) else { return false };
        let disk = (process.membership.group.clone(), process.membership.worker.clone());
        let store = self.disks.get(&disk);
        store.is_some_and(|store| process.can_follow(&self.broker, store, self.bug))
    }

    /// The process ends without warning, and its store is left as `loss` says. The group does not know yet.
    pub fn crash(&mut self, id: u64, loss: Loss) {
        let keep_torn = self.bug == Some(Bug::TornWriteKept);
        self.with(id, |process, io| {
            process.dead = true;
            io.store.crash(loss, keep_torn);
        });
    }

    /// The group holds a member for dead.
    pub fn expel(&mut self, id: u64) {
        if let Some(process) = self.processes.get(&id) {
            let group = process.membership.group.clone();
            self.broker.groups.entry(group).or_default().remove(id);
        }
    }

    /// Forgets a process that is dead or has left.
    pub fn bury(&mut self, id: u64) {
        self.processes.remove(&id);
    }

    /// What the handler was given in the batch that this process appended last.
    pub fn note(&mut self, id: u64, note: Note) {
        let flight = self.processes.get_mut(&id).and_then(|process| process.flights.back_mut());
        flight.into_iter().for_each(|flight| flight.note = note.clone());
    }

    /// From outside.
    ///
    /// # Errors
    /// The topics do not take it.
    pub fn produce(&mut self, outgoing: Outgoing) -> Result<(Arc<str>, u32, i64), Error> {
        self.broker.topics.check(&outgoing)?;
        Ok(self.broker.append(outgoing))
    }
}

/// The one partition count of the inputs.
fn equal_partitions(topics: &Topics, membership: &Membership) -> Result<u32, Error> {
    let refused =
        |reason: &str| Error::GroupRefused { group: membership.group.clone(), reason: reason.into() };
    let mut counts = Vec::new();
    for name in &membership.topics {
        let spec = topics.get(name).ok_or_else(|| Error::TopicUnknown { topic: name.clone() })?;
        counts.push(spec.partitions);
    }
    let first = *counts.first().ok_or_else(|| refused("it reads no topic"))?;
    if counts.iter().any(|count| *count != first) {
        return Err(refused("inputs of one group need as many partitions each"));
    }
    Ok(first)
}
