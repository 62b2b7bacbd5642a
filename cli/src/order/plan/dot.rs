//! The plan for Graphviz: every edge, since `tred` and layouts of its own are there.
use super::graph::{Graph, Kind, Node};
use crate::order::word;

pub fn render(graph: &Graph) -> String {
    let mut dot = format!(
        "digraph plan {{\n  label={};\n  labelloc=t;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontcolor=\"#111111\"];\n",
        quoted(&graph.title)
    );
    for (index, node) in graph.nodes.iter().enumerate() {
        let (label, tooltip) = (quoted(&label(node)), quoted(&super::tooltip(node)));
        let (fill, line) = colours(Kind::of(node.state));
        dot.push_str(&format!(
            "  t{index} [label={label}, tooltip={tooltip}, fillcolor=\"{fill}\", color=\"{line}\"];\n"
        ));
    }
    for (from, to) in &graph.edges {
        dot.push_str(&format!("  t{from} -> t{to};\n"));
    }
    dot.push_str("}\n");
    dot
}

fn label(node: &Node) -> String {
    format!("{}: {}\n{}\n{}", node.component, node.task_type, node.system, word(&node.state))
}

/// Fill and line of a box.
fn colours(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Waiting => ("#f6f8fa", "#57606a"),
        Kind::Active => ("#ddf4ff", "#0969da"),
        Kind::Troubled => ("#fff8c5", "#9a6700"),
        Kind::Failed => ("#ffebe9", "#cf222e"),
        Kind::Done => ("#dafbe1", "#1a7f37"),
        Kind::Dropped => ("#eaeef2", "#8c959f"),
    }
}

/// A quoted string of the language: a quote would end it, and a backslash would begin one of its own escapes. Lines are centred.
fn quoted(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| crate::text::printable(line).replace('\\', "\\\\").replace('"', "\\\""))
        .collect();
    format!("\"{}\"", lines.join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::super::graph::testing::graph;
    use super::*;

    /// What a DOT file says: its statements as words, quoted strings with their escapes undone.
    fn tokens(dot: &str) -> Result<Vec<String>, String> {
        let (mut tokens, mut chars) = (Vec::new(), dot.chars().peekable());
        while let Some(c) = chars.next() {
            match c {
                c if c.is_whitespace() => {}
                '"' => tokens.push(quoted_token(&mut chars)?),
                '-' if chars.next_if_eq(&'>').is_some() => tokens.push("->".to_owned()),
                '{' | '}' | '[' | ']' | '=' | ',' | ';' => tokens.push(c.to_string()),
                c if c.is_ascii_alphanumeric() => {
                    let mut word = c.to_string();
                    while let Some(c) = chars.next_if(char::is_ascii_alphanumeric) {
                        word.push(c);
                    }
                    tokens.push(word);
                }
                other => return Err(format!("{other:?} outside of quotes")),
            }
        }
        Ok(tokens)
    }

    fn quoted_token(chars: &mut impl Iterator<Item = char>) -> Result<String, String> {
        let mut text = "'".to_owned();
        loop {
            match chars.next().ok_or("a string without an end")? {
                '"' => return Ok(text),
                '\\' => match chars.next().ok_or("a backslash at the end")? {
                    'n' => text.push('\n'),
                    c @ ('"' | '\\') => text.push(c),
                    other => return Err(format!("an escape of Graphviz's own: {other:?}")),
                },
                '\n' => return Err("a line break in a string".to_owned()),
                c => text.push(c),
            }
        }
    }

    /// `name [a=b, c=d];`, `name -> name;`, `a=b;` and nothing else, within `digraph name { }`. Gives nodes with their labels, and edges.
    type Parsed = (Vec<(String, String)>, Vec<(String, String)>);
    fn parsed(dot: &str) -> Result<Parsed, String> {
        let tokens = tokens(dot)?;
        let body = match tokens.as_slice() {
            [digraph, _, open, body @ .., close]
                if (digraph, open, close) == (&"digraph".to_owned(), &"{".to_owned(), &"}".to_owned()) =>
            {
                body
            }
            _ => return Err("no digraph".to_owned()),
        };
        let (mut nodes, mut edges) = (Vec::new(), Vec::new());
        for statement in body.split(|token| token == ";") {
            let text: Vec<&str> = statement.iter().map(String::as_str).collect();
            match text.as_slice() {
                [] | [_, "=", _] => {}
                [from, "->", to] => edges.push((from.to_string(), to.to_string())),
                [name, "[", attributes @ .., "]"] => {
                    let pairs: Vec<&[&str]> = attributes.split(|token| *token == ",").collect();
                    if !pairs.iter().all(|pair| matches!(pair, [_, "=", _])) {
                        return Err(format!("attributes {attributes:?}"));
                    }
                    if let Some(label) = pairs.iter().find(|pair| pair[0] == "label") {
                        nodes.push((name.to_string(), label[2].to_owned()));
                    }
                }
                other => return Err(format!("statement {other:?}")),
            }
        }
        Ok((nodes, edges))
    }

    #[test]
    fn every_task_and_edge_is_there_and_hostile_names_stay_text() {
        let graph = graph(4, [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)]);
        let (nodes, edges) = parsed(&render(&graph)).unwrap();
        assert_eq!(nodes.len(), 4);
        assert_eq!(edges.len(), 5);
        let shown = "'<b>\"access\\n\" & 'x'</b>\\u{202e}\n\\u{0}: activate0\nnet\"work\\\ncompleted";
        assert_eq!(nodes[0], ("t0".to_owned(), shown.to_owned()));
        assert!(edges.contains(&("t2".to_owned(), "t3".to_owned())));
    }

    #[test]
    fn the_check_itself_refuses_what_is_no_dot() {
        for wrong in [
            "digraph a { b [label=\"x]; }",
            "digraph a { b [label=\"\\x\"]; }",
            "digraph a { b c; }",
            "graph",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
