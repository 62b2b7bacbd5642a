//! Another grouping of the processors over what lies on the log: where each of its groups goes on, or why it cannot. Pure.
//!
//! State and timers belong to processors, and stay where they are. What moves is how far each processor has read. Two things have to
//! be told apart: what a processor reads from a topic, of which its group keeps the position; and the events of its own group, which it
//! heard in memory, in the commit that wrote them. So of the events' topic, whoever has heard all from apart goes on at the end.
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::graph::{Processor, Stream, SubTopology};

/// A grouping that was applied, as the log keeps it. Workers are a matter of each process, and not of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grouping {
    /// One more with each that is applied.
    pub epoch: u64,
    /// Group → processors.
    pub groups: BTreeMap<String, BTreeSet<Processor>>,
}

impl Grouping {
    /// What a log begins with.
    pub fn first(groups: &[SubTopology]) -> Grouping {
        Grouping { epoch: 1, groups: named(groups) }
    }

    /// The one that comes after this.
    pub fn next(&self, groups: &[SubTopology]) -> Grouping {
        Grouping { epoch: self.epoch + 1, groups: named(groups) }
    }

    /// Whether these are the groups, whatever their sequence and the number of their workers.
    pub fn is(&self, groups: &[SubTopology]) -> bool {
        self.groups == named(groups)
    }

    /// With a worker each.
    pub fn subtopologies(&self) -> Vec<SubTopology> {
        let group = |(name, processors): (&String, &BTreeSet<Processor>)| SubTopology {
            name: name.clone(),
            processors: processors.iter().copied().collect(),
            workers: 1,
        };
        self.groups.iter().map(group).collect()
    }

    /// The group that a processor is in.
    fn group_of(&self, processor: Processor) -> Option<&str> {
        let found = self.groups.iter().find(|(_, processors)| processors.contains(&processor));
        found.map(|(name, _)| name.as_str())
    }
}

fn named(groups: &[SubTopology]) -> BTreeMap<String, BTreeSet<Processor>> {
    groups.iter().map(|group| (group.name.clone(), group.processors.iter().copied().collect())).collect()
}

/// `orders: capture, validation; products: inventory`.
impl std::fmt::Display for Grouping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let group = |(name, processors): (&String, &BTreeSet<Processor>)| {
            let processors: Vec<&str> = processors.iter().map(|processor| processor.name()).collect();
            format!("{name}: {}", processors.join(", "))
        };
        f.write_str(&self.groups.iter().map(group).collect::<Vec<_>>().join("; "))
    }
}

/// A partition of a topic, and how far groups have read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub stream: Stream,
    pub partition: u32,
    /// The first offset that is left.
    pub begin: i64,
    /// The offset behind the last record; whoever stands there or further has read all.
    pub last: i64,
    /// The offset that is next to be written, or some before it: here starts whoever shall read only what comes.
    pub end: i64,
    /// By group; none where it never committed one, and begins with the oldest.
    pub next: BTreeMap<String, i64>,
}

impl Partition {
    /// Where a group stands, all places behind the last record being one.
    fn at(&self, group: &str) -> i64 {
        self.next.get(group).copied().unwrap_or(self.begin).max(self.begin).min(self.last)
    }

    fn unread(&self, group: &str) -> u64 {
        (self.last - self.at(group)).max(0).unsigned_abs()
    }
}

/// Where a group goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    pub group: String,
    pub stream: Stream,
    pub partition: u32,
    pub next_offset: i64,
}

/// Why the groups cannot be changed as they stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Obstacle {
    #[error(
        "group \"{group}\" has {records} records of partition {partition} of topic \"{topic}\" still to hear"
    )]
    Unheard { group: String, topic: &'static str, partition: u32, records: u64 },
    #[error(
        "partition {partition} of topic \"{topic}\" is read up to {at} by group \"{group}\" and up to {other_at} by group \"{other}\", \
         and they shall be read as one"
    )]
    Uneven { topic: &'static str, partition: u32, group: String, at: i64, other: String, other_at: i64 },
}

