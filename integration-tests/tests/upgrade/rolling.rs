//! Plays: a rolling upgrade. While one process of this version runs, processes and systems of other versions write what it reads: events and
//! answers with a field less and with a field more, and an event that only a newer version knows.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cli::service::{Store, catalog};
use connectors::downstream::{Downstream, Scenario};
use domain::Timestamp;
use domain::command::Command;
use integration_tests::avro::Schema;
use integration_tests::process::{orders_in, submit, until};
use integration_tests::registry::Registry;
use integration_tests::site::{Node, Site};
use integration_tests::work;
use runtime::log::embedded::Start;
use runtime::{AnyReader, Outgoing, Record, partition_for};
use schemas::registry::registration;
use schemas::{headers, topics};
use serde_json::{Value, json};
use tempfile::TempDir;
use topology::SubTopology;

use super::{CLUSTER, EVERYTHING, FRAME_BYTES, PARTITIONS, WAIT, newer, registered};

/// The order's processors behind capture, whose events they read from the topic.
const GROUP: &str = "behind";
/// The number of the order that this version captures itself.
const OWN: &str = "ROLLING-0";

/// A contract as another version has it.
struct Version {
    id: u32,
    schema: Schema,
}

impl Version {
    fn of(registry: &Registry, subject: &str, schema: &str) -> Version {
        Version { id: registered(registry, subject, schema), schema: Schema::of(schema) }
    }

    /// One that is newer says something in its new field.
    fn framed(&self, mut value: Value) -> Bytes {
        value["addedLater"] = "and written by a version that knows why".into();
        [&[0][..], &self.id.to_be_bytes(), &self.schema.encode(&value)].concat().into()
    }
}

/// Every version that a build carries of a contract, the oldest first.
fn published(subject: &str) -> Vec<String> {
    let wanted = registration::wanted([]).into_iter().find(|wanted| wanted.subject == subject);
    wanted.unwrap_or_else(|| panic!("nothing is written under {subject}")).versions
}

/// As an earlier version may have had it.
fn without(current: &str, field: &str) -> String {
    let mut schema: Value = serde_json::from_str(current).unwrap();
    let fields = schema["fields"].as_array_mut().unwrap();
    let at = fields.iter().position(|known| known["name"] == field).unwrap();
    assert!(fields.remove(at).get("default").is_some(), "{field} has no default");
    schema.to_string()
}

/// All systems that carry out commands. They answer by turns as an older version does, and as a newer one.
struct Systems {
    downstream: Downstream,
    commands: AnyReader,
    versions: [Version; 2],
    answers: usize,
}

impl Systems {
    fn answer(&mut self, store: &Store) {
        let sent = self.commands.poll(EVERYTHING, Duration::ZERO).unwrap();
        let command = |record: &Record| store.codec.decode(record.value.as_deref().unwrap()).unwrap();
        let commands: Vec<Command> = sent.iter().map(command).collect();
        let now = Timestamp(store.clock.now_ms());
        let mut answers = Vec::new();
        for feedback in self.downstream.receive(&commands, now).unwrap() {
            let version = &self.versions[self.answers % 2];
            self.answers += 1;
            answers.push(Outgoing {
                topic: topics::FEEDBACK.into(),
                partition: None,
                key: Some(feedback.order_key.as_str().to_owned().into()),
                value: Some(version.framed(serde_json::to_value(&feedback).unwrap())),
                headers: vec![(headers::CE_ID.into(), feedback.feedback_id.as_str().to_owned().into())],
                timestamp_ms: now.0,
            });
        }
        if !answers.is_empty() {
            store.log.producer().send(&answers).unwrap();
        }
    }
}

/// The first event of this type, as soon as it is there.
#[track_caller]
fn event(store: &Store, name: &str) -> Record {
    let mut found = None;
    until(WAIT, &format!("there is an {name}"), || {
        let mut records = (0..PARTITIONS).flat_map(|partition| {
            store.log.read_range(topics::ORDER_EVENTS, partition, 0, EVERYTHING).unwrap()
        });
        let ce_type = headers::type_of(name);
        found = records
            .find(|record| record.headers.iter().any(|(_, value)| value.as_ref() == ce_type.as_bytes()));
        found.is_some()
    });
    found.unwrap()
}

/// An event of the own order, as if another version had written it about the order of this number.
fn by_another(version: &Version, current: &Schema, event: &Record, number: &str) -> Outgoing {
    let renamed = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(OWN, number);
    let value = current.decode(&event.value.as_deref().unwrap()[FRAME_BYTES..]);
    let value: Value = serde_json::from_str(&renamed(value.to_string().as_bytes())).unwrap();
    let header = |(name, value): &(Arc<str>, Bytes)| {
        let value = if &**name == headers::CE_ID { format!("captured {number}") } else { renamed(value) };
        (name.clone(), Bytes::from(value))
    };
    Outgoing {
        topic: event.topic.clone(),
        partition: None,
        key: Some(renamed(event.key.as_deref().unwrap()).into()),
        value: Some(version.framed(value)),
        headers: event.headers.iter().map(header).collect(),
        timestamp_ms: event.timestamp_ms,
    }
}

/// One process of this version, and what the test has in its hands beside it.
struct Rolling {
    node: Node,
    registry: Registry,
    store: Store,
    systems: Systems,
    _folder: TempDir,
}

