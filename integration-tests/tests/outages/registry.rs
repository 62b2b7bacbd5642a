//! A record that only the registry could explain comes while the registry does not answer: gone, so that every question is refused at once, and
//! held, so that none is answered. The record is neither lost nor a dead letter; it holds the partitions of its worker, and no others; whoever
//! asks is told what is waited for. Once the registry answers it is a dead letter where its schema is unknown, and taken where the schema
//! is a newer version of ours; and what was held behind it goes on.
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use integration_tests::avro::Schema;
use integration_tests::bad_input::table;
use integration_tests::plain::Plain;
use integration_tests::process::{order, until};
use integration_tests::registry::Registry;
use integration_tests::site::{JOIN_WAIT, Node, Site};
use integration_tests::{budget, work};
use runtime::{Outgoing, SystemClock, partition_for};
use schemas::{headers, topics};
use serde_json::{Value, json};

const PREFIX: &str = "unknown.";
/// Two workers share them.
const PARTITIONS: u32 = 4;
const WAIT: Duration = Duration::from_secs(60);
/// Nobody gives this id.
const ID_UNKNOWN: u32 = 4_000_000;
const SUBJECT: &str = "orderstream.order.requests-io.orderstream.OrderRequest";
const REQUESTER: &str = "PARTNER-7/externalId";

/// A service on a cluster, and a client of outsiders.
struct Stage {
    node: Node,
    client: Plain,
    /// How many orders were sent: each has a number of its own.
    sent: u32,
}

fn request(key: &str, partition: Option<u32>, media_type: &str, value: Vec<u8>) -> Outgoing {
    let pairs = [(headers::CONTENT_TYPE, media_type), (headers::CE_ID, key)];
    Outgoing {
        topic: topics::ORDER_REQUESTS.into(),
        partition,
        key: Some(Bytes::from(key.to_owned())),
        value: Some(value.into()),
        headers: pairs.map(|(name, value)| (name.into(), Bytes::from(value.to_owned()))).into(),
        timestamp_ms: runtime::Clock::now_ms(&SystemClock),
    }
}

/// As Confluent frames it.
fn framed(id: u32, body: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], body].concat()
}

impl Stage {
    /// Sends an order into each partition; gives their keys, in the partitions' sequence.
    fn send_to_each(&mut self) -> Vec<String> {
        let partition = |key: &str| partition_for(key.as_bytes(), PARTITIONS);
        let mut keys = Vec::new();
        for wanted in 0..PARTITIONS {
            let number = loop {
                self.sent += 1;
                let number = format!("R-{}", self.sent);
                if partition(&format!("{REQUESTER}/{number}")) == wanted {
                    break number;
                }
            };
            let key = format!("{REQUESTER}/{number}");
            self.client.send(&request(&key, None, headers::JSON, order(&number).into_bytes())).unwrap();
            keys.push(key);
        }
        keys
    }

    fn completed(&self) -> Vec<String> {
        let said = self.node.said(&["order", "list", "--state", "completed", "--limit", "1000", "--json"]);
        let page: Value = serde_json::from_str(&said.out).unwrap_or_default();
        let rows = page["rows"].as_array().map_or(&[][..], Vec::as_slice);
        rows.iter().filter_map(|row| Some(row["key"].as_str()?.to_owned())).collect()
    }

    fn until_completed(&self, keys: &[String]) {
        until(WAIT, "these orders are completed", || {
            let completed = self.completed();
            keys.iter().all(|key| completed.contains(key))
        });
    }

