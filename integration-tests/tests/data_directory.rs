//! Plays: a data directory that is not as it should be. Each is refused with one line, exit code 1, and left as it was.
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use integration_tests::process::{self, Said, Service, copy, orders_in, orderstream, run, submit, until};

const WAIT: Duration = Duration::from_secs(60);
/// The user that owns nothing.
const NOBODY: u32 = 65_534;

/// A directory that a service has used and closed; made once.
fn used() -> &'static Path {
    static USED: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = USED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let service = Service::run(&data_dir);
        submit(&data_dir, &["U-1"]).ended(0);
        until(WAIT, "the order is completed", || orders_in(&data_dir, "completed") == 1);
        assert_eq!(service.stop(), Some(0));
        folder
    });
    folder.path()
}

/// A copy of it, to be damaged.
fn copied() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    copy(&used().join("data"), &data_dir);
    (folder, data_dir)
}

/// Every file with its bytes; RocksDB's own log of what it does is nobody's data.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    if folder.is_file() {
        return vec![(folder.to_owned(), std::fs::read(folder).unwrap())];
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("LOG") && !name.starts_with("OPTIONS") {
            files.extend(content(&path));
        }
    }
    files.sort();
    files
}

/// Refused with one line that says so, and nothing changed.
#[track_caller]
fn check_refused(said: &Said, expected: &str) {
    assert_eq!(said.code, Some(1), "{said:?}");
    let lines: Vec<&str> = said.err.lines().filter(|line| !line.contains(" INFO ")).collect();
    let [line] = lines.as_slice() else { panic!("one line: {said:?}") };
    assert!(line.starts_with("orderstream: ") && line.contains(expected), "{line}");
}

#[track_caller]
fn check(damage: impl FnOnce(&Path), expected: &str) {
    let (_folder, data_dir) = copied();
    damage(&data_dir);
    let before = content(&data_dir);
    check_refused(&run(&data_dir, &["run"]), expected);
    assert!(content(&data_dir) == before, "nothing was changed");
}

