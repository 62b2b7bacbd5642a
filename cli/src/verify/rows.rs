//! The projection says what the events say: it is made anew from the log beside, up to where the real one has read, and compared row
//! by row. Then it is made up to the log's end: what the events tell of each order, for the other checks.
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use projection::rows::EVENT_TABLES;
use projection::{Applied, Positions, Projection};
use serde_json::{Map, Value};

use super::{Check, Subject};
use crate::service::projected;

/// As many events as go into one transaction.
const BATCH_RECORDS: usize = 5_000;

/// A row as JSON.
pub(super) type Row = Map<String, Value>;

/// What the events tell, up to the log's end.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By order key.
    pub orders: BTreeMap<String, Row>,
    /// By order key; of a table whose rows name their order.
    pub tasks: BTreeMap<String, Vec<Row>>,
    pub items: BTreeMap<String, Vec<Row>>,
    pub service_orders: BTreeMap<String, Vec<Row>>,
    pub cases: BTreeMap<String, Vec<Row>>,
    /// By product id.
    pub products: BTreeMap<String, Row>,
    /// Retention has taken the beginning of the story: who has no row may have had one.
    pub is_partial: bool,
}

pub(super) async fn check(subject: &Subject<'_>) -> anyhow::Result<(Check, Told)> {
    let mut check = Check::new("projection");
    let folder = tempfile::tempdir().context("could not make a temporary folder")?;
    let anew = Projection::open_file(&folder.path().join("projection.sqlite")).await?;
    let mut next = Positions::new();
    let mut told = Told { is_partial: is_partial(subject), ..Told::default() };
    match real(subject).await {
        Ok(Some(real)) => {
            let until = real.positions().await?;
            beyond(subject, &until, &mut check);
            apply(subject, &anew, &mut next, Some(&until), &mut check).await?;
            if told.is_partial {
                check.notes.push(
                    "rows were not compared: retention has taken the beginning of the events that they are made from".to_owned(),
                );
            } else {
                compare(&anew, &real, &mut check).await?;
            }
            real.close().await;
        }
        Ok(None) => check.notes.push("there is no projection".to_owned()),
        Err(error) => check.find(
            projection::shown_url(&subject.settings.projection_url()),
            format!("it cannot be read: {error:#}"),
        ),
    }
    apply(subject, &anew, &mut next, None, &mut check).await?;
    tell(&anew, &mut told).await?;
    anew.close().await;
    Ok((check, told))
}

