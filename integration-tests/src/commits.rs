//! How workers that a test has made by hand commit on Kafka: a batch at a time, and back after one that was not committed.
use std::time::{Duration, Instant};

use runtime::log::kafka::Member;
use runtime::{Batch, Log, Outcome};

/// How long anything may take that waits for brokers, whatever has happened to them.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How long one look for something new may take.
pub const POLL_WAIT: Duration = Duration::from_millis(50);

/// What becomes of a batch.
///
/// # Panics
/// Its commit cannot be begun, or nothing is known of it in time.
#[track_caller]
pub fn commit(log: &mut Member, batch: Batch) -> Outcome {
    log.append(batch).expect("a commit can be begun");
    outcome(log)
}

/// What becomes of the batch that is on its way.
///
/// # Panics
/// Nothing is known of it in time.
#[track_caller]
pub fn outcome(log: &mut Member) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some((_, outcome)) = log.settle(POLL_WAIT).expect("it can be asked for") {
            return outcome;
        }
        assert!(Instant::now() < deadline, "no outcome in time");
    }
}

/// Back to what is committed, as soon as that is known.
///
/// # Panics
/// There is no way back, or none in time.
#[track_caller]
pub fn go_back(log: &mut Member) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(problem) = log.rewind() {
        assert!(problem.is_passing(), "{}", problem.chain());
        assert!(Instant::now() < deadline, "no way back in time: {}", problem.chain());
    }
}
