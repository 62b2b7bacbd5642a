//! Which grouping the log was worked on with last, and in which format. Positions are kept by group, and events within a group are told in
//! memory: workers of another grouping would lose some, or do them twice. So none starts before `orderstream topology apply` has carried the
//! positions over. And none starts on what a newer version has written in a way that it does not know.
use anyhow::{Context, bail};
use bytes::Bytes;
use runtime::AnyLog;
use runtime::log::Note;
use serde::{Deserialize, Serialize};
use topology::SubTopology;
use topology::regroup::Grouping;

/// Where the log keeps it.
pub const NOTE: &str = "topology.grouping";
/// How state, timers and positions lie on the log, beside the schemas of values. Raised whenever an older version could not go on with what
/// a newer one writes; the first start of the newer one then says so here.
pub const FORMAT: u32 = 1;
const SOFTWARE: &str = concat!("orderstream ", env!("CARGO_PKG_VERSION"));
/// How often it is looked again where another process changes it at the same time.
const TRIES_MAX: usize = 5;

/// As the log keeps it. Older versions kept the grouping alone.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    grouping: Grouping,
    #[serde(default = "first_format")]
    format: u32,
    #[serde(default)]
    software: String,
}

fn first_format() -> u32 {
    1
}

/// The grouping that is in force, and its bytes; none on a log that nobody ever worked on.
///
/// # Errors
/// The log cannot be read, or what it keeps is none.
pub fn applied(log: &AnyLog) -> anyhow::Result<Option<(Grouping, Bytes)>> {
    let Some(raw) = log.note(NOTE)? else { return Ok(None) };
    Ok(Some((decoded(&raw)?, raw)))
}

/// # Errors
/// It is none that this version knows.
pub fn decoded(raw: &[u8]) -> anyhow::Result<Grouping> {
    Ok(kept(raw, FORMAT)?.grouping)
}

fn kept(raw: &[u8], known: u32) -> anyhow::Result<Kept> {
    let kept: Kept = serde_json::from_slice(raw)
        .context("the log keeps a grouping of processors that this version does not know; use the one that applied it, or a newer one")?;
    if kept.format > known {
        bail!(
            "the log has format version {}, written by {}; this program reads up to {known}, use a newer one",
            kept.format,
            kept.software
        );
    }
    Ok(kept)
}

/// As the log keeps it.
///
/// # Errors
/// It cannot be written as JSON.
pub fn encoded(grouping: &Grouping) -> anyhow::Result<Bytes> {
    encoded_as(grouping, FORMAT)
}

fn encoded_as(grouping: &Grouping, format: u32) -> anyhow::Result<Bytes> {
    let kept = Kept { grouping: grouping.clone(), format, software: SOFTWARE.to_owned() };
    Ok(serde_json::to_vec(&kept)?.into())
}

/// Whether the log is worked on by these groups; they become its grouping where it has none yet. Tells whether they did.
///
/// # Errors
/// It is worked on by others, or by a newer version; the log cannot be read or written.
pub fn require(log: &AnyLog, groups: &[SubTopology]) -> anyhow::Result<bool> {
    require_as(log, groups, FORMAT)
}

fn require_as(log: &AnyLog, groups: &[SubTopology], format: u32) -> anyhow::Result<bool> {
    for _ in 0..TRIES_MAX {
        let before = log.note(NOTE)?;
        let found = before.as_deref().map(|raw| kept(raw, format)).transpose()?;
        let (after, is_first) = match &found {
            Some(found) if !found.grouping.is(groups) => bail!(differs(&found.grouping, groups)),
            Some(found) if found.format == format => return Ok(false),
            // From here on an older version would not know what it reads.
            Some(found) => (encoded_as(&found.grouping, format)?, false),
            None => (encoded_as(&Grouping::first(groups), format)?, true),
        };
        if log.regroup(Vec::new(), Note { key: NOTE, before: before.as_deref(), after })? {
            return Ok(is_first);
        }
    }
    bail!(
        "the grouping of the processors is changed by another process all the time; see which, and start again"
    )
}

fn differs(found: &Grouping, groups: &[SubTopology]) -> String {
    format!(
        "the settings group the processors as \"{}\", and the log is worked on as \"{found}\" (epoch {}); set [[subtopology]] back, \
         or have the positions carried over while no service runs (orderstream topology apply)",
        found.next(groups),
        found.epoch
    )
}

/// Why these groups may not work on the log any more: it was regrouped since they were asked for. None: it was not.
///
/// # Errors
/// The log cannot be read, or what it keeps is of a newer version.
pub fn changed(log: &AnyLog, groups: &[SubTopology]) -> anyhow::Result<Option<String>> {
    let found = applied(log)?.filter(|(found, _)| !found.is(groups));
    Ok(found.map(|(found, _)| differs(&found, groups)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use runtime::log::embedded::{Durability, Embedded};
    use runtime::{ManualClock, TopicSpec};

    use super::*;

    #[test]
    fn a_newer_format_is_taken_up_once_and_then_refused_to_older_versions() {
        let folder = tempfile::tempdir().unwrap();
        let topics = vec![TopicSpec::new("any", 1)];
        let clock = Arc::new(ManualClock::at(0));
        let log = Embedded::open(folder.path(), topics, Durability::Os, clock).unwrap();
        let (log, groups) = (AnyLog::Embedded(log), SubTopology::defaults());
        assert!(require_as(&log, &groups, 1).unwrap(), "it had none");
        assert!(!require_as(&log, &groups, 1).unwrap());
        assert!(!require_as(&log, &groups, 2).unwrap(), "a newer version begins to write");
        assert!(!require_as(&log, &groups, 2).unwrap());
        let refused = require_as(&log, &groups, 1).unwrap_err().to_string();
        let expected = format!(
            "the log has format version 2, written by {SOFTWARE}; this program reads up to 1, use a newer one"
        );
        assert_eq!(refused, expected);
        assert_eq!(applied(&log).unwrap_err().to_string(), expected);
    }

    #[test]
    fn what_the_first_version_kept_is_of_the_first_format() {
        let grouping = Grouping::first(&SubTopology::split());
        let raw = serde_json::to_vec(&grouping).unwrap();
        assert_eq!(decoded(&raw).unwrap(), grouping);
        assert_eq!(kept(&raw, FORMAT).unwrap().format, 1);
        let kept = kept(&encoded(&grouping).unwrap(), FORMAT).unwrap();
        assert_eq!((kept.grouping, kept.format), (grouping, FORMAT));
    }
}
