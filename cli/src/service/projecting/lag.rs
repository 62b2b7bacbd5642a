//! How far the projection is behind, as metrics.
use std::cell::Cell;
use std::time::Instant;

/// How far the projection is behind, for whoever watches.
pub(super) struct Lag {
    records: metrics::Gauge,
    seconds: metrics::Gauge,
    /// How many seconds it was behind, and when that was known.
    known: Cell<(f64, Instant)>,
}

impl Lag {
    pub(super) fn new() -> Lag {
        Lag {
            records: metrics::gauge!("orderstream_projection_lag_records"),
            seconds: metrics::gauge!("orderstream_projection_lag_seconds"),
            known: Cell::new((0.0, Instant::now())),
        }
    }

    pub(super) fn records(&self, records: u64) {
        self.records.set(records as f64);
    }

    /// `oldest`: when the oldest record that is not applied was written, where there is one.
    pub(super) fn set(&self, records: u64, oldest: Option<i64>, now_ms: i64) {
        self.records(records);
        let behind_ms = oldest.map_or(0, |oldest| now_ms.saturating_sub(oldest).max(0));
        let seconds = behind_ms as f64 / 1_000.0;
        self.seconds.set(seconds);
        self.known.set((seconds, Instant::now()));
    }

    /// Of one that reads nothing at the moment: it is behind by so much more than it was.
    pub(super) fn grows(&self, records: u64, now: Instant) {
        self.records(records);
        let (seconds, known_at) = self.known.get();
        let more = now.saturating_duration_since(known_at).as_secs_f64();
        self.seconds.set(if records == 0 { 0.0 } else { seconds + more });
    }
}
