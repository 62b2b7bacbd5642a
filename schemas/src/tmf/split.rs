//! Many documents in one input: one document, a JSON array of them, one per line (NDJSON), or one after another.
use std::ops::Range;

use domain::{Reason, ReasonCode};

/// One document of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<'i> {
    /// Its bytes within the input; none where a list has no end.
    pub range: Range<usize>,
    /// Where it begins, counted from 1.
    pub line: usize,
    /// Its text, which need not be an order, or JSON; or why not even its end was found.
    pub text: Result<&'i str, Reason>,
}

/// The documents of an input, in its sequence. A broken one is an entry of its own, and reading goes on with the next line that begins one.
///
/// A list at the top is taken apart, whatever it holds. Broken text inside of a list ends the input: nothing after it can be trusted.
pub fn documents(input: &[u8]) -> Documents<'_> {
    let at = if input.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    Documents { input, at, line: 1, line_at: 0, in_list: false, one_did_not_end: false, next_beginning: 0 }
}

/// See [`documents`].
#[derive(Debug)]
pub struct Documents<'i> {
    input: &'i [u8],
    at: usize,
    /// The line of the byte at `line_at`.
    line: usize,
    line_at: usize,
    in_list: bool,
    /// From now on each document has to end before the next line that begins one, so that one input is never read over and over.
    one_did_not_end: bool,
    /// That line, looked for once per line that begins one.
    next_beginning: usize,
}

impl<'i> Iterator for Documents<'i> {
    type Item = Document<'i>;

    fn next(&mut self) -> Option<Document<'i>> {
        loop {
            let Some(byte) = self.input.get(self.at) else { return self.list_without_end() };
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b',' if self.in_list => self.at += 1,
                b']' if self.in_list => {
                    self.in_list = false;
                    self.at += 1;
                }
                b'[' if !self.in_list && !self.one_did_not_end => {
                    self.in_list = true;
                    self.at += 1;
                }
                _ => return Some(self.document()),
            }
        }
    }
}

impl<'i> Documents<'i> {
    fn document(&mut self) -> Document<'i> {
        let start = self.at;
        self.count_lines(start);
        let limit = if self.one_did_not_end { self.before_next_beginning(start) } else { self.input.len() };
        let end = match extent(&self.input[start..limit], self.in_list) {
            Some(length) => start + length,
            None if self.in_list => {
                self.at = self.input.len();
                self.in_list = false;
                return self.broken(start..self.input.len(), "a document of the list does not end");
            }
            None => {
                self.one_did_not_end = true;
                self.at = self.before_next_beginning(start);
                return self.broken(
                    start..self.at,
                    "the document does not end; reading goes on with the next line that begins with {",
                );
            }
        };
        self.at = end;
        match std::str::from_utf8(&self.input[start..end]) {
            Ok(text) => Document { range: start..end, line: self.line, text: Ok(text) },
            Err(_) => self.broken(start..end, "the document is not UTF-8"),
        }
    }

    /// From now on the line is that of the byte at `to`.
    fn count_lines(&mut self, to: usize) {
        self.line += self.input[self.line_at..to].iter().filter(|b| **b == b'\n').count();
        self.line_at = to;
    }

    /// A list whose end is missing may have been cut off between two documents: that is said once, at the end.
    fn list_without_end(&mut self) -> Option<Document<'i>> {
        if !std::mem::take(&mut self.in_list) {
            return None;
        }
        let end = self.input.len();
        self.count_lines(end);
        Some(self.broken(end..end, "the list does not end with ]; documents may be missing from it"))
    }

    /// Where the line ends before the next one that begins a document, so that one that is cut off is refused once and not by each of
    /// its lines.
    fn before_next_beginning(&mut self, start: usize) -> usize {
        if self.next_beginning <= start {
            let length = self.input[start..].windows(2).position(|two| two == b"\n{");
            self.next_beginning = length.map_or(self.input.len(), |length| start + length);
        }
        self.next_beginning
    }

    fn broken(&self, range: Range<usize>, what: &str) -> Document<'i> {
        let message = format!("line {}: {what}", self.line);
        Document {
            range,
            line: self.line,
            text: Err(Reason::new(ReasonCode::DocumentUnreadable, "", message)),
        }
    }
}

