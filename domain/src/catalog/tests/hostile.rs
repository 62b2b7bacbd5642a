//! Expressions that are made to take for ever, and how much work the worst that are allowed are.
use super::refused::{SMALL, check};
use crate::catalog::{Catalog, Expression, Variables};
use crate::limits::{
    EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_MACRO_NODES_MAX, EXPRESSION_MACROS_NESTED_MAX,
    VALUE_BYTES_MAX,
};
use crate::planner::tests::orders;

/// As many operations take no time that anybody would notice. One list is gone through, each of its elements takes two bytes of its text
/// at least, and for each there are so many operations.
const OPERATIONS_MAX: usize = 1 << 20;
const _: () = assert!(
    EXPRESSION_MACROS_NESTED_MAX == 1 && EXPRESSION_MACRO_NODES_MAX * (VALUE_BYTES_MAX / 2) <= OPERATIONS_MAX
);

#[test]
fn an_expression_has_a_size_a_depth_and_one_list_at_a_time() {
    let long = format!("item.quantity < 5 || '{}' == ''", "x".repeat(EXPRESSION_BYTES_MAX));
    let found = super::refused::findings(&SMALL.replacen("item.quantity < 5", &long, 1));
    assert!(found.len() == 1 && found[0].contains("an expression is longer than 2048 bytes"), "{found:#?}");

    let deep = format!("item.quantity < {}1", "1 + ".repeat(EXPRESSION_DEPTH_MAX));
    check("item.quantity < 5", &deep, "operations deep, and may be 64; split it");
    let nested = format!("{}item.quantity < 5{}", "(".repeat(500), ")".repeat(500));
    check("item.quantity < 5", &nested, "(((( ...\" is not CEL, at character ");
    assert_eq!(
        super::refused::findings(&SMALL.replacen("item.quantity < 5", &nested, 1))[0].lines().count(),
        1
    );

    let squared = "[1, 2].all(a, [1, 2].all(b, a < b))";
    check(
        "item.quantity < 5",
        squared,
        "goes through a list for each element of a list; 1 at a time is allowed",
    );
    let summed = "(characteristics.speed + characteristics.speed).all(a, a > 0)";
    check("item.quantity < 5", summed, "goes through a sum of lists; go through one of them");
    let wordy = format!("[1].all(a, {})", vec!["a >= 0"; 100].join(" && "));
    check("item.quantity < 5", &wordy, "operations for each element of a list, and may do 64; say less");
    let chained = "characteristics.speed in [1, 2, 3].filter(a, a > item.quantity).map(a, a - 1)";
    let catalog = Catalog::from_files(&[("small.toml", SMALL.replacen("item.quantity < 5", chained, 1))]);
    assert!(catalog.is_ok(), "one after the other is no nesting: {catalog:?}");
}

#[test]
fn the_worst_expression_over_the_largest_value_has_one() {
    // As many operations for each element as are allowed, of the longest list that a characteristic can be.
    let hostile = format!("characteristics.speed.all(a, {})", vec!["a >= 0"; 13].join(" && "));
    let text = SMALL.replacen("item.quantity < 5", &hostile, 1).replacen(
        "valueType = \"integer\", allowedValues = [1, 2], default = 1",
        "valueType = \"array\"",
        1,
    );
    let catalog = Catalog::from_files(&[("small.toml", text)]).unwrap();
    let mut order = orders::business_fiber(&catalog);
    let mut item = order.items.remove(0);
    let longest: Vec<serde_json::Value> = vec![1.into(); VALUE_BYTES_MAX / 2 - 1];
    orders::set(&mut item, "speed", longest.into());
    let holds = catalog.holds(&Expression(hostile), &Variables::of_item(&order, &item, 1));
    assert_eq!(holds, Ok(true));
}
