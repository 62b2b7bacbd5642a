//! A batch is committed whole or not at all, and once.

use super::*;

pub fn committed_batch_is_visible_whole(harness: &mut impl Harness) {
    harness.produce(vec![input(INPUT, 0, "k", "a"), input(INPUT, 0, "k", "b")]);
    let mut log = harness.open("one");
    let mut seen = Seen::default();
    let records = seen.records(&mut log, 2);
    assert_eq!(values(&records), ["a", "b"]);
    assert_eq!(log.lag_records(), 0);
    commit(&mut log, counted(2, &records));
    assert_eq!(count(&mut log, 0), Some("2".into()));
    assert_eq!(values(&harness.read(OUTPUT, 0)), ["a", "b"]);
    assert_eq!(log.timer_due_ms(&timer(0)).unwrap(), Some(100));
    assert_eq!(log.due_timers(0, 100, 10).unwrap(), vec![timer(0).due(100).unwrap()]);
    assert!(log.due_timers(0, 99, 10).unwrap().is_empty());
    log.rewind().unwrap();
    harness.produce(vec![input(INPUT, 0, "k", "c")]);
    assert_eq!(values(&seen.records(&mut log, 1)), ["c"], "the position is part of the batch");
}

fn check_nothing(harness: &mut impl Harness, log: &mut dyn Log) {
    assert_eq!(count(log, 0), None);
    assert!(harness.read(OUTPUT, 0).is_empty());
    assert_eq!(log.timer_due_ms(&timer(0)).unwrap(), None);
    assert!(log.due_timers(0, i64::MAX, 10).unwrap().is_empty());
}

/// Commits a batch that meets `fault`; gives the outcome, and the log rewound.
fn faulted<H: Harness>(harness: &mut H, fault: Fault) -> (H::Log, Seen, Outcome) {
    harness.produce(vec![input(INPUT, 0, "k", "a")]);
    let mut log = harness.open("one");
    let mut seen = Seen::default();
    let records = seen.records(&mut log, 1);
    harness.fault_next_commit(fault);
    log.append(counted(1, &records)).unwrap();
    let outcome = settled(&mut log);
    log.rewind().unwrap();
    (log, seen, outcome)
}

pub fn aborted_batch_leaves_nothing_and_is_done_again(harness: &mut impl Harness) {
    let (mut log, mut seen, outcome) = faulted(harness, Fault::Aborted);
    assert!(matches!(outcome, Outcome::Aborted { .. }), "{outcome:?}");
    check_nothing(harness, &mut log);
    check_done_again(harness, &mut log, &mut seen);
}

fn check_done_again(harness: &mut impl Harness, log: &mut dyn Log, seen: &mut Seen) {
    let again = seen.records(log, 1);
    assert_eq!(values(&again), ["a"]);
    commit(log, counted(1, &again));
    assert_eq!(count(log, 0), Some("1".into()));
    assert_eq!(values(&harness.read(OUTPUT, 0)), ["a"]);
}

pub fn unknown_but_committed_batch_is_not_done_again(harness: &mut impl Harness) {
    let (mut log, mut seen, outcome) = faulted(harness, Fault::UnknownCommitted);
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    harness.produce(vec![input(INPUT, 0, "k", "b")]);
    assert_eq!(values(&seen.records(&mut log, 1)), ["b"]);
    assert_eq!(count(&mut log, 0), Some("1".into()));
    assert_eq!(values(&harness.read(OUTPUT, 0)), ["a"]);
}

pub fn unknown_and_not_committed_batch_is_done_again(harness: &mut impl Harness) {
    let (mut log, mut seen, outcome) = faulted(harness, Fault::UnknownNotCommitted);
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    check_nothing(harness, &mut log);
    check_done_again(harness, &mut log, &mut seen);
}

