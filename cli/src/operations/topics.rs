//! What lies on the topics, and who has read how much of it.
use anyhow::bail;
use runtime::Record;
use runtime::log::Limits;
use schemas::codec::Codec;
use schemas::topics::{self, Retention};
use serde::{Deserialize, Serialize};

use super::Operations;
use crate::control::ReadTopic;
use crate::exit::Refused;
use crate::service::SIMULATED_GROUP;

/// The most records in one answer, and about the most bytes that are read for it.
pub const PAGE_RECORDS_MAX: usize = 1_000;
const PAGE_BYTES_MAX: usize = 8 << 20;
/// How many records are looked through for one answer where only some are wanted.
const LOOKED_AT_MAX: usize = 100_000;
/// How alike (0 to 1) a name must be to be proposed.
const NEARNESS_MIN: f64 = 0.8;
/// The name under which the projection is shown: its positions lie in the projection itself, not on the log.
pub const PROJECTION_GROUP: &str = "projection";

/// A topic at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicLine {
    pub name: String,
    /// What the records are keyed by, in words.
    pub key: String,
    pub partitions: u32,
    /// How many there are now, gaps of compaction counted.
    pub records: i64,
    /// How many there ever were.
    pub records_written: i64,
    pub compacted: bool,
    /// How long a record stays at least; absent: for ever.
    pub retention_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionView {
    pub partition: u32,
    /// The first offset that is left.
    pub begin: i64,
    /// The offset that the next record gets.
    pub end: i64,
    /// Of all its records, before compression; absent where nobody counts them.
    pub bytes: Option<u64>,
}

/// How far a group has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupView {
    pub group: String,
    /// By partition; absent where it has read nothing yet.
    pub positions: Vec<Option<i64>>,
    /// How many records it has still to read.
    pub lag: i64,
    /// The same by partition; empty in what earlier versions answer.
    #[serde(default)]
    pub lags: Vec<i64>,
}

