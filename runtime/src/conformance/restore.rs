//! After a crash at any point, all is as committed.

use std::sync::Arc;

use super::*;
use crate::ManualClock;
use crate::shard::{Handler, HandlerError, Settings, Step, Turn, Worker};
use crate::timer::DueTimer;

pub fn positions_and_state_survive_a_crash(harness: &mut impl Harness) {
    harness.produce(vec![input(INPUT, 0, "k", "a"), input(INPUT, 0, "k", "b")]);
    let mut log = harness.open("one");
    let records = Seen::default().records(&mut log, 2);
    commit(&mut log, counted(1, &records[..1]));
    harness.crash(vec![log]);
    let mut log = harness.open("one");
    let mut seen = Seen::default();
    assert_eq!(values(&seen.records(&mut log, 1)), ["b"]);
    assert_eq!(count(&mut log, 0), Some("1".into()));
    assert_eq!(log.due_timers(0, 100, 10).unwrap(), vec![timer(0).due(100).unwrap()]);
    harness.produce(vec![input(INPUT, 0, "k", "c")]);
    let next = seen.records(&mut log, 1);
    assert_eq!((next[0].offset, values(&next)), (2, vec!["c".to_owned()]), "offsets go on");
}

pub fn staged_and_not_committed_is_gone_after_a_crash(harness: &mut impl Harness) {
    harness.produce(vec![input(INPUT, 0, "k", "a")]);
    let mut log = harness.open("one");
    let records = Seen::default().records(&mut log, 1);
    harness.fault_next_commit(Fault::UnknownNotCommitted);
    log.append(counted(1, &records)).unwrap();
    harness.crash(vec![log]);
    let mut log = harness.open("one");
    assert_eq!(values(&Seen::default().records(&mut log, 1)), ["a"]);
    assert_eq!(count(&mut log, 0), None);
}

/// Counts the records of each key, answers each with its number, and fires one timer per key.
struct Counter;

impl Handler for Counter {
    fn on_broadcast(&mut self, _record: &Record) {}

    fn on_record(&mut self, step: &mut Step<'_>, record: &Record) -> Result<(), HandlerError> {
        let key = record.key.clone().unwrap();
        let before = step.get(PROCESSOR, &key, b"count")?;
        let count = before.map_or(0, |count| String::from_utf8_lossy(&count).parse::<u64>().unwrap()) + 1;
        step.put(PROCESSOR, &key, b"count", count.to_string())?;
        if count == 1 {
            step.set_timer(PROCESSOR, &key, "once", step.now_ms() + 1_000)?;
        }
        let answer = format!("{} {count}", String::from_utf8_lossy(&key));
        step.emit(input(OUTPUT, record.partition, "answer", &answer))
    }

    fn on_timer(&mut self, step: &mut Step<'_>, timer: &DueTimer) -> Result<(), HandlerError> {
        let fired = format!("{} fired", String::from_utf8_lossy(&timer.key));
        step.emit(input(OUTPUT, timer.partition, "answer", &fired))
    }
}

fn worker<H: Harness>(harness: &mut H, clock: &ManualClock) -> Worker<H::Log, Counter> {
    let settings = Settings::new("one", DEAD_LETTERS);
    Worker::new(harness.open("one"), Counter, Arc::new(clock.clone()), settings).unwrap()
}

/// Turns until the output has as many records, and then until nothing more comes.
#[track_caller]
fn work_until<L: Log>(
    worker: &mut Worker<L, Counter>,
    harness: &mut impl Harness<Log = L>,
    answers: usize,
) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "the answers did not come in time");
        let turn = worker.turn(POLL_WAIT).unwrap();
        let shown: Vec<String> = (0..PARTITIONS).flat_map(|at| values(&harness.read(OUTPUT, at))).collect();
        if shown.len() >= answers && turn == Turn::Idle {
            return shown;
        }
    }
}

pub fn timers_fire_once_across_a_crash(harness: &mut impl Harness) {
    let clock = ManualClock::at(5_000);
    harness.produce(vec![input(INPUT, 0, "x", ""), input(INPUT, 1, "y", "")]);
    let mut one = worker(harness, &clock);
    assert_eq!(work_until(&mut one, harness, 2), ["x 1", "y 1"], "nothing is due yet");
    harness.crash(vec![one.into_log()]);
    clock.set(6_000);
    let mut two = worker(harness, &clock);
    assert_eq!(work_until(&mut two, harness, 4), ["x 1", "x fired", "y 1", "y fired"]);
    harness.crash(vec![two.into_log()]);
    clock.set(9_000);
    let mut three = worker(harness, &clock);
    assert_eq!(work_until(&mut three, harness, 4), ["x 1", "x fired", "y 1", "y fired"]);
}

pub fn state_is_the_fold_of_committed_input_whatever_fails(harness: &mut impl Harness) {
    let clock = ManualClock::at(1);
    let faults = [Fault::Aborted, Fault::UnknownCommitted, Fault::UnknownNotCommitted];
    let mut running = worker(harness, &clock);
    for round in 0..12 {
        let key = if round % 2 == 0 { "x" } else { "y" };
        harness.fault_next_commit(faults[round % faults.len()]);
        harness.produce(vec![input(INPUT, 0, key, ""), input(INPUT, 0, "z", "")]);
        running.turn(POLL_WAIT).unwrap();
        if round % 4 == 3 {
            harness.crash(vec![running.into_log()]);
            running = worker(harness, &clock);
        }
    }
    let mut shown = work_until(&mut running, harness, 24);
    shown.sort();
    let all = |key: &str, count: usize| (1..=count).map(|at| format!("{key} {at}")).collect::<Vec<_>>();
    let mut expected = [all("x", 6), all("y", 6), all("z", 12)].concat();
    expected.sort();
    assert_eq!(shown, expected, "each answered once, with each count once");
}
