//! Plays: damage that nobody noticed. Something is changed in a copy of a closed data directory, behind everybody's back, and
//! `orderstream verify` names it; in an untouched copy it finds nothing.
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use cli::settings::Settings;
use cli::verify;
use integration_tests::process::{Service, copy, orders_in, run, submit, until};
use rocksdb::{DB, IteratorMode, Options};

const WAIT: Duration = Duration::from_secs(60);
/// The order that is under way, and one that is completed.
const OPEN: &str = "PARTNER-7/externalId/V-3";
const DONE: &str = "PARTNER-7/externalId/V-1";

/// A closed directory: two completed orders, and one whose plan's first answers take a day; made once.
fn original() -> &'static Path {
    static ORIGINAL: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = ORIGINAL.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let service = Service::run(&data_dir);
        submit(&data_dir, &["V-1", "V-2"]).ended(0);
        until(WAIT, "two orders are completed", || orders_in(&data_dir, "completed") == 2);
        let slow = folder.path().join("slow.toml");
        // The question whether it can be delivered is answered at once, and the tasks are not.
        let behaviours = "behaviour = { latency = { kind = \"fixed\", ms = 86_400_000 } }\n\
                          [systems.networkInventory]\nlatency = { kind = \"fixed\", ms = 1 }\n";
        std::fs::write(&slow, behaviours).unwrap();
        run(&data_dir, &["downstream", "scenario", &slow.display().to_string()]).ended(0);
        submit(&data_dir, &["V-3"]).ended(0);
        until(WAIT, "the third order is under way", || orders_in(&data_dir, "inProgress") == 1);
        assert_eq!(service.stop(), Some(0));
        folder
    });
    folder.path()
}

fn copied() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    copy(&original().join("data"), &data_dir);
    (folder, data_dir)
}

/// A RocksDB of the directory, opened behind everybody's back.
fn store(data_dir: &Path, below: &str) -> DB {
    // Its files no longer have the sizes that they were closed with.
    let _ = std::fs::remove_file(data_dir.join("log/closed"));
    let path = data_dir.join(below);
    let names = DB::list_cf(&Options::default(), &path).unwrap();
    DB::open_cf(&Options::default(), &path, names).unwrap()
}

/// The first row of a family whose key contains all of these.
fn row(db: &DB, family: &str, parts: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let family = db.cf_handle(family).unwrap();
    // An empty name is in every key.
    let contains = |key: &[u8], part: &str| {
        part.is_empty() || key.windows(part.len()).any(|window| window == part.as_bytes())
    };
    let rows = db.iterator_cf(family, IteratorMode::Start).map(Result::unwrap);
    let mut found = rows.filter(|(key, _)| parts.iter().all(|part| contains(key, part)));
    let (key, value) = found.next().unwrap_or_else(|| panic!("no row {parts:?}"));
    (key.into(), value.into())
}

fn delete(data_dir: &Path, below: &str, family: &str, parts: &[&str]) {
    let db = store(data_dir, below);
    let (key, _) = row(&db, family, parts);
    db.delete_cf(db.cf_handle(family).unwrap(), key).unwrap();
}

/// Findings as `check: place: what`, after something was done to a copy.
fn findings(damage: impl FnOnce(&Path)) -> Vec<String> {
    let (_folder, data_dir) = copied();
    damage(&data_dir);
    let mut settings = Settings::load(None).unwrap();
    settings.node.data_dir = data_dir;
    let checks = verify::checks(&settings).unwrap();
    assert!(checks.iter().all(|check| check.findings_left_out == 0));
    let shown = |check: &verify::Check| {
        let name = check.name;
        check.findings.iter().map(move |it| format!("{name}: {}: {}", it.place, it.what)).collect::<Vec<_>>()
    };
    checks.iter().flat_map(shown).collect()
}

