//! Whether a changelog is the one that a store was written from: the record by which the store knows it is still where it was.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::changelog::origin_key;
use super::context::Quiet;
use super::failure::{failed, reading_refused, refused};
use super::options::{GLANCE_ANSWER_BYTES_MAX, GLANCE_BYTES_MAX, Options};
use super::replay::is_gone;
use super::store::Origin;
use super::transaction::wire_partition;
use crate::Error;

const POLL_WAIT: Duration = Duration::from_millis(100);
/// The most that are looked at side by side: what the client fetches of each fits into one answer.
const GLANCED_AT_ONCE_MAX: usize = GLANCE_ANSWER_BYTES_MAX / GLANCE_BYTES_MAX;

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

/// What a look at origins came to.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Whether it lies where it was. Nothing of one that cannot be told, since what lay there was deleted with all before it.
    pub(super) told: HashMap<u32, bool>,
    /// Not read in time.
    pub(super) late: HashSet<u32>,
}

/// Looks at origins, with a client of its own: one that reads changelogs fetches a megabyte behind each of these records, and would be led
/// away from what it reads. The client is kept from one look to the next, with its connections and what is on its way to it.
pub(super) struct Glance {
    /// Made when it is first needed.
    client: Option<BaseConsumer<Quiet>>,
    /// So many are looked at side by side: fewer after a look that told nothing, since an answer comes as a whole.
    at_once: usize,
}

impl Glance {
    pub(super) fn new() -> Self {
        Self { client: None, at_once: GLANCED_AT_ONCE_MAX }
    }

    /// Nothing more is looked at for a while.
    pub(super) fn rest(&mut self) {
        self.client = None;
        self.at_once = GLANCED_AT_ONCE_MAX;
    }

    /// Of each of these partitions, whether its origin lies where it was. Reads one record of each, in `wait` at most, of which those that
    /// are looked at together have a share, and for as long as it `goes_on`. `make`: the client.
    ///
    /// Errors: the client cannot read; what was there a moment ago is gone.
    pub(super) fn recognise(
        &mut self,
        make: impl FnOnce() -> Result<BaseConsumer<Quiet>, Error>,
        place: (&str, &str),
        asked: &[(u32, Origin, Bounds)],
        wait: Duration,
        goes_on: impl Fn() -> bool,
    ) -> Result<Looked, Error> {
        let mut looked = Looked::default();
        let mut left: Vec<(u32, &Origin)> = Vec::new();
        for (partition, origin, (begin, end)) in asked {
            if origin.offset >= *end {
                looked.told.insert(*partition, false);
            } else if origin.offset >= *begin {
                left.push((*partition, origin));
            }
        }
        if left.is_empty() {
            return Ok(looked);
        }
        let client = match self.client.take() {
            Some(client) => client,
            None => make()?,
        };
        let (deadline, had_told) = (Instant::now() + wait, looked.told.len());
        let mut shares = left.len().div_ceil(self.at_once) as u32;
        for some in left.chunks(self.at_once) {
            let mut left: HashMap<u32, &Origin> = some.iter().copied().collect();
            let until = Instant::now() + deadline.saturating_duration_since(Instant::now()) / shares;
            shares -= 1;
            glance(&client, place, &mut left, &mut looked.told, || goes_on() && Instant::now() < until)?;
            looked.late.extend(left.into_keys());
        }
        self.at_once = match looked.told.len() > had_told {
            true => GLANCED_AT_ONCE_MAX,
            false => (self.at_once / 2).max(1),
        };
        self.client = Some(client);
        Ok(looked)
    }
}

/// A client for [`Glance`], of whoever is named so; `group` as the cluster knows it.
pub(super) fn glancing(options: &Options, name: &str, group: &str) -> Result<BaseConsumer<Quiet>, Error> {
    let config = options.glancing(&format!("{name}-glance"), group);
    BaseConsumer::from_config_and_context(&config, Quiet).map_err(refused)
}

/// At those that are left, until none is or it goes on no longer.
fn glance(
    consumer: &BaseConsumer<Quiet>,
    (topic, group): (&str, &str),
    left: &mut HashMap<u32, &Origin>,
    told: &mut HashMap<u32, bool>,
    goes_on: impl Fn() -> bool,
) -> Result<(), Error> {
    const DOING: &str = "look at the changelog";
    let mut places = TopicPartitionList::new();
    for (partition, origin) in left.iter() {
        places
            .add_partition_offset(topic, wire_partition(*partition), Offset::Offset(origin.offset))
            .map_err(failed("name a place in the changelog"))?;
    }
    let key = origin_key(group);
    consumer.assign(&places).map_err(failed(DOING))?;
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
            Some(Err(problem)) => {
                if let Some(refused) = reading_refused(&problem, [topic]) {
                    return Err(refused);
                }
                if is_gone(&problem) {
                    return Err(failed(DOING)(problem));
                }
                // The client goes on by itself once the brokers answer.
                debug!(%problem, "looking at the changelog");
            }
            None => {}
        }
    }
    Ok(())
}
