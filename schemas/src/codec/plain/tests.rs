use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{read, write};
use crate::contracts::Contract;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Symbol {
    One,
    Two,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Inner {
    number: i64,
    symbol: Symbol,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Outer {
    text: String,
    flag: bool,
    maybe: Option<Inner>,
    list: Vec<Inner>,
    map: BTreeMap<String, String>,
}

const CONTRACT: &str = r#"{"type": "record", "name": "Outer", "namespace": "io.orderstream", "doc": "d", "fields": [
    {"name": "text", "type": "string"}, {"name": "flag", "type": "boolean"},
    {"name": "maybe", "type": ["null", {"type": "record", "name": "Inner", "fields": [{"name": "number", "type": "long"},
        {"name": "symbol", "type": {"type": "enum", "name": "Symbol", "symbols": ["One", "Two"]}}]}]},
    {"name": "list", "type": {"type": "array", "items": "Inner"}}, {"name": "map", "type": {"type": "map", "values": "string"}}]}"#;

fn inner() -> impl Strategy<Value = Inner> {
    let number = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -200_i64..200];
    (number, any::<bool>())
        .prop_map(|(number, one)| Inner { number, symbol: if one { Symbol::One } else { Symbol::Two } })
}

fn outer() -> impl Strategy<Value = Outer> {
    let map = prop::collection::btree_map(".{0,3}", ".{0,9}", 0..4);
    (".{0,200}", any::<bool>(), prop::option::of(inner()), prop::collection::vec(inner(), 0..5), map)
        .prop_map(|(text, flag, maybe, list, map)| Outer { text, flag, maybe, list, map })
}

proptest! {
    #[test]
    fn what_is_written_is_read_by_the_library_and_the_other_way_round(value in outer()) {
        let contract = Contract::keep(CONTRACT).unwrap();
        let mut ours = Vec::new();
        write(&mut ours, &value).unwrap();
        prop_assert_eq!(&contract.reader.read_deser::<Outer>(&mut ours.as_slice()).unwrap(), &value);
        let mut theirs = Vec::new();
        contract.writer.write_ser(&mut theirs, &value).unwrap();
        let mut left = theirs.as_slice();
        prop_assert_eq!(read::<Outer>(&mut left).unwrap(), value);
        prop_assert!(left.is_empty());
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut left = bytes.as_slice();
        if let Ok(value) = read::<Outer>(&mut left) {
            let mut again = Vec::new();
            write(&mut again, &value).unwrap();
            prop_assert_eq!(read::<Outer>(&mut again.as_slice()).unwrap(), value);
        }
    }
}

#[track_caller]
fn check<T: serde::de::DeserializeOwned + std::fmt::Debug>(bytes: &[u8], expected: &str) {
    let said = read::<T>(&mut &*bytes).unwrap_err().to_string();
    assert!(said.contains(expected), "{said}");
}

#[test]
fn what_cannot_be_is_said_so() {
    check::<i64>(&[0xff; 10], "longer than 64 bits");
    check::<i64>(&[0x80], "end early");
    check::<String>(&[0x08, b'a'], "a text of 4 bytes, where 1 are left");
    check::<String>(&[0x01], "a text of -1 bytes");
    check::<String>(&[0x02, 0xff], "not UTF-8");
    check::<bool>(&[2], "a boolean of 2");
    check::<Option<bool>>(&[0x04], "variant 2");
    check::<Symbol>(&[0x04], "symbol 2, where there are One, Two");
    check::<Symbol>(&[0x01], "symbol -1");
    check::<Vec<bool>>(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 1], "items, where 1 bytes are left");
    check::<u8>(&[0x80, 0x08], "expected u8");
    check::<f64>(&[0; 8], "a float, which no contract has");
}
