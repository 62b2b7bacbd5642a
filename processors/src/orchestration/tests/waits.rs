//! Orders that wait: for a date, for another order, for a product; whichever comes first.
use domain::order::event::SignalKind;
use domain::order::{Dates, ItemAction, OrderState, OrderTrigger};

use super::super::START_TIMER;
use super::*;

fn following(base: &str) -> (Order, Plan) {
    let (order, plan) = diamond();
    (Order { follows: vec![base.into()], ..order }, plan)
}

#[test]
fn a_future_start_is_waited_for_by_a_timer() {
    let (order, plan) = diamond();
    let dates = Dates { requested_start: Some(Timestamp(5_000)), ..Dates::default() };
    let mut run: Run = Run::of((Order { dates, ..order }, plan));
    run.gives(&["order Decomposed>Scheduled", "timer start", "tell requester pending"]);
    let Some(Output::Event(OrderEvent::OrderStateChanged(told))) = run.last.first() else {
        panic!("{:?}", run.last)
    };
    assert_eq!(told.waiting_for.as_deref(), Some("start 1970-01-01T00:00:05.000Z"));
    assert_eq!(told.next_due, Some(Timestamp(5_000)));
    run.event(Event::Timer { name: START_TIMER.to_owned() }).gives(&["timer start"]);
    run.timer(START_TIMER)
        .gives_of("order", &["order Scheduled>InProgress"])
        .gives_of("send", &["send a #1"]);
}

#[test]
fn a_past_start_is_not_waited_for() {
    let (order, plan) = diamond();
    let dates = Dates { requested_start: Some(Timestamp(1_000)), ..Dates::default() };
    Run::<MemoryCells<Cell>>::of((Order { dates, ..order }, plan))
        .gives_of("order", &["order Decomposed>InProgress"]);
}

#[test]
fn a_follower_starts_when_its_base_is_done() {
    let mut run: Run = Run::of(following("base"));
    run.gives(&["order Decomposed>Scheduled", "signal FollowerWaits to base", "tell requester pending"]);
    run.signal(SignalKind::WaitOver, Some("stranger"), None, None).gives(&[]);
    run.signal(SignalKind::WaitOver, Some("base"), None, None)
        .gives_of("order", &["order Scheduled>InProgress"]);
    run.signal(SignalKind::WaitOver, Some("base"), None, None).gives(&[]);
    assert_eq!(run.commands().len(), 1);
}

#[test]
fn a_base_remembers_who_waits_whichever_comes_first() {
    let mut before: Run = Run::new();
    before.signal(SignalKind::FollowerWaits, Some("follower"), None, None).gives(&[]);
    let (order, plan) = diamond();
    before.decomposed(order, plan);
    let mut after: Run = Run::of(diamond());
    after.signal(SignalKind::FollowerWaits, Some("follower"), None, None).gives(&[]);
    after.signal(SignalKind::FollowerWaits, Some("follower"), None, None).gives(&[]);
    for mut run in [before, after] {
        for name in ["a", "b", "c", "d", "e", "f"] {
            run.gives_of("signal", &[]).complete(name);
        }
        run.gives_of("signal", &["signal WaitOver to follower"]);
        run.signal(SignalKind::FollowerWaits, Some("latecomer"), None, None)
            .gives(&["signal WaitOver to latecomer"]);
    }
}

#[test]
fn a_base_that_fails_says_so_and_the_follower_stays_scheduled_until_it_is_over() {
    let mut base: Run = Run::of(diamond());
    base.signal(SignalKind::FollowerWaits, Some("follower"), None, None);
    base.fail("a", "BROKEN").gives_of("signal", &["signal WaitFailed to follower"]);
    base.signal(SignalKind::FollowerWaits, Some("latecomer"), None, None)
        .gives(&["signal WaitFailed to latecomer"]);

    let mut follower: Run = Run::of(following("base"));
    follower
        .signal(SignalKind::WaitFailed, Some("base"), None, None)
        .gives(&["wait failed order base: because"]);
    follower.signal(SignalKind::WaitFailed, Some("base"), None, None).gives(&[]);
    follower.stands(OrderState::Scheduled, &[], &[]);
    follower.signal(SignalKind::WaitOver, Some("base"), None, None).stands(OrderState::InProgress, &[], &[]);
}

#[test]
fn a_partly_completed_base_is_not_what_was_waited_for() {
    let mut base: Run = Run::of(diamond());
    base.signal(SignalKind::FollowerWaits, Some("follower"), None, None);
    base.complete("a").complete("b").fail("e", "BROKEN").complete("c").complete("d");
    base.gives_of("signal", &["signal WaitFailed to follower"]);
}

#[test]
fn no_more_than_so_many_may_wait_and_nobody_for_itself() {
    let mut run: Run = Run::new();
    for number in 0..domain::limits::ORDER_WAITS_MAX {
        run.signal(SignalKind::FollowerWaits, Some(&format!("follower-{number}")), None, None).gives(&[]);
    }
    run.signal(SignalKind::FollowerWaits, Some("one-more"), None, None)
        .gives(&["signal WaitFailed to one-more"]);
    let itself = key().0;
    run.signal(SignalKind::FollowerWaits, Some(&itself), None, None);
    run.gives(&[&format!("signal WaitFailed to {itself}")]);
}

#[test]
fn a_change_waits_for_its_product_and_for_everything_else() {
    let (mut order, mut plan) = following("base");
    let product = domain::order::ProductRef { id: "P-1".into(), version: Some(3), pointer: String::new() };
    order.items[0].action = ItemAction::Modify;
    order.items[0].product = Some(product);
    plan.items[0].action = ItemAction::Modify;
    let mut run: Run = Run::of((order, plan));
    run.gives_of("await", &["await P-1"]);
    let awaited = run
        .last
        .iter()
        .find_map(|it| if let Output::Product(asked) = it { asked.expected_version } else { None });
    assert_eq!(awaited, Some(3));
    run.signal(SignalKind::WaitOver, None, Some("P-1"), None).stands(OrderState::Scheduled, &[], &[]);
    run.signal(SignalKind::WaitOver, Some("base"), None, None).stands(OrderState::InProgress, &[], &[]);
    let Some(Output::Event(OrderEvent::OrderStateChanged(told))) = run.last.first() else {
        panic!("{:?}", run.last)
    };
    assert_eq!(told.trigger, OrderTrigger::Started);
}

#[test]
fn signals_to_nobody_change_nothing() {
    let mut run: Run = Run::new();
    for kind in [SignalKind::WaitOver, SignalKind::WaitFailed, SignalKind::TurnGranted] {
        run.signal(kind, Some("base"), None, Some("a")).gives(&[]);
    }
    assert!(run.cells.0.is_empty());
}
