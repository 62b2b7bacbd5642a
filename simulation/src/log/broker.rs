//! The broker: topics, changelogs, transactions and their markers, groups and their positions.
//!
//! As Kafka does it: a transaction is decided in one moment, and its markers reach the partitions afterwards, one by one. Until then
//! readers stop before it, its positions are not stable, and its producer begins no other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use runtime::{CellKey, Outgoing, Position, Record, TimerChange, TimerKey, Topics};

use super::group::{Group, Refusal};
use super::partition::{Partition, TxnId};
use super::process::Note;

/// The coordinator aborts a transaction that stays open longer.
pub const TRANSACTION_MS_MAX: i64 = 10_000;

/// One entry of a changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Cell { cell: CellKey, value: Option<Bytes> },
    Timer { timer: TimerKey, due_ms: Option<i64> },
}

impl Change {
    pub fn partition(&self) -> u32 {
        match self {
            Change::Cell { cell, .. } => cell.partition(),
            Change::Timer { timer, .. } => timer.partition(),
        }
    }
}

/// Where a transaction left something, and so where a marker goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Topic(Arc<str>, u32),
    Changelog(Arc<str>, u32),
    /// The group's positions.
    Positions(Arc<str>),
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Committed,
    Aborted,
}

/// A transaction, and what the auditor has to know of it.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub group: Arc<str>,
    pub state: State,
    producer: Arc<str>,
    began_ms: i64,
    places: BTreeSet<Place>,
    /// With the number that says which was appended last.
    pub positions: Vec<(Position, u64)>,
    /// What the handler was given in this batch.
    pub note: Note,
    pub timers: Vec<TimerChange>,
    /// Of all records that it wrote: topic, partition, offset.
    pub written: Vec<(Arc<str>, u32, i64)>,
}

#[derive(Clone, Debug, Default)]
struct Producer {
    epoch: u64,
    current: Option<TxnId>,
}

/// Why a producer's call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Another has begun under this transactional id, or the transaction took too long.
    Fenced,
    /// Markers of the transaction before are still to be written.
    Busy,
}

/// One broker; it never fails, and survives everything.
#[derive(Debug)]
pub struct Broker {
    pub topics: Arc<Topics>,
    pub now_ms: i64,
    partitions: BTreeMap<Place, Partition<Record>>,
    pub(super) changelogs: BTreeMap<Place, Partition<Change>>,
    pub groups: BTreeMap<Arc<str>, Group>,
    transactions: Vec<Transaction>,
    producers: BTreeMap<Arc<str>, Producer>,
    markers: VecDeque<(TxnId, Place)>,
    /// Transactions in the sequence in which they were decided.
    decided: Vec<TxnId>,
    positions_written: u64,
    /// Rises with whatever any reader could see.
    pub version: u64,
}

impl Broker {
    pub fn new(topics: Arc<Topics>) -> Self {
        Self {
            topics,
            now_ms: 0,
            partitions: BTreeMap::new(),
            changelogs: BTreeMap::new(),
            groups: BTreeMap::new(),
            transactions: Vec::new(),
            producers: BTreeMap::new(),
            markers: VecDeque::new(),
            decided: Vec::new(),
            positions_written: 0,
            version: 0,
        }
    }

    pub fn partition(&self, topic: &Arc<str>, partition: u32) -> Option<&Partition<Record>> {
        self.partitions.get(&Place::Topic(topic.clone(), partition))
    }

    pub fn changelog(&self, group: &Arc<str>, partition: u32) -> Option<&Partition<Change>> {
        self.changelogs.get(&Place::Changelog(group.clone(), partition))
    }

    pub fn transaction(&self, txn: TxnId) -> &Transaction {
        &self.transactions[txn.0]
    }

    pub fn transaction_mut(&mut self, txn: TxnId) -> &mut Transaction {
        &mut self.transactions[txn.0]
    }

    pub fn decided(&self) -> &[TxnId] {
        &self.decided
    }

    /// From outside, without a transaction.
    pub fn append(&mut self, outgoing: Outgoing) -> (Arc<str>, u32, i64) {
        self.write(None, outgoing)
    }

