//! The processors in memory: one line per sub-topology, records handed from one to the other in the sequence in which they were written.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use anyhow::bail;
use domain::Timestamp;
use domain::catalog::{Catalog, CatalogPublished};
use runtime::{DueTimer, HandlerError, Outgoing, Record};
use schemas::codec::{Codec, StateCodec};
use schemas::registry::{InMemory, LocalIds, SchemaIds};
use schemas::topics;
use topology::memory::Memory;
use topology::{Line, LineSettings, SubTopology};

use super::World;

/// More records at one time than any scenario writes.
const RECORDS_MAX: u32 = 100_000;

/// One machine's whole world, without a log.
#[derive(Debug)]
pub struct InMemoryWorld {
    memory: Memory,
    lines: Vec<(SubTopology, Line)>,
    codec: Arc<Codec>,
    queue: VecDeque<Record>,
    written: Vec<Record>,
    offsets: BTreeMap<Arc<str>, i64>,
}

impl InMemoryWorld {
    /// With the catalog published.
    ///
    /// # Errors
    /// The catalog cannot be written.
    pub fn new(groups: Vec<SubTopology>, catalog: &Catalog, now: Timestamp) -> anyhow::Result<InMemoryWorld> {
        topology::check(&groups)?;
        let ids: Arc<dyn SchemaIds> = Arc::new(LocalIds::open(InMemory::default())?);
        let (codec, state) = (Arc::new(Codec::new(ids.clone())), Arc::new(StateCodec::new(ids)));
        let line = |group: SubTopology| {
            let line = Line::new(group.clone(), codec.clone(), state.clone(), LineSettings::default());
            (group, line)
        };
        let lines = groups.into_iter().map(line).collect();
        let mut memory = Memory::default();
        memory.now = now;
        let (queue, written, offsets) = (VecDeque::new(), Vec::new(), BTreeMap::new());
        let mut world = InMemoryWorld { memory, lines, codec, queue, written, offsets };
        let published = world.codec.encode(topics::CATALOG, &CatalogPublished::of(catalog, now))?;
        world.append(Outgoing {
            topic: topics::CATALOG.into(),
            partition: None,
            key: Some(catalog.version.0.clone().into()),
            value: Some(published.into()),
            headers: Vec::new(),
            timestamp_ms: now.0,
        });
        Ok(world)
    }

    fn append(&mut self, outgoing: Outgoing) {
        let Outgoing { topic, key, value, headers, timestamp_ms, .. } = outgoing;
        let next = self.offsets.entry(topic.clone()).or_default();
        let offset = *next;
        *next += 1;
        let record = Record { topic, partition: 0, offset, timestamp_ms, key, value, headers };
        self.queue.push_back(record.clone());
        self.written.push(record);
    }

    /// All of it or nothing, as a shard does it.
    fn step(
        &mut self,
        at: usize,
        record: Option<&Record>,
        call: impl FnOnce(&mut Line, &mut Memory) -> Result<(), HandlerError>,
    ) -> anyhow::Result<()> {
        let before = self.memory.clone();
        match call(&mut self.lines[at].1, &mut self.memory) {
            Ok(()) => {}
            Err(HandlerError::Retry(reason)) => bail!("in memory nothing comes later: {reason}"),
            Err(HandlerError::Damaged { what }) => bail!("memory is not damaged: {what}"),
            Err(HandlerError::Refused { reason }) => bail!("nobody is refused in memory: {reason}"),
            Err(HandlerError::DeadLetter { reason }) => {
                self.memory = before;
                let mut headers = record.map(|record| record.headers.clone()).unwrap_or_default();
                headers.push((runtime::shard::HEADER_REASON.into(), reason.into()));
                self.memory.emitted.push(Outgoing {
                    topic: topics::DEAD_LETTERS.into(),
                    partition: None,
                    key: record.and_then(|record| record.key.clone()),
                    value: record.and_then(|record| record.value.clone()),
                    headers,
                    timestamp_ms: self.memory.now.0,
                });
            }
        }
        for outgoing in std::mem::take(&mut self.memory.emitted) {
            self.append(outgoing);
        }
        Ok(())
    }

    fn deliver(&mut self, record: &Record) -> anyhow::Result<()> {
        if matches!(record.topic.as_ref(), topics::CATALOG | topics::DOWNSTREAM_HEALTH) {
            self.lines.iter_mut().for_each(|(_, line)| line.take_broadcast(record));
            return Ok(());
        }
        for at in 0..self.lines.len() {
            if self.lines[at].0.topics().contains(&record.topic.as_ref()) {
                self.step(at, Some(record), |line, memory| line.take_record(memory, record))?;
            }
        }
        Ok(())
    }
}

impl World for InMemoryWorld {
    fn now(&self) -> Timestamp {
        self.memory.now
    }

    fn codec(&self) -> &Codec {
        &self.codec
    }

    fn send(&mut self, records: Vec<Outgoing>) -> anyhow::Result<()> {
        records.into_iter().for_each(|record| self.append(record));
        Ok(())
    }

    fn settle(&mut self) -> anyhow::Result<Vec<Record>> {
        for _ in 0..RECORDS_MAX {
            if let Some(record) = self.queue.pop_front() {
                self.deliver(&record)?;
                continue;
            }
            let Some((processor, key, name, due)) = self.memory.take_due() else {
                return Ok(std::mem::take(&mut self.written));
            };
            let at = self.lines.iter().position(|(group, _)| group.processors.contains(&processor));
            let Some(at) = at else { bail!("processor \"{}\" stands nowhere", processor.name()) };
            let (processor, name) = (processor.name().into(), name.into());
            let timer = DueTimer { due_ms: due.0, key, processor, name, partition: 0 };
            self.step(at, None, |line, memory| line.take_timer(memory, &timer))?;
        }
        bail!("{RECORDS_MAX} records at one time, and no end")
    }

    fn next_due(&mut self) -> anyhow::Result<Option<Timestamp>> {
        Ok(self.memory.next_due())
    }

    fn advance(&mut self, to: Timestamp) {
        self.memory.now = self.memory.now.max(to);
    }
}
