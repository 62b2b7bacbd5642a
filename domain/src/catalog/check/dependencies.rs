//! The tasks of each product with all its components present: what they refer to in one another, and that they do not wait
//! for one another in a circle.
use std::collections::BTreeMap;

use super::reach::shown;
use super::{Findings, cycle, joined};
use crate::catalog::{After, CatalogDocument, ComponentRule, InputSource, Mapping, OutputSource, TaskRule};
use crate::limits;
use crate::order::ItemAction;

/// One task of a product, were every condition to hold.
struct Node<'c> {
    specification: &'c str,
    /// The component's address: `access/port`.
    component: String,
    rule: &'c TaskRule,
    /// What the components around it wait for.
    around: Vec<(String, &'c After)>,
    /// The rule that made its component, whose characteristics it may take.
    made_by: &'c ComponentRule,
    actions: Vec<ItemAction>,
}

impl Node<'_> {
    fn name(&self) -> String {
        format!("{}:{}:{}", self.specification, self.component, self.rule.task_type)
    }
}

pub(super) fn check(document: &CatalogDocument, findings: &mut Findings) {
    let nodes = nodes(document, findings);
    for node in &nodes {
        findings.about("productSpecification", node.specification);
        sources(document, node, &nodes, findings);
    }
    for action in [ItemAction::Add, ItemAction::Modify] {
        circles(&nodes, action, findings);
    }
}

/// Inputs that no plan can have, and sequences that never matter.
pub(super) fn review(document: &CatalogDocument, findings: &mut Findings) {
    // Only what can be expanded without end is; and what is wrong with it was said by `check`.
    let parts = |id: &str| {
        let service = document.service_specifications.get(id);
        service.map_or(&[][..], |service| &service.parts).iter().map(|part| part.service.as_str()).collect()
    };
    if cycle(document.service_specifications.keys().map(String::as_str), parts).is_some() {
        return;
    }
    let nodes = nodes(document, &mut Findings::default());
    for node in &nodes {
        findings.about("productSpecification", node.specification);
        never_planned(node, &nodes, findings);
    }
}

/// Within one item all tasks are for one action: what is never there for the same action is never there at all.
fn never_planned(node: &Node<'_>, nodes: &[Node<'_>], findings: &mut Findings) {
    let place = format!("component {}: task {}", node.component, node.rule.task_type);
    for (name, source) in &node.rule.inputs {
        let InputSource::Output(source) = source else { continue };
        if source.if_planned || source.relation.is_some() || source.specification.is_some() {
            continue;
        }
        let from = outputs(source, node, nodes);
        let missing: Vec<ItemAction> = node
            .actions
            .iter()
            .filter(|action| !from.iter().any(|other| other.actions.contains(action)))
            .copied()
            .collect();
        // A task for no action at all was found before.
        let is_known = !from.is_empty() && from.iter().all(|other| !other.rule.actions.is_empty());
        findings.require(!is_known || missing.is_empty(), || {
            format!(
                "{place}: input {name} takes from the task {}, which is not planned for {}; every such order would fail. \
                 Plan it then, too, or say ifPlanned = true",
                source.task,
                shown(&missing)
            )
        });
    }
    for after in
        node.rule.after.iter().filter(|after| after.relation.is_none() && after.specification.is_none())
    {
        let before: Vec<&Node<'_>> = earlier(&node.component, after, node, nodes).collect();
        let is_known = !before.is_empty() && before.iter().all(|other| !other.rule.actions.is_empty());
        let shares = |other: &&Node<'_>| other.actions.iter().any(|action| node.actions.contains(action));
        if is_known && !node.actions.is_empty() && !before.iter().any(shares) {
            let wanted: Vec<&str> =
                [&after.component, &after.task].into_iter().flatten().map(String::as_str).collect();
            findings.warn(format!(
                "{place} comes after {}, which is never planned together with it",
                wanted.join(" / ")
            ));
        }
    }
}

fn nodes<'c>(document: &'c CatalogDocument, findings: &mut Findings) -> Vec<Node<'c>> {
    let mut nodes = Vec::new();
    for specification in document.product_specifications.values() {
        findings.about("productSpecification", &specification.id);
        for rule in &specification.components {
            let mut walk = Walk { document, specification: &specification.id, nodes: &mut nodes, findings };
            walk.expand(rule, "", &[], &[ItemAction::Add, ItemAction::Modify, ItemAction::Delete], 1);
        }
    }
    nodes
}

