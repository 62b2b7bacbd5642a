//! The anti-corruption layer, outwards: orders as TMF622 v4.0.0 and v5.0.0, service orders as TMF641 v4.1.0, products as TMF637 v4.0.0 and
//! v5.0.0.
//!
//! [`view`] is what has to be known, in the domain's own words; whoever keeps it fills it in. [`product_order`], [`service_orders`] and
//! [`product`] write it down. [`states`] says which state is shown as which, [`fields`] every member that is ever written.
//!
//! **Numbers keep their digits**: a document is a [`Node`], so an amount of 1.10 is written as 1.10.
//!
//! **Types.** v5 names the type of every object in `@type`, and where several are allowed (a product, a party, a characteristic) by that
//! name says which. v4 names the types of orders and products, and where the standard requires it. An object that has members which the
//! standard does not know says so as the standard asks: `@type` is a name of ours, `@baseType` the standard's, `@schemaLocation` says
//! where the members are described. [`EXTENSIONS`] are all of them.
//!
//! **What was not said is not written.** Where the standard requires a member that the requester left out, nothing is made up; the one
//! exception is the party type of v4, see [`party`].
use super::json::Node;

mod fault;
pub mod fields;
mod item;
mod object;
mod order;
mod party;
mod price;
mod product;
mod service;
pub mod states;
pub mod view;

pub use order::product_order;
pub use product::product;
pub use service::service_orders;
pub use view::{CaseView, ItemView, MilestoneView, OrderView, ProductView, RefusalView, ServiceOrderView};

/// Where our own members are described; `docs/standards.md` has them.
pub const SCHEMA_LOCATION: &str = "urn:orderstream:tmf-extensions:1";
/// What a TMF name has in front of it where the object has members of ours.
pub const TYPE_PREFIX: &str = "Orderstream";
/// The members that are ours, by the standard's type that they stand in.
pub const EXTENSIONS: &[(&str, &[&str])] = &[
    (
        "ProductOrder",
        &[
            "revision",
            "effectiveDate",
            "billingEffectiveDate",
            "serviceEffectiveDate",
            "contractEffectiveDate",
            // v5 has these itself.
            "productOrderRelationship",
            "productOrderErrorMessage",
            "productOrderMilestone",
            "productOrderJeopardyAlert",
        ],
    ),
    ("Product", &["productVersion"]),
];

/// Which version of a standard is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    V4,
    V5,
}

impl Version {
    pub const ALL: [Version; 2] = [Version::V4, Version::V5];

    /// As it stands in addresses: `v4`.
    pub fn name(self) -> &'static str {
        match self {
            Version::V4 => "v4",
            Version::V5 => "v5",
        }
    }
}

/// How documents are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    pub version: Version,
    /// What stands before `/tmf-api/...` in every `href`: `https://orders.example.com`; empty for addresses relative to the server.
    pub base: String,
}

impl Style {
    /// With addresses relative to the server.
    pub fn of(version: Version) -> Style {
        Style { version, base: String::new() }
    }

    fn is_v5(&self) -> bool {
        self.version == Version::V5
    }

    fn order_href(&self, key: &domain::OrderKey) -> Node {
        self.href("productOrderingManagement", self.version, "productOrder", key.as_str())
    }

    fn product_href(&self, id: &domain::ProductId) -> Node {
        self.href("productInventory", self.version, "product", id.as_str())
    }

    /// TMF641 is written in its version 4 alone.
    fn service_order_href(&self, id: domain::ServiceOrderId) -> Node {
        self.href("serviceOrdering", Version::V4, "serviceOrder", &id.to_string())
    }

    fn href(&self, api: &str, version: Version, resource: &str, id: &str) -> Node {
        let (base, version) = (self.base.trim_end_matches('/'), version.name());
        Node::Text(format!("{base}/tmf-api/{api}/{version}/{resource}/{}", percent_encoded(id)))
    }
}

/// As one segment of a path (RFC 3986): anything but unreserved characters is encoded, so that a key with `/` stays one segment.
pub fn percent_encoded(segment: &str) -> String {
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
