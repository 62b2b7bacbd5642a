//! All processors of an order in memory: a byte that chooses the topic, and the value of a record there, its key made of it where it names one.
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use domain::Timestamp;
use domain::catalog::{Catalog, CatalogPublished};
use runtime::{HandlerError, Record};
use schemas::codec::{Codec, StateCodec};
use schemas::{contracts, headers, topics};
use topology::memory::Memory;
use topology::{Line, LineSettings, SubTopology};

use crate::samples::CODECS;

/// Every topic that a processor reads.
pub const TOPICS: &[&str] = &[
    topics::ORDER_REQUESTS,
    topics::ORDER_EVENTS,
    topics::FEEDBACK,
    topics::ORDER_SIGNALS,
    topics::PRODUCT_REQUESTS,
    topics::DOWNSTREAM_OBSERVATIONS,
    topics::CATALOG,
    topics::DOWNSTREAM_HEALTH,
];

/// The time of every input: late in 2026.
const NOW: Timestamp = Timestamp(1_795_000_000_000);

struct World {
    lines: Vec<(SubTopology, Line)>,
}

fn record(topic: &str, key: Option<Bytes>, value: Bytes, avro: bool) -> Record {
    let content_type = if avro { headers::AVRO } else { headers::JSON };
    Record {
        topic: topic.into(),
        partition: 0,
        offset: 0,
        timestamp_ms: NOW.0,
        key,
        value: Some(value),
        headers: vec![(headers::CONTENT_TYPE.into(), Bytes::from_static(content_type.as_bytes()))],
    }
}

/// With the shipped catalog published. Reading it is the dearest part: done once.
static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/catalog");
    let files = cli::service::read_files(directory.as_ref(), "toml").expect("the shipped catalog is there");
    let catalog = Catalog::from_files(&files).expect("the shipped catalog has no findings");
    // Equal ids in all codecs: a record of one is read by the other.
    let ids = Arc::new(schemas::registry::LocalIds::in_memory());
    for contract in contracts::all().iter().chain(contracts::states()) {
        schemas::registry::SchemaIds::id_of(ids.as_ref(), "", &contract.json)
            .expect("ids in memory are given");
    }
    let (codec, states) = (Arc::new(Codec::new(ids.clone())), Arc::new(StateCodec::new(ids)));
    let published = codec.encode(topics::CATALOG, &CatalogPublished::of(&catalog, NOW));
    let published = record(topics::CATALOG, None, published.expect("a catalog is a record").into(), true);
    let line = |group: SubTopology| {
        let mut line = Line::new(group.clone(), codec.clone(), states.clone(), LineSettings::default());
        line.take_broadcast(&published);
        (group, line)
    };
    Mutex::new(World { lines: SubTopology::defaults().into_iter().map(line).collect() })
});

/// The order key that a value names, so that not every record ends at the question whether its key is the right one.
fn key_of(topic: &str, value: &[u8]) -> Option<Bytes> {
    let named = |value: &serde_json::Value| Some(Bytes::from(value.get("orderKey")?.as_str()?.to_owned()));
    match topic {
        topics::ORDER_REQUESTS => {
            schemas::tmf::translate(value, None).ok()?.key.ok().map(|key| Bytes::from(key.0))
        }
        _ => named(&CODECS.records.decode_shown(value).ok()?.1),
    }
}

pub(super) fn run(bytes: &[u8]) {
    let Some((choice, value)) = bytes.split_first() else { return };
    let topic = TOPICS[usize::from(*choice) % TOPICS.len()];
    let key = key_of(topic, value);
    let is_avro = topic != topics::ORDER_REQUESTS || value.first() == Some(&0);
    let record = record(topic, key, Bytes::copy_from_slice(value), is_avro);
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    for (group, line) in &mut world.lines {
        if matches!(topic, topics::CATALOG | topics::DOWNSTREAM_HEALTH) {
            // Only what cannot be read: a catalog that is taken would stay for the inputs after it.
            if CODECS.records.decode_shown(value).is_err() {
                line.take_broadcast(&record);
            }
            continue;
        }
        if !group.topics().contains(&topic) {
            continue;
        }
        let mut memory = Memory::at(NOW);
        match line.take_record(&mut memory, &record) {
            Ok(()) => {
                for outgoing in &memory.emitted {
                    let value = outgoing.value.as_deref().expect("no processor writes tombstones");
                    assert!(topics::topic(&outgoing.topic).is_some(), "{} is declared", outgoing.topic);
                    if outgoing.topic.as_ref() != topics::ORDER_REQUESTS {
                        CODECS.records.decode_shown(value).expect("what is written can be read");
                    }
                }
            }
            Err(HandlerError::DeadLetter { reason }) => assert!(!reason.is_empty()),
            Err(HandlerError::Damaged { what }) => panic!("memory is not damaged: {what}"),
            Err(HandlerError::Refused { reason }) => panic!("nobody is refused in memory: {reason}"),
            // A version that is not here: it may come.
            Err(HandlerError::Retry(reason)) => assert!(reason.contains("catalog"), "{reason}"),
        }
    }
}
