//! Trying again what may pass by itself: pauses that grow, and words that do not come with every try.
use std::time::{Duration, Instant};

use runtime::StopSignal;

/// The pause after the first try; doubled with each in a row.
const PAUSE_MS_MIN: u64 = 100;
const PAUSE_MS_MAX: u64 = 10_000;
/// What lasts is said again so often: whoever looks into the log of the last minutes has to find it.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// How long the same has failed in a row.
pub(super) struct Backoff {
    pause_ms: u64,
    told_at: Option<Instant>,
}

impl Backoff {
    pub fn new() -> Backoff {
        Backoff { pause_ms: PAUSE_MS_MIN, told_at: None }
    }

    /// How long the next pause is.
    pub fn pause_ms(&self) -> u64 {
        self.pause_ms
    }

    /// No sooner than after the longest pause: it will not pass by itself.
    pub fn longest(&mut self) {
        self.pause_ms = PAUSE_MS_MAX;
    }

    /// Waits, longer each time; whether `stop` came first.
    pub fn wait(&mut self, stop: &StopSignal) -> bool {
        let pause = Duration::from_millis(self.pause_ms);
        self.pause_ms = (self.pause_ms * 2).min(PAUSE_MS_MAX);
        stop.wait(pause)
    }

    /// Whether the failure is to be told now: the first time, and then every minute.
    pub fn is_to_be_told(&mut self) -> bool {
        self.is_to_be_told_at(Instant::now())
    }

    fn is_to_be_told_at(&mut self, now: Instant) -> bool {
        let is_due = self.told_at.is_none_or(|told_at| now.duration_since(told_at) >= TELL_EVERY);
        if is_due {
            self.told_at = Some(now);
        }
        is_due
    }

    /// Whether a failure was told: then its end is, too.
    pub fn was_told(&self) -> bool {
        self.told_at.is_some()
    }
}

/// Whether the log may do the same later, with nothing changed by anybody here: brokers that are away, a leader that has just changed.
pub(super) fn log_may_pass(error: &anyhow::Error) -> bool {
    error.downcast_ref::<runtime::Error>().is_some_and(runtime::Error::is_passing)
}

/// Does it until it is done, where the log does not let it now; `None` where `stop` came first.
///
/// # Errors
/// What trying again does not mend.
pub(super) fn until_done<T>(
    what: &str,
    stop: &StopSignal,
    mut act: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    let mut backoff = Backoff::new();
    loop {
        match act() {
            Err(error) if log_may_pass(&error) => {
                if backoff.is_to_be_told() {
                    tracing::warn!(
                        part = what,
                        error = format!("{error:#}"),
                        backoff_ms = backoff.pause_ms(),
                        "log does not answer, it is tried again"
                    );
                }
            }
            done => {
                if done.is_ok() && backoff.was_told() {
                    tracing::info!(part = what, "log answers again");
                }
                return done.map(Some);
            }
        }
        if backoff.wait(stop) {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let (mut backoff, stop) = (Backoff::new(), StopSignal::new());
        // Nobody waits.
        stop.stop();
        let pauses: Vec<u64> = (0..9)
            .map(|_| {
                let pause_ms = backoff.pause_ms();
                assert!(backoff.wait(&stop));
                pause_ms
            })
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        let mut damaged = Backoff::new();
        damaged.longest();
        assert_eq!(damaged.pause_ms(), 10_000);
    }

    #[test]
    fn what_lasts_is_told_every_minute_and_its_end_only_where_it_was_told() {
        let (mut backoff, begun) = (Backoff::new(), Instant::now());
        assert!(!backoff.was_told());
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let told = [0, 10, 59, 60, 61, 119, 120].map(|seconds| backoff.is_to_be_told_at(at(seconds)));
        assert_eq!(told, [true, false, false, true, false, false, true]);
        assert!(backoff.was_told());
    }

    #[test]
    fn what_does_not_pass_is_not_tried_again_and_a_stop_ends_it() {
        let stop = StopSignal::new();
        assert_eq!(until_done("test", &stop, || Ok(7)).unwrap(), Some(7));
        let mut tries = 0;
        let refused = until_done("test", &stop, || {
            tries += 1;
            Err::<(), anyhow::Error>(anyhow::anyhow!("no"))
        });
        assert_eq!((refused.unwrap_err().to_string().as_str(), tries), ("no", 1));
        stop.stop();
        let passing = || Err::<(), anyhow::Error>(runtime::Error::WaitEnded { wait_ms: 1 }.into());
        assert!(until_done("test", &stop, passing).unwrap().is_none());
    }
}
