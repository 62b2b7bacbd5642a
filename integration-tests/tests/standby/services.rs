//! The real binary: what a restart and a take-over after SIGKILL read of the changelogs.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cli::settings::STATE_DIR;
use connectors::upstream::Generator;
use integration_tests::kafka::Cluster;
use integration_tests::process::until;
use integration_tests::registry::Registry;
use integration_tests::site::{Node, Site, until_shared};
use integration_tests::work;
use runtime::log::kafka::{Kafka, Progress, stores};
use runtime::{Limits, SystemClock, TopicSpec};
use topology::SubTopology;

use super::workers::cluster;

const ORDERS: u32 = 200;
const SEED: u64 = 11;
const PARTITIONS: u32 = 4;
const WAIT: Duration = Duration::from_secs(120);
const ALL: Limits = Limits { records_max: 1_000_000, bytes_max: 1 << 28 };
/// Groups share a changelog, and each starts by itself.
const OTHERS_MAX: u64 = 100;
const CHANGELOG: &str = "orderstream.changelog.4";

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("orderstream-standby-").tempdir().unwrap()
}

/// A system of processes on one broker.
fn site(folder: &Path, cluster: &Cluster, registry: &Registry, name: &str) -> Site {
    let site = Site::new(folder, cluster, &registry.url(), &format!("{name}."));
    Site { partitions: PARTITIONS, ..site }
}

/// One of its processes. Of each group it has one worker: that finds the store again that it had.
fn node(site: &Site, name: &str, simulated: bool, standby_partitions_max: u32) -> Node {
    let mut groups = SubTopology::defaults();
    groups.iter_mut().for_each(|group| group.workers = 1);
    let more = format!("standby_partitions_max = {standby_partitions_max}\n");
    Site { more, ..site.clone() }.grouped(&groups).node(name, simulated)
}

/// Schemas, topics, and what the simulated systems do.
fn prepare(site: &Site, node: &Node, generator: &Generator) {
    node.said(&["schemas", "register"]).ended(0);
    node.said(&["topics", "create"]).ended(0);
    work::plant(&site.folder, SEED, generator, &node.settings());
}

fn changelog(node: &Node) -> Kafka {
    let specs = vec![TopicSpec { compacted: true, ..TopicSpec::new(CHANGELOG, PARTITIONS) }];
    Kafka::open_to_look(node.settings().kafka_options(), specs, Arc::new(SystemClock)).unwrap()
}

/// Where the store of the orders' worker stands.
fn stands(node: &Node) -> Vec<(u32, Progress)> {
    let mut stores = stores(&node.data_dir.join(STATE_DIR)).unwrap();
    stores.retain(|store| store.worker == "orders-0");
    stores.remove(0).partitions.unwrap()
}

/// How many records the orders' worker has read to restore its state, as it has logged.
fn restored(said: &str) -> u64 {
    let of_worker =
        said.lines().filter(|line| line.contains("state is restored") && line.contains("worker=orders-0"));
    let records = |line: &str| line.split("records=").nth(1)?.split(' ').next()?.parse::<u64>().ok();
    let records: Vec<u64> = of_worker.filter_map(records).collect();
    assert!(!records.is_empty(), "its first start is told at the least: {said}");
    records.into_iter().sum()
}

/// Partitions of two groups by orders and products, and one by systems.
const ASSIGNED: u64 = 2 * PARTITIONS as u64 + 1;

