//! The service that is measured, as a process of its own.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// The real binary; killed when it is dropped.
pub struct Running(Child);

impl Running {
    /// `variables`: what its environment has beside ours.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn start(binary: &Path, data_dir: &Path, variables: &[(&str, String)]) -> anyhow::Result<Running> {
        std::fs::create_dir_all(data_dir)?;
        let log = std::fs::File::create(data_dir.join("service.log"))?;
        let child = Command::new(binary)
            .args(["run", "--data-dir"])
            .arg(data_dir)
            .env("ORDERSTREAM__DOWNSTREAM__SIMULATED", "false")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not run \"{}\"", binary.display()))?;
        Ok(Running(child))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// It ended by itself and was waited for.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After an error half-way; a process that is gone already is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The binary that was built beside this one, unless ORDERSTREAM_BIN names another.
///
/// # Errors
/// There is none.
pub fn binary() -> anyhow::Result<PathBuf> {
    let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("orderstream"));
    let path = std::env::var_os("ORDERSTREAM_BIN").map_or_else(beside, |path| Ok(path.into()))?;
    anyhow::ensure!(path.is_file(), "no binary \"{}\"; build it first: cargo build -p cli", path.display());
    Ok(path)
}
