//! Fused or apart, in memory or on an embedded log: the same records, byte for byte. Where processors stand is a matter of cost, never of
//! meaning. The same on Kafka is in kafka_scenarios.rs.
use integration_tests::scenario::memory::InMemoryWorld;
use integration_tests::scenario::on_log::LogWorld;
use integration_tests::scenario::story::{Story, differences, story};
use integration_tests::scenario::{Scenario, World, file, run, shipped_catalog};
use schemas::topics;
use topology::SubTopology;

fn told(groups: Vec<SubTopology>, scenario: &Scenario) -> Story {
    let catalog = shipped_catalog().unwrap();
    let mut world = InMemoryWorld::new(groups, &catalog, scenario.started_at()).unwrap();
    let outcome = run(&mut world, scenario, &catalog).unwrap();
    story(world.codec(), &outcome)
}

fn told_on_a_log(groups: Vec<SubTopology>, scenario: &Scenario) -> Story {
    let (catalog, folder) = (shipped_catalog().unwrap(), tempfile::tempdir().unwrap());
    let mut world = LogWorld::embedded(folder.path(), groups, &catalog, scenario.started_at()).unwrap();
    let outcome = run(&mut world, scenario, &catalog).unwrap();
    story(world.codec(), &outcome)
}

#[track_caller]
fn check(other: impl Fn(&Scenario) -> Story) {
    for (name, scenario) in file::all().unwrap() {
        let fused = told(SubTopology::defaults(), &scenario);
        assert!(fused.keys().any(|place| place.0 == topics::ORDER_EVENTS), "{name} tells nothing");
        let differences = differences(&fused, &other(&scenario));
        assert!(differences.is_empty(), "{name}: {}", differences.join("\n"));
    }
}

#[test]
fn fused_and_apart_the_processors_tell_the_same_story() {
    check(|scenario| told(SubTopology::split(), scenario));
}

#[test]
fn in_memory_and_on_a_log_the_processors_tell_the_same_story() {
    check(|scenario| told_on_a_log(SubTopology::defaults(), scenario));
    check(|scenario| told_on_a_log(SubTopology::split(), scenario));
}
