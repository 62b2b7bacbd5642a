//! Timers that are due: which of them may fire, and firing them.

use std::time::Duration;

use tracing::warn;

use super::{Setback, Worker};
use crate::Error;
use crate::log::Log;
use crate::shard::settings::HELD_WAIT_MS_MAX;
use crate::shard::{Handler, dead_letter};
use crate::timer::DueTimer;

/// Not known: to be looked up.
pub(super) const DUE_UNKNOWN: i64 = i64::MIN;

/// Timers that are due, and what has to be handled before they fire: a worker that is behind would else hold for late what has come
/// in time and only waits to be read. Counted once, so that new records cannot hold them up for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// Those due by then.
    until_ms: i64,
    /// So many records were not handed out at that time, and are not yet.
    pub(super) records: u64,
}

impl<L: Log, H: Handler> Worker<L, H> {
    /// Fires what is due, up to the limit; says whether anything was.
    pub(super) fn fire_due(&mut self) -> Result<bool, Setback> {
        let Some(until_ms) = self.due_until_ms()? else { return Ok(false) };
        let mut fired = 0;
        let due = self.partitions.iter().filter(|(_, next_due_ms)| **next_due_ms <= until_ms);
        let partitions: Vec<u32> = due.map(|(partition, _)| *partition).collect();
        for partition in partitions {
            let timers_max = self.settings.batch_timers_max.saturating_sub(self.open.timers);
            if timers_max == 0 {
                break;
            }
            let due = self.timers.due(&mut self.log, partition, until_ms, timers_max)?;
            // Looked up anew at the next turn: some may be left, and others may have been set.
            self.partitions.insert(partition, DUE_UNKNOWN);
            self.open.timers += due.len();
            for timer in due {
                fired += usize::from(self.fire(&timer)?);
            }
        }
        self.metrics.timers_fired.increment(fired as u64);
        Ok(fired > 0)
    }

    /// Timers due by then may fire now; None: none is due, or records come first.
    fn due_until_ms(&mut self) -> Result<Option<i64>, Setback> {
        if !self.settings.fires_timers {
            return Ok(None);
        }
        self.look_up_due()?;
        let next_due_ms = self.partitions.values().copied().min().unwrap_or(i64::MAX);
        // All that were held are fired: what is due since then has a backlog of its own.
        self.held = self.held.filter(|held| held.records > 0 || next_due_ms <= held.until_ms);
        if next_due_ms > self.now_ms {
            self.held = None;
            return Ok(None);
        }
        let (until_ms, records) = (self.now_ms, self.log.lag_records());
        let held = *self.held.get_or_insert(Held { until_ms, records });
        Ok((held.records == 0).then_some(held.until_ms))
    }

    pub(super) fn handled(&mut self, records: u64) {
        if let Some(held) = &mut self.held {
            held.records = held.records.saturating_sub(records);
        }
    }

    pub(super) fn look_up_due(&mut self) -> Result<(), Error> {
        for (partition, next_due_ms) in &mut self.partitions {
            if *next_due_ms == DUE_UNKNOWN {
                let first = self.timers.due(&mut self.log, *partition, i64::MAX, 1)?;
                *next_due_ms = first.first().map_or(i64::MAX, |timer| timer.due_ms);
            }
        }
        Ok(())
    }

    fn fire(&mut self, timer: &DueTimer) -> Result<bool, Setback> {
        // One that fired before it in this batch may have cancelled or moved it.
        let name = timer.timer_key();
        if self.timers.due_ms(&mut self.log, &name)? != Some(timer.due_ms) {
            return Ok(false);
        }
        self.timers.set(&mut self.log, name, None)?;
        // Its own step: it stays fired, even if what follows from it is undone.
        self.timers.step_done();
        let outcome = self.step(timer.partition, |handler, step| handler.on_timer(step, timer))?;
        if let Err(reason) = outcome {
            warn!(processor = %timer.processor, timer = %timer.name, reason, "timer goes to the dead-letter topic");
            let topic = &self.settings.dead_letter_topic;
            let letter = dead_letter::of_timer(topic, timer, &reason, self.now_ms);
            self.dead_letter(letter);
        }
        Ok(true)
    }

    pub(super) fn until_due(&self, wait: Duration) -> Duration {
        if !self.settings.fires_timers {
            return wait;
        }
        if self.held.is_some_and(|held| held.records > 0) {
            return wait.min(Duration::from_millis(HELD_WAIT_MS_MAX));
        }
        let next_due_ms = self.partitions.values().copied().min().unwrap_or(i64::MAX);
        let left_ms = next_due_ms.saturating_sub(self.now_ms).max(0).unsigned_abs();
        wait.min(Duration::from_millis(left_ms))
    }
}
