//! Text that means something to a database, a terminal or nobody.
use domain::OrderKey;
use domain::limits::ORDER_KEY_BYTES_MAX;
use domain::order::event::{FeedbackIgnored, IgnoredBecause, OrderEvent, OrderStateChanged};
use domain::order::{OrderState, OrderTrigger};
use projection::Projection;
use projection::query::OrderFilter;
use projection::rows::INDEXED_TEXT_BYTES_MAX;
use proptest::prelude::*;

use crate::story::{self, cause, order_records};
use crate::{Place, on_both};

/// An order in which every text that comes from outside is this one, and back.
async fn survives(projection: &Projection, text: &str) {
    // A longer key is refused at the door; any other text is shown with the order that is refused for it.
    let key = OrderKey(format!("{}/key", &text[..text.floor_char_boundary(ORDER_KEY_BYTES_MAX - 4)]));
    let cut = &text[..text.floor_char_boundary(INDEXED_TEXT_BYTES_MAX)];
    let mut events = story::until_planned(&key);
    for event in &mut events {
        if let OrderEvent::OrderCaptured(event) = event {
            name_all(&mut event.order, text);
        } else if let OrderEvent::OrderValidated(event) = event {
            name_all(&mut event.order, text);
        } else if let OrderEvent::OrderDecomposed(event) = event {
            name_all(&mut event.order, text);
            event.plan.items.retain(|item| item.item_id.as_str() == "2");
        }
    }
    let waiting = OrderStateChanged {
        cause: cause(&key, 50),
        order_version: 1,
        from: OrderState::Decomposed,
        to: OrderState::Scheduled,
        trigger: OrderTrigger::StartAwaited,
        reason: Some(text.to_owned()),
        waiting_for: Some(text.to_owned()),
        next_due: None,
    };
    events.push(waiting.into());
    events.push(ignored(&key, text));
    // Each text on a topic of its own, so that one database takes all of them.
    let mut records = order_records(0, events);
    records.iter_mut().for_each(|record| record.topic = text.to_owned());
    projection.apply(records).await.unwrap();
    let view = projection.order(&key).await.unwrap().expect("the order is found by its key");
    assert_eq!(view.order.key, key);
    assert_eq!(view.order.requester, cut);
    assert_eq!(view.order.waiting_for.as_deref(), Some(text));
    assert_eq!(view.items[0].offering.as_deref(), Some(cut));
    assert_eq!(view.items[0].item_id.as_str(), cut);
    let snapshot = projection.submission(&key, 1).await.unwrap().unwrap().snapshot.value();
    assert_eq!(snapshot["requester"], text, "the snapshot has all of it");
    assert_eq!(view.items[0].characteristics.value()[text], text);
    assert!(view.history.iter().all(|row| row.summary.chars().count() <= 501));
    let changed = view.history.iter().find(|row| row.name == "OrderStateChanged").unwrap();
    assert_eq!(changed.details.value()["reason"], text);
    let mine = OrderFilter {
        offering: Some(text.to_owned()),
        requester: Some(text.to_owned()),
        ..Default::default()
    };
    assert_eq!(projection.orders(mine).await.unwrap().rows, std::slice::from_ref(&view.order));
    let none = OrderFilter { requester: Some(format!("'{text}")), ..Default::default() };
    assert_eq!(projection.orders(none).await.unwrap().rows, []);
}

fn name_all(order: &mut domain::order::Order, text: &str) {
    order.requester = text.to_owned();
    order.external_id = Some(text.to_owned());
    let item = &mut order.items[0];
    item.id = text.into();
    item.offering.as_mut().unwrap().id = text.to_owned();
    item.characteristics[0].name = text.to_owned();
    item.characteristics[0].value = text.into();
}

fn ignored(key: &OrderKey, text: &str) -> OrderEvent {
    FeedbackIgnored {
        cause: cause(key, 51),
        feedback_id: text.into(),
        command_id: story::command(story::access(key)),
        system: text.to_owned(),
        because: IgnoredBecause::NotOurs,
    }
    .into()
}

#[tokio::test]
async fn hostile_text_survives() {
    on_both(async |place| {
        let long = "\u{1F4A9}ä\"'".repeat(20_000);
        let texts = [
            "'; DROP TABLE orders; --",
            "\"quoted\"",
            "%_?:1 $1 ?1",
            "\u{1F9D1}\u{200D}\u{1F680}",
            "e\u{301}",
            "\u{202E}abc",
            "line\r\nbreak\ttab",
            "nul\0inside",
            "\\u0000 \\",
            " ",
            long.as_str(),
        ];
        let projection = place.open().await;
        for text in texts {
            survives(&projection, text).await;
        }
    })
    .await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_text_survives(text in "\\PC{1,40}|.{1,40}|[\\x00\\x1A01]{1,6}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for place in Place::both() {
                survives(&place.open().await, &text).await;
            }
        });
    }
}
