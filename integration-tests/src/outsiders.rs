//! Readers that know nothing of us but Kafka, a schema registry and the contract (`consumers/`), and what the events of an order must
//! look like to them.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use connectors::upstream::{Oracle, Outcome};
use domain::order::ItemState;
use domain::plan::TaskState;
use domain::states::Machine;
use serde_json::{Value, json};

use crate::process::root;

/// The events that say of an input that it changed nothing. Ids are derived from the input's: one that comes again is told again.
pub const REPETITIONS: [&str; 2] = ["FeedbackIgnored", "RequestIgnored"];
const NAMESPACE: &str = "io.orderstream.";

/// The lines of a reader, each partition's in the sequence in which it read them.
///
/// # Panics
/// It cannot be run, or fails.
#[track_caller]
fn printed(command: &mut Command, arguments: &[&str]) -> Vec<Value> {
    let ran = command.args(arguments).output();
    let ran = ran.unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/setup.sh installs it"));
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{command:?}: {}\n{out}\n{err}", ran.status);
    let parsed = |line| serde_json::from_str(line).expect("a reader prints JSON");
    let mut lines: Vec<Value> = out.lines().map(parsed).collect();
    lines.sort_by_key(|line| line["partition"].as_u64());
    lines
}

fn script(name: &str) -> String {
    let output = Command::new(root().join("scripts").join(name)).output().expect("scripts can be run");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Arguments: brokers, topic, registry.
///
/// # Panics
/// It cannot be run, or fails.
#[track_caller]
pub fn in_python(arguments: &[&str]) -> Vec<Value> {
    let python = std::env::var("ORDERSTREAM_PYTHON").unwrap_or_else(|_| script("python.sh"));
    let program = root().join("integration-tests/consumers/reader.py");
    printed(Command::new(python).arg(program), arguments)
}

/// Arguments: brokers, topic, registry. Compiled into `classes`.
///
/// # Panics
/// It cannot be compiled or run, or fails.
#[track_caller]
pub fn in_java(classes: &Path, arguments: &[&str]) -> Vec<Value> {
    let classpath = format!("{}/*:{}", script("java.sh"), classes.display());
    let source = root().join("integration-tests/consumers/Reader.java");
    let mut javac = Command::new("javac");
    javac.args(["-Xlint:all", "-Werror", "-proc:none", "-cp", &classpath, "-d"]).arg(classes).arg(source);
    let compiled = javac.output().expect("a JDK is installed");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    printed(Command::new("java").args(["-cp", &classpath, "Reader"]), arguments)
}

/// What was read of one order so far.
#[derive(Default)]
struct Told {
    /// Of the order, its items, tasks and service orders: the state that each was in last.
    states: BTreeMap<String, String>,
    is_captured: bool,
    is_rejected: bool,
}

/// What is wrong with the order events that a reader has printed: an event is there twice, an order is not told from its beginning to
/// the end that the oracle says, or a change begins otherwise than the last one ended.
pub fn findings(lines: &[Value], oracle: &Oracle) -> Vec<String> {
    let mut findings = Vec::new();
    let mut ids = BTreeSet::new();
    let mut orders: BTreeMap<&str, Told> = BTreeMap::new();
    for line in lines {
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        let record = text("record").trim_start_matches(NAMESPACE);
        if !ids.insert(text("id")) && !REPETITIONS.contains(&record) {
            findings.push(format!("it is there twice: {line}"));
        }
        let told = orders.entry(text("orderKey")).or_default();
        findings.extend(told.hear(record, line));
    }
    for (key, expected) in oracle.orders() {
        let Some(told) = orders.get(key.as_str()) else {
            findings.push(format!("nothing is told of order \"{key}\" ({})", expected.story));
            continue;
        };
        let state = told.states.get("order").map(String::as_str).unwrap_or_default();
        let ended = match &expected.outcome {
            Outcome::Completed => state == "completed",
            Outcome::PartiallyCompleted => state == "partiallyCompleted",
            Outcome::Failed => state == "failed",
            Outcome::Rejected { .. } => told.is_rejected,
            Outcome::Blocked | Outcome::Stuck => state == "inProgress",
        };
        if !ended {
            findings.push(format!("order \"{key}\" ({}) is last told of as \"{state}\"", expected.story));
        }
    }
    findings
}

impl Told {
    /// What is wrong with an event, where it stands.
    fn hear(&mut self, record: &str, line: &Value) -> Option<String> {
        match record {
            "OrderCaptured" => self.is_captured = true,
            "OrderRejected" => self.is_rejected = true,
            // A plan begins its tasks and items anew.
            "OrderDecomposed" => self.states.retain(|of, _| of == "order"),
            _ if !self.is_captured && !REPETITIONS.contains(&record) => {
                self.is_captured = true;
                return Some(format!("what came before is missing: {line}"));
            }
            _ => {}
        }
        let (Some(of), Some(from), Some(to)) =
            (line["of"].as_str(), line["from"].as_str(), line["to"].as_str())
        else {
            return None;
        };
        let before = self.states.insert(of.to_owned(), to.to_owned());
        let begins_at = before.or_else(|| first(of));
        let is_next = begins_at.as_deref().is_none_or(|state| state == from);
        (!is_next).then(|| format!("it was \"{}\" before: {line}", begins_at.unwrap_or_default()))
    }
}

/// The state that a thing is in before anything is told of it; None where other events tell of it too.
fn first(of: &str) -> Option<String> {
    let named = |state: Value| state.as_str().map(str::to_owned);
    match of.split_once(' ')?.0 {
        "task" => named(json!(TaskState::INITIAL)),
        "item" => named(json!(ItemState::INITIAL)),
        _ => None,
    }
}
