//! Timers: a due time under a name within (processor, key). Setting a name again replaces its due time.

use std::sync::Arc;

use bytes::Bytes;

use crate::store::keys::TimerKey;

/// A timer whose time has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueTimer {
    /// UTC milliseconds.
    pub due_ms: i64,
    pub key: Bytes,
    pub processor: Arc<str>,
    pub name: Arc<str>,
    pub partition: u32,
}

impl DueTimer {
    pub(crate) fn timer_key(&self) -> TimerKey {
        TimerKey::new(self.partition, &self.processor, &self.key, &self.name)
    }
}
