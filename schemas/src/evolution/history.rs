//! Every version of every contract that was ever published, as files: `OrderCaptured/1.avsc`, `state/capture.State/1.avsc`.
//!
//! The last one is the contract as it stands: what a registry has to know before a build of it writes.
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{findings, lints};
use crate::contracts;

/// Below the folder of histories, that of the records which processors keep.
const STATE_FOLDER: &str = "state";

/// What can go wrong with the files of a history.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not use \"{path}\"")]
    File { path: PathBuf, source: std::io::Error },
    /// The contracts that must not become a version, a line each: what, where, and why not.
    #[error("no version was added:\n{}", .0.join("\n"))]
    Incompatible(Vec<String>),
}

/// Name (`OrderCaptured`, `capture.State`) and source text of every contract.
pub fn sources() -> impl Iterator<Item = (&'static str, &'static str)> {
    contracts::SOURCES.iter().chain(contracts::STATE_SOURCES).copied()
}

/// Name and all versions of every contract that was ever published, the oldest first, as this build carries them.
pub const PUBLISHED: &[(&str, &[&str])] = include!(concat!(env!("OUT_DIR"), "/published.rs"));

/// The versions of a contract that this build carries.
pub fn published(name: &str) -> &'static [&'static str] {
    PUBLISHED.iter().find(|(known, _)| *known == name).map_or(&[], |(_, versions)| versions)
}

/// Where the versions of one contract lie, below the folder of all.
pub fn folder(root: &Path, name: &str) -> PathBuf {
    // Only what processors keep has a processor in its name.
    if name.contains('.') { root.join(STATE_FOLDER).join(name) } else { root.join(name) }
}

/// The versions of a contract, from 1; none where it is new.
///
/// # Errors
/// A file that is there cannot be read.
pub fn versions(root: &Path, name: &str) -> Result<Vec<String>, Error> {
    let mut versions = Vec::new();
    loop {
        let path = folder(root, name).join(format!("{}.avsc", versions.len() + 1));
        match std::fs::read_to_string(&path) {
            Ok(text) => versions.push(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(versions),
            Err(source) => return Err(Error::File { path, source }),
        }
    }
}

/// What keeps a contract and any of its versions from reading each other, and what will be in the way of the next: a line each.
pub fn incompatible(versions: &[String], source: &str) -> Vec<String> {
    let of_version = |(number, version): (usize, &String)| {
        let found = findings(version, source).into_iter();
        found.map(move |finding| format!("against version {number}: {finding}")).collect::<Vec<_>>()
    };
    let against = (1..).zip(versions).flat_map(of_version);
    lints(source).into_iter().chain(against).collect()
}

/// Whether the contract as it stands is its last version, white space aside.
pub fn is_current(versions: &[String], source: &str) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    versions.last().is_some_and(|last| parsed(last) == parsed(source))
}

/// Adds a version of every contract that changed, all or none; gives the files that were written.
///
/// # Errors
/// [`Error::Incompatible`] where a contract cannot become a version; a file that cannot be read or written.
pub fn add(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let (mut fresh, mut refused) = (Vec::new(), Vec::new());
    for (name, source) in sources() {
        let versions = versions(root, name)?;
        let found = incompatible(&versions, source);
        refused.extend(found.into_iter().map(|finding| format!("{name} {finding}")));
        if !is_current(&versions, source) {
            fresh.push((folder(root, name).join(format!("{}.avsc", versions.len() + 1)), source));
        }
    }
    if !refused.is_empty() {
        return Err(Error::Incompatible(refused));
    }
    for (path, source) in &fresh {
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        written
            .and_then(|()| std::fs::write(path, source))
            .map_err(|source| Error::File { path: path.clone(), source })?;
    }
    Ok(fresh.into_iter().map(|(path, _)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_added_once_and_a_breaking_change_never() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("history");
        let count = sources().count();
        assert_eq!(add(&root).unwrap().len(), count);
        assert_eq!(add(&root).unwrap(), Vec::<PathBuf>::new(), "nothing changed");

        // As if the published version had had a field that is gone by now.
        let path = folder(&root, "RequestIgnored").join("1.avsc");
        let published = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, published.replace("\"requestId\"", "\"requestName\"")).unwrap();
        let Err(Error::Incompatible(refused)) = add(&root) else { panic!("a renamed field is refused") };
        assert!(
            refused[0].starts_with("RequestIgnored against version 1: /requestName: the field is gone"),
            "{refused:?}"
        );
        assert!(!folder(&root, "RequestIgnored").join("2.avsc").exists());
    }
}