/// One finding says all of these words, and every finding is about what was damaged.
#[track_caller]
fn check(damage: impl FnOnce(&Path), words: &[&str]) {
    let findings = findings(damage);
    assert!(
        findings.iter().any(|finding| words.iter().all(|word| finding.contains(word))),
        "{words:?} in {findings:#?}"
    );
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(findings(|_| ()), Vec::<String>::new());
    let (_folder, data_dir) = copied();
    let said = run(&data_dir, &["verify"]).ended(0);
    assert!(said.out.contains("everything agrees"), "{}", said.out);
    let checks = run(&data_dir, &["verify", "--json"]).json(0);
    let looked_at = checks.as_array().unwrap().iter().map(|check| check["lookedAt"].as_u64().unwrap());
    assert!(looked_at.clone().all(|count| count > 0), "every check had something to look at: {checks}");
}

#[test]
fn a_deleted_cell_is_named_whatever_it_is() {
    let cell = |processor: &'static str, key: &'static str, name: &'static str| {
        move |at: &Path| delete(at, "log/store", "state", &[processor, key, name])
    };
    check(cell("capture", DONE, "state"), &["orders: capture", DONE, "it is missing"]);
    check(cell("capture", DONE, "evidence/"), &["evidence/", DONE, "the raw request is missing"]);
    check(cell("validation", DONE, "state"), &["validation", DONE, "it is missing"]);
    check(cell("stuckOrders", OPEN, "state"), &["stuckOrders", OPEN, "nobody would notice"]);
    check(cell("orchestration", OPEN, "head"), &["orchestration", OPEN, "cell \"head\"", "it is missing"]);
    check(cell("orchestration", OPEN, "task/"), &["orchestration", OPEN, "cell \"task/", "it is missing"]);
    check(cell("orchestration", OPEN, "item/"), &["orchestration", OPEN, "cell \"item/", "it is missing"]);
    check(
        cell("orchestration", OPEN, "itemPlan/"),
        &["orchestration", OPEN, "cell \"itemPlan/", "it is missing"],
    );
    check(
        cell("orchestration", OPEN, "serviceOrder/"),
        &["orchestration", OPEN, "cell \"serviceOrder/", "it is missing"],
    );
    check(
        cell("orchestration", OPEN, "command/"),
        &["orchestration", OPEN, "cell \"command/", "would not be known"],
    );
    check(cell("inventory", "", "state"), &["products and systems: inventory", "it is missing"]);
}

/// Flips one byte of a value.
fn flip(data_dir: &Path, family: &str, parts: &[&str], at: impl Fn(&[u8]) -> usize) {
    let db = store(data_dir, "log/store");
    let (key, mut value) = row(&db, family, parts);
    let at = at(&value);
    value[at] ^= 0x04;
    db.put_cf(db.cf_handle(family).unwrap(), key, value).unwrap();
}

#[test]
fn a_flipped_byte_of_a_value_is_named() {
    let schema_id = |_: &[u8]| 3;
    check(
        |at| flip(at, "state", &["orchestration", OPEN, "head"], schema_id),
        &["state: orchestration", OPEN, "it cannot be read"],
    );
    // The first field of a head is the order's state: another one that there is.
    check(
        |at| flip(at, "state", &["orchestration", DONE, "head"], |_| 5),
        &["orchestration", DONE, "cell \"head\""],
    );
    check(
        |at| flip(at, "state", &["evidence/", DONE], |value| value.len() / 2),
        &["evidence/", "its digest is"],
    );
}

#[test]
fn a_flipped_byte_on_the_disk_is_named_with_its_file() {
    let damage = |at: &Path| {
        let db = store(at, "log/store");
        for name in ["log", "state"] {
            db.flush_cf(db.cf_handle(name).unwrap()).unwrap();
        }
        drop(db);
        let files = std::fs::read_dir(at.join("log/store")).unwrap().map(|entry| entry.unwrap().path());
        let tables = files.filter(|path| path.extension().is_some_and(|kind| kind == "sst"));
        let largest = tables.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
        let mut bytes = std::fs::read(&largest).unwrap();
        let middle = bytes.len() / 3;
        bytes[middle] ^= 0x10;
        std::fs::write(largest, bytes).unwrap();
    };
    check(damage, &["Corruption", ".sst"]);
}