/// Where each group of `new` goes on in each partition that it reads.
///
/// A group that stays what it is, whatever its name, goes on where it stands. For the others:
/// - All that their processors have to hear from apart is heard; they go on at the end of the events. Else what was passed in memory
///   could not be told from what was not heard yet, and would be lost, or done twice.
/// - What several of their processors read, these have read equally far.
///
/// # Errors
/// All that is in the way.
pub fn plan(old: &Grouping, new: &Grouping, partitions: &[Partition]) -> Result<Vec<Carried>, Vec<Obstacle>> {
    let (mut carried, mut obstacles) = (Vec::new(), BTreeSet::new());
    for group in new.subtopologies() {
        let before: BTreeSet<&str> =
            group.processors.iter().filter_map(|processor| old.group_of(*processor)).collect();
        let stays = before.iter().any(|name| old.groups.get(*name) == new.groups.get(&group.name));
        let streams = group.streams();
        for partition in partitions {
            if !stays && partition.stream == Stream::OrderEvents {
                obstacles.extend(before.iter().filter_map(|name| unheard(old, name, partition)));
            }
            if streams.contains(&partition.stream) {
                let next_offset = match (stays, partition.stream) {
                    (false, Stream::OrderEvents) => Ok(partition.end),
                    _ => common(&readers(old, &group, partition.stream), partition),
                };
                match next_offset {
                    Ok(next_offset) => carried.push(Carried {
                        group: group.name.clone(),
                        stream: partition.stream,
                        partition: partition.partition,
                        next_offset,
                    }),
                    Err(obstacle) => drop(obstacles.insert(obstacle)),
                }
            }
        }
    }
    if obstacles.is_empty() { Ok(carried) } else { Err(obstacles.into_iter().collect()) }
}

/// What a group that reads the events has not heard of them.
fn unheard(old: &Grouping, group: &str, partition: &Partition) -> Option<Obstacle> {
    let reads = old
        .subtopologies()
        .into_iter()
        .any(|one| one.name == group && one.streams().contains(&partition.stream));
    let records = partition.unread(group);
    (reads && records > 0).then(|| Obstacle::Unheard {
        group: group.to_owned(),
        topic: partition.stream.topic(),
        partition: partition.partition,
        records,
    })
}

/// The groups that read a stream so far for processors of this one.
fn readers<'o>(old: &'o Grouping, group: &SubTopology, stream: Stream) -> BTreeSet<&'o str> {
    let is_beat = matches!(stream, Stream::Heartbeats | Stream::SystemHeartbeats);
    // All of a group read the events or none, and each group its heartbeats.
    let reads = |processor: &&Processor| {
        is_beat || stream == Stream::OrderEvents || processor.reads().contains(&stream)
    };
    group.processors.iter().filter(reads).filter_map(|processor| old.group_of(*processor)).collect()
}

/// Where all of them stand.
fn common(groups: &BTreeSet<&str>, partition: &Partition) -> Result<i64, Obstacle> {
    let places: Vec<(i64, &str)> = groups.iter().map(|group| (partition.at(group), *group)).collect();
    let (Some(least), Some(most)) = (places.iter().min(), places.iter().max()) else {
        return Ok(partition.begin);
    };
    // A heartbeat that nobody hears is of no consequence, and one that is heard twice is none either.
    let is_beat = matches!(partition.stream, Stream::Heartbeats | Stream::SystemHeartbeats);
    if least.0 == most.0 || is_beat {
        return Ok(most.0);
    }
    Err(Obstacle::Uneven {
        topic: partition.stream.topic(),
        partition: partition.partition,
        group: least.1.to_owned(),
        at: least.0,
        other: most.1.to_owned(),
        other_at: most.0,
    })
}

impl SubTopology {
    /// What it has to have read before it may be taken apart or joined with another: the events, and what others of `all` read too.
    pub fn streams_to_settle(&self, all: &[SubTopology]) -> Vec<Stream> {
        let is_shared = |stream: &Stream| {
            let is_beat = matches!(stream, Stream::Heartbeats | Stream::SystemHeartbeats);
            !is_beat && all.iter().filter(|group| group.streams().contains(stream)).count() > 1
        };
        let streams = self.streams().into_iter();
        streams.filter(|stream| *stream == Stream::OrderEvents || is_shared(stream)).collect()
    }
}

#[cfg(test)]
mod tests;
