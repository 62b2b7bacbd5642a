//! The names of cells and timers as bytes, the same in every store and changelog.
//!
//! A part is written so that bytes compare as parts do: 0x00 becomes 0x00 0xff, and 0x00 0x01 ends it. So everything
//! about one key lies together, a prefix never takes in a neighbour, and timers lie in the order of (due, key, name).

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::timer::DueTimer;

const ZERO_ESCAPED: [u8; 2] = [0x00, 0xff];
const PART_END: [u8; 2] = [0x00, 0x01];
const PARTITION_BYTES: usize = 4;
const DUE_BYTES: usize = 8;

/// The name of a cell: (partition, processor, key, cell), encoded. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey(Bytes);

/// The parts of a name, as they are where nothing in them is escaped.
struct Borrowed<'n, Last: ?Sized> {
    processor: Cow<'n, str>,
    key: Cow<'n, [u8]>,
    last: &'n Last,
}

/// The parts of a [`CellKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellParts {
    pub partition: u32,
    pub processor: String,
    pub key: Vec<u8>,
    pub cell: Vec<u8>,
}

impl CellKey {
    pub fn new(partition: u32, processor: &str, key: &[u8], cell: &[u8]) -> Self {
        let mut encoded = Vec::with_capacity(PARTITION_BYTES + processor.len() + key.len() + cell.len() + 4);
        encode_cell(&mut encoded, partition, processor, key, cell);
        Self(encoded.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// None: not made by [`CellKey::new`], so the store is damaged.
    pub fn from_bytes(encoded: Bytes) -> Option<Self> {
        let key = Self(encoded);
        key.borrowed().map(|_| ())?;
        Some(key)
    }

    /// For bytes that were encoded here.
    pub(crate) fn from_encoded(encoded: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(encoded))
    }

    pub fn partition(&self) -> u32 {
        partition_of(&self.0)
    }

    /// None only if the store is damaged.
    pub fn parts(&self) -> Option<CellParts> {
        let Borrowed { processor, key, last } = self.borrowed()?;
        let (processor, key, cell) = (processor.into_owned(), key.into_owned(), last.to_vec());
        Some(CellParts { partition: self.partition(), processor, key, cell })
    }

    fn borrowed(&self) -> Option<Borrowed<'_, [u8]>> {
        let (_, rest) = take_partition(&self.0)?;
        let (processor, rest) = take_part(rest)?;
        let (key, last) = take_part(rest)?;
        Some(Borrowed { processor: text(processor)?, key, last })
    }
}

/// What `HashMap` needs to look a cell up without owning its name.
impl std::borrow::Borrow<[u8]> for CellKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// Encodes a cell's name; with the front of a cell as `cell` it is the prefix of a scan.
pub(crate) fn encode_cell(out: &mut Vec<u8>, partition: u32, processor: &str, key: &[u8], cell: &[u8]) {
    out.extend_from_slice(&partition.to_be_bytes());
    push_part(out, processor.as_bytes());
    push_part(out, key);
    out.extend_from_slice(cell);
}

/// The cell's own name: what follows the (partition, processor, key) that `prefix_bytes` long prefix spelled out.
pub(crate) fn cell_of(encoded: &CellKey, prefix_bytes: usize) -> Bytes {
    encoded.0.slice(prefix_bytes..)
}

/// Its (partition, processor, key), encoded: what all cells of one key begin with.
pub(crate) fn key_prefix_of(encoded: &CellKey) -> &[u8] {
    let cell = take_partition(&encoded.0).and_then(|(_, rest)| Some(take_part(take_part(rest)?.1)?.1));
    let cell = cell.expect("a name has all of its parts: `new` wrote it");
    &encoded.0[..encoded.0.len() - cell.len()]
}

/// The name of a timer: (partition, key, processor, name), encoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey(Bytes);