#[test]
fn a_timer_that_stands_in_one_index_only_is_named() {
    check(
        |at| delete(at, "log/store", "timers_due", &["orchestration", OPEN, "task/"]),
        &["timers: timer \"task/", OPEN, "missing in the index of due times: it never fires"],
    );
    check(
        |at| delete(at, "log/store", "timers", &["orchestration", OPEN, "task/"]),
        &["timers: timer \"task/", OPEN, "by name missing there"],
    );
    // And one that is gone from both: only what waits for it can tell.
    let both = |at: &Path| {
        delete(at, "log/store", "timers_due", &["stuckOrders", OPEN]);
        delete(at, "log/store", "timers", &["stuckOrders", OPEN]);
    };
    check(both, &["orders: timer \"stuck\" of stuckOrders", OPEN, "it is not set, and is wanted at"]);
}

#[test]
fn a_changed_row_of_the_projection_is_named_with_what_the_events_say() {
    let damage = |at: &Path| {
        let path = at.join("projection.sqlite");
        let mut bytes = std::fs::read(&path).unwrap();
        let row = format!("{DONE}completed");
        let places = bytes.windows(row.len()).enumerate();
        let places: Vec<usize> = places
            .filter(|(_, window)| *window == row.as_bytes())
            .map(|(place, _)| place + DONE.len())
            .collect();
        assert!(!places.is_empty(), "the row is there");
        for place in places {
            bytes[place..place + 9].copy_from_slice(b"cancelled");
        }
        std::fs::write(path, bytes).unwrap();
    };
    let words =
        ["projection: table orders, row", DONE, "state is \"cancelled\", and \"completed\" by the events"];
    check(damage, &words);
    let (_folder, data_dir) = copied();
    damage(&data_dir);
    let said = run(&data_dir, &["verify"]).ended(3);
    assert!(said.out.contains("wrong (projection): table orders, row"), "{}", said.out);
}

#[test]
fn a_lost_record_a_position_too_far_and_a_lost_effect_are_named() {
    // By topic number, then partition, then offset.
    const OFFSET_BYTES: usize = 8;
    let lost = |at: &Path| {
        let db = store(at, "log/store");
        let log = db.cf_handle("log").unwrap();
        let rows = db.iterator_cf(log, IteratorMode::Start).map(|row| row.unwrap().0);
        let keys: Vec<_> = rows.collect();
        // One with another behind it: what is missing at the end of a partition is seen by its positions.
        let place = |key: &[u8]| key[..key.len() - OFFSET_BYTES].to_vec();
        let inner = keys.windows(2).find(|pair| place(&pair[0]) == place(&pair[1])).unwrap();
        db.delete_cf(log, &inner[0]).unwrap();
    };
    check(lost, &["records: topic ", "offset 0 missing"]);
    let too_far = |at: &Path| {
        let db = store(at, "log/store");
        let (key, _) = row(&db, "positions", &["orders"]);
        db.put_cf(db.cf_handle("positions").unwrap(), key, 1_000_000i64.to_le_bytes()).unwrap();
    };
    check(too_far, &["positions: group orders", "its position is 1000000, and the partition ends at"]);
    let effect = |at: &Path| {
        let db = store(at, "downstream");
        let rows = db.iterator_cf(db.cf_handle("entries").unwrap(), IteratorMode::Start).map(Result::unwrap);
        let is_done = |value: &[u8]| String::from_utf8_lossy(value).contains(DONE);
        let keys: Vec<_> = rows.filter(|(_, value)| is_done(value)).map(|(key, _)| key).collect();
        keys.iter().for_each(|key| db.delete_cf(db.cf_handle("entries").unwrap(), key).unwrap());
    };
    check(effect, &["ledger: order", DONE, "the ledger knows no command"]);
}
