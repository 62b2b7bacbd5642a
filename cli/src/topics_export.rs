//! `orderstream topics export`: the records of a topic as they lie there, byte for byte, and the schemas to read them with.
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use runtime::Record;
use runtime::log::Limits;
use serde_json::{Value, json};

use crate::service::Store;

/// As many records as are read at once.
const READ: Limits = Limits { records_max: 1_000, bytes_max: 8 << 20 };
/// Below the folder of the export: the schemas, each named by its id.
const SCHEMAS_DIR: &str = "schemas";

#[derive(clap::Args)]
pub struct Arguments {
    topic: String,
    /// The folder to write to: TOPIC.ndjson with a line per record (key, value and headers in base64), and schemas/ID.avsc.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

/// # Errors
/// There is no such topic; the folder cannot be written to.
pub fn export(store: &Store, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (topic, output) = (&arguments.topic, &arguments.output);
    if store.log.topics().get(topic).is_none() {
        bail!("there is no topic \"{topic}\"; `orderstream topics list` shows their names");
    }
    let schemas = output.join(SCHEMAS_DIR);
    std::fs::create_dir_all(&schemas)
        .with_context(|| format!("could not create \"{}\"", schemas.display()))?;
    let path = output.join(format!("{topic}.ndjson"));
    let shown = || format!("could not write \"{}\"", path.display());
    let mut file = BufWriter::new(File::create(&path).with_context(shown)?);
    let (mut count, mut ids) = (0_u64, BTreeSet::new());
    for (partition, end) in (0..).zip(store.log.end_offsets(topic)?) {
        let mut from = 0;
        while from < end {
            let records = store.log.read_range(topic, partition, from, READ)?;
            let Some(last) = records.last() else { break };
            from = last.offset + 1;
            for record in &records {
                writeln!(file, "{}", line(record)).with_context(shown)?;
                ids.extend(record.value.as_deref().and_then(schema_id));
                count += 1;
            }
        }
    }
    file.flush().with_context(shown)?;
    let written = write_schemas(store, &schemas, &ids)?;
    println!("{count} records and {written} schemas written to \"{}\"", output.display());
    Ok(ExitCode::SUCCESS)
}

fn line(record: &Record) -> Value {
    let encoded = |bytes: &bytes::Bytes| STANDARD.encode(bytes);
    let header = |(name, value): &(std::sync::Arc<str>, bytes::Bytes)| json!({ "name": &**name, "value": encoded(value) });
    json!({
        "partition": record.partition,
        "offset": record.offset,
        "timestampMs": record.timestamp_ms,
        "key": record.key.as_ref().map(encoded),
        "value": record.value.as_ref().map(encoded),
        "headers": record.headers.iter().map(header).collect::<Vec<_>>(),
    })
}

/// The id in front of a framed record; none for a value that is not framed.
fn schema_id(value: &[u8]) -> Option<u32> {
    schemas::codec::frame::split(value).ok().map(|(id, _)| id)
}

/// An id that nobody gave belongs to bytes that only look framed: no reason to keep the rest from being exported.
fn write_schemas(store: &Store, directory: &Path, ids: &BTreeSet<u32>) -> anyhow::Result<usize> {
    let mut written = 0;
    for id in ids {
        let text = match store.ids.schema_of(*id) {
            Ok(text) => text,
            Err(schemas::registry::Error::IdUnknown { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let path = directory.join(format!("{id}.avsc"));
        std::fs::write(&path, text).with_context(|| format!("could not write \"{}\"", path.display()))?;
        written += 1;
    }
    Ok(written)
}
