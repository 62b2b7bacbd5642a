//! Whether what was printed is what the page shows.

/// A line that stands for any lines, also for none.
pub const ANY_LINES: &str = "...";
/// What stands for any text within a line, also for none.
pub const ANY_TEXT: &str = "[..]";

/// The first line in which expectation and text part, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The expected line, from 0 among those expected; their number where all were found and more was printed.
    pub index: usize,
    /// What is printed in its place; absent where the text ended.
    pub got: Option<String>,
}

/// Compares whole texts. Colours and blanks at the ends of lines do not count.
pub fn compare(expected: &[String], printed: &str) -> Result<(), Mismatch> {
    let lines = lines(printed);
    // The classic search with one place to come back to: the last `...`, and how many lines it has taken so far.
    let (mut at, mut read) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    let mut furthest = Mismatch { index: 0, got: None };
    loop {
        match (expected.get(at).map(String::as_str), lines.get(read)) {
            (Some(ANY_LINES), _) => {
                back = Some((at + 1, read));
                at += 1;
            }
            (Some(pattern), Some(line)) if line_matches(pattern, line) => {
                at += 1;
                read += 1;
            }
            (None, None) => return Ok(()),
            (_, line) => {
                if at >= furthest.index {
                    furthest = Mismatch { index: at, got: line.map(|line| (*line).to_owned()) };
                }
                let Some((after, taken)) = back.filter(|(_, taken)| *taken < lines.len()) else {
                    return Err(furthest);
                };
                back = Some((after, taken + 1));
                (at, read) = (after, taken + 1);
            }
        }
    }
}

/// Whether one line is what a line of the page says.
pub fn line_matches(pattern: &str, line: &str) -> bool {
    let (pattern, line) = (pattern.trim_end(), line.trim_end());
    // What ends in `word [..]` is also the word alone: the blank before nothing was cut off.
    let padded = if pattern.ends_with(ANY_TEXT) { format!("{line} ") } else { line.to_owned() };
    let mut rest = padded.as_str();
    let mut pieces = pattern.split(ANY_TEXT);
    // There is always a first piece, if an empty one.
    let first = pieces.next().unwrap_or_default();
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return pattern == rest };
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// The lines of a text without colours.
fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// A terminal's colours and movements (`ESC [ ... letter`) taken out.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic()).map_or(after.len(), |at| at + 1);
        rest = &after[end..];
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: &str, printed: &str, parts_at: Option<(usize, Option<&str>)>) {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        let found = compare(&expected, printed).err();
        let found = found.as_ref().map(|mismatch| (mismatch.index, mismatch.got.as_deref()));
        assert_eq!(found, parts_at, "{expected:?} against {printed:?}");
    }

    #[test]
    fn equal_texts_are_equal_and_others_part_at_a_line() {
        check("a\nb", "a\nb\n", None);
        check("a  \nb", "a\nb   \n", None);
        check("", "", None);
        check("a\nb", "a\nc\n", Some((1, Some("c"))));
        check("a\nb", "a\n", Some((1, None)));
        check("a", "a\nb\n", Some((1, Some("b"))));
        check("", "a\n", Some((0, Some("a"))));
    }

    #[test]
    fn three_dots_stand_for_any_lines_and_for_none() {
        check("...", "", None);
        check("...", "a\nb\n", None);
        check("...\nz", "a\nz\nb\nz\n", None);
        check("a\n...\nc\n...", "a\nb\nb\nc\nd\n", None);
        check("...\nb\nc", "b\nx\nb\nc\n", None);
        check("a\n...\nc", "a\nb\n", Some((2, None)));
        check("...\nb", "a\nb\nc\n", Some((2, Some("c"))));
    }

    #[test]
    fn brackets_stand_for_any_text_within_a_line() {
        check("order [..]: completed", "order TMF/1: completed", None);
        check("order [..]: completed", "order TMF/1: failed", Some((0, Some("order TMF/1: failed"))));
        check("[..]", "anything", None);
        check("order [..]", "order", None);
        check("order [..] done", "order done", Some((0, Some("order done"))));
        check("[..]ready[..]", "INFO ready at 1", None);
        check("a[..]b[..]c", "a1b2c", None);
        check("a[..]a", "a", Some((0, Some("a"))));
        check("x [..]", "y", Some((0, Some("y"))));
    }

    #[test]
    fn colours_do_not_count() {
        assert_eq!(plain("\u{1b}[32m INFO\u{1b}[0m ready"), " INFO ready");
        assert_eq!(plain("plain"), "plain");
    }
}
