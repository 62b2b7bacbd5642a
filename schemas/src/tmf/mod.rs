//! The anti-corruption layer, inwards: TMF622 documents (v4.0.0 and v5.0.0) become orders, and nothing behind this knows a TMF field name.
//! The way back, orders as documents, is [`out`].
//!
//! It translates as much as it can and says all that is wrong at once, each with its JSON pointer (RFC 6901) into the document as it came;
//! validation adds its own reasons, by the pointers kept in the order. It decides nothing about the order.
//!
//! **v4 and v5 in one document.** Both spellings are understood everywhere: nothing of meaning differs, and senders in migration do mix
//! them. The contract that is recorded says how to answer: what the media type says, else the form of `externalId`, else what most
//! other signs say, else v5. v3 (`orderItem`) is named and refused.
//!
//! **Extensions** of ours, all optional: `revision`; `effectiveDate`, `billingEffectiveDate`, `serviceEffectiveDate`,
//! `contractEffectiveDate`; in a product `productVersion` (the version that a change was prepared against); `productOrderRelationship`
//! beside v5's own `orderRelationship`, for v4.
//!
//! **Not read, but carried** along and written back in the contract that it came in: whatever else an order, an item or a product has,
//! such as payments, quotes, agreements, qualifications, terms, totals, places, products' own relations and members that no standard
//! knows; see [`carried`]. Below that (a tax rate, an address of a reference) it is left in the kept request.
use domain::limits::{REQUEST_BYTES_MAX, TEXT_BYTES_MAX};
use domain::order::Order;
use domain::{OrderKey, Reason, ReasonCode, RequestId};

mod carried;
mod contract;
mod item;
pub mod json;
mod key;
mod order;
pub mod out;
mod place;
mod price;
pub mod split;

pub use contract::Contract;
pub(crate) use item::bound_parts;
use json::Node;
pub(crate) use key::made as key_of;
pub(crate) use place::{Findings, decimal_of};
use place::{POINTER_BYTES_MAX, Place, escaped};
pub(crate) use price::kind_of;

/// What became of a request that is an order, however wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// The request's own name, where the format has one; TMF622 has none. The record's event id goes before it, a hash of the bytes after it.
    pub request_id: Option<RequestId>,
    /// Without a key nothing can be kept about the order: the reason goes to the dead letters with the bytes.
    pub key: Result<OrderKey, Reason>,
    /// As much as could be read. Its key is empty where `key` is none; its catalog version is empty until capture pins one; its request id
    /// is `request_id`, else the hash of the bytes.
    pub order: Order,
    /// What could not be read; validation refuses the order with these and its own reasons. At most [`domain::limits::REASONS_MAX`].
    pub findings: Vec<Reason>,
    pub contract: Contract,
}

/// What is no order at all: it goes to the dead letters with this reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub Reason);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unreadable {}

pub(crate) fn unreadable(code: ReasonCode, message: impl Into<String>) -> Unreadable {
    Unreadable(Reason::new(code, "", message))
}

/// Translates one document. `media_type` may name the contract: `application/json;profile=tmf622-v4`.
///
/// # Errors
/// [`Unreadable`]: too large, no UTF-8, no JSON, no product order (it then says what it is), or a contract that is not read.
pub fn translate(bytes: &[u8], media_type: Option<&str>) -> Result<Translated, Unreadable> {
    let hinted = contract::hinted(media_type)?;
    let document = read(bytes)?;
    if let Some(what) = not_an_order(&document) {
        return Err(unreadable(
            ReasonCode::DocumentNotAnOrder,
            format!("expected one TMF622 product order, found {what}"),
        ));
    }
    let mut findings = Findings::default();
    check_members(&document, &Path::TOP, &mut findings);
    let place = Place { node: &document, pointer: String::new() };
    let contract = hinted.unwrap_or_else(|| contract::recognised(&document));
    let translated = order::translate(&place, contract, RequestId::of_payload(bytes), findings);
    Ok(translated)
}

/// # Errors
/// The request has more than [`REQUEST_BYTES_MAX`] bytes.
pub(crate) fn check_size(bytes: &[u8]) -> Result<(), Unreadable> {
    if bytes.len() <= REQUEST_BYTES_MAX {
        return Ok(());
    }
    let message = format!("{} bytes; at most {REQUEST_BYTES_MAX} are read", bytes.len());
    Err(unreadable(ReasonCode::DocumentTooLarge, message))
}

