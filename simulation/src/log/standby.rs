//! Following the changelogs of partitions that others have, as far as all is settled there.

use std::collections::BTreeSet;

use super::broker::Broker;
use super::process::{Io, Process};
use super::rebuild::{Reading, Step};
use super::store::Store;
use crate::bug::Bug;

/// What one step of a copy was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    pub partition: u32,
    /// Whether it is built anew, beside what there was.
    pub beside: bool,
    pub step: Step,
}

impl Process {
    /// What may be followed: all that this worker does not have, and that no batch on its way may still write.
    fn standbys(&self, partitions: u32, bug: Option<Bug>) -> Vec<u32> {
        // One that has just lost everything first settles what is on its way.
        if self.dead || !self.stands_by || self.expelled {
            return Vec::new();
        }
        if bug == Some(Bug::FollowedWhileHeld) {
            return (0..partitions).collect();
        }
        let taking = self.taking.iter().map(|taking| taking.partition);
        let own: BTreeSet<u32> = self.held.iter().copied().chain(taking).collect();
        let on_their_way: BTreeSet<u32> = self.partitions_on_their_way().collect();
        let is_free = |partition: &u32| !own.contains(partition) && !on_their_way.contains(partition);
        (0..partitions).filter(is_free).collect()
    }

    /// Those of them in which there is something to read.
    fn behind(&self, broker: &Broker, store: &Store, bug: Option<Bug>) -> Vec<u32> {
        let group = &self.membership.group;
        let spec = self.membership.topics.first().and_then(|topic| broker.topics.get(topic));
        let mut standbys = self.standbys(spec.map_or(0, |spec| spec.partitions), bug);
        standbys.retain(|partition| {
            let readable = broker.changelog(group, *partition).map_or(0, |changelog| changelog.last_stable());
            let position =
                store.building(*partition).map_or_else(|| store.position(*partition), |begun| begun.position);
            position < readable
        });
        standbys
    }

    pub fn can_follow(&self, broker: &Broker, store: &Store, bug: Option<Bug>) -> bool {
        !self.behind(broker, store, bug).is_empty()
    }

    /// One step of the `turn`-th of them; says which, for the trace.
    pub fn follow(&mut self, io: &mut Io<'_>, turn: usize) -> Option<Followed> {
        let behind = self.behind(io.broker, io.store, io.bug);
        let partition = *behind.get(turn % behind.len().max(1))?;
        let group = self.membership.group.clone();
        let until = io.broker.changelog(&group, partition)?.last_stable();
        let (broker, store, bug) = (&*io.broker, &mut *io.store, io.bug);
        let now_ms = self.now_ms(broker);
        let asked_ms = now_ms;
        let mut reading = Reading { broker, store, group: &group, partition, until, asked_ms, now_ms, bug };
        reading.begin();
        let beside = reading.store.building(partition).is_some();
        let step = reading.step();
        Some(Followed { partition, beside, step })
    }
}
