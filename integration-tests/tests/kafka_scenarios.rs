//! Every golden scenario on a real broker, the processors together and apart: each holds, and what is told is word for word what they tell
//! in memory, and so on an embedded log (topologies.rs).
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use integration_tests::kafka::Cluster;
use integration_tests::scenario::memory::InMemoryWorld;
use integration_tests::scenario::on_log::LogWorld;
use integration_tests::scenario::story::{differences, story};
use integration_tests::scenario::{Scenario, World, file, judge, run, shipped_catalog};
use topology::SubTopology;

/// As many at a time: each waits for the broker most of the time.
const AT_A_TIME: usize = 4;

/// What is wrong with a scenario on this cluster.
fn wrong(
    cluster: &Cluster,
    prefix: &str,
    groups: Vec<SubTopology>,
    scenario: &Scenario,
) -> anyhow::Result<Vec<String>> {
    let (catalog, now) = (shipped_catalog()?, scenario.started_at());
    let folder = tempfile::tempdir()?;
    let mut world = LogWorld::on_kafka(cluster, prefix, folder.path(), groups, &catalog, now)?;
    let outcome = run(&mut world, scenario, &catalog)?;
    let mut found = judge::judge(&world, scenario, &outcome)?;
    let mut memory = InMemoryWorld::new(SubTopology::defaults(), &catalog, now)?;
    let in_memory = run(&mut memory, scenario, &catalog)?;
    found.extend(differences(&story(memory.codec(), &in_memory), &story(world.codec(), &outcome)));
    Ok(found)
}

fn check(name: &str, groups: fn() -> Vec<SubTopology>) {
    let (cluster, scenarios) = (Cluster::start(1), file::all().unwrap());
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((scenario_name, scenario)) =
                    scenarios.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let prefix = format!("{name}-{scenario_name}-");
                    let wrong = wrong(&cluster, &prefix, groups(), scenario);
                    let wrong = wrong.unwrap_or_else(|error| vec![format!("could not be run: {error:#}")]);
                    if !wrong.is_empty() {
                        failed.lock().unwrap().push(format!("{scenario_name}:\n  {}", wrong.join("\n  ")));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} scenarios:\n{}", failed.len(), scenarios.len(), failed.join("\n"));
}

#[test]
fn every_scenario_is_told_on_kafka_as_in_memory() {
    check("fused", SubTopology::defaults);
}

#[test]
fn every_scenario_is_told_on_kafka_as_in_memory_with_every_processor_apart() {
    check("split", SubTopology::split);
}
