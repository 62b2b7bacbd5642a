//! The plan of an order as a graph: tasks as they stand, and which waits for which.
use std::collections::{BTreeMap, BTreeSet};

use domain::order::OrderState;
use domain::plan::TaskState;
use projection::query::OrderView;
use projection::rows::TaskRow;
use serde::Serialize;

/// The words of one group of 64 tasks.
const WORD_BITS: usize = u64::BITS as usize;

/// One task, as a picture shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    pub id: String,
    pub item: String,
    pub component: String,
    pub task_type: String,
    pub system: String,
    pub state: TaskState,
    /// 0 before the first sending.
    pub attempt: u32,
    /// Why it stands where it stands: its last failure, a skip, a deferral.
    pub note: Option<String>,
}

/// Tasks, each behind all that it waits for; so every edge goes from a lower to a higher index, and there is no cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// What stands above the picture.
    pub title: String,
    /// Why there are no tasks, where there are none.
    pub absence: &'static str,
    pub nodes: Vec<Node>,
    /// `(predecessor, successor)`, sorted, none twice.
    pub edges: Vec<(usize, usize)>,
}

impl Graph {
    /// The plan of an order. What a row says against the plan's own promise (a task that waits for a later one, or for one that is not
    /// there) is left out: a picture shows what there is.
    pub fn of(view: &OrderView) -> Graph {
        let order = &view.order;
        let title = format!(
            "order {}: {}, {} of {} tasks done",
            order.key,
            super::super::word(&order.state),
            order.tasks_done,
            order.task_count
        );
        let mut tasks: Vec<&TaskRow> = view.tasks.iter().collect();
        tasks.sort_by_key(|task| task.position);
        let index: BTreeMap<String, usize> =
            tasks.iter().enumerate().map(|(index, task)| (task.id.to_string(), index)).collect();
        let mut edges = BTreeSet::new();
        for (to, task) in tasks.iter().enumerate() {
            let named = task.predecessors.value();
            let named = named.as_array().into_iter().flatten().filter_map(|id| id.as_str());
            edges.extend(
                named.filter_map(|id| index.get(id)).filter(|from| **from < to).map(|from| (*from, to)),
            );
        }
        Graph {
            title,
            absence: absence(order.state),
            nodes: tasks.into_iter().map(node).collect(),
            edges: edges.into_iter().collect(),
        }
    }

    /// The edges that no other way implies (the transitive reduction): what a picture needs.
    ///
    /// A word of bits per 64 tasks and task: 2 MB for the largest plan.
    pub fn reduced_edges(&self) -> Vec<(usize, usize)> {
        let words = self.nodes.len().div_ceil(WORD_BITS);
        let mut before = vec![vec![0_u64; words]; self.nodes.len()];
        let mut kept = Vec::new();
        let mut rest = self.predecessors();
        for (to, direct) in rest.iter_mut().enumerate() {
            // The nearest first: what is before one of them is implied by it.
            direct.sort_unstable_by(|a, b| b.cmp(a));
            let mut seen = std::mem::take(&mut before[to]);
            for from in direct.iter().copied() {
                if seen[from / WORD_BITS] >> (from % WORD_BITS) & 1 == 1 {
                    continue;
                }
                kept.push((from, to));
                seen.iter_mut().zip(&before[from]).for_each(|(seen, before)| *seen |= before);
                seen[from / WORD_BITS] |= 1 << (from % WORD_BITS);
            }
            before[to] = seen;
        }
        kept.sort_unstable();
        kept
    }

    /// Of each task, those that it waits for.
    pub fn predecessors(&self) -> Vec<Vec<usize>> {
        let mut predecessors = vec![Vec::new(); self.nodes.len()];
        for (from, to) in &self.edges {
            predecessors[*to].push(*from);
        }
        predecessors
    }

    /// How many tasks stand in each state, in the sequence of the states.
    pub fn counts(&self) -> BTreeMap<TaskState, usize> {
        let mut counts = BTreeMap::new();
        for node in &self.nodes {
            *counts.entry(node.state).or_default() += 1;
        }
        counts
    }
}

/// Why an order in this state has no plan.
fn absence(state: OrderState) -> &'static str {
    if state == OrderState::Rejected {
        "no plan: the order was rejected"
    } else if state.is_active() {
        "no plan yet"
    } else {
        "no plan: the order ended before one was made"
    }
}

fn node(task: &TaskRow) -> Node {
    Node {
        id: task.id.to_string(),
        item: task.item_id.0.clone(),
        component: task.component.clone(),
        task_type: task.task_type.clone(),
        system: task.system.clone(),
        state: task.state,
        attempt: task.attempt,
        note: note(task),
    }
}

