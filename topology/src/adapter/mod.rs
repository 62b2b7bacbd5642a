//! Joins codec, processors and shard: bytes in, decisions in the middle, bytes out.
//!
//! An event goes from one processor to the next in memory and to its topic. Where the next stands in another
//! sub-topology, it reads the same event from the topic: its id, its cause and its time are the same either way.
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use domain::Timestamp;
use domain::catalog::{Catalogs, published::CatalogPublished};
use domain::downstream::DownstreamHealth;
use domain::order::event::OrderEvent;
use processors::Arrival;
use runtime::{DueTimer, Handler, HandlerError, Names, Record, Step};
use schemas::codec::{Codec, StateCodec};
use schemas::{headers, topics};

use crate::cause;
use crate::graph::{Processor, SubTopology};
use crate::shell::Shell;
use crate::stages::Stages;

mod capture;
mod chain;
mod emit;
pub mod heartbeat;
mod keyed;
mod orchestration;
mod put_off;
mod states;
#[cfg(test)]
mod tests;

use emit::Emitter;
use put_off::PutOff;
pub use states::{Kept, read_cell};

/// What an operator may choose of all processors.
#[derive(Clone, Copy, Debug, Default)]
pub struct LineSettings {
    pub orchestration: processors::orchestration::Settings,
    pub stuck_orders: processors::stuck_orders::Settings,
}

impl LineSettings {
    /// With every duration divided: for demonstrations, whose catalog is divided alike.
    pub fn scaled(self, divisor: u32) -> LineSettings {
        let divided = |ms: i64| (ms / i64::from(divisor.max(1))).max(1);
        let mut scaled = self;
        scaled.stuck_orders.grace_ms = divided(self.stuck_orders.grace_ms);
        scaled.stuck_orders.stage_ms = divided(self.stuck_orders.stage_ms);
        scaled.stuck_orders.deferred_ms = divided(self.stuck_orders.deferred_ms);
        scaled.orchestration.turn_wait_ms = divided(self.orchestration.turn_wait_ms);
        scaled
    }
}

/// The processors of one sub-topology, as a shard's handler. Every worker has its own. A clone knows what was broadcast so far; who
/// starts many workers makes one that has read the catalog, and clones it.
#[derive(Clone, Debug)]
pub struct Line {
    group: SubTopology,
    codec: Arc<Codec>,
    state: Arc<StateCodec>,
    settings: LineSettings,
    /// Both are derived from broadcasts alone.
    catalogs: Catalogs,
    health: BTreeMap<String, DownstreamHealth>,
    put_off: PutOff,
    stages: Stages,
    /// Of the topics and headers that are written.
    names: RefCell<Names>,
}

