//! From items to components, service orders and drafts of tasks.
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;

use super::Reasons;
use super::items::{Item, Items};
use crate::catalog::{
    After, Catalog, ComponentRule, Expression, Mapping, ServiceSpecification, TaskRule, Variables,
};
use crate::order::{ItemAction, Order, Values};
use crate::plan::{PlannedInput, ServiceOrder};
use crate::{Json, ReasonCode, ServiceOrderId, TaskId, limits};

/// A component of one unit of one item.
pub(super) struct Component<'o> {
    pub item: usize,
    /// From 1.
    pub unit: u32,
    /// Its address within the unit: `access/port`.
    pub base: String,
    /// The data key's part: `access/port#2` for the second unit; the first has no number, so that raising a quantity
    /// leaves what is there as it is.
    pub path: String,
    pub service: &'o ServiceSpecification,
    pub service_order: ServiceOrderId,
    pub parent: Option<usize>,
    pub values: Values,
    /// What its tasks wait for as a whole: (address of the component that says so, what).
    pub around: Vec<(String, &'o After)>,
}

/// A task in the making.
pub(super) struct Draft<'o> {
    pub id: TaskId,
    pub item: usize,
    pub component: usize,
    pub rule: &'o TaskRule,
    pub system: &'o str,
    /// Indexes of drafts.
    pub predecessors: BTreeSet<usize>,
    pub inputs: Vec<PlannedInput>,
}

#[derive(Default)]
pub(super) struct Drafts<'o> {
    pub components: Vec<Component<'o>>,
    pub tasks: Vec<Draft<'o>>,
    /// The tasks of each unit of each item.
    units: Vec<Vec<Range<usize>>>,
}

impl<'o> Drafts<'o> {
    pub fn of_unit(&self, item: usize, unit: u32) -> Range<usize> {
        self.units[item].get(unit as usize - 1).cloned().unwrap_or(0..0)
    }

    pub fn of_item(&self, item: usize) -> Range<usize> {
        match (self.units[item].first(), self.units[item].last()) {
            (Some(first), Some(last)) => first.start..last.end,
            (_, None) | (None, _) => 0..0,
        }
    }

    pub fn component_of(&self, task: usize) -> &Component<'o> {
        &self.components[self.tasks[task].component]
    }

    /// The service orders that have a task, or a part that has one.
    pub fn used_service_orders(&self, items: &Items<'_>) -> Vec<ServiceOrder> {
        let mut used = vec![false; self.components.len()];
        for task in &self.tasks {
            let mut next = Some(task.component);
            while let Some(index) = next.filter(|index| !used[*index]) {
                used[index] = true;
                next = self.components[index].parent;
            }
        }
        let made =
            self.components.iter().zip(used).filter(|(_, used)| *used).map(|(component, _)| ServiceOrder {
                id: component.service_order,
                item_id: items.all[component.item].ordered.id.clone(),
                kind: component.service.kind,
                specification: component.service.id.clone(),
                parent: component.parent.map(|parent| self.components[parent].service_order),
                characteristics: component.values.clone(),
            });
        made.collect()
    }
}

/// The variables of one unit, made when the first expression asks for them.
pub(super) struct Lazy<'o> {
    order: &'o Order,
    item: &'o Item<'o>,
    unit: u32,
    variables: OnceCell<Variables>,
}

