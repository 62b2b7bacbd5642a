//! Where every input of a task comes from: a value, or what another task will report.
use super::Reasons;
use super::components::{Drafts, Lazy, characteristic};
use super::connect::{is_within, pairs};
use super::items::{Found, Item, Items};
use crate::catalog::{Catalog, InputSource, ItemField, OrderField, OutputSource};
use crate::order::{Order, Values};
use crate::plan::PlannedInput;
use crate::{Json, ReasonCode};

type Problem = (ReasonCode, String);

/// Fills in the inputs of one task; the task whose output it takes becomes a predecessor.
pub(super) fn resolve(
    order: &Order,
    catalog: &Catalog,
    items: &Items<'_>,
    drafts: &mut Drafts<'_>,
    task: usize,
    reasons: &mut Reasons,
) {
    let rule = drafts.tasks[task].rule;
    let mut inputs = Vec::with_capacity(rule.inputs.len());
    let item = &items.all[drafts.tasks[task].item];
    let scene = Scene { order, catalog, item, unit: drafts.component_of(task).unit };
    let variables = Lazy::new(order, item, scene.unit);
    for (name, source) in &rule.inputs {
        let found = match source {
            InputSource::Output(source) => match output(items, drafts, task, source) {
                Ok(Some(reporter)) => {
                    drafts.tasks[task].predecessors.insert(reporter);
                    let reporter = Some(drafts.tasks[reporter].id);
                    let output = Some(source.output.clone());
                    Ok(Some(PlannedInput { name: name.clone(), value: None, task: reporter, output }))
                }
                Ok(None) => Ok(None),
                Err(problem) => Err(problem),
            },
            plain => scene.value(plain, &drafts.component_of(task).values, &variables).map(|value| {
                value.map(|value| PlannedInput {
                    name: name.clone(),
                    value: Some(value),
                    task: None,
                    output: None,
                })
            }),
        };
        match found {
            Ok(input) => inputs.extend(input),
            Err((code, problem)) => {
                // Without the unit's number: what is wrong with one unit is wrong with all, and said once.
                let base = &drafts.component_of(task).base;
                let message = format!("component {base}: input {name} of task {} {problem}", rule.task_type);
                reasons.add(code, item.pointer(), message);
            }
        }
    }
    drafts.tasks[task].inputs = inputs;
}

struct Scene<'s> {
    order: &'s Order,
    catalog: &'s Catalog,
    item: &'s Item<'s>,
    unit: u32,
}

