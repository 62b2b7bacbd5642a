use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::clock::CLOCK_BACK_MS_MAX;
use crate::conformance::input;
use crate::log::embedded::{Durability, Embedded, Member};
use crate::log::{Limits, Membership};
use crate::record::{TopicSpec, Topics};
use crate::{Clock, ManualClock, Outgoing, StopSignal};

const LIMITS: Limits = Limits { records_max: 1_000, bytes_max: 1 << 20 };
const WAIT: Duration = Duration::from_millis(5);

/// Does what the record's value says.
#[derive(Default)]
struct Obedient {
    retries: u32,
    discarded: u32,
    failed: u32,
    committed: u32,
}

impl Handler for Obedient {
    fn on_broadcast(&mut self, record: &Record) {
        assert!(record.value.as_deref() != Some(b"panic"), "asked to");
    }

    fn on_record(&mut self, step: &mut Step<'_>, record: &Record) -> Result<(), HandlerError> {
        let order = String::from_utf8_lossy(record.value.as_deref().unwrap()).into_owned();
        let before = step.get("p", b"k", b"last")?.unwrap_or_default();
        step.put("p", b"k", b"last", order.clone())?;
        let shown = String::from_utf8_lossy(&before).into_owned();
        step.emit(input("out", 0, "k", &format!("{order} after {shown} at {}", step.now_ms())))?;
        step.set_timer("p", order.as_bytes(), "alarm", step.now_ms() + 100)?;
        match order.as_str() {
            "panic" => panic!("asked to"),
            "refuse" => Err(HandlerError::DeadLetter { reason: "not understood".to_owned() }),
            "retry" if self.retries > 0 => {
                self.retries -= 1;
                Err(HandlerError::Retry("not yet".to_owned()))
            }
            "damaged" => Err(HandlerError::Damaged { what: "a block".to_owned() }),
            "unknown topic" => step.emit(input("nowhere", 0, "k", "")),
            "long key" => step.put("p", &[0; 5_000], b"", "x"),
            _ => Ok(()),
        }
    }

    fn on_timer(&mut self, step: &mut Step<'_>, timer: &DueTimer) -> Result<(), HandlerError> {
        let key = String::from_utf8_lossy(&timer.key).into_owned();
        step.emit(input("out", 0, "k", &format!("{key} alarm at {}", step.now_ms())))?;
        match key.as_str() {
            "bad alarm" => Err(HandlerError::DeadLetter { reason: "alarm of nothing".to_owned() }),
            "first" => step.cancel_timer("p", b"second", "alarm"),
            "again" => step.set_timer("p", b"again", "alarm", step.now_ms() + 50),
            _ => Ok(()),
        }
    }

    fn on_committed(&mut self) {
        self.committed += 1;
    }

    fn on_failed(&mut self, _reason: &str) {
        self.failed += 1;
    }

    fn on_discarded(&mut self) {
        self.discarded += 1;
    }
}

struct World {
    _directory: TempDir,
    log: Embedded,
    clock: ManualClock,
    worker: Worker<Member, Obedient>,
}

fn world(handler: Obedient) -> World {
    world_of(handler, Settings { batch_records_max: 3, ..Settings::new("one", "dead") })
}

fn world_of(handler: Obedient, settings: Settings) -> World {
    let clock = ManualClock::at(1_000);
    world_by(Arc::new(clock.clone()), clock, handler, settings)
}

/// Of a worker that has a clock of its own.
fn world_by(of_worker: Arc<dyn Clock>, clock: ManualClock, handler: Obedient, settings: Settings) -> World {
    let directory = TempDir::new().unwrap();
    let names = ["in", "out", "dead", "news"];
    let topics = names.iter().map(|name| TopicSpec::new(name, 1)).collect();
    let log = Embedded::open(directory.path(), topics, Durability::Os, Arc::new(clock.clone())).unwrap();
    let membership = Membership {
        group: "group".into(),
        processors: vec!["p".into()],
        worker: "one".into(),
        topics: vec!["in".into()],
        topics_broadcast: vec!["news".into()],
    };
    let member = log.member(membership).unwrap();
    let worker = Worker::new(member, handler, of_worker, settings).unwrap();
    World { _directory: directory, log, clock, worker }
}

