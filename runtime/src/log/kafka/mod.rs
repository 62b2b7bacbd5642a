//! The log on Kafka, for more than one machine.
//!
//! A worker is a member of a consumer group. What follows from its input (positions, outputs, state) is one Kafka
//! transaction; the same state then goes to a store on its own disk, which is restored from the changelog topic when a
//! partition comes from elsewhere. [`create`] and [`check`] take care of the topics.
//!
//! Read `member` first, the worker's side; then `pipeline`, where commits happen, and `restore`, where state comes from.
//!
//! Invariant: partitions of a group are given out by the changelog topic alone. Inputs with the same partition number go
//! with it: the assignors of the client would spread them over members, and state belongs to a number.
//! Invariant: a store is never ahead of what is committed.

mod assignment;
mod broadcast;
mod changelog;
mod context;
mod ends;
mod failure;
mod faults;
mod fitness;
mod incoming;
mod inspection;
mod looks;
mod member;
mod notes;
mod options;
mod origin;
mod pipeline;
mod producer;
mod reader;
mod replay;
mod restore;
mod restoring;
mod rewind;
mod staging;
mod standby;
mod store;
mod stores;
mod topics;
mod transaction;
mod upkeep;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::info;

pub use faults::Faults;
pub use fitness::{Changelog, Unfit, unfit};
pub use looks::{Cluster, Copies, look};
pub use member::Member;
pub use options::{
    CLIENT_QUEUE_BYTES_MAX, Connection, Identity, Mechanism, Options, PRODUCERS_MAX, PRODUCERS_MIN, Sasl,
    Secret, Security, TRANSACTION_TIMEOUT, Tls,
};
pub use producer::{Pending, Producer};
pub use reader::Reader;
pub use standby::Following;
pub use store::{Origin, Progress, STORES_BLOCK_CACHE_BYTES, STORES_WRITE_BUFFERS_BYTES, named};
pub use stores::{WorkerStore, stores};
pub use topics::{Drift, brokers, check, create};

use crate::log::Membership;
use crate::log::embedded::Start;
use crate::record::{TopicSpec, Topics};
use crate::{Clock, Error};
use inspection::Looking;
use restoring::Turns;
use store::Memory;

/// The longest name of a node.
const NODE_BYTES_MAX: usize = 255;
// An origin has the node's name, the worker's, which is the name of a folder, a time and two spaces.
const _: () = assert!(NODE_BYTES_MAX + 255 + 20 + 2 <= changelog::ORIGIN_BYTES_MAX);

/// What everything on one cluster shares.
pub(crate) struct Shared {
    pub(crate) options: Options,
    /// As the caller named them; the changelogs are not among them.
    pub(crate) topics: Arc<Topics>,
    /// By index, their names on the cluster.
    pub(crate) wire: Vec<Arc<str>>,
    by_wire: HashMap<Arc<str>, usize>,
    pub(crate) record_bytes_max: usize,
    pub(crate) clock: Arc<dyn Clock>,
    /// Of the workers' stores.
    pub(crate) memory: Memory,
    /// Of the workers to read what is long.
    turns: Turns,
    /// By worker and partition, how far its copy of others' state is behind.
    following: Mutex<BTreeMap<Arc<str>, BTreeMap<u32, u64>>>,
    /// By worker and partition, how much of its state is still to be read.
    restoring: Mutex<BTreeMap<Arc<str>, Lefts>>,
}

/// By partition, how many records; None: it is not known yet.
type Lefts = BTreeMap<u32, Option<u64>>;

/// A partition that a worker was given and whose state it does not have yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restoration {
    pub worker: Arc<str>,
    pub partition: u32,
    /// How much of its changelog is still to be read, marks of transactions counted as records. None: reading has not begun.
    pub left_records: Option<u64>,
}

impl Shared {
    pub(crate) fn index_of_wire(&self, wire: &str) -> Option<usize> {
        self.by_wire.get(wire).copied()
    }

