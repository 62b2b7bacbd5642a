//! Time and stopping, as arguments: so that a simulation can own both.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that was turned back by no more is waited for. One that was turned back by more had been wrong before, and is believed from
/// then on.
pub const CLOCK_BACK_MS_MAX: i64 = 60_000;

/// Where the time comes from.
pub trait Clock: Send + Sync + Debug {
    /// UTC milliseconds since 1970. May jump either way, as real clocks do; what a worker makes of that: [`CLOCK_BACK_MS_MAX`].
    fn now_ms(&self) -> i64;
    /// Waits for `pause`, or until `stop` is asked for.
    fn pause(&self, pause: Duration, stop: &StopSignal);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        // A clock before 1970 is a machine whose clock was never set; 0 keeps it running.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn pause(&self, pause: Duration, stop: &StopSignal) {
        stop.wait(pause);
    }
}

/// A clock that stands until it is moved: for tests and simulations. A pause moves it.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    now_ms: Arc<AtomicI64>,
}

impl ManualClock {
    pub fn at(now_ms: i64) -> Self {
        Self { now_ms: Arc::new(AtomicI64::new(now_ms)) }
    }

    pub fn set(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn pause(&self, pause: Duration, _stop: &StopSignal) {
        let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        self.now_ms.fetch_add(pause_ms, Ordering::SeqCst);
    }
}

/// Asks workers to stop: set once, seen by all clones.
#[derive(Clone, Debug, Default)]
pub struct StopSignal {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    stopped: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl StopSignal {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn stop(&self) {
        // Under the lock: a waiter that has just looked would otherwise miss it.
        let _guard = self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.stopped.store(true, Ordering::Release);
        self.inner.changed.notify_all();
    }

    pub fn is_stopped(&self) -> bool {
        self.inner.stopped.load(Ordering::Acquire)
    }

    /// Waits until stopped, at most `wait`; says whether stopped.
    pub fn wait(&self, wait: Duration) -> bool {
        let deadline = Instant::now().checked_add(wait);
        let mut guard = self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_stopped() {
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => wait,
            };
            if left.is_zero() {
                return false;
            }
            guard = self.inner.changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
