//! docs/asyncapi.yaml: what outsiders send and receive, as AsyncAPI 3.0, from topics, headers and contracts.
use anyhow::Context;
use schemas::contracts::{self, Contract};
use schemas::topics::{Partitioning, Retention, TOPICS, Topic};
use schemas::{examples, headers, topics};
use serde_json::{Map, Value, json};

use super::schema::{parsed, text};

const COMMENT: &str = "# Written from schemas/src/topics.rs, schemas/src/headers.rs and schemas/avro by `make doc`; a test compares.\n";

const DESCRIPTION: &str = "\
What upstream systems, downstream systems and consumers exchange with Orderstream. Operations are written from the outsider's point of \
view: `send` is what an outsider sends. Topics that only Orderstream itself reads and writes are no contract and are left out. \
docs/contract.md tells the whole in words.";

const BINDING_VERSION: &str = "0.5.0";
const AVRO_FORMAT: &str = "application/vnd.apache.avro;version=1.9.0";
/// The document of upstream systems that do not speak Avro.
const TMF_MESSAGE: &str = "ProductOrder";
const DEAD_LETTER_MESSAGE: &str = "DeadLetter";

/// The document.
///
/// # Errors
/// A contract that is no JSON, which its own tests would have found.
pub fn document() -> anyhow::Result<String> {
    let public: Vec<&Topic> =
        TOPICS.iter().filter(|topic| topic.outsiders_read() || topic.outsiders_write()).collect();
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for topic in public {
        let name = channel_name(topic.name);
        channels.insert(name.clone(), channel(topic));
        for (action, is_done) in [("send", topic.outsiders_write()), ("receive", topic.outsiders_read())] {
            if is_done {
                operations.insert(format!("{action}.{name}"), operation(action, topic, &name));
            }
        }
        for record in topic.records {
            let contract = contracts::all().iter().find(|contract| contract.name == *record);
            let contract = contract.with_context(|| format!("record \"{record}\" has no contract"))?;
            messages.insert((*record).to_owned(), message(topic, contract)?);
        }
    }
    messages.insert(TMF_MESSAGE.to_owned(), product_order());
    messages.insert(DEAD_LETTER_MESSAGE.to_owned(), dead_letter());
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Orderstream",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": headers::AVRO,
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages },
    });
    Ok(format!("{COMMENT}{}", serde_saphyr::to_string(&document)?))
}

/// `orderstream.order.events` as `order.events`.
fn channel_name(topic: &str) -> String {
    topic.trim_start_matches("orderstream.").trim_end_matches('.').to_owned()
}

fn message_names(topic: &Topic) -> Vec<&str> {
    let mut names = topic.records.to_vec();
    if topic.name == topics::ORDER_REQUESTS {
        names.push(TMF_MESSAGE);
    }
    if topic.name == topics::DEAD_LETTERS {
        names.push(DEAD_LETTER_MESSAGE);
    }
    names
}

fn channel(topic: &Topic) -> Value {
    let is_per_system = topic.name == topics::COMMANDS_PREFIX;
    let address = if is_per_system { format!("{}{{system}}", topic.name) } else { topic.name.to_owned() };
    let references = message_names(topic)
        .into_iter()
        .map(|name| (name.to_owned(), json!({ "$ref": format!("#/components/messages/{name}") })));
    let configuration = match topic.retention {
        Retention::Compacted => {
            json!({ "cleanup.policy": ["compact"], "max.message.bytes": domain::limits::RECORD_BYTES_MAX })
        }
        Retention::Ms(ms) => json!({
            "cleanup.policy": ["delete"], "retention.ms": ms, "max.message.bytes": domain::limits::RECORD_BYTES_MAX,
        }),
    };
    let mut channel = json!({
        "address": address,
        "description": format!("Written by {}; read by {}.", topic.written_by.join(", "), topic.read_by.join(", ")),
        "messages": references.collect::<Map<_, _>>(),
        "bindings": { "kafka": { "topicConfiguration": configuration, "bindingVersion": BINDING_VERSION } },
    });
    if is_per_system {
        channel["parameters"] =
            json!({ "system": { "description": "The system that is asked, by its name in the catalog." } });
    }
    channel
}

fn operation(action: &str, topic: &Topic, channel: &str) -> Value {
    let summary = match action {
        "send" => format!("Outsiders write to {}.", topic.name),
        _ => format!("Outsiders read {}, with read_committed.", topic.name),
    };
    let messages = message_names(topic)
        .into_iter()
        .map(|name| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") }));
    json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{channel}") },
        "summary": summary,
        "messages": messages.collect::<Vec<_>>(),
    })
}

fn message(topic: &Topic, contract: &Contract) -> anyhow::Result<Value> {
    let schema = parsed(&contract.json)?;
    let name = &contract.name;
    let is_ours = !topic.outsiders_write();
    let example = json!({
        "name": "whole",
        "headers": example_headers(name, is_ours),
        "payload": examples::example(contract),
    });
    Ok(json!({
        "name": name,
        "title": name,
        "summary": text(&schema, "doc"),
        "contentType": headers::AVRO,
        "headers": headers_schema(name, is_ours),
        "payload": { "schemaFormat": AVRO_FORMAT, "schema": schema },
        "bindings": { "kafka": {
            "key": key_schema(topic),
            "schemaIdLocation": "payload",
            "schemaIdPayloadEncoding": "confluent",
            "schemaLookupStrategy": "TopicRecordNameStrategy",
            "bindingVersion": BINDING_VERSION,
        } },
        "examples": [example],
    }))
}

