//! The whole product on a real broker and a real registry. Plays: two processes share the partitions, or the processors, and one of them is
//! killed again and again, or held until its partitions are the other's; afterwards every order stands where the oracle says. And what is
//! missing or set otherwise is refused in one clear line.
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use cli::settings::STATE_DIR;
use integration_tests::kafka::Cluster;
use integration_tests::play::Play;
use integration_tests::process::{orders_in, until};
use integration_tests::site::{JOIN_WAIT, Node, Site, until_all_have_partitions, until_shared};
use integration_tests::work;
use serde_json::{Value, json};
use tempfile::TempDir;
use topology::{Processor, SubTopology};

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

/// The groups of all its processes: who takes orders in, with so many workers here, and all others, with so many each.
fn apart(intake: u32, others: u32) -> Vec<SubTopology> {
    use Processor::*;
    let group = |name: &str, processors: &[Processor], workers| SubTopology {
        name: name.to_owned(),
        processors: processors.to_vec(),
        workers,
    };
    vec![
        group("intake", &[Capture, Validation, Decomposition], intake),
        group("tasks", &[Orchestration, Fallout, StuckOrders], others),
        group("products", &[Inventory], others),
        group("downstreams", &[Downstream], others),
    ]
}

/// What the doctor says there that somebody has to mend.
fn blamed(node: &Node) -> BTreeSet<String> {
    let said = node.said(&["doctor", "--json"]);
    let Ok(report) = serde_json::from_str::<Value>(&said.out) else { return names(&["it gave no answer"]) };
    let checks = report["checks"].as_array().unwrap().iter();
    let findings = checks.flat_map(|check| check["findings"].as_array().unwrap());
    let problems = findings.filter(|finding| finding["level"] == "problem");
    let said = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    problems.map(|finding| format!("{}: {}", said(finding, "place"), said(finding, "what"))).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The workers whose state a process has.
fn workers(node: &Node) -> BTreeSet<String> {
    let folders = std::fs::read_dir(node.data_dir.join(STATE_DIR)).unwrap();
    folders.map(|folder| folder.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn processes_with_other_processors_each_wait_for_one_that_is_killed_and_no_order_is_lost_or_done_twice() {
    let mut play = Play::prepare(&CLUSTER, "kafka_service.apart", 9, TIME_DIVISOR);
    play.one = play.site.grouped(&apart(2, 0)).node("one", true);
    play.other = play.site.grouped(&apart(0, 1)).node("other", false);
    let (of_one, of_other) = (u64::from(play.site.partitions), 1 + 2 * u64::from(play.site.partitions));
    let parts = 2 * play.budget.times + 2;
    let one = play.one.start();
    let taken_in = |play: &Play| orders_in(&play.one.data_dir, "decomposed");
    let completed = |play: &Play| orders_in(&play.one.data_dir, "completed");
    // Most of a part come so far; some are refused.
    let most = play.budget.orders as usize / parts / 2;

    play.send_part(parts, TAKE_WAIT);
    until(JOIN_WAIT, "orders wait for a process that carries them out", || taken_in(&play) >= most);
    until(JOIN_WAIT, "it has what it runs", || play.one.partitions() == of_one);
    assert_eq!(completed(&play), 0);
    let nobody = |group: &str| format!("group \"{group}\": no process runs it");
    let unattended: BTreeSet<String> = ["tasks", "products", "downstreams"].map(nobody).into();
    until(JOIN_WAIT, "the doctor says what nobody runs, and blames nothing else", || {
        blamed(&play.one) == unattended
    });
    let status = play.one.said(&["status", "--json"]).json(0);
    assert_eq!(status["groupsElsewhere"], json!(["tasks", "products", "downstreams"]), "{status}");
    until(JOIN_WAIT, "it is ready without the other", || {
        play.one.said(&["health", "--ready"]).code == Some(0)
    });
    for _ in 0..play.budget.times {
        let before = completed(&play);
        let dying = play.other.start();
        until(JOIN_WAIT, "each has what it alone runs", || {
            (play.one.partitions(), play.other.partitions()) == (of_one, of_other)
        });
        until(JOIN_WAIT, "the doctor misses nobody", || blamed(&play.other).is_empty());
        until(TAKE_WAIT, "orders go on", || completed(&play) > before);
        play.send_part(parts, TAKE_WAIT);
        dying.kill();
        play.send_part(parts, TAKE_WAIT);
        until(JOIN_WAIT, "they are taken in all the same", || taken_in(&play) >= most);
    }
    let other = play.other.start();
    play.send_rest(TAKE_WAIT);
    assert_eq!(workers(&play.one), names(&["intake-0", "intake-1"]));
    assert_eq!(workers(&play.other), names(&["tasks-0", "products-0", "downstreams-0"]));
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