impl<'o> Lazy<'o> {
    pub fn new(order: &'o Order, item: &'o Item<'o>, unit: u32) -> Lazy<'o> {
        Lazy { order, item, unit, variables: OnceCell::new() }
    }

    /// With the characteristics of a service, where there is one.
    pub fn get(&self, service: Option<&Values>) -> Variables {
        let variables = self
            .variables
            .get_or_init(|| Variables::of_item(self.order, self.item.ordered, self.unit))
            .clone();
        match service {
            Some(service) => variables.with("service", service),
            None => variables,
        }
    }
}

pub(super) fn expand<'o>(
    order: &'o Order,
    catalog: &'o Catalog,
    items: &'o Items<'o>,
    reasons: &mut Reasons,
) -> Drafts<'o> {
    let mut drafts = Drafts::default();
    for (index, item) in items.all.iter().enumerate() {
        let first = drafts.tasks.len();
        let mut units = Vec::with_capacity(item.products.len());
        for unit in 1..=item.units() {
            let start = drafts.tasks.len();
            if item.ordered.action != ItemAction::NoChange {
                let variables = Lazy::new(order, item, unit);
                let rules = item.specification.map_or(&[][..], |specification| &specification.components);
                let mut walk =
                    Walk { order, catalog, item, index, unit, variables, drafts: &mut drafts, reasons };
                rules.iter().for_each(|rule| walk.component(rule, None));
            }
            units.push(start..drafts.tasks.len());
            if drafts.tasks.len() > limits::PLAN_TASKS_MAX {
                let message = format!("the order needs more than {} tasks; split it", limits::PLAN_TASKS_MAX);
                reasons.add(ReasonCode::PlanTooLarge, "", message);
                return drafts;
            }
        }
        drafts.units.push(units);
        if drafts.tasks.len() == first {
            missing(item, catalog, reasons);
        }
    }
    drafts
}

/// An item without a task is right only where there is nothing to do.
fn missing(item: &Item<'_>, catalog: &Catalog, reasons: &mut Reasons) {
    let commercial = item.specification.is_some_and(|specification| specification.commercial_only);
    let mere_bundle =
        item.specification.is_none() && item.offering.is_some_and(|offering| offering.is_bundle());
    if item.ordered.action == ItemAction::NoChange || commercial || mere_bundle {
        return;
    }
    // Of an offering that is not known it has been said already.
    if item.offering.is_none() && item.ordered.offering.is_some() {
        return;
    }
    let subject = match (item.specification, &item.ordered.specification) {
        (Some(specification), _) => format!("product specification \"{}\"", specification.id),
        (None, Some(named)) => format!("product specification \"{}\", which is not in it", named.id),
        (None, None) => "an item that names neither an offering nor a specification".to_owned(),
    };
    let message = format!(
        "catalog version \"{}\" has no task for action {:?} of {subject}",
        catalog.version, item.ordered.action
    );
    reasons.add(ReasonCode::MappingMissing, item.pointer(), message);
}

struct Walk<'w, 'o> {
    order: &'o Order,
    catalog: &'o Catalog,
    item: &'o Item<'o>,
    index: usize,
    unit: u32,
    variables: Lazy<'o>,
    drafts: &'w mut Drafts<'o>,
    reasons: &'w mut Reasons,
}

