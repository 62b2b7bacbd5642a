//! The processors without a log: what an order costs before anything is written.
use std::sync::Arc;

use anyhow::bail;
use domain::Timestamp;
use domain::catalog::{Catalog, CatalogPublished};
use runtime::{Outgoing, Record};
use schemas::codec::{Codec, StateCodec};
use schemas::registry::{InMemory, LocalIds, SchemaIds};
use schemas::topics;
use topology::memory::Memory;
use topology::{Line, LineSettings, SubTopology};

use crate::world;

/// A line on which one order after the other runs to its end.
pub struct Alone {
    line: Line,
    memory: Memory,
    pub codec: Arc<Codec>,
    catalog: Catalog,
    requests: Box<dyn Iterator<Item = Outgoing>>,
}

impl Alone {
    /// # Errors
    /// The shipped catalog cannot be loaded from the current directory.
    pub fn new() -> anyhow::Result<Alone> {
        let catalog = cli::service::catalog::load(&cli::settings::Settings::default().catalog)?;
        let ids: Arc<dyn SchemaIds> = Arc::new(LocalIds::open(InMemory::default())?);
        let (codec, state) = (Arc::new(Codec::new(ids.clone())), Arc::new(StateCodec::new(ids)));
        let group = SubTopology::defaults().remove(0);
        let mut line = Line::new(group, codec.clone(), state, LineSettings::default());
        let now = Timestamp(1_790_000_000_000);
        let mut memory = Memory::default();
        memory.now = now;
        let published = codec.encode(topics::CATALOG, &CatalogPublished::of(&catalog, now))?;
        line.take_broadcast(&record(
            topics::CATALOG,
            Outgoing {
                topic: topics::CATALOG.into(),
                partition: None,
                key: Some(catalog.version.0.clone().into()),
                value: Some(published.into()),
                headers: Vec::new(),
                timestamp_ms: now.0,
            },
        ));
        // Lives as long as the measurement, which is as long as the process.
        let generator = Box::leak(Box::new(world::w6_orders(1, now.0)?));
        let requests = Box::new(world::requests(generator, now.0));
        Ok(Alone { line, memory, codec, catalog, requests })
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// One order from its request to its end; gives all that was written about it.
    ///
    /// # Errors
    /// It does not end well.
    pub fn order(&mut self) -> anyhow::Result<Vec<Outgoing>> {
        let Some(request) = self.requests.next() else { bail!("no request left") };
        let mut written = Vec::new();
        let mut next = vec![record(topics::ORDER_REQUESTS, request)];
        while let Some(input) = next.pop() {
            let taken = self.line.take_record(&mut self.memory, &input);
            taken.map_err(|error| anyhow::anyhow!("{error:?}"))?;
            for outgoing in std::mem::take(&mut self.memory.emitted) {
                if outgoing.topic.starts_with("orderstream.commands.") {
                    let answer =
                        world::answer(&self.codec, Timestamp(outgoing.timestamp_ms), &outgoing.value)?;
                    next.push(record(topics::FEEDBACK, answer));
                }
                written.push(outgoing);
            }
        }
        Ok(written)
    }
}

fn record(topic: &str, outgoing: Outgoing) -> Record {
    let Outgoing { key, value, headers, timestamp_ms, .. } = outgoing;
    Record { topic: topic.into(), partition: 0, offset: 0, timestamp_ms, key, value, headers }
}
