//! Reads the changelogs of some partitions, side by side, into the store.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{debug, error, info};

use super::changelog::{self, Change};
use super::failure::failed;
use super::fitness::includes;
use super::restore::{Run, Ticket};
use super::transaction::wire_partition;
use crate::Error;

const POLL_WAIT: Duration = Duration::from_millis(100);
/// What is replayed in one write.
const CHUNK_CHANGES_MAX: usize = 5_000;
const CHUNK_BYTES_MAX: usize = 4 << 20;

/// A partition whose changelog is being read.
pub(super) struct Replay {
    pub(super) ticket: Ticket,
    pub(super) next_offset: i64,
    /// The end as it was asked for. The last record lies before it: marks of transactions take offsets too.
    pub(super) end_offset: i64,
    pub(super) rebuilding: bool,
    pub(super) changes: Vec<Change>,
    pub(super) bytes: usize,
    pub(super) records: u64,
    pub(super) foreign: u64,
}

impl Run {
    /// Reads all of them to their ends, side by side.
    pub(super) fn replay(&self, replays: &mut BTreeMap<u32, Replay>) -> Result<(), Error> {
        let mut assigned = TopicPartitionList::new();
        for (partition, replay) in &*replays {
            let from = Offset::Offset(replay.next_offset);
            assigned
                .add_partition_offset(&self.inputs.changelog, wire_partition(*partition), from)
                .map_err(failed("name a place in the changelog"))?;
        }
        self.consumer.assign(&assigned).map_err(failed("read the changelog"))?;
        while !replays.is_empty() {
            match self.consumer.poll(POLL_WAIT) {
                Some(Ok(message)) => self.take(replays, &message)?,
                // The end of all that is settled, and what was there at the beginning is settled.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if let Ok(partition) = u32::try_from(partition)
                        && let Some(replay) = replays.remove(&partition)
                    {
                        self.finish(partition, replay)?;
                    }
                }
                // The client goes on by itself once the brokers answer.
                Some(Err(problem)) => debug!(%problem, "reading the changelog"),
                None => {}
            }
            replays.retain(|_, replay| self.known.wants(replay.ticket));
        }
        Ok(())
    }

    fn take(&self, replays: &mut BTreeMap<u32, Replay>, message: &BorrowedMessage<'_>) -> Result<(), Error> {
        let Ok(partition) = u32::try_from(message.partition()) else { return Ok(()) };
        let Some(replay) = replays.get_mut(&partition) else { return Ok(()) };
        self.known.replayed.fetch_add(1, Ordering::Relaxed);
        replay.records += 1;
        replay.next_offset = message.offset() + 1;
        match changelog::change_of(partition, message.key().unwrap_or_default(), message.payload()) {
            Some(change) => {
                let processor = change.processor().unwrap_or_default();
                if includes(self.store.processors(), &processor) {
                    replay.bytes += message.key_len() + message.payload_len();
                    replay.changes.push(change);
                }
            }
            None => replay.foreign += 1,
        }
        if replay.changes.len() >= CHUNK_CHANGES_MAX || replay.bytes >= CHUNK_BYTES_MAX {
            self.write(partition, replay, replay.rebuilding)?;
        }
        Ok(())
    }

    fn write(&self, partition: u32, replay: &mut Replay, rebuilding: bool) -> Result<(), Error> {
        let now_ms = self.shared.clock.now_ms();
        self.store.replay(partition, &replay.changes, replay.next_offset, rebuilding, now_ms)?;
        replay.changes.clear();
        replay.bytes = 0;
        Ok(())
    }

    fn finish(&self, partition: u32, mut replay: Replay) -> Result<(), Error> {
        replay.next_offset = replay.next_offset.max(replay.end_offset);
        self.write(partition, &mut replay, false)?;
        metrics::counter!("orderstream_replayed_records_total").increment(replay.records);
        if replay.foreign > 0 {
            error!(partition, records = replay.foreign, "changelog has records that are none of ours");
        }
        info!(partition, records = replay.records, rebuilt = replay.rebuilding, "state is restored");
        Ok(())
    }
}
