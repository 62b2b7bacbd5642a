//! What was committed against what the handlers were given: every record once, every timer once, keys in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use runtime::TimerKey;
use runtime::clock::CLOCK_BACK_MS_MAX;

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
                time(transaction)?;
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
        let now_ms = transaction.note.times.first().map_or(i64::MIN, |(now_ms, _)| *now_ms);
        for (timer, due_ms) in &transaction.note.fired {
            if *due_ms > now_ms {
                let early_ms = due_ms.saturating_sub(now_ms);
                let what = format!(
                    "{} fired {early_ms} ms before its time in {}",
                    named(timer, *due_ms),
                    transaction.group
                );
                return Violation::of(Invariant::TimersFireOnce, what);
            }
            if set.get(timer) != Some(due_ms) {
                let what = format!(
                    "{}, due {due_ms}, fired in {} although it is set for {:?}",
                    named(timer, *due_ms),
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

fn named(timer: &TimerKey, due_ms: i64) -> String {
    let due = timer.due(due_ms).map(|due| (due.processor, due.name, due.key));
    due.map_or_else(String::new, |(processor, name, key)| {
        format!("timer {processor} {name} of {}", String::from_utf8_lossy(&key))
    })
}

/// Its steps have one time, and no other than its worker's clock gives.
fn time(transaction: &Transaction) -> Result<(), Violation> {
    let times = &transaction.note.times;
    if times.len() > 1 {
        return Violation::of(
            Invariant::OneTimePerBatch,
            format!("a batch of {} has {times:?}", transaction.group),
        );
    }
    for (now_ms, clock_ms) in times {
        let ahead_ms = now_ms.saturating_sub(*clock_ms);
        if !(0..=CLOCK_BACK_MS_MAX).contains(&ahead_ms) {
            let what =
                format!("a batch of {} is {ahead_ms} ms ahead of its worker's clock", transaction.group);
            return Violation::of(Invariant::OneTimePerBatch, what);
        }
    }
    Ok(())
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
