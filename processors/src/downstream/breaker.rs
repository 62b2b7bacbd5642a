//! The breaker: failures are counted within a window, and a probe's answer decides.
use domain::downstream::{CircuitState, CircuitTrigger};

use super::state::FAILURES_COUNTED_MAX;
use super::{Probe, Step, TIMER_OPEN, TIMER_PROBE, TIMER_RELEASE, TIMER_WATCH};

impl Step<'_> {
    /// A command failed by the system's own fault, or was not answered, and it was not the probe.
    pub(super) fn failed(&mut self) {
        match self.head.circuit {
            CircuitState::Closed => self.count_failure(),
            // Sent before the circuit opened: it says nothing new.
            CircuitState::Open | CircuitState::HalfOpen => {}
        }
    }

    fn count_failure(&mut self) {
        let now = self.arrival.now;
        let window_ms = self.policy.window_ms;
        self.head.failures.retain(|at| now.since_ms(*at) < window_ms);
        self.head.failures.push(now);
        self.head.last_failure = Some(now);
        let failures_max = self.policy.failures_max.clamp(1, FAILURES_COUNTED_MAX);
        if self.head.failures.len() >= failures_max as usize {
            self.head.watched = true;
            self.turn_circuit(CircuitTrigger::FailuresReachedThreshold);
            let reason = format!("{} failures within {window_ms} ms", self.head.failures.len());
            self.open(self.policy.open_ms_min.max(1), &reason);
        } else if !self.head.watched {
            self.head.watched = true;
            self.set(TIMER_WATCH, now.plus_ms(window_ms));
            self.publish("a failure, and more are looked out for");
        }
    }

    /// The circuit is open from now on: nothing is let through for `open_ms`.
    fn open(&mut self, open_ms: i64, reason: &str) {
        self.head.failures.clear();
        self.head.open_ms = open_ms;
        let until = self.arrival.now.plus_ms(open_ms);
        self.head.open_until = Some(until);
        self.set(TIMER_OPEN, until);
        if self.head.release_at.take().is_some() {
            self.cancel(TIMER_RELEASE);
        }
        self.publish(reason);
    }

    pub(super) fn half_open(&mut self) {
        self.head.open_until = None;
        self.turn_circuit(CircuitTrigger::OpenIntervalElapsed);
        self.publish("one probe is let through");
        self.probe_next();
    }

    /// Lets the first that waits through, unless a probe is out. Where nobody waits, the next that wants its turn is it.
    pub(super) fn probe_next(&mut self) {
        if self.head.circuit != CircuitState::HalfOpen || self.head.probe.is_some() {
            return;
        }
        let Some(turn) = self.take_turns(1).pop() else { return };
        let due = self.arrival.now.plus_ms(self.policy.probe_ms);
        self.grant(&turn.order_key, turn.task_id);
        self.head.probe = Some(Probe { order_key: turn.order_key, task_id: turn.task_id, due });
        self.set(TIMER_PROBE, due);
    }

    pub(super) fn probe_failed(&mut self, reason: &str) {
        self.head.probe = None;
        self.head.last_failure = Some(self.arrival.now);
        self.cancel(TIMER_PROBE);
        self.turn_circuit(CircuitTrigger::ProbeFailed);
        let open_ms_max = self.policy.open_ms_max.max(self.policy.open_ms_min).max(1);
        self.open(self.head.open_ms.saturating_mul(2).clamp(1, open_ms_max), reason);
    }

    /// Those that wait are let through from now on; it stays watched until a whole window was without a failure.
    pub(super) fn probe_succeeded(&mut self) {
        self.head.probe = None;
        self.cancel(TIMER_PROBE);
        self.turn_circuit(CircuitTrigger::ProbeSucceeded);
        self.head.open_ms = 0;
        self.set(TIMER_WATCH, self.arrival.now.plus_ms(self.policy.window_ms));
        self.head.release_count = self.policy.release_count.max(1);
        self.head.waiting_before = self.head.waiting;
        // The release publishes: whoever reads it sees the circuit and the queue at once.
        self.release();
    }

    pub(super) fn watch_elapsed(&mut self) {
        if self.head.circuit != CircuitState::Closed || !self.head.watched {
            return;
        }
        let now = self.arrival.now;
        let calm_at = self.head.last_failure.map_or(now, |at| at.plus_ms(self.policy.window_ms));
        if now < calm_at {
            return self.set(TIMER_WATCH, calm_at);
        }
        self.head.watched = false;
        self.head.failures.clear();
        self.publish("a whole window without a failure");
    }
}
