//! What of a catalog can ever be reached: which services belong to which products, work that is for no action, offerings that
//! nobody can order, entries that nothing refers to.
use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::catalog::finding::did_you_mean;
use crate::catalog::{
    CatalogDocument, ComponentRule, InputSource, Mapping, Offering, OfferingRelationKind,
    ProductSpecification, ServiceSpecification,
};
use crate::limits;
use crate::order::ItemAction;

/// The services that products consist of, directly or as parts of others.
pub(super) struct Reach<'d> {
    services: BTreeMap<&'d str, Reached<'d>>,
}

#[derive(Default)]
struct Reached<'d> {
    products: BTreeSet<&'d str>,
    /// The characteristics that any component gives it.
    characteristics: BTreeSet<&'d str>,
    actions: BTreeSet<ItemAction>,
    found: Vec<&'d ProductSpecification>,
}

impl<'d> Reach<'d> {
    /// Also of a document in which services consist of one another without end.
    pub fn of(document: &'d CatalogDocument) -> Reach<'d> {
        let mut reach = Reach { services: BTreeMap::new() };
        for product in document.product_specifications.values() {
            for rule in &product.components {
                reach.add(document, product, rule, &rule.actions, 1);
            }
        }
        reach
    }

    fn add(
        &mut self,
        document: &'d CatalogDocument,
        product: &'d ProductSpecification,
        rule: &'d ComponentRule,
        actions: &[ItemAction],
        depth: usize,
    ) {
        let reached = self.services.entry(&rule.service).or_default();
        if reached.products.insert(&product.id) {
            reached.found.push(product);
        }
        reached.characteristics.extend(rule.characteristics.keys().map(String::as_str));
        reached.actions.extend(actions);
        let parts = document.service_specifications.get(&rule.service).map_or(&[][..], |one| &one.parts);
        for part in parts.iter().filter(|_| depth < limits::COMPONENT_DEPTH_MAX) {
            let both: Vec<ItemAction> =
                part.actions.iter().filter(|action| actions.contains(action)).copied().collect();
            self.add(document, product, part, &both, depth + 1);
        }
    }

    /// The products that the service belongs to.
    pub fn products_of(&self, service: &str) -> Vec<&'d ProductSpecification> {
        self.services.get(service).map(|reached| reached.found.clone()).unwrap_or_default()
    }

    /// What its components give it; `None` where nothing consists of it.
    pub fn characteristics_of(&self, service: &str) -> Option<BTreeSet<&'d str>> {
        self.services.get(service).map(|reached| reached.characteristics.clone())
    }
}

pub(super) fn check(document: &CatalogDocument, reach: &Reach<'_>, findings: &mut Findings) {
    for product in document.product_specifications.values() {
        findings.about("productSpecification", &product.id);
        idle(document, &product.components, findings);
    }
    for service in document.service_specifications.values() {
        findings.about("serviceSpecification", &service.id);
        idle(document, &service.parts, findings);
        unreached_tasks(service, reach, findings);
        never_given(service, reach, findings);
    }
    for offering in document.offerings.values() {
        findings.about("offering", &offering.id);
        never_orderable(document, offering, findings);
    }
}

/// Components for which nothing is ever done.
fn idle(document: &CatalogDocument, rules: &[ComponentRule], findings: &mut Findings) {
    for rule in rules {
        let Some(service) = document.service_specifications.get(&rule.service) else { continue };
        let does = actions_of(document, service, 1);
        let none = !does.is_empty() && rule.actions.iter().all(|action| !does.contains(action));
        findings.require(!none || rule.actions.is_empty(), || {
            format!(
                "component {} is for {}, and \"{}\" has tasks for {} only; nothing would be done for it",
                rule.component,
                shown(&rule.actions),
                rule.service,
                shown(&does)
            )
        });
    }
}

/// The actions for which a service has a task, in itself or in its parts.
fn actions_of(
    document: &CatalogDocument,
    service: &ServiceSpecification,
    depth: usize,
) -> BTreeSet<ItemAction> {
    let mut actions: BTreeSet<ItemAction> =
        service.tasks.iter().flat_map(|task| &task.actions).copied().collect();
    for part in service.parts.iter().filter(|_| depth < limits::COMPONENT_DEPTH_MAX) {
        let Some(below) = document.service_specifications.get(&part.service) else { continue };
        let below = actions_of(document, below, depth + 1);
        actions.extend(below.into_iter().filter(|action| part.actions.contains(action)));
    }
    actions
}

