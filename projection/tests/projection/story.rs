//! One order from capture to completion, by hand: two submissions, a question downstream, a failure with its case, a silence.
use domain::fallout::{
    CaseState, Classification, Detection, FailureDomain, FalloutCase, Recoverability, Severity,
};
use domain::order::event::*;
use domain::order::{
    Characteristic, Dates, ItemAction, ItemState, ItemTrigger, OfferingRef, Order, OrderItem, OrderState,
    OrderTrigger, Priority, Values,
};
use domain::plan::{
    ExecutionMode, Failure, Plan, PlannedInput, PlannedItem, PlannedTask, ServiceOrder, ServiceOrderKind,
    ServiceOrderState, ServiceOrderTrigger, TaskState, TaskTrigger,
};
use domain::{
    CaseId, CommandId, ItemId, Json, OrderKey, Reason, ReasonCode, ServiceOrderId, TaskId, Timestamp,
};
use projection::{Applied, Projected};

pub const EVENTS: &str = "orderstream.order.events";
pub const STARTED_AT: i64 = 1_700_000_000_000;

pub fn key(name: &str) -> OrderKey {
    OrderKey::from_reference("TMF", "POnumber", name)
}

pub fn cause(key: &OrderKey, seconds: i64) -> Cause {
    Cause {
        order_key: key.clone(),
        at: Timestamp(STARTED_AT + seconds * 1_000),
        correlation_id: format!("request of {key}"),
        causation_id: format!("record {seconds}"),
        actor: "processor test".to_owned(),
    }
}

pub fn order(key: &OrderKey, submission: u32) -> Order {
    let item = |id: &str, offering: &str| OrderItem {
        id: id.into(),
        action: ItemAction::Add,
        quantity: 1,
        offering: Some(OfferingRef { id: offering.to_owned(), name: None, pointer: "/o".to_owned() }),
        specification: None,
        product: None,
        characteristics: vec![Characteristic {
            name: "speed".to_owned(),
            value: Json::try_from("1.10".to_owned()).unwrap(),
            pointer: String::new(),
        }],
        parent: None,
        relationships: Vec::new(),
        prices: Vec::new(),
        billing_account: None,
        pointer: format!("/productOrderItem/{id}"),
        carried: None,
    };
    Order {
        key: key.clone(),
        request_id: format!("{key}#{submission}").as_str().into(),
        order_version: 1,
        revision: None,
        catalog_version: "2026.1".into(),
        contract: "tmf622-v4".to_owned(),
        requester: "TMF".to_owned(),
        external_id: Some("PO-7".to_owned()),
        category: None,
        description: None,
        priority: Priority::new(1).unwrap(),
        channel: None,
        dates: Dates::default(),
        billing_account: None,
        parties: Vec::new(),
        notes: Vec::new(),
        items: vec![item("1", "fibre"), item("2", "mail")],
        follows: Vec::new(),
        carried: None,
    }
}

pub fn captured(key: &OrderKey, seconds: i64, submission: u32) -> OrderEvent {
    let evidence =
        Evidence { media_type: "application/json".to_owned(), digest: "d".to_owned(), size_bytes: 3 };
    let (cause, order) = (cause(key, seconds), order(key, submission));
    OrderCaptured { cause, submission, order, findings: Vec::new(), evidence }.into()
}

pub fn access(key: &OrderKey) -> TaskId {
    TaskId::derived(key, &"1".into(), "access", "activateAccess")
}

pub fn router(key: &OrderKey) -> TaskId {
    TaskId::derived(key, &"1".into(), "router", "configureRouter")
}

pub fn command(task: TaskId) -> CommandId {
    CommandId::derived(task, ExecutionMode::Do, 1)
}

pub fn service_order(key: &OrderKey) -> ServiceOrderId {
    ServiceOrderId::derived(key, &"1".into(), "cfsAccess", 1)
}

pub fn plan(key: &OrderKey) -> Plan {
    let input = |from: &TaskId| PlannedInput {
        name: "ip".to_owned(),
        value: None,
        task: Some(*from),
        output: Some("ipAddress".to_owned()),
    };
    let task = |id: TaskId, component: &str, task_type: &str, predecessors: Vec<TaskId>| PlannedTask {
        id,
        item_id: "1".into(),
        component: component.to_owned(),
        task_type: task_type.to_owned(),
        system: "network".to_owned(),
        service_order: service_order(key),
        action: ItemAction::Add,
        inputs: predecessors.iter().map(input).collect(),
        predecessors,
        milestone: None,
        product: Some("P-1".into()),
    };
    let item = |id: &str, optional: bool| PlannedItem {
        item_id: id.into(),
        action: ItemAction::Add,
        optional,
        billable: true,
        products: vec!["P-1".into()],
        requires: Vec::new(),
    };
    let mut tasks = vec![
        task(router(key), "router", "configureRouter", vec![access(key)]),
        task(access(key), "access", "activateAccess", Vec::new()),
    ];
    tasks.sort_by_key(|task| task.id);
    Plan {
        catalog_version: "2026.1".into(),
        order_version: 1,
        items: vec![item("1", false), item("2", true)],
        service_orders: vec![ServiceOrder {
            id: service_order(key),
            item_id: "1".into(),
            kind: ServiceOrderKind::Service,
            specification: "cfsAccess".to_owned(),
            parent: None,
            characteristics: Values::new(),
        }],
        tasks,
    }
}

