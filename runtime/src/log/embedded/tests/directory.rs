//! The directory around the store: what is refused, and that a refusal leaves it as it was.

use std::path::{Path, PathBuf};

use super::*;

/// The refusal of a directory after something was done to it; it must be as it was before, file by file.
#[track_caller]
fn check_refused(damage: impl Fn(&Path), expected: &str) {
    let directory = TempDir::new().unwrap();
    let log = open(directory.path());
    log.producer().send(&[input(INPUT, 0, "k", "v")]).unwrap();
    drop(log);
    damage(directory.path());
    let before = listed(directory.path());
    let refused = open_with(directory.path(), conformance::topics()).unwrap_err().chain();
    assert!(refused.contains(expected), "{refused}");
    assert_eq!(listed(directory.path()), before, "nothing was changed");
    let refused = Inspection::open(directory.path()).unwrap_err().chain();
    assert!(refused.contains(expected), "{refused}");
    assert_eq!(listed(directory.path()), before, "nothing was changed");
}

/// Every file with its size; RocksDB's own log of what it does is nobody's data.
fn listed(folder: &Path) -> Vec<(String, u64)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(listed(&entry.path()));
        } else if !entry.file_name().to_string_lossy().starts_with("LOG") {
            files.push((entry.path().display().to_string(), entry.metadata().unwrap().len()));
        }
    }
    files.sort();
    files
}

/// The first file of the store, not an empty one, whose name begins and ends so.
fn store_file(directory: &Path, front: &str, end: &str) -> PathBuf {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory.join("store")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let is_meant = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(front) && name.ends_with(end) && path.metadata().unwrap().len() > 0
    };
    paths.into_iter().find(is_meant).unwrap()
}

fn cut(path: &Path) {
    let length = path.metadata().unwrap().len();
    std::fs::File::options().write(true).open(path).unwrap().set_len(length / 2).unwrap();
}

#[test]
fn a_store_that_lost_a_file_or_its_end_is_refused_by_name_and_left_alone() {
    check_refused(|at| std::fs::remove_file(at.join("store/CURRENT")).unwrap(), "store/CURRENT\" is missing");
    check_refused(|at| std::fs::remove_dir_all(at.join("store")).unwrap(), "store\" is missing");
    check_refused(|at| cut(&store_file(at, "0", ".log")), "when it was closed");
    check_refused(|at| cut(&store_file(at, "MANIFEST", "")), "when it was closed");
    check_refused(|at| std::fs::remove_file(store_file(at, "0", ".log")).unwrap(), ".log\" is missing");
    let replaced = |at: &Path| {
        std::fs::remove_dir_all(at.join("store")).unwrap();
        std::fs::write(at.join("store"), "a file").unwrap();
    };
    check_refused(replaced, "is a file, where a folder is expected");
}

#[test]
fn a_directory_of_a_newer_program_is_refused_before_its_store_is_touched() {
    check_refused(|at| std::fs::write(at.join("version"), "soup").unwrap(), "version\" is no version file");
    check_refused(
        |at| std::fs::write(at.join("version"), "format 7\nsoftware orderstream 9.9.9\n").unwrap(),
        "has format version 7, written by orderstream 9.9.9; this program reads up to 1",
    );
}

#[test]
fn a_store_that_lost_current_is_refused_after_a_crash_too() {
    // Nothing was sealed, and there is no version file, as in the directory of an older program.
    let damage = |at: &Path| {
        for file in ["closed", "version", "store/CURRENT"] {
            std::fs::remove_file(at.join(file)).unwrap();
        }
    };
    check_refused(damage, "store/CURRENT\" is missing");
}

/// Three records, acknowledged one after the other; then a crash, and something done to the write-ahead log.
#[track_caller]
fn check_crashed(damage: impl Fn(&mut Vec<u8>), expected: Result<i64, &str>) {
    let directory = TempDir::new().unwrap();
    let log = open(directory.path());
    for at in ["0", "1", "2"] {
        log.producer().send(&[input(INPUT, 0, "k", &at.repeat(500))]).unwrap();
    }
    let crashed = TempDir::new().unwrap();
    copy_folder(directory.path(), crashed.path());
    let path = store_file(crashed.path(), "0", ".log");
    let mut bytes = std::fs::read(&path).unwrap();
    // Room that was set aside, and not written yet.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes.truncate(end);
    damage(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    match (open_with(crashed.path(), conformance::topics()), expected) {
        (Ok(log), Ok(end)) => assert_eq!(log.end_offsets(INPUT).unwrap()[0], end),
        (Err(error), Err(expected)) => assert!(error.chain().contains(expected), "{}", error.chain()),
        (opened, expected) => panic!("expected {expected:?}, found {opened:?}"),
    }
}

#[test]
fn damage_before_the_end_of_the_log_is_refused_and_a_torn_end_is_not() {
    check_crashed(|_| (), Ok(3));
    // It was being written, and nobody was told of it.
    check_crashed(|bytes| bytes.truncate(bytes.len() - 100), Ok(2));
    // Somebody was told of all three: the second and the third must not go in silence.
    let flipped = |bytes: &mut Vec<u8>| {
        let at = bytes.len() - 700;
        bytes[at] ^= 1;
    };
    check_crashed(flipped, Err("store is damaged"));
}

#[test]
fn a_directory_of_an_older_program_is_read_and_says_who_wrote_it_from_then_on() {
    let directory = TempDir::new().unwrap();
    open(directory.path()).producer().send(&[input(INPUT, 0, "k", "v")]).unwrap();
    for file in ["version", "closed"] {
        std::fs::remove_file(directory.path().join(file)).unwrap();
    }
    assert_eq!(open(directory.path()).end_offsets(INPUT).unwrap(), [1, 0]);
    let version = std::fs::read_to_string(directory.path().join("version")).unwrap();
    assert!(version.starts_with("format 1\nsoftware orderstream "), "{version}");
    assert!(directory.path().join("closed").exists(), "it was closed cleanly");
    let log = open(directory.path());
    assert!(!directory.path().join("closed").exists(), "while it is open it is not closed");
    drop(log);
}

#[test]
fn a_look_finds_everything_and_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let log = open(directory.path());
    log.producer().send(&[input(INPUT, 1, "k", "v")]).unwrap();
    let refused = Inspection::open(directory.path()).unwrap_err();
    assert!(matches!(refused, Error::DirectoryInUse { .. }), "{refused}");
    drop(log);
    let before = listed(directory.path());
    let look = Inspection::open(directory.path()).unwrap();
    assert_eq!(look.bounds(INPUT).unwrap(), [(0, 0), (0, 1)]);
    let mut found = Vec::new();
    let visit = |offset, record: Option<Record>| {
        found.push((offset, record.unwrap().key.unwrap()));
        true
    };
    look.visit_records(INPUT, 1, 0, visit).unwrap();
    assert_eq!(found, [(0, Bytes::from_static(b"k"))]);
    drop(look);
    assert_eq!(listed(directory.path()), before);
    let missing = TempDir::new().unwrap();
    assert!(Inspection::open(missing.path()).is_err() && listed(missing.path()).is_empty());
}
