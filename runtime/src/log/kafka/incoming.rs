//! Records as they come from the client.

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Headers as _, Message};

use super::Shared;
pub(crate) use crate::Names;
use crate::log::Limits;
use crate::record::{Headers, Record};

/// What a record costs beside its bytes, in a limit.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// None: of a topic that the log was not opened with.
pub(crate) fn record_of(shared: &Shared, names: &mut Names, message: &BorrowedMessage<'_>) -> Option<Record> {
    let index = shared.index_of_wire(message.topic())?;
    Some(Record {
        topic: shared.topics.at(index).name.clone(),
        partition: u32::try_from(message.partition()).ok()?,
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers_of(names, message),
    })
}

fn headers_of(names: &mut Names, message: &BorrowedMessage<'_>) -> Headers {
    let Some(headers) = message.headers() else { return Headers::new() };
    headers
        .iter()
        .map(|header| (names.shared(header.key), Bytes::copy_from_slice(header.value.unwrap_or_default())))
        .collect()
}

/// What is left of the limits behind a record.
pub(crate) fn spend(limits: &mut Limits, record: &Record) {
    let bytes = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
    limits.records_max = limits.records_max.saturating_sub(1);
    limits.bytes_max =
        limits.bytes_max.saturating_sub(bytes(&record.key) + bytes(&record.value) + RECORD_OVERHEAD_BYTES);
}

/// Whether another record fits.
pub(crate) fn has_room(limits: &Limits) -> bool {
    limits.records_max > 0 && limits.bytes_max > 0
}
