//! Which grouping the log was worked on with last. Positions are kept by group, and events within a group are told in memory: workers of
//! another grouping would lose some, or do them twice. So none starts before `orderstream topology apply` has carried the positions over.
use anyhow::{Context, bail};
use bytes::Bytes;
use runtime::AnyLog;
use runtime::log::Note;
use topology::SubTopology;
use topology::regroup::Grouping;

/// Where the log keeps it.
pub const NOTE: &str = "topology.grouping";
/// How often it is looked again where another process changes it at the same time.
const TRIES_MAX: usize = 5;

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
    serde_json::from_slice(raw)
        .context("the log keeps a grouping of processors that this version does not know; use the one that applied it, or a newer one")
}

/// As the log keeps it.
pub fn encoded(grouping: &Grouping) -> anyhow::Result<Bytes> {
    Ok(serde_json::to_vec(grouping)?.into())
}

/// Whether the log is worked on by these groups; they become its grouping where it has none yet. Tells whether they did.
///
/// # Errors
/// It is worked on by others; the log cannot be read or written.
pub fn require(log: &AnyLog, groups: &[SubTopology]) -> anyhow::Result<bool> {
    for _ in 0..TRIES_MAX {
        match applied(log)? {
            Some((found, _)) if found.is(groups) => return Ok(false),
            Some((found, _)) => bail!(
                "the settings group the processors as \"{}\", and the log is worked on as \"{found}\" (epoch {}); set [[subtopology]] back, or \
                 have the positions carried over while no service runs (orderstream topology apply)",
                found.next(groups),
                found.epoch
            ),
            None => {}
        }
        let after = encoded(&Grouping::first(groups))?;
        if log.regroup(Vec::new(), Note { key: NOTE, before: None, after })? {
            return Ok(true);
        }
    }
    bail!(
        "the grouping of the processors is changed by another process all the time; see which, and start again"
    )
}
