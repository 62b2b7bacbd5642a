//! The bytes of records, positions and meta entries in the store.
//!
//! A record's key is topic id (2 bytes), partition (4), offset (8), all big-endian. Its value: timestamp (8, little-endian),
//! flags, key, headers, and the value up to the end; lengths are variable: seven bits a byte, the lowest first.

use std::sync::Arc;

use bytes::Bytes;

use crate::Names;
use crate::record::{Outgoing, Record};
use crate::store::keys;

const HAS_KEY: u8 = 1;
const HAS_VALUE: u8 = 2;
const TIMESTAMP_BYTES: usize = 8;

pub(crate) const LOG_KEY_BYTES: usize = 14;

pub(crate) fn log_key(topic_id: u16, partition: u32, offset: i64) -> [u8; LOG_KEY_BYTES] {
    assert!(offset >= 0, "offsets count from 0");
    let mut key = [0; LOG_KEY_BYTES];
    key[..2].copy_from_slice(&topic_id.to_be_bytes());
    key[2..6].copy_from_slice(&partition.to_be_bytes());
    key[6..].copy_from_slice(&offset.to_be_bytes());
    key
}

pub(crate) fn log_offset(key: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(key.get(6..LOG_KEY_BYTES)?.try_into().ok()?))
}

pub(crate) fn encode_record(out: &mut Vec<u8>, record: &Outgoing) {
    out.extend_from_slice(&record.timestamp_ms.to_le_bytes());
    let key_flag = if record.key.is_some() { HAS_KEY } else { 0 };
    let value_flag = if record.value.is_some() { HAS_VALUE } else { 0 };
    out.push(key_flag | value_flag);
    if let Some(key) = &record.key {
        push_sized(out, key);
    }
    push_length(out, record.headers.len());
    for (name, value) in &record.headers {
        push_sized(out, name.as_bytes());
        push_sized(out, value);
    }
    if let Some(value) = &record.value {
        out.extend_from_slice(value);
    }
}

fn push_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    push_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn push_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// The timestamp of an encoded record. None: damaged.
pub(crate) fn timestamp_ms(raw: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(raw.get(..TIMESTAMP_BYTES)?.try_into().ok()?))
}

/// The key of an encoded record, and whether it is a tombstone. None: damaged.
pub(crate) fn key_and_tombstone(raw: &[u8]) -> Option<(Option<&[u8]>, bool)> {
    let flags = *raw.get(TIMESTAMP_BYTES)?;
    let mut at = TIMESTAMP_BYTES + 1;
    let key = if flags & HAS_KEY != 0 { Some(take_sized(raw, &mut at)?) } else { None };
    Some((key.map(|range| &raw[range]), flags & HAS_VALUE == 0))
}

/// One allocation for the whole record: key, headers and value are slices of it. None: damaged.
pub(crate) fn decode_record(
    topic: &Arc<str>,
    partition: u32,
    offset: i64,
    raw: &[u8],
    names: &mut Names,
) -> Option<Record> {
    let raw = Bytes::copy_from_slice(raw);
    let timestamp_ms = timestamp_ms(&raw)?;
    let flags = *raw.get(TIMESTAMP_BYTES)?;
    let mut at = TIMESTAMP_BYTES + 1;
    let key = if flags & HAS_KEY != 0 { Some(raw.slice(take_sized(&raw, &mut at)?)) } else { None };
    let count = take_length(&raw, &mut at)?;
    // A damaged count must not reserve memory: each header takes two bytes at least.
    let mut headers = Vec::with_capacity(count.min(raw.len() / 2));
    for _ in 0..count {
        let name = take_sized(&raw, &mut at)?;
        let name = names.shared(std::str::from_utf8(&raw[name]).ok()?);
        headers.push((name, raw.slice(take_sized(&raw, &mut at)?)));
    }
    let value = (flags & HAS_VALUE != 0).then(|| raw.slice(at..));
    Some(Record { topic: topic.clone(), partition, offset, timestamp_ms, key, value, headers })
}

fn take_sized(raw: &[u8], at: &mut usize) -> Option<std::ops::Range<usize>> {
    let length = take_length(raw, at)?;
    let range = *at..at.checked_add(length)?;
    raw.get(range.clone())?;
    *at = range.end;
    Some(range)
}

fn take_length(raw: &[u8], at: &mut usize) -> Option<usize> {
    let mut length = 0usize;
    for shift in (0..35).step_by(7) {
        let byte = *raw.get(*at)?;
        *at += 1;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

/// All positions of a group begin with this.
pub(crate) fn group_prefix(group: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(group.len() + 8);
    keys::push_part(&mut key, group.as_bytes());
    key
}

pub(crate) fn position_key(group: &str, topic_id: u16, partition: u32) -> Vec<u8> {
    let mut key = group_prefix(group);
    key.extend_from_slice(&topic_id.to_be_bytes());
    key.extend_from_slice(&partition.to_be_bytes());
    key
}

/// Group, topic and partition of a [`position_key`]. None: damaged.
pub(crate) fn decode_position_key(raw: &[u8]) -> Option<(String, u16, u32)> {
    let (group, rest) = keys::take_part(raw)?;
    let (topic_id, partition) = rest.split_at_checked(2)?;
    Some((
        String::from_utf8(group.into_owned()).ok()?,
        u16::from_be_bytes(topic_id.try_into().ok()?),
        u32::from_be_bytes(partition.try_into().ok()?),
    ))
}

/// (topic, partition, record key), of the newest offsets that compaction keeps.
pub(crate) fn newest_key(topic_id: u16, partition: u32, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 6);
    out.extend_from_slice(&topic_id.to_be_bytes());
    out.extend_from_slice(&partition.to_be_bytes());
    out.extend_from_slice(key);
    out
}

/// Where something about a partition is kept in meta, as "earliest" or "compacted".
pub(crate) fn partition_meta_key(what: &str, topic_id: u16, partition: u32) -> Vec<u8> {
    format!("{what}/{topic_id}/{partition}").into_bytes()
}

pub(crate) fn decode_i64(raw: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(raw.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
    }

    proptest! {
        #[test]
        fn a_record_reads_as_it_was_written(
            timestamp_ms: i64,
            key in proptest::option::of(bytes()),
            value in proptest::option::of(bytes()),
            headers in proptest::collection::vec(("[a-z_]{0,12}", bytes()), 0..4),
        ) {
            let headers = headers.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
            let topic: Arc<str> = "t".into();
            let sent = Outgoing { topic: topic.clone(), partition: None, key, value, headers, timestamp_ms };
            let mut raw = Vec::new();
            encode_record(&mut raw, &sent);
            let read = decode_record(&topic, 3, 9, &raw, &mut Names::default()).unwrap();
            prop_assert_eq!(key_and_tombstone(&raw).unwrap(), (sent.key.as_deref(), sent.value.is_none()));
            prop_assert_eq!(
                (read.key, read.value, read.headers, read.timestamp_ms, read.partition, read.offset),
                (sent.key, sent.value, sent.headers, timestamp_ms, 3, 9)
            );
        }

        #[test]
        fn damaged_bytes_are_refused_and_never_panic(raw in bytes()) {
            let _ = decode_record(&"t".into(), 0, 0, &raw, &mut Names::default());
            let _ = key_and_tombstone(&raw);
        }
    }
}
