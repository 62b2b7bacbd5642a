//! Whether a changelog is the one that a store was written from: the record by which the store knows it is still where it was.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::changelog::origin_key;
use super::context::Quiet;
use super::failure::failed;
use super::replay::is_gone;
use super::store::Origin;
use super::transaction::wire_partition;
use crate::Error;

const POLL_WAIT: Duration = Duration::from_millis(100);

/// Where a partition of the changelog begins and ends.
pub(super) type Bounds = (i64, i64);

/// Whether a changelog is the one that was read before. None: it was not looked at, or cannot be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Recognised {
    /// For what is in force.
    pub(super) in_force: Option<bool>,
    /// For what is being built beside it.
    pub(super) beside: Option<bool>,
}

/// Of each of these partitions, whether its origin lies where it was; nothing of one that cannot be told, since what lay there was
/// deleted with all before it. Reads one record of each, side by side, for as long as it `goes_on`.
///
/// Errors: the client cannot read; what was there a moment ago is gone; it does not go on.
pub(super) fn recognise(
    consumer: &BaseConsumer<Quiet>,
    (topic, group): (&str, &str),
    asked: &[(u32, Origin, Bounds)],
    goes_on: impl Fn() -> bool,
) -> Result<HashMap<u32, bool>, Error> {
    let mut told = HashMap::new();
    let mut left: HashMap<u32, &Origin> = HashMap::new();
    let mut places = TopicPartitionList::new();
    for (partition, origin, (begin, end)) in asked {
        if origin.offset >= *end {
            told.insert(*partition, false);
        } else if origin.offset >= *begin {
            let from = Offset::Offset(origin.offset);
            places
                .add_partition_offset(topic, wire_partition(*partition), from)
                .map_err(failed("name a place in the changelog"))?;
            left.insert(*partition, origin);
        }
    }
    if left.is_empty() {
        return Ok(told);
    }
    let key = origin_key(group);
    consumer.assign(&places).map_err(failed("look at the changelog"))?;
    while !left.is_empty() && goes_on() {
        match consumer.poll(POLL_WAIT) {
            Some(Ok(message)) => {
                let Ok(partition) = u32::try_from(message.partition()) else { continue };
                if let Some(origin) = left.remove(&partition) {
                    let is_there = message.offset() == origin.offset
                        && message.key() == Some(&key[..])
                        && message.payload() == Some(&origin.id[..]);
                    told.insert(partition, is_there);
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                if let Ok(partition) = u32::try_from(partition)
                    && left.remove(&partition).is_some()
                {
                    told.insert(partition, false);
                }
            }
            Some(Err(problem)) if is_gone(&problem) => return Err(failed("look at the changelog")(problem)),
            // The client goes on by itself once the brokers answer.
            Some(Err(problem)) => debug!(%problem, "looking at the changelog"),
            None => {}
        }
    }
    consumer.unassign().map_err(failed("end the look at the changelog"))?;
    match left.is_empty() {
        true => Ok(told),
        false => {
            Err(Error::Store { doing: "look at the changelog", source: "it was not read in time".into() })
        }
    }
}
