//! What is rebuilt is there beside the old until it is whole, wherever it is cut short.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::log::embedded::directory::STORE_FOLDER;
use crate::log::{CellChange, TimerChange};

const PROCESSOR: &str = "p";
/// Beside the one that is rebuilt: nothing may happen to it.
const OTHER: u32 = 1;

fn open(path: &Path) -> Store {
    Store::open(path, &[PROCESSOR.into()], &Memory::new()).unwrap()
}

fn cell(partition: u32, name: &str) -> CellKey {
    CellKey::new(partition, PROCESSOR, b"k", name.as_bytes())
}

fn timer(partition: u32, name: &str) -> TimerKey {
    TimerKey::new(partition, PROCESSOR, b"k", name)
}

fn put(partition: u32, name: &str, value: &str) -> Change {
    Change::Cell(cell(partition, name), Some(value.to_owned().into()))
}

fn reached(next_offset: i64) -> Reached {
    let origin = Some(Origin { offset: 0, id: "o".into() });
    Reached { next_offset, applied_ms: 1_000, origin }
}

/// All that is in force of a partition: how far it is, its cells and its timers.
fn shown(store: &Store, partition: u32) -> String {
    let next_offset = store.progress(partition).unwrap().map(|progress| progress.next_offset);
    let prefix = partition.to_be_bytes();
    let cells = store.cells(&prefix, usize::MAX).unwrap().into_iter();
    let cells: Vec<String> = cells
        .map(|(cell, value)| {
            assert_eq!(store.cell(cell.as_bytes()).unwrap().as_ref(), Some(&value));
            let name = String::from_utf8(cell.parts().unwrap().cell).unwrap();
            format!("{name}={}", String::from_utf8_lossy(&value))
        })
        .collect();
    let due = store.due_timers(PROCESSOR, partition, (i64::MIN, i64::MAX), usize::MAX).unwrap();
    let due: Vec<String> = due
        .into_iter()
        .map(|due| {
            assert_eq!(due.partition, partition);
            let known = store.timer_due_ms(&timer(partition, &due.name)).unwrap();
            assert_eq!(known, Some(due.due_ms), "a timer is due when it is set for");
            format!("{}@{}", due.name, due.due_ms)
        })
        .collect();
    format!("{next_offset:?} {} {}", cells.join(","), due.join(","))
}

/// A store with something in two partitions, closed and opened again: it lies in tables, and what follows in the log of writes.
fn with_old(path: &Path) -> Store {
    let store = open(path);
    for partition in [0, OTHER] {
        let timers =
            [("t", 5), ("gone", 7)].map(|(name, due)| Change::Timer(timer(partition, name), Some(due)));
        let changes = [put(partition, "a", "old"), put(partition, "gone", "old")].into_iter().chain(timers);
        let changes: Vec<Change> = changes.collect();
        store.begin_beside(partition, 0, 1_000).unwrap();
        store.replay(partition, Onto::Beside, &changes, &reached(4)).unwrap();
        store.put_in_force(partition, reached(4)).unwrap();
    }
    drop(store);
    open(path)
}

/// The pieces of a rebuild, each with where it ends.
fn pieces() -> Vec<(i64, Vec<Change>)> {
    let timer = |name: &str, due_ms| Change::Timer(timer(0, name), due_ms);
    vec![
        (12, vec![put(0, "a", "1"), put(0, "b", "1"), timer("t", Some(9)), timer("u", Some(9))]),
        (14, vec![put(0, "a", "2"), Change::Cell(cell(0, "b"), None), timer("u", None)]),
        (20, vec![put(0, "c", "3"), timer("t", Some(11))]),
    ]
}

const OLD: &str = "Some(4) a=old,gone=old t@5,gone@7";
const NEW: &str = "Some(20) a=2,c=3 t@11";

/// From where it was cut short, or from the beginning.
fn rebuild(store: &Store) {
    let building = store.building(0).unwrap();
    let from = building.map_or_else(
        || {
            store.begin_beside(0, 10, 1_000).unwrap();
            10
        },
        |building| building.next_offset,
    );
    for (end, changes) in pieces().into_iter().filter(|(end, _)| *end > from) {
        store.replay(0, Onto::Beside, &changes, &reached(end)).unwrap();
    }
    store.put_in_force(0, reached(20)).unwrap();
}

