//! Dead letters: what could not be processed, and how it is sent again.
//!
//! That a dead letter was replayed is itself a record on the dead letters' topic, written in one write with the replayed record: so
//! nothing is replayed without being marked, or marked without being replayed.
use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use domain::Timestamp;
use runtime::log::Limits;
use runtime::shard::{
    HEADER_KEY, HEADER_KIND, HEADER_LEFT_OUT, HEADER_OFFSET, HEADER_PARTITION, HEADER_PROCESSOR,
    HEADER_REASON, HEADER_TIMER_NAME, HEADER_TIMESTAMP_MS, HEADER_TOPIC,
};
use runtime::{Outgoing, Record};
use schemas::topics::DEAD_LETTERS;
use serde::{Deserialize, Serialize};

use super::Operations;
use super::topics::{hex, text};
use crate::control::{DeadLetterFilter, Receipt, Replay};
use crate::exit::Refused;

const READ: Limits = Limits { records_max: 1_000, bytes_max: 8 << 20 };
/// The kind of a record that says of a dead letter that it was replayed.
const KIND_REPLAYED: &str = "replayed";
const KIND_RECORD: &str = "record";
/// On the mark: which dead letter, as `partition:offset`.
const HEADER_REPLAYED: &str = "dead-letter-replayed";
/// On the mark: where the replayed record lies, as `topic/partition:offset` says it; known only up to the topic before it is written.
const HEADER_REPLAYED_TO: &str = "dead-letter-replayed-to";
/// On the replayed record: which dead letter it was, as `partition:offset`.
pub const HEADER_REPLAYED_FROM: &str = "orderstream-replayed-from";
/// All headers that the shard added begin with this.
const HEADER_PREFIX: &str = "dead-letter-";
/// The most dead letters that one command replays: each is a write of its own, and somebody waits.
const REPLAYED_MAX: usize = 10_000;

/// A dead letter at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// `partition:offset` on the dead letters' topic.
    pub id: String,
    /// When it became a dead letter.
    pub at: String,
    /// `record` or `timer`; absent where its headers had no room.
    pub kind: Option<String>,
    pub reason: Option<String>,
    /// Where the record lay.
    pub topic: Option<String>,
    pub partition: Option<u32>,
    pub offset: Option<i64>,
    /// Whose timer it was.
    pub processor: Option<String>,
    pub timer: Option<String>,
    pub key: Option<String>,
    pub value_bytes: usize,
    /// What of the record is not here, since no record may be so large; absent: all of it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// When it was sent again, the last time; absent: it was not.
    pub replayed_at: Option<String>,
}

/// A dead letter, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LetterView {
    #[serde(flatten)]
    pub letter: Letter,
    /// When the original was produced, or the timer was due.
    pub original_at: Option<String>,
    /// The record's own headers.
    pub headers: BTreeMap<String, String>,
    /// The original bytes, where they are text.
    pub value: Option<String>,
    /// The original bytes as hex, where they are not.
    pub value_hex: Option<String>,
    /// The record as JSON, where the bytes can be read as one by now.
    pub decoded: Option<serde_json::Value>,
}

/// What became of one dead letter that was to be replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    pub id: String,
    /// Where the replayed record lies; absent: it was not replayed.
    pub topic: Option<String>,
    pub partition: Option<u32>,
    pub offset: Option<i64>,
    /// Why it was not.
    pub refused: Option<String>,
}

pub fn id(partition: u32, offset: i64) -> String {
    format!("{partition}:{offset}")
}

fn header_bytes<'r>(record: &'r Record, name: &str) -> Option<&'r [u8]> {
    // The shard's own headers stand last: a record that brought some of the same name does not hide them.
    record.headers.iter().rev().find(|(found, _)| &**found == name).map(|(_, value)| &**value)
}

fn header<'r>(record: &'r Record, name: &str) -> Option<&'r str> {
    std::str::from_utf8(header_bytes(record, name)?).ok()
}

/// What of it is not here.
fn left_out(record: &Record) -> Option<&str> {
    // An outsider may have brought a header of this name.
    header(record, HEADER_LEFT_OUT).filter(|_| record.value.is_none())
}

fn is_mark(record: &Record) -> bool {
    header(record, HEADER_KIND) == Some(KIND_REPLAYED)
}

