//! What waits for what.
use std::collections::BTreeSet;

use super::components::Drafts;
use super::items::{Found, Items};
use super::{Reasons, inputs};
use crate::ReasonCode;
use crate::catalog::{After, Catalog};
use crate::order::Order;

/// Inputs first, since data has to flow; then what the catalog says of sequence; then what relations say where it is silent.
pub(super) fn connect(
    order: &Order,
    catalog: &Catalog,
    items: &Items<'_>,
    drafts: &mut Drafts<'_>,
    reasons: &mut Reasons,
) {
    for task in 0..drafts.tasks.len() {
        inputs::resolve(order, catalog, items, drafts, task, reasons);
    }
    let own = |after: &After| after.relation.is_none() && after.specification.is_none();
    // Within the items first: what waits for several tasks of another item waits only for its last ones.
    for within in [true, false] {
        for task in 0..drafts.tasks.len() {
            for (owner, after) in dependencies(drafts, task) {
                if own(after) == within {
                    wait(items, drafts, task, owner.as_deref(), after, reasons);
                }
            }
        }
    }
    relations(catalog, items, drafts);
}

/// What a task waits for: by its own rule, and by the components around it, which are then named.
fn dependencies<'o>(drafts: &Drafts<'o>, task: usize) -> Vec<(Option<String>, &'o After)> {
    let own = drafts.tasks[task].rule.after.iter().map(|after| (None, after));
    let around = drafts.component_of(task).around.iter().map(|(owner, after)| (Some(owner.clone()), *after));
    own.chain(around).collect()
}

fn wait(
    items: &Items<'_>,
    drafts: &mut Drafts<'_>,
    task: usize,
    owner: Option<&str>,
    after: &After,
    reasons: &mut Reasons,
) {
    let from = drafts.tasks[task].item;
    let others = match (&after.relation, &after.specification) {
        (Some(kind), _) => items.related(from, kind),
        (None, Some(specification)) => match items.selling(from, specification) {
            Found::Nobody => return,
            Found::These(found) => found,
            Found::Unclear(found) => {
                let message = format!(
                    "task {} waits for the item of specification \"{specification}\", and items {} are of it; say by a relation which is meant",
                    drafts.tasks[task].rule.task_type,
                    items.names(&found)
                );
                reasons.add(ReasonCode::MappingAmbiguous, items.all[from].pointer(), message);
                return;
            }
        },
        (None, None) => {
            let range = drafts.of_unit(from, drafts.component_of(task).unit);
            let fits = |other: &usize| *other != task && is_meant(drafts, *other, owner, after);
            let found: Vec<usize> = range.filter(fits).collect();
            add(items, drafts, &found, task);
            return;
        }
    };
    for other in others.into_iter().filter(|other| *other != from) {
        let fits = |candidate: &usize| {
            is_meant(drafts, *candidate, None, after) && pairs(items, drafts, task, *candidate)
        };
        let found: Vec<usize> = drafts.of_item(other).filter(fits).collect();
        // To wait for the last is to wait for all; turned round, what holds back the first holds back all.
        let reversed = items.all[from].deletes() || items.all[other].deletes();
        let found = if reversed { first_of(drafts, &found) } else { last_of(drafts, &found) };
        add(items, drafts, &found, task);
    }
}

/// Whether a task is one of those that `after` names; a component does not wait for itself.
fn is_meant(drafts: &Drafts<'_>, candidate: usize, owner: Option<&str>, after: &After) -> bool {
    let base = &drafts.component_of(candidate).base;
    after.task.as_ref().is_none_or(|task| drafts.tasks[candidate].rule.task_type == *task)
        && after.component.as_deref().is_none_or(|component| is_within(base, component))
        && owner.is_none_or(|owner| !is_within(base, owner))
}

