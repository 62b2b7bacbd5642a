//! Whose turn it is, among all workers of a process, to read a long changelog.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one such reading keeps busy: its own thread, and beside it those of the client and of RocksDB, which take about as much.
const CORES_OF_A_READING: usize = 2;

/// With more at a time than there are cores for, all would be ready later, and none sooner.
#[derive(Debug)]
pub(in crate::log::kafka) struct Turns {
    at_a_time: usize,
    workers: Mutex<Workers>,
}

#[derive(Debug, Default)]
struct Workers {
    reading: BTreeSet<Arc<str>>,
    /// In the sequence in which they came.
    waiting: VecDeque<Arc<str>>,
}

impl Turns {
    /// `cores`: that the process has.
    pub(in crate::log::kafka) fn new(cores: usize) -> Self {
        Self { at_a_time: (cores / CORES_OF_A_READING).max(1), workers: Mutex::default() }
    }

    fn workers(&self) -> MutexGuard<'_, Workers> {
        // Nothing panics while it is held.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the worker may read now; if not, it has its place among those that wait, and asks again.
    pub(super) fn take(&self, worker: &Arc<str>) -> bool {
        let mut workers = self.workers();
        if workers.reading.contains(worker) {
            return true;
        }
        if !workers.waiting.contains(worker) {
            workers.waiting.push_back(worker.clone());
        }
        let is_next = workers.waiting.front() == Some(worker) && workers.reading.len() < self.at_a_time;
        if is_next && let Some(worker) = workers.waiting.pop_front() {
            workers.reading.insert(worker);
        }
        is_next
    }

    /// It has read one, or nothing comes: the next may read before it reads another.
    pub(super) fn pass_on(&self, worker: &Arc<str>) {
        self.workers().reading.remove(worker);
    }

    /// It has nothing more to read; whether it was its turn.
    pub(super) fn leave(&self, worker: &Arc<str>) -> bool {
        let mut workers = self.workers();
        workers.waiting.retain(|waiting| waiting != worker);
        workers.reading.remove(worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One worker reads all of its partitions before another has its first; or somebody who left is waited for.
    #[test]
    fn workers_take_turns_in_the_sequence_in_which_they_came() {
        let (a, b, c): (Arc<str>, Arc<str>, Arc<str>) = ("a".into(), "b".into(), "c".into());
        let turns = Turns::new(2);
        assert!(turns.take(&a));
        assert!(turns.take(&a), "it is its turn still");
        assert!(!turns.take(&b) && !turns.take(&c) && !turns.take(&b));
        turns.pass_on(&a);
        assert!(!turns.take(&a) && !turns.take(&c));
        assert!(turns.take(&b));
        assert!(turns.leave(&b));
        assert!(!turns.leave(&c), "it only waited");
        assert!(turns.take(&a), "nobody else is left");
        assert!(turns.leave(&a) && turns.take(&c));
    }

    /// A machine with one core reads nothing; or one with many reads one at a time.
    #[test]
    fn as_many_read_at_a_time_as_there_are_cores_for() {
        for (cores, at_a_time) in [(1, 1), (2, 1), (3, 1), (4, 2), (16, 8)] {
            let turns = Turns::new(cores);
            let took = (0..cores * 2).filter(|number| turns.take(&number.to_string().into())).count();
            assert_eq!(took, at_a_time, "{cores} cores");
        }
    }
}
