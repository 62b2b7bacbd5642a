//! How far the groups are behind, where the log is elsewhere and asking takes its time.
use std::time::Duration;

use runtime::StopSignal;

use super::Store;
use super::watch::{Group, tell_lag};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Until `stop`. Brokers that are away are asked again: nothing rests on it.
pub fn run(store: &Store, groups: &[Group], stop: &StopSignal) {
    let mut is_failing = false;
    loop {
        match tell_lag(store, groups, stop) {
            Ok(()) => is_failing = false,
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(error = format!("{error:#}"), "lags could not be looked up");
                }
            }
        }
        if stop.wait(LOOK_EVERY) {
            return;
        }
    }
}
