//! How far the stores of this machine's workers are, looked at beside whoever has them open. Nothing is changed, and nothing locked.

use std::path::Path;

use rocksdb::{DB, IteratorMode, Options};

use super::store::{PROGRESS, Progress, SECOND, progress_row};
use crate::Error;
use crate::log::embedded::directory::STORE_FOLDER;

/// The store of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStore {
    pub worker: String,
    /// By partition, as far as it was ever here; or why it cannot be read.
    pub partitions: Result<Vec<(u32, Progress)>, String>,
}

/// Every worker's, by name; none where there is no such directory.
///
/// Errors: the directory cannot be read.
pub fn stores(directory: &Path) -> Result<Vec<WorkerStore>, Error> {
    let unreadable = |source: std::io::Error| Error::DirectoryOpen {
        directory: directory.to_owned(),
        source: source.into(),
    };
    let entries = match std::fs::read_dir(directory) {
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut stores = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let store = path.join(STORE_FOLDER);
        // What was set aside as damaged is of no use to anybody but whoever wants to know why.
        if store.is_dir() && path.extension().is_none_or(|extension| extension != "damaged") {
            let worker = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            stores.push(WorkerStore { worker, partitions: progress_in(&store) });
        }
    }
    stores.sort_by(|one, other| one.worker.cmp(&other.worker));
    Ok(stores)
}

fn progress_in(store: &Path) -> Result<Vec<(u32, Progress)>, String> {
    let read = |problem: rocksdb::Error| format!("it cannot be read: {problem}");
    let db = DB::open_cf_for_read_only(&Options::default(), store, [PROGRESS], false).map_err(read)?;
    let family = db.cf_handle(PROGRESS).ok_or("it keeps no positions")?;
    let mut found = Vec::new();
    for row in db.iterator_cf(family, IteratorMode::Start) {
        let (key, value) = row.map_err(read)?;
        let (partition, progress, _) =
            progress_row(&key, &value).ok_or("one of its positions cannot be decoded")?;
        // What is being rebuilt is of no use to anybody yet.
        if partition & SECOND == 0 {
            found.push((partition, progress));
        }
    }
    Ok(found)
}