impl World {
    fn send(&self, values: &[&str]) {
        let records: Vec<Outgoing> = values.iter().map(|value| input("in", 0, "k", value)).collect();
        self.log.producer().send(&records).unwrap();
    }

    /// Turns until nothing is left; gives the reasons of setbacks.
    #[track_caller]
    fn work(&mut self) -> Vec<String> {
        let (mut setbacks, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(60));
        while self.log.lag_records("group", "in").unwrap() != [0]
            || self.worker.turn(WAIT).unwrap() != Turn::Idle
        {
            assert!(Instant::now() < deadline, "did not come to rest");
            if let Turn::SetBack { reason, pause } = self.worker.turn(WAIT).unwrap() {
                assert!(pause >= Duration::from_millis(settings::BACKOFF_MS_MIN));
                setbacks.push(reason);
            }
        }
        setbacks
    }

    fn read(&self, topic: &str) -> Vec<Record> {
        self.log.read_range(topic, 0, 0, LIMITS).unwrap()
    }

    fn out(&self) -> Vec<String> {
        let value = |record: Record| String::from_utf8(record.value.unwrap().to_vec()).unwrap();
        self.read("out").into_iter().map(value).collect()
    }
}

fn header(record: &Record, name: &str) -> String {
    let found = record.headers.iter().find(|(known, _)| &**known == name);
    String::from_utf8(found.unwrap_or_else(|| panic!("no header {name:?}")).1.to_vec()).unwrap()
}

#[test]
fn what_fails_for_good_leaves_nothing_but_a_dead_letter_and_stops_nothing() {
    let mut world = world(Obedient::default());
    let mut refused = input("in", 0, "key", "refuse");
    refused.headers.push(("mine".into(), Bytes::from_static(b"kept")));
    world.send(&["a", "panic"]);
    world.log.producer().send(&[refused]).unwrap();
    world.send(&["unknown topic", "long key", "b"]);
    assert!(world.work().is_empty());
    assert_eq!(world.out(), ["a after  at 1000", "b after a at 1000"]);
    let letters = world.read("dead");
    let reasons: Vec<String> = letters.iter().map(|letter| header(letter, HEADER_REASON)).collect();
    assert_eq!(
        reasons,
        [
            "panicked: asked to",
            "not understood",
            "topic \"nowhere\" is unknown; it was not named at opening",
            "key of 5000 bytes is too long; at most 4096 are allowed",
        ]
    );
    let letter = &letters[1];
    assert_eq!((letter.key.as_deref(), letter.value.as_deref()), (Some(&b"key"[..]), Some(&b"refuse"[..])));
    let described = [HEADER_KIND, HEADER_TOPIC, HEADER_PARTITION, HEADER_OFFSET, "mine"];
    assert_eq!(described.map(|name| header(letter, name)), ["record", "in", "0", "2", "kept"]);
    world.clock.set(1_100);
    assert!(world.work().is_empty());
    assert_eq!(
        world.out()[2..],
        ["a alarm at 1100", "b alarm at 1100"],
        "timers of undone steps are not set"
    );
}

#[test]
fn a_retry_throws_the_batch_away_and_does_it_again_after_a_pause() {
    let mut world = world(Obedient { retries: 2, ..Obedient::default() });
    world.send(&["a", "retry", "b"]);
    assert_eq!(world.work(), ["not yet", "not yet"]);
    assert_eq!(world.out(), ["a after  at 1000", "retry after a at 1000", "b after retry at 1000"]);
    assert_eq!(world.worker.handler().discarded, 2);
    assert!(world.worker.handler().committed >= 1);
    assert!(world.read("dead").is_empty());
}

