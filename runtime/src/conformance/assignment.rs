//! A partition has one owner; whoever takes it over goes on where the former owner's commits end.

use super::*;

pub fn every_partition_has_one_owner(harness: &mut impl Harness) {
    let mut one = harness.open("one");
    let mut seen_one = Seen::default();
    seen_one.until(&mut one, |seen| seen.held.len() == PARTITIONS as usize);
    let mut two = harness.open("two");
    let mut seen_two = Seen::default();
    balance(&mut one, &mut seen_one, &mut two, &mut seen_two);
    assert!(seen_one.held.is_disjoint(&seen_two.held));
    one.leave().unwrap();
    seen_two.until(&mut two, |seen| seen.held.len() == PARTITIONS as usize);
}

#[track_caller]
fn balance(one: &mut dyn Log, seen_one: &mut Seen, two: &mut dyn Log, seen_two: &mut Seen) {
    let deadline = Instant::now() + PATIENCE;
    while seen_one.held.len() != 1 || seen_two.held.len() != 1 {
        assert!(Instant::now() < deadline, "not balanced: {seen_one:?} {seen_two:?}");
        seen_one.turn(one);
        seen_two.turn(two);
    }
}

pub fn fenced_worker_cannot_commit_nor_fire_timers_and_may_join_anew(harness: &mut impl Harness) {
    harness.produce(vec![input(INPUT, 0, "k", "a")]);
    let mut zombie = harness.open("one");
    let mut seen = Seen::default();
    let records = seen.records(&mut zombie, 1);
    harness.expire(&zombie);
    let mut heir = harness.open("two");
    let mut seen_heir = Seen::default();
    let inherited = seen_heir.records(&mut heir, 1);

    zombie.append(counted(1, &records)).unwrap();
    assert_eq!(settled(&mut zombie), Outcome::Fenced);
    assert_eq!(count(&mut heir, 0), None);
    assert!(harness.read(OUTPUT, 0).is_empty());
    commit(&mut heir, counted(1, &inherited));

    zombie.rewind().unwrap();
    let fired = TimerChange { timer: timer(0), before_ms: Some(100), due_ms: None };
    let outputs = vec![input(OUTPUT, 0, "k", "fired by a zombie")];
    // Of timers alone, and for the partition that is now another's whatever the zombie has heard of it.
    zombie.append(Batch { partitions: vec![0], timers: vec![fired], outputs, ..Batch::default() }).unwrap();
    assert_eq!(settled(&mut zombie), Outcome::Fenced);
    assert_eq!(heir.timer_due_ms(&timer(0)).unwrap(), Some(100));
    assert_eq!(values(&harness.read(OUTPUT, 0)), ["a"]);

    zombie.rewind().unwrap();
    let mut seen = Seen::default();
    seen.until(&mut zombie, |seen| seen.lost);
    zombie.rewind().unwrap();
    balance(&mut zombie, &mut seen, &mut heir, &mut seen_heir);
}

pub fn revoked_partition_goes_on_at_the_committed_position_with_its_state(harness: &mut impl Harness) {
    let sent = |partition| vec![input(INPUT, partition, "k", "a"), input(INPUT, partition, "k", "b")];
    harness.produce((0..PARTITIONS).flat_map(sent).collect());
    let mut one = harness.open("one");
    let mut seen_one = Seen::default();
    let records = seen_one.records(&mut one, 4);
    let mut two = harness.open("two");
    let mut seen_two = Seen::default();
    seen_one.until(&mut one, |seen| seen.revoked);
    // Revoked and not handed over: what it has read of both it may still commit, "b" it leaves to the next owner.
    for partition in 0..PARTITIONS {
        let of: Vec<Record> =
            records.iter().filter(|record| record.partition == partition).cloned().collect();
        commit(&mut one, counted(1, &of[..1]));
    }
    balance(&mut one, &mut seen_one, &mut two, &mut seen_two);
    let moved = *seen_two.held.first().unwrap();
    assert_eq!(values(&seen_two.records(&mut two, 1)), ["b"]);
    assert_eq!(count(&mut two, moved), Some("1".into()));
    assert_eq!(two.timer_due_ms(&timer(moved)).unwrap(), Some(100));
}

pub fn killed_worker_is_replaced_and_nothing_is_lost_or_done_twice(harness: &mut impl Harness) {
    harness.produce(vec![input(INPUT, 0, "k", "a"), input(INPUT, 0, "k", "b")]);
    let mut one = harness.open("one");
    let records = Seen::default().records(&mut one, 2);
    commit(&mut one, counted(1, &records[..1]));
    harness.kill(one);
    let mut two = harness.open("two");
    let mut seen = Seen::default();
    let records = seen.records(&mut two, 1);
    assert_eq!(values(&records), ["b"]);
    assert_eq!(count(&mut two, 0), Some("1".into()));
}

pub fn broadcast_is_complete_before_the_first_record(harness: &mut impl Harness) {
    // More than one poll hands out.
    let sent: Vec<Outgoing> =
        (0..2_500).map(|number| input(BROADCAST, 0, &format!("key-{number}"), &number.to_string())).collect();
    harness.produce(vec![input(INPUT, 0, "k", "a")]);
    harness.produce(sent);
    for worker in ["one", "two"] {
        let mut log = harness.open(worker);
        let mut seen = Seen::default();
        seen.until(&mut log, |seen| !seen.records.is_empty());
        assert_eq!(seen.broadcasts.len(), 2_500, "of {worker}, before its first record");
        harness.kill(log);
    }
}

pub fn broadcast_goes_on_before_each_batch(harness: &mut impl Harness) {
    let mut log = harness.open("one");
    let mut seen = Seen::default();
    seen.until(&mut log, |seen| seen.held.len() == PARTITIONS as usize);
    harness.produce(vec![input(BROADCAST, 0, "version", "1")]);
    harness.produce(vec![input(INPUT, 0, "k", "a")]);
    seen.until(&mut log, |seen| !seen.records.is_empty());
    assert_eq!(values(&seen.broadcasts), ["1"]);
    log.rewind().unwrap();
    seen.records.clear();
    seen.until(&mut log, |seen| !seen.records.is_empty());
    assert_eq!(seen.broadcasts.len(), 1, "a rewind concerns inputs only");
}
