//! The directory around the store: who holds it, which version wrote it, and whether it is whole.
//!
//! ```text
//!   orderstream.lock    locked by whoever has the directory open
//!   version             format and software that wrote last
//!   closed              after a clean stop: every file of the store with its size; gone while it is open
//!   distrusted          what could not be read, where a store that can be made anew met it while it was open
//!   store/              RocksDB's own files
//! ```
//!
//! All of it is looked at before RocksDB is: a store that lost a file is refused as it lies there, and not opened without it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs4::fs_std::FileExt;
use tracing::warn;

use crate::Error;

/// Raised whenever an older program could not read what a newer one writes. Older formats are read as long as this says so:
/// there is none yet; a directory without a version file is of format 1 and gets one.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// This program, as the version file names it.
const SOFTWARE: &str = concat!("orderstream ", env!("CARGO_PKG_VERSION"));
const LOCK_FILE: &str = "orderstream.lock";
const VERSION_FILE: &str = "version";
const SEAL_FILE: &str = "closed";
const DISTRUSTED_FILE: &str = "distrusted";
pub(crate) const STORE_FOLDER: &str = "store";
/// Names the manifest in force: without it RocksDB would take the folder for an empty one.
const CURRENT_FILE: &str = "CURRENT";
/// The version file is two short lines; a larger one is none.
const VERSION_BYTES_MAX: u64 = 4_096;

/// A log's directory, held by this process until it is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    is_new: bool,
    /// To be sealed when it is dropped: the store was opened for writing, and closed before.
    sealing: bool,
    _lock: File,
}

