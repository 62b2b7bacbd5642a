//! Whether a store can go on from where it stands, or has to be rebuilt from the whole changelog. Decided from what is known, before a
//! partition is handed out, and by whoever only looks.

use super::store::Progress;
use crate::clock::CLOCK_BACK_MS_MAX;

/// What the changelog of a partition has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changelog {
    /// The first offset that is left.
    pub begin: i64,
    pub end: i64,
    /// It forgets a deletion so long after it was written.
    pub delete_retention_ms: i64,
    /// Whether it is the one that the store was written from. None: nobody has looked, or nobody can tell.
    pub is_same: Option<bool>,
}

/// Why a store cannot go on from where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("its last rebuild was cut short")]
    CutShort,
    #[error("it has the state of \"{held}\" only")]
    Lacking { held: String },
    #[error("the changelog is another: the topic was deleted, and made anew under its name")]
    MadeAnew,
    #[error("it is ahead, at {at} of {end}: the topic was made anew or cut off")]
    Ahead { at: i64, end: i64 },
    #[error("the changelog begins at {begin}, it is at {at}")]
    Passed { at: i64, begin: i64 },
    #[error("it was away so long that deletions may be forgotten")]
    AwayTooLong,
    #[error(
        "it says that it was new at a time that is yet to come: a clock was wrong, and deletions may be forgotten"
    )]
    FromTheFuture,
}

/// `needed`: whose state it must have, as [`super::store::named`] writes it. None: the tail of the changelog is enough.
pub fn unfit(stands: &Progress, needed: &str, changelog: Changelog, now_ms: i64) -> Option<Unfit> {
    let Changelog { begin, end, delete_retention_ms, is_same } = changelog;
    let at = stands.next_offset;
    let away_ms = now_ms.saturating_sub(stands.applied_ms);
    if stands.rebuilding {
        Some(Unfit::CutShort)
    } else if !includes(&stands.processors, needed) {
        Some(Unfit::Lacking { held: stands.processors.clone() })
    } else if is_same == Some(false) {
        Some(Unfit::MadeAnew)
    } else if at > end {
        Some(Unfit::Ahead { at, end })
    } else if at < begin {
        Some(Unfit::Passed { at, begin })
    } else if at < end && away_ms > delete_retention_ms {
        Some(Unfit::AwayTooLong)
    } else if at < end && away_ms < -CLOCK_BACK_MS_MAX {
        Some(Unfit::FromTheFuture)
    } else {
        None
    }
}

/// Whether all of `needed` are among `held`; both as [`super::store::named`] writes them.
pub(super) fn includes(held: &str, needed: &str) -> bool {
    needed.split(',').all(|needed| held.split(',').any(|held| held == needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_goes_on_only_where_the_changelog_has_all_that_it_lacks() {
        let same = |is_same| Changelog { begin: 10, end: 20, delete_retention_ms: 1_000, is_same };
        let held = || "a,b".to_owned();
        #[rustfmt::skip]
        let cases = [
            // stands at, since, rebuilding, needed, expected
            (15, 9_500, false, "a,b", None),
            (15, 9_500, false, "b",   None),
            (10, 9_500, false, "a",   None),
            (15, 9_500, true,  "a,b", Some(Unfit::CutShort)),
            (15, 9_500, false, "a,c", Some(Unfit::Lacking { held: held() })),
            (21, 9_500, false, "a,b", Some(Unfit::Ahead { at: 21, end: 20 })),
            (9,  9_500, false, "a,b", Some(Unfit::Passed { at: 9, begin: 10 })),
            (15, 8_999, false, "a,b", Some(Unfit::AwayTooLong)),
            // It lacks nothing, however long it was away.
            (20, 0,     false, "a,b", None),
            (15, 70_000, false, "a,b", None),
            (15, 70_001, false, "a,b", Some(Unfit::FromTheFuture)),
            (20, 70_001, false, "a,b", None),
        ];
        for (next_offset, applied_ms, rebuilding, needed, expected) in cases {
            let stands = Progress { next_offset, applied_ms, rebuilding, processors: held(), origin: None };
            for is_same in [None, Some(true)] {
                let found = unfit(&stands, needed, same(is_same), 10_000);
                assert_eq!(found, expected, "{stands:?} for {needed}");
            }
        }
        let stands =
            Progress { next_offset: 15, applied_ms: 10_000, processors: held(), ..Progress::default() };
        assert_eq!(unfit(&stands, "a", same(Some(false)), 10_000), Some(Unfit::MadeAnew));
    }
}