    fn write(&mut self, txn: Option<TxnId>, outgoing: Outgoing) -> (Arc<str>, u32, i64) {
        let spec = self.topics.get(&outgoing.topic).expect("the caller checked the record");
        let key = outgoing.key.as_deref().unwrap_or_default();
        let number = outgoing.partition.unwrap_or_else(|| runtime::partition_for(key, spec.partitions));
        let topic = spec.name.clone();
        let partition = self.partitions.entry(Place::Topic(topic.clone(), number)).or_default();
        let Outgoing { key, value, headers, timestamp_ms, .. } = outgoing;
        let offset = partition.end();
        let record =
            Record { topic: topic.clone(), partition: number, offset, timestamp_ms, key, value, headers };
        partition.append(txn, record);
        self.version += 1;
        (topic, number, offset)
    }

    /// A producer begins: whatever was open under its id is aborted, whatever was decided is finished. Gives its epoch.
    pub fn init(&mut self, producer: &Arc<str>) -> u64 {
        let current = self.producers.entry(producer.clone()).or_default().current;
        if let Some(txn) = current {
            self.decide(txn, false);
            self.finish(txn);
        }
        let known = self.producers.entry(producer.clone()).or_default();
        known.epoch += 1;
        known.epoch
    }

    /// # Errors
    /// [`Refused`].
    pub fn begin(&mut self, producer: &Arc<str>, epoch: u64, group: &Arc<str>) -> Result<TxnId, Refused> {
        let known = self.producers.get_mut(producer).filter(|known| known.epoch == epoch);
        let known = known.ok_or(Refused::Fenced)?;
        if known.current.is_some() {
            return Err(Refused::Busy);
        }
        let txn = TxnId(self.transactions.len());
        known.current = Some(txn);
        self.transactions.push(Transaction {
            group: group.clone(),
            state: State::Open,
            producer: producer.clone(),
            began_ms: self.now_ms,
            places: BTreeSet::new(),
            positions: Vec::new(),
            note: Note::default(),
            timers: Vec::new(),
            written: Vec::new(),
        });
        Ok(txn)
    }

    fn check(&self, txn: TxnId, epoch: u64) -> Result<(), Refused> {
        let transaction = self.transaction(txn);
        let is_current = self.producers.get(&transaction.producer).is_some_and(|known| known.epoch == epoch);
        if is_current && transaction.state == State::Open { Ok(()) } else { Err(Refused::Fenced) }
    }

    /// # Errors
    /// [`Refused`].
    pub fn produce(&mut self, txn: TxnId, epoch: u64, outgoing: Outgoing) -> Result<(), Refused> {
        self.check(txn, epoch)?;
        let place = self.write(Some(txn), outgoing);
        let transaction = self.transaction_mut(txn);
        transaction.places.insert(Place::Topic(place.0.clone(), place.1));
        transaction.written.push(place);
        Ok(())
    }

