//! The Avro contracts of all records, as they stand in `schemas/avro/`: each file is whole in itself.
//!
//! Records on topics are of the namespace `io.orderstream`; what processors keep is of `io.orderstream.state.<processor>`, so that each
//! processor may call its own a head.
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;

use crate::shape;

/// The namespace of every record on a topic.
pub const NAMESPACE: &str = "io.orderstream";
/// The namespace below which every processor has its own, for what it keeps.
pub const STATE_NAMESPACE: &str = "io.orderstream.state";

macro_rules! contracts {
    ($($name:ident)+) => {
        /// Name and source text of every contract, in the sequence of the chain.
        pub const SOURCES: &[(&str, &str)] =
            &[$((stringify!($name), include_str!(concat!("../avro/", stringify!($name), ".avsc"))),)+];
    };
}

contracts! {
    OrderRequest
    OrderCaptured RequestIgnored
    OrderValidated OrderRejected RevisionRefused FeasibilityAsked FeasibilityUnanswered
    OrderDecomposed DecompositionFailed
    OrderStateChanged ItemStateChanged TaskStateChanged ServiceOrderStateChanged MilestoneReached FeedbackIgnored WaitFailed
    FalloutDetected FalloutClassified FalloutResolved
    OrderMarkedStuck
    OrderSignal BillingIntent Notification Command Feedback
    ProductRequest ProductChanged ProductReportRefused
    DownstreamObserved DownstreamHealth CatalogPublished Heartbeat
}

macro_rules! states {
    ($($processor:ident: $($name:ident)+;)+) => {
        /// Name (`capture.State`) and source text of the contract of everything that a processor keeps.
        pub const STATE_SOURCES: &[(&str, &str)] = &[$($((
            concat!(stringify!($processor), ".", stringify!($name)),
            include_str!(concat!("../avro/state/", stringify!($processor), ".", stringify!($name), ".avsc")),
        ),)+)+];
    };
}

states! {
    capture: State;
    downstream: Head Place Turn;
    fallout: FalloutCase Head Subject;
    inventory: State;
    orchestration: CommandIndex Head ItemPlan ItemRecord ServiceOrderRecord TaskRecord Waiter;
    stuckOrders: State;
    validation: State;
}

/// One record's contract, ready to write and read with.
pub struct Contract {
    /// What follows the namespace: `OrderCaptured`; of a state, processor and record: `capture.State`.
    pub name: String,
    /// `io.orderstream.OrderCaptured`.
    pub full_name: String,
    /// The contract as it is registered: the file without its white space.
    pub json: String,
    pub schema: &'static Schema,
    pub(crate) writer: GenericDatumWriter<'static>,
    pub(crate) reader: GenericDatumReader<'static>,
}

impl Contract {
    /// Parses a contract and keeps it for as long as the process lives: contracts are few, and each is used again and again.
    ///
    /// # Errors
    /// What is wrong with the text, in words: no JSON, no Avro, no record of our namespace, or one that contains itself.
    pub fn keep(source: &str) -> Result<&'static Contract, String> {
        let json: serde_json::Value = serde_json::from_str(source).map_err(|e| format!("no JSON: {e}"))?;
        let json = json.to_string();
        let schema = Schema::parse_str(&json).map_err(|e| format!("no Avro schema: {e}"))?;
        let (name, full_name) = record_names(&schema)?;
        let schema: &'static Schema = Box::leak(Box::new(schema));
        let writer = GenericDatumWriter::builder(schema).build().map_err(|e| e.to_string())?;
        let reader = GenericDatumReader::builder(schema).build().map_err(|e| e.to_string())?;
        Ok(Box::leak(Box::new(Contract { name, full_name, json, schema, writer, reader })))
    }
}

impl std::fmt::Debug for Contract {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contract").field("name", &self.name).finish_non_exhaustive()
    }
}

/// No length in any bytes may ask for more memory than a record can hold. For the whole process, and only the first call counts: so
/// whoever reads Avro calls it before.
pub(crate) fn bound_allocations() {
    apache_avro::util::max_allocation_bytes(domain::limits::RECORD_BYTES_MAX);
}

fn kept(sources: &[(&str, &str)]) -> Vec<&'static Contract> {
    let keep = |(name, source): &(&str, &str)| {
        let kept = Contract::keep(source);
        let contract = kept.unwrap_or_else(|e| {
            panic!("the contract of \"{name}\" is part of this build and was tested: {e}")
        });
        assert_eq!(contract.name, *name, "a contract's file is named after its record");
        contract
    };
    sources.iter().map(keep).collect()
}

static CONTRACTS: LazyLock<Vec<&'static Contract>> = LazyLock::new(|| kept(SOURCES));
static STATES: LazyLock<Vec<&'static Contract>> = LazyLock::new(|| kept(STATE_SOURCES));

