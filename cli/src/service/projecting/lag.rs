//! How far the projection is behind, as metrics.

/// How far the projection is behind, for whoever watches.
pub(super) struct Lag {
    records: metrics::Gauge,
    seconds: metrics::Gauge,
}

impl Lag {
    pub(super) fn new() -> Lag {
        Lag {
            records: metrics::gauge!("orderstream_projection_lag_records"),
            seconds: metrics::gauge!("orderstream_projection_lag_seconds"),
        }
    }

    pub(super) fn records(&self, records: u64) {
        self.records.set(records as f64);
    }

    /// `oldest`: when the oldest record that is not applied was written, where there is one.
    pub(super) fn set(&self, records: u64, oldest: Option<i64>, now_ms: i64) {
        self.records(records);
        let behind_ms = oldest.map_or(0, |oldest| now_ms.saturating_sub(oldest).max(0));
        self.seconds.set(behind_ms as f64 / 1_000.0);
    }
}
