//! TM Forum's definitions as JSON Schemas, stricter than they are: what a definition does not name is refused, and `@type` decides.
//!
//! What is wrong in the files themselves is put right in one place, [`errata`].
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use schemas::tmf::out::{EXTENSIONS, SCHEMA_LOCATION, TYPE_PREFIX, Version};
use serde_json::{Map, Value, json};

/// One file's definitions.
pub struct Definitions {
    flat: BTreeMap<String, Flat>,
    validators: BTreeMap<&'static str, Validator>,
}

/// A definition with what it inherits.
#[derive(Clone, Default)]
struct Flat {
    properties: Map<String, Value>,
    required: BTreeSet<String>,
    /// By `@type`, which definition is meant.
    mapping: BTreeMap<String, String>,
    /// What is no object: an enum.
    plain: Option<Value>,
}

macro_rules! files {
    ($($name:ident: $file:literal, $types:expr, $beside:expr;)+) => {$(
        pub static $name: LazyLock<Definitions> = LazyLock::new(|| Definitions::read($file, &$types, $beside));
    )+};
}
// Beside what a definition requires, what an answer of a server cannot do without.
files! {
    TMF622_V4: "TMF622-ProductOrder-v4.0.0.swagger.json", ["ProductOrder"], &["id", "href", "state", "orderDate", "priority", "externalId"];
    TMF622_V5: "TMF622-ProductOrdering-v5.0.0.oas.yaml", ["ProductOrder"],
        &["id", "href", "state", "creationDate", "priority", "externalId", "productOrderItem"];
    TMF637_V4: "TMF637-ProductInventory-v4.0.0.swagger.json", ["Product"], &["id", "href", "status", "productOrderItem"];
    TMF637_V5: "TMF637-ProductInventory-v5.0.0.oas.yaml", ["Product"], &["id", "href", "status", "productOrderItem"];
    TMF641: "TMF641-ServiceOrdering-v4.1.0.swagger.json", ["ServiceOrder"],
        &["id", "href", "state", "orderDate", "externalReference", "serviceOrderItem"];
}

pub fn tmf622(version: Version) -> &'static Definitions {
    match version {
        Version::V4 => &TMF622_V4,
        Version::V5 => &TMF622_V5,
    }
}

pub fn tmf637(version: Version) -> &'static Definitions {
    match version {
        Version::V4 => &TMF637_V4,
        Version::V5 => &TMF637_V5,
    }
}

/// What the files say against the standard's own text, put right.
fn errata(definitions: &mut Map<String, Value>) {
    // "aborted " with a blank at its end, in every file.
    let words = definitions.get_mut("ProductStatusType").and_then(|it| it["enum"].as_array_mut());
    for word in words.into_iter().flatten() {
        *word = word.as_str().unwrap().trim().into();
    }
    // v5 defines characteristics that are true or false, and forgets them where it lists what a characteristic may be.
    let names: Vec<String> = definitions.keys().cloned().collect();
    let mapping =
        definitions.get_mut("Characteristic").and_then(|it| it["discriminator"]["mapping"].as_object_mut());
    if let Some(mapping) = mapping {
        for name in ["BooleanCharacteristic", "BooleanArrayCharacteristic"] {
            if names.iter().any(|known| known == name) {
                mapping.insert(name.to_owned(), format!("#/components/schemas/{name}").into());
            }
        }
    }
}

fn last(reference: &Value) -> String {
    let reference = reference.as_str().unwrap();
    reference.rsplit('/').next().unwrap().to_owned()
}

