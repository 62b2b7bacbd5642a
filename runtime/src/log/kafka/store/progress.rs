//! How far a partition of a store is, as it is written beside what it has.
//!
//! ```text
//!   next offset   when it last had all   flags   [ origin: offset, length, id ]   processors
//!   8 bytes       8 bytes                1       [ 8       2       ...        ]   the rest
//! ```

use bytes::Bytes;

use super::sides::Side;

const REBUILDING: u8 = 1;
const SECOND: u8 = 2;
const WITH_ORIGIN: u8 = 4;

/// A record of the changelog by which a store knows the topic again: one that was made anew under the same name has another there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub offset: i64,
    /// Never given twice.
    pub id: Bytes,
}

/// How far a partition's changelog is in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The offset of the first record that is not in it.
    pub next_offset: i64,
    /// UTC milliseconds: when the store was last known to have all that the changelog had; of one that is being built, when that began.
    pub applied_ms: i64,
    /// Begun anew and not yet at the end: it lacks keys, and may still hold some of before.
    pub rebuilding: bool,
    /// Whose state is in it, separated by commas; that of others is passed over.
    pub processors: String,
    /// None: the changelog had none yet.
    pub origin: Option<Origin>,
}

impl Progress {
    pub(super) fn encode(&self, side: Side) -> Vec<u8> {
        let mut raw = Vec::with_capacity(96 + self.processors.len());
        raw.extend_from_slice(&self.next_offset.to_be_bytes());
        raw.extend_from_slice(&self.applied_ms.to_be_bytes());
        let mut flags = if self.rebuilding { REBUILDING } else { 0 };
        flags |= if side == Side::Second { SECOND } else { 0 };
        flags |= if self.origin.is_some() { WITH_ORIGIN } else { 0 };
        raw.push(flags);
        if let Some(origin) = &self.origin {
            raw.extend_from_slice(&origin.offset.to_be_bytes());
            let length = u16::try_from(origin.id.len()).expect("an id is made of names that are bounded");
            raw.extend_from_slice(&length.to_be_bytes());
            raw.extend_from_slice(&origin.id);
        }
        raw.extend_from_slice(self.processors.as_bytes());
        raw
    }

    /// None: it is damaged. What was written before there were flags reads as it did: a one said that it is being rebuilt.
    pub(in crate::log::kafka) fn decode(raw: &[u8]) -> Option<(Self, Side)> {
        let (next_offset, rest) = take_number(raw)?;
        let (applied_ms, rest) = take_number(rest)?;
        let (flags, rest) = rest.split_first()?;
        if flags & !(REBUILDING | SECOND | WITH_ORIGIN) != 0 {
            return None;
        }
        let (origin, rest) = match flags & WITH_ORIGIN {
            0 => (None, rest),
            _ => {
                let (origin, rest) = take_origin(rest)?;
                (Some(origin), rest)
            }
        };
        let processors = String::from_utf8(rest.to_vec()).ok()?;
        let rebuilding = flags & REBUILDING != 0;
        let side = if flags & SECOND == 0 { Side::First } else { Side::Second };
        Some((Self { next_offset, applied_ms, rebuilding, processors, origin }, side))
    }
}

fn take_number(raw: &[u8]) -> Option<(i64, &[u8])> {
    let (number, rest) = raw.split_at_checked(8)?;
    Some((i64::from_be_bytes(number.try_into().ok()?), rest))
}

fn take_origin(raw: &[u8]) -> Option<(Origin, &[u8])> {
    let (offset, rest) = take_number(raw)?;
    let (length, rest) = rest.split_at_checked(2)?;
    let (id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(length.try_into().ok()?)))?;
    Some((Origin { offset, id: Bytes::copy_from_slice(id) }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn progress_is_read_as_it_was_written(
            next_offset: i64, applied_ms: i64, rebuilding: bool, processors in "[a-z,]{0,20}",
            origin in proptest::option::of((any::<i64>(), proptest::collection::vec(any::<u8>(), 0..40))), second: bool,
        ) {
            let origin = origin.map(|(offset, id)| Origin { offset, id: id.into() });
            let progress = Progress { next_offset, applied_ms, rebuilding, processors, origin };
            let side = if second { Side::Second } else { Side::First };
            prop_assert_eq!(Progress::decode(&progress.encode(side)), Some((progress, side)));
        }

        #[test]
        fn damaged_bytes_are_refused_and_never_panic(raw in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Progress::decode(&raw);
        }
    }

    #[test]
    fn what_was_written_without_flags_is_still_read() {
        let before = |mark: u8| [&7i64.to_be_bytes()[..], &9i64.to_be_bytes(), &[mark], b"a,b"].concat();
        for (mark, rebuilding) in [(0, false), (1, true)] {
            let processors = "a,b".to_owned();
            let expected = Progress { next_offset: 7, applied_ms: 9, rebuilding, processors, origin: None };
            assert_eq!(Progress::decode(&before(mark)), Some((expected, Side::First)));
        }
    }
}