impl TimerKey {
    pub fn new(partition: u32, processor: &str, key: &[u8], name: &str) -> Self {
        let mut encoded = Vec::with_capacity(PARTITION_BYTES + processor.len() + key.len() + name.len() + 4);
        encoded.extend_from_slice(&partition.to_be_bytes());
        push_part(&mut encoded, key);
        push_part(&mut encoded, processor.as_bytes());
        encoded.extend_from_slice(name.as_bytes());
        Self(encoded.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// None: not made by [`TimerKey::new`], so the store is damaged.
    pub(crate) fn from_encoded(encoded: &[u8]) -> Option<Self> {
        let key = Self(Bytes::copy_from_slice(encoded));
        key.borrowed().is_some().then_some(key)
    }

    pub fn partition(&self) -> u32 {
        partition_of(&self.0)
    }

    /// The timer under its due time: (partition, due, key, processor, name).
    pub fn at_due(&self, due_ms: i64) -> Vec<u8> {
        let mut encoded = due_prefix(self.partition(), due_ms);
        encoded.extend_from_slice(&self.0[PARTITION_BYTES..]);
        encoded
    }

    /// As the store keeps it: its processor, then [`TimerKey::at_due`]. Groups share partitions, so whoever looks for due
    /// timers must be able to pass over those of other processors without reading them.
    pub(crate) fn at_due_of_processor(&self, due_ms: i64) -> Vec<u8> {
        let parts = self.borrowed().expect("a timer's key was encoded here");
        let mut encoded = due_prefix_of_processor(&parts.processor);
        encoded.extend_from_slice(&self.at_due(due_ms));
        encoded
    }

    /// None only if the store is damaged.
    pub fn due(&self, due_ms: i64) -> Option<DueTimer> {
        let (partition, rest) = take_partition(&self.0)?;
        due_timer(partition, due_ms, rest)
    }

    fn borrowed(&self) -> Option<Borrowed<'_, str>> {
        take_timer(take_partition(&self.0)?.1)
    }
}

/// The first key of all timers of a partition that are due at `due_ms` or later.
pub(crate) fn due_prefix(partition: u32, due_ms: i64) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(64);
    encoded.extend_from_slice(&partition.to_be_bytes());
    // The sign bit turned round: negative times sort before positive ones.
    encoded.extend_from_slice(&((due_ms as u64) ^ (1 << 63)).to_be_bytes());
    encoded
}

/// What stands before [`TimerKey::at_due`] in the store.
pub(crate) fn due_prefix_of_processor(processor: &str) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(96);
    push_part(&mut encoded, processor.as_bytes());
    encoded
}

/// What [`TimerKey::at_due_of_processor`] wrote. None only if the store is damaged.
pub(crate) fn decode_due_of_processor(encoded: &[u8]) -> Option<DueTimer> {
    let (_, rest) = take_part(encoded)?;
    decode_due(rest)
}

/// What [`TimerKey::at_due`] wrote. None only if the store is damaged.
pub(crate) fn decode_due(encoded: &[u8]) -> Option<DueTimer> {
    let (partition, rest) = take_partition(encoded)?;
    let (due, rest) = rest.split_at_checked(DUE_BYTES)?;
    let due_ms = (u64::from_be_bytes(due.try_into().ok()?) ^ (1 << 63)) as i64;
    due_timer(partition, due_ms, rest)
}

fn due_timer(partition: u32, due_ms: i64, rest: &[u8]) -> Option<DueTimer> {
    let Borrowed { processor, key, last } = take_timer(rest)?;
    let (key, processor, name) = (Bytes::copy_from_slice(&key), Arc::from(&*processor), Arc::from(last));
    Some(DueTimer { due_ms, key, processor, name, partition })
}

/// What follows the partition in the name of a timer: (key, processor, name).
fn take_timer(rest: &[u8]) -> Option<Borrowed<'_, str>> {
    let (key, rest) = take_part(rest)?;
    let (processor, last) = take_part(rest)?;
    Some(Borrowed { processor: text(processor)?, key, last: std::str::from_utf8(last).ok()? })
}

