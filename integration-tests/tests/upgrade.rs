//! Plays: versions side by side on one topic set. The state of orders under way lies there as an older version wrote it in some
//! partitions, and as a newer one writes it in others, with fields that this one has never heard of; its local stores are gone, so that
//! all of it is read; and of one version the registry has lost the ids, and is given them again. Every order goes on and ends. What a newer
//! version has written in a way that this one cannot know is refused.
//!
//! There is no other release to run: what older versions wrote is told by the history of the contracts, what newer ones may write by its
//! rule, FULL_TRANSITIVE.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use integration_tests::avro::Schema;
use integration_tests::kafka::Cluster;
use integration_tests::process::{orders_in, run, submit, until};
use integration_tests::registry::Registry;
use integration_tests::site::{Node, Site};
use integration_tests::work;
use runtime::log::kafka::{Kafka, Options};
use runtime::log::{Limits, Note};
use runtime::{Outgoing, SystemClock, TopicSpec};
use schemas::codec::STATE_SUBJECT;
use schemas::registry::registration::{self, Answered, Outcome, Task, Wanted};
use serde_json::{Value, json};

#[path = "upgrade/rolling.rs"]
mod rolling;

/// One broker for all tests.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start(1));

const WAIT: Duration = Duration::from_secs(60);
const PARTITIONS: u32 = 4;
const CHANGELOG: &str = "orderstream.changelog.4";
const PREFIX: &str = "upgrade.";
const GROUPING: &str = "topology.grouping";
const EVERYTHING: Limits = Limits { records_max: 100_000, bytes_max: 1 << 26 };
const ORDERS: usize = 12;
/// The zero byte and the schema's id.
const FRAME_BYTES: usize = 5;
const FAILED: i32 = 1;
/// Where the state lies of which the registry has lost the ids.
const PARTITION_LOST: u32 = 3;

/// A contract of a state, as versions have it.
struct Versions {
    first: (u32, Schema),
    current: Schema,
    newer: (u32, Schema),
}

/// By the id of the current version.
fn versions(registry: &Registry) -> BTreeMap<u32, Versions> {
    let wanted: Vec<Wanted> =
        registration::wanted([]).into_iter().filter(|one| one.subject.starts_with(STATE_SUBJECT)).collect();
    let answered = registration::carry_out(&registry.url(), Task::Check, &wanted).unwrap();
    let known = |(wanted, answered): (&Wanted, &Answered)| {
        assert_eq!(wanted.subject, answered.subject);
        let ids: Vec<u32> = answered.versions.iter().map(|version| id_of(&version.outcome)).collect();
        let current = wanted.versions.last().unwrap();
        let newer = newer(current, "addedLater");
        let versions = Versions {
            first: (ids[0], Schema::of(&wanted.versions[0])),
            current: Schema::of(current),
            newer: (registered(registry, &wanted.subject, &newer), Schema::of(&newer)),
        };
        (*ids.last().unwrap(), versions)
    };
    wanted.iter().zip(&answered).map(known).collect()
}

fn id_of(outcome: &Outcome) -> u32 {
    match outcome {
        Outcome::Known { id } => *id,
        other => panic!("it was registered before: {other:?}"),
    }
}

/// What a registry gave the id that it would give next, before it was put back from an older copy: the state that each answer needs.
struct Lost {
    /// The id of the current version.
    current: u32,
    id: u32,
    subject: String,
    schema: Schema,
}

impl Lost {
    fn of(versions: &BTreeMap<u32, Versions>) -> Lost {
        let is_head = |json: &Value| {
            json["namespace"] == "io.orderstream.state.orchestration" && json["name"] == "Head"
        };
        let (current, known) = versions.iter().find(|(_, known)| is_head(&known.current.json)).unwrap();
        Lost {
            current: *current,
            id: versions.values().map(|known| known.newer.0).max().unwrap() + 1,
            subject: format!("{STATE_SUBJECT}-io.orderstream.state.orchestration.Head"),
            schema: Schema::of(&newer(&known.newer.1.json.to_string(), "addedLast")),
        }
    }
}

