//! What becomes of a batch once it is staged: on its way, committed, or thrown away and tried again.

use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::{InFlight, Open, Setback, Turn, Worker};
use crate::Error;
use crate::log::{Batch, COMMITS_IN_FLIGHT_MAX, Log, Outcome, Position};
use crate::shard::settings::{BACKOFF_MS_MAX, BACKOFF_MS_MIN, LOG_FAILURES_MAX, SETBACKS_TOLD_EVERY};
use crate::shard::{Handler, Settings};

/// How long one wait for an outcome lasts before it is said that it takes long.
const SETTLE_WAIT: Duration = Duration::from_secs(10);

impl<L: Log, H: Handler> Worker<L, H> {
    /// Whether more may go into the batch that is open: it would only wait for the one before it to be sent. What a transaction
    /// costs the log does not depend on how much is in it, so that under load this is what makes it cheap; and nothing is later
    /// for it.
    pub(super) fn is_held_open(&self) -> bool {
        let Settings { batch_records_max, batch_bytes_max, batch_timers_max, .. } = &self.settings;
        !self.open.is_empty()
            && self.open.records < *batch_records_max
            && self.open.timers < *batch_timers_max
            && self.staged_bytes() < *batch_bytes_max
            && self.log.is_sending()
    }

    pub(super) fn staged_bytes(&self) -> usize {
        self.open.outputs_bytes + self.overlay.changed_bytes()
    }

    pub(super) fn append_unless_held(&mut self) -> Result<(), Setback> {
        if self.is_held_open() { Ok(()) } else { self.append() }
    }

    /// Puts what is staged on its way.
    pub(super) fn append(&mut self) -> Result<(), Setback> {
        if self.open.is_empty() {
            return Ok(());
        }
        self.make_room()?;
        let open = std::mem::take(&mut self.open);
        if open.records > 0 {
            self.metrics.batch_records.record(open.records as f64);
        }
        let outputs = open.outputs.len() as u64;
        let batch = Batch {
            partitions: open.partitions.into_iter().collect(),
            positions: open
                .positions
                .into_iter()
                .map(|((topic, partition), next_offset)| Position { topic, partition, next_offset })
                .collect(),
            outputs: open.outputs,
            cells: self.overlay.close(),
            timers: self.timers.close(),
        };
        self.log.append(batch)?;
        self.in_flight.push_back(InFlight { appended: Instant::now(), outputs });
        self.handler.on_appended();
        Ok(())
    }

    pub(super) fn make_room(&mut self) -> Result<(), Setback> {
        while self.in_flight.len() >= COMMITS_IN_FLIGHT_MAX {
            self.settle_or_warn()?;
        }
        Ok(())
    }

    pub(super) fn settle_all(&mut self) -> Result<(), Setback> {
        while !self.in_flight.is_empty() {
            self.settle_or_warn()?;
        }
        Ok(())
    }

    fn settle_or_warn(&mut self) -> Result<(), Setback> {
        if !self.settle_one(SETTLE_WAIT)? {
            warn!(worker = %self.settings.worker, wait_ms = SETTLE_WAIT.as_millis() as u64, "commit takes long");
        }
        Ok(())
    }

    /// True: the oldest batch on its way is committed.
    pub(super) fn settle_one(&mut self, wait: Duration) -> Result<bool, Setback> {
        let Some((id, outcome)) = self.log.settle(wait)? else { return Ok(false) };
        let reason = match outcome {
            Outcome::Committed => {
                let batch =
                    self.in_flight.pop_front().expect("an outcome belongs to a batch that was appended");
                self.metrics.commit_seconds.record(batch.appended.elapsed().as_secs_f64());
                self.metrics.output_records.increment(batch.outputs);
                self.overlay.committed();
                self.timers.committed();
                if self.log_failures > 0 && !self.log.tells_failures() {
                    info!(worker = %self.settings.worker, failures = self.log_failures, "batches are committed again");
                }
                self.setbacks = 0;
                self.log_failures = 0;
                self.handler.on_committed();
                return Ok(true);
            }
            Outcome::Aborted { reason } => {
                self.handler.on_failed(&reason);
                format!("batch {} was aborted: {reason}", id.0)
            }
            Outcome::Unknown { reason } => {
                self.log_failures += 1;
                self.handler.on_failed(&reason);
                format!("outcome of batch {} is unknown: {reason}", id.0)
            }
            Outcome::Fenced => format!("batch {} was fenced", id.0),
        };
        Err(Setback::Void(reason))
    }

    /// Throws away what is staged and goes back to the committed positions.
    pub(super) fn set_back(&mut self, setback: Setback) -> Result<Turn, Error> {
        let reason = match setback {
            Setback::Log(error) if !error.is_passing() => return Err(error),
            Setback::Log(error) => {
                self.log_failures += 1;
                error.chain()
            }
            Setback::Retry(reason) => match self.settle_all() {
                Ok(()) => reason,
                Err(Setback::Log(error)) if !error.is_passing() => return Err(error),
                Err(Setback::Log(error)) => error.chain(),
                Err(Setback::Retry(also) | Setback::Void(also)) => format!("{reason}; and {also}"),
            },
            Setback::Void(reason) => reason,
        };
        self.metrics.batches_failed.increment(1);
        self.open = Open::default();
        self.in_flight.clear();
        self.timers.discard();
        // All of it, and not only what was staged: another may have had the partitions meanwhile.
        self.overlay.forget();
        self.held = None;
        self.handler.on_discarded();
        self.rewind_due = true;
        if self.log_failures > LOG_FAILURES_MAX {
            return Err(Error::Write { reason: reason.into() });
        }
        let doubled_ms = BACKOFF_MS_MIN << self.setbacks.min(16);
        let pause = Duration::from_millis(doubled_ms.min(BACKOFF_MS_MAX));
        self.setbacks = self.setbacks.saturating_add(1);
        let pause_ms = pause.as_millis() as u64;
        let times = self.setbacks;
        // Some logs say by themselves, once for all workers, that they fail.
        if is_told(times) && (self.log_failures == 0 || !self.log.tells_failures()) {
            warn!(worker = %self.settings.worker, reason, times, pause_ms, "batch is thrown away and tried again");
        } else {
            debug!(worker = %self.settings.worker, reason, times, pause_ms, "batch is thrown away once more");
        }
        Ok(Turn::SetBack { pause, reason })
    }
}

/// Of so many failures in a row, whether the last is told: what goes on for long is not told once alone, and not each time.
fn is_told(times: u32) -> bool {
    times % SETBACKS_TOLD_EVERY == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays: a batch that fails a hundred times in a row.
    #[test]
    fn what_fails_for_long_is_told_again_and_not_each_time() {
        let told: Vec<u32> = (1..=100).filter(|times| is_told(*times)).collect();
        assert_eq!(told, [1, 33, 65, 97]);
    }
}