fn letter(record: &Record, replayed_at_ms: Option<i64>) -> Letter {
    let owned = |name: &str| header(record, name).map(str::to_owned);
    Letter {
        id: id(record.partition, record.offset),
        at: Timestamp(record.timestamp_ms).to_string(),
        kind: owned(HEADER_KIND),
        reason: owned(HEADER_REASON),
        topic: owned(HEADER_TOPIC),
        partition: header(record, HEADER_PARTITION).and_then(|text| text.parse().ok()),
        offset: header(record, HEADER_OFFSET).and_then(|text| text.parse().ok()),
        processor: owned(HEADER_PROCESSOR),
        timer: owned(HEADER_TIMER_NAME),
        key: record.key.as_deref().or_else(|| header_bytes(record, HEADER_KEY)).map(text),
        value_bytes: record.value.as_ref().map_or(0, Bytes::len),
        left_out: left_out(record).map(str::to_owned),
        replayed_at: replayed_at_ms.map(|at| Timestamp(at).to_string()),
    }
}

/// Dead letters, and which of them were replayed and when.
struct Letters {
    records: Vec<Record>,
    replayed_at_ms: BTreeMap<String, i64>,
}

impl Letters {
    fn replayed_at_ms(&self, record: &Record) -> Option<i64> {
        self.replayed_at_ms.get(&id(record.partition, record.offset)).copied()
    }
}

impl Operations {
    /// Those that the filter finds, its limit apart; the newest first.
    ///
    /// # Errors
    /// There is no topic of the filter's name.
    fn letters(&self, filter: &DeadLetterFilter) -> anyhow::Result<Letters> {
        if let Some(topic) = &filter.topic {
            self.known_topic(topic)?;
        }
        let mut letters = Letters { records: Vec::new(), replayed_at_ms: BTreeMap::new() };
        for (partition, end) in (0..).zip(self.store.log.end_offsets(DEAD_LETTERS)?) {
            let mut from = 0;
            while from < end {
                let records = self.store.log.read_range(DEAD_LETTERS, partition, from, READ)?;
                let Some(last) = records.last() else { break };
                from = last.offset + 1;
                for record in records {
                    if !is_mark(&record) {
                        letters.records.extend(is_meant(&record, filter).then_some(record));
                    } else if let Some(of) = header(&record, HEADER_REPLAYED) {
                        letters.replayed_at_ms.insert(of.to_owned(), record.timestamp_ms);
                    }
                }
            }
        }
        if filter.open_only {
            let replayed_at_ms = &letters.replayed_at_ms;
            let is_open =
                |record: &Record| !replayed_at_ms.contains_key(&id(record.partition, record.offset));
            letters.records.retain(is_open);
        }
        letters
            .records
            .sort_by_key(|record| std::cmp::Reverse((record.timestamp_ms, record.partition, record.offset)));
        Ok(letters)
    }

    pub(super) fn list_dead_letters(&self, filter: &DeadLetterFilter) -> anyhow::Result<Vec<Letter>> {
        let letters = self.letters(filter)?;
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        let shown = letters.records.iter().take(limit);
        Ok(shown.map(|record| letter(record, letters.replayed_at_ms(record))).collect())
    }

    /// How many there are, and how many of them were not replayed.
    pub(super) fn count_dead_letters(&self) -> anyhow::Result<(usize, usize)> {
        let letters = self.letters(&DeadLetterFilter::default())?;
        let open = letters.records.iter().filter(|record| letters.replayed_at_ms(record).is_none());
        Ok((letters.records.len(), open.count()))
    }

    pub(super) fn show_dead_letter(&self, place: &Receipt) -> anyhow::Result<LetterView> {
        let letters = self.letters(&DeadLetterFilter::default())?;
        let record = find(&letters, place)?;
        let own = |name: &str| !name.starts_with(HEADER_PREFIX);
        let original_ms = header(record, HEADER_TIMESTAMP_MS).and_then(|text| text.parse().ok());
        let value = record.value.as_deref().unwrap_or_default();
        let value_text = std::str::from_utf8(value).ok().map(str::to_owned);
        Ok(LetterView {
            letter: letter(record, letters.replayed_at_ms(record)),
            original_at: original_ms.map(|at| Timestamp(at).to_string()),
            headers: record
                .headers
                .iter()
                .filter(|(name, _)| own(name))
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            value_hex: value_text.is_none().then(|| hex(value)),
            value: value_text,
            decoded: self.store.codec.decode_shown(value).ok().map(|(_, value)| value),
        })
    }

