//! What the processors told in a scenario: the records that they wrote, word for word.
use std::collections::{BTreeMap, BTreeSet};

use runtime::Record;
use schemas::codec::Codec;
use schemas::{headers, topics};

use super::Outcome;

/// What one processor wrote of one key to one topic, in sequence: the sequence between processors is not promised, as they work at
/// the same time where they stand apart.
pub type Story = BTreeMap<(String, String, String), Vec<String>>;

fn header<'a>(record: &'a Record, name: &str) -> &'a str {
    let found = record.headers.iter().find(|(found, _)| found.as_ref() == name);
    found.map_or("", |(_, value)| std::str::from_utf8(value).expect("headers are text"))
}

/// Everything of a record: its name, its body as people read it, and its headers.
fn shown(codec: &Codec, record: &Record) -> String {
    let value = record.value.as_deref().expect("what is told has a body");
    let (name, body) = codec.decode_shown(value).expect("it is ours");
    let headers: Vec<String> = record
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
        .collect();
    format!("{name} {body} {} at {}", headers.join(" "), record.timestamp_ms)
}

/// # Panics
/// A record is none of ours.
pub fn story(codec: &Codec, outcome: &Outcome) -> Story {
    let mut story = Story::new();
    // Requests are what came in, not what we say; the catalog has no source.
    let told = outcome.records.iter().filter(|record| {
        !matches!(record.topic.as_ref(), topics::ORDER_REQUESTS | topics::CATALOG | topics::DEAD_LETTERS)
    });
    for record in told {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
        let place = (record.topic.to_string(), key, header(record, headers::CE_SOURCE).to_owned());
        story.entry(place).or_default().push(shown(codec, record));
    }
    story
}

/// The first thing in each place that two tell otherwise.
pub fn differences(one: &Story, other: &Story) -> Vec<String> {
    let places: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let told = |story: &Story, place| story.get(place).cloned().unwrap_or_default();
    let difference = |place| {
        let (one, other) = (told(one, place), told(other, place));
        let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
        let (one, other) = (one.get(at), other.get(at));
        Some(format!("record {at} of {place:?}:\n  {one:?}\n  {other:?}"))
    };
    places.into_iter().filter_map(difference).collect()
}
