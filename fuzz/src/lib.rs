//! One target per decoder: what takes bytes from outside, or from a disk that may be damaged.
//!
//! A target is a plain function of bytes that panics when it finds something. Every one proves that nothing panics, and that what
//! is read says the same after it was written and read again. `tests/` runs the committed corpus through them as ordinary tests;
//! `scripts/fuzz.sh` lets libFuzzer look for more, guided by coverage; `cargo run -p fuzz -- replay TARGET FILE` runs one input.
//!
//! Invariant: no target reads the time, the network, or a file that it did not write itself: one input, one outcome.
use std::path::PathBuf;

pub mod mutate;
pub mod samples;
pub mod targets;

/// The longest input that is tried; longer ones only cost time.
pub const INPUT_BYTES_MAX: usize = 65_536;

/// A decoder, and what is held against it.
pub struct Target {
    pub name: &'static str,
    /// What it proves, in a sentence.
    pub proves: &'static str,
    /// # Panics
    /// Where the input shows a mistake of ours.
    pub run: fn(&[u8]),
    /// Inputs to begin with, beside the committed ones.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    targets::TARGETS.iter().find(|target| target.name == name)
}

/// Where the committed inputs of a target lie: those that found something once, and those that reach far.
pub fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// The committed inputs of a target with their paths, sorted; none where there is no folder.
///
/// # Errors
/// A folder or a file that cannot be read.
pub fn committed(name: &str) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let directory = corpus(name);
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let bytes = std::fs::read(&path)?;
        inputs.push((path, bytes));
    }
    inputs.sort();
    Ok(inputs)
}
