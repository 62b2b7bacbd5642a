//! Bad input, systematically: every case of the table and hundreds of generated documents, in memory and through one real service; and the
//! table through one on a real cluster, where outsiders have clients of their own.
use std::collections::BTreeMap;
use std::path::Path;

use integration_tests::bad_input::{Case, Outcome, mutate, outcome, table};
use integration_tests::scenario::memory::InMemoryWorld;
use integration_tests::scenario::{World, shipped_catalog};
use runtime::Outgoing;
use schemas::tmf::json;
use schemas::{headers, topics};
use topology::SubTopology;

#[path = "bad_input/contradictions.rs"]
mod contradictions;
#[path = "bad_input/kafka.rs"]
mod kafka;
#[path = "bad_input/service.rs"]
mod service;

/// Fewer would mean that some are not found.
const CASES_MIN: usize = 200;
/// Documents made from the official examples, and, every third, from good orders of our own: of the former none is valid as it stands.
const GENERATED: u64 = 600;
const GOOD_EVERY: u64 = 3;
/// At least so many of them end in each of the three ways: else the changes are too gentle, or too rough, to prove anything.
const EACH_OUTCOME_MIN: usize = 10;
/// The time of every test that does not ask the machine.
const NOW: domain::Timestamp = domain::Timestamp(1_795_000_000_000);

fn world() -> InMemoryWorld {
    let mut world = InMemoryWorld::new(SubTopology::defaults(), &shipped_catalog().unwrap(), NOW).unwrap();
    world.settle().unwrap();
    world
}

/// What comes of a record, alone in a world: panics are told as such, so that one case does not hide the others.
fn played(world: &mut InMemoryWorld, record: Outgoing) -> anyhow::Result<BTreeMap<String, Vec<Outcome>>> {
    world.send(vec![record])?;
    let settled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.settle()));
    let records = settled.map_err(|_| anyhow::anyhow!("panicked"))??;
    outcome::outcomes(world.codec(), &records)
}

/// The only thing that came of it, whatever name it goes by.
fn only(outcomes: BTreeMap<String, Vec<Outcome>>) -> Option<Vec<Outcome>> {
    let all: Vec<Outcome> = outcomes.into_values().flatten().collect();
    (!all.is_empty()).then_some(all)
}

fn check_case(case: &Case) -> anyhow::Result<()> {
    let mut world = world();
    let record = case.record(world.codec(), NOW.0)?;
    let found = only(played(&mut world, record)?);
    match case.expected()? {
        None => anyhow::ensure!(found.is_none(), "expected nothing but a line in the log, found {found:?}"),
        Some(expected) => {
            let found = outcome::single(found.as_ref())?;
            anyhow::ensure!(found.is(&expected), "expected {expected:?}\n      found {found:?}");
        }
    }
    Ok(())
}

#[test]
fn every_case_comes_to_what_its_table_says() {
    let cases = table::all().unwrap();
    assert!(cases.len() >= CASES_MIN, "only {} cases are there", cases.len());
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("{}: {:#}", case.name, check_case(case).err()?)))
        .collect();
    assert!(failed.is_empty(), "{} of {} cases:\n  {}", failed.len(), cases.len(), failed.join("\n  "));
}

/// The official examples, by name.
fn examples() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tmf-examples/TMF622-v5");
    let files = cli::service::read_files(&directory, "json").unwrap();
    let payloads = files.into_iter().filter(|(name, _)| !name.ends_with(".expected.json"));
    payloads.map(|(name, text)| (name, text.into_bytes())).collect()
}

/// Good orders under a name of their own, in v4 and in v5.
fn good(name: &str) -> Vec<(String, Vec<u8>)> {
    let named = |good: &str| {
        let text = std::fs::read_to_string(table::directory().join(format!("{good}.json"))).unwrap();
        (good.to_owned(), text.replace(good, name).into_bytes())
    };
    ["good-v4", "good-v5"].map(named).into()
}

/// The `seed`-th generated document as a record.
fn generated(examples: &[(String, Vec<u8>)], seed: u64, now_ms: i64) -> Outgoing {
    let name = format!("generated-{seed}");
    let own = seed.is_multiple_of(GOOD_EVERY).then(|| good(&name));
    let examples = own.as_deref().unwrap_or(examples);
    Outgoing {
        topic: topics::ORDER_REQUESTS.into(),
        partition: None,
        key: None,
        value: Some(mutate::mutated(examples, seed).unwrap().into()),
        headers: vec![
            (headers::CONTENT_TYPE.into(), headers::JSON.into()),
            (headers::CE_ID.into(), name.clone().into()),
            (table::HEADER_CASE.into(), name.into()),
        ],
        timestamp_ms: now_ms,
    }
}

/// Every pointer of a reason is a place in the document, or names what is missing in one.
fn check_pointers(document: &[u8], reasons: &[String]) -> anyhow::Result<()> {
    let text = std::str::from_utf8(document)?;
    let node = json::parse(text).map_err(|fault| anyhow::anyhow!(fault.message))?;
    anyhow::ensure!(!reasons.is_empty(), "rejected without a reason");
    for reason in reasons {
        let (_, pointer) = reason.split_once(' ').unwrap_or((reason, ""));
        let parent = pointer.rfind('/').map_or("", |end| &pointer[..end]);
        let found = node.at(pointer).or_else(|| node.at(parent));
        anyhow::ensure!(found.is_some(), "{reason} points to nothing");
    }
    Ok(())
}

#[test]
fn every_generated_document_is_validated_or_rejected_at_a_place_or_a_dead_letter_with_its_reason() {
    let examples = examples();
    let (mut accepted, mut rejected, mut unreadable, mut failed) = (0, 0, 0, Vec::new());
    // A world for many: an outcome is what came between one document and the next.
    let mut shared = world();
    for seed in 0..GENERATED {
        let record = generated(&examples, seed, NOW.0);
        let document = record.value.clone().unwrap();
        let found = played(&mut shared, record).and_then(|outcomes| {
            match outcome::single(only(outcomes).as_ref())? {
                Outcome::Accepted => accepted += 1,
                // Many have the examples' own order key: the first that is valid has it, and the others are refused.
                Outcome::Rejected(reasons) | Outcome::RevisionRefused(reasons) => {
                    rejected += 1;
                    check_pointers(&document, reasons)?;
                }
                Outcome::DeadLetter(reason) => {
                    unreadable += 1;
                    anyhow::ensure!(!reason.is_empty(), "a dead letter without a reason");
                }
                other @ (Outcome::Repeated | Outcome::Ignored(_)) => {
                    anyhow::bail!("{other:?} is no outcome of a new request")
                }
            }
            Ok(())
        });
        if let Err(error) = found {
            failed.push(format!("seed {seed}: {error:#}\n    {}", String::from_utf8_lossy(&document)));
            shared = world();
        }
    }
    assert!(failed.is_empty(), "{} of {GENERATED}:\n  {}", failed.len(), failed.join("\n  "));
    println!("{accepted} accepted, {rejected} rejected, {unreadable} unreadable");
    for count in [accepted, rejected, unreadable] {
        assert!(count >= EACH_OUTCOME_MIN, "{accepted}, {rejected}, {unreadable}");
    }
}
