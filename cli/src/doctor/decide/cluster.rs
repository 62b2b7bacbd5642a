//! What is elsewhere: brokers, topics, registry; and how this machine's part stands to it.
use runtime::log::kafka::{Changelog, Copies, Drift, Progress, TRANSACTION_TIMEOUT, Unfit, unfit};
use schemas::registry::registration::{Answered, LEVEL, Outcome};

use super::{Check, Finding, Level, check};
use crate::doctor::facts::{Brokers, GroupLag, GroupMembers, Known, Service, Store};
use crate::operations::status::{LAG_RECORDS_WELL, WaitingLine};
use crate::service::vitals::PROJECTION;

/// A group without members keeps its positions so long; Kafka's own default. A service that is stopped for longer than the brokers
/// remember would begin again with the oldest records.
pub const OFFSETS_RETENTION_MINUTES_WELL: i64 = 7 * 24 * 60;

pub(super) fn brokers(known: &Known<Brokers>) -> Option<Check> {
    let missing = ("kafka.brokers", "look whether the brokers run, and at kafka.brokers and kafka.security");
    check("brokers", known, missing, |Brokers { cluster, replication }| {
        let mut findings = Vec::new();
        if cluster.brokers.len() < *replication {
            findings.push(Finding::problem(
                "kafka.replication",
                format!("it is {replication}, and the cluster has {} brokers", cluster.brokers.len()),
                "start the brokers that are missing; or set kafka.replication to what the cluster can hold",
            ));
        }
        for topic in &cluster.topics {
            findings.extend(copies(topic, *replication));
        }
        let setting = |name: &str| cluster.settings.get(name).and_then(|value| value.parse::<i64>().ok());
        let transaction_ms = i64::try_from(TRANSACTION_TIMEOUT.as_millis()).unwrap_or(i64::MAX);
        if let Some(max_ms) = setting("transaction.max.timeout.ms").filter(|max_ms| *max_ms < transaction_ms)
        {
            findings.push(Finding::problem(
                "the brokers' transaction.max.timeout.ms",
                format!("it is {max_ms}, and transactions here take up to {transaction_ms}"),
                format!("set it to {transaction_ms} or more; no worker starts before"),
            ));
        }
        let kept = setting("offsets.retention.minutes");
        if let Some(kept) = kept.filter(|kept| *kept < OFFSETS_RETENTION_MINUTES_WELL) {
            findings.push(Finding::note(
                "the brokers' offsets.retention.minutes",
                format!(
                    "it is {kept}: the positions of a service that is stopped for longer are forgotten, and it does not start before they are set"
                ),
                format!("set it to {OFFSETS_RETENTION_MINUTES_WELL} or more"),
            ));
        }
        (format!("{} of them: {}", cluster.brokers.len(), cluster.brokers.join(", ")), findings)
    })
}

fn copies(topic: &Copies, replication: usize) -> Vec<Finding> {
    let Copies { topic, copies_min, behind, leaderless } = topic;
    let place = format!("topic \"{topic}\"");
    let mut findings = Vec::new();
    if *leaderless > 0 {
        findings.push(Finding::problem(
            &place,
            format!(
                "{leaderless} of its partitions are led by no broker, and can be neither read nor written"
            ),
            "start the brokers that hold them",
        ));
    }
    if *copies_min < replication {
        findings.push(Finding::problem(
            &place,
            format!("a partition has {copies_min} copies, and kafka.replication is {replication}"),
            "have the brokers make more (kafka-reassign-partitions); or set kafka.replication to what is meant",
        ));
    }
    if *behind > 0 {
        findings.push(Finding::note(
            &place,
            format!("a copy of {behind} of its partitions is behind"),
            "look whether a broker is away, or slow",
        ));
    }
    findings
}