/// As a later version may have it: with one field more.
fn newer(current: &str, name: &str) -> String {
    let mut schema: Value = serde_json::from_str(current).unwrap();
    let field =
        json!({ "name": name, "doc": "Not thought of yet.", "type": ["null", "string"], "default": null });
    schema["fields"].as_array_mut().unwrap().push(field);
    schema.to_string()
}

fn registered(registry: &Registry, subject: &str, schema: &str) -> u32 {
    let url = format!("{}/subjects/{subject}/versions", registry.url());
    let body = json!({ "schema": schema }).to_string();
    let client = reqwest::blocking::Client::new();
    let answer = client.post(url).header("content-type", "application/json").body(body).send().unwrap();
    let answer: Value = serde_json::from_str(&answer.text().unwrap()).unwrap();
    let id = answer["id"].as_u64().unwrap_or_else(|| panic!("{subject}: {answer}"));
    u32::try_from(id).unwrap()
}

/// The changelog as a topic like any other.
fn changelog(cluster: &Cluster, folder: &Path) -> Kafka {
    let options = Options { prefix: PREFIX.to_owned(), ..cluster.options(folder) };
    let spec = TopicSpec { compacted: true, ..TopicSpec::new(CHANGELOG, PARTITIONS) };
    Kafka::open_to_look(options, vec![spec], Arc::new(SystemClock)).unwrap()
}

/// Writes every state that lies there once more: as an older version has it in partitions with an even number, as a newer one in the others,
/// some of it as the one that is lost. Gives how many of each changed.
fn rewrite(log: &Kafka, versions: &BTreeMap<u32, Versions>, lost: &Lost) -> (usize, usize, usize) {
    let (mut older, mut newer, mut unknown) = (0, 0, 0);
    for partition in 0..PARTITIONS {
        let mut last: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
        for record in log.read_range(CHANGELOG, partition, 0, EVERYTHING).unwrap() {
            last.insert(record.key.unwrap(), record.value);
        }
        let mut rewritten = Vec::new();
        for (key, value) in last {
            let Some((current, known, body)) = value.as_deref().and_then(|value| framed(value, versions))
            else {
                continue;
            };
            let mut state = known.current.decode(body);
            let (id, schema, count) = if partition % 2 == 0 {
                (known.first.0, &known.first.1, &mut older)
            } else if (partition, current) == (PARTITION_LOST, lost.current) {
                (lost.id, &lost.schema, &mut unknown)
            } else {
                (known.newer.0, &known.newer.1, &mut newer)
            };
            if partition % 2 == 1 {
                state["addedLater"] = "and written by a version that knows why".into();
            }
            let value = [&[0][..], &id.to_be_bytes(), &schema.encode(&state)].concat();
            *count += 1;
            rewritten.push(Outgoing {
                topic: CHANGELOG.into(),
                partition: Some(partition),
                key: Some(key),
                value: Some(value.into()),
                headers: Vec::new(),
                timestamp_ms: 1,
            });
        }
        log.producer().unwrap().send(&rewritten).unwrap();
    }
    (older, newer, unknown)
}

/// Due times of timers lie there, too, and are no framed states.
fn framed<'v, 's>(
    value: &'v [u8],
    versions: &'s BTreeMap<u32, Versions>,
) -> Option<(u32, &'s Versions, &'v [u8])> {
    let (frame, body) = value.split_at_checked(FRAME_BYTES)?;
    let id = u32::from_be_bytes(frame[1..].try_into().unwrap());
    (frame[0] == 0).then(|| versions.get(&id)).flatten().map(|known| (id, known, body))
}

