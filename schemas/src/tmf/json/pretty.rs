//! JSON for people: a member or an entry a line, two blanks a level; what is empty, and numbers' digits, as they are.
use super::{Node, write_text};

const INDENT: &str = "  ";

impl Node {
    /// As JSON, spread over lines; without a line break at the end.
    pub fn to_json_pretty(&self) -> String {
        let mut text = String::new();
        self.write_pretty(0, &mut text);
        text
    }

    fn write_pretty(&self, level: usize, out: &mut String) {
        let brackets = match self {
            Node::List(nodes) if !nodes.is_empty() => ('[', ']'),
            Node::Object(members) if !members.is_empty() => ('{', '}'),
            Node::Null
            | Node::Bool(_)
            | Node::Number(_)
            | Node::Text(_)
            | Node::List(_)
            | Node::Object(_) => {
                return self.write(out);
            }
        };
        let line = |level: usize, out: &mut String| {
            out.push('\n');
            (0..level).for_each(|_| out.push_str(INDENT));
        };
        out.push(brackets.0);
        let entries: Vec<(Option<&str>, &Node)> = match self {
            Node::Object(members) => members.iter().map(|(name, node)| (Some(name.as_str()), node)).collect(),
            Node::List(nodes) => nodes.iter().map(|node| (None, node)).collect(),
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => Vec::new(),
        };
        for (index, (name, node)) in entries.into_iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "," });
            line(level + 1, out);
            if let Some(name) = name {
                write_text(name, out);
                out.push_str(": ");
            }
            node.write_pretty(level + 1, out);
        }
        line(level, out);
        out.push(brackets.1);
    }
}
