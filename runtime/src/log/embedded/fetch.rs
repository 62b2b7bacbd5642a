//! Reading on: from many partitions in turn, within limits.
use super::store::Store;
use crate::log::Limits;
use crate::record::Record;
use crate::{Error, Names};

/// Where a reader goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetch {
    pub(crate) topic: usize,
    pub(crate) partition: u32,
    pub(crate) next_offset: i64,
}

/// Reads from as many of the partitions as the limits allow, beginning with another each time.
pub(crate) fn fetch_all(
    store: &Store,
    fetches: &mut [Fetch],
    turn: &mut usize,
    mut limits: Limits,
    names: &mut Names,
) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    let count = fetches.len();
    for step in 0..count {
        let fetch = &mut fetches[(*turn + step) % count];
        if fetch.next_offset >= store.end(fetch.topic, fetch.partition) {
            continue;
        }
        let place = (fetch.topic, fetch.partition);
        fetch.next_offset = store.fetch(place, fetch.next_offset, &mut limits, names, &mut records)?;
        if limits.records_max == 0 || limits.bytes_max == 0 {
            break;
        }
    }
    *turn = turn.wrapping_add(1);
    Ok(records)
}

/// How many records are between the positions and the ends, gaps counted as records.
pub(crate) fn lag(store: &Store, fetches: &[Fetch]) -> u64 {
    fetches
        .iter()
        .map(|fetch| (store.end(fetch.topic, fetch.partition) - fetch.next_offset).max(0).unsigned_abs())
        .sum()
}
