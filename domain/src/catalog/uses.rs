//! Every expression of a catalog: whose it is, what it is for, and what it may name.
use super::expression::{Expression, Scope};
use super::task_type::{CHANGED_STRATEGIES, NOT_NEEDED_STRATEGIES};
use super::{
    CatalogDocument, ComponentRule, InputSource, Mapping, Offering, ProductSpecification,
    ServiceSpecification, TaskType,
};

/// The entry that an expression stands in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner<'d> {
    Offering(&'d Offering),
    Product(&'d ProductSpecification),
    Service(&'d ServiceSpecification),
    TaskType(&'d TaskType),
}

/// What the value of an expression has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Truth,
    /// One of these names.
    OneOf(&'static [&'static str]),
    /// It is taken as it is.
    Anything,
}

/// One expression where it stands.
#[derive(Clone, Debug)]
pub(super) struct Use<'d> {
    pub owner: Owner<'d>,
    /// Within the entry, as messages begin: `component access: `; empty for the entry itself.
    pub place: String,
    pub scope: Scope,
    pub wanted: Wanted,
    pub expression: &'d Expression,
}

impl Use<'_> {
    /// The entry as findings name it.
    pub fn subject(&self) -> String {
        match self.owner {
            Owner::Offering(offering) => format!("offering {}", offering.id),
            Owner::Product(specification) => format!("productSpecification {}", specification.id),
            Owner::Service(specification) => format!("serviceSpecification {}", specification.id),
            Owner::TaskType(task_type) => format!("taskType {}", task_type.name),
        }
    }
}

pub(super) fn of<'d>(document: &'d CatalogDocument) -> Vec<Use<'d>> {
    let mut found = Vec::new();
    for offering in document.offerings.values() {
        let owner = Owner::Offering(offering);
        found.extend(offering.eligibility.iter().map(|rule| Use {
            owner,
            place: String::new(),
            scope: Scope::Item,
            wanted: Wanted::Truth,
            expression: &rule.condition,
        }));
    }
    for specification in document.product_specifications.values() {
        let owner = Owner::Product(specification);
        for rule in &specification.components {
            of_component(rule, owner, Scope::Item, &mut found);
        }
    }
    for specification in document.service_specifications.values() {
        of_service(specification, &mut found);
    }
    for task_type in document.task_types.values() {
        let owner = Owner::TaskType(task_type);
        let no_return = task_type.point_of_no_return.as_ref().and_then(|rule| rule.when.as_ref());
        let strategies = [
            (CHANGED_STRATEGIES, &task_type.when_changed_expression),
            (NOT_NEEDED_STRATEGIES, &task_type.when_not_needed_expression),
        ];
        let named = |(names, expression): (_, &'d Option<Expression>)| {
            Some((Wanted::OneOf(names), expression.as_ref()?))
        };
        let all = no_return.map(|when| (Wanted::Truth, when)).into_iter();
        found.extend(all.chain(strategies.into_iter().filter_map(named)).map(|(wanted, expression)| Use {
            owner,
            place: String::new(),
            scope: Scope::Task,
            wanted,
            expression,
        }));
    }
    found
}

fn of_service<'d>(specification: &'d ServiceSpecification, found: &mut Vec<Use<'d>>) {
    let owner = Owner::Service(specification);
    for rule in &specification.parts {
        of_component(rule, owner, Scope::Service, found);
    }
    for task in &specification.tasks {
        let inputs = task.inputs.values().filter_map(|input| match input {
            InputSource::Expression(expression) => Some(expression),
            InputSource::Literal(_)
            | InputSource::Characteristic(_)
            | InputSource::CharacteristicIfGiven(_)
            | InputSource::Service(_)
            | InputSource::ServiceIfGiven(_)
            | InputSource::Order(_)
            | InputSource::OrderIfGiven(_)
            | InputSource::Item(_)
            | InputSource::Output(_) => None,
        });
        let condition = task.condition.iter().map(|condition| (Wanted::Truth, condition));
        let all = condition.chain(inputs.map(|expression| (Wanted::Anything, expression)));
        found.extend(all.map(|(wanted, expression)| Use {
            owner,
            place: format!("task {}: ", task.task_type),
            scope: Scope::Service,
            wanted,
            expression,
        }));
    }
}

fn of_component<'d>(rule: &'d ComponentRule, owner: Owner<'d>, scope: Scope, found: &mut Vec<Use<'d>>) {
    let mappings = rule.characteristics.values().filter_map(|mapping| match mapping {
        Mapping::Expression(expression) => Some(expression),
        Mapping::Literal(_)
        | Mapping::Characteristic(_)
        | Mapping::CharacteristicIfGiven(_)
        | Mapping::Service(_)
        | Mapping::ServiceIfGiven(_) => None,
    });
    let condition = rule.condition.iter().map(|condition| (Wanted::Truth, condition));
    let all = condition.chain(mappings.map(|expression| (Wanted::Anything, expression)));
    found.extend(all.map(|(wanted, expression)| Use {
        owner,
        place: format!("component {}: ", rule.component),
        scope,
        wanted,
        expression,
    }));
}