fn unreached_tasks(service: &ServiceSpecification, reach: &Reach<'_>, findings: &mut Findings) {
    let Some(reached) = reach.services.get(service.id.as_str()) else { return };
    for task in &service.tasks {
        let never = task.actions.iter().all(|action| !reached.actions.contains(action));
        findings.require(!never || task.actions.is_empty(), || {
            format!(
                "task {} is for {}, and its components are for {} only; it is never done",
                task.task_type,
                shown(&task.actions),
                shown(&reached.actions)
            )
        });
    }
}

/// What is taken where it is given, and nothing ever gives.
fn never_given(service: &ServiceSpecification, reach: &Reach<'_>, findings: &mut Findings) {
    let Some(names) = reach.characteristics_of(&service.id) else { return };
    let mut require = |place: String, wanted: &str| {
        findings.require(names.contains(wanted), || {
            let near = did_you_mean(wanted, names.iter().copied());
            format!(
                "{place} takes \"{wanted}\" of the service where it is given, and nothing ever gives it{near}"
            )
        });
    };
    for task in &service.tasks {
        for (name, source) in &task.inputs {
            if let InputSource::ServiceIfGiven(wanted) = source {
                require(format!("task {}: input {name}", task.task_type), wanted);
            }
        }
    }
    for part in &service.parts {
        for (name, mapping) in &part.characteristics {
            if let Mapping::ServiceIfGiven(wanted) = mapping {
                require(format!("component {}: characteristic {name}", part.component), wanted);
            }
        }
    }
}

fn never_orderable(document: &CatalogDocument, offering: &Offering, findings: &mut Findings) {
    if !offering.sellable {
        return;
    }
    let sellable = |id: &str| document.offerings.get(id).is_none_or(|other| other.sellable);
    let excluded: BTreeSet<&str> = offering
        .relations
        .iter()
        .filter(|relation| relation.kind == OfferingRelationKind::Excludes)
        .flat_map(|relation| relation.any_of.iter().map(String::as_str))
        .collect();
    for member in offering.bundle.iter().filter(|member| member.min > 0) {
        findings.require(sellable(&member.offering), || {
            format!("cannot be ordered: it must hold \"{}\", which is not sellable", member.offering)
        });
        findings.require(!excluded.contains(member.offering.as_str()), || {
            format!("cannot be ordered: it must hold \"{}\" and excludes it", member.offering)
        });
    }
    let requires =
        offering.relations.iter().filter(|relation| relation.kind == OfferingRelationKind::Requires);
    for relation in requires.filter(|relation| !relation.any_of.is_empty()) {
        findings.require(!relation.any_of.iter().all(|other| excluded.contains(other.as_str())), || {
            format!("cannot be ordered: it requires \"{}\" and excludes it", relation.any_of.join("\", \""))
        });
    }
}

/// What nothing refers to may be meant for later: it is said, and hinders nobody.
pub(super) fn unused(document: &CatalogDocument, reach: &Reach<'_>, findings: &mut Findings) {
    let sold: BTreeSet<&String> =
        document.offerings.values().filter_map(|one| one.specification.as_ref()).collect();
    for id in document.product_specifications.keys().filter(|id| !sold.contains(id)) {
        findings.about("productSpecification", id);
        findings.warn("no offering sells it");
    }
    for id in document.service_specifications.keys().filter(|id| !reach.services.contains_key(id.as_str())) {
        findings.about("serviceSpecification", id);
        findings.warn("no product consists of it");
    }
    let rules = document.service_specifications.values().flat_map(|service| &service.tasks);
    let tasks: BTreeSet<&String> = rules.map(|rule| &rule.task_type).collect();
    for name in document.task_types.keys().filter(|name| !tasks.contains(name)) {
        findings.about("taskType", name);
        findings.warn("no service has such a task");
    }
    let asked = document.task_types.values().map(|task_type| &task_type.system);
    let feasibility = document.offerings.values().filter_map(|one| one.feasibility.as_ref());
    let systems: BTreeSet<&String> = asked.chain(feasibility.map(|one| &one.system)).collect();
    for name in document.systems.keys().filter(|name| !systems.contains(name)) {
        findings.about("system", name);
        findings.warn("nothing is ever asked of it");
    }
}

pub(super) fn shown<'a>(actions: impl IntoIterator<Item = &'a ItemAction>) -> String {
    let names: Vec<&str> = actions.into_iter().map(|action| action.word()).collect();
    names.join(", ")
}
