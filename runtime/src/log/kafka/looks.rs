//! What a cluster tells of itself, whether its topics fit or not: for whoever looks for what is wrong with it.

use std::collections::BTreeMap;

use rdkafka::admin::{AdminOptions, ResourceSpecifier};

use super::failure::{failed, wait_for};
use super::options::Options;
use super::topics::{ASK_WAIT, admin, metadata, with_changelogs};
use crate::Error;
use crate::record::{TopicSpec, Topics};

/// The settings of a broker that decide whether this program can work there. Of its version a client of this kind is told nothing.
const BROKER_SETTINGS: [&str; 2] = ["offsets.retention.minutes", "transaction.max.timeout.ms"];

/// A cluster as it presents itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// `host:port`, by number.
    pub brokers: Vec<String>,
    /// Of those asked for, the topics that are there.
    pub topics: Vec<Copies>,
    /// Of the first broker, those of its settings that matter here; none of them where it may not be asked.
    pub settings: BTreeMap<String, String>,
}

/// How often the partitions of a topic are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// As the cluster knows it.
    pub topic: String,
    /// Of the partition that has the fewest.
    pub copies_min: usize,
    /// The partitions of which a copy is behind.
    pub behind: usize,
    /// The partitions that nobody leads: neither read nor written.
    pub leaderless: usize,
}

/// Asks the cluster about itself, these topics and what goes with them.
///
/// Errors: the client refuses its settings; no broker answers.
pub fn look(options: &Options, topics: Vec<TopicSpec>) -> Result<Cluster, Error> {
    let wanted = with_changelogs(options, &Topics::checked(topics)?)?;
    let metadata = metadata(options)?;
    let mut brokers: Vec<_> = metadata.brokers().iter().collect();
    brokers.sort_by_key(|broker| broker.id());
    let copies = |spec: &TopicSpec| {
        let name = options.wire(&spec.name);
        let topic = metadata.topics().iter().find(|topic| topic.name() == name)?;
        let partitions = topic.partitions();
        Some(Copies {
            copies_min: partitions.iter().map(|one| one.replicas().len()).min().unwrap_or(0),
            behind: partitions.iter().filter(|one| one.isr().len() < one.replicas().len()).count(),
            leaderless: partitions.iter().filter(|one| one.leader() < 0).count(),
            topic: name,
        })
    };
    Ok(Cluster {
        settings: brokers.first().map(|first| settings(options, first.id())).unwrap_or_default(),
        topics: wanted.iter().filter_map(copies).collect(),
        brokers: brokers.iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect(),
    })
}

/// Empty where nobody may ask: then nothing can be said of them, and nothing is wrong with it.
fn settings(options: &Options, broker: i32) -> BTreeMap<String, String> {
    let ask = || -> Result<_, Error> {
        let within = AdminOptions::new().request_timeout(Some(ASK_WAIT));
        let asked = [ResourceSpecifier::Broker(broker)];
        wait_for(admin(options)?.describe_configs(&asked, &within)).map_err(failed("ask how a broker is set"))
    };
    let answered = ask().into_iter().flatten().flatten();
    let entries = answered.flat_map(|resource| resource.entries);
    let meant = entries.filter(|entry| BROKER_SETTINGS.contains(&entry.name.as_str()));
    meant.filter_map(|entry| Some((entry.name, entry.value?))).collect()
}
