//! The log as the projection takes it: which topics, which records, where they begin and end.
use anyhow::{Context, bail};
use domain::Timestamp;
use projection::{Applied, End, Projected};
use runtime::Record;
use runtime::log::Limits;
use schemas::codec::{self, Codec};
use schemas::topics::{self, Retention};

use super::Store;

/// Everything that the projection is made from.
pub const TOPICS: [&str; 5] = [
    topics::ORDER_EVENTS,
    topics::PRODUCT_EVENTS,
    topics::BILLING_INTENTS,
    topics::NOTIFICATIONS,
    topics::DOWNSTREAM_HEALTH,
];

/// A record as the projection takes it; one that cannot be read moves the position and is said so.
///
/// One that only a newer version knows is not waited for, as processors do: nothing is decided here, and all that is asked on this process
/// would go unanswered for as long as an upgrade takes. It leaves a hole, which is said, and the log keeps what fills it.
pub fn applied(codec: &Codec, record: &Record) -> Applied {
    let event = decoded(codec, record).unwrap_or_else(|error| {
        let consequence = match error.downcast_ref() {
            // What processors keep has names of two parts, and is no event of any version.
            Some(codec::Error::RecordUnknown { found, .. }) if !found.contains('.') => {
                "a newer version wrote this event, the projection lacks what it says until that version makes it anew \
                 (orderstream projection rebuild)"
            }
            Some(_) | None => "event could not be read, the projection passes over it",
        };
        tracing::error!(topic = %record.topic, partition = record.partition, offset = record.offset,
            error = format!("{error:#}"), "{consequence}");
        Projected::Skip
    });
    let partition = i32::try_from(record.partition).unwrap_or(i32::MAX);
    let at = Timestamp(record.timestamp_ms);
    Applied { topic: record.topic.to_string(), partition, offset: record.offset, at, event }
}

/// Why one of these records cannot be read now, and may be the next time: a registry that is away is not asked in vain for ever.
pub fn unexplained(codec: &Codec, records: &[Record]) -> Option<String> {
    let values = records.iter().filter_map(|record| record.value.as_deref());
    let mut errors = values.filter_map(|value| codec.record_name(value).err());
    errors.find(codec::Error::is_passing).map(|error| format!("{:#}", anyhow::Error::from(error)))
}

fn decoded(codec: &Codec, record: &Record) -> anyhow::Result<Projected> {
    let Some(value) = record.value.as_deref() else {
        // Compacted topics mark by it what is gone; nobody does so with what we show.
        bail!("a tombstone");
    };
    if &*record.topic == topics::ORDER_EVENTS {
        return Ok(Projected::Order(codec.decode_event(value)?));
    }
    match codec.record_name(value)? {
        "ProductChanged" => Ok(Projected::ProductChanged(Box::new(codec.decode(value)?))),
        "ProductReportRefused" => Ok(Projected::ProductReportRefused(Box::new(codec.decode(value)?))),
        "BillingIntent" => Ok(Projected::Billing(Box::new(codec.decode(value)?))),
        "Notification" => Ok(Projected::Notification(Box::new(codec.decode(value)?))),
        "DownstreamHealth" => Ok(Projected::Health(Box::new(codec.decode(value)?))),
        other => bail!("a record \"{other}\""),
    }
}

/// How far the log goes now, by topic and partition.
///
/// # Errors
/// The log cannot be read.
pub fn ends(store: &Store) -> anyhow::Result<Vec<End>> {
    let mut ends = Vec::new();
    for topic in TOPICS {
        for (partition, end_offset) in (0..).zip(store.log.end_offsets(topic)?) {
            ends.push(End { topic: topic.to_owned(), partition, end_offset });
        }
    }
    Ok(ends)
}

/// Where a partition begins later than it once did: what came before is deleted by its retention.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    pub topic: String,
    pub partition: u32,
    /// The first offset that is left.
    pub begins_at_offset: i64,
    /// When it was written; absent where nothing is left.
    #[serde(serialize_with = "shown_or_null")]
    pub begins_at: Option<Timestamp>,
}

fn shown_or_null<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&at.map(|at| at.to_string()), serializer)
}

/// What is missing at the beginning of the log. Of a compacted topic nothing is: it keeps the last record of each key.
///
/// # Errors
/// The log cannot be read.
pub fn gaps(store: &Store) -> anyhow::Result<Vec<Gap>> {
    let one = Limits { records_max: 1, bytes_max: usize::MAX };
    let mut gaps = Vec::new();
    for topic in TOPICS {
        let declared = topics::topic(topic).context("a topic that is declared")?;
        if declared.retention == Retention::Compacted {
            continue;
        }
        for (partition, begins_at_offset) in (0..).zip(store.log.earliest_offsets(topic)?) {
            if begins_at_offset > 0 {
                let first = store.log.read_range(topic, partition, begins_at_offset, one)?.pop();
                let begins_at = first.map(|record| Timestamp(record.timestamp_ms));
                gaps.push(Gap { topic: topic.to_owned(), partition, begins_at_offset, begins_at });
            }
        }
    }
    Ok(gaps)
}