pub fn reason() -> Reason {
    Reason::new(
        ReasonCode::OfferingUnknown,
        "/productOrderItem/0",
        "there is no offering \"fiber\"; did you mean \"fibre\"",
    )
}

pub fn task_moved(
    key: &OrderKey,
    seconds: i64,
    task: TaskId,
    (from, to, trigger): (TaskState, TaskState, TaskTrigger),
    attempt: u32,
) -> TaskStateChanged {
    TaskStateChanged {
        cause: cause(key, seconds),
        task_id: task,
        item_id: "1".into(),
        component: "access".to_owned(),
        task_type: "activateAccess".to_owned(),
        system: "network".to_owned(),
        from,
        to,
        trigger,
        mode: ExecutionMode::Do,
        in_fallout: false,
        attempt,
        command_id: Some(command(task)),
        failure: None,
        reason: None,
        outputs: Values::new(),
        next_due: None,
    }
}

pub fn order_moved(
    key: &OrderKey,
    seconds: i64,
    from: OrderState,
    to: OrderState,
    trigger: OrderTrigger,
) -> OrderEvent {
    let cause = cause(key, seconds);
    OrderStateChanged {
        cause,
        order_version: 1,
        from,
        to,
        trigger,
        reason: None,
        waiting_for: None,
        next_due: None,
    }
    .into()
}

fn item_moved(key: &OrderKey, seconds: i64, item: &str, from: ItemState, to: ItemState) -> OrderEvent {
    let (cause, item_id): (_, ItemId) = (cause(key, seconds), item.into());
    ItemStateChanged { cause, item_id, from, to, trigger: ItemTrigger::TasksDone, reason: None }.into()
}

pub fn failure() -> Failure {
    Failure {
        system: "network".to_owned(),
        code: "E-17".to_owned(),
        message: "port \"3\" busy".to_owned(),
        at: Timestamp(STARTED_AT + 12_000),
    }
}

pub fn case(key: &OrderKey) -> FalloutCase {
    FalloutCase {
        id: CaseId::derived(key, "access", "1"),
        order_key: key.clone(),
        item_id: Some("1".into()),
        task_id: Some(access(key)),
        detection: Detection::TaskFailed,
        failure: failure(),
        classification: Classification {
            normalized_code: "PORT_BUSY".to_owned(),
            domain: FailureDomain::Provisioning,
            recoverability: Recoverability::Repairable,
            owner_group: "network operations".to_owned(),
            action: "assign another port".to_owned(),
            customer_impact: true,
            revenue_impact: false,
            customer_message: None,
        },
        severity: Severity::High,
        state: CaseState::Assigned,
        escalated: false,
        assignee: None,
        detected_at: Timestamp(STARTED_AT + 12_000),
        touched_at: Timestamp(STARTED_AT + 12_000),
        sla_due: Some(Timestamp(STARTED_AT + 3_600_000)),
        resolved_at: None,
        resolution: None,
        reopened: 0,
    }
}

/// Up to the plan: rejected once, corrected, asked for downstream, validated, decomposed. Seconds 0 to 6.
pub fn until_planned(key: &OrderKey) -> Vec<OrderEvent> {
    let reasons = vec![reason()];
    vec![
        captured(key, 0, 1),
        OrderRejected { cause: cause(key, 1), submission: 1, request_id: "r".into(), reasons }.into(),
        captured(key, 2, 2),
        RequestIgnored { cause: cause(key, 3), request_id: "r".into() }.into(),
        FeasibilityAsked {
            cause: cause(key, 4),
            submission: 2,
            command_id: CommandId::feasibility(key, 2),
            system: "network".to_owned(),
            attempt: 1,
            answer_due: Timestamp(STARTED_AT + 30_000),
        }
        .into(),
        OrderValidated { cause: cause(key, 5), submission: 2, order: order(key, 2) }.into(),
        OrderDecomposed { cause: cause(key, 6), order: order(key, 2), plan: plan(key) }.into(),
    ]
}

