//! Plays: an operator takes the processors of a service apart in mid-work, and joins them again. Nothing is lost and nothing done twice;
//! and whoever would do it while somebody works, or starts with a grouping that was not applied, is refused.
use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use cli::service::{Store, catalog};
use domain::OrderKey;
use integration_tests::budget;
use integration_tests::kafka::Cluster;
use integration_tests::process::{orders_in, until};
use integration_tests::registry::Registry;
use integration_tests::site::{Node, Site};
use integration_tests::work;
use runtime::Outgoing;
use schemas::topics;
use topology::SubTopology;

const SEED: u64 = 11;
const WAIT: Duration = Duration::from_secs(120);
/// Before the division by which the catalog's times are shorter here.
const GRACE_MS: u32 = 60_000_000;
const DONE: i32 = 0;
const FAILED: i32 = 1;
const REFUSED: i32 = 3;

/// The process that does the work, its settings written anew for this grouping.
fn here(site: &Site, groups: &[SubTopology]) -> Node {
    site.grouped(groups).node("here", true)
}

/// Runs a third of the orders in each of three groupings: together, apart, together again. The process is stopped then.
fn play(site: &Site, fault_rate: f64) -> Node {
    let generator = work::generator(SEED, budget::of("regrouping").orders, fault_rate);
    let oracle = generator.oracle();
    let node = here(site, &SubTopology::defaults());
    work::plant(&site.folder, SEED, &generator, &node.settings());
    let submissions: Vec<_> = generator.submissions().collect();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let third = submissions.len() / 3;
    // It needs to know where the process is, and that stays the same.
    let settings = node.settings();
    let submit = |third: &[_]| tokio.block_on(work::submit(&settings, third));

    let service = node.start();
    submit(&submissions[..third]);
    until(WAIT, "some orders are completed", || orders_in(&node.data_dir, "completed") >= 3);
    let running = node.said(&["topology", "apply"]).ended(REFUSED);
    assert!(running.err.contains("a service runs on"), "{running:?}");
    assert_eq!(service.stop(), Some(0));

    let node = here(site, &SubTopology::split());
    let run = node.said(&["run"]).ended(FAILED);
    assert!(
        run.err.contains("the log is worked on as \"downstreams: downstream; orders: capture,"),
        "{run:?}"
    );
    assert!(run.err.contains("orderstream topology apply"), "{run:?}");
    assert_eq!(node.said(&["topology", "show", "--json"]).json(REFUSED)["asSet"], false);
    node.said(&["topology", "apply", "--check"]).ended(DONE);
    // What the fused processors told each other lies behind them all: nothing is in the way.
    let applied = node.said(&["topology", "apply"]).ended(DONE);
    assert!(applied.out.ends_with("(epoch 2)\n"), "{applied:?}");
    let again = node.said(&["topology", "apply"]).ended(DONE);
    assert!(again.out.contains("already (epoch 2)"), "{again:?}");

    let before = orders_in(&node.data_dir, "completed");
    let service = node.start();
    submit(&submissions[third..2 * third]);
    until(WAIT, "more orders are completed", || orders_in(&node.data_dir, "completed") >= before + 3);
    assert_eq!(service.stop(), Some(0));
    let key_of = |submission: &connectors::upstream::Submission| submission.order_key.clone();
    let submitted: BTreeSet<OrderKey> = submissions[..2 * third].iter().map(key_of).collect();
    let completing = oracle.orders().filter(|(_, order)| order.outcome.name() == "completed");
    let completing = completing.filter(|(key, _)| submitted.contains(*key)).count();
    assert!(orders_in(&node.data_dir, "completed") < completing, "it was stopped in mid-work");

    let node = here(site, &SubTopology::defaults());
    let applied = node.said(&["topology", "apply", "--drain", "--timeout", "2m"]).ended(DONE);
    assert!(applied.out.ends_with("(epoch 3)\n"), "{applied:?}");
    let service = node.start();
    submit(&submissions[2 * third..]);
    tokio.block_on(work::settle(&node.settings(), &oracle));
    let shown = node.said(&["topology", "show", "--json"]).json(DONE);
    assert_eq!((&shown["applied"]["epoch"], &shown["asSet"]), (&3.into(), &true.into()), "{shown}");
    let groups: Vec<&str> =
        shown["groups"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
    assert_eq!(groups, ["downstreams", "orders", "products"]);
    assert_eq!(service.stop(), Some(0));
    work::judge(&node.settings(), &oracle);
    node
}

#[test]
fn on_one_machine_orders_go_on_whether_their_processors_are_together_or_apart() {
    let folder = tempfile::tempdir().unwrap();
    let node = play(&Site::embedded(folder.path()), 0.2);
    let verified = node.said(&["verify"]).ended(DONE);
    assert!(verified.out.contains("everything agrees"), "{verified:?}");
    node.said(&["doctor"]).ended(DONE);
}

#[test]
fn what_is_not_heard_yet_is_heard_before_the_processors_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::embedded(folder.path());
    let node = here(&site, &SubTopology::split());
    work::plant(folder.path(), SEED, &work::generator(SEED, 1, 0.0), &node.settings());
    assert_eq!(node.start().stop(), Some(0));
    let settings = node.settings();
    let store = Store::open(&settings, &catalog::load(&settings.catalog).unwrap()).unwrap();
    let nonsense = Outgoing {
        topic: topics::ORDER_EVENTS.into(),
        partition: Some(3),
        key: Some(Bytes::from_static(b"A/1")),
        value: Some(Bytes::from_static(b"no event")),
        headers: Vec::new(),
        timestamp_ms: 1,
    };
    store.log.producer().send(&[nonsense]).unwrap();
    drop(store);

    let node = here(&site, &SubTopology::defaults());
    for arguments in [&["topology", "apply"][..], &["topology", "apply", "--check"]] {
        let refused = node.said(arguments).ended(REFUSED);
        let unheard = "group \"fallout\" has 1 records of partition 3 of topic \"orderstream.order.events\" still to hear";
        assert!(refused.err.contains(unheard) && refused.err.contains("--drain"), "{refused:?}");
    }
    // It was refused whole: the old groups may go on.
    here(&site, &SubTopology::split()).said(&["topology", "show"]).ended(DONE);
    let node = here(&site, &SubTopology::defaults());
    node.said(&["topology", "apply", "--drain"]).ended(DONE);
    let letters = node.said(&["dlq", "list", "--json"]).json(DONE);
    assert_eq!(letters.as_array().map(Vec::len), Some(5), "each of those who hear has heard it: {letters}");
    assert_eq!(node.start().stop(), Some(0));
}

