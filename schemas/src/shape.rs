//! What reading a value of somebody else's schema may come to. Our own schemas are small; one that comes in a file, or from a registry,
//! could be made so that a few bytes of data take all time and memory there is.
use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::Name;

/// The most parts of a schema, each counted as often as a value has it. Our largest has a few hundred.
pub const SCHEMA_PARTS_MAX: u64 = 10_000;

/// What a value of a schema takes at least.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// Fields, branches and items, each with its own.
    parts: u64,
    /// It may take no byte at all.
    empty: bool,
}

/// # Errors
/// In words: a record that contains itself (its values nest without end); more than [`SCHEMA_PARTS_MAX`] parts (a record of two of a
/// record of two ...); lists of what takes no byte, of which a few bytes can announce any number.
pub(crate) fn check(schema: &Schema) -> Result<(), String> {
    if size(schema, &mut HashMap::new())?.empty {
        return Err("its values take no byte: any number of them could be announced".to_owned());
    }
    Ok(())
}

fn one(empty: bool) -> Size {
    Size { parts: 1, empty }
}

/// `known`: the records so far; `None` for those whose definition has not ended yet.
fn size<'s>(schema: &'s Schema, known: &mut HashMap<&'s Name, Option<Size>>) -> Result<Size, String> {
    let found = match schema {
        Schema::Null => one(true),
        Schema::Fixed(fixed) => {
            known.insert(&fixed.name, Some(one(fixed.size == 0)));
            one(fixed.size == 0)
        }
        Schema::Enum(symbols) => {
            known.insert(&symbols.name, Some(one(false)));
            one(false)
        }
        Schema::Record(record) => {
            known.insert(&record.name, None);
            let mut whole = one(true);
            for field in &record.fields {
                let inner = size(&field.schema, known)?;
                whole.parts = bounded(whole.parts.saturating_add(inner.parts))?;
                whole.empty &= inner.empty;
            }
            known.insert(&record.name, Some(whole));
            whole
        }
        Schema::Union(union) => {
            let mut parts = 1_u64;
            for variant in union.variants() {
                parts = bounded(parts.saturating_add(size(variant, known)?.parts))?;
            }
            Size { parts, empty: false }
        }
        Schema::Array(array) => {
            let items = size(&array.items, known)?;
            if items.empty {
                return Err("a list of what takes no byte could be of any length".to_owned());
            }
            Size { parts: bounded(items.parts.saturating_add(1))?, empty: false }
        }
        // Its keys take a byte at least.
        Schema::Map(map) => {
            Size { parts: bounded(size(&map.types, known)?.parts.saturating_add(1))?, empty: false }
        }
        Schema::Ref { name } => match known.get(name) {
            Some(Some(size)) => *size,
            Some(None) => return Err(format!("record \"{name}\" contains itself")),
            None => return Err(format!("\"{name}\" is used before it is defined")),
        },
        // The library's: numbers, text, and what is written as one of them.
        _ => one(false),
    };
    Ok(found)
}

fn bounded(parts: u64) -> Result<u64, String> {
    if parts > SCHEMA_PARTS_MAX {
        return Err(format!("more than {SCHEMA_PARTS_MAX} parts"));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: &str, expected: Result<(), &str>) {
        let schema = Schema::parse_str(schema).unwrap();
        let found = super::check(&schema);
        match expected {
            Ok(()) => assert_eq!(found, Ok(())),
            Err(part) => assert!(found.as_ref().is_err_and(|said| said.contains(part)), "{found:?}"),
        }
    }

    /// Records of two of the next, so many times.
    fn doubled(times: usize) -> String {
        let innermost = r#"{"type":"record","name":"R0","fields":[{"name":"a","type":"int"}]}"#.to_owned();
        (1..=times).fold(innermost, |inner, n| {
            format!(
                r#"{{"type":"record","name":"R{n}","fields":[{{"name":"a","type":{inner}}},{{"name":"b","type":"R{}"}}]}}"#,
                n - 1
            )
        })
    }

    #[test]
    fn a_schema_whose_values_have_no_bound_is_refused() {
        check(r#"{"type":"record","name":"A","fields":[{"name":"a","type":["null","A"]}]}"#, Err("itself"));
        check(&doubled(5), Ok(()));
        check(&doubled(30), Err("parts"));
        check(r#"{"type":"array","items":"null"}"#, Err("no byte"));
        check(
            r#"{"type":"array","items":{"type":"record","name":"E","fields":[{"name":"n","type":"null"}]}}"#,
            Err("no byte"),
        );
        check(r#"{"type":"array","items":{"type":"fixed","name":"F","size":0}}"#, Err("no byte"));
        check(r#"{"type":"map","values":"null"}"#, Ok(()));
    }

    #[test]
    fn every_contract_of_ours_is_far_below_the_bound() {
        for contract in crate::contracts::all().iter().chain(crate::contracts::states()) {
            let size = size(contract.schema, &mut HashMap::new()).unwrap();
            assert!(size.parts < SCHEMA_PARTS_MAX / 10, "{}: {size:?}", contract.name);
        }
    }
}
