//! Who takes a partition over reads what its own copy lacks, and no more.
use std::sync::Arc;

use integration_tests::process::root;
use runtime::conformance::Fault;
use runtime::log::kafka::Faults;

use super::workers::{Counting, INPUT, Machine, Place, changes_of, cluster, counts, kept_of, until};

const BEFORE: usize = 400;
const TAIL: usize = 30;

/// Two machines share two partitions, and one of them dies: what the other reads to take its partition over, and has then.
fn replayed_at_take_over(name: &str, standby_partitions_max: usize) -> u64 {
    let cluster = cluster();
    let place = Place::new(&cluster, name, 2);
    let (here, there) = (place.machine("here", standby_partitions_max), place.machine("there", 0));
    let (mut stays, mut dies) = (here.worker(), there.worker());
    until(&mut [&mut stays, &mut dies], "each has one", |workers| {
        workers.iter().all(|worker| worker.held.len() == 1)
    });
    place.send(&here, BEFORE);
    let theirs = dies.held[0];
    until(&mut [&mut stays, &mut dies], "all is counted", |workers| {
        workers.iter_mut().all(|worker| worker.counted(worker.held[0]) == BEFORE)
    });
    if standby_partitions_max > 0 {
        await_copy(&here, &mut [&mut stays, &mut dies], 0, theirs, changes_of(BEFORE));
    }
    // What comes last may be missing in a copy.
    place.send(&here, TAIL);
    until(&mut [&mut stays, &mut dies], "the tail is counted", |workers| {
        workers.iter_mut().all(|worker| worker.counted(worker.held[0]) == BEFORE + TAIL)
    });
    drop(dies);
    let before = stays.log.replayed_records();
    until(&mut [&mut stays], "it has both", |workers| workers[0].held.len() == 2);
    assert_eq!(stays.counted(theirs), BEFORE + TAIL);
    assert_eq!(stays.kept(theirs), kept_of(BEFORE + TAIL));
    stays.log.replayed_records() - before
}

/// Until the machine's only copy is that of the partition, and the worker at this place has read so much for it: how far it is behind is
/// told as of the last seconds.
fn await_copy(machine: &Machine, workers: &mut [&mut Counting], at: usize, partition: u32, changes: u64) {
    until(workers, "the copy has all", |workers| {
        let following = machine.log.following();
        let is_new =
            following.len() == 1 && following[0].partition == partition && following[0].lag_records == 0;
        is_new && workers[at].log.followed_records() >= changes
    });
}

#[test]
fn a_take_over_reads_only_the_tail_where_there_is_a_copy() {
    let without = replayed_at_take_over("cold", 0);
    let with = replayed_at_take_over("warm", 8);
    println!("replayed at take-over: {without} without a copy, {with} with one");
    assert_eq!(without, changes_of(BEFORE + TAIL), "all of it");
    assert!(with <= changes_of(TAIL) + 1, "{with}: the tail and no more");
}

#[test]
fn a_partition_that_goes_to_another_and_comes_back_is_followed_meanwhile_and_never_read_again() {
    let cluster = cluster();
    let place = Place::new(&cluster, "demoted", 2);
    let (here, there) = (place.machine("here", 8), place.machine("there", 8));
    let mut stays = here.worker();
    until(&mut [&mut stays], "it has both", |workers| workers[0].held.len() == 2);
    assert!(here.log.following().is_empty(), "it has everything itself");
    place.send(&here, BEFORE);
    until(&mut [&mut stays], "all is counted", |workers| {
        (0..2).all(|partition| workers[0].counted(partition) == BEFORE)
    });
    // It comes, and takes one.
    let mut comes = there.worker();
    until(&mut [&mut stays, &mut comes], "each has one", |workers| {
        workers.iter().all(|worker| worker.held.len() == 1)
    });
    let (lent, kept) = (comes.held[0], stays.held[0]);
    await_copy(&here, &mut [&mut stays, &mut comes], 0, lent, 0);
    await_copy(&there, &mut [&mut stays, &mut comes], 1, kept, changes_of(BEFORE));
    assert_eq!(stays.log.followed_records(), 0, "what it had it need not read");
    place.send(&here, TAIL);
    until(&mut [&mut stays, &mut comes], "the tail is counted", |workers| {
        workers.iter_mut().all(|worker| worker.counted(worker.held[0]) == BEFORE + TAIL)
    });
    // The copy goes on behind what it had.
    let tail = changes_of(BEFORE + TAIL) - changes_of(BEFORE);
    await_copy(&here, &mut [&mut stays, &mut comes], 0, lent, tail);
    assert_eq!(stays.log.followed_records(), tail);
    drop(comes);
    let before = stays.log.replayed_records();
    until(&mut [&mut stays], "it has both again", |workers| workers[0].held.len() == 2);
    assert_eq!(stays.log.replayed_records(), before, "it has all of it");
    for partition in 0..2 {
        assert_eq!(stays.kept(partition), kept_of(BEFORE + TAIL));
    }
    assert!(here.log.following().is_empty());
}

