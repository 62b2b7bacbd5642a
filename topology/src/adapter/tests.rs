//! Plays: a registry that was put back without what it knew, and one that is away; foreign and cut bytes where state is kept; and, among the events, what only a
//! newer version knows, what is foreign, and what is no event of any version.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use domain::Timestamp;
use domain::downstream::DownstreamHealth;
use processors::{fallout, orchestration};
use runtime::{HandlerError, Record};
use schemas::codec::{Codec, STATE_SUBJECT, StateCodec, frame};
use schemas::contracts::{self, Contract};
use schemas::registry::{self, InMemory, LocalIds, SchemaIds};
use schemas::{examples, headers, topics};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Line, LineSettings};
use crate::graph::{Processor, SubTopology};
use crate::memory::Memory;
use crate::shell::Shell;

/// Of the order and of the product in the examples of the documentation.
const ORDER: &str = "ACME/POnumber/456";
const PRODUCT: &str = "P-1001";
/// No registry here has given it.
const ID_UNKNOWN: u32 = 32_767;

/// A registry that may have lost what it knew.
#[derive(Debug)]
struct Registry {
    ids: LocalIds<InMemory>,
    is_empty: AtomicBool,
}

impl SchemaIds for Registry {
    fn id_of(&self, subject: &str, schema_json: &str) -> Result<u32, registry::Error> {
        self.ids.id_of(subject, schema_json)
    }

    fn schema_of(&self, id: u32) -> Result<String, registry::Error> {
        if self.is_empty.load(Ordering::Relaxed) {
            return Err(registry::Error::IdUnknown { id });
        }
        self.ids.schema_of(id)
    }
}

/// What processes have in common.
struct World {
    records: Arc<LocalIds<InMemory>>,
    states: Arc<Registry>,
    memory: Memory,
}

impl World {
    fn new() -> World {
        let states = Registry { ids: LocalIds::in_memory(), is_empty: AtomicBool::new(false) };
        let records = Arc::new(LocalIds::in_memory());
        World { records, states: Arc::new(states), memory: Memory::at(Timestamp(1_793_607_330_000)) }
    }

    fn codec(&self) -> Codec {
        Codec::new(self.records.clone())
    }

    /// One processor alone, in a process that has asked nothing yet.
    fn line(&self, processor: Processor) -> Line {
        let group = SubTopology { name: "apart".to_owned(), processors: vec![processor], workers: 1 };
        let state = StateCodec::new(self.states.clone());
        Line::new(group, Arc::new(self.codec()), Arc::new(state), LineSettings::default())
    }

    /// The id of a state's contract.
    fn id_of(&self, name: &str) -> u32 {
        let contract = contract_of(contracts::states(), name);
        self.states.id_of(&registry::subject(STATE_SUBJECT, contract), &contract.json).unwrap()
    }

    /// The record that the documentation shows, as an input.
    fn input(&self, name: &str) -> Record {
        let codec = self.codec();
        let (topic, key, value) = match name {
            "OrderRequest" => {
                let request: schemas::own::OrderRequest = example(name);
                (topics::ORDER_REQUESTS, ORDER, codec.encode(topics::ORDER_REQUESTS, &request))
            }
            "Feedback" => {
                let feedback: domain::command::Feedback = example(name);
                (topics::FEEDBACK, ORDER, codec.encode(topics::FEEDBACK, &feedback))
            }
            "ProductRequest" => {
                let request: domain::inventory::ProductRequest = example(name);
                (topics::PRODUCT_REQUESTS, PRODUCT, codec.encode(topics::PRODUCT_REQUESTS, &request))
            }
            "OrderCaptured" => {
                let event: domain::order::event::OrderCaptured = example(name);
                (topics::ORDER_EVENTS, ORDER, codec.encode_event(&event.into()))
            }
            "OrderRejected" => {
                let event: domain::order::event::OrderRejected = example(name);
                (topics::ORDER_EVENTS, ORDER, codec.encode_event(&event.into()))
            }
            name => panic!("{name} is no input here"),
        };
        record(topic, key, value.unwrap())
    }
}

