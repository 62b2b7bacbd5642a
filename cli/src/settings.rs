//! The settings file, its defaults and ranges. Unknown keys are refused.
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

/// The most threads of one sub-topology.
const WORKERS_MAX: u32 = 64;
/// The most partitions of the order-keyed topics.
const PARTITIONS_MAX: u32 = 256;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub node: Node,
    pub log: Log,
    #[serde(rename = "subtopology")]
    pub subtopologies: Vec<topology::SubTopology>,
    pub catalog: Catalog,
    pub projection: Projection,
    pub downstream: Downstream,
    pub logging: Logging,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Node {
    pub data_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    Embedded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    Fsync,
    Os,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub kind: LogKind,
    pub durability: Durability,
    pub partitions: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Catalog {
    pub directory: PathBuf,
    pub time_divisor: u32,
    /// What is longer after the division is cut to this; 0: nothing is.
    pub duration_ms_max: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Projection {
    pub url: String,
    /// So long after its end an order keeps its history; 0: for ever.
    pub history_retention_days: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Downstream {
    pub simulated: bool,
    pub scenario: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Pretty,
    Json,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Logging {
    pub format: LogFormat,
    pub level: String,
}

impl Default for Node {
    fn default() -> Node {
        Node { data_dir: "data".into() }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { kind: LogKind::Embedded, durability: Durability::Fsync, partitions: 8 }
    }
}

impl Default for Catalog {
    fn default() -> Catalog {
        Catalog { directory: "config/catalog".into(), time_divisor: 1, duration_ms_max: 0 }
    }
}

impl Default for Downstream {
    fn default() -> Downstream {
        Downstream { simulated: true, scenario: PathBuf::new() }
    }
}

impl Default for Logging {
    fn default() -> Logging {
        Logging { format: LogFormat::Pretty, level: "info".to_owned() }
    }
}

impl Settings {
    /// Defaults, then the file, then the environment (`ORDERSTREAM__LOG__DURABILITY`).
    ///
    /// # Errors
    /// What is unknown, of the wrong type or out of range, with the key's name; an unreadable file.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Settings> {
        let mut builder = config::Config::builder();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("could not read \"{}\"", path.display()))?;
            builder = builder.add_source(config::File::from_str(&text, config::FileFormat::Toml));
        }
        let environment =
            config::Environment::with_prefix("ORDERSTREAM").prefix_separator("__").separator("__");
        let loaded = builder.add_source(environment.try_parsing(true)).build();
        let shown =
            file.map_or_else(|| "the environment".to_owned(), |path| format!("\"{}\"", path.display()));
        let settings: Settings = loaded
            .and_then(config::Config::try_deserialize)
            .with_context(|| format!("settings in {shown} are not valid"))?;
        settings.checked().with_context(|| format!("settings in {shown} are not valid"))
    }

    fn checked(mut self) -> anyhow::Result<Settings> {
        if self.subtopologies.is_empty() {
            self.subtopologies = topology::SubTopology::defaults();
        }
        if !(1..=PARTITIONS_MAX).contains(&self.log.partitions) {
            bail!("log.partitions is {}, allowed are 1 to {PARTITIONS_MAX}", self.log.partitions);
        }
        if self.catalog.time_divisor == 0 {
            bail!("catalog.time_divisor is 0, it must be at least 1");
        }
        if self.catalog.duration_ms_max < 0 {
            bail!("catalog.duration_ms_max is {}, it must be 0 or more", self.catalog.duration_ms_max);
        }
        for group in &self.subtopologies {
            if !(1..=WORKERS_MAX).contains(&group.workers) {
                bail!(
                    "subtopology \"{}\" has {} workers, allowed are 1 to {WORKERS_MAX}",
                    group.name,
                    group.workers
                );
            }
        }
        topology::check(&self.subtopologies)?;
        Ok(self)
    }

    /// Where the projection is: the configured address, else a file in the data directory.
    pub fn projection_url(&self) -> String {
        if self.projection.url.is_empty() {
            let path = self.node.data_dir.join("projection.sqlite").display().to_string();
            // What means something in an address.
            let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
            format!("sqlite://{path}")
        } else {
            self.projection.url.clone()
        }
    }
}