#[test]
fn a_worker_that_has_nothing_to_do_keeps_copies() {
    let cluster = cluster();
    let place = Place::new(&cluster, "spare", 1);
    let (here, there) = (place.machine("here", 0), place.machine("there", 1));
    place.send(&here, BEFORE);
    let mut has = counts(&here, BEFORE);
    let mut spare = there.worker();
    // It has nothing to do, and follows all the same.
    await_copy(&there, &mut [&mut has, &mut spare], 1, 0, changes_of(BEFORE));
    assert_eq!(spare.log.followed_records(), changes_of(BEFORE));
    assert_eq!(spare.held, Vec::<u32>::new());
    drop(has);
    until(&mut [&mut spare], "it takes it over", |workers| workers[0].held == [0]);
    assert_eq!(spare.log.replayed_records(), 0);
    assert_eq!(spare.kept(0), kept_of(BEFORE));
}

/// Fault: the reading of a copy is so slow that it is cut short by the take-over, in the middle of its first building.
#[test]
fn a_copy_that_is_half_built_is_gone_on_with() {
    let cluster = cluster();
    let mut place = Place::new(&cluster, "slow", 1);
    let here = place.machine("here", 0);
    // Some hundred records a second.
    place.options.standby_bytes_per_second_max = 10_000;
    let there = place.machine("there", 1);
    // More than one turn takes.
    let records = 2_000;
    place.send(&here, records);
    let mut has = counts(&here, records);
    let mut spare = there.worker();
    until(&mut [&mut has, &mut spare], "some of it is there", |workers| {
        workers[1].log.followed_records() > 0
    });
    drop(has);
    until(&mut [&mut spare], "it takes it over", |workers| workers[0].held == [0]);
    let (followed, replayed) = (spare.log.followed_records(), spare.log.replayed_records());
    println!("half built: {followed} followed, {replayed} replayed of {}", changes_of(records));
    assert!(followed < changes_of(records), "it was cut short");
    assert_eq!(followed + replayed, changes_of(records), "nothing of it is read twice");
    assert_eq!(spare.kept(0), kept_of(records));
}

/// Fault: the disk is nearly full. What is left is for the state of what a worker has.
#[test]
fn a_copy_is_not_worth_the_last_of_the_disk() {
    let cluster = cluster();
    let mut place = Place::new(&cluster, "full", 1);
    let here = place.machine("here", 0);
    place.options.standby_disk_left_bytes_min = u64::MAX;
    let there = place.machine("there", 1);
    place.send(&here, BEFORE);
    let mut has = counts(&here, BEFORE);
    let mut spare = there.worker();
    // Where there is room, another keeps a copy by then.
    place.options.standby_disk_left_bytes_min = 0;
    let roomy = place.machine("roomy", 1);
    let mut other = roomy.worker();
    await_copy(&roomy, &mut [&mut has, &mut spare, &mut other], 2, 0, changes_of(BEFORE));
    assert_eq!(spare.log.followed_records(), 0);
    assert!(there.log.following().is_empty());
    drop((has, other));
    until(&mut [&mut spare], "it takes it over all the same", |workers| workers[0].held == [0]);
    assert_eq!(spare.log.replayed_records(), changes_of(BEFORE));
    assert_eq!(spare.kept(0), kept_of(BEFORE));
}

/// Fault: transactions are aborted, or nobody knows what became of them, while a copy is followed.
#[test]
fn a_copy_has_nothing_of_what_was_aborted() {
    let cluster = cluster();
    let mut place = Place::new(&cluster, "aborted", 1);
    let there = place.machine("there", 1);
    let faults = Arc::new(Faults::default());
    place.options.faults = Some(faults.clone());
    let here = place.machine("here", 0);
    let mut has = counts(&here, 0);
    let mut spare = there.worker();
    let mut records = 0;
    for fault in [Fault::Aborted, Fault::UnknownNotCommitted, Fault::UnknownCommitted, Fault::Aborted] {
        faults.set_next(Some(fault));
        place.send(&here, TAIL);
        records += TAIL;
        until(&mut [&mut has, &mut spare], "all is counted", |workers| workers[0].counted(0) == records);
        await_copy(&there, &mut [&mut has, &mut spare], 1, 0, changes_of(records));
    }
    assert_eq!(
        spare.log.followed_records(),
        changes_of(records),
        "each change once: aborted ones are no changes"
    );
    drop(has);
    until(&mut [&mut spare], "it takes it over", |workers| workers[0].held == [0]);
    assert_eq!(spare.log.replayed_records(), 0);
    assert_eq!(spare.kept(0), kept_of(records));
}

