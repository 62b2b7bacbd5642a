//! The table of budgets: every suite is in it, and all of them together fit into the time that they may take.
use std::collections::BTreeSet;

use integration_tests::budget::Table;
use integration_tests::process::root;

/// Every suite there is: a file in tests/, or a folder with a main.rs.
fn suites() -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join("integration-tests/tests")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_suite = |path: &std::path::PathBuf| {
        path.extension().is_some_and(|kind| kind == "rs") || path.join("main.rs").is_file()
    };
    paths.filter(is_suite).map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

/// The file of a row.
fn file(name: &str) -> String {
    name.split('.').next().unwrap().to_owned()
}

#[test]
fn every_suite_has_a_budget_and_no_other_has_one() {
    let named: BTreeSet<String> = Table::shipped().suite.keys().map(|name| file(name)).collect();
    assert_eq!(named, suites());
}

#[test]
fn what_does_more_every_night_is_run_every_night() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let listed = makefile.lines().find_map(|line| line.strip_prefix("NIGHTLY := ")).unwrap();
    let listed: BTreeSet<String> = listed.split(' ').map(str::to_owned).collect();
    let table = Table::shipped().suite;
    let nightly = table.iter().filter(|(_, suite)| suite.nightly.is_some());
    assert_eq!(listed, nightly.map(|(name, _)| file(name)).collect());
}

#[test]
fn all_suites_together_keep_within_their_time() {
    let table = Table::shipped();
    let seconds: u64 = table.suite.values().map(|suite| suite.ci.seconds).sum();
    assert!(seconds <= table.seconds_max, "{seconds} s are expected, and {} s allowed", table.seconds_max);
    for (name, suite) in &table.suite {
        if let Some(nightly) = &suite.nightly {
            let ci = &suite.ci;
            let is_more =
                nightly.orders >= ci.orders && nightly.times >= ci.times && nightly.away() >= ci.away();
            assert!(is_more, "{name} does less every night than with every change");
        }
    }
}
