//! The same catalog in less time: every duration divided and cut, for demonstrations.
use super::task_type::{CircuitPolicy, RetryPolicy};
use super::{CatalogDocument, TaskType};
use crate::CatalogVersion;

/// Durations keep their order, though cut ones may become equal. The version says that it is another catalog.
pub(super) fn scaled(document: &CatalogDocument, divisor: u32, ms_max: i64) -> CatalogDocument {
    let mut document = document.clone();
    document.version = CatalogVersion(format!("{}/{divisor}-{ms_max}", document.version));
    let shorter = |ms: &mut i64| *ms = divided(*ms, divisor, ms_max);
    for system in document.systems.values_mut() {
        let CircuitPolicy { window_ms, open_ms_min, open_ms_max, probe_ms, release_interval_ms, .. } =
            &mut system.circuit;
        [window_ms, open_ms_min, open_ms_max, probe_ms, release_interval_ms].into_iter().for_each(shorter);
    }
    for task_type in document.task_types.values_mut() {
        let TaskType { expected_ms, warning_ms, breach_ms, grace_ms, retry, .. } = task_type;
        let RetryPolicy { backoff_ms_min, backoff_ms_max, window_ms, .. } = retry;
        [expected_ms, warning_ms, breach_ms, grace_ms, backoff_ms_min, backoff_ms_max]
            .into_iter()
            .for_each(shorter);
        // Not cut: retries need room beyond the longest wait for an answer.
        *window_ms = divided(*window_ms, divisor, 0);
    }
    let feasibilities = document.offerings.values_mut().filter_map(|offering| offering.feasibility.as_mut());
    feasibilities.for_each(|feasibility| shorter(&mut feasibility.answer_ms));
    document
}

/// Nothing that takes time takes none.
fn divided(ms: i64, divisor: u32, ms_max: i64) -> i64 {
    if ms <= 0 {
        return ms;
    }
    let divided = (ms / i64::from(divisor)).max(1);
    if ms_max > 0 { divided.min(ms_max) } else { divided }
}
