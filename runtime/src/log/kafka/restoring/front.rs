//! Which changelogs a worker reads at a time: those with little left side by side, those with much one after the other, the shortest first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// So many records are left of all that are read side by side. One alone with more waits for the worker's turn.
const TOGETHER_RECORDS_MAX: u64 = 50_000;
/// Whoever brings nothing for so long, since a leader is away perhaps, holds up nobody any longer.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// The partitions whose changelogs are fetched.
pub(super) struct Front {
    together_records_max: u64,
    partitions: BTreeSet<u32>,
    /// Those of them that brought nothing for too long. They are still fetched, beside those that take their turn.
    silent: BTreeSet<u32>,
    has_come: bool,
    came_at: Instant,
}

impl Front {
    /// `together_records_max`: a test has another than [`TOGETHER_RECORDS_MAX`].
    pub(super) fn new(together_records_max: Option<u64>, now: Instant) -> Self {
        Self {
            together_records_max: together_records_max.unwrap_or(TOGETHER_RECORDS_MAX),
            partitions: BTreeSet::new(),
            silent: BTreeSet::new(),
            has_come: false,
            came_at: now,
        }
    }

    pub(super) fn has(&self, partition: u32) -> bool {
        self.partitions.contains(&partition)
    }

    /// A record was fetched. Those of a partition that was silent do not hide that others are.
    pub(super) fn came(&mut self, partition: u32) {
        self.has_come |= !self.silent.contains(&partition);
    }

    /// For so long nobody has looked whether anything came: that is nobody's silence.
    pub(super) fn was_not_asked(&mut self, span: Duration, now: Instant) {
        self.came_at = (self.came_at + span).min(now);
    }

    /// How many are fetched that are not silent.
    pub(super) fn heard(&self) -> usize {
        self.partitions.difference(&self.silent).count()
    }

    /// Chooses anew; whether that are others than before. `lefts`: of each partition that is to be read, how many records are left;
    /// `may_read_long`: whether it is the worker's turn.
    pub(super) fn choose(
        &mut self,
        lefts: &BTreeMap<u32, u64>,
        may_read_long: impl FnOnce() -> bool,
        now: Instant,
    ) -> bool {
        self.silent.retain(|partition| lefts.contains_key(partition));
        let mut shortest: Vec<(u64, u32)> =
            lefts.iter().map(|(partition, left)| (*left, *partition)).collect();
        shortest.retain(|(_, partition)| !self.silent.contains(partition));
        shortest.sort_unstable();
        let mut together = 0u64;
        let mut short = |left| {
            together = together.saturating_add(left);
            together <= self.together_records_max
        };
        let mut chosen: BTreeSet<u32> =
            shortest.iter().take_while(|(left, _)| short(*left)).map(|(_, partition)| *partition).collect();
        if let (true, Some((_, partition))) = (chosen.is_empty(), shortest.first())
            && may_read_long()
        {
            chosen.insert(*partition);
        }
        chosen.extend(&self.silent);
        (self.has_come, self.came_at) = (false, now);
        let is_other = chosen != self.partitions;
        self.partitions = chosen;
        is_other
    }

    /// Whether nothing comes of any of them, so that others may take the worker's turn.
    pub(super) fn is_silent(&self) -> bool {
        self.partitions == self.silent
    }

