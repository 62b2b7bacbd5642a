//! What is installed on other people's machines: the systemd unit by systemd's own checker, and what the image is built from.
use std::path::{Path, PathBuf};
use std::process::Command;

/// Out of 100; systemd itself calls less than 20 safe.
const EXPOSURE_MAX: &str = "20";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What a tool says of the unit, with a program in place of the one that is not installed here.
fn analyzed(arguments: &[&str]) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let unit = std::fs::read_to_string(root().join("packaging/systemd/orderstream.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/orderstream "));
    let path = directory.path().join("orderstream.service");
    std::fs::write(&path, unit.replace("/usr/bin/orderstream", "/bin/true")).unwrap();
    let output = Command::new("systemd-analyze").args(arguments).arg(&path).env("SYSTEMD_PAGER", "").output();
    let output = output.expect("systemd-analyze is there: scripts/setup.sh installs the package systemd");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    assert_eq!(analyzed(&["verify", "--man=no"]), (true, String::new()));
}

#[test]
fn the_unit_is_exposed_to_little() {
    let (is_safe, said) = analyzed(&["security", "--offline=true", &format!("--threshold={EXPOSURE_MAX}")]);
    assert!(is_safe, "{said}");
}

#[test]
fn the_unit_waits_longer_for_an_end_than_the_service_takes() {
    let unit = std::fs::read_to_string(root().join("packaging/systemd/orderstream.service")).unwrap();
    let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap();
    let stop_s: u64 = stop.trim_end_matches('s').parse().unwrap();
    assert!(stop_s * 1_000 > cli::settings::Settings::default().node.stop_wait_ms);
}

#[test]
fn every_crate_is_in_the_image_before_its_sources_are() {
    let workspace: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let copy = |file: &str| {
        let to = directory.path().join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(root().join(file), to).unwrap();
    };
    for member in workspace["workspace"]["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        let line = format!("COPY {member}/Cargo.toml {member}/\n");
        assert!(dockerfile.contains(&line), "the Dockerfile lacks {line}");
        copy(&format!("{member}/Cargo.toml"));
    }
    ["Cargo.toml", "Cargo.lock", "packaging/docker/empty-crates.sh"].iter().for_each(|file| copy(file));
    let made = Command::new(directory.path().join("packaging/docker/empty-crates.sh")).status().unwrap();
    assert!(made.success());
    // Cargo finds a file for everything that a manifest names, and the lock file fits.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--format-version", "1", "--no-deps"]);
    let output = cargo.current_dir(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
