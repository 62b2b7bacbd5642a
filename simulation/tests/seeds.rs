//! Seeds without a mistake: all invariants hold, the same seed is the same run, and every kind of fault is really played.

use simulation::world::{Stage, play};

/// So many seeds; `make simulate` plays as many as there is time for.
const SEEDS: u64 = 400;

/// Plays crashes, hangs, aborts, unknown outcomes, rebalances, lost and torn writes, late and repeated records, outages, clock
/// jumps and clocks that are wrong by hours, as each seed has them.
#[test]
fn every_invariant_holds_whatever_fails() {
    let stage = Stage::new().unwrap();
    for seed in 1..=SEEDS {
        let run = play(&stage, seed, None, false).unwrap();
        assert_eq!(run.violation, None, "again: make simulate ARGS=\"--seed {seed}\"");
        assert!(run.orders > 0, "seed {seed} has orders");
    }
}

/// Plays the faults of a few seeds twice, with other runs between.
#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    let stage = Stage::new().unwrap();
    let first: Vec<_> = (1..=8).map(|seed| play(&stage, seed, None, true).unwrap()).collect();
    // Another process would begin with this one.
    let stage = Stage::new().unwrap();
    for before in first.iter().rev() {
        let again = play(&stage, before.seed, None, true).unwrap();
        assert_eq!(before.trace.whole(), again.trace.whole(), "seed {}", before.seed);
        assert_eq!(before.trace.digest, again.trace.digest);
    }
}

/// Plays every kind of fault at least once, in few seeds.
#[test]
fn every_kind_of_fault_is_played() {
    let stage = Stage::new().unwrap();
    let whole: String = (1..=30)
        .flat_map(|seed| play(&stage, seed, None, true).unwrap().trace.whole().to_vec())
        .map(|line| line + "\n")
        .collect();
    let words = [
        "crashes, its store loses Writes(0)",
        "loses Torn(",
        "loses All",
        "is to crash at Queued",
        "is to crash at OutputsSent",
        "is to crash at ChangesSent",
        "is to crash at PositionsSent",
        "is to crash at Decided",
        "is to crash at Known",
        "is to crash at Stored",
        "is to meet Aborted",
        "is to meet UnknownCommitted",
        "is to meet UnknownNotCommitted",
        "hangs until",
        "is expelled and deaf until",
        "leaves until",
        "is to join",
        "coordinator gives up transaction",
        "markers are held until",
        "is cleaned: Cleaned",
        "follows: Some(Followed { partition: 0, beside: false, step: Done })",
        "beside: true, step: Done",
        "downstream reads commands again",
        "ms ahead",
        "is wrong by",
        "time jumps by",
        "was fenced",
        "was aborted: the group has moved on",
        "RequestIgnored",
        "FeedbackIgnored Repeated",
    ];
    for word in words {
        assert!(whole.contains(word), "nothing played \"{word}\"");
    }
}