impl GroupView {
    /// `bounds`: of each partition, where it begins and ends.
    fn of(group: String, positions: Vec<Option<i64>>, bounds: &[(i64, i64)]) -> GroupView {
        let stands = positions.iter().zip(bounds);
        let lags = stands.map(|(next, (begin, end))| (end - next.unwrap_or(0).max(*begin)).max(0));
        let lags: Vec<i64> = lags.collect();
        GroupView { group, positions, lag: lags.iter().sum(), lags }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicView {
    #[serde(flatten)]
    pub line: TopicLine,
    /// The names of its Avro records.
    pub record_types: Vec<String>,
    pub written_by: Vec<String>,
    pub read_by: Vec<String>,
    pub partition_list: Vec<PartitionView>,
    pub groups: Vec<GroupView>,
}

/// A record as people and programs read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordView {
    pub partition: u32,
    pub offset: i64,
    /// When it was produced.
    pub at: String,
    pub key: Option<String>,
    /// The name of its Avro record; absent for bytes of somebody else.
    pub record: Option<String>,
    pub headers: serde_json::Map<String, serde_json::Value>,
    /// The record as JSON; a text where it is no record of ours.
    pub value: serde_json::Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordPage {
    pub records: Vec<RecordView>,
    /// Where to go on.
    pub next: i64,
    /// The partition's end as it was.
    pub end: i64,
}

impl Operations {
    pub(super) fn list_topics(&self) -> anyhow::Result<Vec<TopicLine>> {
        let specs: Vec<_> = self.store.log.topics().iter().cloned().collect();
        specs.iter().map(|spec| self.topic_line(spec)).collect()
    }

    fn topic_line(&self, spec: &runtime::TopicSpec) -> anyhow::Result<TopicLine> {
        let begins: i64 = self.store.log.earliest_offsets(&spec.name)?.iter().sum();
        let ends: i64 = self.store.log.end_offsets(&spec.name)?.iter().sum();
        let declared = topics::topic(&spec.name);
        Ok(TopicLine {
            name: spec.name.to_string(),
            key: declared.map(|topic| topic.key.to_owned()).unwrap_or_default(),
            partitions: spec.partitions,
            records: ends - begins,
            records_written: ends,
            compacted: declared.is_some_and(|topic| topic.retention == Retention::Compacted),
            retention_ms: spec.retention_ms,
        })
    }

    pub(super) fn describe_topic(&self, topic: &str) -> anyhow::Result<TopicView> {
        let spec = self.known_topic(topic)?;
        let log = &self.store.log;
        let (begins, ends) = (log.earliest_offsets(topic)?, log.end_offsets(topic)?);
        let bytes = log.partition_bytes(topic)?;
        let bytes_of = |partition: u32| bytes.as_ref().and_then(|all| all.get(partition as usize).copied());
        let partitions = (0..).zip(begins.iter().zip(&ends));
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let declared = topics::topic(topic);
        Ok(TopicView {
            line: self.topic_line(&spec)?,
            record_types: declared.map(|topic| owned(topic.records)).unwrap_or_default(),
            written_by: declared.map(|topic| owned(topic.written_by)).unwrap_or_default(),
            read_by: declared.map(|topic| owned(topic.read_by)).unwrap_or_default(),
            partition_list: partitions
                .map(|(partition, (begin, end))| PartitionView {
                    partition,
                    begin: *begin,
                    end: *end,
                    bytes: bytes_of(partition),
                })
                .collect(),
            groups: self.groups(topic)?,
        })
    }

    /// All groups that have read of the topic, the projection among them.
    pub(super) fn groups(&self, topic: &str) -> anyhow::Result<Vec<GroupView>> {
        let mut groups = self.groups_of_log(topic)?;
        groups.extend(self.group_of_projection(topic)?);
        Ok(groups)
    }

    /// Those whose positions the log keeps.
    pub(super) fn groups_of_log(&self, topic: &str) -> anyhow::Result<Vec<GroupView>> {
        let bounds = self.bounds(topic)?;
        let groups = self.store.log.groups(topic, &self.known_groups())?.into_iter();
        Ok(groups.map(|group| GroupView::of(group.name, group.next_offsets, &bounds)).collect())
    }

    /// The projection, which keeps its positions itself; none for a topic that it does not read.
    pub(super) fn group_of_projection(&self, topic: &str) -> anyhow::Result<Option<GroupView>> {
        if topic != topics::ORDER_EVENTS && topic != topics::PRODUCT_EVENTS {
            return Ok(None);
        }
        let (bounds, known) = (self.bounds(topic)?, self.projection_positions()?);
        let next = |partition: i32| {
            known.iter().find(|((name, at), _)| name == topic && *at == partition).map(|(_, next)| *next)
        };
        let positions = (0..).zip(&bounds).map(|(partition, _)| next(partition)).collect();
        Ok(Some(GroupView::of(PROJECTION_GROUP.to_owned(), positions, &bounds)))
    }

    /// Of each partition, where it begins and ends.
    fn bounds(&self, topic: &str) -> anyhow::Result<Vec<(i64, i64)>> {
        let log = &self.store.log;
        Ok(log.earliest_offsets(topic)?.into_iter().zip(log.end_offsets(topic)?).collect())
    }

    /// The groups that are ours.
    pub(super) fn known_groups(&self) -> Vec<&str> {
        let own = self.settings.subtopologies.iter().map(|group| group.name.as_str());
        own.chain([SIMULATED_GROUP]).collect()
    }

    /// The topic's own settings.
    ///
    /// # Errors
    /// There is none of this name; the nearest names are said.
    pub(super) fn known_topic(&self, topic: &str) -> anyhow::Result<runtime::TopicSpec> {
        if let Some(spec) = self.store.log.topics().get(topic) {
            return Ok(spec.clone());
        }
        let names = self.store.log.topics().iter().map(|spec| &*spec.name);
        let nearest =
            names.map(|name| (strsim::jaro_winkler(name, topic), name)).max_by(|a, b| a.0.total_cmp(&b.0));
        let nearest = nearest.filter(|(nearness, _)| *nearness >= NEARNESS_MIN);
        let nearest = nearest.map_or(";".to_owned(), |(_, name)| format!("; did you mean \"{name}\"?"));
        let message =
            format!("there is no topic \"{topic}\"{nearest} `orderstream topics list` shows all names");
        Err(Refused(message).into())
    }

    pub(super) fn read_topic(&self, asked: &ReadTopic) -> anyhow::Result<RecordPage> {
        let spec = self.known_topic(&asked.topic)?;
        if asked.partition >= spec.partitions {
            bail!(
                "topic \"{}\" has no partition {}; it has {}, counted from 0",
                asked.topic,
                asked.partition,
                spec.partitions
            );
        }
        let records_max = asked.records_max.clamp(1, PAGE_RECORDS_MAX);
        let end = self.store.log.end_offsets(&asked.topic)?[asked.partition as usize];
        let (mut records, mut next, mut looked_at) = (Vec::new(), asked.from, 0);
        while records.len() < records_max && looked_at < LOOKED_AT_MAX && next < end {
            let limits = Limits { records_max: PAGE_RECORDS_MAX, bytes_max: PAGE_BYTES_MAX };
            let found = self.store.log.read_range(&asked.topic, asked.partition, next, limits)?;
            let Some(last) = found.last() else { break };
            next = last.offset + 1;
            looked_at += found.len();
            let is_meant = |record: &&Record| {
                asked.key.as_deref().is_none_or(|key| record.key.as_deref() == Some(key.as_bytes()))
            };
            for record in found.iter().filter(is_meant) {
                if records.len() == records_max {
                    next = record.offset;
                    break;
                }
                records.push(shown(&self.store.codec, record));
            }
        }
        // Behind the last record there may be gaps of compaction: they are passed over.
        Ok(RecordPage { records, next: if looked_at == 0 { end.max(asked.from) } else { next }, end })
    }
}

/// Bytes as text; what is no text as hex, and said so.
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("hex {}", hex(bytes)),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value that is no record of ours is shown as text.
pub(super) fn shown(codec: &Codec, record: &Record) -> RecordView {
    let headers = record.headers.iter().map(|(name, value)| (name.to_string(), text(value).into())).collect();
    let (name, value) = match record.value.as_deref().map(|value| codec.decode_shown(value)) {
        Some(Ok((name, value))) => (Some(name.to_owned()), value),
        Some(Err(_)) => (None, record.value.as_deref().map(text).into()),
        None => (None, serde_json::Value::Null),
    };
    RecordView {
        partition: record.partition,
        offset: record.offset,
        at: domain::Timestamp(record.timestamp_ms).to_string(),
        key: record.key.as_deref().map(text),
        record: name,
        headers,
        value,
    }
}