#[test]
fn a_batch_that_failed_is_told_of_and_done_again() {
    for fault in [crate::conformance::Fault::Aborted, crate::conformance::Fault::UnknownNotCommitted] {
        let mut world = world(Obedient::default());
        world.log.fault_next_commit(fault);
        world.send(&["a"]);
        world.work();
        let Obedient { failed, discarded, committed, .. } = *world.worker.handler();
        assert_eq!((failed, discarded), (1, 1), "{fault:?}");
        assert!(committed >= 1, "{fault:?}");
        assert_eq!(world.out(), ["a after  at 1000"], "{fault:?}");
    }
}

#[test]
fn a_worker_ends_where_its_store_is_damaged_and_nothing_of_the_step_is_committed() {
    let mut world = world(Obedient::default());
    world.send(&["damaged"]);
    let ended = loop {
        if let Err(error) = world.worker.turn(Duration::ZERO) {
            break error;
        }
    };
    assert_eq!(ended.to_string(), "store is damaged: a block");
    assert!(world.out().is_empty() && world.read("dead").is_empty());
}

#[test]
fn a_timer_fires_when_due_and_not_after_another_cancelled_it() {
    let mut world = world(Obedient::default());
    world.send(&["first", "second", "bad alarm"]);
    world.work();
    world.clock.set(1_099);
    world.work();
    assert_eq!(world.out().len(), 3, "nothing is due");
    world.clock.set(1_100);
    world.work();
    // By key: "bad alarm" before "first", which cancels "second".
    assert_eq!(world.out()[3..], ["first alarm at 1100"]);
    let letter = &world.read("dead")[0];
    let described = [HEADER_KIND, HEADER_REASON, HEADER_PROCESSOR, HEADER_TIMER_NAME, HEADER_TIMESTAMP_MS];
    assert_eq!(
        described.map(|name| header(letter, name)),
        ["timer", "alarm of nothing", "p", "alarm", "1100"]
    );
}

/// Each look at it is a second after the last one.
#[derive(Debug)]
struct Walking(AtomicI64);

impl Clock for Walking {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1_000, Ordering::Relaxed)
    }

    fn pause(&self, _: Duration, _: &StopSignal) {}
}

#[test]
fn what_was_waited_for_is_handled_at_the_time_when_it_came() {
    let clock = Arc::new(Walking(AtomicI64::new(0)));
    let mut world =
        world_by(clock.clone(), ManualClock::at(0), Obedient::default(), Settings::new("one", "dead"));
    world.work();
    world.send(&["a"]);
    let before_wait_ms = clock.0.load(Ordering::Relaxed);
    assert_eq!(world.worker.turn(WAIT).unwrap(), Turn::Worked);
    world.work();
    assert_eq!(world.out()[0], format!("a after  at {}", before_wait_ms + 1_000));
}

#[test]
fn a_timer_may_set_itself_anew_and_time_stands_still_where_the_clock_goes_back_a_little() {
    let mut world = world(Obedient::default());
    world.send(&["again"]);
    world.work();
    for now_ms in [1_100, 1_000, 1_150] {
        world.clock.set(now_ms);
        world.work();
    }
    world.send(&["b"]);
    world.clock.set(5);
    world.work();
    assert_eq!(world.out()[1..], ["again alarm at 1100", "again alarm at 1150", "b after again at 1150"]);
}

/// Plays: a clock that is set right by some hours, and by a minute at most.
#[test]
fn a_clock_that_was_far_ahead_is_believed_when_it_is_set_right_and_one_that_was_a_little_is_waited_for() {
    let wrong_ms = 1_000 + 3 * 60 * 60 * 1_000;
    for (right_ms, expected_ms) in [
        (2_000, 2_000),
        (wrong_ms - CLOCK_BACK_MS_MAX - 1, wrong_ms - CLOCK_BACK_MS_MAX - 1),
        (wrong_ms - CLOCK_BACK_MS_MAX, wrong_ms),
        (wrong_ms - 1, wrong_ms),
    ] {
        let mut world = world(Obedient::default());
        world.clock.set(wrong_ms);
        world.send(&["a"]);
        world.work();
        world.clock.set(right_ms);
        world.send(&["b"]);
        world.work();
        assert_eq!(world.out()[1..], [format!("b after a at {expected_ms}")], "set right to {right_ms}");
        // What is set then comes due then, and what was set meanwhile when the clock comes there.
        world.clock.set(expected_ms + 100);
        world.work();
        assert!(
            world.out().contains(&format!("b alarm at {}", expected_ms + 100)),
            "set right to {right_ms}"
        );
        world.clock.set(wrong_ms + 1_000);
        world.work();
        let alarms = world.out().iter().filter(|said| said.starts_with("a alarm")).count();
        assert_eq!((alarms, world.out().len()), (1, 4), "each fires once: {:?}", world.out());
    }
}