impl<'o> Walk<'_, 'o> {
    fn component(&mut self, rule: &'o ComponentRule, parent: Option<usize>) {
        if !rule.actions.contains(&self.item.ordered.action) || !self.holds(rule.condition.as_ref(), parent) {
            return;
        }
        let Some(service) = self.catalog.service_specifications.get(&rule.service) else {
            unreachable!("a checked catalog has every service that it names, and not \"{}\"", rule.service)
        };
        let above = parent.map(|parent| &self.drafts.components[parent]);
        let base = above.map_or(rule.component.clone(), |above| format!("{}/{}", above.base, rule.component));
        let mut around = above.map_or(Vec::new(), |above| above.around.clone());
        around.extend(rule.after.iter().map(|after| (base.clone(), after)));
        let path = if self.unit == 1 { base.clone() } else { format!("{base}#{}", self.unit) };
        let values = self.values(rule, &base, parent);
        let named = format!("{base}:{}", service.id);
        let service_order =
            ServiceOrderId::derived(&self.order.key, &self.item.ordered.id, &named, self.unit);
        let (item, unit) = (self.index, self.unit);
        self.drafts.components.push(Component {
            item,
            unit,
            base,
            path,
            service,
            service_order,
            parent,
            values,
            around,
        });
        let component = self.drafts.components.len() - 1;
        service.tasks.iter().for_each(|task| self.task(task, component));
        service.parts.iter().for_each(|part| self.component(part, Some(component)));
    }

    fn task(&mut self, rule: &'o TaskRule, component: usize) {
        if !rule.actions.contains(&self.item.ordered.action)
            || !self.holds(rule.condition.as_ref(), Some(component))
        {
            return;
        }
        let Some(task_type) = self.catalog.task_types.get(&rule.task_type) else {
            unreachable!(
                "a checked catalog has every task type that it names, and not \"{}\"",
                rule.task_type
            )
        };
        let path = &self.drafts.components[component].path;
        self.drafts.tasks.push(Draft {
            id: TaskId::derived(&self.order.key, &self.item.ordered.id, path, &rule.task_type),
            item: self.index,
            component,
            rule,
            system: &task_type.system,
            predecessors: BTreeSet::new(),
            inputs: Vec::new(),
        });
    }

    /// A condition that fails to evaluate is a reason, and the component is left out of what remains to be said.
    fn holds(&mut self, condition: Option<&Expression>, service: Option<usize>) -> bool {
        let Some(condition) = condition else { return true };
        let service = service.map(|component| &self.drafts.components[component].values);
        match self.catalog.holds(condition, &self.variables.get(service)) {
            Ok(holds) => holds,
            Err(error) => {
                self.reasons.add(ReasonCode::ExpressionFailed, self.item.pointer(), error.to_string());
                false
            }
        }
    }

    fn values(&mut self, rule: &ComponentRule, base: &str, parent: Option<usize>) -> Values {
        let mut values = Values::new();
        for (name, mapping) in &rule.characteristics {
            match self.value(mapping, parent) {
                Ok(Some(value)) => {
                    values.insert(name.clone(), value);
                }
                Ok(None) => {}
                Err((code, problem)) => {
                    let message = format!("component {base}: characteristic {name} {problem}");
                    self.reasons.add(code, self.item.pointer(), message);
                }
            }
        }
        values
    }

    fn value(&self, mapping: &Mapping, parent: Option<usize>) -> Result<Option<Json>, (ReasonCode, String)> {
        let service = parent.map(|parent| &self.drafts.components[parent].values);
        let of_service = |source: &str| service.and_then(|values| values.get(source)).cloned();
        match mapping {
            Mapping::Literal(value) => Ok(Some(Json::from(value))),
            Mapping::Characteristic(source) => match characteristic(self.item, source) {
                Some(value) => Ok(Some(value)),
                None => Err((
                    ReasonCode::CharacteristicMissing,
                    format!("needs the characteristic \"{source}\", which the item does not carry"),
                )),
            },
            Mapping::CharacteristicIfGiven(source) => Ok(characteristic(self.item, source)),
            Mapping::Service(source) => match of_service(source) {
                Some(value) => Ok(Some(value)),
                None => Err((
                    ReasonCode::MappingMissing,
                    format!("needs \"{source}\" of its service, which does not have it here"),
                )),
            },
            Mapping::ServiceIfGiven(source) => Ok(of_service(source)),
            Mapping::Expression(expression) => {
                match self.catalog.evaluate(expression, &self.variables.get(service)) {
                    Ok(value) => Ok(Some(Json::from(&value))),
                    Err(error) => Err((ReasonCode::ExpressionFailed, format!("has no value: {error}"))),
                }
            }
        }
    }
}

/// The value of a characteristic; of one that occurs several times, the list of its values.
pub(super) fn characteristic(item: &Item<'_>, name: &str) -> Option<Json> {
    let mut values = item.ordered.characteristics.iter().filter(|one| one.name == name).map(|one| &one.value);
    let first = values.next()?;
    let rest: Vec<&Json> = values.collect();
    if rest.is_empty() {
        return Some(first.clone());
    }
    let all = std::iter::once(first).chain(rest).map(Json::value).collect();
    Some(Json::from(&serde_json::Value::Array(all)))
}
