//! Every command that the documentation shows, run as it is shown; and that the runner finds what is not as shown.
//!
//! `ORDERSTREAM_DOCS_PAGE=quick-start.md` runs one page alone.
use std::path::{Path, PathBuf};

use integration_tests::docs::{Page, page, run};

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ORDERSTREAM_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("orderstream")
}

#[test]
fn every_command_in_docs_does_what_its_page_shows() {
    let only = std::env::var("ORDERSTREAM_DOCS_PAGE").ok();
    let mut pages = page::all().unwrap();
    pages.retain(|page| only.as_ref().is_none_or(|only| page.name == *only));
    assert!(!pages.is_empty(), "there is no page {}", only.unwrap_or_default());
    let (mut failed, mut commands) = (Vec::new(), 0);
    for page in &pages {
        commands += page.steps.iter().filter(|step| matches!(step, page::Step::Command(_))).count();
        if let Err(error) = run::run(page, &binary()) {
            failed.push(format!("{error:#}"));
        }
    }
    println!("{commands} commands on {} pages", pages.len());
    assert!(failed.is_empty(), "{} of {} pages:\n{}", failed.len(), pages.len(), failed.join("\n\n"));
}

/// Runs a page of these lines in one console block.
fn outcome(console: &str) -> Result<(), String> {
    let page = Page::parse("p.md", &format!("```console\n{console}\n```\n")).unwrap();
    run::run(&page, &binary()).map_err(|error| format!("{error:#}"))
}

#[track_caller]
fn fails(console: &str, expected: &[&str]) {
    let said = outcome(console).unwrap_err();
    for expected in expected {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_wrong_expected_line_fails_with_page_line_and_both_texts() {
    fails(
        "$ echo one; echo two\none\nthree",
        &["p.md:2: `echo one; echo two`, line 4:", "expected  three", "got       two"],
    );
    fails("$ echo one\none\ntwo", &["expected  two", "got       the end"]);
    fails("$ echo one", &["expected  the end", "got       one"]);
    fails("$ echo wrong >&2\nright", &["got       wrong"]);
}

#[test]
fn a_command_that_fails_must_show_it() {
    fails("$ false", &["`false` ended with exit status: 1", "printed nothing"]);
    assert_eq!(outcome("$ false || echo no\nno\n$ echo no; exit 3\nno\n$ echo $?\n3"), Ok(()));
}

#[test]
fn variables_and_the_directory_go_from_one_command_to_the_next() {
    let console = "$ export GREETING='good day'\n$ mkdir -p below && cd below\n$ echo \"$GREETING\" \\\n  | cat; basename \"$PWD\"\ngood day\nbelow\n\
                   $ ls ../config\n...\norderstream.toml\n$ orderstream --version\norderstream [..]";
    assert_eq!(outcome(console), Ok(()));
}

#[test]
fn files_of_the_page_are_written_in_sequence() {
    let text = "```toml,file=made/a.toml\nx = 1\n```\n```console\n$ cat made/a.toml\nx = 1\n```\n```json,file=made/a.toml\n{}\n```\n```console\n$ cat made/a.toml\n{}\n```\n";
    run::run(&Page::parse("p.md", text).unwrap(), &binary()).unwrap();
}

#[test]
fn what_runs_in_the_background_is_waited_for_and_stopped() {
    let told = tempfile::tempdir().unwrap();
    let file = told.path().join("told").display().to_string();
    let service = format!(
        "bash -c 'trap \"echo stopped >{file}; exit 0\" TERM; echo up; while :; do sleep 0.02; done' &"
    );
    assert_eq!(outcome(&format!("$ {service}\nup\n$ echo done\ndone")), Ok(()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "stopped\n");
}

#[test]
fn a_background_command_that_ends_with_an_error_fails_the_page() {
    fails("$ bash -c 'echo why; exit 1' &\nnever", &["ended with exit status: 1", "| why"]);
}
