//! The plan for a terminal of 100 columns: a line per task, its state on the left, and a tree of what follows from what.
//!
//! A task stands below the one that it waits for longest; what else it waits for is named by number. A single successor goes on
//! in its predecessor's column, so that only where work divides the tree moves to the right.
use domain::plan::TaskState;

use super::graph::{Graph, Node};
use crate::order::word;
use crate::text::{printable, shortened};

/// The width of a line.
const COLUMNS: usize = 100;
const TASK_COLUMNS: usize = 44;
const SYSTEM_COLUMNS: usize = 16;
/// Deeper branches are not moved to the right any more: there must be room for a name.
const DEPTH_MAX: usize = 8;
/// More predecessors are only counted.
const PREDECESSORS_SHOWN: usize = 3;

pub fn render(graph: &Graph) -> String {
    let mut text = format!("{}\n", printable(&graph.title));
    if graph.nodes.is_empty() {
        text.push_str(&format!("{}\n", graph.absence));
        return text;
    }
    text.push_str(&format!(
        "\n{:>4}   {:<16} {:<TASK_COLUMNS$} {:<SYSTEM_COLUMNS$} after\n",
        "no", "state", "task", "system"
    ));
    let predecessors = waited_for(graph);
    for branch in branches(&predecessors) {
        line(&mut text, graph, &predecessors, &branch);
    }
    text.push_str(&format!("\n{}\n", totals(graph)));
    text
}

/// Of each task, those that it waits for and no other way implies.
fn waited_for(graph: &Graph) -> Vec<Vec<usize>> {
    let mut predecessors = vec![Vec::new(); graph.nodes.len()];
    for (from, to) in graph.reduced_edges() {
        predecessors[to].push(from);
    }
    predecessors
}

/// A line of the tree.
struct Branch {
    node: usize,
    /// For each level to the left: whether its branch goes on below this line.
    levels: Vec<bool>,
    /// Whether it begins a level of its own, and is not just the only successor.
    forks: bool,
}

/// All tasks, each once, from top to bottom.
fn branches(predecessors: &[Vec<usize>]) -> Vec<Branch> {
    let mut layer = vec![0_usize; predecessors.len()];
    let mut children = vec![Vec::new(); predecessors.len()];
    let mut roots = Vec::new();
    for (node, before) in predecessors.iter().enumerate() {
        // Of those at the same depth the last: then all that a task waits for stands above it.
        match before.iter().copied().max_by_key(|before| (layer[*before], *before)) {
            Some(parent) => {
                layer[node] = layer[parent] + 1;
                children[parent].push(node);
            }
            None => roots.push(node),
        }
    }
    // A stack and no recursion: a plan may be a chain of thousands.
    let root = |node: &usize| Branch { node: *node, levels: Vec::new(), forks: false };
    let mut open: Vec<Branch> = roots.iter().rev().map(root).collect();
    let mut shown = Vec::with_capacity(predecessors.len());
    while let Some(branch) = open.pop() {
        let below = &children[branch.node];
        let forks = below.len() > 1 && branch.levels.len() < DEPTH_MAX;
        for (index, child) in below.iter().enumerate().rev() {
            let mut levels = branch.levels.clone();
            if forks {
                levels.push(index + 1 < below.len());
            }
            open.push(Branch { node: *child, levels, forks });
        }
        shown.push(branch);
    }
    shown
}

fn line(text: &mut String, graph: &Graph, predecessors: &[Vec<usize>], branch: &Branch) {
    let node = &graph.nodes[branch.node];
    let mut tree = String::new();
    for (level, goes_on) in branch.levels.iter().enumerate() {
        let last = level + 1 == branch.levels.len();
        tree.push_str(match (last && branch.forks, goes_on) {
            (true, true) => "├─ ",
            (true, false) => "└─ ",
            (false, true) => "│  ",
            (false, false) => "   ",
        });
    }
    let name = format!("{tree}{}: {} (item {})", node.component, node.task_type, node.item);
    let cut = |text: &str, columns: usize| shortened(&printable(text), columns);
    let shown = format!(
        "{:>4} {} {:<16} {:<TASK_COLUMNS$} {:<SYSTEM_COLUMNS$} {}",
        branch.node + 1,
        mark(node.state),
        word(&node.state),
        cut(&name, TASK_COLUMNS),
        cut(&node.system, SYSTEM_COLUMNS),
        after(&predecessors[branch.node])
    );
    text.push_str(shortened(&shown, COLUMNS).trim_end());
    text.push('\n');
    if let Some(note) = shown_note(node) {
        text.push_str(&shortened(&format!("{:>4}   {}", "", printable(&note)), COLUMNS));
        text.push('\n');
    }
}