impl Definitions {
    fn read(file: &str, types: &[&'static str], beside: &[&str]) -> Definitions {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tmf-openapi").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let mut whole: Value = if file.ends_with(".yaml") {
            serde_saphyr::from_str(&text).unwrap()
        } else {
            serde_json::from_str(&text).unwrap()
        };
        let is_v5 = whole.get("openapi").is_some();
        let place = if is_v5 { "/components/schemas" } else { "/definitions" };
        let definitions = whole.pointer_mut(place).and_then(Value::as_object_mut).unwrap();
        errata(definitions);
        let flat: BTreeMap<String, Flat> = definitions
            .keys()
            .map(|name| (name.clone(), flattened(&definitions[name], definitions)))
            .collect();
        let mut schemas = Map::new();
        for (name, flat) in &flat {
            insert(name, flat, is_v5, &mut schemas);
        }
        let validator = |name: &&'static str| {
            let root = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": schemas,
                "$ref": format!("#/$defs/{name}"), "required": beside
            });
            let validator = jsonschema::options().should_validate_formats(true).build(&root);
            (*name, validator.unwrap_or_else(|error| panic!("{file} {name}: {error}")))
        };
        Definitions { validators: types.iter().map(validator).collect(), flat }
    }

    /// What is wrong with a document, as TM Forum and our list of extensions have it.
    pub fn faults(&self, type_name: &str, document: &Value) -> Vec<String> {
        let (mut document, mut faults) = (document.clone(), Vec::new());
        self.take_extensions_out(&mut document, &mut faults);
        let errors = self.validators[type_name].iter_errors(&document);
        faults.extend(errors.map(|error| format!("{}: {error}", error.instance_path())));
        faults
    }

    /// An object that names a base type has to be what the standard asks of one; without our members it is one of its base type.
    fn take_extensions_out(&self, value: &mut Value, faults: &mut Vec<String>) {
        match value {
            Value::Array(all) => all.iter_mut().for_each(|one| self.take_extensions_out(one, faults)),
            Value::Object(members) => {
                if let Some(base) = members.remove("@baseType") {
                    let base = base.as_str().unwrap_or_default().to_owned();
                    self.take_out(members, &base, faults);
                }
                members.values_mut().for_each(|inner| self.take_extensions_out(inner, faults));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn take_out(&self, members: &mut Map<String, Value>, base: &str, faults: &mut Vec<String>) {
        if members.get("@type") != Some(&format!("{TYPE_PREFIX}{base}").into()) {
            faults.push(format!("@type of an extended {base} is {:?}", members.get("@type")));
        }
        if members.remove("@schemaLocation") != Some(SCHEMA_LOCATION.into()) {
            faults.push(format!("an extended {base} does not say where it is described"));
        }
        let ours = EXTENSIONS.iter().find(|(name, _)| *name == base).map_or(&[][..], |(_, names)| names);
        // What the standard has itself stays, and is checked.
        let known = self.flat.get(base).or(self.flat.get("ProductRefOrValue"));
        let own = |name: &&str| known.is_none_or(|known| !known.properties.contains_key(*name));
        let taken = ours.iter().filter(|name| own(name) && members.remove(**name).is_some()).count();
        if taken == 0 {
            faults.push(format!("an extended {base} has no member of ours"));
        }
        members.insert("@type".to_owned(), base.into());
    }
}

/// A definition and everything that it is made of.
fn flattened(definition: &Value, all: &Map<String, Value>) -> Flat {
    let mut flat = Flat::default();
    merge(definition, all, &mut flat);
    let mapping = &definition["discriminator"]["mapping"];
    flat.mapping =
        mapping.as_object().into_iter().flatten().map(|(name, it)| (name.clone(), last(it))).collect();
    let is_object = !flat.properties.is_empty() || definition.get("oneOf").is_some();
    flat.plain = (!is_object).then(|| definition.clone());
    flat
}

fn merge(definition: &Value, all: &Map<String, Value>, flat: &mut Flat) {
    if let Some(reference) = definition.get("$ref") {
        merge(&all[&last(reference)], all, flat);
    }
    for part in definition["allOf"].as_array().into_iter().flatten() {
        merge(part, all, flat);
    }
    for (name, property) in definition["properties"].as_object().into_iter().flatten() {
        flat.properties.insert(name.clone(), referring(property));
    }
    let required = definition["required"].as_array().into_iter().flatten();
    flat.required.extend(required.filter_map(Value::as_str).map(str::to_owned));
}

/// A property with its references where ours lie.
fn referring(property: &Value) -> Value {
    if let Some(reference) = property.get("$ref") {
        return json!({ "$ref": format!("#/$defs/{}", last(reference)) });
    }
    let mut kept = Map::new();
    for name in ["type", "format", "enum", "minItems"] {
        if let Some(value) = property.get(name) {
            kept.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(items) = property.get("items") {
        kept.insert("items".to_owned(), referring(items));
    }
    Value::Object(kept)
}

fn insert(name: &str, flat: &Flat, is_v5: bool, schemas: &mut Map<String, Value>) {
    if let Some(plain) = &flat.plain {
        schemas.insert(name.to_owned(), referring(plain));
        return;
    }
    let own = format!("{name}:itself");
    let mut properties = flat.properties.clone();
    if is_v5 && properties.contains_key("@type") {
        properties.insert("@type".to_owned(), json!({ "const": name }));
    }
    schemas.insert(
        own.clone(),
        json!({ "type": "object", "properties": properties, "required": flat.required, "additionalProperties": false }),
    );
    let targets: Vec<(&String, String)> = flat
        .mapping
        .iter()
        // A definition that lists others lists itself by its own members, and the others by all that they allow.
        .map(|(word, target)| (word, if target == name { own.clone() } else { target.clone() }))
        .collect();
    let schema = if targets.is_empty() {
        json!({ "$ref": format!("#/$defs/{own}") })
    } else {
        let words: Vec<&String> = targets.iter().map(|(word, _)| *word).collect();
        let branches: Vec<Value> = targets
            .iter()
            .map(|(word, target)| {
                json!({ "if": { "properties": { "@type": { "const": word } } }, "then": { "$ref": format!("#/$defs/{target}") } })
            })
            .collect();
        json!({ "type": "object", "required": ["@type"], "properties": { "@type": { "enum": words } }, "allOf": branches })
    };
    schemas.insert(name.to_owned(), schema);
}

#[test]
fn what_is_misspelt_missing_or_of_another_kind_is_found() {
    let whole = json!({
        "@type": "ProductOrder", "id": "1", "href": "/1", "state": "completed", "priority": "4", "externalId": [],
        "creationDate": "2026-01-01T00:00:00Z",
        "productOrderItem": [{ "@type": "ProductOrderItem", "id": "1", "product": { "@type": "Product", "productCharacteristic": [
            { "@type": "IntegerCharacteristic", "name": "n", "value": 1 }, { "@type": "BooleanCharacteristic", "name": "b", "value": true }
        ] } }]
    });
    assert_eq!(TMF622_V5.faults("ProductOrder", &whole), Vec::<String>::new());
    let broken = |pointer: &str, with: Value| {
        let mut broken = whole.clone();
        let (holder, name) = pointer.rsplit_once('/').unwrap();
        broken.pointer_mut(holder).unwrap().as_object_mut().unwrap().insert(name.to_owned(), with);
        assert!(!TMF622_V5.faults("ProductOrder", &broken).is_empty(), "{pointer} in {broken}");
    };
    broken("/stat", json!("completed"));
    broken("/state", json!("done"));
    broken("/creationDate", json!("2026-01-01"));
    broken("/@type", json!("Order"));
    broken("/@baseType", json!("ProductOrder"));
    broken("/revision", json!("1"));
    broken("/productOrderItem/0/@type", json!("ProductOrder"));
    broken("/productOrderItem/0/product/@type", json!("ProductRef"));
    broken("/productOrderItem/0/product/colour", json!("red"));
    broken("/productOrderItem/0/product/productCharacteristic/0/value", json!("one"));
    broken("/productOrderItem/0/product/productCharacteristic/0/@type", json!("Characteristic"));
    let mut less = whole.clone();
    less.as_object_mut().unwrap().remove("href");
    assert!(!TMF622_V5.faults("ProductOrder", &less).is_empty());
}

/// The states that a definition allows.
pub fn words(definitions: &Definitions, name: &str) -> Vec<String> {
    let plain = definitions.flat[name].plain.as_ref().unwrap();
    plain["enum"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}