    /// Whether those that are still to be read, by partition, have others among them whose turn it is.
    pub(super) fn is_over<T>(&mut self, reading: &BTreeMap<u32, T>, now: Instant) -> bool {
        if std::mem::take(&mut self.has_come) {
            self.came_at = now;
        }
        if now.saturating_duration_since(self.came_at) >= SILENCE_MAX {
            self.silent.extend(&self.partitions);
        }
        let is_read = |partition: &u32| !reading.contains_key(partition) || self.silent.contains(partition);
        self.partitions.iter().all(is_read) && reading.keys().any(|partition| !self.has(*partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUCH: u64 = TOGETHER_RECORDS_MAX;

    fn chosen(front: &mut Front, lefts: &[(u32, u64)], now: Instant) -> Vec<u32> {
        front.choose(&lefts.iter().copied().collect(), || true, now);
        (0..10).filter(|partition| front.has(*partition)).collect()
    }

    fn reading(partitions: &[u32]) -> BTreeMap<u32, ()> {
        partitions.iter().map(|partition| (*partition, ())).collect()
    }

    /// A long look makes one silent that was not asked; or many short ones, as at what is not settled, hide that one is.
    #[test]
    fn who_was_not_asked_is_not_silent_and_is_once_he_was_asked_for_long_enough() {
        let began = Instant::now();
        let mut front = Front::new(None, began);
        let left = [(0, MUCH + 1), (1, MUCH + 2)];
        assert_eq!(chosen(&mut front, &left, began), [0]);
        let looked = began + 2 * SILENCE_MAX;
        front.was_not_asked(2 * SILENCE_MAX, looked);
        assert!(!front.is_over(&reading(&[0, 1]), looked));
        let (mut now, look) = (looked, SILENCE_MAX / 100);
        for _ in 0..100 {
            now += 2 * look;
            front.was_not_asked(look, now);
        }
        assert!(front.is_over(&reading(&[0, 1]), now), "half of the time it was asked");
    }

    /// Short changelogs wait for long ones; or long ones are read together, so that none is ready before all are.
    #[test]
    fn short_ones_go_side_by_side_and_long_ones_one_after_the_other() {
        let now = Instant::now();
        let mut front = Front::new(None, now);
        assert_eq!(chosen(&mut front, &[(0, 10), (1, 20), (2, 0), (3, 30)], now), [0, 1, 2, 3]);
        assert_eq!(chosen(&mut front, &[(0, MUCH + 2), (1, MUCH + 1), (2, MUCH + 3)], now), [1]);
        assert_eq!(chosen(&mut front, &[(0, MUCH * 9), (1, 5), (2, MUCH), (3, 7)], now), [1, 3]);
        assert_eq!(chosen(&mut front, &[(0, MUCH - 5), (1, 5), (2, 6)], now), [1, 2]);
    }

    /// A long one is read out of turn, or a short one waits for a turn.
    #[test]
    fn long_ones_wait_for_the_turn_and_short_ones_do_not() {
        let now = Instant::now();
        let mut front = Front::new(None, now);
        let long = BTreeMap::from([(0, MUCH + 1), (1, MUCH + 2)]);
        assert!(!front.choose(&long, || false, now), "nobody came to the front");
        assert!(front.is_over(&reading(&[0, 1]), now), "it is to be asked again");
        assert!(front.choose(&long, || true, now) && front.has(0));
        assert!(!front.choose(&long, || true, now), "the same as before");
        let with_short = BTreeMap::from([(0, MUCH + 1), (2, MUCH)]);
        assert!(front.choose(&with_short, || panic!("a short one needs no turn"), now));
        assert!(front.has(2) && !front.has(0));
    }

    /// The next ones are waited for by nobody; or come before those in front are read.
    #[test]
    fn the_next_come_when_all_in_front_are_read() {
        let now = Instant::now();
        let mut front = Front::new(None, now);
        assert_eq!(chosen(&mut front, &[(0, 10), (1, 20), (2, MUCH)], now), [0, 1]);
        assert!(!front.is_over(&reading(&[0, 1, 2]), now));
        assert!(!front.is_over(&reading(&[1, 2]), now), "one is still read");
        assert!(front.is_over(&reading(&[2]), now));
        assert_eq!(chosen(&mut front, &[(2, MUCH)], now), [2]);
        assert!(!front.is_over(&reading(&[2]), now));
        assert!(!front.is_over(&reading(&[]), now), "nobody is left");
    }

    /// A partition without a leader holds up the others; or is given up for good.
    #[test]
    fn whoever_brings_nothing_holds_up_nobody_and_is_still_read() {
        let began = Instant::now();
        let mut front = Front::new(None, began);
        let lefts = [(0, MUCH + 1), (1, MUCH + 2), (2, MUCH + 3)];
        assert_eq!(chosen(&mut front, &lefts, began), [0]);
        let (early, late) = (began + SILENCE_MAX / 2, began + SILENCE_MAX);
        front.came(0);
        assert!(!front.is_over(&reading(&[0, 1, 2]), early));
        assert!(!front.is_over(&reading(&[0, 1, 2]), late), "something came half-way");
        assert!(!front.is_silent());
        let silent = early + SILENCE_MAX;
        assert!(front.is_over(&reading(&[0, 1, 2]), silent));
        assert!(front.is_silent());
        assert_eq!(chosen(&mut front, &lefts, silent), [0, 1]);
        assert!(!front.is_silent());
        assert!(!front.is_over(&reading(&[0, 1, 2]), silent));
        let again = silent + SILENCE_MAX;
        front.came(0);
        assert!(front.is_over(&reading(&[0, 1, 2]), again), "what comes of the first is not of the second");
        assert!(front.is_over(&reading(&[0, 2]), again), "the second is read, the first is not waited for");
        assert_eq!(chosen(&mut front, &[(0, MUCH + 1), (2, MUCH + 3)], again), [0, 2]);
        // The last one keeps nobody else's turn.
        assert_eq!(chosen(&mut front, &[(0, MUCH + 1)], again), [0]);
        assert!(!front.is_over(&reading(&[0]), again) && front.is_silent());
    }
}
