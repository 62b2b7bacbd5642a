//! What an outsider has in its hands: a log that takes and gives bytes, and a registry that gives ids for schemas.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cli::service::Service;
use cli::settings::Settings;
use runtime::AnyReader;
use runtime::log::Limits;
use runtime::log::embedded::Start;
use runtime::{Outgoing, Record};
use serde_json::Value;

use integration_tests::avro::Schema;

const PARTITIONS: u32 = 8;
/// Catalog time runs so much faster: ten minutes until an answer is missed become six seconds.
const TIME_DIVISOR: u32 = 100;
/// Of real time; what has not come by then does not come.
const WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const BATCH: Limits = Limits { records_max: 1_000, bytes_max: 8 << 20 };

pub const AVRO: &str = "application/vnd.apache.avro+binary";

/// A record as an outsider sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub topic: String,
    pub key: String,
    pub headers: BTreeMap<String, String>,
    /// The record's name, and its fields; none where the value is no Avro.
    pub record: String,
    pub value: Value,
}

/// A running service, and the bytes on its topics.
pub struct Wire {
    service: Service,
    reader: AnyReader,
    pub seen: Vec<Seen>,
    _directory: tempfile::TempDir,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The text of a page of docs/.
pub fn page(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// A contract as it is published.
pub fn contract(name: &str) -> Schema {
    Schema::of(&std::fs::read_to_string(root().join(format!("schemas/avro/{name}.avsc"))).unwrap())
}

/// `(murmur2(key) & 0x7fffffff) % partitions`, after Kafka's Java client.
pub fn partition_of(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let words = key.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        let k = u32::from_le_bytes(word.try_into().unwrap()).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (k ^ (k >> 24)).wrapping_mul(M);
    }
    for (index, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    ((hash ^ (hash >> 15)) & 0x7fff_ffff) % PARTITIONS
}

impl Wire {
    /// The shipped catalog, no simulated downstream: whoever is asked is us.
    pub fn start() -> Wire {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("orderstream.toml");
        let text = format!(
            "[node]\ndata_dir = {:?}\n[log]\ndurability = \"os\"\npartitions = {PARTITIONS}\n[catalog]\ndirectory = {:?}\n\
             time_divisor = {TIME_DIVISOR}\n[downstream]\nsimulated = false\n",
            directory.path().join("data"),
            root().join("config/catalog"),
        );
        std::fs::write(&file, text).unwrap();
        let service = Service::start(&Settings::load(Some(&file)).unwrap()).unwrap();
        let systems = ["billing", "networkInventory", "provisioning"];
        let topics = systems.map(|system| format!("orderstream.commands.{system}"));
        let others =
            ["order.events", "notifications", "dead-letters"].map(|name| format!("orderstream.{name}"));
        let topics: Vec<_> = topics.into_iter().chain(others).map(Into::into).collect();
        let reader = service.store.log.reader(&topics, &Start::Earliest).unwrap();
        Wire { service, reader, seen: Vec::new(), _directory: directory }
    }

    /// The registry's answer: the id of a schema under its subject.
    pub fn id_of(&self, topic: &str, schema: &Schema) -> u32 {
        let subject = format!("{topic}-io.orderstream.{}", schema.name());
        self.service.store.ids.id_of(&subject, &schema.json.to_string()).unwrap()
    }

    /// `00`, the id, the record.
    pub fn framed(&self, topic: &str, schema: &Schema, value: &Value) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&self.id_of(topic, schema).to_be_bytes());
        bytes.extend(schema.encode(value));
        bytes
    }

    /// In the partition of the key.
    pub fn send(&self, topic: &str, key: &str, headers: &[(&str, &str)], value: Vec<u8>) {
        self.send_to(partition_of(key.as_bytes()), topic, key, headers, value);
    }

    pub fn send_to(&self, partition: u32, topic: &str, key: &str, headers: &[(&str, &str)], value: Vec<u8>) {
        let pair = |(name, value): &(&str, &str)| ((*name).into(), Bytes::from((*value).to_owned()));
        let outgoing = Outgoing {
            topic: topic.into(),
            partition: Some(partition),
            key: Some(Bytes::from(key.to_owned())),
            value: Some(value.into()),
            headers: headers.iter().map(pair).collect(),
            timestamp_ms: now_ms(),
        };
        self.service.store.log.producer().send(&[outgoing]).unwrap();
    }

    /// The first record, of those that came so far or come in time, that is wanted; taken out.
    #[track_caller]
    pub fn take(&mut self, what: &str, is_wanted: impl Fn(&Seen) -> bool) -> Seen {
        let deadline = Instant::now() + WAIT;
        loop {
            if let Some(at) = self.seen.iter().position(&is_wanted) {
                return self.seen.remove(at);
            }
            if Instant::now() > deadline {
                let names: Vec<_> =
                    self.seen.iter().map(|seen| format!("{} {}", seen.record, seen.value)).collect();
                panic!("{what} did not come within {WAIT:?}; there came:\n{}", names.join("\n"));
            }
            let records = self.reader.poll(BATCH, LOOK_EVERY).unwrap();
            let seen: Vec<Seen> = records.iter().map(|record| self.opened(record)).collect();
            self.seen.extend(seen);
        }
    }

    fn opened(&self, record: &Record) -> Seen {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let headers: BTreeMap<String, String> =
            record.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let bytes = record.value.as_deref().unwrap_or_default();
        let (name, value) = match bytes {
            [0, a, b, c, d, body @ ..] if !headers.contains_key("dead-letter-reason") => {
                let id = u32::from_be_bytes([*a, *b, *c, *d]);
                let schema = Schema::of(&self.service.store.ids.schema_of(id).unwrap());
                (schema.name().to_owned(), schema.decode(body))
            }
            _ => (String::new(), Value::Null),
        };
        let key = record.key.as_ref().map(text).unwrap_or_default();
        Seen { topic: record.topic.to_string(), key, headers, record: name, value }
    }

    pub fn stop(self) {
        self.service.stop().unwrap();
    }
}

pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
