//! Plays: an upstream requester, the downstream systems and a consumer, written by somebody who knows docs/contract.md and nothing else.
//! Own framing, own Avro, own hash, headers by hand; of ours only the log that carries bytes, and the registry that gives ids.

mod wire;

use integration_tests::avro::{Schema, json_text};
use serde_json::{Value, json};
use wire::{AVRO, Seen, Wire, contract, now_ms, page, partition_of};

const REQUESTS: &str = "orderstream.order.requests";
const EVENTS: &str = "orderstream.order.events";
const FEEDBACK: &str = "orderstream.feedback";
const DEAD_LETTERS: &str = "orderstream.dead-letters";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A mobile line with an eSim: a number is assigned, the line activated, the charges started.
fn order(reference: &str) -> Value {
    json!({
        "requester": "ACME", "referenceType": "POnumber", "reference": reference,
        "parties": [{ "role": "customer", "id": "C-17" }],
        "items": [{
            "id": "1", "action": "add", "offering": "mobileLine",
            "characteristics": [{ "name": "simType", "value": "\"eSim\"" }],
            "prices": [{
                "reference": "mobileLineMonthly", "kind": "recurring", "period": "month",
                "amount": { "amount": "19.90", "currency": "EUR" },
            }],
        }],
    })
}

fn key_of(reference: &str) -> String {
    format!("ACME/POnumber/{reference}")
}

fn request(wire: &Wire, reference: &str, request_id: &str) {
    let value = wire.framed(REQUESTS, &contract("OrderRequest"), &order(reference));
    let headers = [("content-type", AVRO), ("ce_id", request_id), ("traceparent", TRACE)];
    wire.send(REQUESTS, &key_of(reference), &headers, value);
}

/// The command of this name for an order.
#[track_caller]
fn command(wire: &mut Wire, reference: &str, name: &str, kind: &str, attempt: u64) -> Seen {
    let key = key_of(reference);
    let seen = wire.take(&format!("{kind} {name} {attempt} of {key}"), |seen| {
        let asked = &seen.value;
        seen.record == "Command"
            && seen.key == key
            && asked["name"] == name
            && asked["kind"] == kind
            && asked["attempt"] == attempt
    });
    let system = seen.value["system"].as_str().unwrap();
    assert_eq!(seen.topic, format!("orderstream.commands.{system}"));
    assert_eq!(seen.value["orderKey"], key.as_str());
    seen
}

/// Answers a command: what has to be echoed is, and `more` is laid over it.
fn answer(command: &Seen, kind: &str, more: Value) -> Value {
    let asked = &command.value;
    let mut answer = json!({
        "feedbackId": format!("{}/{}/{kind}", asked["commandId"].as_str().unwrap(), asked["attempt"]),
        "commandId": asked["commandId"], "orderKey": asked["orderKey"], "system": asked["system"],
        "attempt": asked["attempt"], "kind": kind, "at": now_ms(),
    });
    answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer
}

fn send(wire: &Wire, answer: &Value) {
    let key = answer["orderKey"].as_str().unwrap();
    wire.send(FEEDBACK, key, &headers(answer), wire.framed(FEEDBACK, &contract("Feedback"), answer));
}

fn headers(answer: &Value) -> [(&str, &str); 3] {
    [
        ("content-type", AVRO),
        ("ce_id", answer["feedbackId"].as_str().unwrap()),
        ("ce_type", "io.orderstream.Feedback.v1"),
    ]
}

#[track_caller]
fn event(wire: &mut Wire, reference: &str, name: &str, is_wanted: impl Fn(&Value) -> bool) -> Seen {
    let key = key_of(reference);
    wire.take(&format!("{name} of {key}"), |seen| {
        seen.topic == EVENTS && seen.record == name && seen.key == key && is_wanted(&seen.value)
    })
}

fn outputs_of(name: &str) -> Value {
    match name {
        "assignSim" => {
            json!({ "outputs": { "iccid": json_text("8949"), "imsi": json_text("262"), "msisdn": json_text("+49151") } })
        }
        "activateMobileLine" => json!({ "outputs": { "subscriberId": json_text("S-42") } }),
        _ => json!({}),
    }
}

/// Answers whatever comes first of these, and asks of its outcome alike, until the order has ended.
#[track_caller]
fn complete(wire: &mut Wire, reference: &str, names: &[&str]) {
    for name in names {
        let asked = command(wire, reference, name, "execute", 1);
        send(wire, &answer(&asked, "completed", outputs_of(name)));
    }
    event(wire, reference, "OrderStateChanged", |changed| changed["to"] == "completed");
}

#[test]
fn the_bytes_of_the_page_are_the_bytes_of_its_example() {
    let page = page("contract.md");
    let block = |after: &str, fence: &str| {
        let rest = page.split(after).nth(1).unwrap().split(fence).nth(1).unwrap();
        rest.split("```").next().unwrap().to_owned()
    };
    let example: Value = serde_json::from_str(&block("## Examples", "```json")).unwrap();
    let bytes = contract("Feedback").encode(&example);
    let shown = block("the value begins", "```\n");
    let shown: Vec<u8> = shown
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .take_while(|word| *word != "...")
        .map(|word| u8::from_str_radix(word, 16).unwrap())
        .collect();
    assert_eq!(shown[..5], [0, 0, 0, 0, 7]);
    assert!(bytes.starts_with(&shown[5..]), "{bytes:x?}");
}

