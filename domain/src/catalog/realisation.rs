//! How a product is built: components, the service and resource specifications that realise them, and the tasks of each.
//!
//! Dependencies are always said in the direction of building up. Where one of the two tasks deletes, the plan turns them round.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::expression::Expression;
use crate::order::ItemAction;
use crate::plan::ServiceOrderKind;

fn building() -> Vec<ItemAction> {
    vec![ItemAction::Add]
}

fn every_action() -> Vec<ItemAction> {
    vec![ItemAction::Add, ItemAction::Modify, ItemAction::Delete]
}

/// A part of a product, or of a service: by which specification it is realised, when, and with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentRule {
    /// Unique among its siblings; a part of a service is addressed below it: `access/port`.
    pub component: String,
    /// A key of [`super::CatalogDocument::service_specifications`].
    pub service: String,
    /// Present only where this holds, over [`super::expression::Scope::Item`].
    pub condition: Option<Expression>,
    /// Present only for these actions of the item; by default for all but noChange.
    #[serde(default = "every_action")]
    pub actions: Vec<ItemAction>,
    /// The characteristics of the service order, by name.
    #[serde(default)]
    pub characteristics: BTreeMap<String, Mapping>,
    /// What all tasks of the component wait for, its parts included.
    #[serde(default)]
    pub after: Vec<After>,
}

/// Where a characteristic of a service comes from. A source that is missing stops the decomposition; it never is empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mapping {
    Literal(Value),
    /// A characteristic of the item.
    Characteristic(String),
    /// The same, and left out where the item does not carry it.
    CharacteristicIfGiven(String),
    /// A characteristic of the enclosing service; for parts of services only.
    Service(String),
    /// The same, and left out where the service does not have it.
    ServiceIfGiven(String),
    /// Over [`super::expression::Scope::Item`].
    Expression(Expression),
}

/// A service, resource, billing, shipping ... specification: what one service order of it consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSpecification {
    pub id: String,
    pub name: String,
    pub kind: ServiceOrderKind,
    #[serde(default)]
    pub tasks: Vec<TaskRule>,
    /// The parts that it needs itself: a service's resources.
    #[serde(default)]
    pub parts: Vec<ComponentRule>,
}

/// A task of a component. One component has one task per task type at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskRule {
    /// A key of [`super::CatalogDocument::task_types`].
    pub task_type: String,
    /// Done only where this holds, over [`super::expression::Scope::Service`].
    pub condition: Option<Expression>,
    /// Done for these actions of the item; by default for add alone.
    #[serde(default = "building")]
    pub actions: Vec<ItemAction>,
    #[serde(default)]
    pub inputs: BTreeMap<String, InputSource>,
    #[serde(default)]
    pub after: Vec<After>,
    /// Reached when the task is done.
    pub milestone: Option<String>,
}

/// Where an input of a task comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InputSource {
    Literal(Value),
    /// A characteristic of the item.
    Characteristic(String),
    /// The same, and left out where the item does not carry it.
    CharacteristicIfGiven(String),
    /// A characteristic of the service order.
    Service(String),
    /// The same, and left out where the service order does not have it.
    ServiceIfGiven(String),
    Order(OrderField),
    /// The same, and left out where the order does not say it.
    OrderIfGiven(OrderField),
    Item(ItemField),
    /// Over [`super::expression::Scope::Service`].
    Expression(Expression),
    /// What another task reports; that task is then a predecessor.
    Output(OutputSource),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderField {
    Key,
    Requester,
    ExternalId,
    Channel,
    /// The item's billing account, else the order's.
    BillingAccount,
    /// The id of the party of the role `customer`.
    Customer,
    RequestedStart,
    RequestedCompletion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ItemField {
    Id,
    Action,
    Quantity,
    /// Which unit of the quantity, from 1.
    Unit,
    /// The id of the product instance of this unit.
    Product,
    /// The offering's id.
    Offering,
}

/// An output of a task: of the same item, or of another one found by relation or by what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutputSource {
    pub task: String,
    pub output: String,
    /// The component that the task belongs to; absent: this one, or on another item the only one that has such a task.
    pub component: Option<String>,
    /// On the items that this one has a relation of this kind to, said by the requester or by the catalog.
    pub relation: Option<String>,
    /// On the item of this product specification: the related one, else the only one on the order.
    pub specification: Option<String>,
    /// Left out where no such task is planned; otherwise that stops the decomposition.
    #[serde(default)]
    pub if_planned: bool,
}

/// Work that has to be done before. What is not planned is not waited for: it may have been done long ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct After {
    /// A task type; absent: all tasks of the component.
    pub task: Option<String>,
    /// Its component and the parts of it; absent: this component, or on another item every one.
    pub component: Option<String>,
    /// On the items that this one has a relation of this kind to, said by the requester or by the catalog.
    pub relation: Option<String>,
    /// On the item of this product specification: the related ones, else the only one on the order.
    pub specification: Option<String>,
}

/// A word by which order items relate: `reliesOn`, `requires`, `bundles`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelationKind {
    pub name: String,
    /// The item cannot do without the one that it relates to.
    #[serde(default)]
    pub required: bool,
    /// The relation's target is the part: `bundles`. It then cannot do without this item, if `required`.
    #[serde(default)]
    pub target_is_part: bool,
    /// All work of the item waits for all work of the one that it relates to, unless the catalog itself says how
    /// their tasks depend on one another.
    #[serde(default)]
    pub orders_work: bool,
}
