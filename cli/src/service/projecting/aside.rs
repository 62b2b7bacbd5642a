//! When the projection makes room for what orders wait for: the state that is being read back, on a disk without it or far behind.
use std::time::{Duration, Instant};

use runtime::log::kafka::Restoration;

/// What is less is read back so soon that nothing would be won.
const LEFT_RECORDS_MIN: u64 = 100_000;
/// It does not make room for longer: a partition whose leader is away, or a disk that is full, may be left so for hours.
const ASIDE_MAX: Duration = Duration::from_secs(300);
/// All is read back once nothing was to be read for so long: what fails on the way is wanted again at once.
const OVER_AFTER: Duration = Duration::from_secs(10);

/// For whoever asks why it does not go on.
pub(super) const AT: &str = "all that is left";
pub(super) const REASON: &str =
    "it makes room while workers read much of their state back, for five minutes at most";

/// Since when there is much to be read back.
#[derive(Debug, Default)]
pub(super) struct Aside {
    is_aside: bool,
    since: Option<Instant>,
    /// Since when there is nothing to be read back.
    nothing_since: Option<Instant>,
}

impl Aside {
    /// Whether to make room now: from when much is left, until all is read back, and not longer than [`ASIDE_MAX`].
    pub(super) fn look(&mut self, restoring: &[Restoration], now: Instant) -> bool {
        let is_over = |at: Instant| now.saturating_duration_since(at) >= OVER_AFTER;
        if self.nothing_since.is_some_and(is_over) {
            self.since = None;
        }
        self.nothing_since = if restoring.is_empty() { self.nothing_since.or(Some(now)) } else { None };
        let left_records: u64 = restoring.iter().filter_map(|one| one.left_records).sum();
        if left_records >= LEFT_RECORDS_MIN {
            self.since.get_or_insert(now);
        }
        let is_early = |since: Instant| now.saturating_duration_since(since) < ASIDE_MAX;
        self.is_aside = left_records > 0 && self.since.is_some_and(is_early);
        self.is_aside
    }

    /// What the last look came to.
    pub(super) fn is_aside(&self) -> bool {
        self.is_aside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(records: &[Option<u64>]) -> Vec<Restoration> {
        let one = |(partition, left_records): (u32, &Option<u64>)| Restoration {
            worker: "orders-0".into(),
            partition,
            left_records: *left_records,
        };
        (0..).zip(records).map(one).collect()
    }

    /// The projection is rebuilt beside the state that orders wait for; or it waits for what is over, or for what is little.
    #[test]
    fn it_makes_room_while_there_is_much_to_be_read_back() {
        let (mut aside, now) = (Aside::default(), Instant::now());
        assert!(!aside.look(&left(&[]), now));
        assert!(!aside.look(&left(&[None, Some(LEFT_RECORDS_MIN - 1)]), now));
        assert!(aside.look(&left(&[Some(LEFT_RECORDS_MIN / 2), Some(LEFT_RECORDS_MIN / 2)]), now));
        assert!(aside.look(&left(&[Some(1)]), now), "what was begun is ended");
        assert!(!aside.look(&left(&[]), now));
        assert!(!aside.look(&left(&[Some(1)]), now + OVER_AFTER), "that is another time, and little");
    }

    /// A partition that cannot be read back keeps what is shown of all orders old, for as long as it lasts.
    #[test]
    fn it_goes_on_after_a_while_whatever_is_left() {
        let (mut aside, began) = (Aside::default(), Instant::now());
        let much = left(&[Some(LEFT_RECORDS_MIN)]);
        assert!(aside.look(&much, began));
        assert!(aside.look(&much, began + ASIDE_MAX / 2));
        // It failed, is wanted anew, and begun again: as a full disk has it, over and over.
        assert!(!aside.look(&left(&[None]), began + ASIDE_MAX / 2));
        assert!(!aside.look(&left(&[]), began + ASIDE_MAX / 2));
        assert!(aside.look(&much, began + ASIDE_MAX / 2));
        assert!(!aside.look(&much, began + ASIDE_MAX));
        assert!(!aside.look(&much, began + ASIDE_MAX * 2));
        assert!(!aside.look(&left(&[]), began + ASIDE_MAX * 2));
        assert!(aside.look(&much, began + ASIDE_MAX * 2 + OVER_AFTER), "another time");
    }
}
