//! A data directory that a demonstration left behind: real orders with planted faults, made once per process and copied.
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the repository: shipped files are named from there.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it lies in the workspace")
}

pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ORDERSTREAM_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().and_then(Path::parent).expect("tests lie below the binary");
    folder.join("orderstream")
}

/// `orderstream` on a data directory, from the root, to its end.
pub fn orderstream(data_dir: &Path, arguments: &[&str]) -> Output {
    Command::new(binary())
        .current_dir(root())
        .arg("--data-dir")
        .arg(data_dir)
        .args(arguments)
        .output()
        .expect("the binary is built before")
}

/// What a successful command printed.
///
/// # Panics
/// It did not succeed.
#[track_caller]
pub fn answer(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}{}", output.status, String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Lets a demonstration run in an empty folder: some hundred orders, a third of them with a planted fault.
pub fn run_demonstration(data_dir: &Path) {
    let arguments = ["demo", "--orders", "150", "--faults", "0.3", "--seed", "7"];
    answer(orderstream(data_dir, &arguments));
}

/// A folder with all that is below it.
pub fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
