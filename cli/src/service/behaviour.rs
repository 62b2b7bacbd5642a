//! How the simulated downstream behaves: as the settings say, or as it was told since.
//!
//! What it was told is a file in the data directory and survives a restart: a system that was taken down for a test must not come
//! back because the service did. `orderstream downstream scenario --reset` removes it.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use connectors::downstream::Scenario;
use domain::catalog::{Catalog, TaskType};

use crate::settings::Settings;

/// Below the data directory.
const FILE: &str = "downstream-scenario.json";

/// The scenario in force, shared by the simulated downstream and whoever changes it.
#[derive(Debug)]
pub struct Behaviour {
    file: PathBuf,
    configured: Scenario,
    /// What a completion reports by the catalog, whatever the scenario says.
    task_types: Vec<TaskType>,
    in_force: Mutex<InForce>,
}

#[derive(Debug)]
struct InForce {
    scenario: Scenario,
    is_changed: bool,
    /// Raised with every change.
    version: u64,
}

impl Behaviour {
    /// # Errors
    /// A scenario that cannot be read, or has findings: that of the settings, or that in the data directory.
    pub fn open(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Behaviour> {
        let file = settings.node.data_dir.join(FILE);
        let configured = super::downstream::scenario(&settings.downstream.scenario)?;
        let is_changed = file.exists();
        let scenario = if is_changed {
            super::downstream::scenario(&file).context(
                "`orderstream downstream scenario --reset` cannot read it either: remove the file by hand",
            )?
        } else {
            configured.clone()
        };
        let task_types = catalog.task_types.values().cloned().collect();
        let in_force = Mutex::new(InForce { scenario, is_changed, version: 0 });
        Ok(Behaviour { file, configured, task_types, in_force })
    }

    /// Nothing panics while the lock is held, so a poisoned one holds what it should.
    fn held(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it was given, without what the catalog adds.
    pub fn scenario(&self) -> Scenario {
        self.held().scenario.clone()
    }

    pub fn is_changed(&self) -> bool {
        self.held().is_changed
    }

    /// The scenario to follow where it is not `known` already, and its version. Whatever the catalog says a completion reports, the
    /// simulated system reports; else later tasks would miss it.
    pub fn newer(&self, known: Option<u64>) -> Option<(u64, Scenario)> {
        let (version, mut scenario) = {
            let held = self.held();
            if known == Some(held.version) {
                return None;
            }
            (held.version, held.scenario.clone())
        };
        scenario.cover(&self.task_types);
        Some((version, scenario))
    }

    /// For commands received from now on, and after every restart.
    ///
    /// # Errors
    /// All that is wrong with the text; or the file could not be written, and nothing has changed.
    pub fn change(&self, json: &str) -> anyhow::Result<()> {
        let scenario = Scenario::from_json(json).map_err(|findings| anyhow::anyhow!(findings.join("; ")))?;
        let mut held = self.held();
        write(&self.file, scenario.to_json().as_bytes())
            .with_context(|| format!("could not write \"{}\"", self.file.display()))?;
        *held = InForce { scenario, is_changed: true, version: held.version + 1 };
        tracing::info!("behaviour of the simulated downstream was changed");
        Ok(())
    }

    /// Back to what the settings say.
    ///
    /// # Errors
    /// The file could not be removed, and nothing has changed.
    pub fn reset(&self) -> anyhow::Result<()> {
        let mut held = self.held();
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("could not remove \"{}\"", self.file.display()));
            }
            Ok(()) | Err(_) => {}
        }
        *held = InForce { scenario: self.configured.clone(), is_changed: false, version: held.version + 1 };
        tracing::info!("behaviour of the simulated downstream is that of the settings again");
        Ok(())
    }
}

/// All of the new content, or the old.
fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(settings: &Settings) -> anyhow::Result<Behaviour> {
        let mut settings = settings.clone();
        settings.catalog.directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/catalog");
        Behaviour::open(&settings, &crate::service::catalog::load(&settings.catalog)?)
    }

    #[test]
    fn a_change_is_followed_once_survives_a_restart_and_goes_with_a_reset() {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::load(None).unwrap();
        settings.node.data_dir = directory.path().to_owned();
        let behaviour = open(&settings).unwrap();
        let (first, _) = behaviour.newer(None).unwrap();
        assert!(behaviour.newer(Some(first)).is_none(), "nothing has changed");
        let refused =
            behaviour.change(r#"{"behaviour": {"latency": {"kind": "fixed", "ms": -1}}}"#).unwrap_err();
        assert!(refused.to_string().contains("ms is -1"), "{refused}");
        assert!(behaviour.newer(Some(first)).is_none(), "a scenario with findings changes nothing");
        behaviour.change(r#"{"seed": 9, "behaviour": {"latency": {"kind": "fixed", "ms": 1}}}"#).unwrap();
        let (second, scenario) = behaviour.newer(Some(first)).unwrap();
        assert_eq!(scenario.seed, 9);
        assert!(
            scenario.commands.values().any(|script| !script.outputs.is_empty()),
            "the catalog's outputs are reported"
        );
        assert!(behaviour.newer(Some(second)).is_none());
        let again = open(&settings).unwrap();
        assert!(again.is_changed() && again.scenario().seed == 9);
        again.reset().unwrap();
        assert!(!again.is_changed() && again.scenario().seed == Scenario::default().seed);
        assert!(!open(&settings).unwrap().is_changed());
        std::fs::write(directory.path().join(FILE), "{").unwrap();
        let refused = format!("{:#}", open(&settings).unwrap_err());
        assert!(refused.contains("downstream-scenario.json"), "{refused}");
    }
}
