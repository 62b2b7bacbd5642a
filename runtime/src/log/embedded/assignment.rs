//! Who of a group has which partition. Decided by the committer thread alone, so that no decision falls between the check
//! of a batch and its write.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::Sender;
use tracing::info;

use super::signal::Signal;

/// A worker's place in its group, for as long as it is a member; never used again.
pub(crate) type MemberId = u64;
/// Raised whenever a partition changes hands: a batch under an older one is fenced.
pub(crate) type Generation = u64;

/// What a member is told of its assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Assigned(Vec<(u32, Generation)>),
    Revoke(Vec<u32>),
    Lost(Vec<u32>),
}

#[derive(Debug)]
struct Member {
    id: MemberId,
    events: Sender<Event>,
    signal: Arc<Signal>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Partition {
    owner: Option<MemberId>,
    /// The owner was asked to give it up.
    revoking: bool,
    generation: Generation,
}

#[derive(Debug)]
struct Group {
    /// In the sequence in which they joined.
    members: Vec<Member>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: HashMap<Arc<str>, Group>,
}

impl Groups {
    pub(crate) fn join(
        &mut self,
        group: &Arc<str>,
        partitions: u32,
        id: MemberId,
        events: Sender<Event>,
        signal: Arc<Signal>,
    ) {
        info!(%group, member = id, "member joined");
        let entry = self
            .groups
            .entry(group.clone())
            .or_insert_with(|| Group { members: Vec::new(), partitions: Vec::new() });
        if entry.partitions.len() < partitions as usize {
            entry.partitions.resize(partitions as usize, Partition::default());
        }
        entry.members.push(Member { id, events, signal });
        entry.rebalance();
    }

    /// The member gives up what it was asked to give up.
    pub(crate) fn release(&mut self, group: &str, id: MemberId, released: &[u32]) {
        let Some(group) = self.groups.get_mut(group) else { return };
        for partition in released {
            if let Some(partition) = group.partitions.get_mut(*partition as usize)
                && partition.owner == Some(id)
            {
                partition.give_up();
            }
        }
        group.rebalance();
    }

    /// The member left, or is held for dead: what it had goes to the others at once, and it is told what it lost.
    pub(crate) fn remove(&mut self, group: &str, id: MemberId) {
        let Some(entry) = self.groups.get_mut(group) else { return };
        let Some(at) = entry.members.iter().position(|member| member.id == id) else { return };
        info!(group, member = id, "member left");
        let member = entry.members.remove(at);
        let mut lost = Vec::new();
        for (number, partition) in (0..).zip(&mut entry.partitions) {
            if partition.owner == Some(id) {
                partition.give_up();
                lost.push(number);
            }
        }
        member.tell(Event::Lost(lost));
        entry.rebalance();
    }

    /// Whether the member still has all these partitions, under these generations.
    pub(crate) fn holds(&self, group: &str, id: MemberId, fences: &[(u32, Generation)]) -> bool {
        let Some(group) = self.groups.get(group) else { return false };
        fences.iter().all(|(partition, generation)| {
            group
                .partitions
                .get(*partition as usize)
                .is_some_and(|held| held.owner == Some(id) && held.generation == *generation)
        })
    }
}

impl Partition {
    fn give_up(&mut self) {
        *self = Self { owner: None, revoking: false, generation: self.generation + 1 };
    }
}

impl Member {
    fn tell(&self, event: Event) {
        // A member that is gone needs no news; its leaving is on its way.
        let _ = self.events.send(event);
        self.signal.notify();
    }
}

impl Group {
    fn rebalance(&mut self) {
        let members: Vec<MemberId> = self.members.iter().map(|member| member.id).collect();
        let owners: Vec<_> = self.partitions.iter().map(|partition| partition.owner).collect();
        let wanted = spread(&owners, &members);
        for member in &self.members {
            let (mut assigned, mut revoked) = (Vec::new(), Vec::new());
            for (number, (partition, wanted)) in (0..).zip(self.partitions.iter_mut().zip(&wanted)) {
                if partition.owner.is_none() && *wanted == Some(member.id) {
                    partition.owner = Some(member.id);
                    assigned.push((number, partition.generation));
                } else if partition.owner == Some(member.id)
                    && partition.owner != *wanted
                    && !partition.revoking
                {
                    partition.revoking = true;
                    revoked.push(number);
                }
            }
            if !revoked.is_empty() {
                member.tell(Event::Revoke(revoked));
            }
            if !assigned.is_empty() {
                member.tell(Event::Assigned(assigned));
            }
        }
    }
}

/// Who should have each partition: as evenly as can be, and whoever has one keeps it if that is even.
fn spread(owners: &[Option<MemberId>], members: &[MemberId]) -> Vec<Option<MemberId>> {
    if members.is_empty() {
        return vec![None; owners.len()];
    }
    let least = owners.len() / members.len();
    let mut larger_shares = owners.len() % members.len();
    let mut had: HashMap<MemberId, usize> = members.iter().map(|id| (*id, 0)).collect();
    for owner in owners.iter().flatten() {
        if let Some(count) = had.get_mut(owner) {
            *count += 1;
        }
    }
    // Those who have most get the shares that are one larger: fewest partitions move.
    let mut by_count = members.to_vec();
    by_count.sort_by_key(|id| std::cmp::Reverse(had[id]));
    let mut left: HashMap<MemberId, usize> = HashMap::new();
    for id in &by_count {
        let larger = usize::from(larger_shares > 0);
        larger_shares -= larger;
        left.insert(*id, least + larger);
    }
    let mut wanted = vec![None; owners.len()];
    for (wanted, owner) in wanted.iter_mut().zip(owners) {
        if let Some(owner) = owner
            && let Some(left) = left.get_mut(owner)
            && *left > 0
        {
            *left -= 1;
            *wanted = Some(*owner);
        }
    }
    let mut takers = members.iter().flat_map(|id| std::iter::repeat_n(*id, left[id]));
    for wanted in wanted.iter_mut().filter(|wanted| wanted.is_none()) {
        *wanted = takers.next();
    }
    wanted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_partition_has_one_owner_and_shares_differ_by_one_at_most(
            owners in proptest::collection::vec(proptest::option::of(0u64..6), 0..40),
            members in proptest::collection::btree_set(0u64..6, 1..6),
        ) {
            let members: Vec<MemberId> = members.into_iter().collect();
            let wanted = spread(&owners, &members);
            prop_assert_eq!(wanted.len(), owners.len());
            let shares: Vec<usize> =
                members.iter().map(|id| wanted.iter().filter(|to| **to == Some(*id)).count()).collect();
            prop_assert_eq!(shares.iter().sum::<usize>(), owners.len(), "all are given to members");
            prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
            prop_assert_eq!(spread(&wanted, &members), wanted, "and then nothing moves");
        }
    }

    #[test]
    fn a_new_member_takes_only_its_share() {
        let owners = [Some(1), Some(1), Some(1), Some(1)];
        let moved = spread(&owners, &[1, 2]).iter().filter(|to| **to != Some(1)).count();
        assert_eq!(moved, 2);
    }
}
