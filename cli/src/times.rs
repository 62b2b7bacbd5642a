//! Times and spans as people write them on a command line.
use std::str::FromStr;
use std::time::Duration;

use domain::Timestamp;
use jiff::{Span, SpanRelativeTo};

/// A point in time: an instant, or so long before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    At(Timestamp),
    Ago(Duration),
}

impl Since {
    pub fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Since::At(at) => at,
            Since::Ago(span) => now.plus_ms(-i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// `2h`, `1d 12h`, `90s`: a day has 24 hours; months and years, whose length differs, are refused.
///
/// # Errors
/// What would be right, for clap to show.
pub fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "no span of time; write one as 30s, 5m, 2h, 1d or \"1h 30m\"".to_owned();
    let span = Span::from_str(text).map_err(|_| wrong())?;
    let exact = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(exact).map_err(|_| "a span of time cannot be negative".to_owned())
}

/// A span ago, an instant of RFC 3339, or a day (its beginning in UTC).
///
/// # Errors
/// What would be right, for clap to show.
pub fn since(text: &str) -> Result<Since, String> {
    if let Ok(ago) = span(text) {
        return Ok(Since::Ago(ago));
    }
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    let at = Timestamp::parse(text).or_else(day);
    at.map(Since::At).ok_or_else(|| {
        "neither a span of time (30s, 5m, 2h, 1d) nor a time (2026-11-20T08:00:00Z, 2026-11-20)".to_owned()
    })
}

/// As few units as say it: `30s`, `1m 30s`.
pub fn shown(span: Duration) -> String {
    let exact = jiff::SignedDuration::try_from(span).unwrap_or(jiff::SignedDuration::MAX);
    format!("{exact:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<u64, &str>) {
        match (span(text), expected) {
            (Ok(found), Ok(ms)) => assert_eq!(found.as_millis(), u128::from(ms), "{text}"),
            (Err(found), Err(part)) => assert!(found.contains(part), "{text}: {found}"),
            (found, expected) => panic!("{text}: {found:?} and not {expected:?}"),
        }
    }

    #[test]
    fn spans_are_read_as_people_write_them() {
        check("30s", Ok(30_000));
        check("250ms", Ok(250));
        check("1h 30m", Ok(5_400_000));
        check("2 hours", Ok(7_200_000));
        check("1d", Ok(86_400_000));
        check("PT2M", Ok(120_000));
        check("0s", Ok(0));
        check("30", Err("no span"));
        check("", Err("no span"));
        check("1mo", Err("no span"));
        check("-5s", Err("negative"));
        check("9999999999999999999s", Err("no span"));
    }

    #[test]
    fn a_beginning_is_a_span_ago_an_instant_or_a_day() {
        let now = Timestamp::parse("2026-11-21T10:00:00Z").unwrap();
        for (text, expected) in [
            ("2h", "2026-11-21T08:00:00.000Z"),
            ("2026-11-20T08:00:00+02:00", "2026-11-20T06:00:00.000Z"),
            ("2026-11-20", "2026-11-20T00:00:00.000Z"),
        ] {
            assert_eq!(since(text).unwrap().before(now).to_string(), expected);
        }
        assert!(since("yesterday").unwrap_err().contains("neither a span"));
        assert!(since("2026-13-01").is_err());
    }

    #[test]
    fn a_span_is_shown_short() {
        assert_eq!(shown(Duration::from_secs(30)), "30s");
        assert_eq!(shown(Duration::from_millis(5_400_250)), "1h 30m 250ms");
    }
}