impl Directory {
    /// For writing; creates what is missing of a new one.
    ///
    /// Errors: it is in use, no directory, not accessible, of a newer version, or damaged. Then nothing in it was changed.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        if path.exists() && !path.is_dir() {
            return Err(Error::NotADirectory { path: path.to_owned() });
        }
        std::fs::create_dir_all(path).map_err(|source| inaccessible(path, source))?;
        Self::checked(path, lock(path, true)?)
    }

    /// For looking: nothing in it is changed, not even created.
    ///
    /// Errors: as [`Directory::take`]; there is nothing.
    pub(crate) fn take_to_look(path: &Path) -> Result<Self, Error> {
        if path.exists() && !path.is_dir() {
            return Err(Error::NotADirectory { path: path.to_owned() });
        }
        let directory = Self::checked(path, lock(path, false)?)?;
        if directory.is_new {
            let source = io::Error::new(io::ErrorKind::NotFound, "there is no log in it");
            return Err(inaccessible(path, source));
        }
        Ok(directory)
    }

    fn checked(path: &Path, lock: File) -> Result<Self, Error> {
        let mut directory = Self { path: path.to_owned(), is_new: false, sealing: false, _lock: lock };
        let is_known = directory.check_version()?;
        directory.is_new = directory.check_store(is_known)?;
        directory.check_seal()?;
        Ok(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path.join(STORE_FOLDER)
    }

    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// What RocksDB's refusal to open the store means.
    pub(crate) fn unusable(&self, source: rocksdb::Error) -> Error {
        if source.kind() == rocksdb::ErrorKind::Corruption {
            return Error::Damaged { what: source.to_string() };
        }
        Error::DirectoryOpen { directory: self.path.clone(), source: source.into() }
    }

    /// The store is open for writing: from here on the seal of the last stop is no longer true, and this version has written.
    pub(crate) fn opened(&mut self) -> Result<(), Error> {
        let failed = |source| inaccessible(&self.path, source);
        match std::fs::remove_file(self.path.join(SEAL_FILE)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let version = format!("format {FORMAT_VERSION}\nsoftware {SOFTWARE}\n");
        let path = self.path.join(VERSION_FILE);
        if std::fs::read_to_string(&path).ok().as_deref() != Some(&version) {
            replace(&path, version.as_bytes()).map_err(failed)?;
        }
        // A power cut must not bring the seal back beside files that have grown since.
        sync(&self.path).map_err(failed)?;
        self.sealing = true;
        Ok(())
    }

    /// Something of the store cannot be read, which shows only where it is: whoever opens it next is told.
    pub(crate) fn distrust(&self, what: &str) {
        if let Err(problem) = replace(&self.path.join(DISTRUSTED_FILE), what.as_bytes()) {
            warn!(directory = %self.path.display(), %problem, what, "damage of the store could not be noted");
        }
    }

    /// Why the store is not to be gone on with.
    pub(crate) fn distrusted(&self) -> Option<String> {
        std::fs::read_to_string(self.path.join(DISTRUSTED_FILE)).ok()
    }

    /// It is not to be sealed: not all that was written is known to be on disk.
    pub(crate) fn leave_open(&mut self) {
        self.sealing = false;
    }

    /// Whether a version of ours has written here before.
    fn check_version(&self) -> Result<bool, Error> {
        let path = self.path.join(VERSION_FILE);
        let damaged = || Error::Damaged { what: format!("\"{}\" is no version file", path.display()) };
        match std::fs::metadata(&path) {
            Ok(found) if found.len() > VERSION_BYTES_MAX => return Err(damaged()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(inaccessible(&self.path, error)),
        }
        let text = std::fs::read_to_string(&path).map_err(|source| inaccessible(&self.path, source))?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let found: u32 = field("format ").and_then(|found| found.parse().ok()).ok_or_else(damaged)?;
        if found > FORMAT_VERSION {
            return Err(Error::FormatNewer {
                directory: self.path.clone(),
                found,
                known: FORMAT_VERSION,
                software: field("software ").unwrap_or("a newer program").to_owned(),
            });
        }
        Ok(true)
    }

    /// Whether the store is still to be made. `is_known`: there was one before.
    fn check_store(&self, is_known: bool) -> Result<bool, Error> {
        let store = self.store();
        let damaged = |what: String| Err(Error::Damaged { what });
        if store.exists() && !store.is_dir() {
            return damaged(format!("\"{}\" is a file, where a folder is expected", store.display()));
        }
        if store.join(CURRENT_FILE).exists() {
            return Ok(false);
        }
        if is_known && !store.exists() {
            return damaged(format!("\"{}\" is missing", store.display()));
        }
        let has_records = store.exists() && !self.store_files(is_record_file)?.is_empty();
        if is_known || has_records {
            return damaged(format!("\"{}\" is missing", store.join(CURRENT_FILE).display()));
        }
        Ok(true)
    }

    /// After a clean stop every file must be there as it was left.
    fn check_seal(&self) -> Result<(), Error> {
        let sealed = match std::fs::read_to_string(self.path.join(SEAL_FILE)) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(inaccessible(&self.path, error)),
        };
        for line in sealed.lines() {
            let Some((expected, name)) = line.split_once(' ') else { continue };
            let path = self.store().join(name);
            let found = match std::fs::metadata(&path) {
                Ok(found) => found.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(Error::Damaged { what: format!("\"{}\" is missing", path.display()) });
                }
                Err(error) => return Err(inaccessible(&self.path, error)),
            };
            if expected.parse() != Ok(found) {
                let what = format!(
                    "\"{}\" has {found} bytes, and had {expected} when it was closed",
                    path.display()
                );
                return Err(Error::Damaged { what });
            }
        }
        Ok(())
    }

    /// Name and size of those files of the store that are meant, by name.
    fn store_files(&self, is_meant: impl Fn(&str) -> bool) -> Result<Vec<(String, u64)>, Error> {
        let list = || -> io::Result<Vec<(String, u64)>> {
            let mut files = Vec::new();
            for entry in std::fs::read_dir(self.store())? {
                let entry = entry?;
                if let Some(name) = entry.file_name().to_str().filter(|name| is_meant(name)) {
                    files.push((name.to_owned(), entry.metadata()?.len()));
                }
            }
            files.sort();
            Ok(files)
        };
        list().map_err(|source| inaccessible(&self.path, source))
    }

    fn seal(&self) -> Result<(), Error> {
        let files = self.store_files(|name| {
            name == CURRENT_FILE || name.starts_with("MANIFEST-") || is_record_file(name)
        })?;
        let lines: String = files.iter().map(|(name, bytes)| format!("{bytes} {name}\n")).collect();
        let sealed = replace(&self.path.join(SEAL_FILE), lines.as_bytes()).and_then(|()| sync(&self.path));
        sealed.map_err(|source| inaccessible(&self.path, source))
    }
}

impl Drop for Directory {
    /// The store is closed by now, and the lock is given up right after.
    fn drop(&mut self) {
        if self.sealing
            && let Err(problem) = self.seal()
        {
            warn!(reason = %problem.chain(), "closed log could not be sealed; the next start does without");
        }
    }
}

fn is_record_file(name: &str) -> bool {
    let Some((number, kind)) = name.split_once('.') else { return false };
    (kind == "sst" || kind == "log") && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn inaccessible(directory: &Path, source: io::Error) -> Error {
    Error::DirectoryOpen { directory: directory.to_owned(), source: source.into() }
}

/// All of the new content, or the old.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(new, path)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// `create`: a missing lock file is made, else there is nothing to lock.
fn lock(directory: &Path, create: bool) -> Result<File, Error> {
    let path = directory.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    // A lock needs no permission to write: looking works on a read-only file system.
    let options = if create { options.create(true).write(true).truncate(false) } else { options.read(true) };
    let file = options.open(path).map_err(|source| inaccessible(directory, source))?;
    match file.try_lock_exclusive() {
        Ok(true) => Ok(file),
        Ok(false) => Err(Error::DirectoryInUse { directory: directory.to_owned() }),
        Err(source) => Err(inaccessible(directory, source)),
    }
}
