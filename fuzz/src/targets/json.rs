//! Our own reader of JSON, held against the one that everybody uses.
use schemas::tmf::json::{self, Node};

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let theirs = serde_json::from_str::<serde_json::Value>(text);
    match json::parse(text) {
        Ok(node) => {
            let written = node.to_json();
            assert_eq!(json::parse(&written).as_ref(), Ok(&node), "written and read again");
            // Numbers out of range are the one thing that we read and they do not.
            if let Err(error) = theirs {
                assert!(error.to_string().contains("number out of range"), "only we read it: {error}");
            }
        }
        Err(fault) => {
            assert!(fault.offset <= text.len());
            assert_eq!(fault.located(bytes).lines().count(), 1, "one line says what is wrong");
            // What we refuse and they do not: what lies beyond our limits.
            if theirs.is_ok() {
                let limits = ["nested deeper", "a number longer"];
                assert!(limits.iter().any(|limit| fault.message.contains(limit)), "{}", fault.message);
            }
        }
    }
}

/// Whether any object has two members of one name: what readers of JSON differ about.
pub(super) fn has_twice(node: &Node) -> bool {
    match node {
        Node::Object(members) => {
            let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names.windows(2).any(|two| two[0] == two[1]) || members.iter().any(|(_, node)| has_twice(node))
        }
        Node::List(nodes) => nodes.iter().any(has_twice),
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => false,
    }
}
