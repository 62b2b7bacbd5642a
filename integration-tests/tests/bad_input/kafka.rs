//! The same table through one service on a real cluster. Plays: raw records that a client that is none of ours puts on its topics, among them
//! what no log of ours would take (keys and records that are too long, a header whose name is no text, rubbish on a changelog), and good orders
//! between them, which must not notice.
use std::time::Duration;

use cli::service::{Store, catalog};
use connectors::downstream::{Behaviour, Latency, Noise, Scenario};
use domain::limits::RECORD_BYTES_MAX;
use integration_tests::bad_input::{Case, Outcome, outcome, table};
use integration_tests::kafka::Cluster;
use integration_tests::plain::Plain;
use integration_tests::process::{Service, until};
use integration_tests::registry::Registry;
use integration_tests::site::{JOIN_WAIT, Node, Site};
use integration_tests::{budget, wire, work};
use rdkafka::error::RDKafkaErrorCode;
use runtime::log::Limits;
use runtime::shard::{HEADER_KEY, HEADER_LEFT_OUT};
use runtime::{Record, partition_for};
use schemas::topics;
use serde_json::Value;

use super::service::{GOOD_EVERY, GOOD_WAIT, RSS_BYTES_MAX, audit, audit_others, good, written};

/// The changelog of the table has it in its name.
const PARTITIONS: u32 = 4;
const PREFIX: &str = "bad.";
/// How long positions may take to come to the end once all orders have.
const READ_WAIT: Duration = Duration::from_secs(60);

/// Everything answers quickly.
fn calm(site: &Site) {
    let quick = Behaviour { latency: Latency::Fixed { ms: 5 }, ..Scenario::default().behaviour };
    let mut calm = Scenario { behaviour: quick, noise: Noise::default(), ..Scenario::default() };
    calm.systems.clear();
    calm.outages.clear();
    std::fs::write(work::scenario(&site.folder), calm.to_json()).unwrap();
}

/// Whether a topic of the cluster takes it.
fn is_taken(case: &&Case) -> bool {
    !case.too_large_for_the_log || case.bytes().unwrap().len() <= RECORD_BYTES_MAX
}

/// Puts every case on its topic, and good orders between; gives the names of those, and what was taken or refused and should not have been.
fn fill(cluster: &Cluster, store: &Store, cases: &[Case]) -> (Vec<String>, Vec<String>) {
    let client = Plain::new(&cluster.addresses(), PREFIX);
    let now_ms = store.clock.now_ms();
    let (mut names, mut wrong) = (Vec::new(), Vec::new());
    for (number, case) in cases.iter().enumerate() {
        if number.is_multiple_of(GOOD_EVERY) {
            let name = format!("between-{number}");
            client.send(&good(&name, now_ms)).unwrap();
            names.push(name);
        }
        let mut record = case.record(&store.codec, now_ms).unwrap();
        if let Some(name) = case.header_name().unwrap() {
            record.partition = Some(partition_for(record.key.as_deref().unwrap_or_default(), PARTITIONS));
            wire::produce(cluster.port(0), &format!("{PREFIX}{}", record.topic), &record, &name, b"x");
            continue;
        }
        match client.send(&record) {
            Ok(_) if is_taken(&case) => {}
            Err(RDKafkaErrorCode::MessageSizeTooLarge) if !is_taken(&case) => {}
            other => wrong.push(format!("{}: {other:?}", case.name)),
        }
    }
    (names, wrong)
}

/// Waits until all these orders are completed.
fn until_completed(node: &Node, service: &Service, names: &[String]) {
    until(GOOD_WAIT, "every good order is completed", || {
        let said = node.said(&["order", "list", "--state", "completed", "--limit", "1000", "--json"]);
        let page: Value = serde_json::from_str(&said.out).unwrap_or_default();
        let keys: Vec<&str> = page["rows"]
            .as_array()
            .map_or(Vec::new(), |rows| rows.iter().filter_map(|row| row["key"].as_str()).collect());
        assert!(service.resident().now_bytes > 0, "it runs");
        names.iter().all(|name| keys.iter().any(|key| key.ends_with(&format!("/{name}"))))
    });
}

/// Where a group has not come to the last record of one of its topics.
fn unread(node: &Node, store: &Store) -> Vec<String> {
    let mut unread = Vec::new();
    for group in node.settings().subtopologies {
        for topic in group.topics() {
            let positions = store.log.groups(topic, &[&group.name]).unwrap();
            let partitions = store.log.topics().get(topic).unwrap().partitions;
            for partition in 0..partitions {
                let end = store.log.last_record_end(topic, partition).unwrap();
                let next =
                    positions.first().and_then(|group| group.next_offsets[partition as usize]).unwrap_or(0);
                if next < end {
                    unread.push(format!("{} is at {next} of {end} in {topic} {partition}", group.name));
                }
            }
        }
    }
    unread
}

/// What the letter of a case says that a log of ours would never have: its own headers, by name.
fn letter_of<'r>(letters: &'r [Record], case: &str) -> &'r Record {
    let of_case = |record: &&Record| {
        let mut headers = record.headers.iter();
        &*record.topic == topics::DEAD_LETTERS
            && headers.any(|(name, value)| &**name == table::HEADER_CASE && value == case)
    };
    letters.iter().find(of_case).unwrap_or_else(|| panic!("no letter of {case}"))
}

