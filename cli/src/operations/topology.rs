//! How the processors are grouped on the log, and how much each group has still to read.
use serde::{Deserialize, Serialize};
use topology::regroup::Grouping;

use super::Operations;
use crate::service::grouping::applied;

/// The grouping in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopologyView {
    /// Absent: nobody has worked on the log yet.
    pub applied: Option<Grouping>,
    pub groups: Vec<GroupView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupView {
    pub name: String,
    pub processors: Vec<String>,
    pub reads: Vec<ReadView>,
    /// Who works in it at the moment, of all machines; absent on one machine, where it is this process or nobody.
    pub members: Option<Vec<String>>,
}

/// What a group has still to read of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadView {
    pub topic: String,
    pub records: u64,
}

impl Operations {
    pub(super) fn show_topology(&self) -> anyhow::Result<TopologyView> {
        let log = &self.store.log;
        let applied = applied(log)?.map(|(grouping, _)| grouping);
        let grouping = applied.clone().unwrap_or_else(|| Grouping::first(&self.settings.subtopologies));
        let mut groups = Vec::new();
        for group in grouping.subtopologies() {
            let mut reads = Vec::new();
            for topic in group.topics() {
                let records = log.lag_records(&group.name, topic)?.iter().sum();
                reads.push(ReadView { topic: topic.to_owned(), records });
            }
            let members = match log.embedded() {
                Some(_) => None,
                None => Some(log.group_members(&group.name)?),
            };
            let processors = group.processors.iter().map(|processor| processor.name().to_owned()).collect();
            groups.push(GroupView { name: group.name, processors, reads, members });
        }
        Ok(TopologyView { applied, groups })
    }
}
