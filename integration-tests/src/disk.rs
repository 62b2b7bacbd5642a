//! A real full disk: a small file system of its own, mounted where nobody else sees it. Where nothing may be mounted, a test with
//! a limit on the size of files has to do: the kernel refuses to let a file grow, with another error.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set for the part of a test that runs in a mount namespace of its own: where its small disk is.
const INSIDE: &str = "ORDERSTREAM_TEST_MOUNTED";
const PIECE_BYTES: usize = 4_096;

/// How a test is to play a full disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// On this one.
    Small(PathBuf),
    /// It was played, by a second run of the test that had a small one.
    Played,
    /// Nothing may be mounted here: not at all.
    Limited,
}

/// Runs the test again, under its whole name, where it has a disk of so many MiB.
///
/// # Panics
/// That run failed.
#[track_caller]
pub fn small(test: &str, mebibytes: u32) -> Disk {
    if let Some(disk) = std::env::var_os(INSIDE) {
        return Disk::Small(disk.into());
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = nix::unistd::geteuid().is_root();
    let unshare: &[&str] = if root { &["--mount"] } else { &["--mount", "--user", "--map-root-user"] };
    let mount = format!("mount -t tmpfs -o size={mebibytes}m none '{}'", folder.path().display());
    let may_mount =
        Command::new("unshare").args(unshare).args(["sh", "-c", &mount]).stderr(Stdio::null()).status();
    if !may_mount.is_ok_and(|status| status.success()) {
        eprintln!("no file system may be mounted here: only a limit on the size of files is played");
        return Disk::Limited;
    }
    let script = format!("{mount} && exec \"$0\" --exact {test} --nocapture");
    let inside = Command::new("unshare")
        .args(unshare)
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe().expect("a test has a path"))
        .env(INSIDE, folder.path())
        .output()
        .expect("it could be run before");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&inside.stdout), text(&inside.stderr));
    assert!(inside.status.success() && out.contains("1 passed"), "{out}{err}");
    Disk::Played
}

/// Writes until so many bytes are left, or none.
///
/// # Panics
/// The disk cannot be written at all.
pub fn fill(disk: &Path, name: &str, bytes_left: u64) {
    use std::io::Write;
    let mut file = std::fs::File::create(disk.join(name)).expect("the disk can be written");
    let piece = [0; PIECE_BYTES];
    while free_bytes(disk) > bytes_left {
        if file.write_all(&piece).is_err() {
            return;
        }
    }
}

fn free_bytes(disk: &Path) -> u64 {
    let found = nix::sys::statvfs::statvfs(disk).expect("the disk is there");
    found.blocks_available() * found.fragment_size()
}

/// The same command where no file may grow beyond so many blocks of `ulimit -f`, which are 512 bytes or 1 KiB by the shell.
pub fn limited(command: &Command, blocks: u32) -> Command {
    // Ignored signals stay ignored: writing beyond the limit is then an error, and not the end of the process.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut limited = Command::new("sh");
    limited.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}
