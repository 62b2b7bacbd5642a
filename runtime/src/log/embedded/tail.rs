//! The newest records of each partition, as they were written. Whoever is at the end, which is nearly everybody, reads them from here:
//! an iterator over the store costs more than what it finds there.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::log::Limits;

/// Of all partitions together, in bytes of encoded records; what is older is read from the store. A batch stays in memory until the last of its
/// records goes, so there may be one batch more.
pub(crate) const TAIL_BYTES_MAX: usize = 4 << 20;
/// What a record costs beside its bytes, here and in a limit.
pub(crate) const RECORD_OVERHEAD_BYTES: usize = 64;

/// A record that was just written: where it lies, and its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    pub(crate) topic: usize,
    pub(crate) partition: u32,
    pub(crate) offset: i64,
    pub(crate) raw: Bytes,
}

/// Offsets in it have no gaps.
#[derive(Debug, Default)]
struct Run {
    first_offset: i64,
    records: VecDeque<Bytes>,
}

/// Read by many; only the committer writes.
#[derive(Debug)]
pub(crate) struct Tail {
    /// By topic index and partition.
    runs: Vec<Vec<Mutex<Run>>>,
    kept: Mutex<Kept>,
    bytes_max: usize,
}

/// Whose record is the oldest of all, and how much there is.
#[derive(Debug, Default)]
struct Kept {
    oldest_first: VecDeque<(usize, u32)>,
    bytes: usize,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tail {
    /// `partitions`: of each topic, how many it has.
    pub(crate) fn new(partitions: impl Iterator<Item = u32>, bytes_max: usize) -> Self {
        let runs = partitions.map(|count| (0..count).map(|_| Mutex::default()).collect()).collect();
        Self { runs, kept: Mutex::default(), bytes_max }
    }

    fn run(&self, topic: usize, partition: u32) -> &Mutex<Run> {
        &self.runs[topic][partition as usize]
    }

    /// Takes what was written, in the sequence in which it was; the oldest of all makes room.
    pub(crate) fn extend(&self, written: impl Iterator<Item = Fresh>) {
        let mut kept = locked(&self.kept);
        for Fresh { topic, partition, offset, raw } in written {
            kept.bytes += raw.len() + RECORD_OVERHEAD_BYTES;
            kept.oldest_first.push_back((topic, partition));
            let mut run = locked(self.run(topic, partition));
            if run.records.is_empty() {
                run.first_offset = offset;
            }
            assert_eq!(run.first_offset + run.records.len() as i64, offset, "offsets have no gaps");
            run.records.push_back(raw);
        }
        while kept.bytes > self.bytes_max
            && let Some((topic, partition)) = kept.oldest_first.pop_front()
        {
            let mut run = locked(self.run(topic, partition));
            let raw = run.records.pop_front().expect("a record that is kept is in its run");
            run.first_offset += 1;
            kept.bytes -= raw.len() + RECORD_OVERHEAD_BYTES;
        }
    }

    /// The encoded records of a partition in [from, end), as many as the limits allow and at least one; they come off the limits. None:
    /// the first of them is older than what is kept here.
    pub(crate) fn read(
        &self,
        (topic, partition): (usize, u32),
        from: i64,
        end: i64,
        limits: &mut Limits,
    ) -> Option<Vec<Bytes>> {
        let run = locked(self.run(topic, partition));
        let skipped = usize::try_from(from.checked_sub(run.first_offset)?).ok()?;
        if skipped >= run.records.len() {
            return None;
        }
        let wanted = usize::try_from(end - from).ok()?;
        let mut found = Vec::with_capacity(wanted.min(run.records.len() - skipped).min(limits.records_max));
        for raw in run.records.range(skipped..).take(wanted) {
            if limits.records_max == 0 || limits.bytes_max == 0 {
                break;
            }
            limits.records_max -= 1;
            limits.bytes_max = limits.bytes_max.saturating_sub(raw.len() + RECORD_OVERHEAD_BYTES);
            found.push(raw.clone());
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Limits = Limits { records_max: 1_000, bytes_max: 1 << 20 };

    fn fresh(partition: u32, offset: i64, bytes: usize) -> Fresh {
        Fresh { topic: 0, partition, offset, raw: vec![offset as u8; bytes].into() }
    }

    fn read(tail: &Tail, partition: u32, from: i64, end: i64) -> Option<Vec<u8>> {
        let found = tail.read((0, partition), from, end, &mut ALL.clone())?;
        Some(found.iter().map(|raw| raw[0]).collect())
    }

    #[test]
    fn what_was_just_written_is_found_and_what_is_older_or_not_visible_yet_is_not() {
        let tail = Tail::new([2].into_iter(), 1 << 20);
        assert_eq!(read(&tail, 0, 0, 5), None, "nothing was written yet");
        tail.extend((7..10).map(|offset| fresh(0, offset, 10)));
        tail.extend([fresh(0, 10, 10)].into_iter());
        assert_eq!(read(&tail, 0, 7, 11).unwrap(), [7, 8, 9, 10]);
        assert_eq!(read(&tail, 0, 9, 11).unwrap(), [9, 10]);
        assert_eq!(read(&tail, 0, 8, 10).unwrap(), [8, 9], "the end that is told counts, and not ours");
        assert_eq!(read(&tail, 0, 6, 11), None, "older than the first here");
        assert_eq!(read(&tail, 0, 11, 12), None);
        assert_eq!(read(&tail, 1, 7, 11), None, "another partition");
    }

    #[test]
    fn the_oldest_of_all_partitions_makes_room() {
        let room = 3 * (100 + RECORD_OVERHEAD_BYTES);
        let tail = Tail::new([2].into_iter(), room);
        tail.extend([fresh(0, 0, 100), fresh(1, 0, 100), fresh(1, 1, 100)].into_iter());
        assert_eq!(read(&tail, 0, 0, 1).unwrap(), [0]);
        tail.extend([fresh(1, 2, 100)].into_iter());
        assert_eq!(read(&tail, 0, 0, 1), None);
        assert_eq!(read(&tail, 1, 0, 3).unwrap(), [0, 1, 2]);
        // A partition that has none left begins anew where it is then.
        tail.extend([fresh(0, 1, 100)].into_iter());
        assert_eq!((read(&tail, 0, 1, 2).unwrap(), read(&tail, 1, 0, 3)), (vec![1], None));
        // One that is larger than all that may be kept is not kept.
        tail.extend([fresh(0, 2, room)].into_iter());
        assert_eq!((read(&tail, 0, 2, 3), read(&tail, 1, 2, 3)), (None, None));
        assert_eq!(locked(&tail.kept).bytes, 0);
    }

    #[test]
    fn no_more_is_given_than_the_limits_allow() {
        let tail = Tail::new([1].into_iter(), 1 << 20);
        tail.extend((0..10).map(|offset| fresh(0, offset, 100)));
        let mut limits = Limits { records_max: 3, ..ALL };
        assert_eq!(tail.read((0, 0), 0, 10, &mut limits).unwrap().len(), 3);
        assert_eq!(limits.records_max, 0);
        let mut limits = Limits { bytes_max: 200, ..ALL };
        assert_eq!(
            tail.read((0, 0), 0, 10, &mut limits).unwrap().len(),
            2,
            "the one that crosses it is the last"
        );
        assert_eq!(limits.bytes_max, 0);
    }
}
