//! Small values that the log keeps for its caller, on a compacted topic of one partition; and positions that change with one.
//!
//! Whoever changes one first takes the transactional id that all of a system share: whoever had it before can commit nothing any
//! more. So what is read after that is what it still is at the commit, or there is no commit.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rdkafka::admin::AdminOptions;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::Kafka;
use super::context::{OF_OUTPUT, Quiet, RingContext};
use super::failure::{Kind, failed, kind, reading_refused, refused, wait_for};
use super::options::{CALL_WAIT, Options};
use super::topics::admin;
use super::transaction::{self, RingProducer, wire_partition};
use crate::Error;
use crate::log::{GroupPositions, Note};

/// Without the prefix.
pub(super) const NOTES_TOPIC: &str = "orderstream.notes";
const PARTITION: i32 = 0;
/// Beside the names of workers, which have a number behind them.
const WRITER: &str = "notes";
const POLL_WAIT: std::time::Duration = std::time::Duration::from_millis(100);

impl Kafka {
    /// The value under a key, of what is committed.
    ///
    /// Errors: the brokers do not answer, or some transaction stays open.
    pub fn note(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let (options, deadline) = (&self.shared.options, Instant::now() + CALL_WAIT);
        let topic = options.wire(NOTES_TOPIC);
        let (low, high) = self.looking.ends().settled(&topic, 0, deadline)?;
        if low >= high {
            return Ok(None);
        }
        let consumer = reader(options)?;
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(&topic, PARTITION, Offset::Offset(low))
            .and_then(|()| consumer.assign(&from))
            .map_err(failed("read notes"))?;
        let mut found = None;
        loop {
            match consumer.poll(POLL_WAIT) {
                Some(Ok(message)) if message.key() == Some(key.as_bytes()) => {
                    found = message.payload().map(Bytes::copy_from_slice);
                }
                Some(Ok(_)) => {}
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
                Some(Err(problem)) => match reading_refused(&problem, [&*topic]) {
                    Some(refused) => return Err(refused),
                    None => debug!(%problem, "reading notes"),
                },
                None if Instant::now() >= deadline => {
                    return Err(Error::WaitEnded { wait_ms: CALL_WAIT.as_millis() as u64 });
                }
                None => {}
            }
        }
    }

    /// Sets where groups go on, and a note, in one transaction, where the note still is what the caller knows: whether it was.
    ///
    /// The brokers refuse a position of a group that has members only outside of transactions; so it is asked whether one has. Whoever
    /// joins after that question and then reads the note waits for its end: the note is written before it is asked, and whoever reads
    /// waits for what is open. A group without any position is deleted afterwards; where that fails, what it leaves behind is in nobody's
    /// way.
    ///
    /// Errors: a group has members; a topic is unknown; the brokers do not answer.
    pub fn regroup(&self, positions: &[GroupPositions], note: &Note<'_>) -> Result<bool, Error> {
        let options = &self.shared.options;
        let id = options.wire(&format!("{}-{WRITER}", options.application));
        let config = options.transacting(&id, self.shared.record_bytes_max);
        let producer: RingProducer =
            BaseProducer::from_config_and_context(&config, RingContext::default()).map_err(refused)?;
        producer.init_transactions(CALL_WAIT).map_err(failed("take the right to change notes"))?;
        if self.note(note.key)?.as_deref() != note.before {
            return Ok(false);
        }
        let changed = self.change(&producer, positions, note);
        match &changed {
            Ok(true) => self.forget(positions),
            Ok(false) => {}
            // Whoever looks at notes would wait for the brokers to do it.
            Err(_) => {
                if let Err(failure) = transaction::abort(&producer) {
                    debug!(reason = failure.reason, "change of notes is not aborted");
                }
            }
        }
        changed
    }

    /// Begins and ends the transaction; an error leaves it to be aborted.
    fn change(
        &self,
        producer: &RingProducer,
        positions: &[GroupPositions],
        note: &Note<'_>,
    ) -> Result<bool, Error> {
        let changed = |done: Result<(), KafkaError>| match done {
            Ok(()) => Ok(true),
            // Somebody else changes notes now.
            Err(problem) if matches!(kind(&problem), Kind::Fenced | Kind::Superseded) => Ok(false),
            Err(problem) => Err(failed("change notes")(problem)),
        };
        if !changed(write(&self.shared.options, producer, note))? {
            return Ok(false);
        }
        positions.iter().try_for_each(|of_group| self.require_nobody(&of_group.group))?;
        changed(move_groups(&self.shared.options, producer, positions))
    }

    fn require_nobody(&self, group: &Arc<str>) -> Result<(), Error> {
        let members = self.group_members(group)?;
        if members.is_empty() {
            return Ok(());
        }
        let reason = format!("it has members: {}", members.join(", "));
        Err(Error::GroupRefused { group: group.clone(), reason })
    }
}

impl Kafka {
    fn forget(&self, positions: &[GroupPositions]) {
        let options = &self.shared.options;
        let given_up = positions.iter().filter(|of_group| of_group.positions.is_empty());
        let names: Vec<String> = given_up.map(|of_group| options.wire(&of_group.group)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let within = AdminOptions::new().request_timeout(Some(CALL_WAIT));
        let deleted = admin(options).map(|admin| wait_for(admin.delete_groups(&names, &within)));
        if !matches!(deleted, Ok(Ok(_))) && !names.is_empty() {
            debug!(?deleted, "groups that were given up are not deleted");
        }
    }
}

fn reader(options: &Options) -> Result<BaseConsumer<Quiet>, Error> {
    let id = format!("{}-{WRITER}", options.node);
    let config = options.reading(&id, &options.wire(&id));
    BaseConsumer::from_config_and_context(&config, Quiet).map_err(refused)
}

/// Begins the change, and has it lie there for all who look.
fn write(options: &Options, producer: &RingProducer, note: &Note<'_>) -> Result<(), KafkaError> {
    producer.begin_transaction()?;
    let topic = options.wire(NOTES_TOPIC);
    let record = BaseRecord::with_opaque_to(&topic, OF_OUTPUT).partition(PARTITION);
    producer
        .send(record.key(note.key.as_bytes()).payload(&note.after[..]))
        .map_err(|(problem, _)| problem)?;
    producer.flush(CALL_WAIT)
}

/// Ends the change.
fn move_groups(
    options: &Options,
    producer: &RingProducer,
    positions: &[GroupPositions],
) -> Result<(), KafkaError> {
    for of_group in positions.iter().filter(|of_group| !of_group.positions.is_empty()) {
        let mut offsets = TopicPartitionList::with_capacity(of_group.positions.len());
        for position in &of_group.positions {
            let (topic, at) = (options.wire(&position.topic), Offset::Offset(position.next_offset));
            offsets.add_partition_offset(&topic, wire_partition(position.partition), at)?;
        }
        // One that has joined nothing names the group alone.
        let group = options.reading(WRITER, &options.wire(&of_group.group));
        let outsider: BaseConsumer<Quiet> = BaseConsumer::from_config_and_context(&group, Quiet)?;
        let group = outsider.group_metadata().expect("a client with a group knows its name");
        producer.send_offsets_to_transaction(&offsets, &group, CALL_WAIT)?;
    }
    // A record that is not taken fails the commit.
    producer.commit_transaction(CALL_WAIT)
}
