//! Who reads and writes what, as data. The table in ARCHITECTURE.md says the same to people.
use schemas::topics;
use serde::{Deserialize, Serialize};

/// Every processor there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Processor {
    Capture,
    Validation,
    Decomposition,
    Orchestration,
    Fallout,
    StuckOrders,
    Inventory,
    Downstream,
}

use Processor::*;

/// What the records of a processor are keyed by; processors of one sub-topology share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyedBy {
    Order,
    Product,
    System,
}

/// What a processor can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    OrderRequests,
    OrderEvents,
    OrderSignals,
    Feedback,
    ProductRequests,
    Observations,
    Heartbeats,
    SystemHeartbeats,
}

impl Stream {
    pub fn topic(self) -> &'static str {
        match self {
            Stream::OrderRequests => topics::ORDER_REQUESTS,
            Stream::OrderEvents => topics::ORDER_EVENTS,
            Stream::OrderSignals => topics::ORDER_SIGNALS,
            Stream::Feedback => topics::FEEDBACK,
            Stream::ProductRequests => topics::PRODUCT_REQUESTS,
            Stream::Observations => topics::DOWNSTREAM_OBSERVATIONS,
            Stream::Heartbeats => topics::HEARTBEATS,
            Stream::SystemHeartbeats => topics::SYSTEM_HEARTBEATS,
        }
    }
}

impl Processor {
    /// In the sequence of the chain: an event is heard in this sequence by the processors of one sub-topology.
    pub const ALL: [Processor; 8] =
        [Capture, Validation, Decomposition, Orchestration, Fallout, StuckOrders, Inventory, Downstream];

    /// The name that its state, its timers and its record types go by; never changed.
    pub fn name(self) -> &'static str {
        match self {
            Capture => "capture",
            Validation => "validation",
            Decomposition => "decomposition",
            Orchestration => "orchestration",
            Fallout => "fallout",
            StuckOrders => "stuckOrders",
            Inventory => "inventory",
            Downstream => "downstream",
        }
    }

    /// What it is called as the source of a record (CloudEvents).
    pub fn source(self) -> &'static str {
        match self {
            Capture => "orderstream/capture",
            Validation => "orderstream/validation",
            Decomposition => "orderstream/decomposition",
            Orchestration => "orderstream/orchestration",
            Fallout => "orderstream/fallout",
            StuckOrders => "orderstream/stuckOrders",
            Inventory => "orderstream/inventory",
            Downstream => "orderstream/downstream",
        }
    }

    pub fn from_name(name: &str) -> Option<Processor> {
        Processor::ALL.into_iter().find(|processor| processor.name() == name)
    }

    pub fn keyed_by(self) -> KeyedBy {
        match self {
            Capture | Validation | Decomposition | Orchestration | Fallout | StuckOrders => KeyedBy::Order,
            Inventory => KeyedBy::Product,
            Downstream => KeyedBy::System,
        }
    }

    /// The streams it reads, events and heartbeats apart.
    pub fn reads(self) -> &'static [Stream] {
        match self {
            Capture => &[Stream::OrderRequests],
            Validation => &[Stream::Feedback],
            Orchestration => &[Stream::Feedback, Stream::OrderSignals],
            Decomposition | Fallout | StuckOrders => &[],
            Inventory => &[Stream::ProductRequests],
            Downstream => &[Stream::Observations],
        }
    }

    /// The record types of the order's topic that it hears.
    pub fn hears(self) -> &'static [&'static str] {
        match self {
            Capture | Inventory | Downstream => &[],
            Validation => &["OrderCaptured", "OrderStateChanged"],
            Decomposition => &["OrderValidated"],
            Orchestration => &["OrderDecomposed"],
            Fallout => &[
                "TaskStateChanged",
                "FeasibilityUnanswered",
                "DecompositionFailed",
                "WaitFailed",
                "OrderMarkedStuck",
                "OrderCaptured",
                "RevisionRefused",
                "OrderValidated",
                "OrderRejected",
                "OrderDecomposed",
                "OrderStateChanged",
            ],
            StuckOrders => &[
                "OrderCaptured",
                "OrderValidated",
                "OrderRejected",
                "RevisionRefused",
                "FeasibilityAsked",
                "OrderDecomposed",
                "OrderStateChanged",
                "TaskStateChanged",
                "FalloutDetected",
                "FalloutResolved",
            ],
        }
    }
}

/// Processors that share a group, shards and commits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubTopology {
    pub name: String,
    pub processors: Vec<Processor>,
    /// Threads of this process; with 0 it leaves the work to others. Which groups there are is the same for all.
    pub workers: u32,
}

impl SubTopology {
    fn new(name: &str, processors: &[Processor], workers: u32) -> SubTopology {
        SubTopology { name: name.to_owned(), processors: processors.to_vec(), workers }
    }

    /// All order-keyed processors fused; what has other keys stands apart.
    pub fn defaults() -> Vec<SubTopology> {
        vec![
            SubTopology::new(
                "orders",
                &[Capture, Validation, Decomposition, Orchestration, Fallout, StuckOrders],
                2,
            ),
            SubTopology::new("products", &[Inventory], 1),
            SubTopology::new("downstreams", &[Downstream], 1),
        ]
    }