#[test]
fn an_outsider_drives_an_order_to_its_end_by_the_page_alone() {
    let mut wire = Wire::start();
    request(&wire, "1", "request-1");
    let captured = event(&mut wire, "1", "OrderCaptured", |_| true);
    let header = |seen: &Seen, name: &str| seen.headers.get(name).cloned().unwrap_or_default();
    assert_eq!(header(&captured, "ce_type"), "io.orderstream.OrderCaptured.v1");
    assert_eq!(header(&captured, "ce_source"), "orderstream/capture");
    assert_eq!(header(&captured, "ce_subject"), "ACME/POnumber/1");
    assert_eq!(header(&captured, "ce_specversion"), "1.0");
    assert_eq!(header(&captured, "content-type"), AVRO);
    assert_eq!(header(&captured, "ce_id").len(), 36);
    assert_eq!(header(&captured, "traceparent"), TRACE, "the trace goes on");

    // The same request again is recognised, whatever its bytes.
    request(&wire, "1", "request-1");
    event(&mut wire, "1", "RequestIgnored", |ignored| ignored["requestId"] == "request-1");

    let sim = command(&mut wire, "1", "assignSim", "execute", 1);
    assert_eq!(header(&sim, "traceparent"), TRACE, "and reaches the systems");
    let done = answer(&sim, "completed", outputs_of("assignSim"));
    send(&wire, &answer(&sim, "accepted", json!({})));
    event(&mut wire, "1", "TaskStateChanged", |changed| changed["to"] == "accepted");
    send(&wire, &done);
    // The same answer again; then one that comes when all is done.
    send(&wire, &done);
    event(&mut wire, "1", "FeedbackIgnored", |ignored| ignored["because"] == "repeated");
    send(&wire, &answer(&sim, "inProgress", json!({})));
    event(&mut wire, "1", "FeedbackIgnored", |ignored| ignored["because"] == "late");
    // And one to a command that nobody sent.
    send(
        &wire,
        &answer(
            &sim,
            "completed",
            json!({ "commandId": "00000000-0000-4000-8000-000000000000", "feedbackId": "f" }),
        ),
    );
    event(&mut wire, "1", "FeedbackIgnored", |ignored| ignored["because"] == "notOurs");

    let line = command(&mut wire, "1", "activateMobileLine", "execute", 1);
    assert_eq!(line.value["inputs"]["iccid"], "\"8949\"", "what one system reported, the next is given");
    send(&wire, &answer(&line, "completed", outputs_of("activateMobileLine")));
    complete(&mut wire, "1", &["startCharges"]);
    let told = wire.take("the notification", |seen| {
        seen.record == "Notification"
            && seen.value["shownState"] == "completed"
            && seen.key == "ACME/POnumber/1"
    });
    assert_eq!(told.value["audience"], "requester");

    // A request under the key of an order that has ended.
    request(&wire, "1", "request-2");
    let refused = event(&mut wire, "1", "RevisionRefused", |refused| refused["requestId"] == "request-2");
    assert_eq!(refused.value["reasons"][0]["code"], "OrderEnded");
    wire.stop();
}

#[test]
fn failures_are_tried_again_under_one_id_and_outcomes_are_asked_for() {
    let mut wire = Wire::start();
    request(&wire, "2", "request-1");
    let sim = command(&mut wire, "2", "assignSim", "execute", 1);
    let passing = json!({ "code": "POOL_BUSY", "message": "try again", "retryable": true });
    send(&wire, &answer(&sim, "failed", passing));
    let again = command(&mut wire, "2", "assignSim", "execute", 2);
    assert_eq!(again.value["commandId"], sim.value["commandId"], "a retry is the same command");
    assert_eq!(again.value["inputs"], sim.value["inputs"]);

    // Silence: it is asked what became of it. It never came, so it is sent again; then it was done.
    let asked = command(&mut wire, "2", "assignSim", "query", 2);
    assert_eq!(asked.value["commandId"], sim.value["commandId"]);
    send(&wire, &answer(&asked, "notKnown", json!({})));
    let third = command(&mut wire, "2", "assignSim", "execute", 3);
    assert_eq!(third.value["commandId"], sim.value["commandId"]);
    let asked = command(&mut wire, "2", "assignSim", "query", 3);
    let truth = json!({ "feedbackId": "told-at-last", "outputs": outputs_of("assignSim")["outputs"] });
    send(&wire, &answer(&asked, "completed", truth));

    let line = command(&mut wire, "2", "activateMobileLine", "execute", 1);
    let lasting = json!({ "code": "NO_CREDIT_FOR_YOU", "message": "ask somebody", "retryable": false });
    send(&wire, &answer(&line, "failed", lasting));
    let case = event(&mut wire, "2", "FalloutDetected", |detected| {
        detected["case"]["failure"]["code"] == "NO_CREDIT_FOR_YOU"
    });
    assert_eq!(case.value["case"]["failure"]["message"], "ask somebody", "word for word");
    assert_eq!(case.value["case"]["failure"]["system"], "provisioning");
    wire.stop();
}

