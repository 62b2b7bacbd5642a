//! The settings file. It is read from a file: so this target writes one.
use std::path::PathBuf;
use std::sync::LazyLock;

use cli::settings::Settings;
use tempfile::TempDir;

static DIRECTORY: LazyLock<TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a folder for temporary files can be made"));

pub(super) fn run(bytes: &[u8]) {
    let name = format!("{:?}.toml", std::thread::current().id());
    let path: PathBuf = DIRECTORY.path().join(name);
    std::fs::write(&path, bytes).expect("the folder was made a moment ago");
    if let Err(error) = Settings::load(Some(&path)) {
        let said = format!("{error:#}");
        assert!(said.contains(&path.display().to_string()), "it names the file: {said}");
    }
}
