//! `orderstream topics`: what lies on the topics of a data directory on which no service runs.
use std::process::ExitCode;

use anyhow::bail;
use runtime::Record;
use runtime::log::Limits;

use crate::order::table;
use crate::service::{Store, catalog};
use crate::settings::Settings;
use crate::topics_export;

/// As many records as are read at once.
const READ: Limits = Limits { records_max: 1_000, bytes_max: 8 << 20 };

#[derive(clap::Subcommand)]
pub enum Command {
    /// Every topic, with its partitions and records.
    List,
    /// The last records of a topic, partition by partition, a line of JSON each.
    Tail {
        topic: String,
        /// The most records of each partition.
        #[arg(long, default_value_t = 10, value_name = "N")]
        limit: i64,
    },
    /// All records of a topic as they lie there, byte for byte, with the schemas to read them: for consumers to try themselves on.
    Export(topics_export::Arguments),
}

pub fn topics(settings: &Settings, command: &Command) -> anyhow::Result<ExitCode> {
    let store = Store::open(settings, &catalog::load(&settings.catalog)?)?;
    match command {
        Command::List => list(&store),
        Command::Tail { topic, limit } => tail(&store, topic, *limit),
        Command::Export(arguments) => topics_export::export(&store, arguments),
    }
}

fn list(store: &Store) -> anyhow::Result<ExitCode> {
    let mut lines = table(&["topic", "partitions", "records so far"]);
    for topic in store.log.topics().iter() {
        let ends = store.log.end_offsets(&topic.name)?;
        lines.add_row([
            topic.name.to_string(),
            topic.partitions.to_string(),
            ends.iter().sum::<i64>().to_string(),
        ]);
    }
    println!("{lines}");
    Ok(ExitCode::SUCCESS)
}

fn tail(store: &Store, topic: &str, limit: i64) -> anyhow::Result<ExitCode> {
    if store.log.topics().get(topic).is_none() {
        bail!("there is no topic \"{topic}\"; `orderstream topics list` shows their names");
    }
    for (partition, end) in (0..).zip(store.log.end_offsets(topic)?) {
        let mut from = (end - limit).max(0);
        while from < end {
            let records = store.log.read_range(topic, partition, from, READ)?;
            let Some(last) = records.last() else { break };
            from = last.offset + 1;
            records.iter().for_each(|record| println!("{}", shown(store, record)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A record as people and programs read it; a value that is no record of ours is shown as text.
fn shown(store: &Store, record: &Record) -> serde_json::Value {
    let text = |bytes: &bytes::Bytes| String::from_utf8_lossy(bytes).into_owned();
    let headers: serde_json::Map<String, serde_json::Value> =
        record.headers.iter().map(|(name, value)| (name.to_string(), text(value).into())).collect();
    let (name, value) = match record.value.as_deref().map(|value| store.codec.decode_shown(value)) {
        Some(Ok((name, value))) => (Some(name), value),
        Some(Err(_)) => (None, record.value.as_ref().map(text).into()),
        None => (None, serde_json::Value::Null),
    };
    serde_json::json!({
        "partition": record.partition,
        "offset": record.offset,
        "at": domain::Timestamp(record.timestamp_ms).to_string(),
        "key": record.key.as_ref().map(text),
        "record": name,
        "headers": headers,
        "value": value,
    })
}
