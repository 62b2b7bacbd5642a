//! One partition's changelog on its way into the store.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{error, info, warn};

use super::changelog::{self, Change, Entry};
use super::fitness::{Changelog, unfit};
use super::origin::{Bounds, Recognised};
use super::restore::Run;
use super::store::{Onto, Origin, Progress, Reached, Store};
use super::transaction::wire_partition;
use crate::Error;

/// What is replayed in one write.
const CHUNK_CHANGES_MAX: usize = 5_000;
const CHUNK_BYTES_MAX: usize = 4 << 20;

/// A partition whose changelog is being read.
pub(super) struct Replay {
    pub(super) next_offset: i64,
    /// The end as it was asked for. The last record lies before it: marks of transactions take offsets too.
    pub(super) end_offset: i64,
    /// When that end was asked for.
    pub(super) asked_ms: i64,
    /// When the store last had all, or began to be built. Until it has all again it does not get newer: a deletion that it has
    /// not come to could be forgotten meanwhile.
    pub(super) since_ms: i64,
    pub(super) onto: Onto,
    origin: Option<Origin>,
    /// As it was written last.
    written_offset: i64,
    /// What is settled ended before the end that was asked for, and was looked at again.
    pub(super) looked_again: bool,
    changes: Vec<Change>,
    bytes: usize,
    records: u64,
    foreign: u64,
}

impl Replay {
    /// From where the store stands; or beside what it has, from the beginning or from where that was cut short.
    pub(super) fn begin(
        run: &Run,
        partition: u32,
        (begin, end): Bounds,
        asked_ms: i64,
        known: Recognised,
    ) -> Result<Self, Error> {
        let delete_retention_ms = run.inputs.delete_retention_ms;
        let changelog = |is_same| Changelog { begin, end, delete_retention_ms, is_same };
        let reason =
            |stands: &Progress, is_same| unfit(stands, run.store.processors(), changelog(is_same), asked_ms);
        let stands = run.store.progress(partition)?;
        if let Some(stands) = &stands {
            match reason(stands, known.in_force) {
                None => return Ok(Self::from(stands, Onto::InForce, end, asked_ms)),
                Some(reason) => {
                    warn!(worker = %run.worker, partition, %reason, "state of the partition is rebuilt from the whole changelog, beside what there is");
                }
            }
        }
        // What was begun is gone on with only where it is certain that it belongs to this changelog.
        let begun = run.store.building(partition)?.filter(|_| known.beside == Some(true));
        let begun = begun.map(|begun| Progress { rebuilding: false, ..begun });
        if let Some(begun) = begun.filter(|begun| reason(begun, known.beside).is_none()) {
            info!(worker = %run.worker, partition, next_offset = begun.next_offset, "rebuild goes on where it was cut short");
            return Ok(Self::from(&begun, Onto::Beside, end, asked_ms));
        }
        run.store.begin_beside(partition, begin, asked_ms)?;
        let begun = Progress { next_offset: begin, applied_ms: asked_ms, ..Progress::default() };
        Ok(Self::from(&begun, Onto::Beside, end, asked_ms))
    }

    fn from(stands: &Progress, onto: Onto, end_offset: i64, asked_ms: i64) -> Self {
        Self {
            next_offset: stands.next_offset,
            end_offset,
            asked_ms,
            // One that lacks nothing is new, however long it was away.
            since_ms: if stands.next_offset >= end_offset { asked_ms } else { stands.applied_ms },
            onto,
            origin: stands.origin.clone(),
            written_offset: stands.next_offset,
            looked_again: false,
            changes: Vec::new(),
            bytes: 0,
            records: 0,
            foreign: 0,
        }
    }

