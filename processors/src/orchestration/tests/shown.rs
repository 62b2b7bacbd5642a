//! Outputs in short words: what a test expects is one line each.
use domain::TaskId;
use domain::command::CommandKind;
use domain::order::event::OrderEvent;

use super::super::{Output, state};
use super::task_id;

pub(super) fn name_of(id: TaskId) -> String {
    let names = ["a", "b", "c", "d", "e", "f"];
    names.iter().find(|name| task_id(name) == id).map_or_else(|| "?".to_owned(), |name| (*name).to_owned())
}

/// An output in short words.
pub(super) fn shown(output: &Output) -> String {
    match output {
        Output::Event(event) => shown_event(event),
        Output::Command(it) => {
            let verb = if it.kind == CommandKind::Query { "ask" } else { "send" };
            format!("{verb} {} #{}", it.task_id.map(name_of).unwrap_or_default(), it.attempt)
        }
        Output::Signal(it) => format!("signal {:?} to {}", it.kind, it.order_key),
        Output::Product(it) => match it.report {
            Some(report) => format!("report {report:?} of {}", it.product_id),
            None => format!("await {}", it.product_id),
        },
        Output::Observation(it) => format!("observe {:?}", it.kind),
        Output::Billing(it) => format!("bill {:?} item {}", it.action, it.item_id),
        Output::Notification(it) => format!("tell {} {}", it.audience, it.shown_state),
        Output::SetTimer { name, .. } => format!("timer {}", shown_timer(name)),
        Output::CancelTimer { name } => format!("no timer {}", shown_timer(name)),
    }
}

fn shown_timer(name: &str) -> String {
    name.strip_prefix(state::TASK_PREFIX)
        .and_then(|id| id.parse().ok())
        .map_or_else(|| name.to_owned(), name_of)
}

fn shown_event(event: &OrderEvent) -> String {
    match event {
        OrderEvent::TaskStateChanged(it) => format!("task {} {:?}>{:?}", name_of(it.task_id), it.from, it.to),
        OrderEvent::ItemStateChanged(it) => format!("item {} {:?}>{:?}", it.item_id, it.from, it.to),
        OrderEvent::ServiceOrderStateChanged(it) => {
            format!("service {} {:?}>{:?}", it.item_id, it.from, it.to)
        }
        OrderEvent::OrderStateChanged(it) => format!("order {:?}>{:?}", it.from, it.to),
        OrderEvent::MilestoneReached(it) => format!("milestone {}", it.milestone),
        OrderEvent::FeedbackIgnored(it) => format!("ignored {:?}", it.because),
        OrderEvent::WaitFailed(it) => format!("wait failed {}: {}", it.waiting_for, it.message),
        other => panic!("orchestration does not write {}", other.name()),
    }
}