struct Walk<'w, 'c> {
    document: &'c CatalogDocument,
    specification: &'c str,
    nodes: &'w mut Vec<Node<'c>>,
    findings: &'w mut Findings,
}

impl<'c> Walk<'_, 'c> {
    fn expand(
        &mut self,
        rule: &'c ComponentRule,
        above: &str,
        around: &[(String, &'c After)],
        actions: &[ItemAction],
        depth: usize,
    ) {
        let component =
            if above.is_empty() { rule.component.clone() } else { format!("{above}/{}", rule.component) };
        if depth > limits::COMPONENT_DEPTH_MAX {
            self.findings
                .add(format!("component {component} is deeper than {}", limits::COMPONENT_DEPTH_MAX));
            return;
        }
        let Some(service) = self.document.service_specifications.get(&rule.service) else { return };
        let mut around = around.to_vec();
        around.extend(rule.after.iter().map(|after| (component.clone(), after)));
        let both = |some: &[ItemAction]| {
            actions.iter().filter(|action| some.contains(action)).copied().collect::<Vec<_>>()
        };
        let present = both(&rule.actions);
        for task in &service.tasks {
            let actions = present.iter().filter(|action| task.actions.contains(action)).copied().collect();
            let (component, around) = (component.clone(), around.clone());
            let specification = self.specification;
            self.nodes.push(Node { specification, component, rule: task, around, made_by: rule, actions });
        }
        for part in &service.parts {
            self.part_mappings(rule, part, &component);
            self.expand(part, &component, &around, &present, depth + 1);
        }
    }

    fn part_mappings(&mut self, whole: &ComponentRule, part: &ComponentRule, component: &str) {
        let specification = &self.document.product_specifications[self.specification];
        for (name, mapping) in &part.characteristics {
            let (source, there) = match mapping {
                Mapping::Service(source) => (source, whole.characteristics.contains_key(source)),
                Mapping::ServiceIfGiven(_) | Mapping::Literal(_) | Mapping::Expression(_) => continue,
                Mapping::Characteristic(source) | Mapping::CharacteristicIfGiven(source) => {
                    (source, specification.characteristic(source).is_some())
                }
            };
            self.findings.require(there, || {
                format!(
                    "component {component}/{}: characteristic {name} takes \"{source}\", which is not there",
                    part.component
                )
            });
        }
    }
}

/// What the task takes and waits for is there.
fn sources(document: &CatalogDocument, node: &Node<'_>, nodes: &[Node<'_>], findings: &mut Findings) {
    let place = format!("component {}: task {}", node.component, node.rule.task_type);
    let specification = &document.product_specifications[node.specification];
    for (name, source) in &node.rule.inputs {
        match source {
            InputSource::Characteristic(wanted) | InputSource::CharacteristicIfGiven(wanted) => {
                findings.require(specification.characteristic(wanted).is_some(), || {
                    format!("{place}: input {name} takes the characteristic \"{wanted}\", which the specification does not have")
                });
            }
            InputSource::Service(wanted) => findings
                .require(node.made_by.characteristics.contains_key(wanted), || {
                    format!("{place}: input {name} takes \"{wanted}\", which its component does not have")
                }),
            // What is not in the catalog at all has been said already.
            InputSource::Output(source)
                if !knows(document, Some(&source.task), source.specification.as_ref()) => {}
            InputSource::Output(source) => {
                let any = !outputs(source, node, nodes).is_empty();
                findings.require(any || source.relation.is_some(), || {
                    format!(
                        "{place}: input {name} takes from the task {}, of which there is none",
                        source.task
                    )
                });
            }
            InputSource::Literal(_)
            | InputSource::ServiceIfGiven(_)
            | InputSource::Order(_)
            | InputSource::OrderIfGiven(_)
            | InputSource::Item(_)
            | InputSource::Expression(_) => {}
        }
    }
    let own = node.rule.after.iter().map(|after| (node.component.as_str(), after));
    let around = node.around.iter().map(|(component, after)| (component.as_str(), *after));
    for (owner, after) in own.chain(around).filter(|(_, after)| after.relation.is_none()) {
        if !knows(document, after.task.as_ref(), after.specification.as_ref()) {
            continue;
        }
        findings.require(earlier(owner, after, node, nodes).next().is_some(), || {
            let wanted = [&after.specification, &after.component, &after.task];
            let wanted: Vec<&str> = wanted.into_iter().flatten().map(String::as_str).collect();
            // Where another component is named, or another product, no task of that name is there.
            let is_itself = after.specification.is_none()
                && after.task.as_ref() == Some(&node.rule.task_type)
                && after.component.as_deref().is_none_or(|component| is_within(&node.component, component));
            let why = if is_itself {
                "which is itself, and there is no other; it would wait for ever"
            } else {
                "of which there is none"
            };
            format!("{place} comes after {}, {why}", wanted.join(" / "))
        });
    }
}

