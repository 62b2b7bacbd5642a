//! The two places that a partition has in a store: one is in force, in the other it is rebuilt.
//!
//! A place is a bit in front of every name. So both lie in the same column families, are written in the same writes, and to
//! put one in force in the other's stead is one small write.

use std::borrow::Cow;

use crate::record::PARTITIONS_MAX;
use crate::store::keys::TimerKey;

/// A name on the second side has it, in its partition's number.
pub(in crate::log::kafka) const SECOND: u32 = 1 << 31;
const SECOND_IN_FIRST_BYTE: u8 = 1 << 7;
const _: () = assert!(PARTITIONS_MAX < SECOND, "no partition has this bit by itself");

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::log::kafka) enum Side {
    #[default]
    First,
    Second,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// The number that stands for the partition in names on this side.
    pub(super) fn partition(self, partition: u32) -> u32 {
        match self {
            Self::First => partition,
            Self::Second => partition | SECOND,
        }
    }

    /// A name that begins with its partition, as it is on this side.
    pub(super) fn name(self, name: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::First => Cow::Borrowed(name),
            Self::Second => {
                let mut name = name.to_vec();
                name[0] |= SECOND_IN_FIRST_BYTE;
                Cow::Owned(name)
            }
        }
    }

    pub(super) fn timer(self, timer: &TimerKey) -> Cow<'_, TimerKey> {
        match self {
            Self::First => Cow::Borrowed(timer),
            Self::Second => {
                let name = self.name(timer.as_bytes());
                Cow::Owned(TimerKey::from_encoded(&name).expect("only its partition's number is another"))
            }
        }
    }
}

/// A name as it is told, whichever side it lies on.
pub(super) fn name_without_side(name: &[u8]) -> Cow<'_, [u8]> {
    match name.first() {
        Some(first) if first & SECOND_IN_FIRST_BYTE != 0 => {
            let mut told = name.to_vec();
            told[0] &= !SECOND_IN_FIRST_BYTE;
            Cow::Owned(told)
        }
        Some(_) | None => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::CellKey;

    #[test]
    fn both_sides_keep_a_name_apart_and_give_it_back() {
        let cell = CellKey::new(7, "p", b"k", b"c");
        let timer = TimerKey::new(7, "p", b"k", "t");
        let (first, second) = (Side::First.name(cell.as_bytes()), Side::Second.name(cell.as_bytes()));
        assert_ne!(first, second);
        assert_eq!(name_without_side(&first), cell.as_bytes());
        assert_eq!(name_without_side(&second), cell.as_bytes());
        assert_eq!(Side::First.timer(&timer).partition(), 7);
        assert_eq!(Side::Second.timer(&timer).partition(), Side::Second.partition(7));
    }
}
