//! docker-compose.yml: against the schema of the Compose Specification, and against itself. No Docker is needed.
use std::collections::BTreeSet;

use integration_tests::process::{Said, orderstream, root};
use serde_json::{Value, json};

/// These make something, and end: nobody asks how they are.
const ONE_SHOT: &[&str] = &["schemas", "topics"];

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn document() -> Value {
    serde_saphyr::from_str(&text("docker-compose.yml")).unwrap()
}

fn findings(document: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(&text("integration-tests/compose/compose-spec.json")).unwrap();
    // Named, since the schema writes its draft's address otherwise than the draft itself does.
    let validator = jsonschema::draft7::new(&schema).unwrap();
    validator.iter_errors(document).map(|error| format!("{} {error:.200}", error.instance_path())).collect()
}

#[test]
fn it_is_what_the_compose_specification_says() {
    assert_eq!(findings(&document()), Vec::<String>::new());

    // So that a schema which takes anything would be noticed.
    for (place, wrong) in [
        ("/services/kafka/healthchek", json!({})),
        ("/services/topics/depends_on/kafka/condition", json!("service_well")),
        ("/services/kafka/ports", json!("19092")),
        ("/volume", json!({})),
    ] {
        let mut broken = document();
        let (parent, name) = place.rsplit_once('/').unwrap();
        broken.pointer_mut(parent).unwrap()[name] = wrong;
        assert!(!findings(&broken).is_empty(), "{place}");
    }
}

#[test]
fn every_service_has_a_health_check_and_what_it_waits_for_can_come() {
    let document = document();
    let services = document["services"].as_object().unwrap();
    let volumes: BTreeSet<&String> = document["volumes"].as_object().unwrap().keys().collect();
    let mut used = BTreeSet::new();
    for (name, service) in services {
        let is_one_shot = ONE_SHOT.contains(&name.as_str());
        assert_ne!(service.get("healthcheck").is_some(), is_one_shot, "{name}");
        for (needed, how) in service["depends_on"].as_object().into_iter().flatten() {
            assert!(services.contains_key(needed), "{name} waits for {needed}, which there is not");
            let wanted = if ONE_SHOT.contains(&needed.as_str()) {
                "service_completed_successfully"
            } else {
                "service_healthy"
            };
            assert_eq!(how["condition"], wanted, "{name} waits for {needed}");
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let volume = volume.as_str().unwrap().split(':').next().unwrap().to_owned();
            assert!(used.insert(volume.clone()), "two services write volume {volume}");
        }
        // Without a version, tomorrow's is another one.
        let image = service["image"].as_str().unwrap_or_default();
        let is_ours = service.get("build").is_some();
        assert!(is_ours || image.split_once(':').is_some_and(|(_, tag)| tag != "latest"), "{name}: {image}");
    }
    assert_eq!(used.iter().collect::<BTreeSet<_>>(), volumes, "each volume is named, and used");
}

/// Nothing that has no password of its own is open to the network of the machine.
#[test]
fn every_port_is_published_to_this_machine_alone() {
    let document = document();
    for (name, service) in document["services"].as_object().unwrap() {
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
    }
}

#[test]
fn what_is_built_is_there_and_what_runs_are_commands() {
    let document = document();
    for (name, service) in document["services"].as_object().unwrap() {
        let file = match &service["build"] {
            Value::Null => continue,
            Value::String(context) => format!("{context}/Dockerfile"),
            build => {
                format!("{}/{}", build["context"].as_str().unwrap(), build["dockerfile"].as_str().unwrap())
            }
        };
        assert!(root().join(&file).is_file(), "{name} is built from {file}");
    }
    // The broker of the tests and that of the file are of one version.
    let version = text("integration-tests/kafka/pom.xml");
    let image = document["services"]["kafka"]["image"].as_str().unwrap();
    let tag = image.strip_prefix("apache/kafka:").unwrap();
    assert!(version.contains(&format!("<version>{tag}</version>")), "{image}");
}

struct Started {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

/// What a service of ours is started with.
fn ours(service: &Value) -> Option<Started> {
    (service["image"] == "orderstream").then_some(())?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let arguments = service["command"].as_array().into_iter().flatten().map(text).collect();
    let variables = service["environment"].as_object().unwrap();
    let variables = variables.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    Some(Started { arguments, variables })
}

#[test]
fn what_our_services_are_told_are_settings_and_commands() {
    let folder = tempfile::tempdir().unwrap();
    let document = document();
    let all: Vec<_> = document["services"].as_object().unwrap().values().filter_map(ours).collect();
    assert_eq!(all.len(), 3, "topics, schemas, and the service itself");
    for Started { arguments, variables } in all {
        let said = |arguments: &[&str], more: &[(&str, &str)]| {
            let mut command = orderstream(folder.path(), arguments);
            command
                .env_remove("ORDERSTREAM__GATEWAY__LISTEN")
                .envs(variables.clone())
                .envs(more.iter().copied());
            Said::from(command.output().unwrap())
        };
        said(&["config", "check"], &[]).ended(0);
        let refused = said(&["config", "check"], &[("ORDERSTREAM__KAFKA__BROKER", "kafka:9092")]).ended(3);
        assert!(refused.out.contains("did you mean ORDERSTREAM__KAFKA__BROKERS?"), "{refused:?}");
        let asked: Vec<&str> = arguments.iter().map(String::as_str).chain(["--help"]).collect();
        let help = said(&asked, &[]).ended(0);
        let usage = format!(
            "Usage: {}",
            ["orderstream"].iter().chain(&asked[..asked.len() - 1]).copied().collect::<Vec<_>>().join(" ")
        );
        assert!(help.out.contains(&usage), "{usage}: {help:?}");
    }
}