/// Fault: a worker and its disk are gone, and then one of two in its stead; more is to be read than is read side by side.
#[test]
fn long_changelogs_are_read_by_turns_until_all_are_read() {
    const PARTITIONS: u32 = 5;
    let cluster = cluster();
    let mut place = Place::new(&cluster, "turns", PARTITIONS);
    let faults = Arc::new(Faults::default());
    faults.set_together_records_max(1);
    place.options.faults = Some(faults.clone());
    let one = place.machine("lost", 0);
    place.send(&one, TAIL);
    let mut has = one.worker();
    until(&mut [&mut has], "all is counted", |workers| {
        (0..PARTITIONS).all(|partition| workers[0].counted(partition) == TAIL)
    });
    drop(has);
    let other = place.machine("empty", 0);
    let (mut first, mut second) = (other.worker_named("first"), other.worker_named("second"));
    let held = |worker: &Counting| worker.held.len();
    until(&mut [&mut first, &mut second], "each has some, and all are held", |workers| {
        let (first, second) = (held(workers[0]), held(workers[1]));
        first > 0 && second > 0 && first + second == PARTITIONS as usize
    });
    for worker in [&mut first, &mut second] {
        for partition in worker.held.clone() {
            assert_eq!(worker.kept(partition), kept_of(TAIL), "partition {partition}");
        }
    }
    assert_eq!(faults.read_together_max(), 1, "side by side none would be ready before the others");
    // The others' turn comes, whoever left.
    drop(second);
    place.send(&other, 1);
    until(&mut [&mut first], "it takes all over and goes on", |workers| {
        (0..PARTITIONS).all(|partition| workers[0].counted(partition) == TAIL + 1)
    });
}

/// Fault: brokers give away little at a time. What is read of a changelog to know it again is one record, however much lies behind it.
#[test]
fn many_changelogs_are_known_again_over_a_narrow_link() {
    const PARTITIONS: u32 = 24;
    const RECORDS: usize = 12;
    const RECORD_BYTES: usize = 100_000;
    const BYTES_PER_SECOND: &str = "500000";
    let cluster = cluster();
    let place = Place::new(&cluster, "narrow", PARTITIONS);
    let machine = place.machine("here", 0);
    let mut worker = machine.worker_named("narrow");
    let all_counted = |worker: &mut Counting, records: usize| {
        (0..PARTITIONS).all(|partition| worker.counted(partition) == records)
    };
    place.send(&machine, 1);
    until(&mut [&mut worker], "all have begun", |workers| all_counted(workers[0], 1));
    place.send_sized(INPUT, &machine, RECORDS, RECORD_BYTES);
    until(&mut [&mut worker], "all is counted", |workers| all_counted(workers[0], 1 + RECORDS));
    drop(worker);
    let program = root().join("integration-tests/kafka/Quotas.java");
    let mut limit = cluster.tool(&program.display().to_string());
    limit.args([&*cluster.addresses(), BYTES_PER_SECOND, "narrow-restore", "narrow-glance"]);
    assert!(limit.status().unwrap().success());
    let mut worker = machine.worker_named("narrow");
    until(&mut [&mut worker], "it has all again", |workers| workers[0].held.len() == PARTITIONS as usize);
    assert_eq!(worker.log.replayed_records(), 0, "its store has all of it");
    assert!(all_counted(&mut worker, 1 + RECORDS));
}

/// Fault: who has just been elected leader of a changelog says that less of it is settled than the last one did.
#[test]
fn an_end_that_comes_too_early_is_looked_at_again() {
    let cluster = cluster();
    let mut place = Place::new(&cluster, "early", 2);
    let one = place.machine("one", 0);
    place.send(&one, BEFORE);
    let mut has = one.worker();
    until(&mut [&mut has], "all is counted", |workers| {
        workers[0].held.len() == 2 && (0..2).all(|partition| workers[0].counted(partition) == BEFORE)
    });
    drop(has);
    let faults = Arc::new(Faults::default());
    place.options.faults = Some(faults.clone());
    faults.set_early_ends(1);
    let other = place.machine("other", 0);
    let mut takes = other.worker();
    until(&mut [&mut takes], "it takes both", |workers| workers[0].held.len() == 2);
    assert_eq!(faults.early_ends(), 0, "it came");
    assert_eq!(takes.log.replayed_records(), 2 * changes_of(BEFORE), "nothing is read twice");
    for partition in 0..2 {
        assert_eq!(takes.kept(partition), kept_of(BEFORE));
    }
}
