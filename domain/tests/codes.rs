//! No code leaves the system that is not in the tables of `domain::codes`: the sources are searched for them.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::codes::{FAILURES, Found, REASONS};
use regex::Regex;

/// The crates that can put a code into a record.
const CRATES: [&str; 5] = ["domain", "processors", "schemas", "topology", "runtime"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs")
            && !["tests.rs", "testing.rs", "codes.rs", "examples.rs"].contains(&name.as_str())
        {
            found.push(path);
        }
    }
}

/// What is built for production, of every crate that matters.
fn production() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for krate in CRATES {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(krate).join("src"), &mut files);
    }
    let without_tests = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
    };
    assert!(files.len() > 100, "the sources are where they are searched");
    files.into_iter().map(|path| (path.clone(), without_tests(&path))).collect()
}

/// What the compiler or a registry is asked for is no code of ours.
const FOREIGN: [&str; 3] = ["env!(\"CARGO_PKG_VERSION\")", "env!(\"OUT_DIR\")", "\"FULL_TRANSITIVE\""];

#[test]
fn every_failure_code_in_the_sources_is_in_the_table() {
    let literal = Regex::new(r#""([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)""#).unwrap();
    let known: BTreeSet<&str> = FAILURES.iter().map(|row| row.code).collect();
    for (path, text) in production() {
        let text = FOREIGN.iter().fold(text, |text, foreign| text.replace(foreign, ""));
        for found in literal.captures_iter(&text) {
            assert!(
                known.contains(&found[1]),
                "{}: \"{}\" is not in domain::codes",
                path.display(),
                &found[1]
            );
        }
    }
    assert!(literal.is_match(r#"failure("NEW_CODE")"#), "a new one would be found");
}

#[test]
fn a_reason_code_is_used_somewhere_or_kept_for_later() {
    let mention = Regex::new(r"ReasonCode::([A-Z][A-Za-z]+)\b").unwrap();
    let mut used = BTreeSet::new();
    for (_, text) in production() {
        used.extend(mention.captures_iter(&text).map(|found| found[1].to_owned()));
    }
    for row in REASONS {
        let code = format!("{:?}", row.code);
        let is_used = row.found != Found::Reserved;
        assert_eq!(used.contains(&code), is_used, "{code} is said to be found {:?}", row.found);
    }
}
