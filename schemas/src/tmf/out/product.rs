//! TMF637: a product instance.
use domain::plan::{ServiceOrder, ServiceOrderKind};

use super::object::{Object, text, whole};
use super::view::ProductView;
use super::{Style, item, party, price, states};
use crate::tmf::json::Node;

/// One product as TMF637 has it, by the style's version.
pub fn product(view: &ProductView, style: &Style) -> Node {
    let product = &view.product;
    let offering = product.offering.as_deref().map(|id| {
        Object::typed(style, "ProductOfferingRef")
            .put("id", text(id))
            .text("name", view.name.as_deref())
            .done()
    });
    let specification = product
        .specification
        .as_deref()
        .map(|id| Object::typed(style, "ProductSpecificationRef").put("id", text(id)).done());
    let of_kind = |kind: ServiceOrderKind| view.realised_by.iter().filter(move |one| one.kind == kind);
    Object::named("Product")
        .put("id", text(product.id.as_str()))
        .put("href", style.product_href(&product.id))
        .text("name", view.name.as_deref())
        .put("status", text(states::product(product.state)))
        .time("startDate", product.started_at)
        .time("terminationDate", product.terminated_at)
        .maybe("productOffering", offering)
        .maybe("productSpecification", specification)
        .list(
            "productCharacteristic",
            product.characteristics.iter().map(|(name, json)| item::characteristic(name, json, style)),
        )
        .list("productPrice", price::of_products(&view.prices, style))
        .list("productRelationship", {
            view.relationships.iter().map(|(kind, id)| item::relationship(kind, id, style))
        })
        .maybe("billingAccount", view.billing_account.as_deref().map(|id| party::account(id, style)))
        .put("productOrderItem", Node::List(vec![order_item(view, style)]))
        .list("relatedParty", product.customer.iter().map(|id| party::customer(id, style)))
        .list(
            "realizingService",
            of_kind(ServiceOrderKind::Service).map(|one| realised(one, "ServiceRef", style)),
        )
        .list(
            "realizingResource",
            of_kind(ServiceOrderKind::Resource).map(|one| realised(one, "ResourceRef", style)),
        )
        .extended("Product", Object::new().put("productVersion", whole(product.version)))
        .done()
}

/// The order and the item that last changed it.
fn order_item(view: &ProductView, style: &Style) -> Node {
    let (key, item) = (&view.product.order_key, &view.product.item_id);
    if style.is_v5() {
        return Object::named("RelatedOrderItem")
            .put("orderId", text(key.as_str()))
            .put("orderHref", style.order_href(key))
            .put("orderItemId", text(&item.0))
            .put("@referredType", text("ProductOrder"))
            .done();
    }
    Object::new()
        .put("productOrderId", text(key.as_str()))
        .put("productOrderHref", style.order_href(key))
        .put("orderItemId", text(&item.0))
        .put("@referredType", text("ProductOrder"))
        .done()
}

/// A service or resource is known by the order that made it: TMF641 writes the same id.
fn realised(by: &ServiceOrder, type_name: &str, style: &Style) -> Node {
    Object::typed(style, type_name)
        .put("id", text(&by.id.to_string()))
        .put("name", text(&by.specification))
        .done()
}