#[test]
fn an_order_that_breaks_a_rule_is_refused_with_all_reasons_and_may_be_corrected() {
    let mut wire = Wire::start();
    let mut broken = order("3");
    broken["items"][0]["offering"] = "mobilLine".into();
    broken["items"][0]["quantity"] = 0.into();
    let value = wire.framed(REQUESTS, &contract("OrderRequest"), &broken);
    wire.send(REQUESTS, &key_of("3"), &[("content-type", AVRO), ("ce_id", "first")], value);
    let rejected = event(&mut wire, "3", "OrderRejected", |_| true);
    let codes: Vec<_> =
        rejected.value["reasons"].as_array().unwrap().iter().map(|reason| &reason["code"]).collect();
    assert!(
        codes.contains(&&json!("OfferingUnknown")) && codes.contains(&&json!("QuantityInvalid")),
        "{codes:?}"
    );
    assert!(codes.iter().all(|code| page("errors.md").contains(&format!("`{}`", code.as_str().unwrap()))));

    request(&wire, "3", "second");
    complete(&mut wire, "3", &["assignSim", "activateMobileLine", "startCharges"]);
    wire.stop();
}

#[test]
fn what_lies_in_the_wrong_place_is_sent_on_and_what_cannot_be_taken_comes_back() {
    let mut wire = Wire::start();
    let letter = |wire: &mut Wire, reason: &str| {
        wire.take(&format!("a dead letter: {reason}"), |seen| {
            seen.topic == DEAD_LETTERS && seen.headers["dead-letter-reason"].contains(reason)
        })
    };
    // A client that hashes otherwise, and one that keys otherwise: requests are sent on.
    let elsewhere = |key: &str| (partition_of(key.as_bytes()) + 1) % 8;
    let value = wire.framed(REQUESTS, &contract("OrderRequest"), &order("4"));
    let named = [("content-type", AVRO), ("ce_id", "request-1")];
    wire.send_to(elsewhere(&key_of("4")), REQUESTS, &key_of("4"), &named, value.clone());
    let sim = command(&mut wire, "4", "assignSim", "execute", 1);
    wire.send(REQUESTS, "my own key", &named, value);
    event(&mut wire, "4", "RequestIgnored", |ignored| ignored["requestId"] == "request-1");

    // An answer under another key than its order's comes back; in another partition it is sent on.
    let done = answer(&sim, "completed", outputs_of("assignSim"));
    let bytes = wire.framed(FEEDBACK, &contract("Feedback"), &done);
    wire.send(FEEDBACK, "ACME/POnumber/5", &headers(&done), bytes.clone());
    let back = letter(&mut wire, "the record's key is not the order key \"ACME/POnumber/4\"");
    assert_eq!(
        (back.key.as_str(), back.headers["dead-letter-topic"].as_str()),
        ("ACME/POnumber/5", FEEDBACK)
    );
    assert_eq!(back.headers["ce_id"], done["feedbackId"].as_str().unwrap(), "its own headers are kept");
    wire.send_to(elsewhere(&key_of("4")), FEEDBACK, &key_of("4"), &headers(&done), bytes.clone());
    command(&mut wire, "4", "activateMobileLine", "execute", 1);

    // Broken records: each says what is wrong with it, and the next one is taken all the same.
    let send = |wire: &Wire, bytes: &[u8]| wire.send(FEEDBACK, &key_of("4"), &headers(&done), bytes.to_vec());
    send(&wire, b"{\"kind\": \"completed\"}");
    letter(&mut wire, "no framed record");
    send(&wire, &bytes[..bytes.len() - 3]);
    letter(&mut wire, "record \"Feedback\" could not be read");
    send(&wire, &[&[0, 0, 0, 0x7f, 0xff], &bytes[5..]].concat());
    letter(&mut wire, "32767");
    let newer = |schema: &mut Value| {
        let kind = schema["fields"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .find(|field| field["name"] == "kind")
            .unwrap();
        kind["type"]["symbols"].as_array_mut().unwrap().insert(0, "guessed".into());
    };
    let mut schema = contract("Feedback").json;
    newer(&mut schema);
    let guessed = answer(&sim, "guessed", json!({}));
    send(&wire, &wire.framed(FEEDBACK, &Schema::of(&schema.to_string()), &guessed));
    letter(&mut wire, "of a kind that is not known here");
    wire.send(REQUESTS, "any", &[], b"{\"no\": \"order\"}".to_vec());
    letter(&mut wire, "DocumentNotAnOrder");

    complete_from_line(&mut wire);
    wire.stop();
}

/// The rest of order 4: after all that came back, it goes on.
fn complete_from_line(wire: &mut Wire) {
    let asked = command(wire, "4", "activateMobileLine", "query", 1);
    send(wire, &answer(&asked, "completed", outputs_of("activateMobileLine")));
    complete(wire, "4", &["startCharges"]);
}
