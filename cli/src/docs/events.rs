//! docs/events.md: every record on every topic, from its contract.
use std::fmt::Write;

use domain::order::event::OrderEvent;
use schemas::contracts::{self, Contract};
use schemas::topics::{Retention, TOPICS, Topic};
use schemas::{examples, headers};
use serde_json::Value;

use super::schema::{Types, cell, collect, list, parsed, shown, text};

const HEAD: &str = "\
# Events and other records

Written from the contracts in `schemas/avro` and the topics in `schemas/src/topics.rs` by `make doc`; a test compares.
[contract.md](contract.md) says how these records travel: keys, headers, framing. [asyncapi.yaml](asyncapi.yaml) says the same for programs.

The examples show records as JSON, as `orderstream topics tail` does; on the topic they are Avro. Values of maps and of
characteristics are JSON text within text. A symbol that is not in the list below is one of a newer version: it reads as `UNKNOWN`.
";

/// The page.
///
/// # Errors
/// A contract that is no JSON, which its own tests would have found.
pub fn page() -> anyhow::Result<String> {
    let mut page = String::from(HEAD);
    let mut types = Types::new();
    index(&mut page)?;
    for topic in TOPICS {
        topic_head(&mut page, topic)?;
        for contract in topic.records.iter().filter_map(|name| contract(name)) {
            let json = parsed(&contract.json)?;
            record(&mut page, topic, contract, &json)?;
            collect(&json, &mut types);
        }
    }
    page.push_str("\n## Types\n\nWhat the records above are made of.\n");
    for (name, definition) in &types {
        write!(page, "\n### {name}\n\n{}\n", text(definition, "doc"))?;
        match definition.get("symbols") {
            Some(_) => symbols(&mut page, definition)?,
            None => fields(&mut page, definition)?,
        }
    }
    Ok(page)
}

fn contract(name: &str) -> Option<&'static Contract> {
    contracts::all().iter().copied().find(|contract| contract.name == name)
}

/// Who writes a record: of events, the one processor; of the rest, who writes to its topic.
fn writers(topic: &Topic, record: &str) -> String {
    OrderEvent::writer_of(record).map_or_else(|| topic.written_by.join(", "), str::to_owned)
}

fn index(page: &mut String) -> std::fmt::Result {
    page.push_str("\n| record | written by | when |\n|---|---|---|\n");
    for topic in TOPICS {
        for contract in topic.records.iter().filter_map(|name| contract(name)) {
            let (name, writers) = (&contract.name, writers(topic, &contract.name));
            let when = when(contract);
            writeln!(page, "| [{name}](#{}) | {writers} | {} |", name.to_lowercase(), cell(&when))?;
        }
    }
    Ok(())
}

/// The contract's own words, without the writer in front.
fn when(contract: &Contract) -> String {
    let json: Value = serde_json::from_str(&contract.json).unwrap_or_default();
    let doc = text(&json, "doc");
    let writer = OrderEvent::writer_of(&contract.name).map(|writer| format!("{writer}: "));
    let said = writer.and_then(|writer| doc.strip_prefix(&writer)).unwrap_or(doc);
    let mut letters = said.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn topic_head(page: &mut String, topic: &Topic) -> std::fmt::Result {
    let name =
        if topic.name.ends_with('.') { format!("{}<system>", topic.name) } else { topic.name.to_owned() };
    let kept = match topic.retention {
        Retention::Ms(ms) => format!("at least {} days", ms / 86_400_000),
        Retention::Compacted => "the last record of every key, for ever (compacted)".to_owned(),
    };
    write!(
        page,
        "\n## {name}\n\nKey: {}. Written by {}; read by {}. Kept: {kept}.\n",
        topic.key,
        topic.written_by.join(", "),
        topic.read_by.join(", ")
    )?;
    if topic.records.is_empty() {
        page.push_str("\nHolds records as they came, byte for byte; headers that begin with `dead-letter-` say what was wrong with each.\n");
    }
    Ok(())
}

fn record(page: &mut String, topic: &Topic, contract: &Contract, json: &Value) -> anyhow::Result<()> {
    let (name, ce_type) = (&contract.name, headers::type_of(&contract.name));
    write!(page, "\n### {name}\n\n{}\n\n", when(contract))?;
    writeln!(page, "Written by {}. `ce_type`: `{ce_type}`.", writers(topic, name))?;
    fields(page, json)?;
    let example = serde_json::to_string_pretty(&examples::example(contract))?;
    write!(page, "\n<details><summary>Example</summary>\n\n```json\n{example}\n```\n\n</details>\n")?;
    Ok(())
}

fn fields(page: &mut String, definition: &Value) -> std::fmt::Result {
    page.push_str("\n| field | holds | meaning |\n|---|---|---|\n");
    for field in list(definition, "fields") {
        let (name, holds) = (text(field, "name"), shown(&field["type"]));
        writeln!(page, "| `{name}` | {holds} | {} |", cell(text(field, "doc")))?;
    }
    Ok(())
}

fn symbols(page: &mut String, definition: &Value) -> std::fmt::Result {
    let symbols: Vec<String> = list(definition, "symbols")
        .iter()
        .filter_map(Value::as_str)
        .map(|symbol| format!("`{symbol}`"))
        .collect();
    write!(page, "\nOne of {}.\n", symbols.join(", "))
}
