//! What a cluster tells, as far as it answers; and how what is on this machine stands to it.
use std::collections::BTreeSet;

use runtime::TopicSpec;
use runtime::log::kafka::{self, Drift, Kafka};
use topology::SubTopology;
use topology::regroup::Grouping;

use super::facts::{Brokers, Facts, GroupLag, GroupMembers, Known, Store};
use super::gather::{grouped, projection, system_clock};
use crate::service::{catalog, grouping, settled_specs};
use crate::settings::{STATE_DIR, Settings};

const NO_BROKERS: &str = "the brokers do not answer";
const NO_TOPICS: &str = "topics are missing, hidden from this user, or have another partition count";

/// # Errors
/// The catalog of the settings cannot be read.
pub(super) fn facts(settings: &Settings, facts: &mut Facts) -> anyhow::Result<()> {
    let catalog = catalog::load(&settings.catalog)?;
    let systems: BTreeSet<String> = catalog.systems.keys().cloned().collect();
    let (options, specs) = (settings.kafka_options(), settled_specs(settings, &systems));
    let replication = usize::from(settings.kafka.replication);
    let brokers = kafka::look(&options, specs.clone());
    facts.brokers = Known::of(brokers.map(|cluster| Brokers { cluster, replication }).map_err(Into::into));
    if facts.brokers.is().is_none() {
        facts.topics = Known::NotAsked(NO_BROKERS);
        facts.members = Known::NotAsked(NO_BROKERS);
        facts.lags = Known::NotAsked(NO_BROKERS);
        facts.stores = Known::NotAsked(NO_BROKERS);
        facts.projection = projection(settings, |_| None);
        return Ok(());
    }
    facts.topics = Known::of(kafka::check(&options, specs.clone()).map_err(Into::into));
    // What is set otherwise can be asked all the same.
    let is_there = |drift: &Drift| !drift.is_missing() && !drift.is_hidden() && drift.setting != "partitions";
    if !facts.topics.is().is_some_and(|drifts| drifts.iter().all(is_there)) {
        facts.members = Known::NotAsked(NO_TOPICS);
        facts.lags = Known::NotAsked(NO_TOPICS);
        facts.stores = Known::NotAsked(NO_TOPICS);
        facts.projection = projection(settings, |_| None);
        return Ok(());
    }
    let log = Kafka::open_to_look(options, specs.clone(), system_clock())?;
    facts.grouping = grouped(settings, log.note(grouping::NOTE).map_err(Into::into));
    let applied = facts.grouping.is().and_then(|grouped| grouped.applied.as_ref());
    facts.members = Known::of(members(&log, &settings.subtopologies, applied));
    facts.lags = Known::of(lags(&log, &settings.subtopologies));
    facts.stores = Known::of(stores(&log, settings, &specs));
    facts.projection = projection(settings, |topic| log.end_offsets(topic).ok());
    Ok(())
}

/// Of the groups that the log is worked on by: in others that are set nobody can be.
fn members(
    log: &Kafka,
    set: &[SubTopology],
    applied: Option<&Grouping>,
) -> anyhow::Result<Vec<GroupMembers>> {
    let mut told = Vec::new();
    for group in applied.map_or_else(|| set.to_vec(), Grouping::subtopologies) {
        let members = log.group_members(&group.name)?.len();
        let workers_set = set.iter().find(|one| one.name == group.name).map_or(0, |one| one.workers);
        told.push(GroupMembers { group: group.name, members, workers_set });
    }
    Ok(told)
}

fn lags(log: &Kafka, groups: &[SubTopology]) -> anyhow::Result<Vec<GroupLag>> {
    let mut lags = Vec::new();
    for group in groups {
        let members = log.group_members(&group.name)?.len();
        for topic in group.topics() {
            lags.push(GroupLag::of(&group.name, topic, &log.lag_records(&group.name, topic)?, members));
        }
    }
    Ok(lags)
}

fn stores(log: &Kafka, settings: &Settings, specs: &[TopicSpec]) -> anyhow::Result<Vec<Store>> {
    let now_ms = system_clock().now_ms();
    let mut stores = Vec::new();
    for found in kafka::stores(&settings.node.data_dir.join(STATE_DIR))? {
        let group = group_of(&found.worker, &settings.subtopologies);
        let processors = |group: &SubTopology| kafka::named(group.processors.iter().map(|one| one.name()));
        let mut store = Store {
            worker: found.worker,
            needed: group.map(processors),
            partitions: Err("nothing is known of its group".to_owned()),
            now_ms,
        };
        if let Some(group) = group {
            let input =
                group.topics().into_iter().find_map(|topic| specs.iter().find(|spec| &*spec.name == topic));
            let partitions = input.map_or(settings.log.partitions, |spec| spec.partitions);
            store.partitions = match found.partitions {
                Ok(stands) => {
                    let changelogs = log.changelogs(partitions, &group.name, &stands)?;
                    let with_changelog = |(partition, stands)| {
                        let changelog = *changelogs.get(partition as usize)?;
                        Some((partition, stands, changelog))
                    };
                    Ok(stands.into_iter().filter_map(with_changelog).collect())
                }
                Err(reason) => Err(reason),
            };
        }
        stores.push(store);
    }
    Ok(stores)
}

/// The group whose worker has this name: the group's own, and the worker's number.
fn group_of<'g>(worker: &str, groups: &'g [SubTopology]) -> Option<&'g SubTopology> {
    let (name, number) = worker.rsplit_once('-')?;
    let number: u32 = number.parse().ok()?;
    groups.iter().find(|group| group.name == name && number < group.workers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_known_by_its_group_and_number() {
        let groups = SubTopology::defaults();
        let group = |worker: &str| group_of(worker, &groups).map(|group| group.name.as_str());
        assert_eq!(group("orders-1"), Some("orders"));
        assert_eq!(group("products-0"), Some("products"));
        for unknown in ["orders-2", "orders", "capture-0", "orders-x", ""] {
            assert_eq!(group(unknown), None, "{unknown}");
        }
    }
}
