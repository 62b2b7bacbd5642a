//! What is counted and kept beside orders: billing, notifications, health, catalog versions, lag, status.
use domain::Timestamp;
use projection::query::{BillingFilter, NotificationFilter};
use projection::rows::EVENT_TABLES;
use projection::{End, schema_version};
use serde_json::json;

use crate::beside::{self, BILLING, NOTIFICATIONS};
use crate::on_both;
use crate::story::{self, EVENTS, order_records};

#[tokio::test]
async fn billing_notifications_and_health_are_kept_and_found() {
    on_both(async |place| {
        let projection = place.projected(beside::beside()).await;
        let all = projection.billing_intents(BillingFilter::default()).await.unwrap();
        let shown = serde_json::to_value(&all).unwrap();
        assert_eq!(shown.pointer("/rows/0/id"), Some(&json!("0-0")));
        assert_eq!(shown.pointer("/rows/0/action"), Some(&json!("start")));
        assert_eq!(shown.pointer("/rows/0/billingEffective"), Some(&json!("2023-11-14T22:13:20.000Z")));
        let other = BillingFilter { billing_account: Some("BA-2".to_owned()), ..Default::default() };
        assert_eq!(projection.billing_intents(other).await.unwrap().rows, []);
        let mine = BillingFilter {
            order_key: Some(story::key("1")),
            offering: Some("fibre".to_owned()),
            ..Default::default()
        };
        assert_eq!(projection.billing_intents(mine).await.unwrap(), all);
        let first = NotificationFilter { limit: 1, ..Default::default() };
        let page = projection.notifications(first.clone()).await.unwrap();
        assert_eq!((page.rows[0].id.as_str(), page.rows[0].audience.as_str()), ("0-7", "requester"));
        let rest = projection.notifications(NotificationFilter { after: page.next, ..first }).await.unwrap();
        assert_eq!((rest.rows[0].audience.as_str(), rest.next), ("customer", None));
        let health = serde_json::to_value(projection.downstream_health().await.unwrap()).unwrap();
        assert_eq!(health.pointer("/0/circuit"), Some(&json!("halfOpen")), "the last that was said");
        assert_eq!(health.as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_catalog_version_shows_how_many_orders_still_need_it() {
    on_both(async |place| {
        let newer = |event: &mut domain::order::event::OrderEvent| {
            if let domain::order::event::OrderEvent::OrderCaptured(event) = event {
                event.order.catalog_version = "2026.2".into();
            }
        };
        let mut captured = vec![story::captured(&story::key("3"), 60, 1)];
        captured.iter_mut().for_each(newer);
        let events =
            [story::whole(&story::key("1")), story::until_planned(&story::key("2")), captured].concat();
        let projection = place.projected(order_records(0, events)).await;
        let uses = serde_json::to_value(projection.catalog_uses().await.unwrap()).unwrap();
        assert_eq!(
            uses,
            json!([
                {"version": "2026.1", "openOrders": 1, "orders": 2},
                {"version": "2026.2", "openOrders": 1, "orders": 1},
            ])
        );
    })
    .await;
}

#[tokio::test]
async fn lag_is_what_lies_between_a_position_and_an_end() {
    on_both(async |place| {
        let projection = place.projected(beside::beside()).await;
        let end = |topic: &str, partition, end_offset| End { topic: topic.to_owned(), partition, end_offset };
        let ends = [end(NOTIFICATIONS, 0, 12), end(BILLING, 0, 1), end(EVENTS, 3, 7)];
        let lag = projection.lag(&ends).await.unwrap();
        let found: Vec<_> =
            lag.iter().map(|lag| (lag.next_offset, lag.records, lag.applied_at.is_some())).collect();
        assert_eq!(found, [(9, 3, true), (1, 0, true), (0, 7, false)]);
        assert_eq!(projection.noted_ends().await.unwrap(), None);
        projection.note_ends(&ends, Timestamp(5)).await.unwrap();
        projection.note_ends(&ends[..1], Timestamp(9)).await.unwrap();
        let (mut noted, seen_at) = projection.noted_ends().await.unwrap().unwrap();
        noted.sort_by_key(|end| end.end_offset);
        assert_eq!((noted, seen_at), (vec![ends[1].clone(), ends[2].clone(), ends[0].clone()], Timestamp(9)));
    })
    .await;
}

#[tokio::test]
async fn the_status_tells_version_rows_and_bytes() {
    on_both(async |place| {
        let records = [order_records(0, story::whole(&story::key("7"))), beside::beside()].concat();
        let projection = place.projected(records).await;
        let status = projection.status().await.unwrap();
        assert_eq!(status.schema_version, schema_version());
        assert!(status.bytes > 100_000, "{status:?}");
        let rows = |name: &str| status.tables.iter().find(|table| table.table == name).unwrap().rows;
        assert_eq!((rows("orders"), rows("tasks"), rows("notifications")), (1, 2, 2));
        for table in EVENT_TABLES {
            assert!(rows(table) > 0, "{table} has rows in this story");
            assert_eq!(projection.lines(table).await.unwrap().len() as i64, rows(table));
        }
        let error = projection.lines("orders; DROP TABLE orders").await.unwrap_err().to_string();
        assert_eq!(error, "there is no table \"orders; DROP TABLE orders\"");
    })
    .await;
}