    /// Sends again what was asked for, the oldest first; each is its own write, and what one refuses does not keep the next.
    pub(super) fn replay_dead_letters(&self, replay: &Replay) -> anyhow::Result<Vec<Replayed>> {
        let letters = self.letters(&replay.filter)?;
        let meant: Vec<&Record> = if replay.ids.is_empty() {
            // Those that cannot be sent again are no reason to send none: `--all` means what it can.
            let can = |record: &&Record| self.again(record).is_ok();
            letters.records.iter().rev().filter(can).take(REPLAYED_MAX).collect()
        } else {
            replay.ids.iter().map(|place| find(&letters, place)).collect::<anyhow::Result<_>>()?
        };
        let mut done = Vec::new();
        for record in meant {
            let id = id(record.partition, record.offset);
            let before = letters.replayed_at_ms(record).filter(|_| !replay.again);
            let outcome = match before {
                Some(at) if replay.ids.is_empty() => {
                    tracing::debug!(id, at, "dead letter was replayed before, and is passed over");
                    continue;
                }
                Some(at) => Err(format!("it was replayed at {}; --again sends it once more", Timestamp(at))),
                None => self.again(record),
            };
            done.push(match outcome {
                Ok(again) => self.send_again(id, record, again)?,
                Err(refused) => {
                    Replayed { id, topic: None, partition: None, offset: None, refused: Some(refused) }
                }
            });
        }
        Ok(done)
    }

    /// The record as it is sent again.
    ///
    /// # Errors
    /// Why it cannot be, in words.
    fn again(&self, record: &Record) -> Result<Outgoing, String> {
        let kind = header(record, HEADER_KIND);
        if kind != Some(KIND_RECORD) {
            let timer = header(record, HEADER_TIMER_NAME).unwrap_or_default();
            let processor = header(record, HEADER_PROCESSOR).unwrap_or_default();
            return Err(match kind {
                Some(_) => format!(
                    "it was timer \"{timer}\" of processor {processor}, and a timer is no record; what it was for is found by the \
                     stuck-order scan"
                ),
                None => "its own headers left no room to note where it came from".to_owned(),
            });
        }
        if let Some(left_out) = left_out(record) {
            return Err(format!(
                "no record may be as large as it was, and part of it was left out: {left_out}"
            ));
        }
        if record.key.is_none() && header_bytes(record, HEADER_KEY).is_some() {
            return Err("its key is longer than any may be".to_owned());
        }
        let topic = header(record, HEADER_TOPIC).ok_or("it does not say which topic it came from")?;
        let spec = self.store.log.topics().get(topic);
        let spec = spec.ok_or_else(|| format!("its topic \"{topic}\" is not there any more"))?;
        let partition = header(record, HEADER_PARTITION).and_then(|text| text.parse::<u32>().ok());
        let own = record
            .headers
            .iter()
            .filter(|(name, _)| !name.starts_with(HEADER_PREFIX) && &**name != HEADER_REPLAYED_FROM);
        let from = (Arc::from(HEADER_REPLAYED_FROM), Bytes::from(id(record.partition, record.offset)));
        Ok(Outgoing {
            topic: topic.into(),
            // Where it lay: a record may have been sent there on purpose, whatever its key.
            partition: partition.filter(|partition| *partition < spec.partitions),
            key: record.key.clone(),
            value: record.value.clone(),
            headers: own.cloned().chain([from]).collect(),
            timestamp_ms: self.store.clock.now_ms(),
        })
    }

    /// The record and the mark in one write.
    fn send_again(&self, id: String, record: &Record, again: Outgoing) -> anyhow::Result<Replayed> {
        let topic = again.topic.to_string();
        let headers = [
            (HEADER_KIND, KIND_REPLAYED.to_owned()),
            (HEADER_REPLAYED, id.clone()),
            (HEADER_REPLAYED_TO, topic.clone()),
        ];
        let mark = Outgoing {
            topic: DEAD_LETTERS.into(),
            partition: Some(record.partition),
            key: record.key.clone(),
            value: Some(Bytes::new()),
            headers: headers.map(|(name, value)| (Arc::from(name), Bytes::from(value))).into(),
            timestamp_ms: again.timestamp_ms,
        };
        let placed = self.store.log.producer().send(&[again, mark]);
        let placed = placed.with_context(|| format!("dead letter {id}"))?;
        let (partition, offset) = placed.first().copied().context("the log gave no offset")?;
        Ok(Replayed {
            id,
            topic: Some(topic),
            partition: Some(partition),
            offset: Some(offset),
            refused: None,
        })
    }
}

fn is_meant(record: &Record, filter: &DeadLetterFilter) -> bool {
    filter.since_ms.is_none_or(|since| record.timestamp_ms >= since)
        && filter.topic.as_deref().is_none_or(|topic| header(record, HEADER_TOPIC) == Some(topic))
}

fn find<'l>(letters: &'l Letters, place: &Receipt) -> anyhow::Result<&'l Record> {
    let is_it = |record: &&Record| (record.partition, record.offset) == (place.partition, place.offset);
    let missing = || {
        Refused(format!(
            "there is no dead letter {}; `orderstream dlq list` shows their ids",
            id(place.partition, place.offset)
        ))
    };
    Ok(letters.records.iter().find(is_it).ok_or_else(missing)?)
}
