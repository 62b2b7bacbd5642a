//! The table of members is what is written, and what is said of reading is true.
use super::*;
use crate::tmf::out::fields::{FIELDS, In, Read, Standard};

/// The ways to every value of a document. Items inside of items are the same again.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| paths(one, path, found)),
        Value::Object(members) if !path.ends_with("Characteristic.value") => {
            for (name, inner) in members.iter().filter(|(name, _)| !is_type(name)) {
                let way = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if way == NESTED {
                    found.insert(way);
                    paths(inner, "productOrderItem", found);
                } else {
                    paths(inner, &way, found);
                }
            }
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

const NESTED: &str = "productOrderItem.productOrderItem";

/// Said of all objects at once, and so left out of the table.
fn is_type(name: &str) -> bool {
    ["@type", "@baseType", "@schemaLocation"].contains(&name)
}

/// Everything that is ever written.
fn documents(standard: Standard, version: Version) -> Vec<Value> {
    // Some members are only written where a base address is known.
    let style = Style { version, base: "https://orders.example.com".to_owned() };
    let states = [
        OrderState::InProgress,
        OrderState::Failed,
        OrderState::Completed,
        OrderState::Cancelled,
        OrderState::Rejected,
    ];
    let views = states.map(view);
    match standard {
        Standard::Tmf622 => views.iter().map(|view| written(view, version)).collect(),
        Standard::Tmf641 if version == Version::V5 => Vec::new(),
        Standard::Tmf641 => {
            views.iter().flat_map(|view| service_orders(view, &style)).map(|node| tree(&node)).collect()
        }
        Standard::Tmf637 => vec![tree(&product(&product_view(), &style))],
    }
}

#[test]
fn the_table_has_every_member_that_is_written_and_no_other() {
    for standard in Standard::ALL {
        for version in Version::ALL {
            let mut found = BTreeSet::new();
            documents(standard, version).iter().for_each(|document| paths(document, "", &mut found));
            let of_version = |written: In| match written {
                In::Both => true,
                In::V4 => version == Version::V4,
                In::V5 => version == Version::V5,
            };
            let listed =
                FIELDS.iter().filter(|field| field.standard == standard && of_version(field.written));
            let listed: BTreeSet<String> = listed.map(|field| field.path.to_owned()).collect();
            let missing: Vec<_> = found.difference(&listed).collect();
            let too_many: Vec<_> = listed.difference(&found).collect();
            assert!(
                missing.is_empty() && too_many.is_empty(),
                "{standard:?} {version:?}: not in the table: {missing:?}; never written: {too_many:?}"
            );
        }
    }
}

/// Takes a member out, wherever it stands.
fn without(value: &mut Value, path: &[&str]) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| without(one, path)),
        Value::Object(members) => match path {
            [last] => {
                members.remove(*last);
                let nested = members.get_mut("productOrderItem").filter(|_| *last != "productOrderItem");
                if let Some(nested) = nested {
                    without(nested, path);
                }
            }
            [first, rest @ ..] => {
                if let Some(inner) = members.get_mut(*first) {
                    without(inner, rest);
                }
                // The same, in the items inside of items.
                if *first != "productOrderItem"
                    && let Some(nested) = members.get_mut("productOrderItem")
                {
                    without(nested, path);
                }
            }
            [] => {}
        },
        _ => {}
    }
}

#[test]
fn a_member_that_is_taken_makes_a_difference_and_one_that_is_ignored_makes_none() {
    for version in Version::ALL {
        let document = written(&view(OrderState::InProgress), version);
        let read = |document: &Value| {
            let mut translated = translated(document);
            translated.order.request_id = "any".into();
            translated
        };
        let whole = read(&document);
        for field in FIELDS.iter().filter(|field| field.standard == Standard::Tmf622) {
            let path: Vec<&str> = field.path.split('.').collect();
            let mut less = document.clone();
            without(&mut less, &path);
            if less == document {
                continue; // of the other version, or of another state
            }
            let differs = read(&less) != whole;
            assert_eq!(differs, field.read != Read::Ignored, "{version:?} {}", field.path);
        }
    }
}
