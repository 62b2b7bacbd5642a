//! Cells and timers as a worker sees them, against a model that copies everything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::keys::{self, CellKey, TimerKey};
use super::overlay::Overlay;
use super::timers::Timers;
use crate::Error;
use crate::log::{Batch, BatchId, CellChange, Limits, Log, Outcome, Polled, TimerChange};
use crate::record::Topics;
use crate::timer::DueTimer;

/// A store, and nothing else of a log.
#[derive(Default)]
struct Stored {
    cells: BTreeMap<Vec<u8>, Bytes>,
    timers: BTreeMap<TimerKey, i64>,
    topics: Arc<Topics>,
}

impl Stored {
    fn apply(&mut self, cells: Vec<CellChange>, timers: Vec<TimerChange>) {
        for change in cells {
            match change.value {
                Some(value) => self.cells.insert(change.cell.as_bytes().to_vec(), value),
                None => self.cells.remove(change.cell.as_bytes()),
            };
        }
        for change in timers {
            assert_eq!(self.timers.get(&change.timer).copied(), change.before_ms, "of {change:?}");
            match change.due_ms {
                Some(due_ms) => self.timers.insert(change.timer, due_ms),
                None => self.timers.remove(&change.timer),
            };
        }
    }
}

impl Log for Stored {
    fn topics(&self) -> &Arc<Topics> {
        &self.topics
    }

    fn poll(&mut self, _limits: Limits, _wait: Duration) -> Result<Polled, Error> {
        Ok(Polled::Nothing)
    }

    fn append(&mut self, _batch: Batch) -> Result<BatchId, Error> {
        Err(Error::Closed)
    }

    fn settle(&mut self, _wait: Duration) -> Result<Option<(BatchId, Outcome)>, Error> {
        Ok(None)
    }

    fn rewind(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn cell(&mut self, cell: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.cells.get(cell).cloned())
    }

    fn cells(&mut self, prefix: &[u8], cells_max: usize) -> Result<Vec<(CellKey, Bytes)>, Error> {
        let found = self.cells.iter().filter(|(name, _)| name.starts_with(prefix)).take(cells_max);
        Ok(found.map(|(name, value)| (CellKey::from_encoded(name), value.clone())).collect())
    }

    fn timer_due_ms(&mut self, timer: &TimerKey) -> Result<Option<i64>, Error> {
        Ok(self.timers.get(timer).copied())
    }

    fn due_timers(
        &mut self,
        _partition: u32,
        until_ms: i64,
        timers_max: usize,
    ) -> Result<Vec<DueTimer>, Error> {
        let mut due: Vec<Vec<u8>> = self
            .timers
            .iter()
            .filter(|(_, due_ms)| **due_ms <= until_ms)
            .map(|(timer, due_ms)| timer.at_due(*due_ms))
            .collect();
        due.sort();
        Ok(due.iter().take(timers_max).map(|timer| keys::decode_due(timer).unwrap()).collect())
    }

    fn lag_records(&self) -> u64 {
        0
    }

    fn leave(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Action {
    Put(u8, Option<u8>),
    Set(u8, Option<i64>),
    Get(u8),
    StepDone,
    StepUndo,
    Append,
    Committed,
    Discard,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0u8..5, proptest::option::of(0u8..4)).prop_map(|(cell, value)| Action::Put(cell, value)),
        4 => (0u8..5, proptest::option::of(0i64..6)).prop_map(|(timer, due)| Action::Set(timer, due)),
        2 => (0u8..5).prop_map(Action::Get),
        3 => Just(Action::StepDone),
        2 => Just(Action::StepUndo),
        2 => Just(Action::Append),
        2 => Just(Action::Committed),
        1 => Just(Action::Discard),
    ]
}

type View = (BTreeMap<u8, u8>, BTreeMap<u8, i64>);

fn name(timer: u8) -> String {
    format!("timer-{timer}")
}

fn check(overlay: &mut Overlay, timers: &Timers, log: &mut Stored, view: &View) {
    let cells = overlay.scan(log, 0, "p", b"k", b"c", 10).unwrap();
    let expected = view.0.iter().map(|(cell, value)| (vec![b'c', *cell].into(), vec![*value].into()));
    let expected: Vec<(Bytes, Bytes)> = expected.collect();
    assert_eq!(cells, expected);
    let first = overlay.scan(log, 0, "p", b"k", b"c", 2).unwrap();
    assert_eq!(first, expected[..expected.len().min(2)]);
    let mut expected: Vec<(i64, String)> =
        view.1.iter().map(|(timer, due_ms)| (*due_ms, name(*timer))).collect();
    expected.sort();
    for (until_ms, timers_max) in [(i64::MAX, 10), (3, 10), (5, 2)] {
        let due = timers.due(log, 0, until_ms, timers_max).unwrap();
        let due: Vec<_> = due.iter().map(|timer| (timer.due_ms, timer.name.to_string())).collect();
        let expected = expected.iter().filter(|timer| timer.0 <= until_ms).take(timers_max).cloned();
        assert_eq!(due, expected.collect::<Vec<_>>(), "until {until_ms}, at most {timers_max}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn staged_cells_and_timers_are_seen_as_if_they_were_written_at_once(
        actions in proptest::collection::vec(action(), 1..60)
    ) {
        let (mut overlay, mut timers, mut log) = (Overlay::new(), Timers::new(), Stored::default());
        let (mut now, mut step_began, mut committed) = (View::default(), View::default(), View::default());
        let mut on_the_way: VecDeque<(Vec<CellChange>, Vec<TimerChange>, View)> = VecDeque::new();
        for action in actions {
            match action {
                Action::Put(cell, value) => {
                    overlay.put(0, "p", b"k", &[b'c', cell], value.map(|value| vec![value].into()));
                    match value {
                        Some(value) => now.0.insert(cell, value),
                        None => now.0.remove(&cell),
                    };
                }
                Action::Set(timer, due_ms) => {
                    timers.set(&mut log, TimerKey::new(0, "p", b"k", &name(timer)), due_ms).unwrap();
                    match due_ms {
                        Some(due_ms) => now.1.insert(timer, due_ms),
                        None => now.1.remove(&timer),
                    };
                }
                Action::Get(cell) => {
                    let value = overlay.get(&mut log, 0, "p", b"k", &[b'c', cell]).unwrap();
                    prop_assert_eq!(value.map(|value| value[0]), now.0.get(&cell).copied());
                }
                Action::StepDone => {
                    overlay.step_done();
                    timers.step_done();
                    step_began = now.clone();
                }
                Action::StepUndo => {
                    overlay.step_undo();
                    timers.step_undo();
                    now = step_began.clone();
                }
                Action::Append => {
                    overlay.step_done();
                    timers.step_done();
                    step_began = now.clone();
                    on_the_way.push_back((overlay.close(), timers.close(), now.clone()));
                }
                Action::Committed => {
                    if let Some((cells, changed, view)) = on_the_way.pop_front() {
                        log.apply(cells, changed);
                        overlay.committed();
                        timers.committed();
                        committed = view;
                    }
                }
                Action::Discard => {
                    overlay.discard();
                    timers.discard();
                    on_the_way.clear();
                    now = committed.clone();
                    step_began = now.clone();
                }
            }
            check(&mut overlay, &timers, &mut log, &now);
        }
    }
}