    /// Every processor alone.
    pub fn split() -> Vec<SubTopology> {
        Processor::ALL.iter().map(|processor| SubTopology::new(processor.name(), &[*processor], 1)).collect()
    }

    /// The streams that it reads from the log. Events come from the log only where their writer stands apart.
    pub fn streams(&self) -> Vec<Stream> {
        let mut streams: Vec<Stream> =
            self.processors.iter().flat_map(|processor| processor.reads()).copied().collect();
        if self.processors.iter().any(|processor| self.hears_from_apart(*processor)) {
            streams.push(Stream::OrderEvents);
        }
        streams.extend(self.heartbeats());
        streams.sort_unstable();
        streams.dedup();
        streams
    }

    /// The topics of those streams.
    pub fn topics(&self) -> Vec<&'static str> {
        self.streams().into_iter().map(Stream::topic).collect()
    }

    /// Where the service sends heartbeats to its shards, and where they are passed on; none of a group without processors.
    pub fn heartbeats(&self) -> Option<Stream> {
        self.processors.first().map(|first| match first.keyed_by() {
            KeyedBy::Order | KeyedBy::Product => Stream::Heartbeats,
            KeyedBy::System => Stream::SystemHeartbeats,
        })
    }

    fn hears_from_apart(&self, processor: Processor) -> bool {
        processor.hears().iter().any(|record| !self.writes(record))
    }

    /// Whether the only writer of this record type is one of ours: then it is heard in memory, and not again from the log.
    pub fn writes(&self, record: &str) -> bool {
        let writer = domain::order::event::OrderEvent::writer_of(record).and_then(Processor::from_name);
        writer.is_some_and(|writer| self.processors.contains(&writer))
    }

    /// Who of ours hears a record type, in the sequence of the chain.
    pub fn listeners(&self, record: &str) -> impl Iterator<Item = Processor> {
        let ours = Processor::ALL.into_iter().filter(|processor| self.processors.contains(processor));
        ours.filter(move |processor| processor.hears().contains(&record))
    }
}

/// What is wrong with a grouping.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("processor \"{0}\" is in no subtopology; each must be in exactly one")]
    Missing(&'static str),
    #[error("processor \"{0}\" is in more than one subtopology; each must be in exactly one")]
    Twice(&'static str),
    #[error(
        "subtopology \"{0}\" joins processors of different keys; \"{1}\" and \"{2}\" cannot share a shard"
    )]
    KeysDiffer(String, &'static str, &'static str),
    #[error("two subtopologies are named \"{0}\"")]
    NameTwice(String),
    #[error("subtopology \"{0}\" has no processors")]
    Empty(String),
}

/// Every processor in exactly one sub-topology, names unique, one kind of key each.
pub fn check(groups: &[SubTopology]) -> Result<(), Error> {
    for processor in Processor::ALL {
        let places =
            groups.iter().flat_map(|group| &group.processors).filter(|other| **other == processor).count();
        match places {
            0 => return Err(Error::Missing(processor.name())),
            1 => {}
            _ => return Err(Error::Twice(processor.name())),
        }
    }
    for (index, group) in groups.iter().enumerate() {
        let Some(first) = group.processors.first() else { return Err(Error::Empty(group.name.clone())) };
        if groups[..index].iter().any(|other| other.name == group.name) {
            return Err(Error::NameTwice(group.name.clone()));
        }
        if let Some(other) = group.processors.iter().find(|other| other.keyed_by() != first.keyed_by()) {
            return Err(Error::KeysDiffer(group.name.clone(), first.name(), other.name()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::order::event::OrderEvent;

    #[test]
    fn every_record_that_is_heard_has_a_writer_that_exists() {
        for record in Processor::ALL.iter().flat_map(|processor| processor.hears()) {
            let writer = OrderEvent::writer_of(record);
            assert!(writer.and_then(Processor::from_name).is_some(), "{record} is written by {writer:?}");
        }
    }

    #[test]
    fn a_fused_chain_reads_no_events_from_the_log_and_a_split_one_does() {
        let fused = SubTopology::defaults();
        assert!(!fused[0].streams().contains(&Stream::OrderEvents));
        let split = SubTopology::split();
        let hearing = split.iter().filter(|group| group.streams().contains(&Stream::OrderEvents)).count();
        assert_eq!(hearing, 5, "all order-keyed processors but capture");
    }

    #[test]
    fn groupings_that_cannot_work_are_refused() {
        assert_eq!(check(&SubTopology::defaults()), Ok(()));
        assert_eq!(check(&SubTopology::split()), Ok(()));
        let mut mixed = SubTopology::defaults();
        let inventory = mixed.remove(1);
        mixed[0].processors.extend(inventory.processors);
        assert_eq!(check(&mixed), Err(Error::KeysDiffer("orders".into(), "capture", "inventory")));
        let mut missing = SubTopology::split();
        missing.remove(0);
        assert_eq!(check(&missing), Err(Error::Missing("capture")));
        let mut twice = SubTopology::split();
        twice[1].processors.push(Capture);
        assert_eq!(check(&twice), Err(Error::Twice("capture")));
    }
}
