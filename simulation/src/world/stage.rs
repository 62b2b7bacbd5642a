//! What all runs of a process share, because it takes long to make and never changes: the catalog, the codecs, and a handler per
//! grouping that has read the catalog.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use domain::Timestamp;
use domain::catalog::{Catalog, CatalogPublished};
use runtime::{Outgoing, Record, TopicSpec, Topics};
use schemas::codec::{Codec, StateCodec};
use schemas::registry::{LocalIds, SchemaIds};
use schemas::topics::{self, Partitioning, Retention};
use schemas::{contracts, registry};
use topology::{Line, LineSettings, SubTopology};

/// When every run begins: 2026-01-01, UTC milliseconds.
pub const START_MS: i64 = 1_767_225_600_000;

/// The shipped catalog, as it is built in.
const FILES: [(&str, &str); 8] = [
    ("benchmark.toml", include_str!("../../../config/catalog/benchmark.toml")),
    ("business-fiber.toml", include_str!("../../../config/catalog/business-fiber.toml")),
    ("dsl.toml", include_str!("../../../config/catalog/dsl.toml")),
    ("fallout.toml", include_str!("../../../config/catalog/fallout.toml")),
    ("mobile.toml", include_str!("../../../config/catalog/mobile.toml")),
    ("residential.toml", include_str!("../../../config/catalog/residential.toml")),
    ("systems.toml", include_str!("../../../config/catalog/systems.toml")),
    ("tmf-examples.toml", include_str!("../../../config/catalog/tmf-examples.toml")),
];

/// One way to group the processors, with the handlers to clone.
#[derive(Clone, Debug)]
pub struct Grouping {
    pub groups: Vec<(SubTopology, Line)>,
}

/// The shared things.
#[derive(Debug)]
pub struct Stage {
    pub catalog: Catalog,
    pub codec: Arc<Codec>,
    pub fused: Grouping,
    pub split: Grouping,
    /// The catalog as it lies on its topic.
    pub published: Outgoing,
}

impl Stage {
    /// With the shipped catalog.
    ///
    /// # Errors
    /// The catalog has findings, or cannot be written.
    pub fn new() -> anyhow::Result<Stage> {
        let catalog =
            Catalog::from_files(&FILES).map_err(|findings| anyhow!("shipped catalog: {findings:?}"))?;
        let ids: Arc<dyn SchemaIds> = Arc::new(LocalIds::in_memory());
        // In a fixed sequence: else the ids in the records would depend on which run came first.
        for contract in contracts::all().iter().chain(contracts::states()) {
            ids.id_of(&registry::subject("", contract), &contract.json)?;
        }
        let (codec, state) = (Arc::new(Codec::new(ids.clone())), Arc::new(StateCodec::new(ids)));
        let value = codec.encode(topics::CATALOG, &CatalogPublished::of(&catalog, Timestamp(START_MS)))?;
        let published = Outgoing {
            topic: topics::CATALOG.into(),
            partition: Some(0),
            key: Some(catalog.version.0.clone().into()),
            value: Some(value.into()),
            headers: Vec::new(),
            timestamp_ms: START_MS,
        };
        let record = Record {
            topic: published.topic.clone(),
            partition: 0,
            offset: 0,
            timestamp_ms: START_MS,
            key: published.key.clone(),
            value: published.value.clone(),
            headers: Vec::new(),
        };
        let grouping = |groups: Vec<SubTopology>| -> anyhow::Result<Grouping> {
            topology::check(&groups).context("grouping")?;
            let line = |group: SubTopology| {
                let mut line =
                    Line::new(group.clone(), codec.clone(), state.clone(), LineSettings::default());
                line.take_broadcast(&record);
                (group, line)
            };
            Ok(Grouping { groups: groups.into_iter().map(line).collect() })
        };
        let (fused, split) = (grouping(SubTopology::defaults())?, grouping(SubTopology::split())?);
        Ok(Stage { catalog, codec, fused, split, published })
    }

    /// All topics, those keyed by order or product with so many partitions.
    ///
    /// # Errors
    /// A topic is declared wrongly.
    pub fn topics(&self, partitions: u32) -> Result<Arc<Topics>, runtime::Error> {
        let all = topics::all(self.catalog.systems.keys().map(String::as_str));
        let spec = |(name, topic): (String, &topics::Topic)| {
            let partitions = match topic.partitioning {
                Partitioning::Order | Partitioning::Product | Partitioning::Outward | Partitioning::Any => {
                    partitions
                }
                Partitioning::System | Partitioning::Broadcast => 1,
            };
            let compacted = topic.retention == Retention::Compacted;
            TopicSpec { compacted, ..TopicSpec::new(&name, partitions) }
        };
        Ok(Arc::new(Topics::checked(all.into_iter().map(spec).collect())?))
    }
}
