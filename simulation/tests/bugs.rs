//! The simulation can fail: every mistake that can be planted is found within so many seeds, and no test that passes means nothing.
//! Each test plays the faults of its seed on a log with one mistake, and the same seed on the log without it.

use simulation::audit::Invariant;
use simulation::bug::Bug;
use simulation::world::{Stage, play};

/// Within so many seeds every planted mistake has to be found.
const SEEDS_MAX: u64 = 1_000;

/// The first seed that finds each, beginning with 1, and the invariant that breaks.
const FOUND: [(Bug, u64, Invariant); 9] = [
    (Bug::CommitAfterAbort, 1, Invariant::StoreIsTheFold),
    (Bug::StoreBeforeCommit, 1, Invariant::StoreIsTheFold),
    (Bug::TimersWithoutPositions, 120, Invariant::TimersFireOnce),
    (Bug::EndBeforeOffsets, 318, Invariant::NoStateBackwards),
    (Bug::RestoreToLastStable, 29, Invariant::StoreIsTheFold),
    (Bug::TombstonesForgotten, 45, Invariant::StoreIsTheFold),
    (Bug::RebuiltOverOld, 18, Invariant::StoreIsTheFold),
    (Bug::FollowedWhileHeld, 259, Invariant::StoreIsTheFold),
    (Bug::TornWriteKept, 3, Invariant::StoreIsTheFold),
];

/// Plays the recorded seed; should a change have moved it, all seeds until one finds the mistake.
#[track_caller]
fn check(bug: Bug) {
    let stage = Stage::new().unwrap();
    let (_, recorded, expected) = FOUND.into_iter().find(|(found, ..)| *found == bug).unwrap();
    let found = std::iter::once(recorded).chain(1..=SEEDS_MAX).find_map(|seed| {
        let run = play(&stage, seed, Some(bug), false).unwrap();
        run.violation.map(|violation| (seed, violation.invariant))
    });
    let (seed, invariant) = found.unwrap_or_else(|| panic!("{} was not found", bug.name()));
    if seed == recorded {
        assert_eq!(invariant, expected, "{}, seed {seed}", bug.name());
    }
    let without = play(&stage, seed, None, false).unwrap();
    assert_eq!(without.violation, None, "seed {seed} holds without the mistake");
}

/// Plays aborts and unknown outcomes while the next batch is already sent.
#[test]
fn a_batch_committed_after_the_one_before_was_aborted_is_found() {
    check(Bug::CommitAfterAbort);
}

/// Plays crashes and aborts between the sending of a transaction and its end.
#[test]
fn a_store_written_before_its_transaction_is_committed_is_found() {
    check(Bug::StoreBeforeCommit);
}

/// Plays workers that hang with a batch on its way, while another fires the same timers.
#[test]
fn timers_of_a_worker_that_nothing_fences_are_found() {
    check(Bug::TimersWithoutPositions);
}

/// Plays take-overs while a transaction of the former owner, whose positions have come and whose changes have not, is being decided.
#[test]
fn a_changelog_end_that_was_read_too_early_is_found() {
    check(Bug::EndBeforeOffsets);
}

/// Plays a worker that died in the middle of a transaction, and two take-overs before the coordinator gives that up.
#[test]
fn a_restore_that_an_open_transaction_cuts_short_is_found() {
    check(Bug::RestoreToLastStable);
}

/// Plays changelogs that are cleaned, while workers are away for longer than deletions are remembered.
#[test]
fn a_store_that_misses_a_forgotten_deletion_is_found() {
    check(Bug::TombstonesForgotten);
}

/// Plays the same, and rebuilds that leave what there was where it is.
#[test]
fn a_rebuild_over_what_there_was_is_found() {
    check(Bug::RebuiltOverOld);
}

/// Plays workers that keep copies of what others have, and take it over.
#[test]
fn a_copy_that_is_followed_beside_its_owners_commits_is_found() {
    check(Bug::FollowedWhileHeld);
}

/// Plays crashes that tear the last write of a store.
#[test]
fn a_torn_write_that_is_kept_is_found() {
    check(Bug::TornWriteKept);
}
