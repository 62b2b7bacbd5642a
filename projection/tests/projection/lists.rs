//! Lists: filters, sorting and pages.
use domain::order::{OrderState, OrderTrigger};
use domain::{OrderKey, Timestamp};
use projection::Projection;
use projection::query::{CaseFilter, OrderFilter, OrderSort};

use crate::story::{self, STARTED_AT, order_records};
use crate::{Place, on_both};

/// Orders "a" to "e": completed, stuck with an open case, planned, captured, captured.
async fn five(place: &Place) -> Projection {
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(story::key);
    let stuck = [story::until_planned(&b), story::until_stuck(&b)].concat();
    let captured = vec![story::captured(&d, 60, 1), story::captured(&e, 60, 1)];
    place
        .projected(order_records(0, [story::whole(&a), stuck, story::until_planned(&c), captured].concat()))
        .await
}

fn names(keys: impl Iterator<Item = OrderKey>) -> String {
    keys.map(|key| key.0.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn each_filter_restricts_and_each_page_goes_on_where_the_last_ended() {
    on_both(async |place| {
        let projection = five(place).await;
        let at = |seconds: i64| Some(Timestamp(STARTED_AT + seconds * 1_000));
        let all = OrderFilter::default;
        let rows = [
            (all(), "abcde"),
            (OrderFilter { states: vec![OrderState::Captured, OrderState::Completed], ..all() }, "ade"),
            (OrderFilter { captured_since: at(60), ..all() }, "de"),
            (OrderFilter { updated_since: at(40), ..all() }, "ade"),
            (OrderFilter { requester: Some("TMF".to_owned()), ..all() }, "abcde"),
            (OrderFilter { requester: Some("other".to_owned()), ..all() }, ""),
            (OrderFilter { external_id: Some("PO-7".to_owned()), stuck: Some(false), ..all() }, "acde"),
            (OrderFilter { stuck: Some(true), ..all() }, "b"),
            (OrderFilter { in_fallout: true, ..all() }, "b"),
            (OrderFilter { offering: Some("mail".to_owned()), ..all() }, "abcde"),
            (OrderFilter { offering: Some("mails".to_owned()), ..all() }, ""),
            (OrderFilter { descending: true, ..all() }, "edcba"),
            (OrderFilter { sort: OrderSort::UpdatedAt, ..all() }, "cbade"),
            (OrderFilter { sort: OrderSort::Priority, descending: true, ..all() }, "edcba"),
            (OrderFilter { sort: OrderSort::Key, ..all() }, "abcde"),
            (OrderFilter { sort: OrderSort::Key, descending: true, stuck: Some(false), ..all() }, "edca"),
        ];
        for (filter, expected) in rows {
            for limit in [0, 1, 2, 5] {
                let shown = all_pages(&projection, OrderFilter { limit, ..filter.clone() }).await;
                assert_eq!(shown, expected, "{filter:?}, {limit} per page");
            }
        }
    })
    .await;
}

async fn all_pages(projection: &Projection, mut filter: OrderFilter) -> String {
    let mut shown = String::new();
    loop {
        let page = projection.orders(filter.clone()).await.unwrap();
        assert!(filter.limit == 0 || page.rows.len() <= filter.limit);
        shown.push_str(&names(page.rows.into_iter().map(|row| row.key)));
        let Some(next) = page.next else { return shown };
        filter.after = Some(next);
    }
}

#[tokio::test]
async fn cases_are_found_by_what_they_are() {
    on_both(async |place| {
        use domain::fallout::{FailureDomain, Recoverability, Severity};
        let projection = five(place).await;
        let all = CaseFilter::default;
        let rows = [
            (all(), 2),
            (CaseFilter { open: Some(true), ..all() }, 1),
            (CaseFilter { order_key: Some(story::key("a")), ..all() }, 1),
            (CaseFilter { severities: vec![Severity::Critical, Severity::Low], ..all() }, 2),
            (CaseFilter { severities: vec![Severity::Low], ..all() }, 0),
            (CaseFilter { domain: Some(FailureDomain::Provisioning), ..all() }, 2),
            (CaseFilter { recoverability: Some(Recoverability::Terminal), ..all() }, 0),
            (CaseFilter { normalized_code: Some("PORT_BUSY".to_owned()), ..all() }, 2),
            (
                CaseFilter { owner_group: Some("network operations".to_owned()), open: Some(false), ..all() },
                1,
            ),
            (CaseFilter { system: Some("billing".to_owned()), ..all() }, 0),
        ];
        for (filter, expected) in rows {
            let page = projection.cases(filter.clone()).await.unwrap();
            assert_eq!(page.rows.len(), expected, "{filter:?}");
        }
        let first = projection.cases(CaseFilter { limit: 1, ..all() }).await.unwrap();
        let second =
            projection.cases(CaseFilter { limit: 1, after: first.next.clone(), ..all() }).await.unwrap();
        assert_ne!(first.rows[0].id, second.rows[0].id);
        assert_eq!(second.next, None);
    })
    .await;
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    on_both(async |place| {
        let projection = five(place).await;
        let filter = OrderFilter { after: Some("detected_at:1:x".to_owned()), ..Default::default() };
        let error = projection.orders(filter).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "\"detected_at:1:x\" is no cursor of this list; take the one that came with the page before"
        );
    })
    .await;
}

/// The names on all pages, one after the other; before each page but the first, something is written, from an offset on.
async fn pages_under_writes(
    projection: &Projection,
    sort: OrderSort,
    descending: bool,
    offset: &mut i64,
) -> Vec<String> {
    let mut filter = OrderFilter { sort, descending, limit: 7, ..OrderFilter::default() };
    let mut shown = Vec::new();
    loop {
        let page = projection.orders(filter.clone()).await.unwrap();
        shown.extend(page.rows.into_iter().map(|row| row.key.0.rsplit('/').next().unwrap().to_owned()));
        let Some(next) = page.next else { return shown };
        filter.after = Some(next);
        // Others come, before and behind the place of the cursor; and some that are there move, those on it among them.
        let last = shown.last().unwrap().clone();
        let mut events = vec![
            story::captured(&story::key(&format!("early {offset}")), 1, 1),
            story::captured(&story::key(&format!("late {offset}")), 5_000, 1),
        ];
        for name in ["00", last.as_str(), "39"] {
            let (from, to) = (OrderState::Captured, OrderState::InProgress);
            events.push(story::order_moved(
                &story::key(name),
                6_000 + *offset,
                from,
                to,
                OrderTrigger::Started,
            ));
        }
        projection.apply(order_records(*offset, events)).await.unwrap();
        *offset += 10;
    }
}

#[tokio::test]
async fn what_is_there_all_the_time_is_on_one_page_whatever_is_written_between_the_pages() {
    on_both(async |place| {
        let names: Vec<String> = (0..40).map(|number| format!("{number:02}")).collect();
        let captured = names.iter().zip(100..).map(|(name, at)| story::captured(&story::key(name), at, 1));
        place.projected(order_records(0, captured.collect())).await.close().await;
        let projection = place.open().await;
        let mut offset = 10_000;
        let sorts =
            [(OrderSort::CapturedAt, false), (OrderSort::CapturedAt, true), (OrderSort::Priority, false)];
        for (sort, descending) in sorts {
            let shown = pages_under_writes(&projection, sort, descending, &mut offset).await;
            for name in &names {
                let times = shown.iter().filter(|shown| *shown == name).count();
                assert_eq!(times, 1, "{name}, by {sort:?}, descending {descending}");
            }
        }
        assert!(offset > 10_100, "something was written between the pages");
        // What moves goes to the end of the list by its last move: shown again there, and never missed.
        let shown = pages_under_writes(&projection, OrderSort::UpdatedAt, false, &mut offset).await;
        assert!(names.iter().all(|name| shown.contains(name)));
    })
    .await;
}
