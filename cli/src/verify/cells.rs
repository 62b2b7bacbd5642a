//! Everything that is kept: each cell belongs to a processor, lies in its key's partition, and can be read by its contract.
use std::collections::BTreeSet;

use runtime::CellParts;
use topology::{Kept, Processor};

use super::{Check, Subject};

pub(super) struct Cells {
    pub check: Check,
    /// The keys of all orders that capture knows.
    pub captured: BTreeSet<String>,
}

pub(super) fn check(subject: &Subject<'_>) -> Cells {
    let mut cells = Cells { check: Check::new("state"), captured: BTreeSet::new() };
    let visited = subject.log.visit_cells(|parts, value| {
        subject.progress.inc(1);
        cells.check.looked_at += 1;
        match parts {
            Ok(parts) => cells.look_at(subject, &parts, value),
            Err(key) => cells.check.find(format!("cell {key}"), "its name cannot be read"),
        }
        true
    });
    if let Err(error) = visited {
        cells.check.unreadable("state", &error);
    }
    cells
}

/// A cell's place, for people.
pub(super) fn place(processor: &str, key: &str, cell: &str) -> String {
    format!("{processor} of \"{key}\", cell \"{cell}\"")
}

impl Cells {
    fn look_at(&mut self, subject: &Subject<'_>, parts: &CellParts, value: &[u8]) {
        let (key, cell) = (String::from_utf8_lossy(&parts.key), String::from_utf8_lossy(&parts.cell));
        let at = place(&parts.processor, &key, &cell);
        let Some(processor) = Processor::from_name(&parts.processor) else {
            self.check.find(at, "there is no such processor");
            return;
        };
        let belongs = if processor == Processor::Downstream { 0 } else { subject.partition_of(&key) };
        if belongs != parts.partition {
            self.check.find(
                &at,
                format!("it lies in partition {}, and its key belongs to {belongs}", parts.partition),
            );
        }
        match topology::read_cell(&subject.state, processor, &cell, value) {
            Ok(Kept::Capture(_)) => drop(self.captured.insert(key.into_owned())),
            Ok(
                Kept::Evidence
                | Kept::Validation(_)
                | Kept::Orchestration(_)
                | Kept::Fallout(_)
                | Kept::StuckOrders(_)
                | Kept::Inventory(_)
                | Kept::Downstream(_),
            ) => {}
            Err(why) => self.check.find(at, format!("it cannot be read: {why}")),
        }
    }
}
