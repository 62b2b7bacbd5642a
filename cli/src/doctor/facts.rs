//! What the doctor knows before it decides anything.
use runtime::log::kafka::{Changelog, Cluster, Drift, Progress};
use schemas::registry::registration::Answered;
use topology::SubTopology;
use topology::regroup::Grouping;

use crate::operations::status::WaitingLine;

/// What was learnt of one thing, or why nothing was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    Is(T),
    /// It was asked for, and could not be told: that is a finding of its own.
    Failed(String),
    /// It was not asked for, since that rests on something else: that says what is wrong.
    NotAsked(&'static str),
    /// There is no such thing with these settings.
    None,
}

impl<T> Known<T> {
    pub(super) fn of(outcome: anyhow::Result<T>) -> Known<T> {
        match outcome {
            Ok(known) => Known::Is(known),
            Err(error) => Known::Failed(format!("{error:#}")),
        }
    }

    pub(super) fn is(&self) -> Option<&T> {
        match self {
            Known::Is(known) => Some(known),
            Known::Failed(_) | Known::NotAsked(_) | Known::None => None,
        }
    }
}

/// All that is looked at.
#[derive(Clone, Debug)]
pub struct Facts {
    pub service: Known<Service>,
    /// Of an embedded log.
    pub directory: Known<Directory>,
    pub disk: Known<Disk>,
    pub brokers: Known<Brokers>,
    pub topics: Known<Vec<Drift>>,
    pub registry: Known<Vec<Answered>>,
    pub grouping: Known<Grouped>,
    /// Of a cluster: on one machine the service has all of them.
    pub members: Known<Vec<GroupMembers>>,
    pub lags: Known<Vec<GroupLag>>,
    /// What parts of the service on the data directory try again and again, as it says; none where none runs.
    pub waiting: Vec<WaitingLine>,
    pub stores: Known<Vec<Store>>,
    pub projection: Known<Projection>,
    pub clock: Known<Clock>,
}

/// The service on the data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Absent: none runs.
    pub version: Option<String>,
    pub write_failure: Option<String>,
}

/// The folder of an embedded log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directory {
    /// Nothing was ever written there.
    Absent,
    /// A service has it, which looked at it when it started.
    InUse,
    /// It is whole as far as that is seen from outside. Positions beyond the ends of their partitions, place and what is wrong.
    Whole { topics: usize, wrong: Vec<(String, String)>, partitions: Option<u32>, partitions_set: u32 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    pub directory: String,
    pub left_bytes: u64,
    /// An embedded log takes no more orders where less than this is left; absent: nothing here does.
    pub reserve_bytes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brokers {
    pub cluster: Cluster,
    /// `kafka.replication`.
    pub replication: usize,
}

/// How the processors are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouped {
    /// On the log; absent: nobody has worked on it yet.
    pub applied: Option<Grouping>,
    pub set: Vec<SubTopology>,
}

/// Who works in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMembers {
    pub group: String,
    /// How many workers it has at the moment, of all machines.
    pub members: usize,
    /// How many the settings have this machine's process give it.
    pub workers_set: u32,
}

/// What a group has still to read of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLag {
    pub group: String,
    pub topic: String,
    pub records: u64,
    /// The partition that has most of them, and how many; absent where that is not known.
    pub most: Option<(u32, u64)>,
    /// How many workers of the group there are at the moment.
    pub members: usize,
}

impl GroupLag {
    /// `left`: how many records there are to read, by partition.
    pub fn of(group: &str, topic: &str, left: &[u64], members: usize) -> GroupLag {
        GroupLag {
            group: group.to_owned(),
            topic: topic.to_owned(),
            records: left.iter().sum(),
            most: (0..)
                .zip(left.iter().copied())
                .max_by_key(|(_, records)| *records)
                .filter(|most| most.1 > 0),
            members,
        }
    }
}

/// The state of one worker on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    pub worker: String,
    /// Whose state it must have; absent: no worker of these settings has this name.
    pub needed: Option<String>,
    /// By partition, where it stands and what the changelog has; or why it cannot be read.
    pub partitions: Result<Vec<(u32, Progress, Changelog)>, String>,
    pub now_ms: i64,
}

/// The database of the projection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Projection {
    /// The service makes it.
    Absent { place: String },
    /// `behind`: how many records it has still to read; absent: nobody could say it. `beyond`: where it has read more than there
    /// is. `failure`: why the service, which runs, cannot read it, though it answers here.
    Open { place: String, behind: Option<u64>, beyond: Vec<String>, failure: Option<String> },
}

/// Two clocks: ours before and after the other was asked, and what that one said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    pub with: String,
    pub before_ms: i64,
    pub told_ms: i64,
    pub after_ms: i64,
}
