//! The catalog in users' hands: the binary's `catalog` commands, beside a running service and without one.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long the service may take to start, to stop, and to see an order through.
const WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ORDERSTREAM_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("orderstream")
}

/// A directory with a copy of the shipped catalog, in which commands are run.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("config/catalog");
        std::fs::create_dir_all(place.path("config/catalog")).unwrap();
        for entry in std::fs::read_dir(shipped).unwrap() {
            let path = entry.unwrap().path();
            let to = place.path("config/catalog").join(path.file_name().unwrap());
            std::fs::copy(&path, to).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn edit(&self, file: &str, piece: &str, other: &str) {
        let path = self.path("config/catalog").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(piece), "{file} does not have {piece}");
        std::fs::write(path, text.replacen(piece, other, 1)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .env("ORDERSTREAM__LOGGING__LEVEL", "error");
        command
    }

    /// What it prints, which must end with this exit code.
    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let printed = String::from_utf8_lossy(&stdout).into_owned();
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(code), "{arguments:?}\n{printed}\n{said}");
        format!("{printed}{said}")
    }

    #[track_caller]
    fn json(&self, arguments: &[&str], code: i32) -> Value {
        serde_json::from_str(&self.run(arguments, code)).unwrap()
    }

    fn serve(&self) -> Service<'_> {
        let child = self.command(&["run"]).spawn().unwrap();
        let service = Service { place: self, child };
        let deadline = Instant::now() + WAIT;
        while !self.path("data/control.sock").exists() {
            assert!(Instant::now() < deadline, "the service did not start within {WAIT:?}");
            std::thread::sleep(LOOK_EVERY);
        }
        service
    }

    /// A system of its own, with a task, a product and an offering.
    fn add_camera(&self) {
        std::fs::write(
            self.path("config/catalog/camera.toml"),
            r#"
[[system]]
name = "cameraCloud"
circuit = { failuresMax = 3, windowMs = 1000, openMsMin = 10, openMsMax = 100, probeMs = 10, releaseCount = 1, releaseIntervalMs = 1 }
[[taskType]]
name = "registerCamera"
system = "cameraCloud"
command = "registerCamera"
expectedMs = 60_000
warningMs = 300_000
breachMs = 900_000
ownerGroup = "camera-ops"
sideEffect = "none"
outputs = ["cameraId"]
[[serviceSpecification]]
id = "camera"
name = "Camera"
kind = "service"
tasks = [{ taskType = "registerCamera" }]
[[productSpecification]]
id = "camera"
name = "Camera"
version = "1"
components = [{ component = "camera", service = "camera", actions = ["add"] }]
[[offering]]
id = "camera"
name = "Camera"
specification = "camera"
billable = false
"#,
        )
        .unwrap();
        self.edit("systems.toml", "\"2026.11\"", "\"2026.12\"");
    }

    fn order(&self, name: &str) {
        let text = format!(
            r#"{{"@type": "ProductOrder", "externalId": "{name}", "relatedParty": [{{"id": "P", "role": "Seller", "@referredType": "Organization"}}],
            "productOrderItem": [{{"@type": "ProductOrderItem", "id": "1", "quantity": 1, "action": "add", "productOffering": {{"id": "camera"}}}}]}}"#
        );
        std::fs::write(self.path("order.json"), text).unwrap();
    }
}

struct Service<'p> {
    place: &'p Place,
    child: Child,
}

impl Service<'_> {
    /// Until the order of this key is listed as completed.
    fn completes(&self, name: &str) {
        let deadline = Instant::now() + WAIT;
        while !self.place.run(&["order", "list", "--state", "completed"], 0).contains(name) {
            assert!(Instant::now() < deadline, "{}", self.place.run(&["order", "list"], 0));
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn stop(mut self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "SIGTERM ends it politely");
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        // A test that fails leaves nothing running; one that has stopped it finds nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_catalog_is_judged_with_file_and_line_and_an_exit_code() {
    let place = Place::new();
    let report = place.json(&["catalog", "validate", "--json"], 0);
    assert_eq!(
        (&report["valid"], &report["version"], &report["errors"]),
        (&true.into(), &"2026.11".into(), &0.into())
    );
    place.edit("dsl.toml", "allowedValues = [3, 5, 10, 16, 50]", "allowedValues = []");
    place.edit("mobile.toml", "[[offering]]", "[[offering");
    let report = place.json(&["catalog", "validate", "config/catalog", "--json"], 3);
    assert_eq!(report["valid"], Value::Bool(false));
    let findings = report["findings"].as_array().unwrap();
    let shown: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}:{} {}", finding["file"], finding["line"], finding["severity"]))
        .collect();
    assert!(
        findings.iter().any(|finding| finding["file"] == "config/catalog/dsl.toml" && finding["line"] == 18),
        "{shown:?}"
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding["file"] == "config/catalog/mobile.toml" && finding["subject"] == "file"),
        "{shown:?}"
    );
    // One file alone is no whole catalog, and says so; what cannot be read is no answer.
    assert!(
        place.run(&["catalog", "validate", "config/catalog/systems.toml"], 0).contains("may be published")
    );
    assert!(
        place.run(&["catalog", "validate", "config/catalog/dsl.toml"], 3).contains("version: is missing")
    );
    assert!(place.run(&["catalog", "validate", "nowhere"], 1).contains("could not read \"nowhere\""));
    assert!(!place.path("data").exists(), "looking writes nothing");
}