fn header<'r>(record: &'r Record, name: &str) -> Option<&'r [u8]> {
    record.headers.iter().find(|(found, _)| &**found == name).map(|(_, value)| &**value)
}

#[test]
fn one_service_on_a_cluster_takes_all_of_it_and_neither_stops_nor_starts_again() {
    let budget = budget::of("bad_input.kafka");
    let started = std::time::Instant::now();
    let (cluster, registry, folder) = (Cluster::start(1), Registry::start(), tempfile::tempdir().unwrap());
    let mut site = Site::new(folder.path(), &cluster, &registry.url(), PREFIX);
    (site.partitions, site.time_divisor) = (PARTITIONS, 200);
    calm(&site);
    let node = site.node("alone", true);
    node.said(&["schemas", "register"]).ended(0);
    node.said(&["topics", "create"]).ended(0);
    let service = node.start();
    let settings = node.settings();
    let store = Store::open(&settings, &catalog::load(&settings.catalog).unwrap()).unwrap();
    let cases = table::all().unwrap();

    let (mut names, wrong) = fill(&cluster, &store, &cases);
    assert!(wrong.is_empty(), "{wrong:#?}");
    until_completed(&node, &service, &names);
    until(READ_WAIT, "every position is at its end", || unread(&node, &store).is_empty());
    let resident = service.resident();
    assert!(resident.peak_bytes < RSS_BYTES_MAX, "{} MiB of memory", resident.peak_bytes >> 20);
    let said = service.said();
    assert_eq!(said.matches(": ready ").count(), 1, "it started once");
    assert_eq!(service.stop(), Some(0), "SIGTERM ends it politely");

    // State is restored from a changelog with rubbish in it, and goes on.
    std::fs::remove_dir_all(settings.node.data_dir.join(cli::settings::STATE_DIR)).unwrap();
    let again = node.start();
    let now_ms = store.clock.now_ms();
    let client = Plain::new(&cluster.addresses(), PREFIX);
    for number in 0..PARTITIONS {
        let name = format!("behind-{number}");
        client.send(&good(&name, now_ms)).unwrap();
        names.push(name);
    }
    until(JOIN_WAIT, "it has its partitions", || node.partitions() == 2 * u64::from(PARTITIONS) + 1);
    until_completed(&node, &again, &names);
    let log = again.said();
    assert_eq!(again.stop(), Some(0), "SIGTERM ends it politely");

    assert!(!log.contains("part of the service failed"), "{log}");
    // The client's own, at a header's name: the record is read without it.
    let panics = log.lines().filter(|line| line.contains("panicked"));
    let ours: Vec<&str> = panics.filter(|line| !line.contains("/rdkafka-")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
    let records = written(&store);
    let found = outcome::outcomes(&store.codec, &records).unwrap();
    let mut failed = audit(cases.iter().filter(is_taken), &found, &log);
    failed.extend(audit_others(std::iter::empty(), &names, &found));
    assert!(failed.is_empty(), "{} are not accounted for:\n  {}", failed.len(), failed.join("\n  "));
    check_letters(&store, &cases, &records);
    println!("{} cases took {} s, planned are {}", cases.len(), started.elapsed().as_secs(), budget.seconds);
}

/// Of what is too long to be kept as it was, the letter says so, and where the rest lies; of all others it has all.
fn check_letters(store: &Store, cases: &[Case], records: &[Record]) {
    let key = letter_of(records, "key-5000-of-rubbish");
    assert_eq!((header(key, HEADER_KEY).map(<[u8]>::len), &key.key), (Some(5_000), &None));
    let beyond = letter_of(records, "record-beyond-the-limit");
    assert_eq!(header(beyond, HEADER_LEFT_OUT), Some(&b"the value, 4202082 bytes"[..]));
    let place = |name: &str| std::str::from_utf8(header(beyond, name).unwrap()).unwrap().to_owned();
    let (topic, partition) = (place(runtime::shard::HEADER_TOPIC), place(runtime::shard::HEADER_PARTITION));
    let offset: i64 = place(runtime::shard::HEADER_OFFSET).parse().unwrap();
    let one = Limits { records_max: 1, bytes_max: usize::MAX };
    let original = store.log.read_range(&topic, partition.parse().unwrap(), offset, one).unwrap();
    assert_eq!(
        original[0].value.as_ref().map(|value| value.len()),
        Some(4_202_082),
        "it lies where that says"
    );
    for case in cases.iter().filter(is_taken) {
        if !matches!(case.expected().unwrap(), Some(Outcome::DeadLetter(_))) || case.only_on_a_cluster {
            continue;
        }
        // Each such file has a mark that is drawn anew.
        if case.encoded == table::Encoded::Container {
            continue;
        }
        let letter = letter_of(records, &case.name);
        let sent = case.record(&store.codec, 0).unwrap();
        assert!(letter.value == sent.value && letter.key == sent.key, "{} is not what was sent", case.name);
    }
}
