//! Plays: an operator beside a running service. Topics are read, dead letters sent again, the simulated downstream taken down and
//! brought back, the state of it all asked for; by the real binary.
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cli::control::{Client, Submission};
use integration_tests::process::{self, Service, orders_in, run, submit, until};
use serde_json::Value;

const WAIT: Duration = Duration::from_secs(60);

/// What nobody can read, put where outsiders write.
fn submit_unreadable(data_dir: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = Client::connect(data_dir).await.unwrap().expect("the service runs");
        let body = b"\xff\xfe no order";
        let submission = Submission {
            key: Some("SOMEBODY/1".into()),
            request_id: Some("request-1".into()),
            media_type: "application/json".into(),
            body_bytes: body.len(),
        };
        client.submit(submission, body).await.unwrap();
    });
}

fn letters(data_dir: &Path) -> Vec<Value> {
    run(data_dir, &["dlq", "list", "--json"]).json(0).as_array().unwrap().clone()
}

#[test]
fn an_order_is_watched_before_it_is_there_and_its_plan_is_read_by_a_program() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let service = Service::run(&data_dir);
    until(WAIT, "the projection is there", || run(&data_dir, &["order", "list"]).code == Some(0));
    let key = "PARTNER-7/externalId/W-1";
    let mut watch = process::orderstream(&data_dir, &["order", "watch", key]);
    let watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    submit(&data_dir, &["W-1"]).ended(0);
    let watched = process::Said::from(watch.wait_with_output().unwrap()).ended(0);
    assert!(watched.out.ends_with("order PARTNER-7/externalId/W-1: completed\n"), "{}", watched.out);
    let late = run(&data_dir, &["order", "watch", "nobody", "--timeout", "1s"]).ended(4);
    assert!(late.err.contains("order nobody is not there within 1s"), "{late:?}");
    let listed = run(&data_dir, &["order", "list", "--json"]).json(0);
    assert_eq!(listed["rows"][0]["externalId"], "W-1");
    let plan = run(&data_dir, &["order", "plan", key, "--json"]).json(0);
    let tasks = plan["tasks"].as_array().unwrap();
    assert_eq!(
        (&plan["order"], &plan["state"], &tasks[0]["state"]),
        (&key.into(), &"completed".into(), &"completed".into())
    );
    let named = tasks.iter().flat_map(|task| task["after"].as_array().unwrap());
    assert!(
        named.clone().count() > 0 && named.clone().all(|id| tasks.iter().any(|task| task["id"] == *id)),
        "{plan}"
    );
    let tail = ["topics", "tail", "orderstream.order.events", "--partition", "99"];
    let refused = run(&data_dir, &tail).ended(2);
    assert!(refused.err.contains("has no partition 99; it has 8"), "{}", refused.err);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn an_operator_reads_topics_beside_the_service_and_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let missing = run(&data_dir, &["topics", "list"]).ended(1);
    assert!(missing.err.contains("there is no log in"), "{}", missing.err);
    assert!(!data_dir.exists(), "looking makes nothing");
    let service = Service::run(&data_dir);
    submit(&data_dir, &["T-1", "T-2"]).ended(0);
    until(WAIT, "both orders are completed", || orders_in(&data_dir, "completed") == 2);
    let check = || {
        let topic = "orderstream.order.requests";
        let list = run(&data_dir, &["topics", "list", "--json"]).json(0);
        let line = list.as_array().unwrap().iter().find(|line| line["name"] == topic).unwrap();
        assert_eq!((line["records"].as_i64(), line["partitions"].as_i64()), (Some(2), Some(8)));
        let described = run(&data_dir, &["topics", "describe", topic, "--json"]).json(0);
        let group = &described["groups"][0];
        assert_eq!((group["group"].as_str(), group["lag"].as_i64()), (Some("orders"), Some(0)));
        let bytes: i64 = described["partitionList"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["bytes"].as_i64().unwrap())
            .sum();
        assert!(bytes > 4_000, "{bytes}");
        let events = ["topics", "tail", "orderstream.order.events", "--key", "PARTNER-7/externalId/T-2"];
        let all = run(&data_dir, &[&events[..], &["--from", "beginning", "--json"]].concat()).ended(0).out;
        let first: Value = serde_json::from_str(all.lines().next().unwrap()).unwrap();
        assert_eq!(first["record"], "OrderCaptured");
        assert_eq!(first["value"]["order"]["key"], "PARTNER-7/externalId/T-2");
        assert!(first["headers"]["ce_id"].is_string() && all.lines().count() > 10);
        let newest = run(&data_dir, &[&events[..], &["--limit", "3", "--json"]].concat()).ended(0).out;
        assert_eq!(
            newest.lines().collect::<Vec<_>>(),
            all.lines().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>()
        );
        let unknown = run(&data_dir, &["topics", "describe", "orderstream.order.event"]).ended(3);
        assert!(unknown.err.contains("did you mean \"orderstream.order.events\"?"), "{}", unknown.err);
        run(&data_dir, &["topics", "tail", topic, "--partition", "8"]).ended(2);
    };
    check();
    assert_eq!(service.stop(), Some(0));
    check();
}