/// The document as a tree.
fn read(bytes: &[u8]) -> Result<Node, Unreadable> {
    check_size(bytes)?;
    if bytes.starts_with(&[0xFE, 0xFF]) || bytes.starts_with(&[0xFF, 0xFE]) {
        return Err(unreadable(
            ReasonCode::DocumentUnreadable,
            "the document is UTF-16; JSON is sent as UTF-8",
        ));
    }
    // A byte order mark is not part of JSON, and readers may pass over it (RFC 8259, 8.1).
    let mark = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let text = std::str::from_utf8(&bytes[mark..]).map_err(|e| {
        let fault = json::Fault { offset: mark + e.valid_up_to(), message: "not UTF-8".to_owned() };
        unreadable(ReasonCode::DocumentUnreadable, fault.located(bytes))
    })?;
    json::parse(text)
        .map_err(|fault| unreadable(ReasonCode::DocumentUnreadable, fault.located(text.as_bytes())))
}

/// What a document is that is no product order; `None` for one that is.
fn not_an_order(document: &Node) -> Option<String> {
    let Node::Object(members) = document else {
        let Node::List(nodes) = document else { return Some(document.kind().to_owned()) };
        let is_patch = !nodes.is_empty()
            && nodes.iter().all(|node| node.get("op").is_some() && node.get("path").is_some());
        let shown = if is_patch {
            "a JSON patch".to_owned()
        } else {
            format!("a list of {} documents; send each by itself", nodes.len())
        };
        return Some(shown);
    };
    let type_name = document
        .get("@type")
        .and_then(Node::text)
        .map(|name| &name[..name.floor_char_boundary(TEXT_BYTES_MAX)]);
    let has = |name: &str| document.get(name).is_some();
    if has("productOrderItem") || has("orderItem") {
        return None;
    }
    if has("event") || has("eventType") {
        let name = document.get("eventType").and_then(Node::text).or(type_name).unwrap_or("of no type");
        return Some(format!("an event ({})", &name[..name.floor_char_boundary(TEXT_BYTES_MAX)]));
    }
    if type_name == Some("CancelProductOrder")
        || document.get("productOrder").is_some_and(|node| matches!(node, Node::Object(_)))
    {
        return Some("a request to cancel an order".to_owned());
    }
    if members.is_empty() {
        return Some("an empty object".to_owned());
    }
    match type_name {
        Some(name) if !name.contains("ProductOrder") => Some(format!("a {name}")),
        // Neither items nor a name by which to refuse it: a merge patch.
        _ if !has("externalId") && !has("id") => Some(
            "a fragment of an order (neither \"productOrderItem\" nor \"externalId\"); a merge patch?"
                .to_owned(),
        ),
        _ => None,
    }
}

/// A way into the document. A pointer is made of it only where something is wrong: names may be long, and there may be many.
#[derive(Clone, Copy)]
struct Path<'p> {
    above: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Top,
    Name(&'p str),
    Index(usize),
}

impl Path<'_> {
    const TOP: Path<'static> = Path { above: None, step: Step::Top };

    fn pointer(&self) -> String {
        let above = self.above.map(Path::pointer).unwrap_or_default();
        match self.step {
            Step::Top => above,
            // What is beyond the limit is cut off when the finding is added.
            Step::Name(name) => {
                format!("{above}/{}", escaped(&name[..name.floor_char_boundary(POINTER_BYTES_MAX + 1)]))
            }
            Step::Index(index) => format!("{above}/{index}"),
        }
    }
}

/// What JSON allows and an order must not have, anywhere in it: two members of one name, NUL in text.
fn check_members(node: &Node, path: &Path<'_>, findings: &mut Findings) {
    match node {
        Node::Object(members) => {
            let mut names = std::collections::HashSet::with_capacity(members.len());
            for (name, node) in members {
                let inner = Path { above: Some(path), step: Step::Name(name) };
                if !names.insert(name) {
                    findings.add_at(
                        ReasonCode::FieldInvalid,
                        || inner.pointer(),
                        "given more than once; give it once",
                    );
                    // A pointer into it would point into the first one, which alone is read.
                    continue;
                }
                if name.contains('\0') {
                    findings.add_at(
                        ReasonCode::FieldInvalid,
                        || path.pointer(),
                        "a name holds a NUL character",
                    );
                }
                check_members(node, &inner, findings);
            }
        }
        Node::List(nodes) => {
            for (index, node) in nodes.iter().enumerate() {
                check_members(node, &Path { above: Some(path), step: Step::Index(index) }, findings);
            }
        }
        Node::Text(text) if text.contains('\0') => {
            findings.add_at(
                ReasonCode::FieldInvalid,
                || path.pointer(),
                "the text holds a NUL character; leave it out",
            );
        }
        Node::Text(_) | Node::Null | Node::Bool(_) | Node::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
