//! What a worker counts. Few labels, and never a key in one.

use std::sync::Arc;

use metrics::{Counter, Histogram, counter, histogram};

pub(super) struct WorkerMetrics {
    pub(super) input_records: Counter,
    pub(super) output_records: Counter,
    pub(super) timers_fired: Counter,
    pub(super) dead_letters: Counter,
    pub(super) batches_failed: Counter,
    pub(super) batch_records: Histogram,
    pub(super) commit_seconds: Histogram,
}

impl WorkerMetrics {
    pub(super) fn new(worker: &Arc<str>) -> Self {
        let worker = worker.to_string();
        Self {
            input_records: counter!("orderstream_input_records_total", "worker" => worker.clone()),
            output_records: counter!("orderstream_output_records_total", "worker" => worker.clone()),
            timers_fired: counter!("orderstream_timers_fired_total", "worker" => worker.clone()),
            dead_letters: counter!("orderstream_dead_letters_total", "worker" => worker.clone()),
            batches_failed: counter!("orderstream_batches_failed_total", "worker" => worker.clone()),
            batch_records: histogram!("orderstream_batch_size_records", "worker" => worker.clone()),
            commit_seconds: histogram!("orderstream_commit_duration_seconds", "worker" => worker),
        }
    }
}
