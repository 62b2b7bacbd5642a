//! How an object is put together: members in the sequence in which they are given, and none without a value.
use domain::{Json, Timestamp};
use rust_decimal::Decimal;

use super::{SCHEMA_LOCATION, Style, TYPE_PREFIX};
use crate::tmf::json::{self, Node};

/// An object in the making.
pub(super) struct Object(Vec<(String, Node)>);

impl Object {
    pub fn new() -> Object {
        Object(Vec::new())
    }

    /// An object whose type v5 wants to have named.
    pub fn typed(style: &Style, type_name: &str) -> Object {
        if style.is_v5() { Object::named(type_name) } else { Object::new() }
    }

    /// An object whose type is always named.
    pub fn named(type_name: &str) -> Object {
        Object::new().put("@type", text(type_name))
    }

    pub fn put(mut self, name: &str, node: Node) -> Object {
        self.0.push((name.to_owned(), node));
        self
    }

    pub fn maybe(self, name: &str, node: Option<Node>) -> Object {
        match node {
            Some(node) => self.put(name, node),
            None => self,
        }
    }

    pub fn text(self, name: &str, content: Option<&str>) -> Object {
        self.maybe(name, content.map(text))
    }

    pub fn time(self, name: &str, at: Option<Timestamp>) -> Object {
        self.maybe(name, at.and_then(time))
    }

    /// A list, which is left out where it is empty.
    pub fn list(self, name: &str, nodes: impl IntoIterator<Item = Node>) -> Object {
        let nodes: Vec<Node> = nodes.into_iter().collect();
        if nodes.is_empty() { self } else { self.put(name, Node::List(nodes)) }
    }

    /// Members of ours, at the end; where there is one, the object says so by its types. Its own `@type` must be there, as its first.
    pub fn extended(mut self, type_name: &str, members: Object) -> Object {
        if members.0.is_empty() {
            return self;
        }
        assert!(
            self.0.first().is_some_and(|(name, _)| name == "@type"),
            "an object that can be extended names its type first"
        );
        let types = [
            ("@type", format!("{TYPE_PREFIX}{type_name}")),
            ("@baseType", type_name.to_owned()),
            ("@schemaLocation", SCHEMA_LOCATION.to_owned()),
        ];
        self.0.splice(..1, types.map(|(name, content)| (name.to_owned(), Node::Text(content))));
        self.0.extend(members.0);
        self
    }

    /// What the requester said beyond what is read. What stands here already stays, but for a list: the requester's own goes before ours.
    ///
    /// Its own types hold where the object has none of ours.
    pub fn carried(mut self, members: Vec<(String, Node)>) -> Object {
        let is_extended = self.has("@baseType");
        for (name, node) in members {
            let at = self.0.iter().position(|(known, _)| *known == name);
            match at {
                Some(at) if name == "@type" && !is_extended => self.0[at].1 = node,
                Some(at) if matches!(self.0[at].1, Node::List(_)) => self.0[at].1 = node,
                None if !(is_extended && name.starts_with('@')) => self.0.push((name, node)),
                Some(_) | None => {}
            }
        }
        self
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn done(self) -> Node {
        Node::Object(self.0)
    }
}

pub(super) fn text(content: &str) -> Node {
    Node::Text(content.to_owned())
}

/// RFC 3339; nothing for a time that lies outside of the years 1 to 9999 or never comes.
pub(super) fn time(at: Timestamp) -> Option<Node> {
    let shown = at.to_string();
    Timestamp::parse(&shown).map(|_| Node::Text(shown))
}

pub(super) fn whole(number: impl Into<u64>) -> Node {
    Node::Number(number.into().to_string())
}

/// By its digits.
pub(super) fn decimal(number: Decimal) -> Node {
    Node::Number(number.to_string())
}

/// A value as it came, numbers by their digits.
pub(super) fn value(json: &Json) -> Node {
    // What came as a document was read by the same rules. Avro requests may nest deeper or have longer numbers: those are shown as text.
    json::parse(json.text()).unwrap_or_else(|_| text(json.text()))
}