pub(super) fn topics(known: &Known<Vec<Drift>>) -> Option<Check> {
    let missing =
        ("the topics of the cluster", "look at the brokers first, and whether this user may describe topics");
    check("topics", known, missing, |drifts| {
        let finding = |drift: &Drift| {
            let Drift { topic, setting, found, needed } = drift;
            let mend = if drift.is_missing() {
                "`orderstream topics create` makes it".to_owned()
            } else if drift.is_hidden() {
                "have the user of the settings given them (docs/operations.md, \"On Kafka\")".to_owned()
            } else if *setting == "partitions" {
                "the count of a topic never changes: set log.partitions (kafka.partitions_outward of one that no processor reads) to \
                 what was found; or, while nothing lies there, delete all topics and `orderstream topics create`"
                    .to_owned()
            } else {
                format!(
                    "kafka-configs --bootstrap-server BROKER --alter --entity-type topics --entity-name {topic} --add-config \
                     {setting}={needed}"
                )
            };
            Finding::problem(
                format!("topic \"{topic}\""),
                format!("{setting} is {found}, needed is {needed}"),
                mend,
            )
        };
        let saw = if drifts.is_empty() {
            "all are there, and as they must be".to_owned()
        } else {
            told(drifts.len())
        };
        (saw, drifts.iter().map(finding).collect())
    })
}

fn told(findings: usize) -> String {
    format!("{findings} not as they must be")
}

pub(super) fn registry(known: &Known<Vec<Answered>>) -> Option<Check> {
    let missing =
        ("registry.url", "look whether the registry runs, and at the address and what its password is");
    check("registry", known, missing, |answered| {
        let outcomes =
            || answered.iter().flat_map(|one| one.versions.iter().map(move |version| (one, version)));
        let known =
            outcomes().filter(|(_, version)| matches!(version.outcome, Outcome::Known { .. })).count();
        let mut findings = Vec::new();
        let absent: Vec<&Answered> = outcomes()
            .filter(|(_, version)| version.outcome == Outcome::Missing)
            .map(|(one, _)| one)
            .collect();
        if let Some(first) = absent.first() {
            findings.push(Finding::problem(
                format!("subject \"{}\"{}", first.subject, more(absent.len())),
                format!("{} of {} schemas are missing", absent.len(), outcomes().count()),
                "`orderstream schemas register` registers them",
            ));
        }
        let others: Vec<&Answered> =
            answered.iter().filter(|one| one.level.as_deref() != Some(LEVEL)).collect();
        // Of subjects that are not there nothing is set either.
        if let Some(first) = others.first().filter(|_| absent.is_empty()) {
            let level = first.level.as_deref().unwrap_or("the registry's default");
            findings.push(Finding::problem(
                format!("subject \"{}\"{}", first.subject, more(others.len())),
                format!("compatibility is {level}, needed is {LEVEL}"),
                "`orderstream schemas register` sets it",
            ));
        }
        for (one, version) in outcomes() {
            if let Outcome::Refused { said } = &version.outcome {
                findings.push(Finding::problem(
                    format!("subject \"{}\"", one.subject),
                    format!("version {} is not there, and would be refused: {said}", version.number),
                    "somebody else's schema lies there: find out whose, and give this system a registry, or a context, of its own",
                ));
            }
        }
        (format!("{} subjects, {known} schemas known", answered.len()), findings)
    })
}

/// Behind the first of several.
fn more(count: usize) -> String {
    if count > 1 { format!(" and {} more", count - 1) } else { String::new() }
}

/// Each process has the workers that its own settings say: so a group may be left out by all of them. A system that is stopped as a whole is
/// not blamed.
pub(super) fn workers(known: &Known<Vec<GroupMembers>>, service: &Known<Service>) -> Option<Check> {
    let missing =
        ("the members of the groups", "look at the brokers first, and whether this user may describe groups");
    check("workers", known, missing, |groups| {
        let runs_here = service.is().is_some_and(|service| service.version.is_some());
        if !runs_here && groups.iter().all(|group| group.members == 0) {
            return ("no process of the system runs".to_owned(), Vec::new());
        }
        let finding = |GroupMembers { group, workers_set, .. }: &GroupMembers| {
            let place = format!("group \"{group}\"");
            if runs_here && *workers_set > 0 {
                let mend = "nothing right after a start; if it stays so, the service's log says why";
                return Finding::note(place, "no worker of it has joined yet", mend);
            }
            let mend = "set workers >= 1 of it on some machine, or start the process that has them; until then its records wait";
            Finding::problem(place, "no process runs it", mend)
        };
        let counts = groups.iter().map(|group| format!("{} {}", group.group, group.members));
        let findings = groups.iter().filter(|group| group.members == 0).map(finding);
        (counts.collect::<Vec<_>>().join(", "), findings.collect())
    })
}