/// The contract of every record on topics.
pub fn all() -> &'static [&'static Contract] {
    &CONTRACTS
}

/// The contract of everything that is kept.
pub fn states() -> &'static [&'static Contract] {
    &STATES
}

/// The name of a record of ours, without and with its namespace.
///
/// # Errors
/// What it is instead; or why values of it could be of any size, see [`shape::check`].
pub(crate) fn record_names(schema: &Schema) -> Result<(String, String), String> {
    let Schema::Record(record) = schema else {
        return Err("the schema is not a record".to_owned());
    };
    let (space, name) = (record.name.namespace().unwrap_or_default(), record.name.name());
    let processor = space.strip_prefix(STATE_NAMESPACE).and_then(|rest| rest.strip_prefix('.'));
    let short = match processor {
        Some(processor) => format!("{processor}.{name}"),
        None if space == NAMESPACE => name.to_owned(),
        None => return Err(format!("record \"{}\" is not of the namespace \"{NAMESPACE}\"", record.name)),
    };
    shape::check(schema).map_err(|why| format!("record \"{}\" is not read: {why}", record.name))?;
    Ok((short, format!("{space}.{name}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Every named definition within a schema, with namespace and documentation.
    fn definitions(json: &serde_json::Value, found: &mut Vec<(String, serde_json::Value)>) {
        if let (Some(name), Some(true)) =
            (json.get("name"), json.get("fields").or(json.get("symbols")).map(|_| true))
        {
            let mut own = json.clone();
            own.as_object_mut().unwrap().remove("namespace");
            found.push((name.as_str().unwrap().to_owned(), own));
        }
        for inner in
            json.as_object().into_iter().flat_map(|o| o.values()).chain(json.as_array().into_iter().flatten())
        {
            definitions(inner, found);
        }
    }

    /// With each inner definition replaced by its name, so that first and later uses compare equal.
    fn flat(json: &serde_json::Value, top: bool) -> serde_json::Value {
        let named =
            json.get("name").filter(|_| json.get("fields").is_some() || json.get("symbols").is_some());
        match (named, json) {
            (Some(name), _) if !top => name.clone(),
            (_, serde_json::Value::Object(o)) => o.iter().map(|(k, v)| (k.clone(), flat(v, false))).collect(),
            (_, serde_json::Value::Array(a)) => a.iter().map(|v| flat(v, false)).collect(),
            _ => json.clone(),
        }
    }

    #[test]
    fn equal_names_have_equal_definitions_in_all_files() {
        let mut seen: BTreeMap<String, (String, serde_json::Value)> = BTreeMap::new();
        for (file, source) in SOURCES.iter().chain(STATE_SOURCES) {
            let mut found = Vec::new();
            definitions(&serde_json::from_str(source).unwrap(), &mut found);
            assert!(!found.is_empty());
            let processor = file.split_once('.').map(|(processor, _)| processor);
            for (name, definition) in found {
                // What a processor calls a head is its own; what it keeps of the domain is everybody's.
                let is_own = |p: &&str| {
                    !SOURCES.iter().any(|(_, source)| source.contains(&format!("\"name\": \"{name}\",\n")))
                        && !p.is_empty()
                };
                let name =
                    processor.filter(is_own).map_or(name.clone(), |processor| format!("{processor}.{name}"));
                let flat = flat(&definition, true);
                let (first, known) =
                    seen.entry(name.clone()).or_insert_with(|| ((*file).to_owned(), flat.clone()));
                assert_eq!(*known, flat, "\"{name}\" differs between {first}.avsc and {file}.avsc");
            }
        }
    }

    #[test]
    fn every_contract_is_a_record_with_documentation_and_enums_can_grow() {
        assert_eq!((all().len(), states().len()), (SOURCES.len(), STATE_SOURCES.len()));
        for contract in all().iter().chain(states()) {
            let Schema::Record(record) = contract.schema else { unreachable!("checked on keeping") };
            assert!(record.doc.is_some(), "{} says nothing about itself", contract.name);
            let mut found = Vec::new();
            definitions(&serde_json::from_str(&contract.json).unwrap(), &mut found);
            for (name, definition) in found.iter().filter(|(_, d)| d.get("symbols").is_some()) {
                assert_eq!(definition["default"], "UNKNOWN", "enum {name} in {}", contract.name);
            }
        }
    }

    #[test]
    fn a_record_that_contains_itself_is_refused() {
        let list = r#"{"type": "record", "name": "List", "namespace": "io.orderstream", "fields": [
            {"name": "next", "type": ["null", "List"], "default": null}]}"#;
        assert!(Contract::keep(list).unwrap_err().contains("contains itself"));
        assert!(Contract::keep(r#""string""#).unwrap_err().contains("not a record"));
    }
}