    fn dead_letters(&self) -> Vec<String> {
        let letters = self.node.said(&["dlq", "list", "--json"]).json(0);
        let letters = letters.as_array().unwrap().iter();
        letters.map(|letter| letter["reason"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until a worker says that it waits for the registry to explain this id; gives the worker.
    fn until_waiting(&self, id: u32) -> String {
        let mut worker = String::new();
        until(WAIT, "a worker says what it waits for", || {
            let status = self.node.said(&["status", "--json"]);
            let status: Value = serde_json::from_str(&status.out).unwrap_or_default();
            let asked = format!("could not ask the registry about schema id {id}");
            let waiting = status["waiting"].as_array().map_or(&[][..], Vec::as_slice);
            let found = waiting.iter().find(|line| line["reason"].as_str().unwrap().contains(&asked));
            worker = found.map_or(String::new(), |line| line["part"].as_str().unwrap().to_owned());
            !worker.is_empty()
        });
        worker
    }

    /// Of a worker of the orders.
    fn partitions_of(&self, worker: &str) -> usize {
        let of_worker = format!("worker=\"{worker}\"");
        let page = self.node.metrics();
        let mut samples = page.lines().filter(|line| line.starts_with("orderstream_assigned_partitions{"));
        let sample = samples.find(|line| line.contains(&of_worker)).unwrap_or_else(|| panic!("{page}"));
        sample.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as usize
    }
}

/// The contract of requests with one more field, which has a default: a newer version by its rules. Gives its id and its text.
fn register_newer(registry: &Registry) -> (u32, String) {
    let client = reqwest::blocking::Client::new();
    let latest = client.get(format!("{}/subjects/{SUBJECT}/versions/latest", registry.url())).send().unwrap();
    let latest: Value = serde_json::from_str(&latest.text().unwrap()).unwrap();
    let mut schema: Value = serde_json::from_str(latest["schema"].as_str().unwrap()).unwrap();
    let field = json!({ "name": "giftWrap", "type": ["null", "string"], "default": null });
    schema["fields"].as_array_mut().unwrap().push(field);
    let body = json!({ "schema": schema.to_string(), "schemaType": "AVRO" }).to_string();
    let post = client.post(format!("{}/subjects/{SUBJECT}/versions", registry.url())).body(body);
    let answer = post.header("content-type", "application/vnd.schemaregistry.v1+json").send().unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    let answer: Value = serde_json::from_str(&answer.text().unwrap()).unwrap();
    (u32::try_from(answer["id"].as_u64().unwrap()).unwrap(), schema.to_string())
}

/// An order of the newer version; gives its key, too.
fn newer_order(id: u32, schema: &str) -> (String, Vec<u8>) {
    let document = std::fs::read_to_string(table::directory().join("avro-good.json")).unwrap();
    let mut order: Value = serde_json::from_str(&document).unwrap();
    order["reference"] = "newer".into();
    order["giftWrap"] = "red".into();
    ("WEBSHOP/orderNumber/newer".to_owned(), framed(id, &Schema::of(schema).encode(&order)))
}

#[test]
fn a_record_that_only_the_registry_could_explain_waits_for_it_with_all_that_its_worker_has_and_no_more() {
    let (cluster, budget, started) = (super::cluster(), budget::of("kafka_outages.unknown"), Instant::now());
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::start();
    let mut stage = stage(&cluster, folder.path(), &registry);
    let service = stage.node.start();
    until(JOIN_WAIT, "it has its partitions", || stage.node.partitions() == 2 * u64::from(PARTITIONS) + 1);

    registry.stop();
    let known = stage.send_to_each();
    stage.until_completed(&known);

    // Gone, and the id is nobody's. Behind it lies an order; others lie in the partitions of its worker, and of the other one.
    let unknown = request("SOMEBODY/1", Some(0), headers::AVRO, framed(ID_UNKNOWN, b"no"));
    stage.client.send(&unknown).unwrap();
    let worker = stage.until_waiting(ID_UNKNOWN);
    let behind = stage.send_to_each();
    let (held, all) = (stage.partitions_of(&worker), PARTITIONS as usize);
    assert!(0 < held && held < all, "{worker} has {held} partitions of {all}");
    let done = |stage: &Stage| {
        let completed = stage.completed();
        behind.iter().filter(|key| completed.contains(key)).cloned().collect::<Vec<_>>()
    };
    until(WAIT, "the other worker's orders end", || done(&stage).len() == all - held);
    assert!(!done(&stage).contains(&behind[0]), "it lies behind the record");
    until(WAIT, "the service says that it is not well", || stage.node.said(&["status"]).code == Some(3));
    let told = stage.node.said(&["status"]).ended(3);
    let at = format!("problem: {worker} has not gone on since ");
    assert!(told.out.contains(&at) && told.out.contains("orderstream.order.requests 0:"), "{told:?}");
    let doctor = stage.node.said(&["doctor"]).ended(3);
    let lag = format!("wrong (lag): worker \"{worker}\"");
    assert!(doctor.out.contains(&lag), "{doctor:?}");
    assert_eq!((stage.dead_letters(), done(&stage).len()), (Vec::new(), all - held), "nothing is given up");
    registry.restart();
    stage.node.said(&["schemas", "register"]).ended(0);
    stage.until_completed(&behind);
    let reasons = stage.dead_letters();
    assert!(
        reasons.len() == 1 && reasons[0].contains(&format!("schema id {ID_UNKNOWN} is not known")),
        "{reasons:?}"
    );
    until(WAIT, "all is well again", || stage.node.said(&["status"]).code == Some(0));

    // Held, and the id is a newer version's.
    let (id, schema) = register_newer(&registry);
    registry.hold();
    let (key, order) = newer_order(id, &schema);
    stage.client.send(&request(&key, None, headers::AVRO, order)).unwrap();
    let mut behind = stage.send_to_each();
    let worker = stage.until_waiting(id);
    assert_eq!(stage.dead_letters().len(), 1, "it is not given up");
    assert!(!stage.completed().contains(&key));
    registry.release();
    behind.push(key);
    stage.until_completed(&behind);
    assert_eq!(stage.dead_letters().len(), 1, "{worker} has taken it");
    assert_eq!(service.said().matches(": ready ").count(), 1, "it started once");
    assert_eq!(service.stop(), Some(0), "SIGTERM ends it politely");
    println!("kafka_outages.unknown: took {} s, planned are {}", started.elapsed().as_secs(), budget.seconds);
}

fn stage(cluster: &integration_tests::kafka::Cluster, folder: &Path, registry: &Registry) -> Stage {
    let mut site = Site::new(folder, cluster, &registry.url(), PREFIX);
    site.partitions = PARTITIONS;
    let node = site.node("alone", true);
    work::plant(folder, 1, &work::generator(1, 1, 0.0), &node.settings());
    node.said(&["schemas", "register"]).ended(0);
    node.said(&["topics", "create"]).ended(0);
    Stage { node, client: Plain::new(&cluster.addresses(), PREFIX), sent: 0 }
}
