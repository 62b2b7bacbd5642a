//! docs/standards-fields.md: what is read and written of TM Forum's standards, from the table that tests hold against the documents.
use domain::inventory::ProductState;
use domain::order::{ItemAction, ItemState, OrderState};
use domain::plan::ServiceOrderState;
use domain::states::Machine;
use schemas::tmf::out::fields::{FIELDS, Field, In, Read, Standard};
use schemas::tmf::out::states;

use crate::order::word;

pub fn page() -> String {
    let mut text = String::from(
        "# TM Forum's members and states\n\n<!-- generated -->\nFrom the tables in `schemas/src/tmf/out`; `make doc` writes this page, and tests compare it and the documents. \
         [standards.md](standards.md) says how to read it.\n",
    );
    for standard in Standard::ALL {
        text.push_str(&format!(
            "\n## {}\n\n| member | read | written | what it is |\n|---|---|---|---|\n",
            standard.title()
        ));
        for field in FIELDS.iter().filter(|field| field.standard == standard) {
            text.push_str(&row(field));
        }
    }
    text.push_str("\n## States of an order (TMF622)\n\n| here | there |\n|---|---|\n");
    for state in OrderState::ALL {
        text.push_str(&format!("| {} | {} |\n", word(state), states::order(*state)));
    }
    text.push_str("\n## States of an item (TMF622)\n\nRows are the order's state, columns the item's.\n\n|");
    let items = ItemState::ALL.iter();
    items.clone().for_each(|item| text.push_str(&format!(" | {}", word(item))));
    text.push_str(&format!(" |\n|{}\n", "---|".repeat(ItemState::ALL.len() + 1)));
    for order in OrderState::ALL {
        text.push_str(&format!("| **{}**", word(order)));
        items.clone().for_each(|item| text.push_str(&format!(" | {}", states::item(*order, *item))));
        text.push_str(" |\n");
    }
    text.push_str("\n## States of a service order and of its service (TMF641)\n\n| here | order | service added | service deleted |\n|---|---|---|---|\n");
    for state in ServiceOrderState::ALL {
        let service = |action| states::service(action, *state);
        text.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            word(state),
            states::service_order(*state),
            service(ItemAction::Add),
            service(ItemAction::Delete)
        ));
    }
    text.push_str("\n## States of a product (TMF637)\n\n| here | there |\n|---|---|\n");
    for state in ProductState::ALL {
        text.push_str(&format!("| {} | {} |\n", word(state), states::product(*state)));
    }
    text
}

fn row(field: &Field) -> String {
    let versions = match field.written {
        In::V4 => "v4",
        In::V5 => "v5",
        In::Both => "v4, v5",
    };
    let read = match field.read {
        Read::Taken => versions,
        Read::Carried => "carried",
        Read::Ignored => "",
    };
    format!("| `{}` | {read} | {versions} | {} |\n", field.path, field.about)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_is_that_of_the_tables() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/standards-fields.md");
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written == super::page(), "docs/standards-fields.md is stale; `make doc` writes it anew");
    }
}