fn knows(document: &CatalogDocument, task: Option<&String>, specification: Option<&String>) -> bool {
    task.is_none_or(|task| document.task_types.contains_key(task))
        && specification
            .is_none_or(|specification| document.product_specifications.contains_key(specification))
}

/// The tasks that an output may come from, in this product or in the one that is named: of several, those nearest by.
fn outputs<'n, 'c>(source: &OutputSource, node: &Node<'c>, nodes: &'n [Node<'c>]) -> Vec<&'n Node<'c>> {
    let specification = source.specification.as_deref().unwrap_or(node.specification);
    let possible = |other: &&Node<'c>| {
        other.specification == specification
            && other.rule.task_type == source.task
            && source.component.as_deref().is_none_or(|component| is_within(&other.component, component))
            && other.name() != node.name()
    };
    let all: Vec<&Node<'c>> = nodes.iter().filter(possible).collect();
    let near =
        |other: &&&Node<'c>| source.specification.is_none() && is_within(&other.component, &node.component);
    let nearest: Vec<&Node<'c>> = all.iter().filter(near).copied().collect();
    if nearest.is_empty() { all } else { nearest }
}

/// The tasks that `node` waits for by `after`, which stands at the component `owner`.
fn earlier<'n, 'c>(
    owner: &'n str,
    after: &'n After,
    node: &'n Node<'c>,
    nodes: &'n [Node<'c>],
) -> impl Iterator<Item = &'n Node<'c>> {
    let other_product = after.specification.is_some();
    let specification = after.specification.as_deref().unwrap_or(node.specification);
    let around = node.rule.after.iter().all(|own| !std::ptr::eq(own, after));
    nodes.iter().filter(move |other| {
        other.specification == specification
            && after.task.as_ref().is_none_or(|task| other.rule.task_type == *task)
            && after.component.as_deref().is_none_or(|component| is_within(&other.component, component))
            && (other_product || other.name() != node.name())
            // A component waits for others, not for itself.
            && (other_product || !around || !is_within(&other.component, owner))
    })
}

/// Whether a component is `whole` or a part of it.
fn is_within(component: &str, whole: &str) -> bool {
    component.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Tasks of one action that wait for one another, within a product or from one to the next by specification.
fn circles(nodes: &[Node<'_>], action: ItemAction, findings: &mut Findings) {
    let present: Vec<&Node<'_>> = nodes.iter().filter(|node| node.actions.contains(&action)).collect();
    let names: BTreeMap<String, Vec<String>> = present
        .iter()
        .map(|node| {
            let own = node.rule.after.iter().map(|after| (node.component.as_str(), after));
            let around = node.around.iter().map(|(component, after)| (component.as_str(), *after));
            let mut before: Vec<String> = Vec::new();
            for (owner, after) in own.chain(around).filter(|(_, after)| after.relation.is_none()) {
                before.extend(
                    earlier(owner, after, node, nodes)
                        .filter(|one| one.actions.contains(&action))
                        .map(Node::name),
                );
            }
            for source in node.rule.inputs.values() {
                if let InputSource::Output(source) = source
                    && source.relation.is_none()
                {
                    let sources = outputs(source, node, nodes).into_iter();
                    before.extend(sources.filter(|one| one.actions.contains(&action)).map(Node::name));
                }
            }
            (node.name(), before)
        })
        .collect();
    let edges =
        |name: &str| names.get(name).map_or(&[][..], Vec::as_slice).iter().map(String::as_str).collect();
    if let Some(path) = cycle(names.keys().map(String::as_str), edges) {
        // A task's name begins with its product's.
        let product = path[0].split(':').next().unwrap_or_default();
        findings.about("productSpecification", product);
        let path = joined(&path);
        findings.add(format!("for {}, tasks wait for one another: {path}; take one out", action.word()));
    }
}
