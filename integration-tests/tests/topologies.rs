//! Fused or apart: the same records, byte for byte. Where processors stand is a matter of cost, never of meaning.
use std::collections::BTreeMap;

use integration_tests::scenario::memory::InMemoryWorld;
use integration_tests::scenario::{Outcome, Scenario, World, file, run, shipped_catalog};
use runtime::Record;
use schemas::codec::Codec;
use schemas::{headers, topics};
use topology::SubTopology;

/// What one processor wrote of one key to one topic, in sequence: the sequence between processors is not promised, as they work at
/// the same time where they stand apart.
type Story = BTreeMap<(String, String, String), Vec<String>>;

fn header<'a>(record: &'a Record, name: &str) -> &'a str {
    let found = record.headers.iter().find(|(found, _)| found.as_ref() == name);
    found.map_or("", |(_, value)| std::str::from_utf8(value).unwrap())
}

/// Everything of a record: its name, its body as people read it, and its headers.
fn shown(codec: &Codec, record: &Record) -> String {
    let (name, body) = codec.decode_shown(record.value.as_deref().unwrap()).unwrap();
    let headers: Vec<String> = record
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
        .collect();
    format!("{name} {body} {} at {}", headers.join(" "), record.timestamp_ms)
}

fn story(codec: &Codec, outcome: &Outcome) -> Story {
    let mut story = Story::new();
    // Requests are what came in, not what we say; the catalog has no source.
    let told = outcome.records.iter().filter(|record| {
        !matches!(record.topic.as_ref(), topics::ORDER_REQUESTS | topics::CATALOG | topics::DEAD_LETTERS)
    });
    for record in told {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap()).into_owned();
        let place = (record.topic.to_string(), key, header(record, headers::CE_SOURCE).to_owned());
        story.entry(place).or_default().push(shown(codec, record));
    }
    story
}

fn told(groups: Vec<SubTopology>, scenario: &Scenario) -> Story {
    let catalog = shipped_catalog().unwrap();
    let mut world = InMemoryWorld::new(groups, &catalog, scenario.started_at()).unwrap();
    let outcome = run(&mut world, scenario, &catalog).unwrap();
    story(world.codec(), &outcome)
}

#[test]
fn fused_and_apart_the_processors_tell_the_same_story() {
    for (name, scenario) in file::all().unwrap() {
        let fused = told(SubTopology::defaults(), &scenario);
        let apart = told(SubTopology::split(), &scenario);
        assert!(fused.keys().any(|place| place.0 == topics::ORDER_EVENTS), "{name} tells nothing");
        for place in fused.keys().chain(apart.keys()) {
            let pair = (fused.get(place), apart.get(place));
            let (Some(fused), Some(apart)) = pair else { panic!("{name}: only one of both wrote {place:?}") };
            for (number, (fused, apart)) in fused.iter().zip(apart).enumerate() {
                assert_eq!(fused, apart, "{name}: record {number} of {place:?}");
            }
            assert_eq!(fused.len(), apart.len(), "{name}: {place:?}");
        }
    }
}
