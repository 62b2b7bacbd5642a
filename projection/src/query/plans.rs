//! Every list finds its rows by an index, in both databases: asked of their planners, on tables with enough rows.
use domain::fallout::{FailureDomain, Recoverability, Severity};
use domain::inventory::ProductState;
use domain::order::OrderState;
use domain::order::event::ChargeAction;
use domain::states::Machine as _;
use domain::{CaseId, OrderKey, Timestamp};

use super::*;
use crate::Projection;
use crate::dialect::{Pools, Transaction};
use crate::rows::*;

#[path = "../../tests/projection/postgres.rs"]
mod postgres;

const ROWS: i64 = 20_000;

/// Of the values that a filter can ask for, each has its share of the rows.
fn choice<T: Copy>(all: &[T], number: i64) -> T {
    all[(number.unsigned_abs() as usize * 7) % all.len()]
}

fn order_row(number: i64) -> OrderRow {
    let ended = number % 10 != 0;
    OrderRow {
        key: format!("TMF/{number:06}").as_str().into(),
        state: choice(OrderState::ALL, number),
        shown_state: "inProgress".to_owned(),
        order_version: 1,
        catalog_version: format!("2026.{}", number % 5).as_str().into(),
        requester: format!("requester {}", number % 50),
        external_id: Some(format!("PO-{number}")),
        contract: "tmf622-v4".to_owned(),
        priority: (number % 5) as u32,
        category: None,
        captured_at: At(Timestamp(number * 1_000)),
        updated_at: At(Timestamp((number * 7_919) % ROWS * 1_000)),
        ended_at: ended.then_some(At(Timestamp(number * 1_100))),
        requested_completion: None,
        submission: 1,
        submissions: 1,
        request_id: "r".into(),
        waiting_for: None,
        next_due: None,
        stuck: number % 500 == 0,
        stuck_since: None,
        open_cases: u32::from(number % 100 == 0),
        cases: 0,
        item_count: 1,
        items_completed: 0,
        task_count: 0,
        tasks_done: 0,
        last_sequence: number,
    }
}

fn item_row(number: i64) -> ItemRow {
    ItemRow {
        order_key: format!("TMF/{number:06}").as_str().into(),
        item_id: "1".into(),
        position: 0,
        state: domain::order::ItemState::Pending,
        action: domain::order::ItemAction::Add,
        quantity: 1,
        offering: Some(format!("offering {}", number % 40)),
        offering_name: None,
        specification: None,
        product: None,
        products: JsonText::of(&()),
        parent: None,
        requires: JsonText::of(&()),
        optional: false,
        billable: false,
        characteristics: JsonText::of(&()),
        milestones: JsonText::of(&()),
        reason: None,
        updated_at: At(Timestamp(number)),
    }
}

fn case_row(number: i64) -> CaseRow {
    let order_key = OrderKey::from(format!("TMF/{:06}", number % 4_000).as_str());
    CaseRow {
        id: CaseId::derived(&order_key, "test", &number.to_string()),
        order_key,
        item_id: None,
        task_id: None,
        detection: domain::fallout::Detection::Timeout,
        state: domain::fallout::CaseState::Resolved,
        is_open: number % 20 == 0,
        severity: choice(&[Severity::Low, Severity::Medium, Severity::High, Severity::Critical], number),
        domain: choice(&[FailureDomain::Provisioning, FailureDomain::Billing], number),
        recoverability: choice(&[Recoverability::Terminal, Recoverability::Repairable], number),
        normalized_code: format!("CODE_{}", number % 30),
        owner_group: format!("group {}", number % 8),
        action: String::new(),
        customer_impact: false,
        revenue_impact: false,
        customer_message: None,
        failure_system: format!("system {}", number % 10),
        failure_code: String::new(),
        failure_message: String::new(),
        failure_at: At(Timestamp(number)),
        offering: None,
        catalog_version: None,
        escalated: false,
        assignee: None,
        detected_at: At(Timestamp(number * 1_000)),
        touched_at: At(Timestamp(number)),
        sla_due: None,
        resolved_at: None,
        resolution: None,
        reopened: 0,
        filed: 1,
    }
}

fn product_row(number: i64) -> ProductRow {
    ProductRow {
        id: format!("P-{number}").as_str().into(),
        state: choice(ProductState::ALL, number),
        version: 1,
        offering: Some(format!("offering {}", number % 40)),
        specification: None,
        catalog_version: None,
        characteristics: JsonText::of(&()),
        customer: Some(format!("C-{}", number % 3_000)),
        order_key: format!("TMF/{number:06}").as_str().into(),
        item_id: "1".into(),
        started_at: None,
        terminated_at: None,
        changed_at: At(Timestamp(number * 1_000)),
    }
}

