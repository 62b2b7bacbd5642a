//! Schemas in a real registry: registered, registered again, refused; and ids from it, while it runs and when it is gone.
use std::collections::{BTreeMap, BTreeSet};

use cli::service::catalog;
use cli::settings::Settings;
use integration_tests::process::{Said, root, run};
use integration_tests::registry::Registry;
use schemas::registry::registration::{self, Wanted};
use schemas::registry::{Error, RemoteIds, SchemaIds};
use serde_json::{Value, json};

const REQUESTS: &str = "orderstream.order.requests-io.orderstream.OrderRequest";
/// As exit codes of the binary.
const DONE: i32 = 0;
const FAILED: i32 = 1;
const REFUSED: i32 = 3;

/// `orderstream schemas register` on this registry.
fn register(url: &str, options: &[&str]) -> Said {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), &[&["schemas", "register", "--registry", url], options].concat())
}

/// Everything that the shipped catalog's build writes.
fn wanted() -> Vec<Wanted> {
    let mut settings = Settings::load(None).unwrap().catalog;
    settings.directory = root().join("config/catalog");
    let catalog = catalog::load(&settings).unwrap();
    registration::wanted(catalog.systems.keys().map(String::as_str))
}

/// What the registry itself answers.
fn asked(url: &str, path: &str) -> Value {
    let answer = reqwest::blocking::get(format!("{url}/{path}")).unwrap();
    serde_json::from_str(&answer.text().unwrap()).unwrap()
}

/// Subject and version → id.
fn ids(report: &Value) -> BTreeMap<(String, u64), u64> {
    let mut ids = BTreeMap::new();
    for subject in report["subjects"].as_array().unwrap() {
        for version in subject["versions"].as_array().unwrap() {
            let place =
                (subject["subject"].as_str().unwrap().to_owned(), version["version"].as_u64().unwrap());
            ids.insert(place, version["id"].as_u64().unwrap());
        }
    }
    ids
}

#[test]
fn everything_is_registered_once_and_checked_without_a_change() {
    let registry = Registry::start();
    let url = registry.url();
    let wanted = wanted();
    let schemas: usize = wanted.iter().map(|wanted| wanted.versions.len()).sum();

    let before = register(&url, &["--check", "--json"]).json(REFUSED);
    assert_eq!(before["counts"]["missing"], schemas);
    // This registry says null for a list of none.
    let subjects = asked(&url, "subjects");
    assert!(subjects.as_array().is_none_or(Vec::is_empty), "a check changes nothing: {subjects}");

    let first = register(&url, &["--json"]).json(DONE);
    assert_eq!(first["counts"]["registered"], schemas);
    let subjects: BTreeSet<String> = serde_json::from_value(asked(&url, "subjects")).unwrap();
    assert_eq!(subjects, wanted.iter().map(|wanted| wanted.subject.clone()).collect());
    for subject in &subjects {
        assert_eq!(asked(&url, &format!("config/{subject}"))["compatibilityLevel"], "FULL_TRANSITIVE");
    }

    let again = register(&url, &["--json"]).json(DONE);
    assert_eq!(again["counts"]["known"], schemas);
    assert_eq!(ids(&again), ids(&first), "the ids are the same for ever");
    for wanted in &wanted {
        let versions = asked(&url, &format!("subjects/{}/versions", wanted.subject));
        assert_eq!(versions.as_array().unwrap().len(), wanted.versions.len(), "{}", wanted.subject);
    }
    let said = register(&url, &["--check"]).ended(DONE);
    let line =
        format!("{} subjects: {schemas} schemas known, 0 registered, 0 missing, 0 refused\n", wanted.len());
    assert_eq!(said.out, line);
}

