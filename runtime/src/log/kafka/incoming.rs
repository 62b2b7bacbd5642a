//! Records as they come from the client.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Headers as WireHeaders, Message};

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
        headers: message.headers().map(|wire| headers_of(names, wire)).unwrap_or_default(),
    })
}

/// A header whose name is no text is left out: the client panics at it, and gives safe code no other way to read it. Nobody keeps outsiders
/// from writing one, and none of ours is called so; but for that, one record would end every worker that reads it, for ever.
fn headers_of(names: &mut Names, wire: &impl WireHeaders) -> Headers {
    let header = |at: usize| {
        let read = catch_unwind(AssertUnwindSafe(|| wire.try_get(at)));
        let header = read.ok().flatten()?;
        Some((names.shared(header.key), Bytes::copy_from_slice(header.value.unwrap_or_default())))
    };
    (0..wire.count()).filter_map(header).collect()
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

#[cfg(test)]
mod tests {
    use rdkafka::message::Header;

    use super::*;

    /// As the client is where the second name is no text.
    struct Broken;

    impl WireHeaders for Broken {
        fn count(&self) -> usize {
            4
        }

        fn try_get(&self, at: usize) -> Option<Header<'_, &[u8]>> {
            match at {
                0 => Some(Header { key: "a", value: Some(b"1") }),
                1 => panic!("the name is no text"),
                2 => Some(Header { key: "b", value: None }),
                _ => None,
            }
        }
    }

    #[test]
    fn a_header_that_cannot_be_read_is_left_out_and_the_others_are_there() {
        let read = headers_of(&mut Names::default(), &Broken);
        assert_eq!(read, [("a".into(), Bytes::from_static(b"1")), ("b".into(), Bytes::new())]);
    }
}