/// How long the value at the beginning is, by its brackets and quotes alone; whether it is JSON, and not too large, is asked later. `None`: it
/// does not end.
fn extent(bytes: &[u8], in_list: bool) -> Option<usize> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' if depth == 1 => return Some(at + 1),
            // What is no object ends with its line, or with its place in the list.
            b'\n' if depth == 0 => return Some(at),
            b',' | b']' if depth == 0 && in_list && at > 0 => return Some(at),
            _ => {}
        }
    }
    (depth == 0 && !in_text && !in_list).then_some(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(input: &str, expected: &[(usize, &str)]) {
        let found: Vec<(usize, String)> = documents(input.as_bytes())
            .map(|document| {
                (
                    document.line,
                    document.text.map_or_else(|reason| format!("! {}", reason.message), str::to_owned),
                )
            })
            .collect();
        let found: Vec<(usize, &str)> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn one_or_many_in_any_form() {
        check("", &[]);
        check(" \n ", &[]);
        check("{\"a\": \"}\\\"{\"}", &[(1, "{\"a\": \"}\\\"{\"}")]);
        check("\u{feff}{}\n", &[(1, "{}")]);
        check("{\"a\":1}\n\n{\"b\":2}\r\n", &[(1, "{\"a\":1}"), (3, "{\"b\":2}")]);
        check("{\n\"a\":1}{}{\"b\":[{}]}", &[(1, "{\n\"a\":1}"), (2, "{}"), (2, "{\"b\":[{}]}")]);
        check("[{\"a\":1},\n {\"b\":[]}]\n[{}]", &[(1, "{\"a\":1}"), (2, "{\"b\":[]}"), (3, "{}")]);
        check("[[1], 2,3]", &[(1, "[1]"), (1, "2"), (1, "3")]);
    }

    #[test]
    fn a_broken_document_is_named_by_its_line_and_the_others_are_read() {
        let broken =
            "! line 1: the document does not end; reading goes on with the next line that begins with {";
        check("{\"a\":\n{}\n{\"b\":1}", &[(1, broken), (2, "{}"), (3, "{\"b\":1}")]);
        check("{\"a\": [\n  {\"b\": 1},\n  2,\n{}\n{\"c\":1}", &[(1, broken), (4, "{}"), (5, "{\"c\":1}")]);
        check("nonsense\n{}", &[(1, "nonsense"), (2, "{}")]);
        check("[{}, {\"a\":1", &[(1, "{}"), (1, "! line 1: a document of the list does not end")]);
        let cut = "the list does not end with ]; documents may be missing from it";
        for input in ["[", "[{}", "[{},", "[{}, \n"] {
            let last = documents(input.as_bytes()).last().unwrap();
            assert!(last.text.unwrap_err().message.ends_with(cut), "{input}");
        }
        check("[{}]\n[\n{}", &[(1, "{}"), (3, "{}"), (3, &format!("! line 3: {cut}"))]);
        let not_text = documents(b"{}\n{\"\xff\"}\n{}")
            .map(|document| (document.line, document.text.is_ok()))
            .collect::<Vec<_>>();
        assert_eq!(not_text, [(1, true), (2, false), (3, true)]);
    }

    #[test]
    fn a_document_of_any_size_ends_where_it_ends_and_those_behind_it_are_read() {
        let item =
            r#"{"id": "1", "action": "add", "product": {"characteristic": [{"name": "a", "value": [1]}]}}"#;
        let items = vec![item; 4 * domain::limits::REQUEST_BYTES_MAX / item.len()];
        let compact = format!("{{\"externalId\": \"big\", \"productOrderItem\": [{}]}}", items.join(","));
        let pretty = compact.replace('{', "{\n  ");
        let good = "{\n  \"externalId\": \"good\"\n}";
        for big in [compact.as_str(), pretty.as_str()] {
            for input in [format!("[{big}, {good}]"), format!("{big}\n{good}\n")] {
                let found: Vec<_> = documents(input.as_bytes()).map(|document| document.text).collect();
                assert!(found == [Ok(big), Ok(good)], "{} documents", found.len());
            }
        }
    }

    #[test]
    fn behind_a_document_that_does_not_end_others_of_several_lines_are_read() {
        let input = "{\"a\": [\n{\n  \"b\": 1\n}\n{\n  \"c\": {\n {}}\n} {}\n{\"d\"\n{}";
        let found: Vec<Option<&str>> =
            documents(input.as_bytes()).map(|document| document.text.ok()).collect();
        let read = ["{\n  \"b\": 1\n}", "{\n  \"c\": {\n {}}\n}", "{}"];
        let [b, c, empty] = read.map(Some);
        assert_eq!(found, [None, b, c, empty, None, Some("{}")]);
    }

    proptest! {
        #[test]
        fn every_input_ends_and_ranges_follow_each_other(input in r#"[\[\]{},"\\\n a1]{0,60}"#) {
            let mut end = 0;
            for document in documents(input.as_bytes()) {
                let is_empty = document.range.is_empty();
                prop_assert!(document.range.start >= end && (!is_empty || document.text.is_err()));
                end = document.range.end;
            }
            prop_assert!(end <= input.len());
        }
    }
}
