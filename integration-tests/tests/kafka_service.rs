//! The whole product on a real broker and a real registry. Plays: two processes share the partitions, and one of them is killed again and
//! again, or held until its partitions are the other's; afterwards every order stands where the oracle says. And what is missing or set
//! otherwise is refused in one clear line.
use std::sync::LazyLock;
use std::time::Duration;

use integration_tests::kafka::Cluster;
use integration_tests::play::Play;
use integration_tests::process::until;
use integration_tests::site::{JOIN_WAIT, Site, until_all_have_partitions, until_shared};
use integration_tests::work;
use tempfile::TempDir;

/// How long a request may take to be taken.
const TAKE_WAIT: Duration = Duration::from_secs(60);

const TIME_DIVISOR: u32 = 100;

/// One for all tests; it ends with the process.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start(1));

#[test]
fn two_processes_share_the_work_and_every_order_ends_as_it_must_though_one_is_killed() {
    let mut play = Play::prepare(&CLUSTER, "kafka_service.killed", 7, TIME_DIVISOR);
    // The other has the simulated systems: one that is away for longer than it is asked after is a matter of the orders' own.
    let staying = play.one.start();
    for _ in 0..play.budget.times {
        let dying = play.other.start();
        until_all_have_partitions(&[&play.one, &play.other]);
        play.send_part(play.budget.times + 1, TAKE_WAIT);
        dying.kill();
    }
    let other = play.other.start();
    until_all_have_partitions(&[&play.one, &play.other]);
    play.send_rest(TAKE_WAIT);
    play.end(&CLUSTER, staying, other);
}

#[test]
fn a_process_that_was_held_until_others_had_its_work_writes_nothing_of_it() {
    let mut play = Play::prepare(&CLUSTER, "kafka_service.held", 8, TIME_DIVISOR);
    let (one, other) = (play.one.start(), play.other.start());
    for _ in 0..play.budget.times {
        // One that was held says at first that it has what it had: only where nobody else has it is there something to take from it.
        until_shared(&[&play.one, &play.other], play.partitions());
        let parts = 2 * play.budget.times + 1;
        play.send_part(parts, TAKE_WAIT);
        other.hold();
        until(JOIN_WAIT, "its partitions are another's", || play.one.partitions() == play.partitions());
        play.send_part(parts, TAKE_WAIT);
        // What it would do first of all when it goes on is to commit what it had begun.
        other.release();
    }
    until_shared(&[&play.one, &play.other], play.partitions());
    play.send_rest(TAKE_WAIT);
    // Which of the two it hears first, from its group or from the broker that fences it, is a matter of moments.
    let said = other.said();
    let expected = ["partitions were lost to the group", "batch is thrown away and tried again"];
    assert!(expected.iter().any(|expected| said.contains(expected)), "{said}");
    play.end(&CLUSTER, one, other);
}

#[test]
fn what_is_missing_is_said_before_anything_starts() {
    let folder = TempDir::new().unwrap();
    // Nobody listens there.
    let mut site = Site::new(folder.path(), &CLUSTER, "http://127.0.0.1:1", "missing.");
    let node = site.node("alone", false);
    work::plant(folder.path(), 1, &work::generator(1, 1, 0.0), &node.settings());
    let check = node.said(&["topics", "create", "--check"]).ended(3);
    assert!(check.out.contains("topic \"missing.orderstream.order.events\": topic is missing"), "{check:?}");
    let run = node.said(&["run"]).ended(1);
    assert!(run.err.contains("orderstream topics create"), "{run:?}");
    assert!(run.err.contains("missing.orderstream.order.events"), "{run:?}");
    let created = node.said(&["topics", "create"]).ended(0);
    assert!(created.out.contains("topic \"missing.orderstream.order.events\" created"), "{created:?}");
    let again = node.said(&["topics", "create"]).ended(0);
    assert_eq!(again.out, "all topics are there, and as they must be\n");
    node.said(&["topics", "create", "--check"]).ended(0);
    let run = node.said(&["run"]).ended(1);
    assert!(run.err.contains("the schema registry (registry.url) is needed to start"), "{run:?}");
    // Another partition count than the topics have.
    site.partitions = 4;
    let node = site.node("alone", false);
    let check = node.said(&["topics", "create", "--check", "--json"]).json(3);
    let drift = check["drift"].as_array().unwrap();
    let is_it = |drift: &serde_json::Value| {
        drift["topic"] == "missing.orderstream.order.events" && drift["setting"] == "partitions"
    };
    assert!(drift.iter().any(is_it), "{check}");
    let run = node.said(&["run"]).ended(1);
    assert!(run.err.contains("partitions is 8, needed is 4"), "{run:?}");
    let verify = node.said(&["verify"]).ended(2);
    assert!(verify.err.contains("log.kind is \"kafka\""), "{verify:?}");
}
