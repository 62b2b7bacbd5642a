//! Prices, as agreed: every digit as it came.
use domain::Money;
use domain::order::{AgreedPrice, PriceAlteration, PriceKind};

use super::Style;
use super::object::{Object, decimal, text, whole};
use crate::tmf::json::Node;

pub(super) fn kind(kind: PriceKind) -> &'static str {
    match kind {
        PriceKind::OneTime => "nonRecurring",
        PriceKind::Recurring => "recurring",
        PriceKind::Usage => "usage",
    }
}

/// Of an order's item.
pub(super) fn of_order(price: &AgreedPrice, style: &Style) -> Node {
    body(price, "OrderPrice", "priceAlteration", style)
}

/// Of a product. Only what says its kind and an amount is a price of a product.
pub(super) fn of_products(prices: &[AgreedPrice], style: &Style) -> Vec<Node> {
    let alterations = if style.is_v5() { "priceAlteration" } else { "productPriceAlteration" };
    let is_whole = |price: &&AgreedPrice| {
        price.kind.is_some() && (price.amount.is_some() || price.amount_with_tax.is_some())
    };
    prices.iter().filter(is_whole).map(|price| body(price, "ProductPrice", alterations, style)).collect()
}

fn body(price: &AgreedPrice, type_name: &str, alterations: &str, style: &Style) -> Node {
    let amounts = amounts(price.amount.as_ref(), price.amount_with_tax.as_ref());
    // The reference is the name where the requester gave nothing else.
    let offered = price.reference.as_deref().filter(|reference| price.name.as_deref() != Some(reference));
    Object::typed(style, type_name)
        .text("name", price.name.as_deref())
        .text("priceType", price.kind.map(kind))
        .text("recurringChargePeriod", price.period.as_deref())
        .maybe("productOfferingPrice", offered.map(|id| offering_price(id, style)))
        .maybe("price", (!amounts.is_empty()).then(|| price_of(amounts, style)))
        .list(alterations, price.alterations.iter().map(|one| alteration(one, price.kind, style)))
        .done()
}

fn offering_price(id: &str, style: &Style) -> Node {
    Object::typed(style, "ProductOfferingPriceRef").put("id", text(id)).done()
}

fn alteration(alteration: &PriceAlteration, of: Option<PriceKind>, style: &Style) -> Node {
    // v4 requires the kind; what alters a price is of the price's kind where nothing else was said.
    let said = alteration.kind.or(of.filter(|_| !style.is_v5()));
    let inner =
        amounts(alteration.amount.as_ref(), None).maybe("percentage", alteration.percentage.map(decimal));
    Object::typed(style, "PriceAlteration")
        .text("name", alteration.name.as_deref())
        .text("priceType", said.map(kind))
        .maybe("applicationDuration", alteration.duration_periods.map(whole))
        .put("price", price_of(inner, style))
        .done()
}

fn price_of(amounts: Object, style: &Style) -> Node {
    let Node::Object(members) = amounts.done() else { unreachable!("an Object is an object") };
    members
        .into_iter()
        .fold(Object::typed(style, "Price"), |price, (name, node)| price.put(&name, node))
        .done()
}

fn amounts(without_tax: Option<&Money>, with_tax: Option<&Money>) -> Object {
    Object::new()
        .maybe("dutyFreeAmount", without_tax.map(money))
        .maybe("taxIncludedAmount", with_tax.map(money))
}

fn money(money: &Money) -> Node {
    Object::new().put("unit", text(money.currency.code())).put("value", decimal(money.amount)).done()
}