fn contract_of(all: &[&'static Contract], name: &str) -> &'static Contract {
    all.iter().find(|contract| contract.name == name).unwrap()
}

fn example<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_value(examples::example(contract_of(contracts::all(), name))).unwrap()
}

fn record(topic: &str, key: &str, value: Vec<u8>) -> Record {
    Record {
        topic: topic.into(),
        partition: 3,
        offset: 7,
        timestamp_ms: 7,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(value.into()),
        headers: vec![(headers::CONTENT_TYPE.into(), headers::AVRO.into())],
    }
}

/// What an input comes to where a cell holds these bytes.
#[track_caller]
fn refused(world: &World, processor: Processor, cell: &str, input: &str, bytes: &[u8]) -> HandlerError {
    let record = world.input(input);
    let mut memory = world.memory.clone();
    let kept = Bytes::copy_from_slice(bytes);
    memory.put(processor, record.key.as_deref().unwrap(), cell, kept).unwrap();
    let error = world.line(processor).take_record(&mut memory, &record);
    assert!(memory.emitted.is_empty(), "{processor:?}: {:?}", memory.emitted);
    error.expect_err("what is kept cannot be read")
}

#[test]
fn state_that_cannot_be_read_costs_no_input_whatever_is_wrong_with_it() {
    let world = World::new();
    for (processor, cell, kept, input) in [
        (Processor::Capture, "state", "capture.State", "OrderRequest"),
        (Processor::Validation, "state", "validation.State", "Feedback"),
        (Processor::Orchestration, orchestration::state::HEAD_CELL, "orchestration.Head", "Feedback"),
        (Processor::Fallout, fallout::state::HEAD, "fallout.Head", "OrderCaptured"),
        (Processor::StuckOrders, "state", "stuckOrders.State", "OrderCaptured"),
        (Processor::Inventory, "state", "inventory.State", "ProductRequest"),
    ] {
        let key = if processor == Processor::Inventory { PRODUCT } else { ORDER };
        let place =
            format!("key \"{key}\": could not read cell \"{cell}\" of processor \"{}\"", processor.name());
        let (own, other) = (world.id_of(kept), world.id_of("downstream.Turn"));
        let lost = frame::head(ID_UNKNOWN);
        match refused(&world, processor, cell, input, &lost) {
            HandlerError::Retry(said) => assert!(
                said.starts_with(&place)
                    && said.contains("schema id 32767 is not known to the registry")
                    && said.contains("put the registry back as it was"),
                "{said}"
            ),
            other => panic!("{processor:?}: the registry may come back: {other}"),
        }
        for (bytes, expected) in [
            (&b"foreign"[..], "(no schema id)".to_owned()),
            (&frame::head(own)[..], format!("(schema id {own})")),
            (&frame::head(other)[..], format!("(schema id {other})")),
        ] {
            match refused(&world, processor, cell, input, bytes) {
                HandlerError::Damaged { what } => assert!(
                    what.starts_with(&place)
                        && what.contains(&expected)
                        && what.contains("have the version that wrote it go on"),
                    "{what}"
                ),
                other => panic!("{processor:?}: no waiting mends it: {other}"),
            }
        }
    }
}

#[test]
fn an_input_is_handled_as_if_nothing_had_been_once_the_registry_has_its_ids_again() {
    let mut world = World::new();
    let (captured, rejected) = (world.input("OrderCaptured"), world.input("OrderRejected"));
    world.line(Processor::StuckOrders).take_record(&mut world.memory, &captured).unwrap();
    let kept = world.memory.cells().clone();
    assert_eq!(kept.len(), 1);

    let mut later = world.line(Processor::StuckOrders);
    world.states.is_empty.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        let held = later.take_record(&mut world.memory, &rejected);
        assert!(matches!(held, Err(HandlerError::Retry(_))), "{held:?}");
        assert_eq!(*world.memory.cells(), kept);
    }
    world.states.is_empty.store(false, Ordering::Relaxed);
    later.take_record(&mut world.memory, &rejected).unwrap();
    assert!(world.memory.cells().is_empty(), "a refused order is watched no longer");
}

