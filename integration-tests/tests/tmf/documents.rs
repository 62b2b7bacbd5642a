//! What is written at every moment of an order's life is what TM Forum defines.
use std::collections::{BTreeMap, BTreeSet};

use connectors::upstream::{Generator, Submission};
use domain::Timestamp;
use domain::inventory::ProductState;
use domain::order::{ItemAction, ItemState, OrderState};
use domain::plan::ServiceOrderState;
use domain::states::Machine;
use integration_tests::scenario::file::{Step, Then};
use integration_tests::scenario::{Scenario, World, file, shipped_catalog};
use proptest::prelude::*;
use runtime::Record;
use schemas::codec::Codec;
use schemas::tmf::out::{Version, states};
use schemas::topics;

use crate::definitions::{self, words};
use crate::seen::{Seen, Written, ran};

/// At so many moments of a run the orders are looked at.
const MOMENTS: usize = 5;
/// Orders of one generated run.
const ORDERS: u32 = 4;

/// What becomes of everything that is written while these records come in; and in which states orders were seen.
async fn written(scenario: &Scenario) -> (Written, BTreeSet<OrderState>) {
    let (world, outcome) = ran(scenario);
    let (seen, mut written, mut states) = (Seen::new().await, Written::default(), BTreeSet::new());
    let every = outcome.records.len().div_ceil(MOMENTS).max(1);
    let mut count = 0;
    // A rejection that is corrected is over before long: whatever the moments are, it is one of them.
    let moments = outcome.records.split_inclusive(|record| {
        count += 1;
        count % every == 0 || is_rejection(world.codec(), record)
    });
    for records in moments {
        seen.apply(world.codec(), records).await;
        for answer in seen.answers().await {
            written.take(&answer);
            states.insert(answer.view.order.state);
        }
    }
    (written, states)
}

fn is_rejection(codec: &Codec, record: &Record) -> bool {
    let value = record.value.as_deref().filter(|_| &*record.topic == topics::ORDER_EVENTS);
    value.is_some_and(|value| codec.record_name(value).unwrap() == "OrderRejected")
}

#[tokio::test]
async fn every_scenario_is_written_as_tm_forum_defines_it_at_every_moment() {
    let (mut documents, mut states) = (0, BTreeSet::new());
    for (name, scenario) in file::all().unwrap() {
        let (written, seen) = written(&scenario).await;
        assert!(written.faults.is_empty(), "{name}: {:#?}", written.faults);
        documents += written.documents;
        states.extend(seen);
    }
    assert!(documents > 500, "only {documents} documents were written");
    for state in [OrderState::Rejected, OrderState::InProgress, OrderState::Completed, OrderState::Failed] {
        assert!(states.contains(&state), "no order was seen {state:?}");
    }
    assert!(states.contains(&OrderState::PartiallyCompleted), "no order was seen partially completed");
}

/// A run of generated orders, some of them invalid, in which downstream answers anything at all.
pub fn generated(seed: u64, answers: BTreeMap<String, Vec<String>>) -> Scenario {
    let start = "2026-11-02T08:00:00Z";
    let settings = connectors::upstream::Settings {
        seed,
        orders: ORDERS,
        fault_rate: 0.0,
        base_time: Timestamp::parse(start).unwrap(),
        future_start_ms_max: 3_600_000,
        outages: false,
        only: None,
    };
    let generator = Generator::new(settings, Vec::new()).unwrap();
    let step = |submission: Submission| {
        let contract = if submission.media_type.contains("v4") { "v4" } else { "v5" };
        Some(Step {
            wait_ms: 1_000,
            contract: contract.to_owned(),
            request_id: Some(submission.request_id.0),
            submit: String::from_utf8(submission.body).ok()?,
        })
    };
    Scenario {
        name: "generated".to_owned(),
        source: format!("seed {seed}"),
        start: start.to_owned(),
        limit_hours: 200,
        answers,
        given: Vec::new(),
        when: generator.submissions().filter_map(step).collect(),
        then: Then { order: Vec::new(), dead_letters: 0 },
        never: Vec::new(),
    }
}

fn any_answers() -> impl Strategy<Value = BTreeMap<String, Vec<String>>> {
    let catalog = shipped_catalog().unwrap();
    let commands: BTreeSet<String> = catalog.task_types.values().map(|it| it.command.clone()).collect();
    let commands: Vec<String> = commands.into_iter().collect();
    let word = prop::sample::select(vec![
        "completed",
        "partial+completed",
        "silence",
        "lost",
        "failed:SERVICE_UNAVAILABLE",
        "failed:ADDRESS_REJECTED",
        "failed:NO_PORT_AVAILABLE",
        "failed:VALIDATION_FAILED",
        "failed:no such code",
    ]);
    let words = prop::collection::vec(word.prop_map(str::to_owned), 1..4);
    prop::collection::btree_map(prop::sample::select(commands), words, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_is_written_as_tm_forum_defines_it_whatever_downstream_answers(seed in any::<u64>(), answers in any_answers()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (written, _) = runtime.block_on(written(&generated(seed, answers)));
        prop_assert!(written.documents > 0);
        prop_assert!(written.faults.is_empty(), "{:#?}", written.faults);
    }
}

#[test]
fn every_state_of_ours_is_a_state_of_the_standard() {
    for version in Version::ALL {
        let (orders, products) = (definitions::tmf622(version), definitions::tmf637(version));
        let (of_order, of_item) =
            (words(orders, "ProductOrderStateType"), words(orders, "ProductOrderItemStateType"));
        for order in OrderState::ALL {
            assert!(of_order.contains(&states::order(*order).to_owned()), "{version:?} {order:?}");
            for item in ItemState::ALL {
                assert!(
                    of_item.contains(&states::item(*order, *item).to_owned()),
                    "{version:?} {order:?} {item:?}"
                );
            }
        }
        let of_product = words(products, "ProductStatusType");
        for state in ProductState::ALL {
            assert!(of_product.contains(&states::product(*state).to_owned()), "{version:?} {state:?}");
        }
    }
    let service_orders = &definitions::TMF641;
    let (of_order, of_item) =
        (words(service_orders, "ServiceOrderStateType"), words(service_orders, "ServiceOrderItemStateType"));
    let of_service = words(service_orders, "ServiceStateType");
    for state in ServiceOrderState::ALL {
        let word = states::service_order(*state).to_owned();
        assert!(of_order.contains(&word) && of_item.contains(&word), "{state:?}");
        for action in [ItemAction::Add, ItemAction::Modify, ItemAction::Delete, ItemAction::NoChange] {
            assert!(of_service.contains(&states::service(action, *state).to_owned()), "{action:?} {state:?}");
        }
    }
}