/// From the plan to the failure of a task, and on to a silence. Seconds 10 to 20.
pub fn until_stuck(key: &OrderKey) -> Vec<OrderEvent> {
    use TaskState::*;
    let (sent, failed) = (TaskTrigger::DispatchSent, TaskTrigger::FailureRepairable);
    let failed = task_moved(key, 12, access(key), (Dispatched, FailedRepairable, failed), 1);
    vec![
        order_moved(key, 10, OrderState::Decomposed, OrderState::InProgress, OrderTrigger::Started),
        task_moved(key, 10, access(key), (NotStarted, Dispatched, sent), 1).into(),
        item_moved(key, 10, "1", ItemState::Pending, ItemState::InProgress),
        TaskStateChanged { in_fallout: true, failure: Some(failure()), ..failed }.into(),
        FalloutDetected { cause: cause(key, 12), case: case(key) }.into(),
        FalloutClassified {
            cause: cause(key, 13),
            case_id: case(key).id,
            detection: Detection::Timeout,
            failure: failure(),
            classification: case(key).classification,
            severity: Severity::Critical,
        }
        .into(),
        OrderMarkedStuck {
            cause: cause(key, 20),
            case_id: CaseId::derived(key, "stuck", "20"),
            silent_since: Timestamp(STARTED_AT + 15_000),
            task_id: None,
            item_id: None,
        }
        .into(),
    ]
}

/// From the repair to the end. Seconds 30 to 40.
pub fn until_completed(key: &OrderKey) -> Vec<OrderEvent> {
    use TaskState::*;
    let (sent, done) = (TaskTrigger::DispatchSent, TaskTrigger::FeedbackCompleted);
    let reported = |name: &str, value: &str| Values::from([(name.to_owned(), Json::from(value))]);
    let access_done = task_moved(key, 32, access(key), (Dispatched, Completed, done), 2);
    let router_done = task_moved(key, 34, router(key), (Dispatched, Completed, done), 1);
    vec![
        task_moved(key, 30, access(key), (FailedRepairable, Dispatched, sent), 2).into(),
        TaskStateChanged { outputs: reported("ipAddress", "10.0.0.1"), ..access_done }.into(),
        FalloutResolved {
            cause: cause(key, 32),
            case_id: case(key).id,
            task_id: Some(access(key)),
            resolution: "another port".to_owned(),
        }
        .into(),
        task_moved(key, 33, router(key), (NotStarted, Dispatched, sent), 1).into(),
        TaskStateChanged { outputs: reported("name", "r1"), ..router_done }.into(),
        FeedbackIgnored {
            cause: cause(key, 35),
            feedback_id: "f-1".into(),
            command_id: command(router(key)),
            system: "network".to_owned(),
            because: IgnoredBecause::Repeated,
        }
        .into(),
        MilestoneReached {
            cause: cause(key, 36),
            item_id: "1".into(),
            task_id: router(key),
            milestone: "connected".to_owned(),
        }
        .into(),
        ServiceOrderStateChanged {
            cause: cause(key, 37),
            service_order: service_order(key),
            item_id: "1".into(),
            from: ServiceOrderState::InProgress,
            to: ServiceOrderState::Completed,
            trigger: ServiceOrderTrigger::TasksDone,
        }
        .into(),
        item_moved(key, 38, "1", ItemState::InProgress, ItemState::Completed),
        item_moved(key, 38, "2", ItemState::Pending, ItemState::Completed),
        captured(key, 39, 3),
        RevisionRefused {
            cause: cause(key, 39),
            submission: 3,
            request_id: "r3".into(),
            reasons: vec![reason()],
        }
        .into(),
        order_moved(key, 40, OrderState::InProgress, OrderState::Completed, OrderTrigger::AllItemsDone),
    ]
}

pub fn whole(key: &OrderKey) -> Vec<OrderEvent> {
    [until_planned(key), until_stuck(key), until_completed(key)].concat()
}

/// Records of the partition 0 of a topic, from an offset on.
pub fn records(topic: &str, first_offset: i64, events: impl IntoIterator<Item = Projected>) -> Vec<Applied> {
    let at = |offset: i64| Timestamp(STARTED_AT + offset);
    let record =
        |(offset, event)| Applied { topic: topic.to_owned(), partition: 0, offset, at: at(offset), event };
    (first_offset..).zip(events).map(record).collect()
}

pub fn order_records(first_offset: i64, events: Vec<OrderEvent>) -> Vec<Applied> {
    records(EVENTS, first_offset, events.into_iter().map(Projected::from))
}
