//! Plays: consumers in Python and in Java, as docs/consumers.md has them, over the records that a real order left on the log.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cli::control::Submission;
use cli::service::{Service, Store, catalog};
use cli::settings::Settings;
use runtime::log::Limits;
use runtime::log::embedded::Start;
use schemas::{headers, topics};
use serde_json::{Value, json};

// Only its writing half is used here.
#[allow(dead_code)]
#[path = "outsider/avro.rs"]
mod avro;

use avro::Schema;

const WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const BATCH: Limits = Limits { records_max: 10_000, bytes_max: 32 << 20 };
const KEY: &str = "unknown/id/1";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn cache() -> PathBuf {
    std::env::var_os("ORDERSTREAM_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/orderstream"),
        PathBuf::from,
    )
}

fn python() -> PathBuf {
    std::env::var_os("ORDERSTREAM_PYTHON").map_or_else(|| cache().join("python/bin/python"), PathBuf::from)
}

fn binary() -> PathBuf {
    std::env::var_os("ORDERSTREAM_BIN").map_or_else(
        || std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("orderstream"),
        PathBuf::from,
    )
}

/// The one block of this language on the page.
fn block(language: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/consumers.md")).unwrap();
    let fence = format!("```{language}\n");
    let mut blocks = page.split(&fence).skip(1);
    let block = blocks.next().unwrap().split("\n```").next().unwrap().to_owned();
    assert!(blocks.next().is_none(), "one program in {language}");
    block
}

#[track_caller]
fn output(command: &mut Command) -> String {
    let ran =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/setup.sh installs it"));
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{command:?}: {}\n{out}\n{err}", ran.status);
    out.into_owned()
}

fn settings(directory: &Path) -> Settings {
    let file = directory.join("orderstream.toml");
    let text = format!(
        "[node]\ndata_dir = {:?}\n[log]\ndurability = \"os\"\n[catalog]\ndirectory = {:?}\n",
        directory.join("data"),
        root().join("config/catalog")
    );
    std::fs::write(&file, text).unwrap();
    Settings::load(Some(&file)).unwrap()
}