/// `None`: there is none, and looking must not create one.
async fn real(subject: &Subject<'_>) -> anyhow::Result<Option<Projection>> {
    match Projection::open_existing(&subject.settings.projection_url()).await {
        Ok(projection) => Ok(Some(projection)),
        Err(projection::Error::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_partial(subject: &Subject<'_>) -> bool {
    let begins = |topic: &&str| {
        subject.log.bounds(topic).is_ok_and(|bounds| bounds.iter().any(|(begin, _)| *begin > 0))
    };
    projected::TOPICS.iter().any(begins)
}

/// The projection cannot have read what is not there.
fn beyond(subject: &Subject<'_>, until: &Positions, check: &mut Check) {
    for ((topic, partition), next) in until {
        let bounds = subject.log.bounds(topic).unwrap_or_default();
        let end = usize::try_from(*partition).ok().and_then(|at| bounds.get(at)).map_or(0, |(_, end)| *end);
        if *next > end {
            check.find(
                format!("topic {topic}, partition {partition}"),
                format!("the projection has read up to {next}, and the log ends at {end}: it lost its end"),
            );
        }
    }
}

/// Applies records from `next` on; `until`: up to these positions, where a partition that is not named is not read at all.
async fn apply(
    subject: &Subject<'_>,
    anew: &Projection,
    next: &mut Positions,
    until: Option<&Positions>,
    check: &mut Check,
) -> anyhow::Result<()> {
    for topic in projected::TOPICS {
        for partition in 0..subject.log.topics().get(topic).map_or(0, |spec| spec.partitions) {
            let place = (topic.to_owned(), i32::try_from(partition)?);
            let to = until.map_or(i64::MAX, |until| until.get(&place).copied().unwrap_or(0));
            loop {
                let from = next.get(&place).copied().unwrap_or(0);
                let batch = read(subject, topic, partition, (from, to)).unwrap_or_else(|error| {
                    check.unreadable(format!("topic {topic}, partition {partition}"), &error);
                    Vec::new()
                });
                let Some(last) = batch.last() else { break };
                next.insert(place.clone(), last.offset + 1);
                check.looked_at += batch.len() as u64;
                subject.progress.inc(batch.len() as u64);
                anew.apply(batch).await?;
            }
        }
    }
    Ok(())
}

/// The first records of a partition in [from, to). One that cannot be read is told where all records are, and left out here.
fn read(
    subject: &Subject<'_>,
    topic: &str,
    partition: u32,
    (from, to): (i64, i64),
) -> Result<Vec<Applied>, runtime::Error> {
    let mut batch = Vec::new();
    subject.log.visit_records(topic, partition, from, |offset, record| {
        if offset < to {
            batch.extend(record.map(|record| projected::applied(&subject.codec, &record)));
        }
        offset + 1 < to && batch.len() < BATCH_RECORDS
    })?;
    Ok(batch)
}

async fn compare(anew: &Projection, real: &Projection, check: &mut Check) -> anyhow::Result<()> {
    for table in EVENT_TABLES {
        let expected = anew.lines(table).await?;
        match real.lines(table).await {
            Ok(found) => compare_table(table, &expected, &found, check),
            Err(error) => {
                let error = anyhow::Error::from(error);
                check.find(format!("table {table}"), format!("it cannot be read: {error:#}"));
            }
        }
    }
    Ok(())
}

/// How many of a row's first fields name it.
fn key_fields(table: &str) -> usize {
    match table {
        "orders" | "service_orders" | "tasks" | "cases" | "products" => 1,
        // Tables that are not listed are named by a little too much, which still names the row.
        _ => 2,
    }
}

fn compare_table(table: &str, expected: &[String], found: &[String], check: &mut Check) {
    let expected_lines: BTreeSet<&String> = expected.iter().collect();
    let found_lines: BTreeSet<&String> = found.iter().collect();
    check.looked_at += found.len() as u64;
    let rows = |lines: Vec<&&String>| -> BTreeMap<String, Row> {
        let parsed = lines.into_iter().filter_map(|line| serde_json::from_str::<Row>(line).ok());
        parsed.map(|row| (name(table, &row), row)).collect()
    };
    let missing = rows(expected_lines.difference(&found_lines).collect());
    let mut extra = rows(found_lines.difference(&expected_lines).collect());
    for (name, expected) in missing {
        let place = format!("table {table}, row {name}");
        match extra.remove(&name) {
            Some(found) => check.find(place, differences(&expected, &found)),
            None => check.find(place, "it is missing"),
        }
    }
    for name in extra.into_keys() {
        check.find(format!("table {table}, row {name}"), "no event made it");
    }
}

fn name(table: &str, row: &Row) -> String {
    let fields = row.values().take(key_fields(table));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fields.map(text).collect::<Vec<_>>().join(" / ")
}

fn differences(expected: &Row, found: &Row) -> String {
    let differing = expected.iter().filter(|(field, value)| found.get(*field) != Some(value));
    let shown = differing.map(|(field, value)| {
        let found = found.get(field).cloned().unwrap_or_default();
        format!("{field} is {found}, and {value} by the events")
    });
    shown.collect::<Vec<_>>().join("; ")
}

async fn tell(anew: &Projection, told: &mut Told) -> anyhow::Result<()> {
    let keyed = |rows: Vec<Row>, field: &str| -> BTreeMap<String, Row> {
        rows.into_iter().map(|row| (text(&row, field).to_owned(), row)).collect()
    };
    let grouped = |rows: Vec<Row>| {
        let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in rows {
            groups.entry(text(&row, "orderKey").to_owned()).or_default().push(row);
        }
        groups
    };
    told.orders = keyed(table(anew, "orders").await?, "key");
    told.products = keyed(table(anew, "products").await?, "id");
    told.tasks = grouped(table(anew, "tasks").await?);
    told.items = grouped(table(anew, "items").await?);
    told.service_orders = grouped(table(anew, "service_orders").await?);
    told.cases = grouped(table(anew, "cases").await?);
    Ok(())
}

async fn table(anew: &Projection, name: &str) -> anyhow::Result<Vec<Row>> {
    let lines = anew.lines(name).await?;
    Ok(lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?)
}

/// A text field of a row; empty where there is none.
pub(super) fn text<'r>(row: &'r Row, field: &str) -> &'r str {
    row.get(field).and_then(Value::as_str).unwrap_or_default()
}
