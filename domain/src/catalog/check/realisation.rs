//! Components and services: what they refer to, one by one, before they are looked at together.
use serde_json::Value;

use super::{Findings, cycle, joined, repeated};
use crate::catalog::finding::did_you_mean;
use crate::catalog::{
    After, CatalogDocument, ComponentRule, InputSource, Mapping, ProductSpecification, ServiceSpecification,
    TaskRule,
};
use crate::order::ItemAction;

/// The key by which the TOML reader marks a date that was not written as text.
const TOML_DATE_KEY: &str = "$__toml_private_datetime";

/// Whether services consist of one another without end is the answer: only where not, can they be expanded.
pub(super) fn check(document: &CatalogDocument, findings: &mut Findings) -> bool {
    for (key, specification) in &document.product_specifications {
        findings.about("productSpecification", key);
        components(document, &specification.components, findings);
        specification.components.iter().for_each(|rule| product_mappings(specification, rule, findings));
    }
    for (key, specification) in &document.service_specifications {
        findings.about("serviceSpecification", key);
        findings.named(key, &specification.id);
        components(document, &specification.parts, findings);
        findings.require(!specification.tasks.is_empty() || !specification.parts.is_empty(), || {
            "has neither tasks nor parts; nothing would be done for it".to_owned()
        });
        tasks(document, specification, findings);
    }
    let parts = |id: &str| {
        let parts =
            document.service_specifications.get(id).map_or(&[][..], |specification| &specification.parts);
        parts.iter().map(|rule| rule.service.as_str()).collect()
    };
    let endless = cycle(document.service_specifications.keys().map(String::as_str), parts);
    if let Some(path) = &endless {
        findings.about("serviceSpecification", path[0]);
        findings.add(format!("services consist of one another: {}; take one out", joined(path)));
    }
    endless.is_none()
}

fn components(document: &CatalogDocument, rules: &[ComponentRule], findings: &mut Findings) {
    if let Some(name) = repeated(rules.iter().map(|rule| rule.component.as_str())) {
        findings.add(format!("has two components \"{name}\""));
    }
    for rule in rules {
        let name = &rule.component;
        // `/` leads to parts and `#` to units; both are put in by the planner.
        findings.require(!name.is_empty() && !name.contains(['/', '#']), || {
            format!("component \"{name}\" must have a name without \"/\" and \"#\"")
        });
        findings.refers("serviceSpecification", &rule.service, &document.service_specifications, |near| {
            format!(
                "component {name} names the service specification \"{}\", which is not in the catalog{near}",
                rule.service
            )
        });
        actions(&format!("component {name}"), &rule.actions, findings);
        for (characteristic, mapping) in &rule.characteristics {
            if let Mapping::Literal(value) = mapping {
                literal(&format!("component {name}: characteristic {characteristic}"), value, findings);
            }
        }
        rule.after
            .iter()
            .for_each(|after| dependency(document, &format!("component {name}"), after, findings));
    }
}

fn product_mappings(specification: &ProductSpecification, rule: &ComponentRule, findings: &mut Findings) {
    for (name, mapping) in &rule.characteristics {
        let place = format!("component {}: characteristic {name}", rule.component);
        match mapping {
            Mapping::Characteristic(source) | Mapping::CharacteristicIfGiven(source) => {
                findings.require(specification.characteristic(source).is_some(), || {
                    let names = specification.characteristics.iter().map(|one| one.name.as_str());
                    let near = did_you_mean(source, names);
                    format!("{place} takes \"{source}\", which the specification does not have{near}")
                });
            }
            Mapping::Service(_) | Mapping::ServiceIfGiven(_) => {
                findings
                    .add(format!("{place} takes a characteristic of a service; only parts of services can"));
            }
            Mapping::Literal(_) | Mapping::Expression(_) => {}
        }
    }
}

