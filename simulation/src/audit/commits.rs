//! What was committed against what the handlers were given: every record once, every timer once, keys in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use runtime::TimerKey;

use super::{Invariant, Violation};
use crate::log::broker::{Broker, State, Transaction};
use crate::log::partition::Slot;

type Input = (Arc<str>, Arc<str>, u32);
type Written = (Arc<str>, Arc<str>, Vec<u8>);

/// What all committed batches have done so far, in the sequence in which they were decided.
#[derive(Debug, Default)]
pub struct Commits {
    /// How many decided transactions were looked at.
    seen: usize,
    /// By group, topic and partition: everything before is processed.
    cursors: BTreeMap<Input, i64>,
    /// By group.
    timers: BTreeMap<Arc<str>, BTreeMap<TimerKey, i64>>,
    /// By group, topic and key: the last offset that was written.
    written: BTreeMap<Written, i64>,
}

impl Commits {
    pub fn look(&mut self, broker: &Broker) -> Result<(), Violation> {
        while let Some(txn) = broker.decided().get(self.seen) {
            self.seen += 1;
            let transaction = broker.transaction(*txn);
            if transaction.state == State::Committed {
                self.inputs(broker, transaction)?;
                self.timers(transaction)?;
                self.order(broker, transaction)?;
            }
        }
        Ok(())
    }

    fn inputs(&mut self, broker: &Broker, transaction: &Transaction) -> Result<(), Violation> {
        for (topic, partition, offset) in &transaction.note.inputs {
            let place = (transaction.group.clone(), topic.clone(), *partition);
            let cursor = self.cursors.entry(place).or_default();
            if offset < cursor {
                let what = format!(
                    "{topic}/{partition}@{offset} was processed by two batches of {}",
                    transaction.group
                );
                return Violation::of(Invariant::NothingTwice, what);
            }
            passed_over(broker, transaction, topic, *partition, (*cursor, *offset))?;
            *cursor = offset + 1;
        }
        for (position, _) in &transaction.positions {
            let place = (transaction.group.clone(), position.topic.clone(), position.partition);
            let cursor = self.cursors.entry(place).or_default();
            let (topic, partition) = (&position.topic, position.partition);
            passed_over(broker, transaction, topic, partition, (*cursor, position.next_offset))?;
            *cursor = position.next_offset.max(*cursor);
        }
        Ok(())
    }

    fn timers(&mut self, transaction: &Transaction) -> Result<(), Violation> {
        let set = self.timers.entry(transaction.group.clone()).or_default();
        for (timer, due_ms) in &transaction.note.fired {
            if set.get(timer) != Some(due_ms) {
                let named = timer.due(*due_ms).map_or_else(String::new, |due| {
                    format!("{} {} of {}", due.processor, due.name, String::from_utf8_lossy(&due.key))
                });
                let what = format!(
                    "timer {named}, due {due_ms}, fired in {} although it is set for {:?}",
                    transaction.group,
                    set.get(timer)
                );
                return Violation::of(Invariant::TimersFireOnce, what);
            }
        }
        for change in &transaction.timers {
            match change.due_ms {
                Some(due_ms) => set.insert(change.timer.clone(), due_ms),
                None => set.remove(&change.timer),
            };
        }
        Ok(())
    }

    fn order(&mut self, broker: &Broker, transaction: &Transaction) -> Result<(), Violation> {
        let mut last = Vec::new();
        for (topic, partition, offset) in &transaction.written {
            let slot = broker.partition(topic, *partition).and_then(|found| found.slot(*offset));
            let Some(Slot::Data { value: record, .. }) = slot else { continue };
            let key = record.key.as_deref().unwrap_or_default().to_vec();
            // Orders of several shards write under one key of a system, and dead letters have any; an order's story is one shard's.
            let is_one_shards = topic.as_ref() == schemas::topics::ORDER_EVENTS;
            let place = (transaction.group.clone(), topic.clone(), key);
            let before = self.written.get(&place).copied().unwrap_or(-1);
            if is_one_shards && *offset <= before {
                let what =
                    format!("{topic}/{partition}@{offset} lies before what an earlier batch wrote @{before}");
                return Violation::of(Invariant::KeyOrder, what);
            }
            last.push((place, *offset));
        }
        self.written.extend(last);
        Ok(())
    }
}

/// Nothing that readers see may lie between.
fn passed_over(
    broker: &Broker,
    transaction: &Transaction,
    topic: &Arc<str>,
    partition: u32,
    (from, until): (i64, i64),
) -> Result<(), Violation> {
    let Some(found) = broker.partition(topic, partition) else { return Ok(()) };
    for offset in from..until {
        let Some(Slot::Data { txn, .. }) = found.slot(offset) else { continue };
        if txn.is_none_or(|txn| broker.transaction(txn).state != State::Aborted) {
            let what =
                format!("{topic}/{partition}@{offset} was passed over by a batch of {}", transaction.group);
            return Violation::of(Invariant::NothingLost, what);
        }
    }
    Ok(())
}
