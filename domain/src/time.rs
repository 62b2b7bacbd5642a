//! Time as data: UTC milliseconds, given by whoever calls, never asked for.
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// The first millisecond of the year 1.
const YEAR_1_MS: i64 = -62_135_596_800_000;
/// The last millisecond of the year 9999. The library's own points in time end a day before, so that every offset has a place.
const YEAR_9999_MS: i64 = 253_402_300_799_999;
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// RFC 3339 has offsets below a day.
const OFFSET_SECONDS_MAX: i32 = 24 * 60 * 60 - 1;

impl Timestamp {
    /// Later than anything: the due time of what is not awaited.
    pub const NEVER: Timestamp = Timestamp(i64::MAX);

    /// This time and `ms` milliseconds; a sum too large is [`Timestamp::NEVER`], which itself stays what it is.
    pub fn plus_ms(self, ms: i64) -> Timestamp {
        if self == Timestamp::NEVER { self } else { Timestamp(self.0.saturating_add(ms)) }
    }

    /// Milliseconds from `earlier` to this; zero where `earlier` is later.
    pub fn since_ms(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }

    /// Whether it is a day that people know: in the years 1 to 9999. [`Timestamp::NEVER`] is none.
    pub fn is_date(self) -> bool {
        (YEAR_1_MS..=YEAR_9999_MS).contains(&self.0)
    }

    /// From RFC 3339 text, as `2019-05-02T08:13:59.506Z`. `None` for anything else, and for times outside years 1 to 9999.
    pub fn parse(text: &str) -> Option<Timestamp> {
        // The library reads years of six digits with a sign, too, and the year 0.
        let pieces = Pieces::parse(text).ok()?;
        let offset =
            pieces.to_numeric_offset().filter(|offset| offset.seconds().abs() <= OFFSET_SECONDS_MAX)?;
        let local = pieces.date().to_datetime(pieces.time()?).duration_since(EPOCH);
        let ms = i64::try_from(local.as_millis()).ok()? - i64::from(offset.seconds()) * 1_000;
        Some(Timestamp(ms)).filter(|at| at.is_date())
    }
}

/// RFC 3339 in UTC with milliseconds; `never` for [`Timestamp::NEVER`].
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match EPOCH.checked_add(jiff::SignedDuration::from_millis(self.0)) {
            Ok(at) => write!(f, "{at:.3}Z"),
            // Among them `NEVER`.
            Err(_) => f.write_str("never"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let at = Timestamp::parse("2019-05-02T08:13:59.506Z").unwrap();
        assert_eq!(at, Timestamp(1_556_784_839_506));
        assert_eq!(at.to_string(), "2019-05-02T08:13:59.506Z");
        assert_eq!(Timestamp::parse("2019-05-02"), None);
        assert_eq!(Timestamp::parse("0001-01-01T00:00:00Z"), Some(Timestamp(YEAR_1_MS)));
        for last in
            ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999+00:00", "9999-12-31T22:59:59.999-01:00"]
        {
            let at = Timestamp::parse(last).unwrap();
            assert_eq!(
                (at, at.to_string()),
                (Timestamp(YEAR_9999_MS), "9999-12-31T23:59:59.999Z".to_owned())
            );
        }
        for outside in [
            "0000-12-31T23:59:59Z",
            "-000001-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-00:01",
            "0001-01-01T00:00:00+00:01",
        ] {
            assert_eq!(Timestamp::parse(outside), None, "{outside}");
        }
    }

    #[test]
    fn an_offset_is_below_a_day_and_is_never_left_out() {
        let noon = Timestamp::parse("2026-11-21T12:00:00Z");
        assert_eq!(Timestamp::parse("2026-11-22T11:59:00+23:59"), noon);
        assert_eq!(Timestamp::parse("2026-11-20T12:01:00-23:59"), noon);
        for wrong in ["+24:00", "-24:00", "+25:00", "+99:99", ""] {
            assert_eq!(Timestamp::parse(&format!("2026-11-21T12:00:00{wrong}")), None, "{wrong}");
        }
        assert_eq!(Timestamp::parse("2026-11-21T12:00Z"), noon);
        assert_eq!(Timestamp::parse("2026-11-21Z"), None);
        assert_eq!(Timestamp::NEVER.plus_ms(-5).to_string(), "never");
    }
}