/// The first file of the store, not an empty one, whose name begins and ends so.
fn store_file(data_dir: &Path, front: &str, end: &str) -> PathBuf {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(data_dir.join("log/store")).unwrap().map(|entry| entry.unwrap().path()).collect();
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
fn a_directory_that_is_in_use_is_refused_to_a_second_service_and_to_verify() {
    let (_folder, data_dir) = copied();
    let service = Service::run(&data_dir);
    check_refused(&run(&data_dir, &["run"]), "is in use by another process");
    check_refused(&run(&data_dir, &["verify"]), "is in use by another process");
    assert_eq!(service.stop(), Some(0), "the first one did not mind");
}

#[test]
fn a_directory_of_a_newer_version_is_refused_and_one_of_an_older_is_taken() {
    let newer = "format 2\nsoftware orderstream 9.0.0\n";
    check(
        |at| std::fs::write(at.join("log/version"), newer).unwrap(),
        "has format version 2, written by orderstream 9.0.0; this program reads up to 1, use a newer one",
    );
    // The first version left neither of these files.
    let (_folder, data_dir) = copied();
    for file in ["log/version", "log/closed"] {
        std::fs::remove_file(data_dir.join(file)).unwrap();
    }
    let service = Service::run(&data_dir);
    assert_eq!(orders_in(&data_dir, "completed"), 1);
    assert_eq!(service.stop(), Some(0));
    assert!(data_dir.join("log/version").exists());
}

#[test]
fn a_log_that_lost_something_is_refused_by_the_name_of_the_file() {
    check(|at| std::fs::remove_file(at.join("log/store/CURRENT")).unwrap(), "log/store/CURRENT\" is missing");
    check(|at| std::fs::remove_dir_all(at.join("log/store")).unwrap(), "log/store\" is missing");
    check(|at| cut(&store_file(at, "0", ".log")), "when it was closed");
    check(|at| cut(&store_file(at, "MANIFEST", "")), "when it was closed");
    check(|at| std::fs::remove_file(store_file(at, "0", ".log")).unwrap(), ".log\" is missing");
    let current = |at: &Path| {
        let path = at.join("log/store/CURRENT");
        std::fs::write(&path, "MANIFEST-999999\n").unwrap();
    };
    check(current, "MANIFEST-999999");
}

/// The store's records in .sst files, and none in the write-ahead log.
fn flushed() -> (tempfile::TempDir, PathBuf) {
    let (folder, data_dir) = copied();
    let store = data_dir.join("log/store");
    let options = rocksdb::Options::default();
    let names = rocksdb::DB::list_cf(&options, &store).unwrap();
    let db = rocksdb::DB::open_cf(&options, &store, &names).unwrap();
    for name in &names {
        db.flush_cf(db.cf_handle(name).unwrap()).unwrap();
    }
    drop(db);
    // Another program than ours closed it.
    std::fs::remove_file(data_dir.join("log/closed")).unwrap();
    (folder, data_dir)
}

#[test]
fn a_table_of_the_store_that_lost_its_end_is_refused_without_a_seal_too() {
    let (_folder, data_dir) = flushed();
    cut(&store_file(&data_dir, "0", ".sst"));
    let before = content(&data_dir);
    check_refused(&run(&data_dir, &["run"]), ".sst");
    let after = content(&data_dir);
    let kept = before.iter().filter(|(path, _)| path.extension().is_some_and(|kind| kind == "sst"));
    assert!(kept.clone().count() > 0 && kept.clone().all(|file| after.contains(file)), "no table is wiped");
}

#[test]
fn what_is_no_data_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    std::fs::write(&file, "a file").unwrap();
    check_refused(&run(&file, &["run"]), "is a file; name a directory");
    check_refused(&run(&file, &["verify"]), "there is no log in");
    assert_eq!(std::fs::read(&file).unwrap(), b"a file");
    check(
        |at| {
            std::fs::remove_dir_all(at.join("log")).unwrap();
            std::fs::write(at.join("log"), "a file").unwrap();
        },
        "log\" is a file, where a directory is expected",
    );
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let (folder, data_dir) = copied();
    // Root writes everywhere: the service runs as the user that owns nothing, from a copy that this user can reach.
    let program = folder.path().join("orderstream");
    std::fs::copy(process::binary(), &program).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let mut command = std::process::Command::new(&program);
    command.current_dir(folder.path()).args(["--data-dir", "data", "run"]);
    command.env("ORDERSTREAM__CATALOG__DIRECTORY", catalog_in(folder.path()));
    command.env("ORDERSTREAM__GATEWAY__LISTEN", "");
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    } else {
        let read_only: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o555);
        std::fs::set_permissions(data_dir.join("log"), read_only.clone()).unwrap();
        let locked: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o444);
        std::fs::set_permissions(data_dir.join("log/orderstream.lock"), locked).unwrap();
    }
    let before = content(&data_dir);
    check_refused(&command.output().unwrap().into(), "Permission denied");
    assert!(content(&data_dir) == before, "nothing was changed");
}

/// The shipped catalog, where everybody can read it.
fn catalog_in(folder: &Path) -> PathBuf {
    let catalog = folder.join("catalog");
    copy(&process::root().join("config/catalog"), &catalog);
    catalog
}

#[test]
fn a_projection_that_is_damaged_newer_or_ahead_of_the_log_is_refused() {
    check(
        |at| {
            std::fs::write(at.join("projection.sqlite"), "a text, and no database at all".repeat(100))
                .unwrap()
        },
        "projection.sqlite",
    );
    let (_folder, data_dir) = copied();
    // A log that lost its end, and says so nowhere: the projection has read what is not there.
    std::fs::remove_dir_all(data_dir.join("log")).unwrap();
    check_refused(&run(&data_dir, &["run"]), "the log is shorter than what the projection has read of it");
    assert_eq!(orders_in(&data_dir, "completed"), 1, "the projection is still there");
}

#[test]
fn a_copy_of_a_stopped_service_is_a_backup_and_goes_on_where_it_was() {
    let (_folder, data_dir) = copied();
    let service = Service::run(&data_dir);
    submit(&data_dir, &["U-2"]).ended(0);
    until(WAIT, "the second order is completed", || orders_in(&data_dir, "completed") == 2);
    assert_eq!(service.stop(), Some(0));
    run(&data_dir, &["verify"]).ended(0);
    let mut hands = orderstream(&data_dir, &["submit", "-"]);
    assert_eq!(hands.output().unwrap().status.code(), Some(1), "an empty input holds no document");
}
