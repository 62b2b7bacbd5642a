//! A CEL expression of a catalog, over an order.
use domain::catalog::{Catalog, CatalogDocument, EligibilityRule, Expression, Variables};
use domain::order::Order;
use std::sync::LazyLock;

const CATALOG: &str = "version = \"1\"\n[[offering]]\nid = \"o\"\nname = \"O\"\nspecification = \"p\"\nbillable = false\n\
                       [[productSpecification]]\nid = \"p\"\nname = \"P\"\nversion = \"1\"\ncommercialOnly = true\n";
const ORDER: &str = r#"{"externalId":"1","category":"B2B","productOrderItem":[{"id":"1","action":"add","quantity":2,
    "productOffering":{"id":"o"},"product":{"productCharacteristic":[{"name":"a","value":[1,{"b":"c"}]},{"name":"n","value":7}]}}]}"#;

static DOCUMENT: LazyLock<CatalogDocument> = LazyLock::new(|| {
    let catalog = Catalog::from_files(&[("catalog.toml", CATALOG)]);
    CatalogDocument::clone(&catalog.unwrap_or_else(|findings| panic!("{findings:?}")))
});

static ORDERED: LazyLock<Order> = LazyLock::new(|| {
    schemas::tmf::translate(ORDER.as_bytes(), None).expect("the order is well formed").order
});

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let condition = Expression(text.to_owned());
    let mut document = DOCUMENT.clone();
    let offering = document.offerings.get_mut("o").expect("it stands above");
    offering.eligibility.push(EligibilityRule { condition: condition.clone(), message: "no".to_owned() });
    let Ok(catalog) = Catalog::new(document) else { return };
    let variables = Variables::of_item(&ORDERED, &ORDERED.items[0], 1);
    let first = catalog.evaluate(&condition, &variables);
    assert_eq!(first, catalog.evaluate(&condition, &variables), "equal input, equal value");
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let expressions = [
        "!has(characteristics.n) || int(characteristics.n) <= 8 || (has(order.category) && order.category.contains('B2B'))",
        "item.quantity * 2 + unit == 5 ? 'a' : 'b'",
        "characteristics.a.all(x, x != null)",
        "[1, 2u, 3.5, b'x', {'k': null}].size() > 0 && 'a' in ['a']",
    ];
    expressions.iter().map(|text| text.as_bytes().to_vec()).collect()
}