#[test]
fn a_dead_letter_is_seen_and_sent_again_once() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let service = Service::run(&data_dir);
    submit_unreadable(&data_dir);
    until(WAIT, "the dead letter is there", || letters(&data_dir).len() == 1);
    let letter = &letters(&data_dir)[0];
    let id = letter["id"].as_str().unwrap();
    assert_eq!(letter["topic"], "orderstream.order.requests");
    let shown = run(&data_dir, &["dlq", "show", id, "--json"]).json(0);
    assert_eq!(shown["valueHex"], "fffe206e6f206f72646572");
    assert_eq!(shown["headers"]["ce_id"], "request-1");
    run(&data_dir, &["dlq", "show", "7:999"]).ended(3);
    let replayed = run(&data_dir, &["dlq", "replay", id, "--json"]).json(0);
    assert_eq!(replayed[0]["topic"], "orderstream.order.requests");
    // It cannot be read the second time either: a dead letter of its own, that says where it came from.
    until(WAIT, "the second dead letter is there", || letters(&data_dir).len() == 2);
    let again = run(&data_dir, &["dlq", "replay", id]).ended(3);
    assert!(again.err.contains("--again sends it once more"), "{}", again.err);
    let open = run(&data_dir, &["dlq", "list", "--open", "--json"]).json(0);
    let [open] = open.as_array().unwrap().as_slice() else { panic!("one is open: {open}") };
    let second = run(&data_dir, &["dlq", "show", open["id"].as_str().unwrap(), "--json"]).json(0);
    assert_eq!(second["headers"]["orderstream-replayed-from"], id);
    assert_eq!(second["valueHex"], shown["valueHex"], "the original bytes");
    run(&data_dir, &["dlq", "replay", id, "--again"]).ended(0);
    until(WAIT, "the third dead letter is there", || letters(&data_dir).len() == 3);
    let elsewhere =
        run(&data_dir, &["dlq", "replay", "--all", "--where", "topic=orderstream.feedback", "--json"]);
    assert_eq!(elsewhere.json(0), Value::Array(Vec::new()));
    run(&data_dir, &["dlq", "replay", "--all", "--where", "color=red"]).ended(2);
    assert_eq!(service.stop(), Some(0));
    assert_eq!(run(&data_dir, &["dlq", "replay", "--all", "--json"]).json(0).as_array().unwrap().len(), 2);
    let verified = run(&data_dir, &["verify"]).ended(0);
    // What was sent again lies there unread, and verify says that it has not asked what follows from it.
    assert!(verified.out.contains("everything that was checked agrees"), "{}", verified.out);
}