/// An error with all its causes.
fn told(what: &str, error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = format!("{what}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        told.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    told
}

/// A dead letter for an input that can never be read, or an output that can never be written. What only the ids of schemas keep from it
/// (a registry that is away, a full disk) is tried again: the input is not to blame.
fn unreadable(what: &str, error: &(dyn std::error::Error + 'static)) -> HandlerError {
    let reason = told(what, error);
    match error.downcast_ref::<schemas::codec::Error>() {
        Some(error) if error.is_passing() => HandlerError::Retry(reason),
        Some(_) | None => dead_letter(reason),
    }
}

/// A broadcast record that changes nothing: there is nobody to send it back to.
fn refused(record: &Record, reason: &str) {
    tracing::error!(topic = %record.topic, offset = record.offset, error = reason, "broadcast record refused");
}

/// The reason may show text of the record, and operators read it on terminals.
fn dead_letter(reason: impl Into<String>) -> HandlerError {
    HandlerError::DeadLetter { reason: domain::text::shown(&reason.into()).into_owned() }
}

impl Line {
    pub fn new(
        group: SubTopology,
        codec: Arc<Codec>,
        state: Arc<StateCodec>,
        settings: LineSettings,
    ) -> Line {
        let stages = Stages::new(&group.processors);
        Line {
            group,
            codec,
            state,
            settings,
            catalogs: Catalogs::default(),
            health: BTreeMap::new(),
            put_off: PutOff::default(),
            stages,
            names: RefCell::default(),
        }
    }

    /// A record of a broadcast topic: a catalog version, or the health of a system. One that can never be read changes nothing; one whose
    /// schema cannot be had at the moment is tried again with the inputs that follow.
    pub fn take_broadcast(&mut self, record: &Record) {
        if self.put_off.has_key_of(record) {
            return self.put_off(record, "an older one of its key waits for its schema");
        }
        match self.broadcast(record) {
            Ok(()) => {}
            Err(HandlerError::Retry(reason)) => self.put_off(record, &reason),
            Err(
                HandlerError::DeadLetter { reason: what }
                | HandlerError::Refused { reason: what }
                | HandlerError::Damaged { what },
            ) => refused(record, &what),
        }
    }

    fn put_off(&mut self, record: &Record, reason: &str) {
        match self.put_off.push(record) {
            Ok(()) => {
                tracing::warn!(topic = %record.topic, offset = record.offset, reason, "broadcast record is tried again later");
            }
            Err(full) => refused(record, &full),
        }
    }

    /// Those that were put off, as far as they can be read by now.
    fn look_again(&mut self, now: Timestamp) {
        while let Some(record) = self.put_off.take_due(now) {
            match self.broadcast(&record) {
                Ok(()) => {
                    tracing::info!(topic = %record.topic, offset = record.offset, "broadcast record is taken at last");
                    self.put_off.done();
                }
                Err(HandlerError::Retry(_)) => return self.put_off.not_yet(record, now),
                Err(
                    HandlerError::DeadLetter { reason: what }
                    | HandlerError::Refused { reason: what }
                    | HandlerError::Damaged { what },
                ) => {
                    refused(&record, &what);
                }
            }
        }
    }

    fn broadcast(&mut self, record: &Record) -> Result<(), HandlerError> {
        let Some(bytes) = record.value.as_deref() else { return Ok(()) };
        match record.topic.as_ref() {
            topics::CATALOG => {
                let published = self.codec.decode::<CatalogPublished>(bytes);
                let published = published.map_err(|e| unreadable("catalog could not be read", &e))?;
                self.catalogs.take(&published).map_err(|error| dead_letter(error.to_string()))?;
                self.know_systems();
            }
            topics::DOWNSTREAM_HEALTH => {
                let health = self.codec.decode::<DownstreamHealth>(bytes);
                let health = health.map_err(|e| unreadable("health could not be read", &e))?;
                self.stages.health(&health);
                self.health.insert(health.system.clone(), health);
            }
            other => return Err(dead_letter(format!("topic \"{other}\" is not a broadcast topic"))),
        }
        Ok(())
    }

    /// A record of one of the group's topics.
    ///
    /// # Errors
    /// A dead letter for what can never be read; a retry while a catalog version is not here yet, for an event that only a newer version
    /// knows, and while a registry lacks what state was written with; damage where state cannot be read for another reason.
    pub fn take_record(&mut self, shell: &mut dyn Shell, record: &Record) -> Result<(), HandlerError> {
        tracing::trace!(topic = %record.topic, partition = record.partition, offset = record.offset, "record taken");
        let now = shell.now();
        self.look_again(now);
        let mut run = self.run(shell);
        run.emitter.trace_parent = header(record, headers::TRACE_PARENT);
        let done = run.record(record).and_then(|()| run.drain());
        self.stages.end(now, done.is_ok());
        done
    }

    /// Every system has its counters and says what its circuit is, before anything goes to it.
    fn know_systems(&mut self) {
        let systems = self.catalogs.latest().into_iter().flat_map(|catalog| catalog.systems.keys());
        for system in systems {
            self.stages.know(system, self.health.get(system));
        }
    }

    /// A timer of one of the group's processors.
    ///
    /// # Errors
    /// As [`Line::take_record`].
    pub fn take_timer(&mut self, shell: &mut dyn Shell, timer: &DueTimer) -> Result<(), HandlerError> {
        let Some(processor) = Processor::from_name(&timer.processor) else {
            return Err(dead_letter(format!(
                "timer of processor \"{}\", which does not exist",
                timer.processor
            )));
        };
        let key = text_key(Some(&timer.key))?;
        let id = cause::of_timer(&timer.processor, &key, &timer.name, timer.due_ms);
        // Without a trace: the one that the timer was set in has ended by now.
        let now = shell.now();
        self.look_again(now);
        let mut run = self.run(shell);
        let done = run.timer(processor, &key, &timer.name, &id).and_then(|()| run.drain());
        self.stages.end(now, done.is_ok());
        done
    }

    fn run<'a>(&'a self, shell: &'a mut dyn Shell) -> Run<'a> {
        self.stages.begin();
        let emitter = Emitter::new(&self.codec, &self.stages, &self.names);
        Run { line: self, shell, emitter, heard: VecDeque::new() }
    }
}

impl Handler for Line {
    fn on_broadcast(&mut self, record: &Record) {
        self.take_broadcast(record);
    }

    fn on_record(&mut self, step: &mut Step<'_>, record: &Record) -> Result<(), HandlerError> {
        self.take_record(step, record)
    }

    fn on_timer(&mut self, step: &mut Step<'_>, timer: &DueTimer) -> Result<(), HandlerError> {
        self.take_timer(step, timer)
    }

    fn on_appended(&mut self) {
        self.stages.appended();
    }

    fn on_committed(&mut self) {
        self.stages.committed();
    }

    fn on_discarded(&mut self) {
        self.stages.discarded();
    }
}

/// One input, and all that follows from it within the group.
struct Run<'a> {
    line: &'a Line,
    shell: &'a mut dyn Shell,
    emitter: Emitter<'a>,
    /// Events that were emitted and not yet heard by the others of the group, with their ids.
    heard: VecDeque<(OrderEvent, String)>,
}

impl Run<'_> {
    fn record(&mut self, record: &Record) -> Result<(), HandlerError> {
        match record.topic.as_ref() {
            topics::ORDER_REQUESTS => self.request(record),
            topics::ORDER_EVENTS => self.event_from_log(record),
            topics::FEEDBACK => self.feedback(record),
            topics::ORDER_SIGNALS => self.signal(record),
            topics::PRODUCT_REQUESTS => self.product_request(record),
            topics::DOWNSTREAM_OBSERVATIONS => self.observation(record),
            topics::HEARTBEATS | topics::SYSTEM_HEARTBEATS => self.heartbeat(record),
            other => Err(dead_letter(format!("topic \"{other}\" is read by no processor"))),
        }
    }

    fn has(&self, processor: Processor) -> bool {
        self.line.group.processors.contains(&processor)
    }

    /// What a processor is told beside its input; its time is counted from here to the next one's.
    fn arrival(&self, processor: Processor, id: &str, now: Timestamp) -> Arrival {
        self.line.stages.enter(processor);
        Arrival { id: id.to_owned(), actor: format!("processor {}", processor.name()), now }
    }

    /// Lets the group hear what was emitted, in the sequence of the chain, until nothing follows any more.
    fn drain(&mut self) -> Result<(), HandlerError> {
        while let Some((event, id)) = self.heard.pop_front() {
            let listeners: Vec<Processor> = self.line.group.listeners(event.name()).collect();
            for listener in listeners {
                self.hear(listener, &event, &id)?;
            }
        }
        Ok(())
    }

    /// An event that a processor of another group wrote. Those of our own were heard when they were written.
    fn event_from_log(&mut self, record: &Record) -> Result<(), HandlerError> {
        let value = value(record)?;
        let name = match self.line.codec.record_name(value) {
            Ok(name) => name,
            // What processors keep has names of two parts, and is no event of any version.
            Err(schemas::codec::Error::RecordUnknown { id, found }) if !found.contains('.') => {
                return self.event_of_newer(record, id, &found);
            }
            Err(error) => return Err(unreadable("event could not be read", &error)),
        };
        if self.line.group.writes(name) || self.line.group.listeners(name).next().is_none() {
            return Ok(());
        }
        let event =
            self.line.codec.decode_event(value).map_err(|e| unreadable("event could not be read", &e))?;
        let id = header(record, headers::CE_ID).unwrap_or_else(|| place(record));
        self.heard.push_back((event, id));
        Ok(())
    }

    /// An event of our namespace that this version has no contract of: a newer one wrote it, while processes are upgraded one by one,
    /// and only that one knows who hears it. So it is held, with all that comes after it, until this process is upgraded too.
    ///
    /// As a dead letter it would be lost to whom it was meant for: sent again it would lie behind what followed it, and an order's events
    /// are heard in sequence; and every group would have one of each. The format that `run` asks for is looked at only at the start. What
    /// it costs is that orders of these partitions stand for as long as versions are mixed.
    fn event_of_newer(&self, record: &Record, id: u32, name: &str) -> Result<(), HandlerError> {
        let source = header(record, headers::CE_SOURCE);
        let mut ours = self.line.group.processors.iter();
        if ours.any(|processor| source.as_deref() == Some(processor.source())) {
            // Heard in memory by the newer process that wrote it.
            return Ok(());
        }
        Err(HandlerError::Retry(format!(
            "event \"{name}\" (schema id {id}) at {} is not known to this version, a newer one wrote it; it waits, with what comes after \
             it, until this process is upgraded",
            place(record)
        )))
    }

    /// Writes an event to the order's topic, and lets the group hear it.
    fn event(&mut self, processor: Processor, event: OrderEvent) -> Result<(), HandlerError> {
        let id = self.emitter.event(self.shell, processor, &event)?;
        self.heard.push_back((event, id));
        Ok(())
    }
}

/// The bytes of a record that must have some.
fn value(record: &Record) -> Result<&[u8], HandlerError> {
    record.value.as_deref().ok_or_else(|| dead_letter("a tombstone, where a record with a value is expected"))
}

/// A key as text.
fn text_key(key: Option<&Bytes>) -> Result<String, HandlerError> {
    let key = key.ok_or_else(|| dead_letter("a record without a key; the key of the order is expected"))?;
    String::from_utf8(key.to_vec()).map_err(|_| dead_letter("a key that is not UTF-8"))
}

fn header(record: &Record, name: &str) -> Option<String> {
    let pairs = record.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    headers::text(pairs, name).ok().flatten().map(str::to_owned)
}

/// The name of a record that has none: where it lies.
fn place(record: &Record) -> String {
    format!("{}/{}/{}", record.topic, record.partition, record.offset)
}
