//! JSON as it was written: numbers by their digits, repeated names, the place of every fault.
//!
//! Not `serde_json`, because that reads a number into a float (amounts must stay exact), keeps the last of two equal names in silence, and
//! a switch that changed the one would change it for the whole build. A property test holds the two against each other.
use std::fmt::Write as _;

mod pretty;

/// The deepest nesting of lists and objects in a document; below what a thread's stack takes, and what `serde_json` reads again.
pub const DOCUMENT_DEPTH_MAX: usize = 64;
/// The longest number, in digits and signs.
pub const NUMBER_BYTES_MAX: usize = 64;

/// A value, with what a tree usually forgets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In the sequence of the document; names may occur twice.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The first member of this name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        let Node::Object(members) = self else { return None };
        members.iter().find(|(found, _)| found == name).map(|(_, node)| node)
    }

    /// The value at a JSON pointer (RFC 6901); of two members of one name, the first.
    pub fn at(&self, pointer: &str) -> Option<&Node> {
        let mut node = self;
        let mut rest = pointer;
        while !rest.is_empty() {
            let part = rest.strip_prefix('/')?;
            let (name, after) = part.find('/').map_or((part, ""), |end| part.split_at(end));
            rest = after;
            // In this sequence: "~01" stands for "~1" and not for "/".
            let name = name.replace("~1", "/").replace("~0", "~");
            node = match node {
                Node::Object(_) => node.get(&name)?,
                // As the RFC has it: no sign, no leading zero.
                Node::List(nodes) if name == "0" || !name.starts_with(['0', '+']) => {
                    nodes.get(name.parse::<usize>().ok()?)?
                }
                Node::List(_) | Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => return None,
            };
        }
        Some(node)
    }

    pub fn text(&self) -> Option<&str> {
        if let Node::Text(text) = self { Some(text) } else { None }
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "a boolean",
            Node::Number(_) => "a number",
            Node::Text(_) => "text",
            Node::List(_) => "a list",
            Node::Object(_) => "an object",
        }
    }

    /// As JSON without white space.
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match self {
            Node::Null => out.push_str("null"),
            Node::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Node::Number(digits) => out.push_str(digits),
            Node::Text(text) => write_text(text, out),
            Node::List(nodes) => {
                out.push('[');
                for (index, node) in nodes.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    node.write(out);
                }
                out.push(']');
            }
            Node::Object(members) => {
                out.push('{');
                for (index, (name, node)) in members.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    write_text(name, out);
                    out.push(':');
                    node.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // Writing to a String cannot fail.
            c if c < ' ' => drop(write!(out, "\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Where reading stopped, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub offset: usize,
    pub message: String,
}

impl Fault {
    /// `line 3, column 14: message`, both counted from 1, columns in characters.
    pub fn located(&self, bytes: &[u8]) -> String {
        let before = &bytes[..self.offset.min(bytes.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        format!("line {line}, column {column}: {}", self.message)
    }
}

/// One JSON value (RFC 8259), and nothing after it.
///
/// # Errors
/// The first fault. Lone surrogates are one: no UTF-8 text can carry them.
pub fn parse(text: &str) -> Result<Node, Fault> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let node = parser.value()?;
    parser.white_space();
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("the end of the document")),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault { offset: self.at, message: message.into() }
    }

    fn unexpected(&self, expected: &str) -> Fault {
        // `at` may stand inside a character only after ASCII was matched byte by byte, so it never does.
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => self.fault(format!("expected {expected}, found '{}'", found.escape_default())),
            None => self.fault(format!("expected {expected}, found the end")),
        }
    }

    fn value(&mut self) -> Result<Node, Fault> {
        self.white_space();
        match self.peek() {
            Some(b'{') => self.nested(Parser::object),
            Some(b'[') => self.nested(Parser::list),
            Some(b'"') => self.string().map(Node::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Node::Number),
            Some(b't') => self.word("true", Node::Bool(true)),
            Some(b'f') => self.word("false", Node::Bool(false)),
            Some(b'n') => self.word("null", Node::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Node, Fault>) -> Result<Node, Fault> {
        if self.depth == DOCUMENT_DEPTH_MAX {
            return Err(self.fault(format!("nested deeper than {DOCUMENT_DEPTH_MAX} lists and objects")));
        }
        self.at += 1; // the bracket
        self.depth += 1;
        let node = inner(self)?;
        self.depth -= 1;
        Ok(node)
    }

    fn word(&mut self, word: &str, node: Node) -> Result<Node, Fault> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(node)
    }

    fn object(&mut self) -> Result<Node, Fault> {
        let mut members = Vec::new();
        self.white_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Node::Object(members));
        }
        loop {
            self.white_space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a name in quotes"));
            }
            let name = self.string()?;
            self.white_space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("':'"));
            }
            self.at += 1;
            members.push((name, self.value()?));
            if self.ends(b'}', "',' or '}'")? {
                return Ok(Node::Object(members));
            }
        }
    }

    fn list(&mut self) -> Result<Node, Fault> {
        let mut nodes = Vec::new();
        self.white_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Node::List(nodes));
        }
        loop {
            nodes.push(self.value()?);
            if self.ends(b']', "',' or ']'")? {
                return Ok(Node::List(nodes));
            }
        }
    }

    /// Whether the list or object ends here; else a comma follows and is passed.
    fn ends(&mut self, bracket: u8, expected: &str) -> Result<bool, Fault> {
        self.white_space();
        match self.peek() {
            Some(found) if found == bracket => self.at += 1,
            Some(b',') => {
                self.at += 1;
                return Ok(false);
            }
            _ => return Err(self.unexpected(expected)),
        }
        Ok(true)
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected("a digit"));
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<String, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1; // and no digit after a leading zero: whatever follows is refused as unexpected
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        if self.at - start > NUMBER_BYTES_MAX {
            return Err(Fault {
                offset: start,
                message: format!("a number longer than {NUMBER_BYTES_MAX} digits"),
            });
        }
        Ok(self.text[start..self.at].to_owned())
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1; // the quote
        let mut out = String::new();
        loop {
            let plain =
                self.text.as_bytes()[self.at..].iter().position(|b| *b < b' ' || *b == b'"' || *b == b'\\');
            let Some(length) = plain else {
                self.at = self.text.len();
                return Err(self.fault("text without its closing quote"));
            };
            out.push_str(&self.text[self.at..self.at + length]);
            self.at += length;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.fault("a control character in text; write it as \\u and four digits")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        self.at += 1; // the backslash
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.unexpected("one of \" \\ / b f n r t u after a backslash")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, Fault> {
        let start = self.at - 1;
        let lone =
            || Fault { offset: start, message: "half of a surrogate pair without the other half".to_owned() };
        let first = self.four_hex()?;
        let code = match first {
            0xD800..=0xDBFF => {
                if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                    return Err(lone());
                }
                self.at += 1;
                match self.four_hex()? {
                    second @ 0xDC00..=0xDFFF => 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => return Err(lone()),
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(lone)
    }

    /// After a `u`: four hexadecimal digits.
    fn four_hex(&mut self) -> Result<u32, Fault> {
        self.at += 1;
        let digits =
            self.text.get(self.at..self.at + 4).filter(|four| four.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|four| u32::from_str_radix(four, 16).ok());
        let code = code.ok_or_else(|| self.fault("expected four hexadecimal digits after \\u"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests;
