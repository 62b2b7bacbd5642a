//! A consumer group: who is in it, who owns which partition, and how far the group is.
//!
//! Rebalances are cooperative: who loses a partition is told first and gives it up himself, and only then somebody else is given it.
//! Each change is a generation; positions of another generation than the group's are refused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use runtime::Position;

/// Why the group refuses positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The member was expelled, or never joined.
    UnknownMember,
    /// The group has moved on, and the member has not heard of it.
    StaleGeneration,
}

/// What a member is told; each also tells the group's generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// These are the member's from now on; none: only the generation is new.
    Assigned { generation: u64, partitions: Vec<u32> },
    /// To be given up, and then released.
    Revoke { generation: u64, partitions: Vec<u32> },
}

#[derive(Clone, Debug)]
struct Joined {
    worker: Arc<str>,
    target: BTreeSet<u32>,
    told: VecDeque<Told>,
}

/// The coordinator's side of a group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    partitions: u32,
    generation: u64,
    members: BTreeMap<u64, Joined>,
    owners: BTreeMap<u32, u64>,
    /// By (topic, partition): the next offset, and the number of the write that said so. The last one appended wins.
    positions: BTreeMap<(Arc<str>, u32), (i64, u64)>,
}

impl Group {
    /// A member joins. One of the same worker is replaced at once, as by static membership; gives that one's number.
    pub fn join(&mut self, partitions: u32, member: u64, worker: &Arc<str>) -> Option<u64> {
        self.partitions = partitions;
        let before = self.members.iter().find(|(_, joined)| joined.worker == *worker);
        let before = before.map(|(id, _)| *id);
        if let Some(before) = before {
            self.forget(before);
        }
        let joined = Joined { worker: worker.clone(), target: BTreeSet::new(), told: VecDeque::new() };
        self.members.insert(member, joined);
        self.rebalance();
        before
    }

    /// A member leaves, or is held for dead.
    pub fn remove(&mut self, member: u64) {
        if self.forget(member) {
            self.rebalance();
        }
    }

    fn forget(&mut self, member: u64) -> bool {
        self.owners.retain(|_, owner| *owner != member);
        self.members.remove(&member).is_some()
    }

    /// Whether the group knows this member.
    pub fn knows(&self, member: u64) -> bool {
        self.members.contains_key(&member)
    }

    /// How many members there are.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// A member gave these up.
    pub fn release(&mut self, member: u64, partitions: &[u32]) {
        let before = self.owners.len();
        self.owners.retain(|partition, owner| *owner != member || !partitions.contains(partition));
        if self.owners.len() != before {
            self.grant();
        }
    }

    /// Everybody keeps what he has, up to an equal share; the rest goes to those who have least.
    fn rebalance(&mut self) {
        let members: Vec<u64> = self.members.keys().copied().collect();
        if members.is_empty() {
            return;
        }
        let (count, partitions) = (members.len() as u32, self.partitions);
        let mut targets: BTreeMap<u64, BTreeSet<u32>> =
            members.iter().map(|member| (*member, BTreeSet::new())).collect();
        let (share, mut extra) = (partitions / count, partitions % count);
        for member in &members {
            let owned = self.owners.iter().filter(|(_, owner)| *owner == member);
            let owned: Vec<u32> = owned.map(|(partition, _)| *partition).collect();
            let mut allowed = share as usize;
            if owned.len() > allowed && extra > 0 {
                allowed += 1;
                extra -= 1;
            }
            targets.entry(*member).or_default().extend(owned.into_iter().take(allowed));
        }
        for partition in 0..partitions {
            if targets.values().any(|target| target.contains(&partition)) {
                continue;
            }
            let least = members.iter().min_by_key(|member| targets[*member].len()).copied();
            targets.entry(least.unwrap_or_default()).or_default().insert(partition);
        }
        let generation = self.generation + 1;
        for (member, joined) in &mut self.members {
            joined.target = targets.remove(member).unwrap_or_default();
            let lost = self
                .owners
                .iter()
                .filter(|(partition, owner)| *owner == member && !joined.target.contains(*partition));
            let lost: Vec<u32> = lost.map(|(partition, _)| *partition).collect();
            if !lost.is_empty() {
                joined.told.push_back(Told::Revoke { generation, partitions: lost });
            }
        }
        self.grant();
    }

    /// A new generation, with everything that nobody owns given to whom it is meant for.
    fn grant(&mut self) {
        self.generation += 1;
        let generation = self.generation;
        for (member, joined) in &mut self.members {
            let free = joined.target.iter().copied().filter(|it| !self.owners.contains_key(it));
            let partitions: Vec<u32> = free.collect();
            self.owners.extend(partitions.iter().map(|partition| (*partition, *member)));
            joined.told.push_back(Told::Assigned { generation, partitions });
        }
    }

    /// The next thing that a member is told.
    pub fn tell(&mut self, member: u64) -> Option<Told> {
        self.members.get_mut(&member)?.told.pop_front()
    }

    /// Whether a member has something to hear.
    pub fn has_news(&self, member: u64) -> bool {
        self.members.get(&member).is_none_or(|joined| !joined.told.is_empty())
    }

    /// Whether positions of this member and generation are taken.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check(&self, member: u64, generation: u64) -> Result<(), Refusal> {
        if !self.members.contains_key(&member) {
            return Err(Refusal::UnknownMember);
        }
        if generation == self.generation { Ok(()) } else { Err(Refusal::StaleGeneration) }
    }

    /// A committed position takes effect, unless a later one has already.
    pub fn take_position(&mut self, position: &Position, written: u64) {
        let place = (position.topic.clone(), position.partition);
        let known = self.positions.entry(place).or_insert((position.next_offset, written));
        if known.1 <= written {
            *known = (position.next_offset, written);
        }
    }

    /// Where the group goes on; a group that never was here begins with the oldest record.
    pub fn position(&self, topic: &Arc<str>, partition: u32) -> i64 {
        self.positions.get(&(topic.clone(), partition)).map_or(0, |(next_offset, _)| *next_offset)
    }
}