/// One order, seen through by the simulated downstream.
fn completed_order(settings: &Settings) {
    let service = Service::start(settings).unwrap();
    let document = json!({
        "id": "1",
        "productOrderItem": [{
            "id": "1", "action": "add", "productOffering": { "id": "mobileLine" },
            "itemPrice": [{
                "priceType": "recurring", "recurringChargePeriod": "month", "name": "mobileLineMonthly",
                "price": { "dutyFreeAmount": { "unit": "EUR", "value": 19.9 } }
            }]
        }]
    })
    .to_string();
    let submission = Submission {
        key: Some(KEY.to_owned()),
        request_id: None,
        media_type: headers::JSON.to_owned(),
        body_bytes: document.len(),
    };
    service.store.append(&submission, document.into_bytes()).unwrap();
    let mut reader = service.store.log.reader(&[topics::ORDER_EVENTS.into()], &Start::Earliest).unwrap();
    let deadline = Instant::now() + WAIT;
    let mut told = Vec::new();
    loop {
        for record in reader.poll(BATCH, LOOK_EVERY).unwrap() {
            told.push(service.store.codec.decode_shown(record.value.as_deref().unwrap()).unwrap());
        }
        if told.iter().any(|(name, value)| *name == "OrderStateChanged" && value["to"] == "completed") {
            break;
        }
        assert!(Instant::now() < deadline, "the order did not complete: {told:?}");
    }
    drop(reader);
    service.stop().unwrap();
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// What an export may hold beyond what today's build writes: one event again, one of a newer version of its contract, one of a type that
/// nobody knows yet, and a tombstone. Gives the time of the newer one.
fn add_the_unusual(directory: &Path) -> i64 {
    let path = directory.join(format!("{}.ndjson", topics::ORDER_EVENTS));
    let mut text = std::fs::read_to_string(&path).unwrap();
    let first = text.lines().next().unwrap().to_owned();
    let line = |id: &str, value: Option<Vec<u8>>| {
        let headers = json!([{ "name": "ce_id", "value": base64_of(id.as_bytes()) }]);
        json!({ "partition": 0, "offset": 0, "timestampMs": 0, "key": base64_of(KEY.as_bytes()),
            "value": value.map(|bytes| base64_of(&bytes)), "headers": headers })
        .to_string()
    };
    let contract = std::fs::read_to_string(root().join("schemas/avro/RequestIgnored.avsc")).unwrap();
    let mut newer: Value = serde_json::from_str(&contract).unwrap();
    let field = json!({ "name": "region", "doc": "New.", "type": "string", "default": "" });
    newer["fields"].as_array_mut().unwrap().insert(0, field);
    let at = 1_793_607_330_123_i64;
    let mut event = json!({
        "region": "north", "requestId": "r",
        "cause": { "orderKey": KEY, "at": at, "correlationId": "c", "causationId": "c", "actor": "a" },
    });
    let mut framed = |id: u32, schema: &Value| {
        std::fs::write(directory.join(format!("schemas/{id}.avsc")), schema.to_string()).unwrap();
        event["region"] = "south".into();
        [&[0], id.to_be_bytes().as_slice(), &Schema::of(&schema.to_string()).encode(&event)].concat()
    };
    let of_newer = framed(9_001, &newer);
    newer["name"] = "SomethingNew".into();
    let unheard = framed(9_002, &newer);
    for line in [first, line("newer", Some(of_newer)), line("unheard", Some(unheard)), line("gone", None)] {
        text.push_str(&line);
        text.push('\n');
    }
    std::fs::write(path, text).unwrap();
    at
}

/// What a consumer has to print of the events that lie on the log: by our own reading of them.
fn expected(settings: &Settings) -> Vec<String> {
    let store = Store::open(settings, &catalog::load(&settings.catalog).unwrap()).unwrap();
    let mut lines = Vec::new();
    for (partition, _) in (0..).zip(store.log.end_offsets(topics::ORDER_EVENTS).unwrap()) {
        for record in store.log.read_range(topics::ORDER_EVENTS, partition, 0, BATCH).unwrap() {
            let event = store.codec.decode_event(record.value.as_deref().unwrap()).unwrap();
            lines.push(format!("{} {} {}", event.name(), event.order_key(), event.at().0));
        }
    }
    lines
}

#[test]
fn the_programs_of_the_page_read_what_an_order_left_and_what_a_newer_version_will_write() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    completed_order(&settings);
    let mut wanted = expected(&settings);
    assert!(wanted.len() > 10 && wanted.iter().any(|line| line.starts_with("OrderCaptured")), "{wanted:?}");

    let export = directory.path().join("export");
    let said = output(
        Command::new(binary())
            .arg("--config")
            .arg(directory.path().join("orderstream.toml"))
            .args(["topics", "export", topics::ORDER_EVENTS, "--output"])
            .arg(&export),
    );
    assert!(said.starts_with(&format!("{} records", wanted.len())), "{said}");
    let at = add_the_unusual(&export);
    let first = std::fs::read_to_string(export.join("orderstream.order.events.ndjson")).unwrap();
    assert_eq!(first.lines().count(), wanted.len() + 4);
    wanted.push(format!("RequestIgnored {KEY} {at}"));
    wanted.push("passed over SomethingNew".to_owned());
    wanted.push(format!("deleted {KEY}"));

    let program = directory.path().join("events.py");
    std::fs::write(&program, block("python")).unwrap();
    let arguments =
        [export.as_os_str(), topics::ORDER_EVENTS.as_ref(), &root().join("schemas/avro").into_os_string()]
            .map(ToOwned::to_owned);
    check("Python", &output(Command::new(python()).arg(&program).args(&arguments)), &wanted);

    let jars = output(Command::new(root().join("scripts/java.sh")).env("ORDERSTREAM_CACHE", cache()));
    let classpath = format!("{}/*:{}", jars.trim(), directory.path().display());
    std::fs::write(directory.path().join("Events.java"), block("java")).unwrap();
    let source = directory.path().join("Events.java");
    output(
        Command::new("javac").args(["-Xlint:all", "-Werror", "-proc:none", "-cp", &classpath]).arg(source),
    );
    check(
        "Java",
        &output(Command::new("java").args(["-cp", &classpath, "Events"]).args(&arguments)),
        &wanted,
    );
}

#[track_caller]
fn check(language: &str, printed: &str, wanted: &[String]) {
    let (repeated, printed): (Vec<&str>, Vec<&str>) =
        printed.lines().partition(|line| line.starts_with("repeated "));
    assert_eq!(repeated.len(), 1, "{language}: the event that came twice was taken once");
    assert_eq!(printed, wanted, "{language}");
}