#[track_caller]
fn check_refused(node: &Node, expected: &str) {
    let said = node.said(&["run"]).ended(FAILED);
    let lines: Vec<&str> = said.err.lines().filter(|line| !line.contains(" INFO ")).collect();
    let [line] = lines.as_slice() else { panic!("one line: {said:?}") };
    assert!(line.starts_with("orderstream: ") && line.contains(expected), "{line}");
}

#[test]
fn orders_go_on_whichever_version_has_written_their_state_and_a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start();
    let mut site = Site::new(folder.path(), &CLUSTER, &registry.url(), PREFIX);
    site.partitions = PARTITIONS;
    let node = site.node("node", true);
    work::plant(folder.path(), 1, &work::generator(1, 1, 0.0), &node.settings());
    node.said(&["schemas", "register"]).ended(0);
    node.said(&["topics", "create"]).ended(0);

    // Orders under way, and the service stopped.
    let service = node.start();
    let slow = folder.path().join("slow.toml");
    std::fs::write(&slow, "behaviour = { latency = { kind = \"fixed\", ms = 3_000 } }\n").unwrap();
    run(&node.data_dir, &["downstream", "scenario", &slow.display().to_string()]).ended(0);
    let numbers: Vec<String> = (0..ORDERS).map(|number| format!("V-{number}")).collect();
    submit(&node.data_dir, &numbers.iter().map(String::as_str).collect::<Vec<_>>()).ended(0);
    until(WAIT, "all orders are under way", || orders_in(&node.data_dir, "inProgress") == ORDERS);
    assert_eq!(service.stop(), Some(0));

    let log = changelog(&CLUSTER, folder.path());
    let versions = versions(&registry);
    let lost = Lost::of(&versions);
    let (older, newer, unknown) = rewrite(&log, &versions, &lost);
    assert!(older > ORDERS && newer > ORDERS, "{older} states of an older version, {newer} of a newer");
    assert!(unknown > 0, "no order lies in partition {PARTITION_LOST}");
    std::fs::remove_dir_all(node.data_dir.join("state")).unwrap();
    let service = node.start();
    run(&node.data_dir, &["downstream", "scenario", "--reset"]).ended(0);

    // What the registry has lost is waited for, and costs no answer.
    let said = format!("schema id {} is not known to the registry", lost.id);
    until(WAIT, "it is said what the registry has lost", || service.said().contains(&said));
    // Whether it is well yet depends on how long it has waited.
    let status: Value = serde_json::from_str(&node.said(&["status", "--json"]).out).unwrap();
    assert_eq!(status["deadLetters"], 0, "{status}");
    assert!(orders_in(&node.data_dir, "completed") <= ORDERS - unknown, "{unknown} orders wait");
    assert_eq!(registered(&registry, &lost.subject, &lost.schema.json.to_string()), lost.id);
    until(WAIT, "all orders are completed", || orders_in(&node.data_dir, "completed") == ORDERS);
    let status = node.said(&["status", "--json"]).json(0);
    assert_eq!(status["deadLetters"], 0, "{status}");
    assert_eq!(service.stop(), Some(0));

    // A store of a newer version, and a log of one.
    let version = node.data_dir.join("state/orders-0/version");
    let ours = std::fs::read(&version).unwrap();
    std::fs::write(&version, "format 2\nsoftware orderstream 9.0.0\n").unwrap();
    check_refused(
        &node,
        "has format version 2, written by orderstream 9.0.0; this program reads up to 1, use a newer one",
    );
    std::fs::write(&version, ours).unwrap();
    let before = log.note(GROUPING).unwrap().unwrap();
    let mut kept: Value = serde_json::from_slice(&before).unwrap();
    (kept["format"], kept["software"]) = (2.into(), "orderstream 9.0.0".into());
    let after = Bytes::from(kept.to_string());
    assert!(log.regroup(&[], &Note { key: GROUPING, before: Some(&before), after }).unwrap());
    check_refused(
        &node,
        "the log has format version 2, written by orderstream 9.0.0; this program reads up to 1, use a newer one",
    );
}
