//! Every golden scenario, in both worlds: the processors in memory, and the same ones on the embedded log.
use bytes::Bytes;
use domain::downstream::{DownstreamObserved, ObservationKind};
use domain::{OrderKey, TaskId, Timestamp};
use integration_tests::scenario::memory::InMemoryWorld;
use integration_tests::scenario::on_log::LogWorld;
use integration_tests::scenario::{World, file, judge, run, shipped_catalog};
use runtime::{Outgoing, Record};
use schemas::{headers, topics};
use topology::SubTopology;

/// Fewer would mean that some are not found.
const SCENARIOS_MIN: usize = 12;
/// Says something of every kind, so that every kind can be twisted.
const TWISTED: &str = "001-unknown-outcome-completed";

#[track_caller]
fn check(mut open: impl FnMut(&file::Scenario) -> (Box<dyn World>, Option<tempfile::TempDir>)) {
    let catalog = shipped_catalog().unwrap();
    let scenarios = file::all().unwrap();
    assert!(scenarios.len() >= SCENARIOS_MIN, "only {} scenarios are there", scenarios.len());
    let mut failed = Vec::new();
    for (name, scenario) in &scenarios {
        let (mut world, _directory) = open(scenario);
        let judged = run(world.as_mut(), scenario, &catalog)
            .and_then(|outcome| judge::judge(world.as_ref(), scenario, &outcome));
        match judged {
            Ok(findings) if findings.is_empty() => {}
            Ok(findings) => {
                failed.push(format!("{name} ({}):\n  {}", scenario.source, findings.join("\n  ")))
            }
            Err(error) => failed.push(format!("{name} could not be run: {error:#}")),
        }
    }
    assert!(failed.is_empty(), "{} of {} scenarios:\n{}", failed.len(), scenarios.len(), failed.join("\n"));
}

#[test]
fn every_scenario_holds_in_memory() {
    let catalog = shipped_catalog().unwrap();
    check(|scenario| {
        let world = InMemoryWorld::new(SubTopology::defaults(), &catalog, scenario.started_at()).unwrap();
        (Box::new(world), None)
    });
}

#[test]
fn every_scenario_holds_on_the_embedded_log() {
    let catalog = shipped_catalog().unwrap();
    check(|scenario| {
        let directory = tempfile::tempdir().unwrap();
        let now = scenario.started_at();
        let world = LogWorld::embedded(directory.path(), SubTopology::defaults(), &catalog, now).unwrap();
        (Box::new(world), Some(directory))
    });
}

#[test]
fn every_scenario_holds_on_the_embedded_log_with_every_processor_apart() {
    let catalog = shipped_catalog().unwrap();
    check(|scenario| {
        let directory = tempfile::tempdir().unwrap();
        let now = scenario.started_at();
        let world = LogWorld::embedded(directory.path(), SubTopology::split(), &catalog, now).unwrap();
        (Box::new(world), Some(directory))
    });
}

#[test]
fn a_scenario_that_says_something_untrue_is_found_out() {
    let catalog = shipped_catalog().unwrap();
    let (name, scenario) = file::all().unwrap().into_iter().find(|(name, _)| name == TWISTED).unwrap();
    let findings = |scenario: &file::Scenario| {
        let mut world = InMemoryWorld::new(SubTopology::defaults(), &catalog, scenario.started_at()).unwrap();
        let outcome = run(&mut world, scenario, &catalog).unwrap();
        judge::judge(&world, scenario, &outcome).unwrap()
    };
    assert_eq!(findings(&scenario), Vec::<String>::new(), "{name}");
    let twist = |twist: &dyn Fn(&mut file::Scenario)| {
        let mut twisted = scenario.clone();
        twist(&mut twisted);
        assert!(!findings(&twisted).is_empty());
    };
    twist(&|it| it.then.order[0].state = "failed".to_owned());
    twist(&|it| it.then.order[0].events.reverse());
    twist(&|it| it.then.order[0].key.push('x'));
    twist(&|it| it.then.order[0].cases = Some(Vec::new()));
    twist(&|it| it.then.order[0].carried[0].output = Some("gatewayAddress".to_owned()));
    twist(&|it| it.then.dead_letters = 1);
    twist(&|it| it.never[1].states.push("completed".to_owned()));
    twist(&|it| it.never[1].commands.push("activateFiber".to_owned()));
    twist(&|it| {
        drop(it.answers.insert("activateFiber".to_owned(), vec!["failed:ADDRESS_REJECTED".to_owned()]))
    });
}

/// Two systems come back in the same millisecond, and one order waits for a turn at both.
#[test]
fn turns_of_two_systems_at_one_moment_are_two_signals() {
    let catalog = shipped_catalog().unwrap();
    let now = Timestamp(1_790_000_000_000);
    let mut world = InMemoryWorld::new(SubTopology::defaults(), &catalog, now).unwrap();
    let order_key = OrderKey("SHOP/orderNumber/1".into());
    for system in ["warehouse", "workforce"] {
        let failures = catalog.systems[system].circuit.failures_max;
        let observed = |kind, task_id| {
            let (system, order_key) = (system.to_owned(), order_key.clone());
            let observed = DownstreamObserved { system, kind, order_key, task_id, priority: 2, at: now };
            let topic = topics::DOWNSTREAM_OBSERVATIONS;
            let value = world.codec().encode(topic, &observed).unwrap();
            let (key, value) = (Some(Bytes::from(observed.system)), Some(value.into()));
            let (topic, headers) = (topic.into(), Vec::new());
            Outgoing { topic, partition: None, key, value, headers, timestamp_ms: now.0 }
        };
        let mut records: Vec<Outgoing> =
            (0..failures).map(|_| observed(ObservationKind::Unanswered, None)).collect();
        let task = TaskId::derived(&order_key, &"1".into(), system, "ship");
        records.push(observed(ObservationKind::TurnWanted, Some(task)));
        world.send(records).unwrap();
    }
    world.settle().unwrap();
    let due = world.next_due().unwrap().expect("both are probed");
    world.advance(due);
    let written = world.settle().unwrap();
    let signals = written.iter().filter(|record| &*record.topic == topics::ORDER_SIGNALS);
    let id = |record: &Record| header(record, headers::CE_ID).expect("it has an id");
    let ids: Vec<Bytes> = signals.map(id).collect();
    assert_eq!(ids.len(), 2, "{written:?}");
    assert_ne!(ids[0], ids[1]);
}

fn header(record: &Record, name: &str) -> Option<Bytes> {
    record.headers.iter().find(|(found, _)| &**found == name).map(|(_, value)| value.clone())
}
