//! Items of an order. Those that came nested are nested again.
use std::collections::{BTreeMap, BTreeSet};

use domain::limits::ITEM_DEPTH_MAX;
use domain::order::{Characteristic, ItemState, Order, OrderItem};
use domain::{ItemId, Json, ProductId};

use super::object::{Object, text, value, whole};
use super::view::OrderView;
use super::{Style, party, price, states};
use crate::tmf::json::Node;
use crate::tmf::{Contract, carried};

/// How the products of an item of several units relate to it: the item has one `product`, and it stands for all of them.
const UNITS: &str = "consistsOf";

/// The items at the top, each with those inside of it.
pub(super) fn nested(view: &OrderView, style: &Style) -> Vec<Node> {
    let tree = Tree::of(&view.order.items);
    tree.top.iter().map(|index| tree.item(*index, view, style)).collect()
}

/// Items by what holds them: indexes of the order's items.
struct Tree {
    top: Vec<usize>,
    within: BTreeMap<usize, Vec<usize>>,
}

impl Tree {
    fn of(items: &[OrderItem]) -> Tree {
        let mut first: BTreeMap<&ItemId, usize> = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            first.entry(&item.id).or_insert(index);
        }
        let holder =
            |index: usize| items[index].parent.as_ref().and_then(|parent| first.get(parent)).copied();
        let mut tree = Tree { top: Vec::new(), within: BTreeMap::new() };
        for index in 0..items.len() {
            // A refused order can be nested without end, or hold itself: such items stand at the top.
            let mut above = holder(index);
            for _ in 0..ITEM_DEPTH_MAX {
                above = above.and_then(holder);
            }
            match holder(index).filter(|_| above.is_none()) {
                Some(holder) => tree.within.entry(holder).or_default().push(index),
                None => tree.top.push(index),
            }
        }
        tree
    }

    fn item(&self, index: usize, view: &OrderView, style: &Style) -> Node {
        let within = self.within.get(&index).into_iter().flatten();
        let inner: Vec<Node> = within.map(|index| self.item(*index, view, style)).collect();
        let ordered = &view.order.items[index];
        let mut carried = carried(ordered.carried.as_ref(), &view.order, style);
        let of_product =
            carried.iter().position(|(name, _)| name == carried::PRODUCT).map(|at| carried.remove(at).1);
        let of_product = if let Some(Node::Object(members)) = of_product { members } else { Vec::new() };
        item(ordered, of_product, view, style).list("productOrderItem", inner).carried(carried).done()
    }
}

/// What was carried along, as members; nothing where the document is of another contract than the request: its members would not fit.
pub(super) fn carried(carried: Option<&Json>, order: &Order, style: &Style) -> Vec<(String, Node)> {
    let came_in = if style.is_v5() { Contract::Tmf622V5 } else { Contract::Tmf622V4 };
    match carried.filter(|_| order.contract == came_in.name()).map(value) {
        Some(Node::Object(members)) => members,
        Some(Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::List(_)) | None => {
            Vec::new()
        }
    }
}

fn item(item: &OrderItem, of_product: Vec<(String, Node)>, view: &OrderView, style: &Style) -> Object {
    let known = view.items.get(&item.id);
    let state = states::item(view.state, known.map_or(ItemState::Pending, |known| known.state));
    let made = known.map_or(&[][..], |known| known.products.as_slice());
    Object::typed(style, "ProductOrderItem")
        .put("id", text(&item.id.0))
        .put("action", text(states::action(item.action)))
        .put("quantity", whole(item.quantity))
        .put("state", text(state))
        .maybe(
            "productOffering",
            item.offering.as_ref().map(|offering| {
                Object::typed(style, "ProductOfferingRef")
                    .put("id", text(&offering.id))
                    .text("name", offering.name.as_deref())
                    .done()
            }),
        )
        .maybe("product", product(item, made, of_product, style))
        .list("itemPrice", item.prices.iter().map(|one| price::of_order(one, style)))
        .maybe("billingAccount", item.billing_account.as_deref().map(|id| party::account(id, style)))
        .list(
            "productOrderItemRelationship",
            item.relationships.iter().map(|relation| {
                Object::typed(style, "OrderItemRelationship")
                    .put("relationshipType", text(&relation.kind))
                    .put("id", text(&relation.target.0))
                    .done()
            }),
        )
}

