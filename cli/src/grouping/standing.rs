//! How far the groups of a log have read, as far as a regrouping needs to know it.
use std::collections::BTreeSet;

use runtime::AnyLog;
use topology::regroup::{Grouping, Partition};
use topology::{Stream, SubTopology};

/// Of every stream that a group of either grouping reads.
///
/// # Errors
/// The log cannot be asked.
pub(super) fn partitions(log: &AnyLog, old: &Grouping, new: &Grouping) -> anyhow::Result<Vec<Partition>> {
    let (before, after) = (old.subtopologies(), new.subtopologies());
    let streams: BTreeSet<Stream> = before.iter().chain(&after).flat_map(SubTopology::streams).collect();
    let mut partitions = Vec::new();
    for stream in streams {
        let readers: Vec<&str> = before
            .iter()
            .filter(|group| group.streams().contains(&stream))
            .map(|group| group.name.as_str())
            .collect();
        // Elsewhere it is of no interest whether a mark or a record lies before the end.
        let is_compared = readers.len() > 1 || stream == Stream::OrderEvents;
        partitions.extend(of_stream(log, stream, &readers, is_compared)?);
    }
    Ok(partitions)
}

fn of_stream(
    log: &AnyLog,
    stream: Stream,
    readers: &[&str],
    is_compared: bool,
) -> anyhow::Result<Vec<Partition>> {
    let topic = stream.topic();
    let groups = log.groups(topic, readers)?;
    let bounds = log.earliest_offsets(topic)?.into_iter().zip(log.end_offsets(topic)?);
    let mut partitions = Vec::new();
    for (partition, (begin, end)) in (0_u32..).zip(bounds) {
        let next = groups.iter().filter(|group| readers.contains(&group.name.as_str())).filter_map(|group| {
            let next = group.next_offsets.get(partition as usize).copied().flatten()?;
            Some((group.name.clone(), next))
        });
        let mut found = Partition { stream, partition, begin, last: end, end, next: next.collect() };
        let at_end = |group: &&str| found.next.get(*group).is_some_and(|next| *next >= end);
        if is_compared && begin < end && !readers.iter().all(at_end) {
            found.last = log.last_record_end(topic, partition)?;
        }
        partitions.push(found);
    }
    Ok(partitions)
}