#[test]
fn a_partition_is_rebuilt_beside_what_it_has_and_put_in_force_at_once() {
    let folder = TempDir::new().unwrap();
    let store = with_old(folder.path());
    let other = shown(&store, OTHER);
    store.begin_beside(0, 10, 1_000).unwrap();
    assert_eq!(shown(&store, 0), OLD);
    for (end, changes) in pieces() {
        store.replay(0, Onto::Beside, &changes, &reached(end)).unwrap();
        assert_eq!(shown(&store, 0), OLD, "until it is whole");
        let building = store.building(0).unwrap().unwrap();
        assert_eq!((building.next_offset, building.rebuilding), (end, true));
    }
    store.put_in_force(0, reached(20)).unwrap();
    assert_eq!((shown(&store, 0), store.building(0).unwrap()), (NEW.to_owned(), None));
    assert_eq!(shown(&store, OTHER), other);
    drop(store);
    let store = open(folder.path());
    assert_eq!(shown(&store, 0), NEW);
    // And back to the first side.
    rebuild(&store);
    assert_eq!(shown(&store, 0), NEW);
    assert_eq!(shown(&store, OTHER), other);
}

#[test]
fn what_was_rebuilt_is_worked_on_as_what_never_was() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [never, twice] = folders.each_ref().map(|folder| with_old(folder.path()));
    for store in [&never, &twice] {
        rebuild(store);
    }
    rebuild(&twice);
    for store in [&never, &twice] {
        let cells = vec![
            CellChange { cell: cell(0, "a"), value: None },
            CellChange { cell: cell(0, "d"), value: Some("4".into()) },
            CellChange { cell: cell(OTHER, "d"), value: Some("4".into()) },
        ];
        let timers = vec![
            TimerChange { timer: timer(0, "t"), before_ms: Some(11), due_ms: None },
            TimerChange { timer: timer(0, "v"), before_ms: None, due_ms: Some(-3) },
        ];
        let batch = Batch { cells, timers, ..Batch::default() };
        let ends = HashMap::from([(0, 25), (OTHER, 6)]);
        store.apply(&batch, &Written { ends, ..Written::default() }, 2_000).unwrap();
        store.replay(0, Onto::InForce, &[put(0, "e", "5")], &reached(30)).unwrap();
    }
    assert_eq!(shown(&never, 0), "Some(30) c=3,d=4,e=5 v@-3");
    assert_eq!(shown(&never, OTHER), "Some(6) a=old,d=4,gone=old t@5,gone@7");
    for partition in [0, OTHER] {
        assert_eq!(shown(&twice, partition), shown(&never, partition));
        let origin = twice.progress(partition).unwrap().unwrap().origin;
        assert_eq!(origin.unwrap().id, "o", "a batch leaves it as it is");
    }
}

#[test]
fn an_origin_stays_until_there_is_another() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    store.begin_beside(0, 0, 1_000).unwrap();
    store.put_in_force(0, Reached { origin: None, ..reached(0) }).unwrap();
    let batch = Batch { cells: vec![CellChange { cell: cell(0, "a"), value: None }], ..Batch::default() };
    let origin = Origin { offset: 3, id: "x".into() };
    let first = Written { ends: [(0, 4)].into(), origins: [(0, origin.clone())].into() };
    store.apply(&batch, &first, 1).unwrap();
    store.apply(&batch, &Written { ends: [(0, 9)].into(), ..Written::default() }, 2).unwrap();
    store.touch([0, OTHER].into_iter(), 7).unwrap();
    drop(store);
    let progress = open(folder.path()).progress(0).unwrap().unwrap();
    assert_eq!((progress.next_offset, progress.applied_ms, progress.origin), (9, 7, Some(origin)));
}