/// What the item says of its product. One that only names it is a reference; v5 tells them apart.
fn product(
    item: &OrderItem,
    made: &[ProductId],
    carried: Vec<(String, Node)>,
    style: &Style,
) -> Option<Node> {
    let named = item.product.as_ref();
    // The one product of an item is named by it, as soon as it is known: that is how the requester learns its id.
    let id = named.map(|product| &product.id).or(if let [only] = made { Some(only) } else { None });
    let others: BTreeSet<&ProductId> = made.iter().filter(|made| Some(*made) != id).collect();
    let version = named.and_then(|product| product.version);
    let says_nothing = item.specification.is_none()
        && item.characteristics.is_empty()
        && others.is_empty()
        && carried.is_empty();
    if says_nothing && id.is_none() {
        return None;
    }
    let is_reference = says_nothing && version.is_none();
    let object = match (style.is_v5(), version) {
        (true, _) if is_reference => Object::named("ProductRef"),
        (true, _) | (false, Some(_)) => Object::named("Product"),
        (false, None) => Object::new(),
    };
    let object = object
        .text("id", id.map(ProductId::as_str))
        .maybe("href", id.map(|id| style.product_href(id)))
        .maybe(
            "productSpecification",
            item.specification.as_ref().map(|specification| {
                Object::typed(style, "ProductSpecificationRef")
                    .put("id", text(&specification.id))
                    .text("version", specification.version.as_deref())
                    .done()
            }),
        )
        .list("productCharacteristic", characteristics(&item.characteristics, style))
        .list("productRelationship", others.iter().map(|id| relationship(UNITS, id, style)))
        .extended("Product", Object::new().maybe("productVersion", version.map(whole)))
        .carried(carried);
    Some(object.done())
}

/// How a product relates to another.
pub(super) fn relationship(kind: &str, id: &ProductId, style: &Style) -> Node {
    let reference = |object: Object| object.put("id", text(id.as_str())).put("href", style.product_href(id));
    if style.is_v5() {
        return reference(Object::named("ProductRelationship").put("relationshipType", text(kind))).done();
    }
    let product = reference(Object::new()).done();
    Object::new().put("relationshipType", text(kind)).put("product", product).done()
}

fn characteristics(all: &[Characteristic], style: &Style) -> Vec<Node> {
    all.iter().map(|one| characteristic(&one.name, &one.value, style)).collect()
}

/// v5 has a type of characteristic for every kind of value; v4 has one for all.
pub(super) fn characteristic(name: &str, json: &Json, style: &Style) -> Node {
    let node = value(json);
    let kind = Kind::of(&node);
    Object::typed(style, kind.type_name())
        .put("name", text(name))
        .put("valueType", text(kind.value_type()))
        .put("value", node)
        .done()
}

/// What a value is, as v5 tells values apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Bool,
    Integer,
    Number,
    Object,
    List(ListOf),
    /// Null.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListOf {
    Text,
    Bool,
    Integer,
    Number,
    Object,
    Mixture,
}

impl Kind {
    fn of(node: &Node) -> Kind {
        match node {
            Node::Text(_) => Kind::Text,
            Node::Bool(_) => Kind::Bool,
            Node::Number(digits) if digits.bytes().all(|b| b == b'-' || b.is_ascii_digit()) => Kind::Integer,
            Node::Number(_) => Kind::Number,
            Node::Object(_) => Kind::Object,
            Node::List(nodes) => Kind::List(ListOf::of(nodes)),
            Node::Null => Kind::Nothing,
        }
    }

    /// A mixture, and null, fit none of v5's types: such a value stands in the type that all share.
    fn type_name(self) -> &'static str {
        match self {
            Kind::Text => "StringCharacteristic",
            Kind::Bool => "BooleanCharacteristic",
            Kind::Integer => "IntegerCharacteristic",
            Kind::Number => "NumberCharacteristic",
            Kind::Object => "ObjectCharacteristic",
            Kind::List(ListOf::Text) => "StringArrayCharacteristic",
            Kind::List(ListOf::Bool) => "BooleanArrayCharacteristic",
            Kind::List(ListOf::Integer) => "IntegerArrayCharacteristic",
            Kind::List(ListOf::Number) => "NumberArrayCharacteristic",
            Kind::List(ListOf::Object) => "ObjectArrayCharacteristic",
            Kind::List(ListOf::Mixture) | Kind::Nothing => "Characteristic",
        }
    }

    fn value_type(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Bool => "boolean",
            Kind::Integer => "integer",
            Kind::Number => "number",
            Kind::Object => "object",
            Kind::List(_) => "array",
            Kind::Nothing => "null",
        }
    }
}

impl ListOf {
    /// An empty list is one of text: it fits every type.
    fn of(nodes: &[Node]) -> ListOf {
        let all = |allowed: &[Kind]| nodes.iter().all(|node| allowed.contains(&Kind::of(node)));
        match () {
            () if all(&[Kind::Text]) => ListOf::Text,
            () if all(&[Kind::Bool]) => ListOf::Bool,
            () if all(&[Kind::Integer]) => ListOf::Integer,
            () if all(&[Kind::Integer, Kind::Number]) => ListOf::Number,
            () if all(&[Kind::Object]) => ListOf::Object,
            () => ListOf::Mixture,
        }
    }
}