/// Whether a component is `whole` or a part of it.
pub(super) fn is_within(component: &str, whole: &str) -> bool {
    component.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Tasks of two items belong together unit by unit where both have as many units; otherwise each with all.
pub(super) fn pairs(items: &Items<'_>, drafts: &Drafts<'_>, task: usize, other: usize) -> bool {
    let (a, b) = (drafts.component_of(task), drafts.component_of(other));
    items.all[a.item].units() != items.all[b.item].units() || a.unit == b.unit
}

/// `later` waits for all of `earlier`, said in the direction of building up: where one of the two deletes, it is the other way.
fn add(items: &Items<'_>, drafts: &mut Drafts<'_>, earlier: &[usize], later: usize) {
    let later_deletes = items.all[drafts.tasks[later].item].deletes();
    for task in earlier {
        let reversed = later_deletes || items.all[drafts.tasks[*task].item].deletes();
        if reversed {
            drafts.tasks[*task].predecessors.insert(later);
        } else {
            drafts.tasks[later].predecessors.insert(*task);
        }
    }
}

/// Those that no other one of them waits for: to wait for these is to wait for all.
fn last_of(drafts: &Drafts<'_>, tasks: &[usize]) -> Vec<usize> {
    let awaited: BTreeSet<usize> =
        tasks.iter().flat_map(|task| &drafts.tasks[*task].predecessors).copied().collect();
    tasks.iter().copied().filter(|task| !awaited.contains(task)).collect()
}

/// Those that wait for no other one of them.
fn first_of(drafts: &Drafts<'_>, tasks: &[usize]) -> Vec<usize> {
    let all: BTreeSet<usize> = tasks.iter().copied().collect();
    let waits = |task: &usize| drafts.tasks[*task].predecessors.iter().any(|earlier| all.contains(earlier));
    tasks.iter().copied().filter(|task| !waits(task)).collect()
}

/// Relations of a kind that orders the work, between items of which the catalog itself does not say how their tasks depend.
fn relations(catalog: &Catalog, items: &Items<'_>, drafts: &mut Drafts<'_>) {
    let linked: BTreeSet<(usize, usize)> = linked_items(drafts);
    for from in 0..items.all.len() {
        for to in working_targets(catalog, items, drafts, from) {
            if linked.contains(&(from, to)) || linked.contains(&(to, from)) {
                continue;
            }
            let (later, earlier): (Vec<usize>, Vec<usize>) =
                (drafts.of_item(from).collect(), drafts.of_item(to).collect());
            // Where one of them deletes, `add` turns each pair round: then the last of `later` meet the first of `earlier`.
            let reversed = items.all[from].deletes() || items.all[to].deletes();
            let (later, earlier) = if reversed {
                (last_of(drafts, &later), first_of(drafts, &earlier))
            } else {
                (first_of(drafts, &later), last_of(drafts, &earlier))
            };
            for task in later {
                let paired: Vec<usize> =
                    earlier.iter().copied().filter(|other| pairs(items, drafts, task, *other)).collect();
                add(items, drafts, &paired, task);
            }
        }
    }
}

/// The pairs of items between which there is a dependency already, later one first.
fn linked_items(drafts: &Drafts<'_>) -> BTreeSet<(usize, usize)> {
    let of = |task: &usize| drafts.tasks[*task].item;
    let pairs = drafts
        .tasks
        .iter()
        .flat_map(|task| task.predecessors.iter().map(move |earlier| (task.item, of(earlier))));
    pairs.filter(|(later, earlier)| later != earlier).collect()
}

/// The items whose work an item's work waits for; through one without any work, to those that it waits for itself.
fn working_targets(
    catalog: &Catalog,
    items: &Items<'_>,
    drafts: &Drafts<'_>,
    from: usize,
) -> BTreeSet<usize> {
    let orders = |kind: &str| catalog.relation_kinds.get(kind).is_some_and(|kind| kind.orders_work);
    let (mut found, mut seen, mut open) = (BTreeSet::new(), BTreeSet::from([from]), vec![from]);
    while let Some(item) = open.pop() {
        for (kind, target) in &items.all[item].related {
            if !orders(kind) || !seen.insert(*target) {
                continue;
            }
            if drafts.of_item(*target).is_empty() {
                open.push(*target);
            } else {
                found.insert(*target);
            }
        }
    }
    found
}
