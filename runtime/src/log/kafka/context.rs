//! What the client tells by itself: rebalances, acknowledgements, its own log.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use tracing::{debug, error, warn};

use super::failure::is_forbidden;

/// Of clients that only ask, read by hand, or send from outside.
#[derive(Debug, Default)]
pub(crate) struct Quiet;

/// Of a client that asks before anything else, and has to say why nobody answers.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    told: Mutex<Told>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Why no connection came about, where that is a matter of users, passwords or certificates: nobody gets further by waiting.
    pub(crate) refusal: Option<String>,
    /// Whatever the client told last.
    pub(crate) last: Option<String>,
}

impl Asking {
    pub(crate) fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The client repeats itself while brokers are away: what is not of use to an operator is for whoever debugs.
fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            error!(facility, message, "Kafka client");
        }
        _ => debug!(facility, message, "Kafka client"),
    }
}

fn tell(error: &KafkaError, reason: &str) {
    if is_refusal(error, reason) {
        warn!(reason, "brokers refuse the connection; see the security settings of the log");
    } else if is_forbidden(error) {
        warn!(reason, "brokers refuse what this user has no right to");
    } else {
        debug!(%error, reason, "Kafka client");
    }
}

/// Whether user, password or certificates are to blame.
fn is_refusal(error: &KafkaError, reason: &str) -> bool {
    // By TLS 1.3 a broker refuses our certificate once the handshake is over: to the client that is a connection that broke.
    const ALERT: &str = "SSL alert number";
    let code = error.rdkafka_error_code();
    matches!(code, Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL)) || reason.contains(ALERT)
}

macro_rules! logged_context {
    ($context:ty $(, $more:item)?) => {
        impl ClientContext for $context {
            $($more)?

            fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
                log(level, facility, message);
            }

            fn error(&self, error: KafkaError, reason: &str) {
                tell(&error, reason);
            }
        }
    };
}

logged_context!(Quiet);
logged_context!(
    MemberContext,
    fn stats(&self, statistics: Statistics) {
        self.take_ends(statistics);
    }
);
logged_context!(RingContext);

impl ConsumerContext for Quiet {}

impl ClientContext for Asking {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "Kafka client");
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match error.rdkafka_error_code() {
            _ if is_refusal(&error, reason) => told.refusal = Some(reason.to_owned()),
            // It follows from the others, and says less.
            Some(RDKafkaErrorCode::AllBrokersDown) => {}
            _ => told.last = Some(reason.to_owned()),
        }
    }
}

impl ConsumerContext for Asking {}

/// What the group decided about a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rebalance {
    Assigned(Vec<u32>),
    /// To be given up; the group waits until it is.
    Revoked(Vec<u32>),
    /// Another's already.
    Lost(Vec<u32>),
}

/// Keeps the group's decisions until the member is ready to carry them out: before it gives partitions up it commits.
#[derive(Debug, Default)]
pub(crate) struct MemberContext {
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// The member is going away: nobody is left to carry anything out.
    closing: AtomicBool,
    /// Of each topic and partition that is read: its end, as the brokers told last.
    ends: Mutex<HashMap<String, HashMap<u32, i64>>>,
}

impl MemberContext {
    pub(crate) fn take(&self) -> Option<Rebalance> {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// It could not be carried out yet.
    pub(crate) fn put_back(&self, rebalance: Rebalance) {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_front(rebalance);
    }

    pub(crate) fn ends(&self) -> HashMap<String, HashMap<u32, i64>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take_ends(&self, statistics: Statistics) {
        let of_topic = |partitions: HashMap<i32, rdkafka::statistics::Partition>| {
            let end = |(partition, of): (i32, rdkafka::statistics::Partition)| {
                Some((u32::try_from(partition).ok()?, of.ls_offset))
            };
            partitions.into_iter().filter_map(end).collect()
        };
        let ends =
            statistics.topics.into_iter().map(|(name, topic)| (name, of_topic(topic.partitions))).collect();
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, told: &mut TopicPartitionList) {
        let assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let done = if assigned {
                consumer.incremental_assign(&TopicPartitionList::new())
            } else {
                consumer.assignment().and_then(|held| consumer.incremental_unassign(&held))
            };
            if let Err(problem) = done {
                debug!(%problem, "partitions could not be given up in closing");
            }
            return;
        }
        let partitions =
            told.elements().iter().filter_map(|element| u32::try_from(element.partition()).ok()).collect();
        let rebalance = match assigned {
            true => Rebalance::Assigned(partitions),
            false if consumer.assignment_lost() => Rebalance::Lost(partitions),
            false => Rebalance::Revoked(partitions),
        };
        debug!(?rebalance, "group decided");
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalance);
    }
}

/// How the records of one transaction fared.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    pub(crate) failure: Option<KafkaError>,
    /// Of the changelog: per partition, the offset behind the last record.
    pub(crate) changelog: HashMap<u32, i64>,
    /// Per partition, the offset of an origin.
    pub(crate) origins: HashMap<u32, i64>,
}

/// Marks a record of the changelog among those on their way.
pub(crate) const OF_CHANGELOG: usize = 1;
pub(crate) const OF_OUTPUT: usize = 0;
/// A record of the changelog too, and one by which the topic is known again.
pub(crate) const OF_ORIGIN: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct RingContext {
    delivered: Mutex<Delivered>,
}

impl RingContext {
    pub(crate) fn take(&self) -> Delivered {
        std::mem::take(&mut self.delivered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ProducerContext for RingContext {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, what: usize) {
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(_) if what == OF_OUTPUT => {}
            Ok(record) => {
                let partition =
                    u32::try_from(record.partition()).expect("a record that lies has a partition");
                let next_offset = delivered.changelog.entry(partition).or_default();
                *next_offset = record.offset().saturating_add(1).max(*next_offset);
                if what == OF_ORIGIN {
                    delivered.origins.insert(partition, record.offset());
                }
            }
            // The first says why; those behind it only that they were dropped with it.
            Err((problem, _)) => {
                delivered.failure.get_or_insert_with(|| problem.clone());
            }
        }
    }
}
