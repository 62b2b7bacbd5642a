//! What is said of writes that fail.

use std::time::{Duration, Instant};

use tracing::{error, info};

/// While writes fail, it is said again so often: the first line may have scrolled away.
const REMINDER: Duration = Duration::from_secs(60);

/// Writes that fail one after the other, as on a full disk: said once, and once when it is over.
#[derive(Debug, Default)]
pub(crate) struct Failing {
    since: Option<Instant>,
    said_at: Option<Instant>,
    writes: u64,
    reason: Option<std::sync::Arc<str>>,
}

impl Failing {
    pub(crate) fn failed(&mut self, reason: &str) {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        self.writes += 1;
        self.reason = Some(reason.into());
        if self.said_at.is_none_or(|at| now - at >= REMINDER) {
            self.said_at = Some(now);
            let failing_s = (now - since).as_secs();
            error!(
                reason,
                failing_s, "log cannot be written; nothing new is taken, and it is tried again until it can"
            );
        }
    }

    pub(crate) fn succeeded(&mut self) {
        let Some(since) = self.since else { return };
        info!(failed_s = since.elapsed().as_secs(), writes_failed = self.writes, "log can be written again");
        *self = Failing::default();
    }

    /// Why the last write failed; `None`: it did not.
    pub(crate) fn reason(&self) -> Option<std::sync::Arc<str>> {
        self.reason.clone()
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.since.is_some()
    }
}
