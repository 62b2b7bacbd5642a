//! What expressions say: conditions that are always the same, fields that are never there, comparisons that never hold.
use std::collections::BTreeSet;

use cel::common::ast::{Expr, IdedExpr, operators};
use serde_json::Value;

use super::Findings;
use super::kinds::{Kind, Kinds, mistakes, texts};
use super::parsed::{field, literal};
use super::reach::Reach;
use crate::catalog::compiled::{Compiled, walk};
use crate::catalog::expression::{ITEM_ACTIONS, ITEM_FIELDS, ORDER_FIELDS, TASK_FIELDS, Variables};
use crate::catalog::finding::{did_you_mean, shown};
use crate::catalog::uses::{self, Owner, Use, Wanted};
use crate::catalog::{CatalogDocument, ProductSpecification};

pub(super) fn check(
    document: &CatalogDocument,
    compiled: &Compiled,
    reach: &Reach<'_>,
    findings: &mut Findings,
) {
    for one in uses::of(document) {
        findings.subject = one.subject();
        let is_constant = one.wanted == Wanted::Truth && constant(&one, compiled, findings);
        // What is no CEL has been said already.
        let Ok(parsed) = cel::parser::Parser::new().parse(&one.expression.0) else { continue };
        let known = Known::of(document, &one, reach);
        if is_constant || mistaken(&one, &parsed, &Kinds { products: &known.products }, findings) {
            continue;
        }
        for (variable, field) in fields(&parsed) {
            known.field(&one, variable, field, findings);
        }
        for (variable, field, literal) in comparisons(&parsed) {
            known.comparison(&one, variable, field, &literal, findings);
        }
    }
}

/// What can be of no use as it stands, and what comes to something else than is wanted. Tells whether anything was found.
fn mistaken(one: &Use<'_>, parsed: &IdedExpr, kinds: &Kinds<'_>, findings: &mut Findings) -> bool {
    let (place, text) = (&one.place, shown(&one.expression.0));
    let mut found: Vec<String> = mistakes(parsed, kinds);
    let kind = kinds.of(parsed);
    match one.wanted {
        Wanted::Truth => {
            let other = kind.filter(|kind| *kind != Kind::Truth);
            found.extend(other.map(|kind| format!("is {kind}, and has to be true or false")));
        }
        Wanted::OneOf(names) => {
            let all = names.join(", ");
            let other = kind.filter(|kind| *kind != Kind::Text);
            found.extend(other.map(|kind| format!("is {kind}, and has to be one of {all}")));
            let wrong = texts(parsed).into_iter().filter(|text| !names.contains(text));
            found.extend(wrong.map(|text| {
                let near = did_you_mean(text, names.iter().copied());
                format!("comes to \"{text}\", and has to be one of {all}{near}")
            }));
        }
        Wanted::Anything => {}
    }
    for what in &found {
        findings.add(format!("{place}expression \"{text}\" {what}"));
    }
    !found.is_empty()
}

/// What has a value without a variable has that value always. Tells whether it has one.
fn constant(one: &Use<'_>, compiled: &Compiled, findings: &mut Findings) -> bool {
    let Ok(value) = compiled.evaluate(one.expression, &Variables::default()) else { return false };
    let (place, text) = (&one.place, shown(&one.expression.0));
    match value {
        Value::Bool(false) => findings.add(format!(
            "{place}condition \"{text}\" is always false; what stands under it is never reached"
        )),
        Value::Bool(true) => {
            findings.warn(format!("{place}condition \"{text}\" is always true; leave it out"));
        }
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            findings.add(format!("{place}condition \"{text}\" is {value}, which is neither true nor false"));
        }
    }
    true
}

/// `variable.field`, `variable['field']` and `'field' in variable`.
fn fields(parsed: &IdedExpr) -> BTreeSet<(&str, &str)> {
    let mut found = BTreeSet::new();
    walk(parsed, &mut |node, around| {
        if let Some((variable, field)) = field(node)
            && !around.bound.contains(&variable)
        {
            found.insert((variable, field));
        }
    });
    found
}

/// `variable.field == literal`, either way round, and `!=`.
fn comparisons(parsed: &IdedExpr) -> Vec<(&str, &str, Value)> {
    let mut found = Vec::new();
    walk(parsed, &mut |node, around| {
        let Expr::Call(call) = &node.expr else { return };
        if ![operators::EQUALS, operators::NOT_EQUALS].contains(&call.func_name.as_str()) {
            return;
        }
        let [one, other] = call.args.as_slice() else { return };
        let pair = field(one).zip(literal(other)).or_else(|| field(other).zip(literal(one)));
        if let Some(((variable, field), literal)) = pair
            && !around.bound.contains(&variable)
        {
            found.push((variable, field, literal));
        }
    });
    found
}