/// `waiting`: what the service says of itself. Why other machines' workers wait, they say there.
pub(super) fn lags(known: &Known<Vec<GroupLag>>, waiting: &[WaitingLine]) -> Option<Check> {
    let missing = (
        "the positions of the groups",
        "look at the brokers first, and whether this user may describe groups",
    );
    check("lag", known, missing, |lags| {
        let total: u64 = lags.iter().map(|lag| lag.records).sum();
        let findings = lags.iter().filter_map(lag).chain(waiting.iter().filter_map(waits));
        (format!("{total} records to read"), findings.collect())
    })
}

fn lag(lag: &GroupLag) -> Option<Finding> {
    let GroupLag { group, topic, records, most, members } = lag;
    let level = if i64::try_from(*records).unwrap_or(i64::MAX) > LAG_RECORDS_WELL {
        Level::Problem
    } else if *records > 0 && *members == 0 {
        Level::Note
    } else {
        return None;
    };
    let most =
        most.map_or(String::new(), |(partition, most)| format!(", {most} of them in partition {partition}"));
    let wait = format!("{records} records of topic \"{topic}\" wait{most}");
    let (what, mend) = if *members == 0 {
        (format!("{wait}, and no worker of it runs"), "start the service (`orderstream run`)")
    } else {
        (
            format!("{wait}; it has {members} workers"),
            "give it more workers ([[subtopology]] workers) or machines, unless nearly all are in one partition: that is one worker's, whatever \
             there is beside it. If it does not move, `orderstream status` on each machine says what its workers wait for",
        )
    };
    Some(Finding::new(level, format!("group \"{group}\""), what, mend))
}

fn waits(line: &WaitingLine) -> Option<Finding> {
    let is_worker = line.part != PROJECTION;
    let mend =
        "mend what the reason names; it goes on by itself then, and holds all that its worker has until then";
    (is_worker && !line.is_well())
        .then(|| Finding::problem(format!("worker \"{}\"", line.part), line.told(), mend))
}

pub(super) fn stores(known: &Known<Vec<Store>>) -> Option<Check> {
    let missing =
        ("the state of the workers", "look whether the folder \"state\" in the data directory may be read");
    check("stores", known, missing, |stores| {
        let partitions = || stores.iter().flat_map(|store| &store.partitions).flatten();
        let behind =
            |(_, stands, changelog): &(u32, Progress, Changelog)| (changelog.end - stands.next_offset).max(0);
        let saw = format!(
            "{} of workers, {} partitions, at most {} records behind the changelog",
            stores.len(),
            partitions().count(),
            partitions().map(behind).max().unwrap_or(0)
        );
        (saw, stores.iter().flat_map(store).collect())
    })
}

fn store(store: &Store) -> Vec<Finding> {
    let place = format!("worker \"{}\"", store.worker);
    let Some(needed) = &store.needed else {
        let what =
            "no worker of these settings has this name; its folder below \"state\" is of use to nobody";
        return vec![Finding::note(
            place,
            what,
            "delete the folder when the service is stopped, if the settings stay as they are",
        )];
    };
    let partitions = match &store.partitions {
        Ok(partitions) => partitions,
        Err(reason) => {
            let mend = "nothing where the service is writing to it, look again; one that is damaged is rebuilt from the changelog";
            return vec![Finding::note(place, reason, mend)];
        }
    };
    let finding = |(partition, stands, changelog): &(u32, _, _)| {
        let unfit = unfit(stands, needed, *changelog, store.now_ms)?;
        let (level, mend) = match unfit {
            Unfit::CutShort | Unfit::Lacking { .. } | Unfit::AwayTooLong | Unfit::FromTheFuture => (
                Level::Note,
                "nothing: it is rebuilt from the whole changelog when the worker takes or follows the partition, which takes longer",
            ),
            Unfit::MadeAnew => (
                Level::Problem,
                "find out who deleted the changelog: what it had is gone, and what a rebuild gives lacks it",
            ),
            Unfit::Ahead { .. } => (
                Level::Problem,
                "find out who made the changelog anew, or lost its end: what it had is gone, and what a rebuild gives lacks it",
            ),
            Unfit::Passed { .. } => (
                Level::Problem,
                "find out who deleted from the changelog: its cleanup.policy has to be compact alone, and what is gone a rebuild lacks",
            ),
        };
        Some(Finding::new(level, format!("{place}, partition {partition}"), unfit.to_string(), mend))
    };
    partitions.iter().filter_map(finding).collect()
}
