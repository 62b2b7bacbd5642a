//! Time as data: UTC milliseconds, given by whoever calls, never asked for.
use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// The first millisecond of the year 1; the last of 9999 is about as far as the library goes.
const YEAR_1_MS: i64 = -62_135_596_800_000;

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
        self.0 >= YEAR_1_MS && jiff::Timestamp::from_millisecond(self.0).is_ok()
    }

    /// From RFC 3339 text, as `2019-05-02T08:13:59.506Z`. `None` for anything else, and for times outside years 1 to 9999.
    pub fn parse(text: &str) -> Option<Timestamp> {
        // The library reads years of six digits with a sign, too, and the year 0.
        let at = text.parse::<jiff::Timestamp>().ok()?;
        Some(Timestamp(at.as_millisecond())).filter(|at| at.is_date())
    }
}

/// RFC 3339 in UTC with milliseconds; `never` for [`Timestamp::NEVER`].
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) if *self != Timestamp::NEVER => write!(f, "{at:.3}"),
            _ => f.write_str("never"),
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
        for outside in ["0000-12-31T23:59:59Z", "-000001-01-01T00:00:00Z", "10000-01-01T00:00:00Z"] {
            assert_eq!(Timestamp::parse(outside), None, "{outside}");
        }
        assert_eq!(Timestamp::NEVER.plus_ms(-5).to_string(), "never");
    }
}