/// How many records of state a changelog has in each partition from an offset on, once all is settled.
fn records_from(log: &Kafka, partition: u32, from: i64) -> u64 {
    // Waits for what the killed process has left open.
    log.end_offsets(CHANGELOG).unwrap();
    let records = log.read_range(CHANGELOG, partition, from, ALL).unwrap();
    let is_state = |key: &[u8]| key.first().is_some_and(|kind| *kind < 3);
    records.iter().filter(|record| is_state(record.key.as_deref().unwrap_or_default())).count() as u64
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn the_killed_binary_reads_what_its_store_lacks_and_no_more() {
    let cluster = cluster();
    let (folder, registry) = (folder(), Registry::start());
    let site = site(folder.path(), &cluster, &registry, "again");
    let node = node(&site, "alone", true, 0);
    let generator = work::generator(SEED, ORDERS, 0.0);
    prepare(&site, &node, &generator);
    let submissions: Vec<_> = generator.submissions().collect();
    let service = node.start();
    until(WAIT, "it has all partitions", || node.partitions() == ASSIGNED);
    let settings = node.settings();
    block_on(work::submit(&settings, &submissions));
    // In the midst of them.
    until(WAIT, "some have gone far", || {
        node.metric("orderstream_order_transitions_total{to=\"completed\"") > f64::from(ORDERS) / 4.0
    });
    let said = service.said();
    service.kill();
    let log = changelog(&node);
    let stood = stands(&node);
    let whole: u64 = (0..PARTITIONS).map(|partition| records_from(&log, partition, 0)).sum();
    let lacked: u64 =
        stood.iter().map(|(partition, stands)| records_from(&log, *partition, stands.next_offset)).sum();
    assert_eq!(stood.len(), PARTITIONS as usize);
    let before = restored(&said);

    let again = node.start();
    until(WAIT, "it has all partitions again", || node.partitions() == ASSIGNED);
    let replayed = restored(&again.said()) - before;
    println!("after SIGKILL: {replayed} replayed, {lacked} were lacking, {whole} there were");
    // What the others write there until it is restored comes on top.
    assert!((lacked..=lacked + OTHERS_MAX).contains(&replayed), "{replayed} replayed, {lacked} were lacking");
    assert!(whole > 5 * replayed, "{replayed} of {whole}");
    assert!(block_on(work::settle(&settings, &generator.oracle())));
    assert_eq!(again.stop(), Some(0));
    work::judge(&settings, &generator.oracle());
}

/// What is declared of a service on Kafka, and of no other, is there.
fn assert_declared(page: &str) {
    let groups = cli::metrics::GROUPS.iter().filter(|group| group.title == cli::metrics::ON_KAFKA);
    for metric in groups.flat_map(|group| group.metrics) {
        let declared = format!("# TYPE {} {}", metric.name, metric.kind.word());
        assert!(page.contains(&declared), "{declared} is missing in {page}");
        for label in metric.labels {
            let labelled = format!("{}{{{label}=", metric.name);
            assert!(page.contains(&labelled), "{labelled} is missing in {page}");
        }
    }
}

/// What the one that stays reads to take over from the one that is killed, and of how much.
fn replayed_at_kill(name: &str, standby_partitions_max: u32) -> (u64, u64) {
    let cluster = cluster();
    let (folder, registry) = (folder(), Registry::start());
    let site = site(folder.path(), &cluster, &registry, name);
    let stays = node(&site, "stays", true, standby_partitions_max);
    let dies = node(&site, "dies", false, 0);
    let generator = work::generator(SEED, ORDERS, 0.0);
    prepare(&site, &stays, &generator);
    let submissions: Vec<_> = generator.submissions().collect();
    let (staying, dying) = (stays.start(), dies.start());
    until_shared(&[&stays, &dies], ASSIGNED);
    let settings = stays.settings();
    let (most, last) = submissions.split_at(submissions.len() * 9 / 10);
    block_on(work::submit(&settings, most));
    until(WAIT, "most are done", || {
        let completed = "orderstream_order_transitions_total{to=\"completed\"";
        stays.metric(completed) + dies.metric(completed) >= most.len() as f64 * 0.9
    });
    if standby_partitions_max > 0 {
        until(WAIT, "copies are told", || stays.metric("orderstream_standby_partitions") > 0.0);
        let status = stays.said(&["status", "--json"]).json(0);
        let copies = status["standbys"].as_array().unwrap();
        assert_eq!(copies.len() as f64, stays.metric("orderstream_standby_partitions"), "{status}");
        assert_declared(&stays.metrics());
        until(WAIT, "copies keep up", || stays.metric("orderstream_standby_lag_records") < 200.0);
    }
    block_on(work::submit(&settings, last));
    dying.kill();
    until(WAIT, "one has all", || stays.partitions() == ASSIGNED);
    let replayed = stays.metric("orderstream_replayed_records_total") as u64;
    assert!(block_on(work::settle(&settings, &generator.oracle())));
    let log = changelog(&stays);
    let whole = (0..PARTITIONS).map(|partition| records_from(&log, partition, 0)).sum();
    assert_eq!(staying.stop(), Some(0));
    work::judge(&settings, &generator.oracle());
    (replayed, whole)
}

#[test]
fn who_takes_over_from_a_killed_process_reads_only_the_tail_where_it_has_copies() {
    let (without, whole) = replayed_at_kill("cold", 0);
    let (with, _) = replayed_at_kill("warm", 256);
    println!("after SIGKILL of the other: {without} replayed without copies, {with} with them, of {whole}");
    assert!(without > whole / 4, "{without} of {whole}: a part of it, and all of that");
    assert!(with < without / 5, "{with} with copies, {without} without");
}