fn tasks(document: &CatalogDocument, specification: &ServiceSpecification, findings: &mut Findings) {
    if let Some(name) = repeated(specification.tasks.iter().map(|rule| rule.task_type.as_str())) {
        findings.add(format!("has two tasks \"{name}\"; a component has one of each type at most"));
    }
    for rule in &specification.tasks {
        let place = format!("task {}", rule.task_type);
        findings.refers("taskType", &rule.task_type, &document.task_types, |near| {
            format!("{place} is of a type that is not in the catalog{near}")
        });
        actions(&place, &rule.actions, findings);
        rule.after.iter().for_each(|after| dependency(document, &place, after, findings));
        inputs(document, rule, findings);
    }
}

fn inputs(document: &CatalogDocument, rule: &TaskRule, findings: &mut Findings) {
    for (name, source) in &rule.inputs {
        let place = format!("task {}: input {name}", rule.task_type);
        match source {
            InputSource::Literal(value) => literal(&place, value, findings),
            InputSource::Output(source) => {
                selector(
                    document,
                    &place,
                    source.relation.as_deref(),
                    source.specification.as_deref(),
                    findings,
                );
                match document.task_types.get(&source.task) {
                    Some(task_type) => findings.require(task_type.outputs.contains(&source.output), || {
                        let near = did_you_mean(&source.output, task_type.outputs.iter().map(String::as_str));
                        format!(
                            "{place} takes the output \"{}\", which \"{}\" does not report{near}",
                            source.output, source.task
                        )
                    }),
                    None => findings.refers("taskType", &source.task, &document.task_types, |near| {
                        format!(
                            "{place} takes from the task type \"{}\", which is not in the catalog{near}",
                            source.task
                        )
                    }),
                }
            }
            InputSource::Characteristic(_)
            | InputSource::CharacteristicIfGiven(_)
            | InputSource::Service(_)
            | InputSource::ServiceIfGiven(_)
            | InputSource::Order(_)
            | InputSource::OrderIfGiven(_)
            | InputSource::Item(_)
            | InputSource::Expression(_) => {}
        }
    }
}

fn dependency(document: &CatalogDocument, place: &str, after: &After, findings: &mut Findings) {
    selector(document, place, after.relation.as_deref(), after.specification.as_deref(), findings);
    let own = after.relation.is_none() && after.specification.is_none();
    findings.require(!own || after.task.is_some() || after.component.is_some(), || {
        format!("{place} comes after nothing; name a task or a component")
    });
    if let Some(task) = &after.task {
        findings.refers("taskType", task, &document.task_types, |near| {
            format!("{place} comes after the task type \"{task}\", which is not in the catalog{near}")
        });
    }
}

fn selector(
    document: &CatalogDocument,
    place: &str,
    relation: Option<&str>,
    specification: Option<&str>,
    findings: &mut Findings,
) {
    findings.require(relation.is_none() || specification.is_none(), || {
        format!("{place} names a relation and a specification; name one of them")
    });
    if let Some(relation) = relation {
        findings.refers("relationKind", relation, &document.relation_kinds, |near| {
            format!("{place} names the relation \"{relation}\", which is not in the catalog{near}")
        });
    }
    if let Some(specification) = specification {
        let known = &document.product_specifications;
        findings.refers("productSpecification", specification, known, |near| {
            let named = format!("{place} names the product specification \"{specification}\"");
            format!("{named}, which is not in the catalog{near}")
        });
    }
}

fn actions(place: &str, actions: &[ItemAction], findings: &mut Findings) {
    findings.require(!actions.is_empty(), || format!("{place} is for no action at all"));
    findings.require(!actions.contains(&ItemAction::NoChange), || {
        format!("{place} is for noChange, for which nothing is done")
    });
}

/// A date that the file's format understands would reach the downstream system as something else.
fn literal(place: &str, value: &Value, findings: &mut Findings) {
    let has_date = match value {
        Value::Object(entries) => entries.contains_key(TOML_DATE_KEY),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    };
    findings.require(!has_date, || format!("{place} is a date; write it as text, between quotes"));
}
