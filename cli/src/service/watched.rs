//! A line, with an eye on which partitions it has.
use std::sync::Arc;

use runtime::{DueTimer, Handler, HandlerError, Record, Step};
use topology::Line;

use super::vitals::Vitals;

/// Does what the line does, and says which partitions its worker was given.
pub struct Watched {
    pub line: Line,
    pub vitals: Arc<Vitals>,
    pub group: String,
    pub worker: String,
}

impl Handler for Watched {
    fn on_broadcast(&mut self, record: &Record) {
        self.line.on_broadcast(record);
    }

    fn on_record(&mut self, step: &mut Step<'_>, record: &Record) -> Result<(), HandlerError> {
        self.line.on_record(step, record)
    }

    fn on_timer(&mut self, step: &mut Step<'_>, timer: &DueTimer) -> Result<(), HandlerError> {
        self.line.on_timer(step, timer)
    }

    fn on_appended(&mut self) {
        self.line.on_appended();
    }

    fn on_committed(&mut self) {
        self.line.on_committed();
    }

    fn on_discarded(&mut self) {
        self.line.on_discarded();
    }

    fn on_partitions(&mut self, partitions: &[u32]) {
        self.vitals.assigned(&self.group, &self.worker, partitions);
        self.line.on_partitions(partitions);
    }
}