fn text(part: Cow<'_, [u8]>) -> Option<Cow<'_, str>> {
    match part {
        Cow::Borrowed(part) => std::str::from_utf8(part).ok().map(Cow::Borrowed),
        Cow::Owned(part) => String::from_utf8(part).ok().map(Cow::Owned),
    }
}

/// The first key behind all keys that begin with `prefix`; None: there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

pub(crate) fn push_part(out: &mut Vec<u8>, part: &[u8]) {
    if part.contains(&0) {
        for byte in part {
            match byte {
                0 => out.extend_from_slice(&ZERO_ESCAPED),
                other => out.push(*other),
            }
        }
    } else {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&PART_END);
}

pub(crate) fn take_part(encoded: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut escaped = false;
    let mut at = 0;
    loop {
        at += encoded.get(at..)?.iter().position(|byte| *byte == 0)?;
        match *encoded.get(at + 1)? {
            0xff => {
                escaped = true;
                at += 2;
            }
            0x01 => break,
            _ => return None,
        }
    }
    let (raw, rest) = (&encoded[..at], &encoded[at + 2..]);
    if !escaped {
        return Some((Cow::Borrowed(raw), rest));
    }
    let mut part = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        part.push(*byte);
        if *byte == 0 {
            bytes.next(); // the 0xff that marks it as data
        }
    }
    Some((Cow::Owned(part), rest))
}

fn take_partition(encoded: &[u8]) -> Option<(u32, &[u8])> {
    let (partition, rest) = encoded.split_at_checked(PARTITION_BYTES)?;
    Some((u32::from_be_bytes(partition.try_into().ok()?), rest))
}

fn partition_of(encoded: &[u8]) -> u32 {
    let (partition, _) = take_partition(encoded).expect("a key begins with its partition: `new` wrote it");
    partition
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part() -> impl Strategy<Value = Vec<u8>> {
        // Few values, so that zeros, escapes and common fronts are frequent.
        proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xff), Just(b'a'), any::<u8>()], 0..6)
    }

    proptest! {
        #[test]
        fn a_cell_key_gives_its_parts_back(partition: u32, processor in "[a-z\\x00]{0,4}", key in part(), cell in part()) {
            let parts = CellKey::new(partition, &processor, &key, &cell).parts().unwrap();
            prop_assert_eq!(parts, CellParts { partition, processor, key, cell });
        }

        #[test]
        fn encoded_timers_sort_as_due_key_processor_name(
            a in (any::<i64>(), part(), "[a-c]{0,2}", "[a-c]{0,2}"),
            b in (any::<i64>(), part(), "[a-c]{0,2}", "[a-c]{0,2}"),
            same_due: bool,
        ) {
            let mut b = b;
            if same_due {
                b.0 = a.0;
            }
            let encode = |t: &(i64, Vec<u8>, String, String)| TimerKey::new(7, &t.2, &t.1, &t.3).at_due(t.0);
            prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
            let decoded = decode_due(&encode(&a)).unwrap();
            prop_assert_eq!((decoded.due_ms, decoded.key.to_vec()), (a.0, a.1));
            prop_assert_eq!((&*decoded.processor, &*decoded.name), (a.2.as_str(), a.3.as_str()));
        }

        #[test]
        fn damaged_bytes_are_refused_and_never_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..40), is_name: bool, processor in part(), key in part(),
        ) {
            if is_name {
                // Otherwise hardly any of them would be a name. Its partition begins it, and part of what follows may be no text.
                let parts = [&[0, 0, 0, 7][..], &processor, &PART_END, &key, &PART_END, &bytes];
                bytes = parts.concat();
            }
            let _ = decode_due(&bytes);
            if let Some(timer) = TimerKey::from_encoded(&bytes) {
                let due = timer.due(7).unwrap();
                prop_assert_eq!(TimerKey::new(due.partition, &due.processor, &due.key, &due.name), timer);
            }
            if let Some(key) = CellKey::from_bytes(bytes.clone().into()) {
                let parts = key.parts().unwrap();
                let again = CellKey::new(parts.partition, &parts.processor, &parts.key, &parts.cell);
                prop_assert_eq!(again.as_bytes(), &bytes[..]);
            }
        }
    }

    #[test]
    fn the_end_of_a_prefix_is_behind_all_that_begin_with_it() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 0xff]), Some(vec![2]));
        assert_eq!(prefix_end(&[0xff, 0xff]), None);
    }
}