#[test]
fn a_new_system_is_published_while_no_service_runs_and_served_after_its_start() {
    let place = Place::new();
    assert!(place.run(&["catalog", "list"], 1).contains("there is no log in \"data\""));
    let service = place.serve();
    place.add_camera();
    place.order("CAM-1");
    let refused = place.json(&["catalog", "publish", "--json"], 3);
    assert_eq!(refused["outcome"], "refused");
    assert!(refused["reason"].as_str().unwrap().contains("system \"cameraCloud\" is new"), "{refused}");
    assert!(place.run(&["catalog", "show", "2026.12"], 3).contains("published are 2026.11"));
    service.stop();

    assert_eq!(place.json(&["catalog", "publish", "--json"], 0)["outcome"], "published");
    let before = place.json(&["catalog", "list", "--json"], 0);
    // The folder of the settings is another one now: what the log holds counts.
    std::fs::remove_file(place.path("config/catalog/camera.toml")).unwrap();
    place.edit("systems.toml", "\"2026.12\"", "\"2026.11\"");
    let service = place.serve();
    assert_eq!(place.json(&["catalog", "publish", "--json"], 0)["outcome"], "alreadyThere");
    assert!(place.run(&["submit", "order.json"], 0).contains("CAM-1 submitted"));
    service.completes("CAM-1");
    let listed = place.json(&["catalog", "list", "--json"], 0);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[1]["version"], "2026.12");
    assert_eq!((&listed[1]["isCurrent"], &listed[1]["openOrders"]), (&true.into(), &0.into()));
    assert_eq!(listed[1]["digest"], before[1]["digest"]);
    service.stop();
}

#[test]
fn a_version_is_published_to_the_running_service_and_new_orders_pin_it_with_new_tasks() {
    let place = Place::new();
    place.add_camera();
    let service = place.serve();
    // A second task that takes what the first reports: the simulated systems have to report it, too.
    place.edit(
        "camera.toml",
        "tasks = [{ taskType = \"registerCamera\" }]",
        "tasks = [{ taskType = \"testCamera\" }, { taskType = \"registerCamera\", inputs = { picture = { output = { task = \"testCamera\", output = \"picture\" } } } }]",
    );
    let task = "[[taskType]]\nname = \"testCamera\"\nsystem = \"cameraCloud\"\ncommand = \"testCamera\"\nexpectedMs = 60_000\nwarningMs = 300_000\n\
                breachMs = 900_000\nownerGroup = \"camera-ops\"\nsideEffect = \"none\"\noutputs = [\"picture\"]\n[[serviceSpecification]]";
    place.edit("camera.toml", "[[serviceSpecification]]", task);
    let taken = place.run(&["catalog", "publish"], 3);
    assert!(taken.contains("catalog version \"2026.12\" is published with digest"), "{taken}");
    place.edit("systems.toml", "\"2026.12\"", "\"2026.13\"");
    assert!(place.run(&["catalog", "publish"], 0).contains("published 2026.13"));
    place.order("CAM-2");
    place.run(&["submit", "order.json"], 0);
    service.completes("CAM-2");
    let order = place.run(&["order", "show", "P/externalId/CAM-2"], 0);
    assert!(order.contains("catalog 2026.13") && order.contains("2 of 2 tasks done"), "{order}");
    let changes = place.json(&["catalog", "diff", "2026.12", "2026.13", "--json"], 0);
    let paths: Vec<&str> = changes["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "serviceSpecifications.camera.tasks[registerCamera].inputs.picture",
            "serviceSpecifications.camera.tasks[testCamera]",
            "taskTypes.testCamera",
            "version"
        ]
    );
    service.stop();
}

#[test]
fn an_order_is_tried_without_a_trace() {
    let place = Place::new();
    place.add_camera();
    place.order("CAM-3");
    let tried = place.json(&["catalog", "try", "order.json", "--json"], 0);
    assert_eq!((&tried[0]["outcome"], &tried[0]["expectedMs"]), (&"planned".into(), &60_000.into()));
    assert_eq!(tried[0]["tasks"][0]["taskType"], "registerCamera");
    let changed = r#"{"@type": "ProductOrder", "externalId": "M", "relatedParty": [{"id": "P", "role": "Seller", "@referredType": "Organization"}],
        "productOrderItem": [{"@type": "ProductOrderItem", "id": "1", "quantity": 1, "action": "modify", "productOffering": {"id": "dslInternet"},
        "product": {"@type": "Product", "id": "p-1", "productVersion": 3, "productCharacteristic": [{"name": "bandwidthMbps", "value": 16}]}}]}"#;
    std::fs::write(place.path("modify.json"), changed).unwrap();
    let said = |products: &str| {
        std::fs::write(place.path("products.json"), products).unwrap();
        let tried =
            place.json(&["catalog", "try", "modify.json", "--products", "products.json", "--json"], 0);
        (tried[0]["products"][0]["ready"].clone(), tried[0]["products"][0]["message"].to_string())
    };
    assert_eq!(said(r#"[{"id": "p-1", "version": 3}]"#).0, Value::Bool(true));
    let (ready, message) = said(r#"[{"id": "p-1", "version": 4}]"#);
    assert!(ready == Value::Bool(false) && message.contains("was prepared against version 3"), "{message}");
    assert!(said(r#"[{"id": "p-1", "state": "terminated", "version": 3}]"#).1.contains("Terminated"));
    assert!(said("[]").1.contains("is not among the products given"));
    std::fs::write(place.path("products.json"), "{}").unwrap();
    let wrong = place.run(&["catalog", "try", "modify.json", "--products", "products.json"], 1);
    assert!(wrong.contains("must be a JSON list like"), "{wrong}");
    std::fs::write(place.path("broken.json"), "{\"a\": ").unwrap();
    assert!(place.run(&["catalog", "try", "broken.json"], 3).contains("refused for 1 reason"));
    assert!(!place.path("data").exists(), "trying writes nothing");
}
