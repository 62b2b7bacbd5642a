//! `orderstream topics`: what lies on the topics, beside a running service or without one.
use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Duration;

use schemas::headers;

use crate::control::{ReadTopic, Request};
use crate::exit::Misplaced;
use crate::operations::topics::{PAGE_RECORDS_MAX, RecordPage, RecordView, TopicLine, TopicView};
use crate::operations::{Target, block_on};
use crate::order::table;
use crate::service::{Store, catalog};
use crate::settings::Settings;
use crate::text::printable;
use crate::{topics_create, topics_export};

/// How many of the newest records are shown where no beginning is named.
const NEWEST_DEFAULT: usize = 10;
/// How often a followed topic is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);
const DAY_MS: i64 = 86_400_000;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Every topic, with its partitions and records.
    List {
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// One topic: key, records, retention, where each partition begins and ends, who has read how much of it.
    Describe {
        topic: String,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// The records of a topic, decoded, with their headers.
    Tail(Tail),
    /// Make the topics that are missing on the Kafka cluster, and look whether those that are there are as they must be. Exit code 3
    /// where one is not; none is ever changed.
    Create(topics_create::Arguments),
    /// All records of a topic as they lie there, byte for byte, with the schemas to read them: for consumers to try themselves on.
    Export(topics_export::Arguments),
}

#[derive(clap::Args)]
pub struct Tail {
    topic: String,
    /// Where to begin in each partition: beginning, end, or an offset; without it, the newest records are shown.
    #[arg(long, value_name = "PLACE", value_parser = from)]
    from: Option<From>,
    /// Only this partition.
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// Only records of this key.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The most records; 10 where no beginning is named, else all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Go on with what is written from now on, until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// A line of JSON for each record, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Beginning,
    End,
    Offset(i64),
}

fn from(text: &str) -> Result<From, String> {
    match text {
        "beginning" => Ok(From::Beginning),
        "end" => Ok(From::End),
        _ => match text.parse() {
            Ok(offset) if offset >= 0 => Ok(From::Offset(offset)),
            Ok(_) | Err(_) => Err("it is beginning, end, or an offset from 0 on".to_owned()),
        },
    }
}

pub fn topics(settings: &Settings, command: Command) -> anyhow::Result<ExitCode> {
    if let Command::Create(arguments) = &command {
        return topics_create::create(settings, arguments);
    }
    if let Command::Export(arguments) = command {
        let store = Store::open_existing(settings, &catalog::load(&settings.catalog)?)?;
        return topics_export::export(&store, &arguments);
    }
    block_on(async {
        let mut target = Target::find(settings).await?;
        match command {
            Command::List { json } => list(&mut target, json).await,
            Command::Describe { topic, json } => describe(&mut target, topic, json).await,
            Command::Tail(arguments) => tail(&mut target, &arguments).await,
            Command::Create(_) | Command::Export(_) => unreachable!("done above"),
        }
    })
}

async fn list(target: &mut Target, json: bool) -> anyhow::Result<ExitCode> {
    let lines: Vec<TopicLine> = target.ask(Request::ListTopics, &[]).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&lines)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["topic", "partitions", "records", "ever written", "kept"]);
    for line in &lines {
        rows.add_row([
            line.name.clone(),
            line.partitions.to_string(),
            line.records.to_string(),
            line.records_written.to_string(),
            kept(line),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

/// How long records stay, in words.
fn kept(line: &TopicLine) -> String {
    match line.retention_ms {
        _ if line.compacted => "the newest of each key".to_owned(),
        Some(retention_ms) => format!("{} days", retention_ms / DAY_MS),
        None => "for ever".to_owned(),
    }
}

async fn describe(target: &mut Target, topic: String, json: bool) -> anyhow::Result<ExitCode> {
    let view: TopicView = target.ask(Request::DescribeTopic { topic }, &[]).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&view)?);
        return Ok(ExitCode::SUCCESS);
    }
    let or_none = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
    println!("topic {}", view.line.name);
    println!("  key         {}", view.line.key);
    println!("  records     {}", or_none(&view.record_types));
    println!("  kept        {}", kept(&view.line));
    println!("  written by  {}", or_none(&view.written_by));
    println!("  read by     {}", or_none(&view.read_by));
    let mut partitions = table(&["partition", "begin", "end", "records", "bytes"]);
    for partition in &view.partition_list {
        partitions.add_row([
            partition.partition.to_string(),
            partition.begin.to_string(),
            partition.end.to_string(),
            (partition.end - partition.begin).to_string(),
            partition.bytes.map_or("-".to_owned(), |bytes| bytes.to_string()),
        ]);
    }
    println!("\n{partitions}");
    let mut groups = table(&["group", "lag", "position by partition"]);
    for group in &view.groups {
        let position = |next: &Option<i64>| next.map_or("-".to_owned(), |next| next.to_string());
        let positions: Vec<String> = group.positions.iter().map(position).collect();
        groups.add_row([group.group.clone(), group.lag.to_string(), positions.join(" ")]);
    }
    if view.groups.is_empty() {
        println!("\nno group has read of it");
    } else {
        println!("\n{groups}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Where reading goes on in one partition.
struct Place {
    partition: u32,
    next: i64,
}

async fn tail(target: &mut Target, arguments: &Tail) -> anyhow::Result<ExitCode> {
    let view: TopicView = target.ask(Request::DescribeTopic { topic: arguments.topic.clone() }, &[]).await?;
    let limit = arguments.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut places = places(&view, arguments, limit);
    if places.is_empty() {
        return Err(no_partition(arguments, view.line.partitions).into());
    }
    let mut left = match arguments.from {
        None => {
            show_newest(target, arguments, &mut places, limit.unwrap_or(NEWEST_DEFAULT)).await?;
            if arguments.follow { usize::MAX } else { 0 }
        }
        Some(From::Beginning | From::End | From::Offset(_)) => limit.unwrap_or(usize::MAX),
    };
    loop {
        let mut found = 0;
        for place in &mut places {
            while left > 0 {
                let page = read(target, arguments, place).await?;
                let went_on = page.next > place.next;
                place.next = page.next;
                found += page.records.len();
                for record in page.records.iter().take(left) {
                    print(record, arguments.json)?;
                }
                left = left.saturating_sub(page.records.len());
                if !went_on || place.next >= page.end {
                    break;
                }
            }
        }
        if left == 0 || !arguments.follow {
            return Ok(ExitCode::SUCCESS);
        }
        if found == 0 {
            tokio::time::sleep(FOLLOW_EVERY).await;
        }
    }
}

/// Places are missing only for a partition that is not there.
fn no_partition(arguments: &Tail, partitions: u32) -> Misplaced {
    let (topic, asked) = (&arguments.topic, arguments.partition.unwrap_or_default());
    Misplaced(
        format!("topic \"{topic}\" has no partition {asked}; it has {partitions}, counted from 0").into(),
    )
}

fn places(view: &TopicView, arguments: &Tail, limit: Option<usize>) -> Vec<Place> {
    let meant = view
        .partition_list
        .iter()
        .filter(|partition| arguments.partition.is_none_or(|asked| asked == partition.partition));
    let place = |partition: &crate::operations::topics::PartitionView| {
        let newest = i64::try_from(limit.unwrap_or(NEWEST_DEFAULT)).unwrap_or(i64::MAX);
        let next = match arguments.from {
            Some(From::Beginning) => partition.begin,
            Some(From::End) => partition.end,
            Some(From::Offset(offset)) => offset,
            // Records of one key may lie anywhere.
            None if arguments.key.is_some() => partition.begin,
            None => partition.end.saturating_sub(newest).max(partition.begin),
        };
        Place { partition: partition.partition, next }
    };
    meant.map(place).collect()
}

/// The newest of all partitions, in the sequence in which they were produced; leaves the places behind them.
async fn show_newest(
    target: &mut Target,
    arguments: &Tail,
    places: &mut [Place],
    limit: usize,
) -> anyhow::Result<()> {
    let mut newest: Vec<RecordView> = Vec::new();
    for place in places {
        let mut of_partition: VecDeque<RecordView> = VecDeque::new();
        loop {
            let page = read(target, arguments, place).await?;
            let went_on = page.next > place.next;
            place.next = page.next;
            of_partition.extend(page.records);
            while of_partition.len() > limit {
                of_partition.pop_front();
            }
            if !went_on || place.next >= page.end {
                break;
            }
        }
        newest.extend(of_partition);
    }
    // RFC 3339 in UTC sorts as the time does.
    newest.sort_by(|a, b| (&a.at, a.partition, a.offset).cmp(&(&b.at, b.partition, b.offset)));
    let passed_over = newest.len().saturating_sub(limit);
    newest.iter().skip(passed_over).try_for_each(|record| print(record, arguments.json))
}

async fn read(target: &mut Target, arguments: &Tail, place: &Place) -> anyhow::Result<RecordPage> {
    let asked = ReadTopic {
        topic: arguments.topic.clone(),
        partition: place.partition,
        from: place.next,
        key: arguments.key.clone(),
        records_max: PAGE_RECORDS_MAX,
    };
    target.ask(Request::ReadTopic(asked), &[]).await
}

fn print(record: &RecordView, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(record)?);
        return Ok(());
    }
    println!("{}", told(record));
    Ok(())
}

/// A record in three lines, for people.
fn told(record: &RecordView) -> String {
    let key = record.key.as_deref().unwrap_or("(no key)");
    let media_type = record.headers.get(headers::CONTENT_TYPE).and_then(|value| value.as_str());
    let name = match (record.record.as_deref(), media_type) {
        (Some(name), _) => name,
        // A document of somebody else's, as they call it.
        (None, Some(media_type)) if !media_type.starts_with(headers::AVRO) => media_type,
        (None, _) => "(not a record of ours)",
    };
    let place = format!("{}:{}  {}", record.partition, record.offset, record.at);
    let header = |(name, value): (&String, &serde_json::Value)| {
        format!("{name}={}", value.as_str().unwrap_or_default())
    };
    let headers: Vec<String> = record.headers.iter().map(header).collect();
    [
        format!("{place}  {key}  {name}"),
        format!("    {}", headers.join("  ")),
        format!("    {}", record.value),
    ]
    .map(|line| printable(&line))
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_word_or_an_offset() {
        assert_eq!(from("beginning"), Ok(From::Beginning));
        assert_eq!(from("end"), Ok(From::End));
        assert_eq!(from("17"), Ok(From::Offset(17)));
        assert!(from("-1").is_err() && from("start").is_err() && from("").is_err());
    }
    #[test]
    fn a_record_is_three_lines_whatever_it_holds() {
        let record = RecordView {
            partition: 0,
            offset: 7,
            at: "2026-11-21T07:00:00.000Z".to_owned(),
            key: Some("E\nX/1".to_owned()),
            record: None,
            headers: [("content-type".to_owned(), "application/json\n\u{1b}c".into())].into_iter().collect(),
            value: "{\"oops\": \"\u{1b}[31mRED\u{9b}\u{202e}\"}".into(),
        };
        let told = told(&record);
        assert_eq!(told.lines().count(), 3, "{told}");
        assert!(told.chars().all(|c| c == '\n' || !domain::text::is_deceptive(c)), "{told:?}");
        let head = "0:7  2026-11-21T07:00:00.000Z  E\\u{a}X/1  application/json\\u{a}\\u{1b}c\n";
        assert!(told.starts_with(head), "{told}");
        let unknown = RecordView { headers: Default::default(), ..record };
        assert!(super::told(&unknown).contains("  (not a record of ours)\n"));
    }
}