/// Plays: a clock that is set right while timers that it made due wait for records.
#[test]
fn a_timer_that_a_wrong_clock_made_due_and_that_has_not_fired_waits_for_its_time() {
    let mut world = world(Obedient::default());
    world.send(&["first"]);
    world.work();
    // Two batches of three: the first one comes before the timer.
    world.send(&["a", "b", "c", "d", "e", "f"]);
    world.clock.set(3 * 60 * 60 * 1_000);
    world.worker.turn(WAIT).unwrap();
    world.clock.set(1_050);
    world.work();
    let is_alarm = |said: &&String| said.starts_with("first alarm");
    assert_eq!(world.out().iter().find(is_alarm), None);
    world.clock.set(1_150);
    world.work();
    assert_eq!(world.out().iter().find(is_alarm).unwrap(), "first alarm at 1150");
}

/// Plays: a worker that comes back, with a timer due and records that came before it.
#[test]
fn what_came_before_a_timer_was_due_is_handled_before_it_fires_and_what_came_later_is_not_awaited() {
    let mut world = world(Obedient::default());
    world.send(&["first"]);
    world.work();
    // Two batches of three, and a record that comes when they are counted already.
    world.send(&["a", "b", "c", "d", "e", "f"]);
    world.clock.set(1_100);
    world.worker.turn(WAIT).unwrap();
    world.send(&["late", "later", "latest", "last"]);
    world.work();
    let out = world.out();
    let at = |what: &str| out.iter().position(|said| said.starts_with(what)).unwrap_or(usize::MAX);
    assert!(at("f after") < at("first alarm"), "{out:?}");
    assert!(at("first alarm") < at("last after"), "{out:?}");
}

#[test]
fn where_timers_wait_for_another_worker_records_are_handled_all_the_same() {
    let mut world =
        world_of(Obedient::default(), Settings { fires_timers: false, ..Settings::new("one", "dead") });
    world.send(&["a"]);
    assert_eq!(world.work(), [] as [&str; 0]);
    world.clock.set(5_000);
    world.send(&["b"]);
    assert_eq!(world.work(), [] as [&str; 0]);
    assert_eq!(world.out(), ["a after  at 1000", "b after a at 5000"]);
    // It does not turn round and round for what it may not do.
    let before = Instant::now();
    assert_eq!(world.worker.turn(Duration::from_millis(20)).unwrap(), Turn::Idle);
    assert!(before.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_broadcast_that_panics_is_passed_over() {
    let mut world = world(Obedient::default());
    world.log.producer().send(&[input("news", 0, "k", "panic"), input("news", 0, "k", "fine")]).unwrap();
    world.send(&["a"]);
    world.work();
    assert_eq!(world.out(), ["a after  at 1000"]);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    #[track_caller]
    fn check(settings: Settings, expected: &str) {
        let small = TopicSpec { record_bytes_max: 10, ..TopicSpec::new("small", 1) };
        let topics = Topics::checked(vec![TopicSpec::new("in", 1), small]).unwrap();
        assert_eq!(settings.check(&topics).unwrap_err().to_string(), expected);
    }
    check(Settings::new("w", "none"), "topic \"none\" is unknown; it was not named at opening");
    check(
        Settings { batch_records_max: 0, ..Settings::new("w", "in") },
        "worker \"w\" is refused: a batch of nothing; its limits must be at least 1",
    );
    check(
        Settings::new("w", "small"),
        "worker \"w\" is refused: records of topic \"in\" may have 16777216 bytes, dead-letter topic \"small\" takes 10; \
         give it as much",
    );
}
