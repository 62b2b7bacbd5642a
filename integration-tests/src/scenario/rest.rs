//! Whether a log is at rest: everything that lies there is read, and processed by everybody who reads it.
use std::collections::BTreeMap;

use runtime::{AnyLog, AnyReader};
use topology::SubTopology;

/// The mark that the last transaction has left behind its records. Two would be two transactions, each with records.
const MARK: i64 = 1;

/// Knows who reads what, and what was sent from outside.
#[derive(Debug)]
pub struct Rest {
    groups: Vec<SubTopology>,
    /// By topic and partition, behind the last record that was sent from outside. There are no marks behind those.
    sent: BTreeMap<(String, u32), i64>,
}

impl Rest {
    pub fn new(groups: Vec<SubTopology>) -> Rest {
        Rest { groups, sent: BTreeMap::new() }
    }

    pub fn sent(&mut self, topic: &str, partition: u32, offset: i64) {
        let next = self.sent.entry((topic.to_owned(), partition)).or_default();
        *next = offset.saturating_add(1).max(*next);
    }

    /// `reader` has given out all that it knows of.
    ///
    /// # Errors
    /// The log cannot be asked.
    pub fn is_here(&self, log: &AnyLog, reader: &AnyReader) -> anyhow::Result<bool> {
        // First how far they are, and then the ends: what is written in between would else go unnoticed.
        let mut read: BTreeMap<(String, u32), i64> = BTreeMap::new();
        for at in reader.positions() {
            read.insert((at.topic.to_string(), at.partition), at.next_offset);
        }
        if self.sent.iter().any(|(place, next)| read.get(place) < Some(next))
            || !self.is_processed(log, &read)?
        {
            return Ok(false);
        }
        let mark = if log.embedded().is_some() { 0 } else { MARK };
        for spec in log.topics().iter() {
            let ends = log.end_offsets(&spec.name)?;
            let behind = |(partition, end): (u32, &i64)| {
                end - read.get(&(spec.name.to_string(), partition)).copied().unwrap_or(0)
            };
            let behind_max = (0..).zip(&ends).map(behind).max().unwrap_or(0);
            // What looks like a mark may be a record whose mark was still to come: all are there by now.
            if behind_max > mark || (behind_max > 0 && ends != log.end_offsets(&spec.name)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether every group stands where the reader stands, in each topic that it reads.
    fn is_processed(&self, log: &AnyLog, read: &BTreeMap<(String, u32), i64>) -> anyhow::Result<bool> {
        for spec in log.topics().iter() {
            let reads = |group: &&SubTopology| group.topics().contains(&&*spec.name);
            let readers: Vec<&str> =
                self.groups.iter().filter(reads).map(|group| group.name.as_str()).collect();
            if readers.is_empty() {
                continue;
            }
            let groups = log.groups(&spec.name, &readers)?;
            for partition in 0..spec.partitions {
                let next = read.get(&(spec.name.to_string(), partition)).copied().unwrap_or(0);
                let stands = |name: &&str| {
                    let group = groups.iter().find(|group| group.name == **name);
                    group.and_then(|group| group.next_offsets[partition as usize]).unwrap_or(0)
                };
                if readers.iter().any(|name| stands(name) < next) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
