//! For tests, here and in the crates that know the types: does a type say the same as its contract?
//!
//! These functions panic with what differs, as tests do.
use std::fmt::Debug;

use apache_avro::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::codec::plain;
use crate::contracts::{self, Contract};

/// So many different samples show every symbol of every enum; the longest has fewer.
const ROUNDS: usize = 70;

/// Whether a processor's type and the contract of this name (`orchestration.Head`) say the same.
///
/// # Panics
/// With what differs: a field that only one of them has, a type that cannot be carried, a symbol that only one of them knows.
pub fn check_state<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str) {
    let contract = contracts::states().iter().find(|contract| contract.name == name);
    check_type::<T>(contract.unwrap_or_else(|| panic!("no state is named \"{name}\"")));
}

/// As [`check_state`], for any contract: samples of it are written and read as `T`, byte by byte the same.
///
/// # Panics
/// As [`check_state`].
pub fn check_type<T: Serialize + DeserializeOwned + PartialEq + Debug>(contract: &Contract) {
    let name = &contract.name;
    for round in 0..ROUNDS {
        let mut names = Vec::new();
        let sample = value(contract.schema, &mut names, "", round);
        let typed: T =
            serde_json::from_value(sample.clone()).unwrap_or_else(|e| panic!("{name} as JSON: {e}"));
        let shown = serde_json::to_value(&typed).unwrap_or_else(|e| panic!("{name} as JSON: {e}"));
        assert_eq!(shown, sample, "{name}: type and contract have the same fields");
        let mut bytes = Vec::new();
        let written = contract.writer.write_ser(&mut bytes, &typed);
        written.unwrap_or_else(|e| panic!("{name} could not be written: {e}"));
        let read: T = contract
            .reader
            .read_deser(&mut bytes.as_slice())
            .unwrap_or_else(|e| panic!("{name} could not be read: {e}"));
        assert_eq!(read, typed, "{name}");
        check_plain(contract, &typed);
        if round == 4 {
            let mut places = Vec::new();
            enum_places(contract.schema, &names, String::new(), &mut places);
            for (place, symbols) in places {
                assert!(symbols.len() <= ROUNDS, "{name}{place} has more symbols than there are rounds");
                check_symbols::<T>(&sample, &place, &symbols);
            }
        }
    }
}

/// The quick way of writing and reading says the same as the library that walks the schema.
fn check_plain<T: Serialize + DeserializeOwned + PartialEq + Debug>(contract: &Contract, typed: &T) {
    let name = &contract.name;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    plain::write(&mut ours, typed).unwrap_or_else(|e| panic!("{name} could not be written: {e}"));
    let read: Result<T, _> = contract.reader.read_deser(&mut ours.as_slice());
    assert_eq!(read.unwrap_or_else(|e| panic!("{name}: its fields are in another sequence: {e}")), *typed);
    contract.writer.write_ser(&mut theirs, typed).expect("written before");
    let read: Result<T, _> = plain::read(&mut theirs.as_slice());
    assert_eq!(read.unwrap_or_else(|e| panic!("{name} could not be read: {e}")), *typed);
}

/// A value that the contract allows, as JSON: `round` chooses symbols, lengths of lists, and whether optional fields are there.
pub fn sample(contract: &Contract, round: usize) -> Value {
    value(contract.schema, &mut Vec::new(), "", round)
}

fn value(schema: &Schema, names: &mut Vec<(String, Schema)>, field: &str, round: usize) -> Value {
    match schema {
        Schema::Record(record) => {
            names.push((record.name.name().to_owned(), schema.clone()));
            record.fields.iter().map(|f| (f.name.clone(), value(&f.schema, names, &f.name, round))).collect()
        }
        Schema::Enum(symbols) => {
            names.push((symbols.name.name().to_owned(), schema.clone()));
            json!(symbols.symbols[round % (symbols.symbols.len() - 1)]) // without UNKNOWN
        }
        Schema::Ref { name } => {
            let known = named(names, name.name());
            value(&known, names, field, round)
        }
        // The branch is walked even where it is not taken: a later reference needs its name.
        Schema::Union(union) => {
            let some = value(&union.variants()[1], names, field, round);
            if round.is_multiple_of(2) { some } else { Value::Null }
        }
        Schema::Array(array) => {
            let item = value(&array.items, names, field, round);
            Value::Array(vec![item; round % 3])
        }
        // A map of text is a map of JSON text.
        Schema::Map(map) if matches!(*map.types, Schema::String) => {
            json!({ "b": "{\"a\":[1.50]}", "speed": "\"100\"" })
        }
        Schema::Map(map) => json!({ "a": value(&map.types, names, field, round) }),
        Schema::String => match field {
            "currency" => json!("EUR"),
            "amount" | "percentage" => json!("12.50"),
            "value" | "carried" => json!("\"text\""),
            _ => json!("00000000-0000-0000-0000-00000000002a"),
        },
        Schema::TimestampMillis => json!(1_700_000_000_123_i64),
        Schema::Int | Schema::Long => json!(1 + round % 3),
        Schema::Boolean => json!(round.is_multiple_of(2)),
        other => panic!("no contract uses {other:?}"),
    }
}

fn named(names: &[(String, Schema)], name: &str) -> Schema {
    let found = names.iter().find(|(known, _)| known == name).map(|(_, schema)| schema.clone());
    found.unwrap_or_else(|| panic!("\"{name}\" is used before it is defined"))
}

/// Every symbol at a place of the sample is one of the type's, and the other way round: serde's error lists them.
fn check_symbols<T: DeserializeOwned>(sample: &Value, place: &str, symbols: &[String]) {
    let mut broken = sample.clone();
    let Some(node) = broken.pointer_mut(place) else { return };
    *node = json!("~");
    let Err(said) = serde_json::from_value::<T>(broken) else { panic!("{place}: an enum takes any text") };
    let said = said.to_string();
    let listed: Vec<&str> = said.split('`').skip(3).step_by(2).collect();
    let known: Vec<&str> =
        symbols.iter().map(String::as_str).filter(|s| *s != "UNKNOWN" || listed.contains(s)).collect();
    assert_eq!(listed, known, "at {place}");
}

fn enum_places(
    schema: &Schema,
    names: &[(String, Schema)],
    place: String,
    found: &mut Vec<(String, Vec<String>)>,
) {
    match schema {
        Schema::Record(record) => {
            for field in &record.fields {
                enum_places(&field.schema, names, format!("{place}/{}", field.name), found);
            }
        }
        Schema::Ref { name } => enum_places(&named(names, name.name()), names, place, found),
        Schema::Enum(symbols) => found.push((place, symbols.symbols.clone())),
        Schema::Union(union) => enum_places(&union.variants()[1], names, place, found),
        Schema::Array(array) => enum_places(&array.items, names, format!("{place}/0"), found),
        _ => {}
    }
}
