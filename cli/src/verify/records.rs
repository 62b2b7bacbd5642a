//! Every record on the log: it can be read, it lies where its key belongs, none is missing before it.
use std::collections::{BTreeMap, BTreeSet};

use domain::command::Feedback;
use runtime::Record;
use runtime::shard::{HEADER_OFFSET, HEADER_PARTITION, HEADER_TOPIC};
use schemas::topics::{self, Partitioning, Retention};
use schemas::{headers, own, tmf};

use super::{Check, Subject};

/// A record by its place.
type Place = (String, u32, i64);

pub(super) fn check(subject: &Subject<'_>) -> Check {
    let mut check = Check::new("records");
    let mut dead_letters = BTreeSet::new();
    let mut unreadable: BTreeMap<Place, String> = BTreeMap::new();
    for spec in subject.log.topics().clone().iter() {
        for partition in 0..spec.partitions {
            let mut reading = Reading {
                subject,
                topic: &spec.name,
                partition,
                partitions: spec.partitions,
                expected: None,
                check: &mut check,
                dead_letters: &mut dead_letters,
                unreadable: &mut unreadable,
            };
            let read = reading.read();
            if let Err(error) = read {
                check.unreadable(place(&spec.name, partition, None), &error);
            }
        }
    }
    // What nobody could read is no damage where it was noted as such, or where nobody has come to it yet.
    for ((topic, partition, offset), why) in unreadable {
        let noted = dead_letters.contains(&(topic.clone(), partition, offset));
        if !noted && is_processed(subject, &topic, partition, offset) {
            let what = format!("it cannot be read, and is no dead letter: {why}");
            check.find(place(&topic, partition, Some(offset)), what);
        }
    }
    check
}

fn place(topic: &str, partition: u32, offset: Option<i64>) -> String {
    let offset = offset.map(|offset| format!(", offset {offset}")).unwrap_or_default();
    format!("topic {topic}, partition {partition}{offset}")
}

/// Some group has read past it.
fn is_processed(subject: &Subject<'_>, topic: &str, partition: u32, offset: i64) -> bool {
    let groups = subject.log.groups(topic).unwrap_or_default();
    let next =
        |group: runtime::log::embedded::Group| group.next_offsets.get(partition as usize).copied().flatten();
    groups.is_empty() || groups.into_iter().filter_map(next).any(|next| next > offset)
}

struct Reading<'a> {
    subject: &'a Subject<'a>,
    topic: &'a str,
    partition: u32,
    partitions: u32,
    /// The offset that comes next.
    expected: Option<i64>,
    check: &'a mut Check,
    dead_letters: &'a mut BTreeSet<Place>,
    unreadable: &'a mut BTreeMap<Place, String>,
}

impl Reading<'_> {
    fn read(&mut self) -> Result<(), runtime::Error> {
        let bounds = self.subject.log.bounds(self.topic)?;
        let (begin, end) = bounds.get(self.partition as usize).copied().unwrap_or_default();
        self.expected = Some(begin);
        self.subject.log.visit_records(self.topic, self.partition, 0, |offset, record| {
            self.subject.progress.inc(1);
            self.check.looked_at += 1;
            self.follows(offset);
            match record {
                Some(record) => self.look_at(&record),
                None => self.check.find(
                    place(self.topic, self.partition, Some(offset)),
                    "its bytes are no record of the log's own format",
                ),
            }
            true
        })?;
        self.follows(end);
        Ok(())
    }

    /// Offsets have no gaps, except where compaction made them.
    fn follows(&mut self, offset: i64) {
        let is_compacted =
            topics::topic(self.topic).is_some_and(|topic| topic.retention == Retention::Compacted);
        let expected = self.expected.replace(offset + 1).unwrap_or(offset);
        if expected != offset && !is_compacted {
            let last = offset - 1;
            let missing = if expected == last {
                format!("offset {expected}")
            } else {
                format!("offsets {expected} to {last}")
            };
            self.check.find(place(self.topic, self.partition, None), format!("{missing} missing"));
        }
    }

    fn look_at(&mut self, record: &Record) {
        let at = || place(self.topic, self.partition, Some(record.offset));
        if self.topic == topics::DEAD_LETTERS {
            self.dead_letters.extend(origin(record));
            return;
        }
        let declared = topics::topic(self.topic);
        let is_ours = declared.is_some_and(|topic| !topic.written_by.contains(&"outside"));
        let is_keyed = declared.is_some_and(|topic| match topic.partitioning {
            Partitioning::Order | Partitioning::Product | Partitioning::Outward => true,
            Partitioning::System | Partitioning::Broadcast | Partitioning::Any => false,
        });
        let key = record.key.as_deref().unwrap_or_default();
        let belongs = runtime::partition_for(key, self.partitions);
        // A dead letter is sent again to where it lay, and outsiders hash as they like.
        // A heartbeat goes to every partition, whatever its key.
        let is_heartbeat = [topics::HEARTBEATS, topics::SYSTEM_HEARTBEATS].contains(&&*record.topic);
        if is_ours
            && is_keyed
            && !is_heartbeat
            && belongs != self.partition
            && header(record, crate::operations::dead_letters::HEADER_REPLAYED_FROM).is_none()
        {
            let key = String::from_utf8_lossy(key);
            self.check.find(at(), format!("its key \"{key}\" belongs to partition {belongs}"));
        }
        if let Err(why) = self.readable(record) {
            self.unreadable.insert((self.topic.to_owned(), self.partition, record.offset), why);
        }
    }

    /// Whether whoever reads the topic can read it.
    fn readable(&self, record: &Record) -> Result<(), String> {
        let Some(value) = record.value.as_deref() else { return Ok(()) };
        let codec = &self.subject.codec;
        match self.topic {
            topics::ORDER_REQUESTS => {
                let media_type = header(record, headers::CONTENT_TYPE);
                let translated = if media_type.is_some_and(|kind| kind.starts_with(headers::AVRO)) {
                    let request: own::OrderRequest =
                        codec.decode(value).map_err(|error| error.to_string())?;
                    own::translate(&request, value).map_err(|error| error.to_string())?
                } else {
                    tmf::translate(value, media_type).map_err(|error| error.to_string())?
                };
                translated.key.map(|_| ()).map_err(|reason| reason.to_string())
            }
            topics::FEEDBACK => {
                codec.decode::<Feedback>(value).map(|_| ()).map_err(|error| error.to_string())
            }
            _ => {
                let (name, _) = codec.decode_shown(value).map_err(|error| error.to_string())?;
                match topics::topic(self.topic) {
                    Some(declared) if !declared.records.contains(&name) => {
                        Err(format!("it is a \"{name}\", which does not belong on this topic"))
                    }
                    Some(_) | None => Ok(()),
                }
            }
        }
    }
}

/// Where a dead letter lay before.
fn origin(record: &Record) -> Option<Place> {
    let topic = header(record, HEADER_TOPIC)?.to_owned();
    let partition = header(record, HEADER_PARTITION)?.parse().ok()?;
    Some((topic, partition, header(record, HEADER_OFFSET)?.parse().ok()?))
}

fn header<'r>(record: &'r Record, name: &str) -> Option<&'r str> {
    let found = record.headers.iter().rev().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(&found.1).ok()
}
