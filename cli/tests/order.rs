//! The order commands as a user has them: the real binary, beside a running service and without one.
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long a start and a stop may take before they count as hanging.
const START_WAIT: Duration = Duration::from_secs(60);
const STOP_WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For whatever must happen: generous, since every core may be busy.
const SOON: &str = "60s";

fn command(data_dir: &Path) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderstream"));
    command
        .arg("--data-dir")
        .arg(data_dir)
        .env("ORDERSTREAM__CATALOG__DIRECTORY", root.join("config/catalog"))
        .env("ORDERSTREAM__LOGGING__LEVEL", "error")
        .env("ORDERSTREAM__LOG__DURABILITY", "os")
        // Services of tests run side by side, and nobody asks for their metrics.
        .env("ORDERSTREAM__GATEWAY__LISTEN", "")
        .stdin(Stdio::null());
    command
}

/// What a command answered.
#[derive(Debug)]
struct Answer {
    code: i32,
    out: String,
    err: String,
}

fn ask(data_dir: &Path, arguments: &[&str]) -> Answer {
    let output = command(data_dir).args(arguments).output().unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
fn check(data_dir: &Path, arguments: &[&str], code: i32, parts: &[&str]) -> Answer {
    let answer = ask(data_dir, arguments);
    assert_eq!(answer.code, code, "{arguments:?}: {answer:?}");
    for part in parts {
        assert!(
            answer.out.contains(part) || answer.err.contains(part),
            "{arguments:?}: no {part:?} in {answer:?}"
        );
    }
    answer
}

/// A service, stopped when the test ends.
struct Service(Child);

impl Service {
    fn start(data_dir: &Path, scenario: &str) -> Service {
        let file = data_dir.join("scenario.toml");
        std::fs::create_dir_all(data_dir).unwrap();
        std::fs::write(&file, scenario).unwrap();
        let child = command(data_dir).arg("run").env("ORDERSTREAM__DOWNSTREAM__SCENARIO", &file).spawn();
        let mut service = Service(child.unwrap());
        let deadline = Instant::now() + START_WAIT;
        while std::os::unix::net::UnixStream::connect(data_dir.join("control.sock")).is_err() {
            assert!(service.0.try_wait().unwrap().is_none(), "the service ended instead of starting");
            assert!(Instant::now() < deadline, "the service did not start");
            std::thread::sleep(LOOK_EVERY);
        }
        service
    }

    fn stop(&mut self) {
        let id = i32::try_from(self.0.id()).unwrap();
        if self.0.try_wait().unwrap().is_some() || kill(Pid::from_raw(id), Signal::SIGTERM).is_err() {
            return;
        }
        let deadline = Instant::now() + STOP_WAIT;
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the service did not stop");
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Panicking here would hide why the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Everything succeeds at once.
const QUICK: &str = "seed = 1\n[behaviour]\nlatency = { kind = \"fixed\", ms = 1 }\n";
/// The modem is not shipped for an hour.
const SLOW: &str = "seed = 1\n[behaviour]\nlatency = { kind = \"fixed\", ms = 1 }\n\
                    [systems.warehouse]\nlatency = { kind = \"fixed\", ms = 3600000 }\n";

fn key(name: &str) -> String {
    format!("CRM-1/externalId/{name}")
}

/// A DSL order in a file. Another bandwidth makes it another request; one that is not sold, an invalid one.
fn order(data_dir: &Path, name: &str, bandwidth_mbps: u32) -> String {
    let document = serde_json::json!({
        "@type": "ProductOrder", "externalId": name,
        "relatedParty": [{ "id": "CRM-1", "role": "Seller", "@referredType": "Organization" },
            { "id": "C-1001", "role": "Customer", "@referredType": "Customer" }],
        "productOrderItem": [{ "@type": "ProductOrderItem", "id": "1", "quantity": 1, "action": "add",
            "productOffering": { "id": "dslInternet" },
            "itemPrice": [{ "@type": "OrderPrice", "name": "MonthlyFee", "priceType": "recurring", "recurringChargePeriod": "month",
                "productOfferingPrice": { "id": "dslMonthly" },
                "price": { "@type": "Price", "taxRate": 0, "dutyFreeAmount": { "unit": "EUR", "value": 19.9 },
                    "taxIncludedAmount": { "unit": "EUR", "value": 19.9 } } }],
            "product": { "@type": "Product", "isBundle": false,
                "productSpecification": { "id": "dslInternet", "version": "1" },
                "productCharacteristic": [{ "name": "bandwidthMbps", "value": bandwidth_mbps },
                    { "name": "serviceAddress", "value": "7 Mill Lane" }] } }],
    });
    std::fs::create_dir_all(data_dir).unwrap();
    let file = data_dir.join(format!("{name}-{bandwidth_mbps}.json"));
    std::fs::write(&file, document.to_string()).unwrap();
    file.display().to_string()
}

fn submit(data_dir: &Path, arguments: &[&str], code: i32, parts: &[&str]) -> Answer {
    check(data_dir, &[&["submit", "--timeout", SOON], arguments].concat(), code, parts)
}

#[test]
fn each_submitted_order_is_answered_with_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let _service = Service::start(&dir, QUICK);
    let [good, other, wrong] = [order(&dir, "1", 16), order(&dir, "1", 50), order(&dir, "2", 17)];
    submit(&dir, &["--wait", &good], 0, &[&format!("{}: validated, order ", key("1"))]);
    submit(
        &dir,
        &["--wait=completed", &good],
        0,
        &["1: ignored, the same request came before, order completed"],
    );
    submit(
        &dir,
        &["--wait", &other],
        3,
        &["1: revision refused, order completed", "OrderEnded at (document)"],
    );
    let pointer = "CharacteristicValueNotAllowed at /productOrderItem/0/product/productCharacteristic/0";
    submit(&dir, &["--wait", &wrong], 3, &["2: rejected, order rejected", pointer]);
    let third = order(&dir, "3", 3);
    // Twice in one call: the first is the order, the second its repetition.
    let answer = submit(&dir, &["--wait=completed", "--json", &third, &third, &wrong], 3, &[]);
    let lines: Vec<Value> = answer.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<&str> = lines.iter().filter_map(|line| line["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["validated", "ignored", "ignored"]);
    assert_eq!(lines[0]["state"], "completed");
    assert_eq!(lines[2]["reasons"][0]["code"], "CharacteristicValueNotAllowed");
    let codes: Vec<i64> = lines.iter().filter_map(|line| line["exitCode"].as_i64()).collect();
    assert_eq!(codes, [0, 0, 3], "a repetition of what was refused is refused");
    let broken = dir.join("broken.json");
    std::fs::write(&broken, "{").unwrap();
    submit(&dir, &["--wait", broken.to_str().unwrap()], 3, &["broken.json\", line 1: DocumentUnreadable"]);
    submit(&dir, &["--wait", "missing.json"], 1, &["could not read \"missing.json\""]);
}

#[test]
fn an_order_can_be_looked_at_from_every_side() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let mut service = Service::start(&dir, QUICK);
    let (good, wrong) = (order(&dir, "1", 16), order(&dir, "2", 17));
    submit(&dir, &["--wait=completed", &good, &wrong], 3, &[]);
    watched(&dir);
    told(&dir);
    planned(&dir);
    listed(&dir);
    unread(&dir);
    service.stop();
    // The same without a service.
    check(&dir, &["order", "watch", &key("1")], 0, &["order CRM-1/externalId/1: completed"]);
    told(&dir);
    check(
        &dir,
        &["order", "show", &key("2")],
        0,
        &[": rejected (outside: rejected)", "CharacteristicValueNotAllowed at"],
    );
    check(&dir, &["submit", "--wait", &good], 1, &["no service runs on", "orderstream run"]);
}

fn watched(dir: &Path) {
    check(
        dir,
        &["order", "watch", &key("1")],
        0,
        &["captured submission 1", "order CRM-1/externalId/1: completed"],
    );
    check(dir, &["order", "watch", &key("2")], 3, &["order CRM-1/externalId/2: rejected"]);
    check(dir, &["order", "watch", "nobody"], 3, &["there is no order \"nobody\""]);
    let answer = check(dir, &["order", "watch", &key("1"), "--json"], 0, &[]);
    let last: Value = serde_json::from_str(answer.out.lines().last().unwrap()).unwrap();
    assert!(last["eventId"].is_string() && last["summary"].is_string(), "{last}");
}

fn told(dir: &Path) {
    check(
        dir,
        &["order", "history", &key("1")],
        0,
        &[
            "submission 1 is valid",
            "task shipModem of item 1 (modem)",
            "inProgress → completed",
            "answer to 9",
        ],
    );
    let answer = check(dir, &["order", "history", &key("1"), "--json"], 0, &[]);
    let rows: Vec<Value> = serde_json::from_str(&answer.out).unwrap();
    let ids: Vec<&str> = rows.iter().filter_map(|row| row["eventId"].as_str()).collect();
    let caused = |row: &&Value| ids.contains(&row["causationId"].as_str().unwrap());
    let first: Vec<&str> =
        rows.iter().filter(caused).filter_map(|row| row["name"].as_str()).take(2).collect();
    assert_eq!(
        first,
        ["OrderValidated", "OrderDecomposed"],
        "what follows from an event of the order names it"
    );
    check(dir, &["order", "history", "nobody"], 3, &["there is no order \"nobody\""]);
}

fn planned(dir: &Path) {
    check(
        dir,
        &["order", "plan", &key("1")],
        0,
        &["4 of 4 tasks done", "✓ completed", "modem: shipModem (item 1)"],
    );
    check(dir, &["order", "plan", &key("1"), "--format", "dot"], 0, &["digraph plan {", "t0 -> t1;"]);
    let file = dir.join("plan.svg");
    check(dir, &["order", "plan", &key("1"), "--format", "svg", "--output", file.to_str().unwrap()], 0, &[]);
    assert!(std::fs::read_to_string(file).unwrap().starts_with("<svg "));
    check(dir, &["order", "plan", &key("2")], 0, &["no plan: the order was rejected"]);
    check(
        dir,
        &["order", "plan", &key("1"), "--output", "/nowhere/plan"],
        1,
        &["could not write \"/nowhere/plan\""],
    );
}

fn listed(dir: &Path) {
    check(dir, &["order", "list", "--state", "completed", "--since", "1h"], 0, &["CRM-1/externalId/1"]);
    let none = check(dir, &["order", "list", "--since", "2099-01-01"], 0, &[]);
    assert!(!none.out.contains("CRM-1"), "{none:?}");
    let mut arguments = vec!["order", "list", "--sort", "key", "--limit", "1", "--json"];
    let (mut keys, mut after): (Vec<Value>, String);
    (keys, after) = (Vec::new(), String::new());
    loop {
        let page = check(dir, &arguments, 0, &[]).out;
        let page: Value = serde_json::from_str(&page).unwrap();
        keys.extend(page["rows"].as_array().unwrap().iter().map(|row| row["key"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        after = next.to_owned();
        arguments =
            ["order", "list", "--sort", "key", "--limit", "1", "--json", "--after", after.as_str()].to_vec();
    }
    assert_eq!(keys, [key("1"), key("2")]);
    assert_eq!(after, "key:0:CRM-1/externalId/1");
    check(dir, &["order", "list", "--limit", "1"], 0, &["the next page: --after captured_at:"]);
    check(dir, &["order", "list", "--after", &after], 2, &["is no cursor of this list"]);
}

fn unread(dir: &Path) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let closed = command(dir).args(["order", "list"]).stdout(writer).output().unwrap();
    assert_eq!((closed.status.code(), String::from_utf8(closed.stderr).unwrap()), (Some(0), String::new()));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let full = command(dir).args(["order", "list"]).stdout(full).output().unwrap();
    let said = String::from_utf8(full.stderr).unwrap();
    assert_eq!(full.status.code(), Some(1));
    assert!(said.starts_with("orderstream: could not write to standard output: No space left"), "{said}");
}

#[test]
fn whoever_waits_longer_than_asked_for_is_told_where_the_order_stands() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let mut service = Service::start(&dir, SLOW);
    let file = order(&dir, "1", 16);
    submit(&dir, &["--wait", &file], 0, &["1: validated, order "]);
    let waited = ["submit", "--wait=completed", "--timeout", "300ms", &file];
    check(&dir, &waited, 4, &["1 of 1 orders did not get there within 300ms"]);
    check(&dir, &["order", "watch", &key("1"), "--timeout", "300ms"], 4, &["did not end within 300ms"]);
    check(&dir, &["order", "plan", &key("1")], 0, &["notStarted"]);
    service.stop();
    check(&dir, &["order", "watch", &key("1")], 1, &["no service runs on", "that would move it"]);
}

/// Fault: somebody outside opens the projection's file beside a service that was asked for its state, and closes it again.
#[test]
fn whoever_reads_the_projection_leaves_it_to_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let _service = Service::start(&dir, QUICK);
    submit(&dir, &["--wait=completed", &order(&dir, "1", 16)], 0, &["order completed"]);
    check(&dir, &["status"], 0, &["running, healthy"]);
    let log = || std::fs::metadata(dir.join("projection.sqlite-wal")).map(|log| log.ino()).ok();
    let before = log();
    assert!(before.is_some(), "SQLite's log lies beside the file");
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        let url = format!("sqlite://{}", dir.join("projection.sqlite").display());
        let outsider = projection::Projection::open(&url).await.unwrap();
        assert!(!outsider.positions().await.unwrap().is_empty());
        // Whoever is the last to close it clears away what lies beside it.
        outsider.close().await;
    });
    assert_eq!(log(), before, "the service has it open");
    submit(&dir, &["--wait=completed", &order(&dir, "2", 16)], 0, &["order completed"]);
    check(&dir, &["order", "show", &key("2")], 0, &["completed"]);
}

#[test]
fn a_wrong_command_line_is_told_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("nowhere");
    check(&dir, &["ordr", "list"], 2, &["a similar subcommand exists: 'order'"]);
    check(&dir, &["order", "list", "--stat", "x"], 2, &["a similar argument exists: '--state'"]);
    check(&dir, &["order", "list", "--state", "inprogres"], 2, &["did you mean inProgress?"]);
    check(&dir, &["order", "list", "--sort", "age"], 2, &["no such sort key; there are capturedAt"]);
    check(&dir, &["order", "list", "--since", "tomorrow"], 2, &["neither a span of time"]);
    check(&dir, &["submit", "--wait=soon", "x.json"], 2, &["decided, completed"]);
    check(&dir, &["submit"], 2, &["<FILE>..."]);
    let answer = check(&dir, &["order", "list"], 1, &["there is no data directory", "--data-dir"]);
    assert_eq!(answer.err.lines().count(), 1, "{answer:?}");
    assert!(!dir.exists(), "looking makes nothing");
}