#[test]
fn on_a_cluster_orders_go_on_too_and_a_worker_elsewhere_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let (cluster, registry) = (Cluster::start(1), Registry::start());
    let more = format!("[stuck_orders]\ngrace_ms = {GRACE_MS}\n");
    let site = Site { partitions: 4, more, ..Site::new(folder.path(), &cluster, &registry.url(), "re.") };
    let node = here(&site, &SubTopology::defaults());
    node.said(&["schemas", "register"]).ended(DONE);
    node.said(&["topics", "create"]).ended(DONE);
    // Starting takes its time there: so long a pause is no silence, and what it does to answers and time-outs is fault enough.
    let node = play(&site, 0.0);

    let service = node.start();
    let elsewhere = site.grouped(&SubTopology::split()).node("elsewhere", true);
    let refused = elsewhere.said(&["topology", "apply"]).ended(REFUSED);
    assert!(refused.err.contains("group \"downstreams\" has workers: downstreams-0 on "), "{refused:?}");
    // One that was killed is in the way until its session ends, and no longer.
    service.kill();
    elsewhere.said(&["topology", "apply"]).ended(DONE);
    let report = elsewhere.said(&["doctor", "--json"]).json(DONE);
    assert_eq!(report["well"], true, "{report}");
    let report = node.said(&["doctor", "--json"]).json(REFUSED);
    assert!(report.to_string().contains("and no service starts with them"), "{report}");
}