/// A release that knows no sides reads any flag as a rebuild that was cut short, and rebuilds the first side in place.
#[test]
fn what_was_begun_before_an_older_release_worked_on_the_store_is_not_gone_on_with() {
    let folder = TempDir::new().unwrap();
    let store = with_old(folder.path());
    rebuild(&store);
    // The second is in force now; on the first it begins again.
    store.begin_beside(0, 10, 1_000).unwrap();
    store.replay(0, Onto::Beside, &pieces()[0].1, &reached(12)).unwrap();
    assert!(store.building(0).unwrap().is_some());
    let older = Progress { next_offset: 12, processors: PROCESSOR.to_owned(), ..Progress::default() };
    store.db.put_cf(store.family(PROGRESS), 0u32.to_be_bytes(), older.encode(Side::First)).unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(shown(&store, 0), "Some(12) a=1,b=1 t@9,u@9", "what the older one has left");
    assert_eq!(store.building(0).unwrap(), None);
    rebuild(&store);
    assert_eq!(shown(&store, 0), NEW);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The log of writes of a store.
fn log_of_writes(path: &Path) -> PathBuf {
    let files = std::fs::read_dir(path.join("store")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "log")).max().unwrap()
}

/// Fault: the process is killed, or the power fails, anywhere in a rebuild: all writes up to some byte are on the disk.
#[test]
fn wherever_a_rebuild_is_cut_short_the_old_or_the_new_is_there_whole() {
    let folder = TempDir::new().unwrap();
    let live = folder.path().join("live");
    let store = with_old(&live);
    let other = shown(&store, OTHER);
    rebuild(&store);
    let whole = std::fs::metadata(log_of_writes(&live)).unwrap().len();
    let (mut old, mut gone_on, mut new) = (0, 0, 0);
    for length in (0..=whole).step_by(23).chain([whole]) {
        let cut = folder.path().join(format!("cut-{length}"));
        copy(&live, &cut);
        File::options().write(true).open(log_of_writes(&cut)).unwrap().set_len(length).unwrap();
        let store = open(&cut);
        let found = shown(&store, 0);
        assert!(found == OLD || found == NEW, "cut at {length} of {whole}: {found}");
        assert_eq!(shown(&store, OTHER), other);
        if found == NEW {
            assert!(store.building(0).unwrap().is_none());
            assert_eq!(store.iterator(STATE, None).count_cells(), 2 + 2, "nothing is left of the old");
            new += 1;
        } else {
            gone_on += usize::from(store.building(0).unwrap().is_some());
            old += 1;
            rebuild(&store);
            assert_eq!(shown(&store, 0), NEW, "cut at {length} of {whole}");
        }
        drop(store);
        std::fs::remove_dir_all(cut).unwrap();
    }
    assert!(old > gone_on && gone_on > 3 && new > 0, "{old} old, {gone_on} of them gone on with, {new} new");
}

trait Count {
    fn count_cells(self) -> usize;
}

impl Count for DBRawIterator<'_> {
    fn count_cells(mut self) -> usize {
        self.seek_to_first();
        let mut count = 0;
        while self.valid() {
            count += 1;
            self.next();
        }
        count
    }
}

#[test]
fn a_block_that_was_changed_on_the_disk_is_met_once_and_the_next_opening_begins_anew() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    let store = with_old(&path);
    let files = store.db.live_files().unwrap();
    let of_state = files.iter().find(|file| file.column_family_name == STATE).unwrap();
    let file = path.join(STORE_FOLDER).join(of_state.name.trim_start_matches('/'));
    drop(store);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[..16].iter_mut().for_each(|byte| *byte ^= 0xff);
    std::fs::write(&file, bytes).unwrap();

    let store = open(&path);
    let met = store.cells(&0_u32.to_be_bytes(), usize::MAX).unwrap_err();
    assert!(matches!(met, Error::Damaged { .. }) && met.chain().contains("Corruption"), "{}", met.chain());
    drop(store);
    for _ in 0..2 {
        let store = open(&path);
        assert_eq!(shown(&store, 0), "None  ", "no part of it is gone on with");
        assert!(path.with_extension("damaged").join(STORE_FOLDER).is_dir(), "and none is thrown away");
    }
}