#[test]
fn an_event_of_a_newer_version_waits_and_what_is_foreign_does_not() {
    let mut world = World::new();
    let id_of = |namespace: &str, name: &str| {
        let schema = json!({ "type": "record", "name": name, "namespace": namespace,
            "fields": [{ "name": "orderKey", "type": "string" }] });
        world.records.id_of("any", &schema.to_string()).unwrap()
    };
    let newer = id_of("io.orderstream", "OrderParked");
    let foreign = id_of("com.example", "OrderParked");
    let state = id_of("io.orderstream.state.orchestration", "Parked");
    let event = |id: u32| record(topics::ORDER_EVENTS, ORDER, frame::head(id).to_vec());
    let mut line = world.line(Processor::Fallout);
    let mut taken = |record: &Record| line.take_record(&mut world.memory, record);

    let held = taken(&event(newer));
    let Err(HandlerError::Retry(said)) = held else { panic!("{held:?}") };
    let expected = format!(
        "event \"OrderParked\" (schema id {newer}) at orderstream.order.events/3/7 is not known to this version, a newer one wrote it"
    );
    assert!(said.starts_with(&expected) && said.contains("until this process is upgraded"), "{said}");

    for id in [foreign, state, ID_UNKNOWN] {
        let refused = taken(&event(id));
        assert!(matches!(refused, Err(HandlerError::DeadLetter { .. })), "{id}: {refused:?}");
    }
    let rubbish = taken(&record(topics::ORDER_EVENTS, ORDER, b"rubbish".to_vec()));
    assert!(matches!(rubbish, Err(HandlerError::DeadLetter { .. })), "{rubbish:?}");

    // What a newer process of the same group wrote, that one has heard in memory.
    let by = |processor: Processor| {
        let mut event = event(newer);
        event.headers.push((headers::CE_SOURCE.into(), processor.source().into()));
        event
    };
    taken(&by(Processor::Fallout)).unwrap();
    let held = taken(&by(Processor::Orchestration));
    assert!(matches!(held, Err(HandlerError::Retry(_))), "{held:?}");
    assert!(world.memory.emitted.is_empty() && world.memory.cells().is_empty());
}

/// A registry that may be away.
#[derive(Debug)]
struct Away {
    ids: Arc<LocalIds<InMemory>>,
    is_away: AtomicBool,
    asked: AtomicUsize,
}

impl SchemaIds for Away {
    fn id_of(&self, subject: &str, schema_json: &str) -> Result<u32, registry::Error> {
        self.ids.id_of(subject, schema_json)
    }

    fn schema_of(&self, id: u32) -> Result<String, registry::Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_away.load(Ordering::Relaxed) {
            return Err(registry::Error::Unavailable { what: "it".to_owned(), source: "away".into() });
        }
        self.ids.schema_of(id)
    }
}

#[test]
fn what_was_broadcast_while_the_registry_was_away_is_taken_in_sequence_once_it_is_back() {
    let world = World::new();
    let away =
        Away { ids: world.records.clone(), is_away: AtomicBool::new(false), asked: AtomicUsize::new(0) };
    let away = Arc::new(away);
    let mut line = world.line(Processor::StuckOrders);
    line.codec = Arc::new(Codec::new(away.clone()));
    let now = world.memory.now();
    // What comes in later is of a schema that is known by then.
    let input = world.input("OrderRejected");
    line.take_record(&mut world.memory.clone(), &input).unwrap();
    away.is_away.store(true, Ordering::Relaxed);
    let health: DownstreamHealth = example("DownstreamHealth");
    let [older, newer] =
        ["older", "newer"].map(|reason| DownstreamHealth { reason: reason.to_owned(), ..health.clone() });
    for health in [&older, &newer] {
        let value = world.codec().encode(topics::DOWNSTREAM_HEALTH, health).unwrap();
        line.take_broadcast(&record(topics::DOWNSTREAM_HEALTH, &health.system, value));
    }
    let taken_after = |line: &mut Line, ms: i64| {
        let mut memory = Memory::at(Timestamp(now.0 + ms));
        let before = away.asked.load(Ordering::Relaxed);
        line.take_record(&mut memory, &input).unwrap();
        (
            away.asked.load(Ordering::Relaxed) - before,
            line.health.get(&health.system).map(|health| health.reason.clone()),
        )
    };
    assert_eq!(taken_after(&mut line, 0), (1, None));
    assert_eq!(
        taken_after(&mut line, 999),
        (0, None),
        "a registry that is away is not asked with each input"
    );
    assert_eq!(taken_after(&mut line, 1_000), (1, None));
    away.is_away.store(false, Ordering::Relaxed);
    assert_eq!(taken_after(&mut line, 2_999), (0, None));
    assert_eq!(taken_after(&mut line, 3_000), (1, Some("newer".to_owned())));
    assert_eq!(taken_after(&mut line, 3_000), (0, Some("newer".to_owned())));
}