pub fn batch_built_on_a_failed_one_is_void(harness: &mut impl Harness) {
    for fault in [Fault::Aborted, Fault::UnknownNotCommitted] {
        harness.produce(vec![input(INPUT, 1, "k", "a"), input(INPUT, 1, "k", "b")]);
        let mut log = harness.open("one");
        let mut seen = Seen::default();
        let records = seen.records(&mut log, 2);
        let before = count(&mut log, 1);
        let answers = harness.read(OUTPUT, 1).len();
        harness.fault_next_commit(fault);
        log.append(counted(1, &records[..1])).unwrap();
        log.append(counted(2, &records[1..])).unwrap();
        assert_ne!(settled(&mut log), Outcome::Committed);
        assert_eq!(log.settle(Duration::ZERO).unwrap(), None, "what is void has no outcome");
        log.rewind().unwrap();
        assert_eq!(count(&mut log, 1), before);
        assert_eq!(harness.read(OUTPUT, 1).len(), answers);
        let again = seen.records(&mut log, 2);
        assert_eq!(values(&again), ["a", "b"], "both are to be done again");
        let mut batch = counted(2, &again);
        batch.timers.clear();
        commit(&mut log, batch);
        log.leave().unwrap();
    }
}

pub fn due_timers_come_in_the_order_of_due_time_and_key(harness: &mut impl Harness) {
    let mut log = harness.open("one");
    Seen::default().until(&mut log, |seen| seen.held.contains(&1));
    let set = |key: &str, name: &str, before_ms, due_ms| {
        let timer = TimerKey::new(1, PROCESSOR, key.as_bytes(), name);
        TimerChange { timer, before_ms, due_ms }
    };
    let batch = |timers| Batch { partitions: vec![1], timers, ..Batch::default() };
    commit(
        &mut log,
        batch(vec![
            set("b", "y", None, Some(20)),
            set("b", "x", None, Some(20)),
            set("a", "z", None, Some(20)),
            set("c", "x", None, Some(-5)),
            set("d", "x", None, Some(10)),
        ]),
    );
    let shown = |log: &mut dyn Log, until_ms, timers_max| {
        let due = log.due_timers(1, until_ms, timers_max).unwrap();
        let show = |timer: crate::DueTimer| {
            format!("{}{}@{}", String::from_utf8_lossy(&timer.key), timer.name, timer.due_ms)
        };
        due.into_iter().map(show).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown(&mut log, 20, 10), "cx@-5 dx@10 az@20 bx@20 by@20");
    assert_eq!(shown(&mut log, 19, 1), "cx@-5");
    commit(
        &mut log,
        batch(vec![
            set("c", "x", Some(-5), None),
            set("d", "x", Some(10), Some(30)),
            set("b", "x", Some(20), Some(5)),
        ]),
    );
    assert_eq!(shown(&mut log, 1_000, 10), "bx@5 az@20 by@20 dx@30");
}

pub fn order_per_key_is_kept(harness: &mut impl Harness) {
    let mut log = harness.open("one");
    let mut seen = Seen::default();
    let sent: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    for chunk in sent.chunks(7) {
        harness.produce(chunk.iter().map(|value| input(INPUT, 0, "k", value)).collect());
        seen.turn(&mut log);
    }
    let records = seen.records(&mut log, sent.len());
    assert_eq!(values(&records), sent);
    assert!(records.windows(2).all(|pair| pair[0].offset < pair[1].offset));
}

pub fn timers_of_another_group_are_left_to_it(harness: &mut impl Harness) {
    let mut log = harness.open("one");
    harness.produce(vec![input(INPUT, 0, "k", "a")]);
    let records = Seen::default().records(&mut log, 1);
    let mut batch = counted(1, &records);
    let elsewhere = TimerKey::new(0, PROCESSOR_ELSEWHERE, b"k", "reminder");
    batch.timers.push(TimerChange { timer: elsewhere.clone(), before_ms: None, due_ms: Some(50) });
    commit(&mut log, batch);
    assert_eq!(log.timer_due_ms(&elsewhere).unwrap(), Some(50), "it is set");
    assert_eq!(
        log.due_timers(0, i64::MAX, 10).unwrap(),
        vec![timer(0).due(100).unwrap()],
        "it is not handed out"
    );
}
