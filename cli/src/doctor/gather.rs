//! Finds out what there is to know, on whichever log. Nothing is changed, and nothing is waited for longer than one answer takes.
use std::sync::Arc;

use anyhow::Context;
use runtime::SystemClock;
use runtime::log::embedded::Inspection;
use schemas::registry::registration::{self, Task};
use schemas::topics;

use super::facts::{Clock, Directory, Disk, Facts, GroupLag, Grouped, Known, Projection, Service};
use super::gather_kafka;
use crate::control::{Client, Request};
use crate::operations::block_on;
use crate::operations::status::Status;
use crate::operations::topics::PROJECTION_GROUP;
use crate::service::{DISK_RESERVE_BYTES, LOG_DIR, catalog, disk_left_bytes, grouping, projected};
use crate::settings::key::without_password;
use crate::settings::{LogKind, Settings};
use crate::verify::positions;

const NO_REGISTRY: &str = "no registry is named that could tell its time";

/// # Errors
/// The catalog of the settings cannot be read: what there should be is not known then.
pub fn facts(settings: &Settings) -> anyhow::Result<Facts> {
    let status = block_on(running(settings));
    let mut facts = Facts {
        service: Known::of(status.as_ref().map(service).map_err(|error| anyhow::anyhow!("{error:#}"))),
        directory: Known::None,
        disk: disk(settings),
        brokers: Known::None,
        topics: Known::None,
        registry: Known::None,
        grouping: Known::NotAsked("the log could not be asked"),
        members: Known::None,
        lags: Known::None,
        waiting: status.iter().flatten().flat_map(|status| status.waiting.clone()).collect(),
        stores: Known::None,
        projection: Known::NotAsked("the log could not be asked how far it goes"),
        clock: Known::NotAsked(NO_REGISTRY),
    };
    match settings.log.kind {
        LogKind::Embedded => embedded(settings, status.ok().flatten(), &mut facts),
        LogKind::Kafka => gather_kafka::facts(settings, &mut facts)?,
    }
    if !settings.registry.url.is_empty() {
        let wanted = catalog::load(&settings.catalog)?;
        let wanted = registration::wanted(wanted.systems.keys().map(String::as_str));
        let url = &settings.registry.url;
        let answered = registration::carry_out(url, Task::Check, &wanted);
        facts.registry = Known::of(answered.with_context(|| format!("\"{}\"", without_password(url))));
        facts.clock = match facts.registry.is() {
            Some(_) => clock(url),
            None => Known::NotAsked("the registry does not answer, and nobody else tells its time"),
        };
    }
    Ok(facts)
}

/// What the service says of itself; none where none runs.
async fn running(settings: &Settings) -> anyhow::Result<Option<Status>> {
    match Client::connect(&settings.node.data_dir).await? {
        Some(mut client) => client.ask(&Request::Status, &[]).await.map(Some),
        None => Ok(None),
    }
}

fn service(status: &Option<Status>) -> Service {
    Service {
        version: status.as_ref().map(|status| status.version.clone()),
        write_failure: status.as_ref().and_then(|status| status.write_failure.clone()),
    }
}

fn disk(settings: &Settings) -> Known<Disk> {
    let data_dir = &settings.node.data_dir;
    // Before the first start, that of the folder in which it will be made.
    let mut existing = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.clone());
    while !existing.exists() && existing.pop() {}
    let is_embedded = settings.log.kind == LogKind::Embedded;
    Known::of(disk_left_bytes(&existing).map(|left_bytes| Disk {
        directory: data_dir.display().to_string(),
        left_bytes,
        reserve_bytes: is_embedded.then_some(DISK_RESERVE_BYTES),
    }))
}

fn clock(url: &str) -> Known<Clock> {
    let now_ms = || runtime::Clock::now_ms(&SystemClock);
    let before_ms = now_ms();
    let told = registration::date(url);
    let after_ms = now_ms();
    let read = |text: String| {
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(&text);
        at.map(|at| at.as_millisecond()).with_context(|| format!("\"{text}\" is no time"))
    };
    match told {
        Ok(None) => Known::NotAsked("the registry does not tell its time"),
        Ok(Some(text)) => Known::of(read(text).map(|told_ms| {
            let with = "the schema registry's".to_owned();
            Clock { with, before_ms, told_ms, after_ms }
        })),
        Err(error) => Known::of(Err(error.into())),
    }
}