    /// Where the client stands in its partition: behind the marks of transactions too, which are no records.
    pub(super) fn pass_marks(&mut self, positions: &TopicPartitionList, topic: &str, partition: u32) {
        if let Some(place) = positions.find_partition(topic, wire_partition(partition))
            && let Offset::Offset(position) = place.offset()
        {
            self.next_offset = position.max(self.next_offset);
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.next_offset >= self.end_offset
    }

    /// How much of it is not read yet, marks of transactions counted as records.
    pub(super) fn left_records(&self) -> u64 {
        (self.end_offset - self.next_offset).max(0).unsigned_abs()
    }

    /// Whether a write is due: memory is bounded by it.
    pub(super) fn is_full(&self) -> bool {
        self.changes.len() >= CHUNK_CHANGES_MAX || self.bytes >= CHUNK_BYTES_MAX
    }

    /// Takes a record of its partition; whether it was one of state.
    pub(super) fn take(&mut self, run: &Run, partition: u32, message: &BorrowedMessage<'_>) -> bool {
        self.next_offset = message.offset() + 1;
        let key = message.key().unwrap_or_default();
        // Most of what a small group reads is another's.
        if changelog::processor_of(key).is_some_and(|processor| !run.store.keeps(&processor)) {
            self.records += 1;
            self.bytes += message.key_len() + message.payload_len();
            return true;
        }
        match changelog::entry_of(partition, key, message.payload()) {
            Some(Entry::Change(change)) => {
                self.records += 1;
                self.bytes += message.key_len() + message.payload_len();
                self.changes.push(change);
                return true;
            }
            Some(Entry::Origin { group, id }) if group == run.inputs.group_name.as_bytes() => {
                self.origin = Some(Origin { offset: message.offset(), id });
            }
            // Another group's, which keeps its state here too.
            Some(Entry::Origin { .. }) => {}
            None => self.foreign += 1,
        }
        false
    }

    fn reached(&self) -> Reached {
        let (next_offset, applied_ms) = (self.next_offset, self.since_ms);
        Reached { next_offset, applied_ms, origin: self.origin.clone() }
    }

    /// Writes what has been taken, where it was taken in time: what was written is all that there was.
    ///
    /// Errors: the changelog may have forgotten deletions since the store last had all; the next try begins anew.
    pub(super) fn write(&mut self, run: &Run, partition: u32) -> Result<(), Error> {
        let took_ms = run.shared.clock.now_ms().saturating_sub(self.since_ms);
        if took_ms > run.inputs.delete_retention_ms {
            let source = format!("it took {took_ms} ms, and deletions are remembered for less");
            return Err(Error::Store { doing: "restore state in time", source: source.into() });
        }
        self.put(&run.store, partition)
    }

    fn put(&mut self, store: &Store, partition: u32) -> Result<(), Error> {
        store.replay(partition, self.onto, &self.changes, &self.reached())?;
        self.changes.clear();
        self.bytes = 0;
        self.written_offset = self.next_offset;
        Ok(())
    }

    /// All is taken that was there when the end was asked for: the store is as new as it was then, and what was built is in force.
    ///
    /// Errors: as [`Replay::write`].
    pub(super) fn settle(&mut self, run: &Run, partition: u32) -> Result<(), Error> {
        if self.next_offset > self.written_offset {
            self.write(run, partition)?;
        }
        self.since_ms = self.asked_ms;
        match self.onto {
            Onto::InForce => self.put(&run.store, partition)?,
            Onto::Beside => {
                run.store.put_in_force(partition, self.reached())?;
                self.onto = Onto::InForce;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self, run: &Run, partition: u32) -> Result<(), Error> {
        self.next_offset = self.next_offset.max(self.end_offset);
        let rebuilt = self.onto == Onto::Beside;
        self.settle(run, partition)?;
        if self.foreign > 0 {
            error!(worker = %run.worker, partition, records = self.foreign, "changelog has records that are none of ours");
        }
        if self.records > 0 || rebuilt {
            info!(worker = %run.worker, partition, records = self.records, rebuilt, "state is restored");
        }
        Ok(())
    }
}

/// Whether reading cannot go on from where it is: what lay there is gone.
pub(super) fn is_gone(problem: &KafkaError) -> bool {
    let gone = [RDKafkaErrorCode::AutoOffsetReset, RDKafkaErrorCode::OffsetOutOfRange];
    problem.rdkafka_error_code().is_some_and(|code| gone.contains(&code))
}
