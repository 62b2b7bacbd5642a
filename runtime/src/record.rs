//! Records, and the topics they lie on.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, partition_for};

/// Names and values, in the sequence in which they were given; a name may come twice.
pub type Headers = Vec<(Arc<str>, Bytes)>;

/// The largest record that any topic may allow: larger ones do not fit the memory that one batch may take.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// The longest key, of a record, a cell or a timer. A key is part of several index keys of the store.
pub const KEY_BYTES_MAX: usize = 4 << 10;
/// The most partitions of one topic.
pub const PARTITIONS_MAX: u32 = 4_096;

/// A record as it lies on the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub topic: Arc<str>,
    pub partition: u32,
    /// Its place within the partition. Rises, but not by one each: retention and compaction leave gaps.
    pub offset: i64,
    /// UTC milliseconds, as the producer gave it.
    pub timestamp_ms: i64,
    /// None: a record without a key, which is not the same as an empty key.
    pub key: Option<Bytes>,
    /// None: a tombstone, which deletes the key from a compacted topic.
    pub value: Option<Bytes>,
    pub headers: Headers,
}

impl Record {
    /// The bytes it takes on the log, framing aside.
    pub fn bytes(&self) -> usize {
        bytes(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }
}

/// A record on its way to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub topic: Arc<str>,
    /// None: chosen by the key's hash ([`partition_for`]); a record without a key counts as one with an empty key.
    pub partition: Option<u32>,
    /// None only where a record without a key is passed on, as to the dead-letter topic.
    pub key: Option<Bytes>,
    /// None: a tombstone.
    pub value: Option<Bytes>,
    pub headers: Headers,
    /// UTC milliseconds.
    pub timestamp_ms: i64,
}

impl Outgoing {
    /// The bytes it takes on the log, framing aside.
    pub fn bytes(&self) -> usize {
        bytes(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }
}

fn bytes(key: Option<&Bytes>, value: Option<&Bytes>, headers: &Headers) -> usize {
    let headers: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    key.map_or(0, Bytes::len) + value.map_or(0, Bytes::len) + headers
}

/// What the caller says of a topic at opening; the runtime knows no topic by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    pub name: Arc<str>,
    /// 1 to [`PARTITIONS_MAX`], and the same for as long as the topic exists.
    pub partitions: u32,
    /// Whether only the newest record of each key must be kept.
    pub compacted: bool,
    /// How long records are kept at least, after their timestamp; None: for ever.
    pub retention_ms: Option<i64>,
    /// The largest record, key and headers included; at most [`RECORD_BYTES_MAX`].
    pub record_bytes_max: usize,
}

impl TopicSpec {
    /// A topic that keeps everything, with the largest records there are.
    pub fn new(name: &str, partitions: u32) -> Self {
        Self {
            name: name.into(),
            partitions,
            compacted: false,
            retention_ms: None,
            record_bytes_max: RECORD_BYTES_MAX,
        }
    }
}

/// The topics that a log was opened with, by name.
#[derive(Clone, Debug, Default)]
pub struct Topics {
    specs: Vec<TopicSpec>,
    indexes: HashMap<Arc<str>, usize>,
}

impl Topics {
    /// Refuses a name given twice, no or too many partitions, and a record limit above [`RECORD_BYTES_MAX`].
    pub fn checked(specs: Vec<TopicSpec>) -> Result<Self, Error> {
        let mut indexes = HashMap::with_capacity(specs.len());
        for (index, spec) in specs.iter().enumerate() {
            let refused = |reason: String| Error::TopicRefused { topic: spec.name.clone(), reason };
            if spec.partitions == 0 || spec.partitions > PARTITIONS_MAX {
                return Err(refused(format!(
                    "{} partitions, allowed are 1 to {PARTITIONS_MAX}",
                    spec.partitions
                )));
            }
            if spec.record_bytes_max > RECORD_BYTES_MAX {
                return Err(refused(format!(
                    "records of {} bytes, allowed are {RECORD_BYTES_MAX}",
                    spec.record_bytes_max
                )));
            }
            if spec.name.is_empty() || spec.name.len() > KEY_BYTES_MAX {
                return Err(refused(format!("a name of {} bytes", spec.name.len())));
            }
            if indexes.insert(spec.name.clone(), index).is_some() {
                return Err(refused("named twice".to_owned()));
            }
        }
        Ok(Self { specs, indexes })
    }

    /// In the sequence in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &TopicSpec> {
        self.specs.iter()
    }

    pub fn get(&self, name: &str) -> Option<&TopicSpec> {
        self.indexes.get(name).map(|index| &self.specs[*index])
    }

    pub(crate) fn at(&self, index: usize) -> &TopicSpec {
        &self.specs[index]
    }

    pub(crate) fn index(&self, name: &str) -> Result<usize, Error> {
        self.indexes.get(name).copied().ok_or_else(|| Error::TopicUnknown { topic: name.into() })
    }

    /// Whether the record would be accepted: known topic, existing partition, key and size within limits.
    pub fn check(&self, outgoing: &Outgoing) -> Result<(), Error> {
        self.place(outgoing).map(|_| ())
    }

    /// The topic's index and the partition that the record goes to.
    pub(crate) fn place(&self, outgoing: &Outgoing) -> Result<(usize, u32), Error> {
        let index = self.index(&outgoing.topic)?;
        let spec = &self.specs[index];
        let key = outgoing.key.as_deref().unwrap_or_default();
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::KeyTooLong { key_bytes: key.len(), key_bytes_max: KEY_BYTES_MAX });
        }
        let record_bytes = outgoing.bytes();
        if record_bytes > spec.record_bytes_max {
            return Err(Error::RecordTooLarge {
                topic: spec.name.clone(),
                record_bytes,
                record_bytes_max: spec.record_bytes_max,
            });
        }
        let partition = outgoing.partition.unwrap_or_else(|| partition_for(key, spec.partitions));
        if partition >= spec.partitions {
            return Err(Error::PartitionUnknown {
                topic: spec.name.clone(),
                partition,
                partitions: spec.partitions,
            });
        }
        Ok((index, partition))
    }
}
