//! What a member does beside its work: it notes how new its store is, and says whose state is to be followed.

use std::collections::BTreeSet;

use tracing::warn;

use super::member::Member;
use crate::Error;

/// How often the store notes that it is still as new as it can be.
const TOUCH_EVERY_MS: i64 = 600_000;

/// What is due of it.
#[derive(Debug)]
pub(super) struct Upkeep {
    partitions: u32,
    touched_ms: i64,
    /// When it was last looked whether something is due: who comes late may have been expelled meanwhile.
    looked_ms: i64,
    /// Whether it was said what is to be followed, and nothing has changed since.
    follows: bool,
}

impl Upkeep {
    pub(super) fn new(partitions: u32, now_ms: i64) -> Self {
        Self { partitions, touched_ms: now_ms, looked_ms: now_ms, follows: false }
    }

    /// What this member has has changed.
    pub(super) fn follow_anew(&mut self) {
        self.follows = false;
    }

    /// Whether it was held up for longer than its group waits for it: others may have what it thinks it has, and a store that says that
    /// it is new would not be looked at closely any more.
    fn is_held_up(&self, now_ms: i64, session_timeout_ms: u32) -> bool {
        now_ms.saturating_sub(self.looked_ms) >= i64::from(session_timeout_ms)
    }

    /// Whether the store is to be touched.
    fn is_touch_due(&mut self, now_ms: i64, session_timeout_ms: u32) -> bool {
        let is_held_up = self.is_held_up(now_ms, session_timeout_ms);
        self.looked_ms = now_ms;
        if is_held_up || now_ms < self.touched_ms {
            self.touched_ms = now_ms;
            return false;
        }
        let is_due = now_ms.saturating_sub(self.touched_ms) >= TOUCH_EVERY_MS;
        if is_due {
            self.touched_ms = now_ms;
        }
        is_due
    }
}

/// Which partitions a worker follows: of those that it does not have, so many, counted round from a place of its own. So it is the
/// same after every rebalance but for what had to change, and workers that follow only some do not all follow the same.
fn chosen(worker: &str, partitions: u32, has: &BTreeSet<u32>, partitions_max: usize) -> BTreeSet<u32> {
    let first = crate::partition_for(worker.as_bytes(), partitions);
    let round = (0..partitions).map(|step| (first + step) % partitions);
    round.filter(|partition| !has.contains(partition)).take(partitions_max).collect()
}

impl Member {
    pub(super) fn keep_up(&mut self) -> Result<(), Error> {
        let now_ms = self.shared.clock.now_ms();
        if self.upkeep.is_touch_due(now_ms, self.shared.options.session_timeout_ms) {
            self.touch(&self.held, now_ms);
        }
        self.follow()
    }

    /// Has the store note how new it is in partitions that are given up.
    pub(super) fn note_newness(&self, partitions: &[u32]) {
        let now_ms = self.shared.clock.now_ms();
        if !self.upkeep.is_held_up(now_ms, self.shared.options.session_timeout_ms) {
            self.touch(partitions, now_ms);
        }
    }

    /// A store that seems older than it is costs a rebuild at most. Nothing else may wait for it.
    fn touch(&self, partitions: &[u32], now_ms: i64) {
        if let Err(problem) = self.store.touch(partitions.iter().copied(), now_ms) {
            warn!(worker = %self.membership.worker, reason = problem.chain(), "how new the store is could not be noted");
        }
    }

    /// Has followed what this member does not have. What a batch on its way may still write is left out until that is settled, and
    /// after a failure nothing changes before the way back: two would write one partition's state.
    fn follow(&mut self) -> Result<(), Error> {
        let partitions_max = self.shared.options.standby_partitions_max;
        if partitions_max == 0 || self.failed || self.upkeep.follows {
            return Ok(());
        }
        // Before the group has said what is this member's, it would follow that too.
        if self.proof.is_none() {
            return Ok(());
        }
        let own = self.held.iter().chain(&self.releasing).chain(self.restoring.keys());
        let own: BTreeSet<u32> = own.copied().collect();
        let of_batches = self.in_flight.iter().flat_map(|batch| &batch.partitions);
        let late: BTreeSet<u32> = of_batches.copied().filter(|partition| !own.contains(partition)).collect();
        let name = format!("{}-{}", self.shared.options.node, self.membership.worker);
        let chosen = chosen(&name, self.upkeep.partitions, &own, partitions_max);
        let now: BTreeSet<u32> = chosen.difference(&late).copied().collect();
        self.restorer.follow(now)?;
        self.upkeep.follows = late.is_empty();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_followed_is_what_others_have_up_to_the_limit_and_changes_no_more_than_it_must() {
        let has = |partitions: &[u32]| partitions.iter().copied().collect::<BTreeSet<u32>>();
        for worker in ["orders-0", "orders-1", "x"] {
            assert_eq!(chosen(worker, 8, &has(&[]), 8), (0..8).collect());
            assert_eq!(chosen(worker, 8, &has(&[2, 5]), 256), has(&[0, 1, 3, 4, 6, 7]));
            assert_eq!(chosen(worker, 8, &has(&[]), 0), has(&[]));
            let three = chosen(worker, 8, &has(&[]), 3);
            assert_eq!(three.len(), 3);
            let taken = *three.first().unwrap();
            let without = chosen(worker, 8, &has(&[taken]), 3);
            assert_eq!(without.len(), 3);
            assert_eq!(without.intersection(&three).count(), 2, "one goes, one comes");
        }
    }

    #[test]
    fn a_store_is_touched_now_and_then_and_never_by_one_that_was_held_up() {
        let mut upkeep = Upkeep::new(8, 0);
        let mut touched = Vec::new();
        // Looks in time, then one after two days, then in time again.
        let looks = (0..700).map(|at| at * 1_000).chain((0..700).map(|at| 172_800_000 + at * 1_000));
        for now_ms in looks {
            if upkeep.is_touch_due(now_ms, 6_000) {
                touched.push(now_ms);
            }
        }
        assert_eq!(touched, [600_000, 173_400_000]);
        assert!(!upkeep.is_touch_due(0, 6_000), "a clock that was turned back says nothing");
    }
}
