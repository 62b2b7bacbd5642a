//! What a member does beside its work: it notes how new its store is.

use super::member::Member;
use crate::Error;

/// How often the store notes that it is still as new as it can be.
const TOUCH_EVERY_MS: i64 = 600_000;

/// What is due of it.
#[derive(Debug)]
pub(super) struct Upkeep {
    touched_ms: i64,
    /// When it was last looked whether something is due: who comes late may have been expelled meanwhile.
    looked_ms: i64,
}

impl Upkeep {
    pub(super) fn new(now_ms: i64) -> Self {
        Self { touched_ms: now_ms, looked_ms: now_ms }
    }

    /// Whether the store is to be touched. Not by one that was held up for longer than its group waits for it: others may have what
    /// it thinks it has, and a store that says that it is new would not be looked at closely any more.
    fn is_touch_due(&mut self, now_ms: i64, session_timeout_ms: u32) -> bool {
        let held_up_ms = now_ms.saturating_sub(self.looked_ms);
        self.looked_ms = now_ms;
        if held_up_ms >= i64::from(session_timeout_ms) || now_ms < self.touched_ms {
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

impl Member {
    pub(super) fn keep_up(&mut self) -> Result<(), Error> {
        let now_ms = self.shared.clock.now_ms();
        if self.upkeep.is_touch_due(now_ms, self.shared.options.session_timeout_ms) {
            self.store.touch(self.held.iter().copied(), now_ms)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_touched_now_and_then_and_never_by_one_that_was_held_up() {
        let mut upkeep = Upkeep::new(0);
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
