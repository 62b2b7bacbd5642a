//! What has other keys than an order's: products and systems.
use std::collections::{BTreeMap, BTreeSet};

use processors::downstream::state::Cell;
use topology::{Kept, Processor};

use super::cells::place;
use super::rows::{Told, text};
use super::{Check, Subject};
use crate::order::word;

pub(super) fn check(subject: &Subject<'_>, told: &Told) -> Check {
    let mut check = Check::new("products and systems");
    for (id, row) in &told.products {
        subject.progress.inc(1);
        check.looked_at += 1;
        if let Some(what) = product(subject, id, text(row, "state")) {
            check.find(place(Processor::Inventory.name(), id, "state"), what);
        }
    }
    let systems: BTreeSet<String> = subject
        .log
        .topics()
        .iter()
        .filter_map(|spec| schemas::topics::system_of(&spec.name).map(str::to_owned))
        .collect();
    for system in systems {
        check.looked_at += 1;
        queue(subject, &system, &mut check);
    }
    check
}

/// What is wrong with a product, if anything is.
fn product(subject: &Subject<'_>, id: &str, told: &str) -> Option<String> {
    let cells = match subject.log.cells(subject.partition_of(id), Processor::Inventory.name(), id.as_bytes())
    {
        Ok(cells) => cells,
        Err(error) => return Some(error.chain()),
    };
    let mut states = cells.iter().filter_map(|(cell, value)| {
        topology::read_cell(&subject.state, Processor::Inventory, &String::from_utf8_lossy(cell), value).ok()
    });
    let Some(Kept::Inventory(state)) = states.next() else {
        return Some(format!("it is missing, and events tell of the product as {told}"));
    };
    let found = state.product.map_or("not there".to_owned(), |product| word(&product.state));
    (found != told).then(|| format!("the product is {found}, and {told} by the events"))
}

/// Every task that waits for its turn is found by its task, and counted.
fn queue(subject: &Subject<'_>, system: &str, check: &mut Check) {
    let processor = Processor::Downstream;
    let at = |cell: &str| place(processor.name(), system, cell);
    let cells = match subject.log.cells(0, processor.name(), system.as_bytes()) {
        Ok(cells) => cells,
        Err(error) => return check.unreadable(at("*"), &error),
    };
    let (mut waiting, mut turns, mut places) = (0, BTreeSet::new(), BTreeMap::new());
    for (cell, value) in &cells {
        let name = String::from_utf8_lossy(cell).into_owned();
        match topology::read_cell(&subject.state, processor, &name, value) {
            Ok(Kept::Downstream(Cell::Head(head))) => waiting = head.waiting as usize,
            Ok(Kept::Downstream(Cell::Turn(_))) => drop(turns.insert(name)),
            Ok(Kept::Downstream(Cell::Place(place))) => drop(places.insert(place.turn_cell, name)),
            // Told already, where all cells were read.
            Ok(_) | Err(_) => {}
        }
    }
    if waiting != turns.len() {
        check.find(
            at("head"),
            format!("{waiting} tasks wait by its count, and {} turns are kept", turns.len()),
        );
    }
    for turn in turns.iter().filter(|turn| !places.contains_key(*turn)) {
        check.find(at(turn), "no task leads to it");
    }
    for (turn, name) in places.iter().filter(|(turn, _)| !turns.contains(*turn)) {
        check.find(at(name), format!("it leads to \"{turn}\", which is missing"));
    }
}