/// What lies in the data directory: as the service tells it, or, where none runs, as it is seen without opening it for writing.
fn embedded(settings: &Settings, status: Option<Status>, facts: &mut Facts) {
    if let Some(status) = status {
        facts.directory = Known::Is(Directory::InUse);
        facts.grouping = Known::NotAsked("the service looked at it when it started");
        let lag = |line: crate::operations::status::LagLine| GroupLag {
            group: line.group,
            topic: line.topic,
            records: line.records.unsigned_abs(),
            most: line.partition.zip(line.partition_records.map(i64::unsigned_abs)),
            members: 1,
        };
        let of_groups = status.lags.into_iter().filter(|line| line.group != PROJECTION_GROUP);
        facts.lags = Known::Is(of_groups.map(lag).collect());
        facts.projection = projection(settings, |_| None);
        if let Known::Is(Projection::Open { behind, failure, .. }) = &mut facts.projection {
            // An earlier version says 0 where it does not know.
            let told = status.projection_lag_records.filter(|_| status.projection_failure.is_none());
            *behind = told.map(i64::unsigned_abs);
            *failure = status.projection_failure;
        }
        return;
    }
    let folder = settings.node.data_dir.join(LOG_DIR);
    if !folder.exists() {
        facts.directory = Known::Is(Directory::Absent);
        facts.grouping = Known::NotAsked("there is no log yet");
        facts.lags = Known::NotAsked("there is no log yet");
        facts.projection = projection(settings, |_| None);
        return;
    }
    match Inspection::open(&folder) {
        Ok(log) => {
            facts.directory = Known::Is(whole(&log, settings));
            facts.grouping = grouped(settings, log.meta_get(grouping::NOTE).map_err(Into::into));
            facts.lags = Known::of(lags(&log));
            facts.projection = projection(settings, |topic| {
                Some(log.bounds(topic).ok()?.into_iter().map(|(_, end)| end).collect())
            });
        }
        Err(error) => {
            facts.directory = Known::of(Err(error.into()));
            facts.lags = Known::NotAsked("the data directory cannot be read");
        }
    }
}

fn whole(log: &Inspection, settings: &Settings) -> Directory {
    let wrong = positions::check(log).check.findings.into_iter().map(|finding| (finding.place, finding.what));
    Directory::Whole {
        topics: log.topics().iter().count(),
        wrong: wrong.collect(),
        partitions: log.topics().get(topics::ORDER_EVENTS).map(|spec| spec.partitions),
        partitions_set: settings.log.partitions,
    }
}

/// `kept`: what the log keeps of it.
pub(super) fn grouped(settings: &Settings, kept: anyhow::Result<Option<bytes::Bytes>>) -> Known<Grouped> {
    let applied = kept.and_then(|kept| kept.map(|raw| grouping::decoded(&raw)).transpose());
    Known::of(applied.map(|applied| Grouped { applied, set: settings.subtopologies.clone() }))
}

fn lags(log: &Inspection) -> anyhow::Result<Vec<GroupLag>> {
    let mut lags = Vec::new();
    for topic in log.topics().iter().map(|spec| spec.name.to_string()) {
        let bounds = log.bounds(&topic)?;
        for group in log.groups(&topic)? {
            let left = group.next_offsets.iter().zip(&bounds);
            let left = left.map(|(next, (begin, end))| (end - next.unwrap_or(0).max(*begin)).max(0));
            let left: Vec<u64> = left.map(i64::unsigned_abs).collect();
            lags.push(GroupLag::of(&group.name, &topic, &left, 0));
        }
    }
    Ok(lags)
}

/// The database, and how it stands to the log. `ends`: of a topic, where its partitions end; none where that is not known.
pub(super) fn projection(settings: &Settings, ends: impl Fn(&str) -> Option<Vec<i64>>) -> Known<Projection> {
    let url = settings.projection_url();
    let place = projection::shown_url(&url);
    let positions = block_on(async {
        let projection = projection::Projection::open_existing(&url).await?;
        let positions = projection.positions().await;
        projection.close().await;
        Ok(positions?)
    });
    match positions {
        Ok(positions) => Known::Is(stands(place, &positions, ends)),
        Err(error) => match error.downcast_ref::<projection::Error>() {
            Some(projection::Error::Missing { .. }) => Known::Is(Projection::Absent { place }),
            Some(_) | None => Known::of(Err(error)),
        },
    }
}

fn stands(
    place: String,
    positions: &projection::Positions,
    ends: impl Fn(&str) -> Option<Vec<i64>>,
) -> Projection {
    let (mut behind, mut beyond) = (Some(0), Vec::new());
    for topic in projected::TOPICS {
        let Some(ends) = ends(topic) else {
            behind = None;
            continue;
        };
        for (partition, end) in (0..).zip(ends) {
            let next = positions.get(&(topic.to_owned(), partition)).copied().unwrap_or(0);
            behind = behind.map(|behind| behind + (end - next).max(0).unsigned_abs());
            if next > end {
                beyond.push(format!(
                    "it has read partition {partition} of topic \"{topic}\" up to {next}, and that ends at {end}"
                ));
            }
        }
    }
    Projection::Open { place, behind, beyond, failure: None }
}

/// The time that all share.
pub(super) fn system_clock() -> Arc<dyn runtime::Clock> {
    Arc::new(SystemClock)
}
