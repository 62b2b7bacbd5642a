//! A batch as the cluster needs it: names, places, and a position for every partition that it touches.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::consumer::ConsumerGroupMetadata;

use super::changelog::origin_key;
use super::member::Member;
use super::transaction::{WirePosition, Work};
use crate::Error;
use crate::log::{Batch, BatchId};

/// The positions of all inputs of a partition are committed once more so often. Brokers forget a position a while after it was committed
/// (`offsets.retention.minutes`) where the group does not subscribe to its topic, and ours subscribe to the changelog alone: an input in
/// which nothing comes for so long would be read from its beginning at the next start. They count in minutes, from one on.
const POSITIONS_EVERY: Duration = Duration::from_secs(30);

impl Member {
    /// Positions to commit with a batch, one at least for each partition that it touches.
    fn wire_positions(&mut self, batch: &Batch) -> Result<Vec<WirePosition>, Error> {
        for position in &batch.positions {
            let index = self.shared.topics.index(&position.topic)?;
            self.positions.insert((index, position.partition), position.next_offset);
        }
        let mut places = BTreeSet::new();
        for position in &batch.positions {
            places.insert((self.shared.topics.index(&position.topic)?, position.partition));
        }
        for partition in &batch.partitions {
            if self.are_positions_due(*partition) {
                places.extend(self.inputs.iter().map(|index| (*index, *partition)));
            } else if batch.positions.iter().all(|position| position.partition != *partition) {
                // Timers alone: a position all the same, or the group could not fence it.
                places.insert((self.inputs[0], *partition));
            }
        }
        let position = |(index, partition): (usize, u32)| {
            let next_offset = *self.positions.get(&(index, partition))?;
            let topic = self.shared.wire[index].to_string();
            Some(WirePosition { topic, partition, next_offset })
        };
        let positions = places.into_iter().filter_map(position).collect();
        Ok(positions)
    }

    /// Whether the positions of all inputs in this partition are to be committed with its next batch, which this is.
    fn are_positions_due(&mut self, partition: u32) -> bool {
        let now = Instant::now();
        let noted = self.positions_noted.entry(partition);
        let is_due = match &noted {
            Entry::Occupied(noted) => now.duration_since(*noted.get()) >= POSITIONS_EVERY,
            Entry::Vacant(_) => true,
        };
        if is_due {
            noted.insert_entry(now);
        }
        is_due
    }

    pub(super) fn work(
        &mut self,
        id: BatchId,
        batch: Batch,
        membership: Arc<ConsumerGroupMetadata>,
    ) -> Result<Work, Error> {
        let place = |outgoing| {
            let (index, partition) = self.shared.topics.place(outgoing)?;
            Ok((self.shared.wire[index].clone(), partition))
        };
        let places = batch.outputs.iter().map(place).collect::<Result<Vec<_>, Error>>()?;
        let positions = self.wire_positions(&batch)?;
        let origins = self.origins(&batch);
        let origin_key = origin_key(&self.membership.group).into();
        let changelog_topic = self.changelog.clone();
        Ok(Work { id, membership, positions, places, changelog_topic, origins, origin_key, batch })
    }

    /// For those changelogs that the batch writes to and that have none yet. Should the batch fail, that is found out anew.
    fn origins(&mut self, batch: &Batch) -> Vec<(u32, Bytes)> {
        if self.without_origin.is_empty() {
            return Vec::new();
        }
        let cells = batch.cells.iter().map(|change| change.cell.partition());
        let written: BTreeSet<u32> =
            cells.chain(batch.timers.iter().map(|change| change.timer.partition())).collect();
        let options = &self.shared.options;
        // Two topics of one name would have to be begun by the same worker in the same millisecond.
        let (node, worker, now_ms) = (&options.node, &self.membership.worker, self.shared.clock.now_ms());
        let id = Bytes::from(format!("{node} {worker} {now_ms}"));
        let mut origins = Vec::new();
        for partition in written {
            if self.without_origin.remove(&partition) {
                origins.push((partition, id.clone()));
            }
        }
        origins
    }
}