/// What the variables of one expression can hold.
struct Known<'d> {
    products: Vec<&'d ProductSpecification>,
    /// Names by variable; a variable that is not in it may hold anything.
    names: Vec<(&'static str, BTreeSet<&'d str>)>,
}

impl<'d> Known<'d> {
    fn of(document: &'d CatalogDocument, one: &Use<'d>, reach: &Reach<'d>) -> Known<'d> {
        let fixed = |names: &'static [&'static str]| names.iter().copied().collect();
        let mut known = Known { products: Vec::new(), names: Vec::new() };
        match one.owner {
            Owner::Offering(offering) => {
                let product = offering.specification.as_ref();
                known.products.extend(product.and_then(|id| document.product_specifications.get(id)));
            }
            Owner::Product(product) => known.products.push(product),
            Owner::Service(service) => {
                known.products = reach.products_of(&service.id);
                if let Some(names) = reach.characteristics_of(&service.id) {
                    known.names.push(("service", names));
                }
            }
            Owner::TaskType(task_type) => {
                let rules = document.service_specifications.values().flat_map(|service| &service.tasks);
                let own = rules.filter(|rule| rule.task_type == task_type.name);
                let inputs: BTreeSet<&str> =
                    own.flat_map(|rule| rule.inputs.keys()).map(String::as_str).collect();
                if !inputs.is_empty() {
                    known.names.push(("historical", inputs.clone()));
                    known.names.push(("contemporary", inputs));
                }
                let outputs = task_type.outputs.iter().map(String::as_str).collect();
                known.names.push(("current", outputs));
                known.names.push(("task", fixed(TASK_FIELDS)));
                return known;
            }
        }
        known.names.push(("order", fixed(ORDER_FIELDS)));
        known.names.push(("item", fixed(ITEM_FIELDS)));
        if !known.products.is_empty() {
            let all = known.products.iter().flat_map(|product| &product.characteristics);
            known.names.push(("characteristics", all.map(|one| one.name.as_str()).collect()));
        }
        known
    }

    fn field(&self, one: &Use<'_>, variable: &str, field: &str, findings: &mut Findings) {
        let Some((_, names)) = self.names.iter().find(|(name, _)| *name == variable) else { return };
        if names.contains(field) {
            return;
        }
        let near = did_you_mean(field, names.iter().copied());
        let there: Vec<&str> = names.iter().copied().collect();
        let there = if there.is_empty() { "nothing".to_owned() } else { there.join(", ") };
        let (place, text) = (&one.place, shown(&one.expression.0));
        findings.add(format!(
            "{place}expression \"{text}\" takes \"{field}\" of {variable}, which has {there}{near}"
        ));
    }

    fn comparison(
        &self,
        one: &Use<'_>,
        variable: &str,
        field: &str,
        literal: &Value,
        findings: &mut Findings,
    ) {
        let (allowed, near) = if (variable, field) == ("item", "action") {
            let names: Vec<Value> = ITEM_ACTIONS.iter().map(|name| Value::from(*name)).collect();
            let near = did_you_mean(literal.as_str().unwrap_or_default(), ITEM_ACTIONS.iter().copied());
            (names, near)
        } else if variable == "characteristics" {
            let all = self.products.iter().filter_map(|product| product.characteristic(field));
            // One product that allows anything is enough.
            let Some(lists) = all.map(|one| one.allowed_values.clone()).collect::<Option<Vec<_>>>() else {
                return;
            };
            let allowed = lists.concat();
            let near = did_you_mean(
                literal.as_str().unwrap_or_default(),
                allowed.iter().filter_map(|value| value.as_str()),
            );
            (allowed, near)
        } else {
            return;
        };
        if allowed.is_empty() || allowed.contains(literal) {
            return;
        }
        let values: Vec<String> = allowed.iter().map(Value::to_string).collect();
        let (place, text) = (&one.place, shown(&one.expression.0));
        findings.add(format!(
            "{place}expression \"{text}\" compares {variable}.{field} with {literal}, and it only ever is {}{near}",
            values.join(", ")
        ));
    }
}
