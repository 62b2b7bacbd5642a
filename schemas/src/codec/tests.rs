use domain::OrderKey;
use domain::Timestamp;
use domain::command::*;
use domain::downstream::*;
use domain::inventory::*;
use domain::order::event::*;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::contracts::Contract;
use crate::heartbeat::Heartbeat;
use crate::own::OrderRequest;
use crate::registry::{LocalIds, subject};
use crate::testing;
use domain::catalog::CatalogPublished;

fn codec() -> Codec {
    Codec::new(Arc::new(LocalIds::in_memory()))
}

fn contract_of(name: &str) -> &'static Contract {
    contracts::all().iter().copied().find(|contract| contract.name == name).unwrap()
}

fn check<T: Recorded + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(codec: &Codec) {
    let contract = contract_of(T::NAME);
    testing::check_type::<T>(contract);
    let topic = topics::carrying(T::NAME).next().unwrap().name;
    for round in 0..6 {
        let sample = testing::sample(contract, round);
        let value: T = serde_json::from_value(sample.clone()).unwrap();
        let bytes = codec.encode(topic, &value).unwrap();
        let counted = domain::size::encoded_bytes_max(&value) + frame::FRAME_BYTES;
        assert!(
            (bytes.len()..=bytes.len() * 5 / 4).contains(&counted),
            "{}: {} bytes, counted as {counted}",
            T::NAME,
            bytes.len()
        );
        assert_eq!(codec.decode::<T>(&bytes).unwrap(), value);
        assert_eq!(codec.record_name(&bytes).unwrap(), T::NAME);
        assert_eq!(codec.decode_shown(&bytes).unwrap(), (T::NAME, sample));
    }
    let example = crate::examples::example(contract);
    let value: T = serde_json::from_value(example.clone()).unwrap_or_else(|e| panic!("{}: {e}", T::NAME));
    let bytes = codec.encode(topic, &value).unwrap();
    assert_eq!(codec.decode_shown(&bytes).unwrap(), (T::NAME, example), "the example of the documentation");
}

macro_rules! check_all {
    ($codec:expr, $($name:ident)+) => {{
        $(check::<$name>($codec);)+
        [$($name::NAME,)+]
    }};
}

macro_rules! encoded_as {
    ($codec:expr, $contract:expr, $round:expr, $($name:ident)+) => {
        match $contract.name.as_str() {
            $($name::NAME => {
                let value: $name = serde_json::from_value(testing::sample($contract, $round)).unwrap();
                $codec.encode("topic", &value).unwrap()
            })+
            name => panic!("{name} is not listed"),
        }
    };
}

/// The bytes of a sample.
fn encoded(codec: &Codec, contract: &Contract, round: usize) -> Vec<u8> {
    encoded_as!(
        codec, contract, round,
        OrderRequest OrderCaptured RequestIgnored OrderValidated OrderRejected RevisionRefused FeasibilityAsked
        FeasibilityUnanswered OrderDecomposed DecompositionFailed OrderStateChanged ItemStateChanged TaskStateChanged
        ServiceOrderStateChanged MilestoneReached FeedbackIgnored WaitFailed FalloutDetected FalloutClassified FalloutResolved
        OrderMarkedStuck OrderSignal BillingIntent Notification Command Feedback ProductRequest ProductChanged
        ProductReportRefused DownstreamObserved DownstreamHealth CatalogPublished Heartbeat
    )
}

#[test]
fn every_record_type_is_written_and_read_by_its_contract() {
    let checked = check_all!(
        &codec(),
        OrderRequest OrderCaptured RequestIgnored OrderValidated OrderRejected RevisionRefused FeasibilityAsked
        FeasibilityUnanswered OrderDecomposed DecompositionFailed OrderStateChanged ItemStateChanged TaskStateChanged
        ServiceOrderStateChanged MilestoneReached FeedbackIgnored WaitFailed FalloutDetected FalloutClassified FalloutResolved
        OrderMarkedStuck OrderSignal BillingIntent Notification Command Feedback ProductRequest ProductChanged
        ProductReportRefused DownstreamObserved DownstreamHealth CatalogPublished Heartbeat
    );
    for (name, _) in contracts::SOURCES {
        assert!(checked.contains(name), "{name} is not checked");
    }
    assert!(OrderEvent::NAMES.iter().all(|name| checked.contains(name)));
}

fn stuck() -> OrderMarkedStuck {
    let contract = contract_of("OrderMarkedStuck");
    serde_json::from_value(testing::sample(contract, 2)).unwrap()
}

fn observed() -> DownstreamObserved {
    let order_key = OrderKey::from("k");
    let kind = ObservationKind::Answered;
    DownstreamObserved { system: "a".into(), kind, order_key, task_id: None, priority: 1, at: Timestamp(5) }
}

#[test]
fn events_are_told_apart_by_their_schema() {
    let codec = codec();
    let event = OrderEvent::from(stuck());
    let bytes = codec.encode_event(&event).unwrap();
    assert_eq!(bytes[0], 0);
    assert_eq!(codec.decode_event(&bytes).unwrap(), event);
    let other = codec.encode(topics::DOWNSTREAM_OBSERVATIONS, &observed()).unwrap();
    assert!(matches!(codec.decode_event(&other), Err(Error::RecordOther { .. })));
    assert!(matches!(codec.decode::<Command>(&bytes), Err(Error::RecordOther { .. })));
}

/// The contract of `DownstreamObserved`, changed, and an id for it.
fn changed(ids: &dyn SchemaIds, change: impl FnOnce(&mut Value)) -> (u32, &'static Contract) {
    let mut json: Value = serde_json::from_str(&contract_of("DownstreamObserved").json).unwrap();
    change(&mut json);
    let contract = Contract::keep(&json.to_string()).unwrap();
    (ids.id_of(&subject(topics::DOWNSTREAM_OBSERVATIONS, contract), &contract.json).unwrap(), contract)
}

