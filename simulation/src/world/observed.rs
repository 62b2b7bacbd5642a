//! The production handler, with somebody who notes what it was given.

use runtime::{Clock, DueTimer, Handler, HandlerError, ManualClock, Record, Step, TimerKey};
use topology::Line;

use crate::log::Shared;
use crate::log::process::Note;

/// A line of processors whose inputs the auditor learns of, batch by batch.
#[derive(Debug)]
pub struct Observed {
    line: Line,
    cluster: Shared,
    clock: ManualClock,
    process: u64,
    open: Note,
}

impl Observed {
    /// `clock`: the worker's own.
    pub fn new(line: Line, cluster: Shared, clock: ManualClock, process: u64) -> Observed {
        Observed { line, cluster, clock, process, open: Note::default() }
    }

    fn note_time(&mut self, step: &Step<'_>) {
        let time = (step.now_ms(), self.clock.now_ms());
        if self.open.times.last() != Some(&time) {
            self.open.times.push(time);
        }
    }
}

impl Handler for Observed {
    fn on_broadcast(&mut self, record: &Record) {
        self.line.on_broadcast(record);
    }

    fn on_record(&mut self, step: &mut Step<'_>, record: &Record) -> Result<(), HandlerError> {
        self.note_time(step);
        self.open.inputs.push((record.topic.clone(), record.partition, record.offset));
        self.line.on_record(step, record)
    }

    fn on_timer(&mut self, step: &mut Step<'_>, timer: &DueTimer) -> Result<(), HandlerError> {
        self.note_time(step);
        let name = TimerKey::new(timer.partition, &timer.processor, &timer.key, &timer.name);
        self.open.fired.push((name, timer.due_ms));
        self.line.on_timer(step, timer)
    }

    fn on_appended(&mut self) {
        self.cluster.lock().note(self.process, std::mem::take(&mut self.open));
        self.line.on_appended();
    }

    fn on_committed(&mut self) {
        self.line.on_committed();
    }

    fn on_discarded(&mut self) {
        self.open = Note::default();
        self.line.on_discarded();
    }

    fn on_partitions(&mut self, partitions: &[u32]) {
        self.line.on_partitions(partitions);
    }
}
