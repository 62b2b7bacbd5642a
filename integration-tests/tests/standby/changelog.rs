//! A store whose changelog no longer has what it lacks, or is another one, is rebuilt and never gone on with.
use std::sync::Arc;
use std::time::{Duration, Instant};

use integration_tests::commits::PATIENCE;
use integration_tests::kafka::Cluster;
use integration_tests::process::until as wait_until;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::topic_partition_list::Offset;
use runtime::log::kafka::{Kafka, Progress, create, stores};
use runtime::{Limits, TopicSpec};

use super::workers::{Place, changes_of, cluster, counts, kept_of, until};

const CHANGELOG: &str = "orderstream.changelog.1";
const ALL: Limits = Limits { records_max: 1_000_000, bytes_max: 1 << 28 };

fn admin(cluster: &Cluster) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", cluster.addresses()).create().unwrap()
}

fn wait_for<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(answer)
}

/// Changes settings of the changelog.
fn set(cluster: &Cluster, place: &Place, settings: &str) {
    let output = cluster
        .tool("kafka.admin.ConfigCommand")
        .args(["--bootstrap-server", &cluster.addresses(), "--alter", "--entity-type", "topics"])
        .args(["--entity-name", &format!("{}{CHANGELOG}", place.options.prefix), "--add-config", settings])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The keys that are left in the changelog, of cells by their names.
fn cells_left(place: &Place) -> Vec<(String, bool)> {
    let specs = vec![TopicSpec { compacted: true, ..TopicSpec::new(CHANGELOG, 1) }];
    let log = Kafka::open_to_look(place.options.clone(), specs, Arc::new(place.clock.clone())).unwrap();
    let records = log.read_range(CHANGELOG, 0, 0, ALL).unwrap();
    let name = |key: &[u8]| String::from_utf8_lossy(key).chars().rev().take(7).collect::<Vec<_>>();
    records
        .iter()
        .map(|record| {
            let name = name(record.key.as_deref().unwrap_or_default());
            (name.into_iter().rev().collect(), record.value.is_none())
        })
        .collect()
}

fn progress(place: &Place, machine: &str) -> Progress {
    let mut stores = stores(&place.state(machine)).unwrap();
    stores.remove(0).partitions.unwrap().remove(0).1
}

#[test]
fn a_store_that_lacks_what_was_cut_off_is_rebuilt_from_what_is_left() {
    let cluster = cluster();
    let place = Place::new(&cluster, "cut", 1);
    let (one, other) = (place.machine("one", 0), place.machine("other", 0));
    place.send(&one, 60);
    drop(counts(&one, 60));
    let stood = progress(&place, "one").next_offset;
    place.send(&one, 30);
    drop(counts(&other, 90));

    // Only of a topic that forgets by time may records be deleted.
    set(&cluster, &place, "cleanup.policy=delete");
    let mut offsets = TopicPartitionList::new();
    let topic = format!("{}{CHANGELOG}", place.options.prefix);
    offsets.add_partition_offset(&topic, 0, Offset::Offset(stood + 30)).unwrap();
    let admin = admin(&cluster);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let deleted = wait_for(admin.delete_records(&offsets, &AdminOptions::new())).unwrap();
        if deleted.elements()[0].error().is_ok() {
            break;
        }
        // The broker hears of the setting a moment later.
        assert!(Instant::now() < deadline, "{deleted:?}");
    }
    set(&cluster, &place, "cleanup.policy=compact");

    let left = cells_left(&place);
    let again = place.machine("one", 0);
    let mut worker = counts(&again, 90);
    assert_eq!(worker.log.replayed_records(), left.len() as u64, "what is left, all of it");
    let kept = worker.kept(0);
    assert!(!kept.is_empty() && kept_of(90).ends_with(&kept), "{kept:?}");
    assert!(kept[0] > 60, "{kept:?}: what was not rebuilt is not mixed with what was");
}

#[test]
fn a_changelog_that_was_made_anew_under_its_name_is_not_gone_on_with() {
    let cluster = cluster();
    let place = Place::new(&cluster, "anew", 1);
    let one = place.machine("one", 0);
    place.send(&one, 50);
    drop(counts(&one, 50));
    let stood = progress(&place, "one");
    let origin = stood.origin.expect("the first batch has left one");
    drop(one);

    let topic = format!("{}{CHANGELOG}", place.options.prefix);
    for deleted in wait_for(admin(&cluster).delete_topics(&[&topic], &AdminOptions::new())).unwrap() {
        deleted.unwrap();
    }
    wait_until(PATIENCE, "it is made anew", || create(&place.options, place.specs()).is_ok());
    place.clock.set(1_000_500);
    let other = place.machine("other", 0);
    place.send(&other, 60);
    // Its store is another, and begins with the new changelog.
    drop(counts(&other, 60));
    assert!(progress(&place, "other").next_offset > stood.next_offset, "the offset alone does not tell");

    let again = place.machine("one", 0);
    let mut worker = counts(&again, 60);
    assert_eq!(worker.log.replayed_records(), changes_of(60));
    assert_eq!(worker.kept(0), kept_of(60), "nothing is left of before");
    drop(worker);
    let now = progress(&place, "one").origin.unwrap();
    assert_ne!(now, origin);
    assert_eq!(Some(now), progress(&place, "other").origin);
    // Its own it knows again.
    let again = place.machine("one", 0);
    assert_eq!(counts(&again, 60).log.replayed_records(), 0);
}

/// Fault: a worker is away for longer than the changelog remembers deletions, and the broker really has forgotten one.
#[test]
fn a_deletion_that_the_changelog_has_forgotten_is_not_undone() {
    let cluster = cluster();
    let place = Place::new(&cluster, "forgotten", 1);
    set(
        &cluster,
        &place,
        "delete.retention.ms=500,segment.ms=500,min.cleanable.dirty.ratio=0.001,min.compaction.lag.ms=0",
    );
    let (one, other) = (place.machine("one", 0), place.machine("other", 0));
    // The last is deleted by the one after it.
    place.send(&one, 92);
    let mut worker = counts(&one, 92);
    assert!(worker.kept(0).contains(&91));
    drop(worker);
    place.send(&one, 1);
    let mut elsewhere = counts(&other, 93);
    let mut records = 93;
    let deadline = Instant::now() + PATIENCE;
    let last = "c000091".to_owned();
    while cells_left(&place).iter().any(|(name, _)| *name == last) {
        assert!(Instant::now() < deadline, "the broker forgets nothing");
        // What is written to is not cleaned: there has to be something newer.
        std::thread::sleep(Duration::from_millis(500));
        place.send(&other, 1);
        records += 1;
        until(&mut [&mut elsewhere], "it is counted", |workers| workers[0].counted(0) == records);
    }
    drop(elsewhere);
    place.clock.set(1_000_000 + 501);
    let again = place.machine("one", 0);
    let mut worker = counts(&again, records);
    assert_eq!(worker.kept(0), kept_of(records));
}