impl Scene<'_> {
    /// `None` is an input that may be left out, and is.
    fn value(
        &self,
        source: &InputSource,
        service: &Values,
        variables: &Lazy<'_>,
    ) -> Result<Option<Json>, Problem> {
        let missing = |what: String| Err((ReasonCode::MappingMissing, what));
        match source {
            InputSource::Literal(value) => Ok(Some(Json::from(value))),
            InputSource::Characteristic(name) => match characteristic(self.item, name) {
                Some(value) => Ok(Some(value)),
                None => Err((
                    ReasonCode::CharacteristicMissing,
                    format!("needs the characteristic \"{name}\", which the item does not carry"),
                )),
            },
            InputSource::CharacteristicIfGiven(name) => Ok(characteristic(self.item, name)),
            InputSource::Service(name) => match service.get(name) {
                Some(value) => Ok(Some(value.clone())),
                None => {
                    missing(format!("needs \"{name}\" of its service order, which does not have it here"))
                }
            },
            InputSource::ServiceIfGiven(name) => Ok(service.get(name).cloned()),
            InputSource::Order(field) => match self.order_field(*field) {
                Some(value) => Ok(Some(value)),
                None => missing(format!("needs {field:?} of the order, which does not say it")),
            },
            InputSource::OrderIfGiven(field) => Ok(self.order_field(*field)),
            InputSource::Item(field) => match self.item_field(*field) {
                Some(value) => Ok(Some(value)),
                None => missing(format!("needs {field:?} of the item, which does not say it")),
            },
            InputSource::Expression(expression) => {
                match self.catalog.evaluate(expression, &variables.get(Some(service))) {
                    Ok(value) => Ok(Some(Json::from(&value))),
                    Err(error) => Err((ReasonCode::ExpressionFailed, format!("has no value: {error}"))),
                }
            }
            InputSource::Output(_) => unreachable!("outputs are resolved where the other tasks are known"),
        }
    }

    fn order_field(&self, field: OrderField) -> Option<Json> {
        let order = self.order;
        let text = |text: &Option<String>| text.as_deref().map(Json::from);
        match field {
            OrderField::Key => Some(Json::from(order.key.as_str())),
            OrderField::Requester => Some(Json::from(order.requester.as_str())),
            OrderField::ExternalId => text(&order.external_id),
            OrderField::Channel => text(&order.channel),
            OrderField::BillingAccount => {
                text(&self.item.ordered.billing_account).or_else(|| text(&order.billing_account))
            }
            OrderField::Customer => order.party("customer").map(|party| Json::from(party.id.as_str())),
            OrderField::RequestedStart => {
                order.dates.requested_start.map(|at| Json::from(at.to_string().as_str()))
            }
            OrderField::RequestedCompletion => {
                order.dates.requested_completion.map(|at| Json::from(at.to_string().as_str()))
            }
        }
    }

    fn item_field(&self, field: ItemField) -> Option<Json> {
        let ordered = self.item.ordered;
        match field {
            ItemField::Id => Some(Json::from(ordered.id.as_str())),
            ItemField::Action => serde_json::to_value(ordered.action).ok().as_ref().map(Json::from),
            ItemField::Quantity => Some(Json::from(i64::from(ordered.quantity))),
            ItemField::Unit => Some(Json::from(i64::from(self.unit))),
            ItemField::Product => {
                self.item.products.get(self.unit as usize - 1).map(|product| Json::from(product.as_str()))
            }
            ItemField::Offering => ordered.offering.as_ref().map(|offering| Json::from(offering.id.as_str())),
        }
    }
}

/// The one task that reports the output; `None` where it may be left out, and is.
fn output(
    items: &Items<'_>,
    drafts: &Drafts<'_>,
    task: usize,
    source: &OutputSource,
) -> Result<Option<usize>, Problem> {
    let from = drafts.tasks[task].item;
    let component = drafts.component_of(task);
    let others = match (&source.relation, &source.specification) {
        (Some(kind), _) => Some(items.related(from, kind)),
        (None, Some(specification)) => match items.selling(from, specification) {
            Found::Nobody => Some(Vec::new()),
            Found::These(found) => Some(found),
            Found::Unclear(found) => return Err(unclear(source, &items.names(&found))),
        },
        (None, None) => None,
    };
    let fits = |candidate: &usize| {
        let other = drafts.component_of(*candidate);
        *candidate != task
            && drafts.tasks[*candidate].rule.task_type == source.task
            && source.component.as_deref().is_none_or(|wanted| is_within(&other.base, wanted))
    };
    let mut found: Vec<usize> = match &others {
        None => drafts.of_unit(from, component.unit).filter(fits).collect(),
        Some(others) => {
            let pairs = |candidate: &usize| pairs(items, drafts, task, *candidate);
            others.iter().flat_map(|other| drafts.of_item(*other)).filter(fits).filter(pairs).collect()
        }
    };
    let is_near = |candidate: &usize| is_within(&drafts.component_of(*candidate).base, &component.base);
    if others.is_none() && found.len() > 1 && found.iter().any(is_near) {
        found.retain(is_near);
    }
    match found.as_slice() {
        [reporter] => Ok(Some(*reporter)),
        [] if source.if_planned => Ok(None),
        [] => {
            let place = source.specification.as_deref().or(source.relation.as_deref()).unwrap_or("this item");
            let what = format!(
                "takes \"{}\" of task {} of {place}, and none is planned",
                source.output, source.task
            );
            Err((ReasonCode::MappingMissing, what))
        }
        several => {
            let paths: Vec<&str> =
                several.iter().map(|index| drafts.component_of(*index).path.as_str()).collect();
            Err(unclear(source, &paths.join(" and ")))
        }
    }
}

fn unclear(source: &OutputSource, several: &str) -> Problem {
    let what = format!(
        "takes \"{}\" of task {}, and {several} have one; say by a relation which is meant",
        source.output, source.task
    );
    (ReasonCode::MappingAmbiguous, what)
}