fn framed(id: u32, contract: &Contract, value: &impl Serialize) -> Vec<u8> {
    let mut bytes = frame::head(id).to_vec();
    contract.writer.write_ser(&mut bytes, value).unwrap();
    bytes
}

#[test]
fn newer_and_older_writers_are_read() {
    let ids = Arc::new(LocalIds::in_memory());
    let codec = Codec::new(ids.clone());
    let (id, newer) = changed(ids.as_ref(), |json| {
        let field = json!({ "name": "region", "type": "string", "default": "north" });
        json["fields"].as_array_mut().unwrap().insert(1, field);
    });
    assert_eq!(codec.decode::<DownstreamObserved>(&framed(id, newer, &observed())).unwrap(), observed());

    let (id, older) = changed(ids.as_ref(), |json| {
        json["fields"].as_array_mut().unwrap().retain(|f| f["name"] != "taskId")
    });
    #[derive(Serialize)]
    struct Older {
        system: &'static str,
        kind: ObservationKind,
        #[serde(rename = "orderKey")]
        order_key: &'static str,
        priority: u8,
        at: i64,
    }
    let value = Older { system: "a", kind: ObservationKind::Answered, order_key: "k", priority: 1, at: 5 };
    assert_eq!(codec.decode::<DownstreamObserved>(&framed(id, older, &value)).unwrap(), observed());
}

#[test]
fn what_cannot_be_read_is_an_error_that_says_so() {
    let ids = Arc::new(LocalIds::in_memory());
    let codec = Codec::new(ids.clone());
    let said = |bytes: &[u8]| codec.decode::<DownstreamObserved>(bytes).unwrap_err().to_string();

    assert!(said(b"").contains("no framed record"));
    assert!(said(b"{\"json\": 1}").contains("no framed record"));
    assert!(said(&[0, 0, 0, 0, 99, 1]).contains("could not learn about a schema"));
    assert!(said(&vec![0; RECORD_BYTES_MAX + 1]).contains("larger than"));

    let foreign =
        ids.id_of("s", r#"{"type": "record", "name": "X", "namespace": "com.other", "fields": []}"#).unwrap();
    assert!(said(&frame::head(foreign)).contains("not of the namespace"));
    let unknown = ids
        .id_of("s", r#"{"type": "record", "name": "X", "namespace": "io.orderstream", "fields": [{"name": "a", "type": "long"}]}"#)
        .unwrap();
    let newer = said(&frame::head(unknown));
    assert!(newer.contains("record \"X\", which is not read here"), "{newer}");
    let broken = ids.id_of("s", "no schema").unwrap();
    assert!(said(&frame::head(broken)).contains("none of ours"));

    // A symbol that a newer writer added becomes the default of the enum, which no type of ours takes by mistake.
    let (id, newer) = changed(ids.as_ref(), |json| {
        let symbols = json["fields"][1]["type"]["symbols"].as_array_mut().unwrap();
        symbols.insert(0, json!("guessed"));
    });
    let bytes = framed(
        id,
        newer,
        &Guessed { system: "a", kind: Kind::Guessed, order_key: "k", task_id: None, priority: 1, at: 5 },
    );
    assert!(said(&bytes).contains("UNKNOWN"), "{}", said(&bytes));

    let mut trailing = codec.encode(topics::DOWNSTREAM_OBSERVATIONS, &observed()).unwrap();
    trailing.push(0);
    assert!(said(&trailing).contains("ends 1 bytes before"));
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Guessed,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Guessed {
    system: &'static str,
    kind: Kind,
    order_key: &'static str,
    task_id: Option<String>,
    priority: u8,
    at: i64,
}

#[test]
fn a_record_beyond_the_limit_is_not_written() {
    let mut large = stuck();
    large.cause.actor = "a".repeat(RECORD_BYTES_MAX);
    assert!(matches!(codec().encode_event(&large.into()), Err(Error::TooLarge { .. })));
}

#[test]
fn states_are_kept_under_the_names_of_processor_and_record() {
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct CommandIndex {
        task_id: String,
    }
    let states = StateCodec::new(Arc::new(LocalIds::in_memory()));
    let index = CommandIndex { task_id: "t".into() };
    let bytes = states.encode_state("orchestration.CommandIndex", &index).unwrap();
    assert_eq!(states.decode_state::<CommandIndex>("orchestration.CommandIndex", &bytes).unwrap(), index);
    assert!(matches!(
        states.decode_state::<CommandIndex>("orchestration.Head", &bytes),
        Err(Error::RecordOther { .. })
    ));
    assert!(states.knows("orchestration.Head") && !states.knows("Head"));
    assert!(matches!(states.encode_state("Other", &index), Err(Error::StateUnknown { .. })));
    testing::check_state::<CommandIndex>("orchestration.CommandIndex");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_the_codec_panic(record in 0..contracts::SOURCES.len(), round in 0..6_usize, edits in prop::collection::vec((any::<u16>(), any::<u8>()), 1..8), cut in any::<u16>()) {
        let codec = codec();
        let contract = contracts::all()[record];
        let mut bytes = encoded(&codec, contract, round);
        for (at, byte) in edits {
            let at = frame::FRAME_BYTES + at as usize % (bytes.len() - frame::FRAME_BYTES);
            bytes[at] = byte;
        }
        let _ = codec.decode_shown(&bytes);
        bytes.truncate(frame::FRAME_BYTES + cut as usize % (bytes.len() - frame::FRAME_BYTES));
        prop_assert!(codec.decode_shown(&bytes).is_err(), "a shortened record is never a record");
    }
}