#[test]
fn the_simulated_downstream_goes_down_and_comes_back_while_the_service_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let scenario = folder.path().join("billing-is-down.toml");
    let down = "behaviour = { latency = { kind = \"fixed\", ms = 1 } }\n\
                [[outages]]\nsystem = \"billing\"\nanswer = \"refuses\"\n\
                window = { by = \"count\", after_commands = 0, commands = 1_000_000 }\n";
    std::fs::write(&scenario, down).unwrap();
    let scenario = scenario.display().to_string();
    let service = Service::run(&data_dir);
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(&wrong, "behaviour = 1\n").unwrap();
    let refused = run(&data_dir, &["downstream", "scenario", &wrong.display().to_string()]).ended(1);
    assert_eq!(refused.err.lines().count(), 1, "{}", refused.err);
    assert!(refused.err.contains("wrong.toml\": line 1: "), "{}", refused.err);
    run(&data_dir, &["downstream", "scenario", &scenario]).ended(0);
    submit(&data_dir, &["D-1"]).ended(0);
    let billing = || {
        let systems = run(&data_dir, &["downstream", "status", "--json"]).json(0);
        systems.as_array().unwrap().iter().find(|system| system["system"] == "billing").unwrap().clone()
    };
    until(WAIT, "billing has refused", || {
        billing()["lastAnswers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|answer| answer["code"] == "SERVICE_UNAVAILABLE")
    });
    assert_eq!(service.stop(), Some(0));
    let service = Service::run(&data_dir);
    let shown = run(&data_dir, &["downstream", "scenario", "--show"]).json(0);
    assert_eq!(
        (&shown["isChanged"], &shown["inForce"]),
        (&true.into(), &true.into()),
        "it survives a restart"
    );
    assert_eq!(orders_in(&data_dir, "completed"), 0);
    run(&data_dir, &["downstream", "scenario", "--reset"]).ended(0);
    until(WAIT * 2, "the order is completed", || orders_in(&data_dir, "completed") == 1);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn what_is_sent_after_a_change_of_the_simulated_downstream_is_answered_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let slow = folder.path().join("slow.toml");
    std::fs::write(&slow, "behaviour = { latency = { kind = \"fixed\", ms = 86_400_000 } }\n").unwrap();
    let service = Service::run(&data_dir);
    // It waits for commands by now, and was told nothing yet.
    submit(&data_dir, &["E-1"]).ended(0);
    until(WAIT, "the first order is completed", || orders_in(&data_dir, "completed") == 1);
    run(&data_dir, &["downstream", "scenario", &slow.display().to_string()]).ended(0);
    submit(&data_dir, &["E-2"]).ended(0);
    until(WAIT, "the second order is captured", || orders_in(&data_dir, "captured") == 1);
    until(WAIT, "the question whether it can be delivered has arrived", || {
        let systems = run(&data_dir, &["downstream", "status", "--json"]).json(0);
        let asked = |system: &Value| system["system"] == "networkInventory" && system["commandsUntaken"] == 0;
        systems.as_array().unwrap().iter().any(asked)
    });
    run(&data_dir, &["downstream", "scenario", "--reset"]).ended(0);
    submit(&data_dir, &["E-3"]).ended(0);
    until(WAIT, "the third order is completed", || orders_in(&data_dir, "completed") == 2);
    assert_eq!(orders_in(&data_dir, "captured"), 1, "an answer that takes a day is not there");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn the_state_of_the_service_is_told_with_its_reasons_and_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let status = run(&data_dir, &["status", "--json"]).json(3);
    assert_eq!((&status["running"], &status["healthy"]), (&false.into(), &false.into()));
    assert!(!data_dir.exists(), "looking makes nothing");
    let service = Service::run(&data_dir);
    submit(&data_dir, &["S-1"]).ended(0);
    until(WAIT, "the order is completed", || orders_in(&data_dir, "completed") == 1);
    let status = run(&data_dir, &["status", "--json"]).json(0);
    assert_eq!((&status["running"], &status["healthy"]), (&true.into(), &true.into()));
    assert_eq!(status["ordersByState"]["completed"], 1);
    assert_eq!((&status["openCases"], &status["deadLetters"]), (&0.into(), &0.into()));
    assert!(
        status["disk"]["logBytes"].as_u64().unwrap() > 0 && status["disk"]["leftBytes"].as_u64().unwrap() > 0
    );
    let stages = status["stages"].as_array().unwrap();
    let capture = stages.iter().find(|stage| stage["stage"] == "capture").unwrap();
    assert_eq!((&capture["in"], &capture["inProgress"], &capture["out"]), (&1.into(), &0.into(), &1.into()));
    assert!(stages.iter().filter(|stage| stage["lastAt"].is_string()).count() >= 5, "{stages:?}");
    assert_eq!(service.stop(), Some(0));
    run(&data_dir, &["status"]).ended(3);
    let killed = Service::run(&data_dir);
    killed.kill();
    // Its socket is still there, and nobody answers.
    let status = run(&data_dir, &["status"]).ended(3);
    assert!(status.out.starts_with("not running"), "{}", status.out);
    let service = process::Service::run(&data_dir);
    assert_eq!(service.stop(), Some(0));
}
