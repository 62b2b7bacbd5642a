//! The targets as ordinary tests: the committed corpus, the seeds, and seeded changes of both.
use std::time::{Duration, Instant};

use fuzz::Target;
use fuzz::mutate::{Seeded, mutated};
use fuzz::targets::TARGETS;

/// Changes that are tried of each target, spread over its inputs.
const CHANGES: usize = 600;
/// No input may take longer: the decoders are for streams, and one document must not hold up the others. Generous, because the
/// machine may be busy; what explodes takes minutes.
const INPUT_WAIT: Duration = Duration::from_secs(20);

/// Fewer would mean that one was lost.
const TARGETS_MIN: usize = 15;

fn timed(target: &Target, bytes: &[u8], shown: &dyn std::fmt::Display) {
    let started = Instant::now();
    let ended = std::panic::catch_unwind(|| (target.run)(bytes));
    assert!(ended.is_ok(), "target {}: panicked on {shown}", target.name);
    let took = started.elapsed();
    assert!(took < INPUT_WAIT, "target {}: {took:?} for {shown}", target.name);
}

#[test]
fn every_committed_input_and_every_seed_passes_its_target() {
    assert!(TARGETS.len() >= TARGETS_MIN);
    for target in TARGETS {
        for (path, bytes) in fuzz::committed(target.name).unwrap() {
            timed(target, &bytes, &path.display());
        }
        for (number, bytes) in (target.seeds)().iter().enumerate() {
            timed(target, bytes, &format!("seed {number}"));
        }
    }
}

#[test]
fn seeded_changes_of_every_input_pass_their_target() {
    for target in TARGETS {
        let mut inputs = (target.seeds)();
        inputs.extend(fuzz::committed(target.name).unwrap().into_iter().map(|(_, bytes)| bytes));
        assert!(!inputs.is_empty(), "target {} has nothing to begin with", target.name);
        for number in 0..CHANGES {
            let changed = mutated(&inputs[number % inputs.len()], &mut Seeded::new(number as u64));
            timed(target, &changed, &format!("change {number}: {}", String::from_utf8_lossy(&changed)));
        }
    }
}

#[test]
fn every_folder_of_the_corpus_belongs_to_a_target() {
    for entry in std::fs::read_dir(fuzz::corpus("")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(fuzz::target(&name).is_some(), "corpus/{name} belongs to no target");
    }
}