    fn following(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, BTreeMap<u32, u64>>> {
        // Nothing panics while it is held.
        self.following.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that a worker follows, with how far it is behind.
    pub(crate) fn tell_following(&self, worker: &Arc<str>, lags: BTreeMap<u32, u64>) {
        self.following().insert(worker.clone(), lags);
    }

    fn restoring(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Lefts>> {
        // Nothing panics while it is held.
        self.restoring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All whose state a worker is yet to have.
    pub(crate) fn tell_restoring(&self, worker: &Arc<str>, lefts: Lefts) {
        let gauge = |name: &'static str| metrics::gauge!(name, "worker" => worker.to_string());
        gauge("orderstream_restoring_partitions").set(lefts.len() as f64);
        gauge("orderstream_restoring_left_records").set(lefts.values().flatten().sum::<u64>() as f64);
        self.restoring().insert(worker.clone(), lefts);
    }
}

/// The open log. Clones are the same log.
#[derive(Clone)]
pub struct Kafka {
    shared: Arc<Shared>,
    /// Clients that only look, kept: each that is made anew first has to find the brokers.
    looking: Arc<Looking>,
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Kafka").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl Kafka {
    /// Looks at the cluster and at these topics on it.
    ///
    /// Errors: the client refuses its settings; the cluster does not answer; topics are missing there, have another
    /// partition count or settings that do not do: all findings in one error, [`create`] makes what is missing.
    pub fn open(options: Options, topics: Vec<TopicSpec>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        check_options(&options)?;
        let topics = Topics::checked(topics)?;
        let all = topics::with_changelogs(&options, &topics)?;
        topics::require(&options, &all)?;
        Self::assembled(options, topics, &all, clock)
    }

    /// The same for looking at a cluster whose topics may not fit: what is asked about a topic that is not there fails then.
    ///
    /// Errors: the client refuses its settings.
    pub fn open_to_look(
        options: Options,
        topics: Vec<TopicSpec>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        check_options(&options)?;
        let topics = Topics::checked(topics)?;
        let all = topics::with_changelogs(&options, &topics)?;
        Self::assembled(options, topics, &all, clock)
    }

    fn assembled(
        options: Options,
        topics: Topics,
        all: &Topics,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let wire: Vec<Arc<str>> = topics.iter().map(|spec| options.wire(&spec.name).into()).collect();
        let by_wire = wire.iter().cloned().zip(0..).collect();
        let record_bytes_max = all.iter().map(|spec| spec.record_bytes_max).max().unwrap_or(0);
        info!(brokers = %options.connection.brokers, topics = wire.len(), "log is open");
        let topics = Arc::new(topics);
        let (following, restoring) = (Mutex::default(), Mutex::default());
        let memory = Memory::new();
        let shared = Arc::new(Shared {
            options,
            topics,
            wire,
            by_wire,
            record_bytes_max,
            clock,
            memory,
            turns: Turns::new(std::thread::available_parallelism().map_or(1, NonZeroUsize::get)),
            following,
            restoring,
        });
        let looking = Arc::new(Looking::new(&shared.options)?);
        Ok(Self { shared, looking })
    }

    /// Joins a group, with a store below [`Options::directory`] that no other worker of this process may use.
    ///
    /// Errors: its topics are unknown or differ in their partition counts; the store is in use or not accessible; the
    /// brokers do not answer.
    pub fn member(&self, membership: Membership) -> Result<Member, Error> {
        Member::join(self.shared.clone(), membership)
    }

    /// Errors: the client refuses its settings.
    pub fn producer(&self) -> Result<Producer, Error> {
        Producer::open(self.shared.clone())
    }

    /// Errors: a topic is unknown; the brokers do not answer.
    pub fn reader(&self, topics: &[Arc<str>], start: &Start) -> Result<Reader, Error> {
        Reader::open(self.shared.clone(), self.looking.ends().clone(), topics, start)
    }

    pub fn topics(&self) -> &Arc<Topics> {
        &self.shared.topics
    }

    /// The copies of others' state that the workers of this process keep, by worker and partition, as of the last seconds.
    pub fn following(&self) -> Vec<Following> {
        let following = self.shared.following();
        let of_worker = |(worker, lags): (&Arc<str>, &BTreeMap<u32, u64>)| {
            let worker = worker.clone();
            let one = move |(partition, lag): (&u32, &u64)| Following {
                worker: worker.clone(),
                partition: *partition,
                lag_records: *lag,
            };
            lags.iter().map(one).collect::<Vec<_>>()
        };
        following.iter().flat_map(of_worker).collect()
    }

    /// The partitions whose state the workers of this process are still reading, as of the last moment.
    pub fn restoring(&self) -> Vec<Restoration> {
        let restoring = self.shared.restoring();
        let of_worker = |(worker, lefts): (&Arc<str>, &Lefts)| {
            let worker = worker.clone();
            let one = move |(partition, left): (&u32, &Option<u64>)| Restoration {
                worker: worker.clone(),
                partition: *partition,
                left_records: *left,
            };
            lefts.iter().map(one).collect::<Vec<_>>()
        };
        restoring.iter().flat_map(of_worker).collect()
    }
}

fn check_options(options: &Options) -> Result<(), Error> {
    let refused = |reason: String| Err(Error::ClientRefused { source: reason.into() });
    if !(PRODUCERS_MIN..=PRODUCERS_MAX).contains(&options.producers) {
        let given = options.producers;
        return refused(format!("{given} producers, allowed are {PRODUCERS_MIN} to {PRODUCERS_MAX}"));
    }
    if options.connection.brokers.trim().is_empty() {
        return refused("no broker is named".to_owned());
    }
    if options.standby_bytes_per_second_max == 0 {
        return refused("copies of others' state cannot be followed at no bytes a second".to_owned());
    }
    if options.node.len() > NODE_BYTES_MAX {
        return refused(format!("the name of the node is longer than {NODE_BYTES_MAX} bytes"));
    }
    if options.node.is_empty() {
        return refused(
            "the node has no name; without one a restart could not end what the last run left open"
                .to_owned(),
        );
    }
    Ok(())
}