impl Rolling {
    fn new() -> Rolling {
        let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::start());
        let mut groups = SubTopology::defaults();
        let behind = groups[0].processors.split_off(1);
        groups.push(SubTopology { name: GROUP.to_owned(), processors: behind, workers: 1 });
        let mut site = Site::new(folder.path(), &CLUSTER, &registry.url(), "rolling.").grouped(&groups);
        site.partitions = PARTITIONS;
        let node = site.node("node", false);
        work::plant(folder.path(), 1, &work::generator(1, 1, 0.0), &node.settings());
        node.said(&["schemas", "register"]).ended(0);
        node.said(&["topics", "create"]).ended(0);

        let settings = site.node("others", false).settings();
        let shipped = catalog::load(&settings.catalog).unwrap();
        let store = Store::open(&settings, &shipped).unwrap();
        let asked: Vec<_> = shipped.systems.keys().map(|system| topics::commands(system).into()).collect();
        let subject = format!("{}-io.orderstream.Feedback", topics::FEEDBACK);
        let current = published(&subject).pop().unwrap();
        let versions = [without(&current, "attempt"), newer(&current, "addedLater")];
        let planted = std::fs::read_to_string(work::scenario(folder.path())).unwrap();
        let systems = Systems {
            downstream: Downstream::in_memory(Scenario::from_json(&planted).unwrap()),
            commands: store.log.reader(&asked, &Start::Earliest).unwrap(),
            versions: versions.map(|schema| Version::of(&registry, &subject, &schema)),
            answers: 0,
        };
        Rolling { node, registry, store, systems, _folder: folder }
    }

    /// `openCases` and `deadLetters`: as a service tells them that has not lost, refused or missed anything.
    #[track_caller]
    fn nothing_went_wrong(&self) {
        // A service that waits for long enough says that it is not well.
        let status: Value = serde_json::from_str(&self.node.said(&["status", "--json"]).out).unwrap();
        assert_eq!((&status["deadLetters"], &status["openCases"]), (&0.into(), &0.into()), "{status}");
    }

    fn orders_in(&self, state: &str) -> usize {
        orders_in(&self.node.data_dir, state)
    }
}

#[test]
fn what_other_versions_write_is_heard_and_what_only_a_newer_one_knows_is_waited_for() {
    let mut rolling = Rolling::new();
    let service = rolling.node.start();

    // Three orders: one of this version's capture, one of an older one's, one of a newer one's.
    submit(&rolling.node.data_dir, &[OWN]).ended(0);
    let captured = event(&rolling.store, "OrderCaptured");
    let subject = format!("{}-io.orderstream.OrderCaptured", topics::ORDER_EVENTS);
    let history = published(&subject);
    let (oldest, current) = (history.first().unwrap(), history.last().unwrap());
    assert_ne!(oldest, current, "it has no older version");
    let older = Version::of(&rolling.registry, &subject, oldest);
    let later = Version::of(&rolling.registry, &subject, &newer(current, "addedLater"));
    let current = Schema::of(current);
    let others = [(&older, "ROLLING-1"), (&later, "ROLLING-2")];
    let others = others.map(|(version, number)| by_another(version, &current, &captured, number));
    rolling.store.log.producer().send(&others).unwrap();
    until(WAIT, "all three are completed", || {
        rolling.systems.answer(&rolling.store);
        rolling.orders_in("completed") == 3
    });
    rolling.nothing_went_wrong();

    // An event that does not exist here yet, and behind it one that does.
    let parked = json!({ "type": "record", "name": "OrderParked", "namespace": "io.orderstream",
        "fields": [{ "name": "addedLater", "type": "string" }] });
    let subject = format!("{}-io.orderstream.OrderParked", topics::ORDER_EVENTS);
    let parked = Version::of(&rolling.registry, &subject, &parked.to_string());
    let source = (headers::CE_SOURCE.into(), Bytes::from_static(b"orderstream/parking"));
    let unknown = Outgoing {
        value: Some(parked.framed(json!({}))),
        headers: vec![source],
        ..by_another(&later, &current, &captured, OWN)
    };
    let behind = (3..)
        .map(|number| by_another(&later, &current, &captured, &format!("ROLLING-{number}")))
        .find(|event| partition_for(event.key.as_deref().unwrap(), PARTITIONS) == captured.partition)
        .unwrap();
    let (partition, offset) = rolling.store.log.producer().send(&[unknown, behind]).unwrap()[0];
    let held = format!("{}/{partition}/{offset} is not known to this version", topics::ORDER_EVENTS);
    until(WAIT, "it is said what is waited for", || service.said().contains(&held));
    until(WAIT, "the projection goes on", || rolling.orders_in("captured") == 1);
    assert!(service.said().contains("the projection lacks what it says"), "{}", service.said());
    rolling.nothing_went_wrong();
    assert_eq!(service.stop(), Some(0));
    let group = rolling.store.log.groups(topics::ORDER_EVENTS, &[GROUP]).unwrap().pop().unwrap();
    let next_offset = group.next_offsets[partition as usize].unwrap();
    assert!(next_offset <= offset, "it is still to be heard: {next_offset} and {offset}");
    assert_eq!(rolling.orders_in("captured"), 1, "what came after it waits behind it");
}
