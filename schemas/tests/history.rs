//! The contracts against their own past: what any version wrote, every other one reads.
use std::path::Path;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use schemas::contracts::Contract;
use schemas::evolution::history;
use schemas::testing;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/history"))
}

#[test]
fn every_contract_reads_and_is_read_by_all_its_versions() {
    let mut found = Vec::new();
    for (name, source) in history::sources() {
        let versions = history::versions(root(), name).unwrap();
        found.extend(history::incompatible(&versions, source).into_iter().map(|why| format!("{name} {why}")));
    }
    assert!(found.is_empty(), "a contract would break whoever relies on it:\n{}", found.join("\n"));
}

#[test]
fn every_contract_is_the_last_of_its_versions() {
    for (name, source) in history::sources() {
        let versions = history::versions(root(), name).unwrap();
        assert!(
            history::is_current(&versions, source),
            "{name} is not the last version in schemas/history; `make schema-version` adds one if it is compatible"
        );
    }
}

#[test]
fn a_build_carries_every_version() {
    for (name, _) in history::sources() {
        assert_eq!(history::published(name), history::versions(root(), name).unwrap(), "{name}");
    }
    assert_eq!(history::PUBLISHED.len(), history::sources().count());
}

#[test]
fn nothing_lies_in_the_history_that_is_no_version_of_a_contract() {
    let mut known = 0;
    for (name, _) in history::sources() {
        let versions = history::versions(root(), name).unwrap().len();
        let files = std::fs::read_dir(history::folder(root(), name)).unwrap().count();
        assert_eq!(files, versions, "{name}: versions count from 1 without a gap");
        known += files;
    }
    assert_eq!(files_below(root()), known, "a contract that was published is never taken away");
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

/// By the bytes, and not only by the rules: for records on topics and for what processors keep.
#[test]
fn what_one_version_wrote_the_others_read() {
    for (name, _) in history::sources() {
        let versions = history::versions(root(), name).unwrap();
        let contracts: Vec<&Contract> = versions.iter().map(|text| Contract::keep(text).unwrap()).collect();
        for writer in &contracts {
            for reader in &contracts {
                for round in 0..4 {
                    check(name, writer, reader, round);
                }
            }
        }
    }
}

fn check(name: &str, writer: &Contract, reader: &Contract, round: usize) {
    let sample = Value::try_from(testing::sample(writer, round)).unwrap().resolve(writer.schema).unwrap();
    let mut bytes = Vec::new();
    let write = GenericDatumWriter::builder(writer.schema).build().unwrap();
    write.write_value(&mut bytes, sample.clone()).unwrap();
    let read = GenericDatumReader::builder(writer.schema).reader_schema(reader.schema).build().unwrap();
    let mut rest = bytes.as_slice();
    let value = read.read_value(&mut rest).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(rest.is_empty(), "{name}: {} bytes are left", rest.len());
    assert_eq!(value, sample.resolve(reader.schema).unwrap(), "{name}");
}