/// Puts a schema of somebody else under a subject of ours.
fn occupy(url: &str, subject: &str) {
    let record = json!({ "type": "record", "name": "OrderRequest", "namespace": "io.orderstream",
        "fields": [{ "name": "colour", "type": "int" }] });
    let body = json!({ "schema": record.to_string(), "schemaType": "AVRO" }).to_string();
    let client = reqwest::blocking::Client::new();
    let request = client.post(format!("{url}/subjects/{subject}/versions")).body(body);
    let answer = request.header("content-type", "application/vnd.schemaregistry.v1+json").send().unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

#[test]
fn a_schema_that_the_registry_refuses_is_told_with_its_reason_and_the_others_are_registered() {
    let registry = Registry::start();
    let url = registry.url();
    occupy(&url, REQUESTS);
    let others = wanted().iter().map(|wanted| wanted.versions.len()).sum::<usize>() - 1;

    for (options, registered, missing) in [(&["--check"][..], 0, others), (&[], others, 0)] {
        let said = register(&url, options).ended(REFUSED);
        let refused: Vec<&str> = said.out.lines().filter(|line| line.contains("was refused")).collect();
        assert_eq!(refused.len(), 1, "{said:?}");
        assert!(refused[0].starts_with(&format!("{REQUESTS}: version 1 was refused: ")), "{refused:?}");
        assert!(refused[0].contains("'requester' has no default"), "the registry's own reason: {refused:?}");
        let end = format!("0 schemas known, {registered} registered, {missing} missing, 1 refused\n");
        assert!(said.out.ends_with(&end), "{said:?}");
    }
    let versions = asked(&url, &format!("subjects/{REQUESTS}/versions"));
    assert_eq!(versions, json!([1]), "what was there is left as it was");
}

#[test]
fn another_level_is_found_by_a_check_and_set_by_registering() {
    let registry = Registry::start();
    let url = registry.url();
    register(&url, &[]).ended(DONE);
    let put = reqwest::blocking::Client::new().put(format!("{url}/config/{REQUESTS}"));
    let put = put.header("content-type", "application/vnd.schemaregistry.v1+json");
    assert!(put.body(r#"{"compatibility": "NONE"}"#).send().unwrap().status().is_success());

    let said = register(&url, &["--check"]).ended(REFUSED);
    let line = format!("{REQUESTS}: compatibility is NONE, and has to be FULL_TRANSITIVE");
    assert_eq!(said.out.lines().next(), Some(&*line));
    register(&url, &[]).ended(DONE);
    register(&url, &["--check"]).ended(DONE);
}

#[test]
fn a_registry_that_is_away_is_one_clear_error_without_its_password() {
    let mut registry = Registry::start();
    registry.stop();
    let url = registry.url().replace("http://", "http://me:secret@");
    let said = register(&url, &[]).ended(FAILED);
    assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1), "{said:?}");
    let shown = url.replace("secret", "...");
    assert!(
        said.err.starts_with(&format!("orderstream: schema registry \"{shown}\" did not answer")),
        "{said:?}"
    );
    assert!(said.err.contains("refused") && !said.err.contains("secret"), "{said:?}");

    let nowhere = run(tempfile::tempdir().unwrap().path(), &["schemas", "register"]).ended(FAILED);
    assert!(nowhere.err.contains("set registry.url, or give --registry URL"), "{nowhere:?}");
}

/// That something else than a registry is there must not read as a registry that knows nothing.
#[test]
fn something_that_is_no_registry_is_not_taken_for_an_empty_one() {
    let registry = Registry::start();
    let said = register(&format!("{}/elsewhere", registry.url()), &["--check"]).ended(FAILED);
    assert!(said.err.contains("it answered 404 Not Found"), "{said:?}");
}

#[test]
fn every_record_has_its_id_there_and_what_was_asked_once_outlives_the_registry() {
    let mut registry = Registry::start();
    let remote = RemoteIds::new(&[registry.url()]).unwrap();
    let wanted = wanted();
    let unregistered = remote.id_of(&wanted[0].subject, &wanted[0].versions[0]);
    assert!(matches!(unregistered, Err(Error::NotRegistered { .. })), "{unregistered:?}");

    let ids = ids(&register(&registry.url(), &["--json"]).json(DONE));
    let check = |remote: &RemoteIds| {
        for wanted in &wanted {
            for (number, schema) in (1..).zip(&wanted.versions) {
                let id = remote.id_of(&wanted.subject, schema).unwrap();
                assert_eq!(u64::from(id), ids[&(wanted.subject.clone(), number)], "{}", wanted.subject);
                let known: Value = serde_json::from_str(&remote.schema_of(id).unwrap()).unwrap();
                assert_eq!(known, serde_json::from_str::<Value>(schema).unwrap(), "{}", wanted.subject);
            }
        }
    };
    check(&remote);
    registry.stop();
    check(&remote);
    let unknown = remote.schema_of(9_999).unwrap_err();
    assert!(unknown.is_passing(), "it may be there the next time: {unknown}");
    // One that was asked nothing before has nothing to answer from.
    assert!(RemoteIds::new(&[registry.url()]).unwrap().schema_of(1).unwrap_err().is_passing());
    registry.restart();
    assert!(matches!(remote.schema_of(9_999), Err(Error::IdUnknown { id: 9_999 })));
    check(&remote);
}

#[test]
fn nothing_of_the_password_is_in_what_is_printed_for_programmers() {
    let remote = RemoteIds::new(&["http://me:secret@127.0.0.1:1/".to_owned()]).unwrap();
    assert!(!format!("{remote:?}").contains("secret"));
}
