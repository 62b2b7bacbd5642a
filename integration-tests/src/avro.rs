//! An outsider's own Avro: generic, by the text of a schema, as docs/contract.md and Avro's specification have it. Nothing of ours.
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A schema's text, with its named types at hand.
pub struct Schema {
    pub json: Value,
    named: BTreeMap<String, Value>,
}

impl Schema {
    pub fn of(text: &str) -> Schema {
        let json: Value = serde_json::from_str(text).unwrap();
        let mut named = BTreeMap::new();
        collect(&json, &mut named);
        Schema { json, named }
    }

    pub fn name(&self) -> &str {
        self.json["name"].as_str().unwrap()
    }

    pub fn encode(&self, value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&self.json, value, &mut bytes);
        bytes
    }

    /// The record in these bytes, which have to end with it.
    pub fn decode(&self, mut bytes: &[u8]) -> Value {
        let value = self.read(&self.json, &mut bytes);
        assert!(bytes.is_empty(), "{} bytes are left behind a {}", bytes.len(), self.name());
        value
    }

    fn write(&self, schema: &Value, value: &Value, bytes: &mut Vec<u8>) {
        match kind(schema) {
            "string" => write_text(value.as_str().unwrap_or_else(|| panic!("no text: {value}")), bytes),
            "int" | "long" => {
                write_long(value.as_i64().unwrap_or_else(|| panic!("no number: {value}")), bytes)
            }
            "boolean" => bytes.push(u8::from(value.as_bool().unwrap())),
            "null" => {}
            "union" => {
                // All of these are "nothing or something".
                write_long(i64::from(!value.is_null()), bytes);
                if !value.is_null() {
                    self.write(&schema[1], value, bytes);
                }
            }
            "record" => {
                for field in schema["fields"].as_array().unwrap() {
                    let given = value.get(field["name"].as_str().unwrap()).or(field.get("default"));
                    let given = given.unwrap_or_else(|| panic!("{} is missing in {value}", field["name"]));
                    self.write(&field["type"], given, bytes);
                }
            }
            "enum" => {
                let at = schema["symbols"].as_array().unwrap().iter().position(|symbol| symbol == value);
                write_long(at.unwrap_or_else(|| panic!("no symbol: {value}")) as i64, bytes);
            }
            "array" => {
                let items = value.as_array().unwrap();
                if !items.is_empty() {
                    write_long(items.len() as i64, bytes);
                }
                items.iter().for_each(|item| self.write(&schema["items"], item, bytes));
                bytes.push(0);
            }
            "map" => {
                let entries = value.as_object().unwrap();
                if !entries.is_empty() {
                    write_long(entries.len() as i64, bytes);
                }
                for (name, value) in entries {
                    write_text(name, bytes);
                    self.write(&schema["values"], value, bytes);
                }
                bytes.push(0);
            }
            named => self.write(&self.named[named], value, bytes),
        }
    }

    fn read(&self, schema: &Value, bytes: &mut &[u8]) -> Value {
        match kind(schema) {
            "string" => read_text(bytes).into(),
            "int" | "long" => read_long(bytes).into(),
            "boolean" => (take(bytes, 1)[0] == 1).into(),
            "null" => Value::Null,
            "union" => self.read(&schema[read_long(bytes) as usize], bytes),
            "record" => {
                let fields = schema["fields"].as_array().unwrap().iter();
                let read = |field: &Value, bytes: &mut &[u8]| {
                    (field["name"].as_str().unwrap().to_owned(), self.read(&field["type"], bytes))
                };
                fields.map(|field| read(field, bytes)).collect::<Map<_, _>>().into()
            }
            "enum" => schema["symbols"][read_long(bytes) as usize].clone(),
            "array" => {
                let mut items = Vec::new();
                blocks(bytes, |bytes| items.push(self.read(&schema["items"], bytes)));
                items.into()
            }
            "map" => {
                let mut entries = Map::new();
                blocks(bytes, |bytes| {
                    let name = read_text(bytes);
                    entries.insert(name, self.read(&schema["values"], bytes));
                });
                entries.into()
            }
            named => self.read(&self.named[named], bytes),
        }
    }
}

fn kind(schema: &Value) -> &str {
    match schema {
        Value::Array(_) => "union",
        Value::String(name) => name,
        _ => schema["type"].as_str().unwrap(),
    }
}

fn collect(schema: &Value, named: &mut BTreeMap<String, Value>) {
    if let (Some(Value::String(name)), true) =
        (schema.get("name"), schema.get("fields").or(schema.get("symbols")).is_some())
    {
        named.insert(name.clone(), schema.clone());
    }
    let inner = schema.as_object().into_iter().flat_map(|object| object.values());
    inner.chain(schema.as_array().into_iter().flatten()).for_each(|inner| collect(inner, named));
}

/// Zigzag, seven bits per byte, the lowest first.
fn write_long(value: i64, bytes: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn read_long(bytes: &mut &[u8]) -> i64 {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return (value >> 1) as i64 ^ -((value & 1) as i64);
        }
    }
}

fn write_text(text: &str, bytes: &mut Vec<u8>) {
    write_long(text.len() as i64, bytes);
    bytes.extend_from_slice(text.as_bytes());
}

fn read_text(bytes: &mut &[u8]) -> String {
    let length = read_long(bytes) as usize;
    String::from_utf8(take(bytes, length).to_vec()).unwrap()
}

fn take<'b>(bytes: &mut &'b [u8], count: usize) -> &'b [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

/// A negative count is followed by the block's size, which only matters to whoever skips it.
fn blocks(bytes: &mut &[u8], mut item: impl FnMut(&mut &[u8])) {
    loop {
        let count = read_long(bytes);
        if count < 0 {
            read_long(bytes);
        }
        if count == 0 {
            return;
        }
        (0..count.unsigned_abs()).for_each(|_| item(bytes));
    }
}

/// A value as the contract wants it in inputs and outputs: JSON text.
pub fn json_text(value: impl Into<Value>) -> Value {
    json!(value.into().to_string())
}
