//! The settings: a file, its defaults and ranges, the environment. What each is, is said once, in [`keys`].
//!
//! [`load`] reads the sources and knows where each value came from; [`Settings`] is what the rest of the program sees.
use std::path::{Path, PathBuf};

use serde::Deserialize;
use topology::SubTopology;

mod groups;
mod kafka;
pub mod key;
pub mod keys;
pub mod load;
pub mod nearest;
pub mod reference;
#[cfg(test)]
mod tests;

pub use kafka::{Kafka, KafkaSecurity, STATE_DIR, SaslMechanism};
use key::Value;
use load::{Error, Read, Sources, Values};

/// Every value, checked. Fields are the keys of [`keys::KEYS`], section by section: one that only one of both has is our own mistake.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub node: Node,
    pub log: Log,
    pub registry: Registry,
    pub kafka: Kafka,
    pub retention: Retention,
    pub batch: Batch,
    pub catalog: Catalog,
    pub orchestration: Orchestration,
    pub stuck_orders: StuckOrders,
    pub projection: Projection,
    pub downstream: Downstream,
    pub gateway: Gateway,
    pub readiness: Readiness,
    pub heartbeat: Heartbeat,
    pub logging: Logging,
    #[serde(skip)]
    pub subtopologies: Vec<SubTopology>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    pub data_dir: PathBuf,
    /// Empty where nothing asks for one.
    pub name: String,
    pub stop_wait_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    Embedded,
    Kafka,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    Fsync,
    Os,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub kind: LogKind,
    pub durability: Durability,
    pub partitions: u32,
    pub block_cache_bytes: usize,
    pub write_buffers_bytes: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Empty: there is none.
    pub url: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    pub story_days: i64,
    pub internal_days: i64,
    pub dead_letters_days: i64,
    pub ended_orders_days: i64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub records_max: usize,
    pub bytes_max: usize,
    pub timers_max: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    pub directory: PathBuf,
    pub time_divisor: u32,
    /// What is longer after the division is cut to this; 0: nothing is.
    pub duration_ms_max: i64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orchestration {
    pub turn_wait_ms: i64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StuckOrders {
    pub grace_ms: i64,
    pub stage_ms: i64,
    pub deferred_ms: i64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    pub url: String,
    pub batch_records_max: usize,
    pub history_retention_days: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Downstream {
    pub simulated: bool,
    pub scenario: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Address and port; empty: nothing listens.
    pub listen: String,
    pub connections_max: usize,
    pub request_timeout_ms: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readiness {
    pub projection_lag_records_max: u64,
    pub heartbeat_age_ms_max: i64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// 0: none is sent.
    pub interval_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Pretty,
    Json,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    pub format: LogFormat,
    pub level: String,
}

/// The settings, and where each of them came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub read: Read,
}

impl Default for Settings {
    fn default() -> Settings {
        let read = load::read(&Sources::default());
        Settings::of(&read.unwrap_or_else(|error| panic!("the defaults go together: {error}")))
    }
}

impl Settings {
    /// Defaults, then the file, then the environment (`ORDERSTREAM__LOG__DURABILITY`).
    ///
    /// # Errors
    /// Everything that is unknown, of the wrong kind or out of range, a line each with its place; an unreadable file.
    pub fn load(file: Option<&Path>) -> Result<Settings, Error> {
        Ok(Settings::load_from(&Sources::of_process(file))?.settings)
    }

    /// # Errors
    /// As [`Settings::load`].
    pub fn load_from(sources: &Sources) -> Result<Loaded, Error> {
        let read = load::read(sources)?;
        Ok(Loaded { settings: Settings::of(&read), read })
    }

    fn of(read: &Read) -> Settings {
        let settings: Result<Settings, toml::de::Error> = table(&read.values).try_into();
        // Every value was checked for its key; that keys and fields are the same is tested.
        let settings = settings.unwrap_or_else(|error| panic!("settings and their table differ: {error}"));
        Settings { subtopologies: read.groups.clone(), ..settings }
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

/// Section → key → value.
fn table(values: &Values) -> toml::Table {
    let mut sections = toml::Table::new();
    for key in keys::KEYS {
        let Some((value, _)) = values.get(key.name) else { continue };
        let value = match value {
            Value::Flag(flag) => toml::Value::Boolean(*flag),
            Value::Whole(whole) => toml::Value::Integer(*whole),
            Value::Text(text) => toml::Value::String(text.clone()),
        };
        let section = sections.entry(key.section()).or_insert_with(|| toml::Table::new().into());
        if let toml::Value::Table(section) = section {
            section.insert(key.short().to_owned(), value);
        }
    }
    sections
}
