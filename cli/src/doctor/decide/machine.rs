//! What is on this machine: service, data directory, disk, database, clock.
use super::{Check, Finding, check};
use crate::doctor::facts::{Clock, Directory, Disk, Grouped, Known, Projection, Service};
use crate::operations::status::{DISK_LEFT_BYTES_WELL, PROJECTION_LAG_RECORDS_WELL, WaitingLine};
use crate::service::vitals::PROJECTION;

/// Machines of one system compare due times and time-outs that others wrote: further apart than this, tasks look late that are not.
pub const CLOCK_SKEW_MS_WELL: i64 = 5_000;
/// The registry tells whole seconds, and cuts off the rest.
const TOLD_TO_MS: i64 = 1_000;

pub(super) fn service(known: &Known<Service>) -> Option<Check> {
    let missing = (
        "the control socket of the data directory",
        "look whether the service still answers, and who owns the socket",
    );
    check("service", known, missing, |service| {
        let saw = service.version.as_ref().map_or("none runs on the data directory".to_owned(), |version| {
            format!("version {version} runs on the data directory")
        });
        let failure = service.write_failure.iter().map(|reason| {
            Finding::problem(
                "log",
                format!("the service cannot write: {reason}"),
                "make room on the disk; the service goes on by itself",
            )
        });
        (saw, failure.collect())
    })
}

pub(super) fn directory(known: &Known<Directory>) -> Option<Check> {
    let missing = (
        "the log below node.data_dir",
        "the message says what is wrong; docs/operations.md, \"A directory that is refused\", has what to do about each",
    );
    check("data directory", known, missing, |directory| match directory {
        Directory::Absent => {
            ("empty; the service makes what is missing when it starts".to_owned(), Vec::new())
        }
        Directory::InUse => ("looked at by the service when it started".to_owned(), Vec::new()),
        Directory::Whole { topics, wrong, partitions, partitions_set } => {
            let beyond = wrong.iter().map(|(place, what)| {
                Finding::problem(
                    place,
                    what,
                    "restore a backup; `orderstream verify` looks at everything else",
                )
            });
            let count = partitions.filter(|partitions| partitions != partitions_set).map(|partitions| {
                Finding::problem(
                    "log.partitions",
                    format!("the settings say {partitions_set}, and the log was made with {partitions}"),
                    format!("set it to {partitions}: it is fixed once a directory exists"),
                )
            });
            (format!("whole, {topics} topics"), beyond.chain(count).collect())
        }
    })
}

pub(super) fn disk(known: &Known<Disk>) -> Option<Check> {
    let missing = ("node.data_dir", "look whether the directory is there and may be read");
    check("disk", known, missing, |Disk { directory, left_bytes, reserve_bytes }| {
        let mib = |bytes: u64| bytes >> 20;
        let refuses = reserve_bytes.is_some_and(|reserve| *left_bytes < reserve);
        let what = if refuses {
            format!(
                "{} MiB are left, and no order is taken below {}",
                mib(*left_bytes),
                mib(reserve_bytes.unwrap_or(0))
            )
        } else {
            format!(
                "{} MiB are left; below {} somebody should make room",
                mib(*left_bytes),
                mib(DISK_LEFT_BYTES_WELL)
            )
        };
        let is_low = *left_bytes < DISK_LEFT_BYTES_WELL;
        let low = is_low
            .then(|| Finding::problem(directory, what, "make room on the disk that holds it, or move it"));
        (format!("{} MiB left for \"{directory}\"", mib(*left_bytes)), low.into_iter().collect())
    })
}

pub(super) fn grouping(known: &Known<Grouped>) -> Option<Check> {
    let missing = ("the grouping that the log keeps", "the message says what is wrong with it");
    check("grouping", known, missing, |Grouped { applied, set }| {
        let Some(applied) = applied else {
            return (
                "none yet; the first service groups the processors as the settings say".to_owned(),
                Vec::new(),
            );
        };
        let other = (!applied.is(set)).then(|| {
            Finding::problem(
                "[[subtopology]]",
                format!("the settings say \"{}\", and no service starts with them", applied.next(set)),
                "set them back; or, while no service runs, `orderstream topology apply`",
            )
        });
        (format!("epoch {}: {applied}", applied.epoch), other.into_iter().collect())
    })
}