fn key_schema(topic: &Topic) -> Value {
    let description = match topic.partitioning {
        Partitioning::Order | Partitioning::Product | Partitioning::Outward | Partitioning::System => {
            format!(
                "The {}, as raw UTF-8 without framing; the partition is Kafka's default, murmur2 of these bytes.",
                topic.key
            )
        }
        Partitioning::Broadcast => format!("The {}, as raw UTF-8; the topic has one partition.", topic.key),
        Partitioning::Any => "As it came.".to_owned(),
    };
    json!({ "type": "string", "description": description })
}

/// What each header says; all of ours are there, of an outsider's those that it has to give.
fn headers_schema(record: &str, is_ours: bool) -> Value {
    let said = |description: &str| json!({ "type": "string", "description": description });
    let required: &[&str] = if is_ours {
        &[
            headers::CE_SPEC_VERSION,
            headers::CE_ID,
            headers::CE_SOURCE,
            headers::CE_TYPE,
            headers::CE_TIME,
            headers::CE_SUBJECT,
            headers::CONTENT_TYPE,
        ]
    } else {
        &[headers::CONTENT_TYPE]
    };
    json!({
        "type": "object",
        "required": required,
        "properties": {
            headers::CE_SPEC_VERSION: { "type": "string", "const": headers::SPEC_VERSION },
            headers::CE_ID: said("The record's own id; a repeated one has the same. Derived, for what Orderstream writes."),
            headers::CE_SOURCE: said("Who wrote it: orderstream/orchestration, or an outsider's own name."),
            headers::CE_TYPE: { "type": "string", "const": headers::type_of(record) },
            headers::CE_TIME: said("When, in RFC 3339."),
            headers::CE_SUBJECT: said("The record's key."),
            headers::CONTENT_TYPE: { "type": "string", "const": headers::AVRO },
            headers::TRACE_PARENT: said("W3C Trace Context, passed on to what follows at once from the record."),
        },
    })
}

fn example_headers(record: &str, is_ours: bool) -> Value {
    let source = if is_ours { "orderstream/orchestration" } else { "acme/crm" };
    json!({
        headers::CE_SPEC_VERSION: headers::SPEC_VERSION,
        headers::CE_ID: "0b4ad2b5-5a0c-5d83-9c35-2f2f1d6a7e11",
        headers::CE_SOURCE: source,
        headers::CE_TYPE: headers::type_of(record),
        headers::CE_TIME: "2026-11-02T08:15:30.000Z",
        headers::CE_SUBJECT: "ACME/POnumber/456",
        headers::CONTENT_TYPE: headers::AVRO,
    })
}

fn product_order() -> Value {
    json!({
        "name": TMF_MESSAGE,
        "title": "TMF622 product order",
        "summary": "A TMF622 product order, version 4 or 5, as TM Forum publishes it.",
        "contentType": headers::JSON,
        "headers": {
            "type": "object",
            "properties": {
                headers::CE_ID: { "type": "string", "description": "The request's id; a repeated request has the same. Without it, equal bytes are one request." },
                headers::CONTENT_TYPE: { "type": "string", "description": "application/json; with tmf622-v4 or tmf622-v5 in it where the document does not show its version." },
                headers::TRACE_PARENT: { "type": "string", "description": "W3C Trace Context." },
            },
        },
        "payload": { "type": "object", "required": ["productOrderItem"], "properties": {
            "externalId": { "description": "The requester's stable reference: text (v4) or a list of identifiers (v5). The order key is made of it." },
            "productOrderItem": { "type": "array", "minItems": 1, "maxItems": domain::limits::ORDER_ITEMS_MAX },
        } },
        "bindings": { "kafka": { "key": { "type": "string", "description": "The order key, as raw UTF-8." }, "bindingVersion": BINDING_VERSION } },
    })
}

fn dead_letter() -> Value {
    let said = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "name": DEAD_LETTER_MESSAGE,
        "title": "Dead letter",
        "summary": "A record that could not be processed: key, value and headers as they came, and headers that say why.",
        "headers": { "type": "object", "properties": {
            runtime::shard::HEADER_KIND: said("record or timer"),
            runtime::shard::HEADER_REASON: said("What is wrong with it."),
            runtime::shard::HEADER_TOPIC: said("Where it lay."),
            runtime::shard::HEADER_PARTITION: said("Where it lay."),
            runtime::shard::HEADER_OFFSET: said("Where it lay."),
            runtime::shard::HEADER_TIMESTAMP_MS: said("When it was produced, in UTC milliseconds."),
            runtime::shard::HEADER_KEY: said("Its key, where that is longer than any may be."),
            runtime::shard::HEADER_LEFT_OUT: said("What of it is not here, since no record may be as large: it lies where it came from."),
        } },
    })
}