/// What there is to say of a task that is not simply done.
fn shown_note(node: &Node) -> Option<String> {
    let attempt = (node.attempt > 1).then(|| format!("attempt {}", node.attempt));
    match (attempt, &node.note) {
        (Some(attempt), Some(note)) => Some(format!("{attempt}, {note}")),
        (attempt, note) => attempt.or_else(|| note.clone()),
    }
}

fn after(predecessors: &[usize]) -> String {
    let mut shown: Vec<String> =
        predecessors.iter().take(PREDECESSORS_SHOWN).map(|node| (node + 1).to_string()).collect();
    if predecessors.len() > PREDECESSORS_SHOWN {
        shown.push(format!("{} more", predecessors.len() - PREDECESSORS_SHOWN));
    }
    shown.join(", ")
}

fn totals(graph: &Graph) -> String {
    let counts: Vec<String> = graph
        .counts()
        .iter()
        .map(|(state, count)| format!("{} {} {count}", mark(*state), word(state)))
        .collect();
    counts.join("  ")
}

/// One character for each state; two share one only where a word beside it tells them apart.
fn mark(state: TaskState) -> char {
    match state {
        TaskState::NotStarted => '·',
        TaskState::Ready => '○',
        TaskState::Deferred => '◌',
        TaskState::Dispatched | TaskState::Accepted | TaskState::WaitingCallback => '▶',
        TaskState::Completed => '✓',
        TaskState::FailedRetrying => '↻',
        TaskState::FailedRepairable | TaskState::FailedTerminal => '✗',
        TaskState::UnknownOutcome => '?',
        TaskState::Cancelled => '⊘',
        TaskState::Skipped => '↷',
        TaskState::Undone => '↶',
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::testing::graph;
    use super::*;

    #[test]
    fn the_tree_shows_what_follows_from_what() {
        let mut graph = graph(6, [(0, 1), (1, 2), (1, 3), (3, 4), (2, 4), (2, 5)]);
        for node in &mut graph.nodes {
            node.component = "c".to_owned();
            node.system = "network".to_owned();
        }
        graph.nodes[5].state = TaskState::FailedRetrying;
        graph.nodes[5].attempt = 2;
        graph.nodes[5].note = Some("BUSY: later".to_owned());
        let expected = r#"order "a<b": inProgress

  no   state            task                                         system           after
   1 ✓ completed        c: activate0 (item 1)                        network
   2 ✓ completed        c: activate1 (item 1)                        network          1
   3 ✓ completed        ├─ c: activate2 (item 1)                     network          2
   6 ↻ failedRetrying   │  c: activate5 (item 1)                     network          3
       attempt 2, BUSY: later
   4 ✓ completed        └─ c: activate3 (item 1)                     network          2
   5 ✓ completed           c: activate4 (item 1)                     network          3, 4

✓ completed 5  ↻ failedRetrying 1
"#;
        assert_eq!(render(&graph), expected);
    }

    #[test]
    fn every_line_fits_into_100_columns_whatever_the_names_are() {
        let deep: Vec<(usize, usize)> = (1..400).map(|to| ((to - 1) / 2, to)).collect();
        let wide = (0..300).map(|from| (from, 399));
        let mut graph = graph(400, deep.into_iter().chain(wide));
        graph.nodes[7].note = Some("x".repeat(500));
        let text = render(&graph);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        let numbers = text.lines().filter_map(|line| line.get(..4)?.trim().parse::<usize>().ok());
        let mut numbers: Vec<usize> = numbers.collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=400).collect::<Vec<_>>(), "each task once");
    }

    #[test]
    fn a_chain_of_the_longest_plan_stays_in_its_column() {
        let text = render(&graph(4_000, (1..4_000).map(|to| (to - 1, to))));
        assert!(!text.contains('├') && !text.contains('└'));
        assert_eq!(render(&graph(0, [])), "order \"a<b\": inProgress\nno plan yet\n");
    }
}
