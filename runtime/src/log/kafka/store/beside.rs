//! Rebuilds a partition on the side that is not in force, and puts it in force once it is whole.
//!
//! 1. The side is emptied; only then a mark says what is being built there, and how far it is.
//! 2. Changes are written with that mark, piece by piece.
//! 3. One write: the side is in force, and the mark is gone.
//! 4. The other side is emptied.
//!
//! Writes reach the disk in their sequence or not at all. So wherever it is cut short, what is in force is the old or the new
//! one, and whole; what is left on the other side without a mark is emptied at the next opening.

use rocksdb::WriteBatch;

use super::sides::Side;
use super::{Known, PROGRESS, Progress, Reached, STATE, Store, TIMERS, damaged, decode_due_ms};
use crate::Error;
use crate::store::keys::{self, TimerKey};

/// How many timers are unlinked from their due times in one write.
const CLEAR_TIMERS_MAX: usize = 10_000;

impl Store {
    /// What is being built beside what is in force: how far, and since when. None: nothing is.
    pub(crate) fn building(&self, partition: u32) -> Result<Option<Progress>, Error> {
        let begun = self.read_progress(Side::Second.partition(partition))?;
        // An older release, which knows no sides, may have worked on the store meanwhile, and put the first one in force.
        let side = self.building_side(partition);
        Ok(begun.filter(|(_, begun_on)| *begun_on == side).map(|(progress, _)| progress))
    }

    /// The side that is free for it.
    pub(super) fn building_side(&self, partition: u32) -> Side {
        self.known().get(&partition).map_or(Side::First, |known| known.side.other())
    }

    /// Begins to build; what was begun before is thrown away.
    pub(crate) fn begin_beside(&self, partition: u32, next_offset: i64, now_ms: i64) -> Result<(), Error> {
        let mark = Side::Second.partition(partition).to_be_bytes();
        // Without it what is left is nothing: so it goes first, and comes last.
        self.db.delete_cf(self.family(PROGRESS), mark).map_err(self.failed("begin to rebuild state"))?;
        let side = self.building_side(partition);
        self.clear(partition, side)?;
        let reached = Reached { next_offset, applied_ms: now_ms, origin: None };
        let mut write = WriteBatch::default();
        write.put_cf(self.family(PROGRESS), mark, self.progress_of(&reached, true).encode(side));
        self.db.write(write).map_err(self.failed("begin to rebuild state"))
    }

    /// What was built is whole, and in force from now on.
    pub(crate) fn put_in_force(&self, partition: u32, reached: Reached) -> Result<(), Error> {
        let side = self.building_side(partition);
        let mut write = WriteBatch::default();
        let progress = self.progress_of(&reached, false).encode(side);
        write.put_cf(self.family(PROGRESS), partition.to_be_bytes(), progress);
        write.delete_cf(self.family(PROGRESS), Side::Second.partition(partition).to_be_bytes());
        self.db.write(write).map_err(self.failed("put rebuilt state in force"))?;
        let before = self.known_mut().insert(partition, Known { side, origin: reached.origin });
        match before {
            Some(_) => self.clear(partition, side.other()),
            None => Ok(()),
        }
    }

    /// Empties what was left behind by whoever was cut short.
    pub(super) fn sweep(&self) -> Result<(), Error> {
        let all: Vec<(u32, Side)> = self.known().iter().map(|(at, known)| (*at, known.side)).collect();
        for (partition, in_force) in all {
            let side = in_force.other();
            if self.building(partition)?.is_none() && self.has_any(partition, side)? {
                self.clear(partition, side)?;
            }
        }
        Ok(())
    }

    fn has_any(&self, partition: u32, side: Side) -> Result<bool, Error> {
        let (from, end) = bounds(partition, side);
        for family in [STATE, TIMERS] {
            let mut names = self.iterator(family, Some(end.clone()));
            names.seek(&from);
            if names.valid() {
                return Ok(true);
            }
            names.status().map_err(self.failed("look for what is left"))?;
        }
        Ok(false)
    }

    fn clear(&self, partition: u32, side: Side) -> Result<(), Error> {
        let (from, end) = bounds(partition, side);
        loop {
            let mut write = WriteBatch::default();
            let mut timers = self.iterator(TIMERS, Some(end.clone()));
            timers.seek(&from);
            let mut count = 0;
            while count < CLEAR_TIMERS_MAX
                && let Some((name, due_ms)) = timers.item()
            {
                let timer =
                    TimerKey::from_encoded(name).ok_or_else(|| damaged("a timer cannot be decoded"))?;
                self.put_timer(&mut write, &timer, Some(decode_due_ms(due_ms)?), None);
                count += 1;
                timers.next();
            }
            timers.status().map_err(self.failed("read timers"))?;
            if count == 0 {
                break;
            }
            self.db.write(write).map_err(self.failed("empty timers"))?;
        }
        let mut write = WriteBatch::default();
        write.delete_range_cf(self.family(STATE), &from, &end);
        self.db.write(write).map_err(self.failed("empty state"))
    }
}

/// What every name of a partition on a side begins with, and the first name behind them.
fn bounds(partition: u32, side: Side) -> (Vec<u8>, Vec<u8>) {
    let from = side.partition(partition).to_be_bytes().to_vec();
    let end = keys::prefix_end(&from).expect("partitions end far below what the bit leaves");
    (from, end)
}