/// `waiting`: what the service says of itself.
pub(super) fn projection(known: &Known<Projection>, waiting: &[WaitingLine]) -> Option<Check> {
    let missing = (
        "projection.url",
        "look whether the database runs and lets this user in; one that is damaged is made anew by `orderstream projection rebuild`",
    );
    check("projection", known, missing, |projection| match projection {
        Projection::Absent { place } => {
            (format!("none at \"{place}\" yet; the service makes it"), Vec::new())
        }
        Projection::Open { place, behind, beyond, failure } => {
            let beyond = beyond.iter().map(|what| {
                Finding::problem(
                    place,
                    what,
                    "restore log and projection from the same backup, or make it anew: `orderstream projection rebuild`",
                )
            });
            let unread = failure.iter().map(|reason| {
                Finding::problem(
                    place,
                    format!("it answers here, and the service cannot read it: {reason}"),
                    "look how the service reaches the database: its address, its user's rights, the limit of connections",
                )
            });
            let waits = waiting.iter().filter(|line| line.part == PROJECTION && !line.is_well());
            let waits = waits.map(|line| {
                let mend =
                    "mend what the reason names, or end what holds the database; it goes on by itself then";
                Finding::problem(place, line.told(), mend)
            });
            let slow = behind
                .filter(|behind| i64::try_from(*behind).unwrap_or(i64::MAX) > PROJECTION_LAG_RECORDS_WELL);
            let slow = slow.map(|behind| {
                Finding::problem(
                    place,
                    format!("it has {behind} records to read; what `order` shows is that much behind"),
                    "start the service if none runs; else look at the load of the database",
                )
            });
            let saw = match behind {
                Some(behind) => format!("\"{place}\" answers, {behind} records behind"),
                None => format!("\"{place}\" answers"),
            };
            (saw, beyond.chain(unread).chain(waits).chain(slow).collect())
        }
    })
}

/// How far our clock is ahead of the other, at the least; negative: behind. 0: they may be equal.
fn skew_ms(clock: &Clock) -> i64 {
    let told_until_ms = clock.told_ms.saturating_add(TOLD_TO_MS);
    if clock.before_ms > told_until_ms {
        clock.before_ms - told_until_ms
    } else if clock.after_ms < clock.told_ms {
        clock.after_ms - clock.told_ms
    } else {
        0
    }
}

pub(super) fn clock(known: &Known<Clock>) -> Option<Check> {
    let missing =
        ("the clock of this machine", "nobody could be asked for the time; look at the registry first");
    check("clock", known, missing, |clock| {
        let skew_ms = skew_ms(clock);
        let which = if skew_ms < 0 { "behind" } else { "ahead of" };
        let apart = (skew_ms.abs() > CLOCK_SKEW_MS_WELL).then(|| {
            Finding::problem(
                "the clock of this machine",
                format!(
                    "it is at least {} ms {which} {}; {CLOCK_SKEW_MS_WELL} are bearable",
                    skew_ms.abs(),
                    clock.with
                ),
                "have both machines follow a time server, and look which of them is wrong",
            )
        });
        (format!("{} ms apart from {}, at the least", skew_ms.abs(), clock.with), apart.into_iter().collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_differ_only_by_what_neither_the_way_nor_the_cut_off_second_explains() {
        #[rustfmt::skip]
        let cases = [
            // before, told, after, expected
            (10_000, 10_000, 10_050, 0),
            (10_999, 10_000, 11_050, 0),      // it said the second that has not ended
            (9_000,  10_000, 10_050, 0),      // the answer was long on its way
            (13_000, 10_000, 13_050, 2_000),
            (7_000,  10_000, 7_050,  -2_950),
        ];
        for (before_ms, told_ms, after_ms, expected) in cases {
            let clock = Clock { with: "another".to_owned(), before_ms, told_ms, after_ms };
            assert_eq!(skew_ms(&clock), expected, "{clock:?}");
        }
    }
}
