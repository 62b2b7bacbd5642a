//! One measurement in a process of its own, so that its memory is its own, and the cores that it is held to are its alone.
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Runs a subcommand of this program that takes `load` as JSON and prints what it measured as JSON.
///
/// # Errors
/// It cannot be run, fails, or prints something else.
pub fn run<T: DeserializeOwned>(subcommand: &str, load: &impl Serialize) -> anyhow::Result<T> {
    let ran = Command::new(std::env::current_exe()?)
        .args([subcommand, &serde_json::to_string(load)?])
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("could not run this program for \"{subcommand}\""))?;
    ensure!(ran.status.success(), "\"{subcommand}\" ended with {}", ran.status);
    serde_json::from_slice(&ran.stdout).with_context(|| format!("\"{subcommand}\" printed no figures"))
}