fn billing_row(number: i64) -> BillingIntentRow {
    BillingIntentRow {
        id: format!("{}-{number}", number % 8),
        order_key: format!("TMF/{number:06}").as_str().into(),
        item_id: "1".into(),
        product: None,
        action: choice(&[ChargeAction::Start, ChargeAction::Change, ChargeAction::Stop], number),
        billing_account: Some(format!("BA-{}", number % 2_000)),
        offering: Some(format!("offering {}", number % 40)),
        prices: JsonText::of(&()),
        quantity: 1,
        billing_effective: At(Timestamp(number)),
        commercial_evidence: String::new(),
        at: At(Timestamp(number * 1_000)),
        correlation_id: String::new(),
        causation_id: String::new(),
    }
}

fn notification_row(number: i64) -> NotificationRow {
    NotificationRow {
        id: format!("{}-{number}", number % 8),
        order_key: format!("TMF/{number:06}").as_str().into(),
        audience: choice(&["requester", "customer"], number).to_owned(),
        shown_state: String::new(),
        message: String::new(),
        at: At(Timestamp(number * 1_000)),
        correlation_id: String::new(),
        causation_id: String::new(),
    }
}

async fn fill(projection: &Projection) {
    let mut transaction = projection.pools.write().await.unwrap();
    let numbers = 0..ROWS;
    upsert(&mut transaction, numbers.clone().map(order_row).collect()).await.unwrap();
    upsert(&mut transaction, numbers.clone().map(item_row).collect()).await.unwrap();
    upsert(&mut transaction, numbers.clone().map(case_row).collect()).await.unwrap();
    upsert(&mut transaction, numbers.clone().map(product_row).collect()).await.unwrap();
    upsert(&mut transaction, numbers.clone().map(billing_row).collect()).await.unwrap();
    upsert(&mut transaction, numbers.map(notification_row).collect()).await.unwrap();
    transaction.execute(Statement::new("ANALYZE")).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Every list, by what it is restricted and sorted by; those marked by `true` have an index in the very sequence of the list.
#[rustfmt::skip]
fn lists() -> Vec<(String, Statement, bool)> {
    let mut lists = Vec::new();
    let text = |text: &str| Some(text.to_owned());
    let orders = OrderFilter::default;
    for (sort, descending) in [(OrderSort::CapturedAt, true), (OrderSort::UpdatedAt, false), (OrderSort::Priority, true)] {
        let first = sort == OrderSort::CapturedAt;
        let filters = [
            (OrderFilter { ..orders() }, true),
            (OrderFilter { states: vec![OrderState::Captured], ..orders() }, first),
            (OrderFilter { states: vec![OrderState::Captured, OrderState::Failed], ..orders() }, false),
            (OrderFilter { captured_since: Some(Timestamp((ROWS - 50) * 1_000)), ..orders() }, first),
            (OrderFilter { updated_since: Some(Timestamp((ROWS - 50) * 1_000)), ..orders() }, false),
            (OrderFilter { requester: text("requester 7"), ..orders() }, first),
            (OrderFilter { external_id: text("PO-77"), ..orders() }, false),
            (OrderFilter { catalog_version: Some("2026.1".into()), ..orders() }, first),
            (OrderFilter { offering: text("offering 3"), ..orders() }, false),
            (OrderFilter { stuck: Some(true), ..orders() }, first),
            (OrderFilter { stuck: Some(false), ..orders() }, true),
            (OrderFilter { in_fallout: true, ..orders() }, first),
        ];
        for (filter, sorted) in filters {
            let shown = format!("{filter:?}");
            let half = if sort == OrderSort::Priority { 2 } else { ROWS / 2 * 1_000 };
            let next = OrderFilter { after: Some(format!("{}:{half}:x", sort.column())), ..filter.clone() };
            for filter in [filter, next] {
                let filter = OrderFilter { sort, descending, ..filter };
                lists.push((format!("{sort:?} {shown}"), filter.statement().unwrap(), sorted));
            }
        }
    }
    for after in [None, text("key:0:TMF/010000")] {
        let filter = OrderFilter { sort: OrderSort::Key, after, ..orders() };
        lists.push((format!("{filter:?}"), filter.statement().unwrap(), true));
    }
    let cases = CaseFilter::default;
    let filters = [
        (CaseFilter { ..cases() }, true),
        (CaseFilter { open: Some(true), ..cases() }, true),
        (CaseFilter { order_key: Some("TMF/000007".into()), ..cases() }, true),
        (CaseFilter { severities: vec![Severity::High], ..cases() }, true),
        (CaseFilter { severities: vec![Severity::High, Severity::Low], ..cases() }, false),
        (CaseFilter { domain: Some(FailureDomain::Billing), ..cases() }, true),
        (CaseFilter { recoverability: Some(Recoverability::Terminal), ..cases() }, true),
        (CaseFilter { normalized_code: text("CODE_3"), ..cases() }, true),
        (CaseFilter { owner_group: text("group 3"), ..cases() }, true),
        (CaseFilter { system: text("system 3"), ..cases() }, true),
    ];
    lists.extend(filters.map(|(filter, sorted)| (format!("{filter:?}"), filter.statement().unwrap(), sorted)));
    let products = ProductFilter::default;
    let filters = [
        (ProductFilter { ..products() }, true),
        (ProductFilter { states: vec![ProductState::Active], ..products() }, true),
        (ProductFilter { customer: text("C-7"), ..products() }, true),
        (ProductFilter { offering: text("offering 3"), ..products() }, true),
        (ProductFilter { order_key: Some("TMF/000007".into()), ..products() }, true),
    ];
    lists.extend(filters.map(|(filter, sorted)| (format!("{filter:?}"), filter.statement().unwrap(), sorted)));
    let billing = BillingFilter::default;
    let filters = [
        BillingFilter { ..billing() },
        BillingFilter { order_key: Some("TMF/000007".into()), ..billing() },
        BillingFilter { billing_account: text("BA-7"), ..billing() },
        BillingFilter { offering: text("offering 3"), ..billing() },
        BillingFilter { action: Some(ChargeAction::Stop), ..billing() },
    ];
    lists.extend(filters.map(|filter| (format!("{filter:?}"), filter.statement().unwrap(), true)));
    let notifications = NotificationFilter::default;
    let filters = [
        NotificationFilter { ..notifications() },
        NotificationFilter { order_key: Some("TMF/000007".into()), ..notifications() },
        NotificationFilter { audience: text("customer"), ..notifications() },
    ];
    lists.extend(filters.map(|filter| (format!("{filter:?}"), filter.statement().unwrap(), true)));
    lists
}

/// Whether a step reads a whole table, row by row.
fn reads_all(transaction: &Transaction, step: &str) -> bool {
    match transaction {
        // "SCAN orders USING INDEX ..." walks an index in its sequence, and stops at the end of the page.
        Transaction::Sqlite(_) => step.starts_with("SCAN") && !step.contains("USING"),
        Transaction::Postgres(_) => step.contains("Seq Scan"),
    }
}

fn sorts(transaction: &Transaction, step: &str) -> bool {
    match transaction {
        Transaction::Sqlite(_) => step.contains("USE TEMP B-TREE FOR ORDER BY"),
        Transaction::Postgres(_) => step.trim_start_matches(['-', '>', ' ']).starts_with("Sort"),
    }
}

async fn check(projection: &Projection) {
    fill(projection).await;
    let mut snapshot = projection.pools.snapshot().await.unwrap();
    for (shown, statement, sorted) in lists() {
        let plan = snapshot.explain(statement).await.unwrap();
        let text = plan.join("\n");
        assert!(!plan.iter().any(|step| reads_all(&snapshot, step)), "{shown}\n{text}");
        let sorts = plan.iter().any(|step| sorts(&snapshot, step));
        assert!(!(sorted && sorts), "sorted, where an index has the sequence: {shown}\n{text}");
    }
    // And a column without an index is told apart, or the test would prove nothing.
    let mut unindexed = crate::rows::select::<OrderRow>();
    unindexed.push(" WHERE contract = ").bind("tmf622-v5").push(" ORDER BY request_id, contract");
    let plan = snapshot.explain(unindexed).await.unwrap();
    assert!(plan.iter().any(|step| reads_all(&snapshot, step)), "{plan:?}");
}

#[tokio::test]
async fn every_list_in_an_sqlite_file_finds_its_rows_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let projection = Projection::open_file(&folder.path().join("projection.db")).await.unwrap();
    assert!(matches!(projection.pools, Pools::Sqlite { .. }));
    check(&projection).await;
}

#[tokio::test]
async fn every_list_in_postgresql_finds_its_rows_by_an_index() {
    let server = postgres::server();
    let url = server.url("orderstream", "", &server.database());
    let projection = Projection::open(&url).await.unwrap();
    assert!(matches!(projection.pools, Pools::Postgres { .. }));
    check(&projection).await;
}