/// A failure is told while it matters: a task that is done in the end says nothing of it.
fn note(task: &TaskRow) -> Option<String> {
    let failure = task.failure.value();
    let part = |name: &str| failure.get(name).and_then(serde_json::Value::as_str);
    let failure = part("code").map(|code| format!("{code}: {}", part("message").unwrap_or_default()));
    failure.filter(|_| !task.state.is_done()).or_else(|| task.reason.clone())
}

/// What kind of state it is, to people: the colour and the mark of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Waiting,
    Active,
    Troubled,
    Failed,
    Done,
    Dropped,
}

impl Kind {
    #[cfg(test)]
    pub const ALL: &'static [Kind] =
        &[Kind::Waiting, Kind::Active, Kind::Troubled, Kind::Failed, Kind::Done, Kind::Dropped];

    pub fn of(state: TaskState) -> Kind {
        match state {
            TaskState::NotStarted => Kind::Waiting,
            TaskState::Ready | TaskState::Dispatched | TaskState::Accepted | TaskState::WaitingCallback => {
                Kind::Active
            }
            TaskState::Deferred | TaskState::FailedRetrying | TaskState::UnknownOutcome => Kind::Troubled,
            TaskState::FailedRepairable | TaskState::FailedTerminal => Kind::Failed,
            TaskState::Completed => Kind::Done,
            TaskState::Skipped | TaskState::Cancelled | TaskState::Undone => Kind::Dropped,
        }
    }

    /// As style sheets and attributes name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Waiting => "waiting",
            Kind::Active => "active",
            Kind::Troubled => "troubled",
            Kind::Failed => "failed",
            Kind::Done => "done",
            Kind::Dropped => "dropped",
        }
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// A graph of `edges`, with names that a picture must not take for its own syntax.
    pub fn graph(size: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Graph {
        let node = |index: usize| Node {
            id: format!("task {index}"),
            item: "1".to_owned(),
            component: "<b>\"access\\n\" & 'x'</b>\u{202e}\n\u{0}".to_owned(),
            task_type: format!("activate{index}"),
            system: "net\"work\\".to_owned(),
            state: TaskState::Completed,
            attempt: 1,
            note: None,
        };
        let edges: BTreeSet<(usize, usize)> = edges.into_iter().collect();
        Graph {
            title: "order \"a<b\": inProgress".to_owned(),
            absence: absence(OrderState::InProgress),
            nodes: (0..size).map(node).collect(),
            edges: edges.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::states::Machine;
    use proptest::prelude::*;

    use super::testing::graph;
    use super::*;

    #[test]
    fn edges_that_others_imply_are_left_out() {
        let graph = graph(5, [(0, 1), (1, 2), (0, 2), (2, 4), (0, 4), (3, 4)]);
        assert_eq!(graph.reduced_edges(), [(0, 1), (1, 2), (2, 4), (3, 4)]);
    }

    #[test]
    fn why_there_is_no_plan_is_said_by_the_state_of_the_order() {
        assert_eq!(absence(OrderState::Rejected), "no plan: the order was rejected");
        assert_eq!(absence(OrderState::Cancelled), "no plan: the order ended before one was made");
        assert_eq!(absence(OrderState::Validated), "no plan yet");
    }

    #[test]
    fn every_state_has_a_kind_and_every_kind_a_state() {
        for kind in Kind::ALL {
            assert!(TaskState::ALL.iter().any(|state| Kind::of(*state) == *kind), "{kind:?}");
        }
        let active = TaskState::ALL.iter().filter(|state| state.is_active());
        active.for_each(|state| {
            assert!(matches!(Kind::of(*state), Kind::Active | Kind::Troubled), "{state:?}")
        });
    }

    /// From where each task can be reached.
    fn reach(size: usize, edges: &[(usize, usize)]) -> Vec<BTreeSet<usize>> {
        let mut reach = vec![BTreeSet::new(); size];
        let mut by_target = edges.to_vec();
        by_target.sort_by_key(|(_, to)| *to);
        for (from, to) in by_target {
            let mut more = reach[from].clone();
            more.insert(from);
            reach[to].extend(more);
        }
        reach
    }

    proptest! {
        #[test]
        fn a_reduction_reaches_the_same_with_no_edge_to_spare(
            pairs in prop::collection::vec((0_usize..80, 0_usize..80), 0..300)
        ) {
            let edges = pairs.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b)));
            let graph = graph(80, edges);
            let reduced = graph.reduced_edges();
            let whole = reach(80, &graph.edges);
            prop_assert_eq!(&reach(80, &reduced), &whole);
            for left_out in 0..reduced.len() {
                let mut fewer = reduced.clone();
                fewer.remove(left_out);
                prop_assert_ne!(&reach(80, &fewer), &whole);
            }
        }
    }
}
