//! The stores against the changelogs: digests of both, position by position.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Invariant, Violation};
use crate::log::Cluster;
use crate::log::broker::{Broker, State};
use crate::log::partition::Slot;
use crate::log::store::digest_of;

/// The name of a cell or timer within a changelog.
type Name = (bool, Vec<u8>);

/// The fold of one changelog, as far as every transaction in it is decided.
#[derive(Debug, Default)]
struct Fold {
    /// By name: the entry's share of the digest.
    shares: BTreeMap<Name, u64>,
    /// The digest before each offset; one more than offsets.
    digests: Vec<u64>,
}

/// All folds, by group and partition.
#[derive(Debug, Default)]
pub struct Folds(BTreeMap<(Arc<str>, u32), Fold>);

impl Folds {
    /// Looks at every store that changed.
    pub fn look(&mut self, cluster: &mut Cluster) -> Result<(), Violation> {
        for ((group, worker), store) in &mut cluster.disks {
            if !std::mem::take(&mut store.changed) {
                continue;
            }
            for (partition, position, found) in store.partitions() {
                let changelog = cluster.broker.changelog(group, partition);
                // On its way through what was cleaned it lacks what was superseded; behind that it has to be right.
                if changelog.is_some_and(|changelog| position < changelog.cleaned_until()) {
                    continue;
                }
                let fold = self.0.entry((group.clone(), partition)).or_default();
                let expected = fold.digest_at(&cluster.broker, group, partition, position);
                if expected != Some(found) {
                    let what = format!(
                        "store of {worker} in {group}, partition {partition}, says that it has applied the changelog \
                         up to {position}, and holds something else"
                    );
                    return Violation::of(Invariant::StoreIsTheFold, what);
                }
            }
        }
        Ok(())
    }
}

impl Fold {
    /// None: the changelog is not that long.
    fn digest_at(&mut self, broker: &Broker, group: &Arc<str>, partition: u32, position: i64) -> Option<u64> {
        let Some(changelog) = broker.changelog(group, partition) else {
            return (position == 0).then_some(0);
        };
        if self.digests.is_empty() {
            self.digests.push(0);
        }
        let wanted = usize::try_from(position).ok()?;
        // As far as all is decided, once and for all.
        while self.digests.len() <= wanted {
            let offset = self.digests.len() as i64 - 1;
            let mut digest = self.digests[self.digests.len() - 1];
            if let Slot::Data { txn, value } = changelog.slot(offset)? {
                match txn.map_or(State::Committed, |txn| broker.transaction(txn).state) {
                    State::Open => return self.provisional(broker, group, partition, wanted),
                    State::Aborted => {}
                    State::Committed => {
                        let share = digest_of(value);
                        digest ^= share ^ self.shares.insert(value.name(), share).unwrap_or(0);
                    }
                }
            }
            self.digests.push(digest);
        }
        self.digests.get(wanted).copied()
    }

    /// Behind the first transaction that is not decided: what is committed by now.
    fn provisional(&self, broker: &Broker, group: &Arc<str>, partition: u32, wanted: usize) -> Option<u64> {
        let changelog = broker.changelog(group, partition)?;
        let mut digest = *self.digests.last()?;
        let mut changed: BTreeMap<Name, u64> = BTreeMap::new();
        for offset in self.digests.len() - 1..wanted {
            let Slot::Data { txn, value } = changelog.slot(offset as i64)? else { continue };
            if txn.map_or(State::Committed, |txn| broker.transaction(txn).state) == State::Committed {
                let (name, share) = (value.name(), digest_of(value));
                let before = changed.get(&name).or_else(|| self.shares.get(&name)).copied().unwrap_or(0);
                digest ^= share ^ before;
                changed.insert(name, share);
            }
        }
        Some(digest)
    }
}