    /// Gives the entry's offset in the changelog.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn change(&mut self, txn: TxnId, epoch: u64, change: Change) -> Result<i64, Refused> {
        self.check(txn, epoch)?;
        let place = Place::Changelog(self.transaction(txn).group.clone(), change.partition());
        self.transaction_mut(txn).places.insert(place.clone());
        self.version += 1;
        Ok(self.changelogs.entry(place).or_default().append(Some(txn), change))
    }

    /// Positions as part of a transaction, from this member of this generation.
    ///
    /// # Errors
    /// The producer is fenced (`Err(None)`), or the group says why not.
    pub fn send_positions(
        &mut self,
        txn: TxnId,
        epoch: u64,
        (member, generation): (u64, u64),
        positions: &[Position],
    ) -> Result<(), Option<Refusal>> {
        self.check(txn, epoch).map_err(|_| None)?;
        let name = self.transaction(txn).group.clone();
        let group = self.groups.get(&name).ok_or(Some(Refusal::UnknownMember))?;
        group.check(member, generation).map_err(Some)?;
        for position in positions {
            self.positions_written += 1;
            let written = self.positions_written;
            self.transaction_mut(txn).positions.push((position.clone(), written));
        }
        self.transaction_mut(txn).places.insert(Place::Positions(name));
        Ok(())
    }

    /// The producer ends its transaction; markers follow.
    ///
    /// # Errors
    /// [`Refused::Fenced`]: the coordinator aborted it before.
    pub fn end(&mut self, txn: TxnId, epoch: u64, commit: bool) -> Result<(), Refused> {
        self.check(txn, epoch)?;
        self.decide(txn, commit);
        Ok(())
    }

    fn decide(&mut self, txn: TxnId, commit: bool) {
        let transaction = self.transaction_mut(txn);
        if transaction.state != State::Open {
            return;
        }
        transaction.state = if commit { State::Committed } else { State::Aborted };
        let places = transaction.places.clone();
        let producer = transaction.producer.clone();
        if places.is_empty()
            && let Some(known) = self.producers.get_mut(&producer)
        {
            known.current = None;
        }
        self.decided.push(txn);
        self.markers.extend(places.into_iter().map(|place| (txn, place)));
        self.version += 1;
    }

    /// Whether markers are still to be written.
    pub fn has_markers(&self) -> bool {
        !self.markers.is_empty()
    }

    /// Writes one marker, of those that may be next the `turn`-th; of one transaction they come in no certain order.
    pub fn write_marker(&mut self, turn: usize) -> Option<(TxnId, Place)> {
        let at = turn % self.markers.len().max(1);
        let (txn, place) = self.markers.remove(at)?;
        self.mark(txn, &place);
        Some((txn, place))
    }

    /// Writes all markers of a transaction.
    pub fn finish(&mut self, txn: TxnId) {
        while let Some(at) = self.markers.iter().position(|(of, _)| *of == txn) {
            self.write_marker(at);
        }
    }

    /// Writes all markers.
    pub fn finish_all(&mut self) {
        while self.write_marker(0).is_some() {}
    }

    fn mark(&mut self, txn: TxnId, place: &Place) {
        self.version += 1;
        let committed = self.transaction(txn).state == State::Committed;
        match place {
            Place::Topic(..) => self.partitions.entry(place.clone()).or_default().mark(txn, committed),
            Place::Changelog(..) => self.changelogs.entry(place.clone()).or_default().mark(txn, committed),
            Place::Positions(group) => {
                let positions = self.transaction(txn).positions.clone();
                if committed && let Some(group) = self.groups.get_mut(group) {
                    positions.iter().for_each(|(position, written)| group.take_position(position, *written));
                }
            }
        }
        if !self.markers.iter().any(|(of, _)| *of == txn) {
            let producer = self.transaction(txn).producer.clone();
            let known = self.producers.get_mut(&producer).filter(|known| known.current == Some(txn));
            known.into_iter().for_each(|known| known.current = None);
        }
    }

    /// Whether a transaction that has no marker yet may still move the group's positions of a partition.
    pub fn is_unstable(&self, group: &Arc<str>, partition: u32) -> bool {
        let pending = |txn: &TxnId| {
            let transaction = self.transaction(*txn);
            transaction.group == *group
                && transaction.positions.iter().any(|(position, _)| position.partition == partition)
                && (transaction.state == State::Open
                    || self.markers.contains(&(*txn, Place::Positions(group.clone()))))
        };
        self.producers.values().filter_map(|known| known.current).any(|txn| pending(&txn))
    }

    /// The open transactions, by producer.
    pub fn open(&self) -> Vec<TxnId> {
        let current = self.producers.values().filter_map(|known| known.current);
        current.filter(|txn| self.transaction(*txn).state == State::Open).collect()
    }

    /// The coordinator gives a transaction up and fences its producer.
    pub fn expire(&mut self, txn: TxnId) {
        let producer = self.transaction(txn).producer.clone();
        self.decide(txn, false);
        self.producers.entry(producer).or_default().epoch += 1;
    }

    /// Gives up what took too long; says which.
    pub fn expire_due(&mut self) -> Vec<TxnId> {
        let due = |txn: &TxnId| self.transaction(*txn).began_ms + TRANSACTION_MS_MAX <= self.now_ms;
        let due: Vec<TxnId> = self.open().into_iter().filter(due).collect();
        due.iter().for_each(|txn| self.expire(*txn));
        due
    }

    /// When the first open transaction is given up.
    pub fn next_expiry_ms(&self) -> Option<i64> {
        self.open().iter().map(|txn| self.transaction(*txn).began_ms + TRANSACTION_MS_MAX).min()
    }
}
