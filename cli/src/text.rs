//! Text from outside on its way to a person: a name may hold what moves a cursor, turns the direction of writing, or never ends.

/// The text with every character that acts shown as its number, as `\u{1b}`. What it shows is on one line, and does nothing.
pub fn printable(text: &str) -> String {
    domain::text::shown(text).into_owned()
}

/// The same for what is a text of several lines itself: those are left, and tabulators.
pub fn printable_lines(text: &str) -> String {
    let cells = |line: &str| line.split('\t').map(printable).collect::<Vec<String>>().join("\t");
    let lines = text.split('\n').map(|line| cells(line.strip_suffix('\r').unwrap_or(line)));
    lines.collect::<Vec<String>>().join("\n")
}

/// An error with its causes, the outermost first; what a cause only repeats is said once.
pub fn chain(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        match parts.last_mut() {
            // Some libraries write their source into their own message.
            Some(last) if last.ends_with(&cause) => {}
            Some(last) if cause.starts_with(last.as_str()) => *last = cause,
            Some(_) | None => parts.push(cause),
        }
    }
    parts.join(": ")
}

/// At most so many characters; what is cut ends in an ellipsis.
pub fn shortened(text: &str, chars_max: usize) -> String {
    if text.chars().nth(chars_max).is_none() {
        return text.to_owned();
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

/// As one word of a shell's command line.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-+=@,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The nearest of some names to one that is none of them; `None` where none is near.
pub fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    /// Of 1: below it, two names have little in common.
    const LIKENESS_MIN: f64 = 0.7;
    let word = word.to_lowercase();
    let likeness = |name: &'n str| (strsim::jaro_winkler(&word, &name.to_lowercase()), name);
    let near = names.into_iter().map(likeness).filter(|(likeness, _)| *likeness >= LIKENESS_MIN);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_as_its_number() {
        assert_eq!(printable("a\u{1b}[31m\n\u{202e}ü漢\u{0}"), "a\\u{1b}[31m\\u{a}\\u{202e}ü漢\\u{0}");
    }

    #[test]
    fn of_a_text_of_several_lines_the_lines_are_left() {
        assert_eq!(printable_lines("{\r\n\t\u{1b}[2J\r1\n}"), "{\n\t\\u{1b}[2J\\u{d}1\n}");
    }

    #[test]
    fn what_a_cause_only_repeats_is_said_once() {
        let error = anyhow::anyhow!("Connection refused (os error 111)")
            .context("error communicating with database: Connection refused (os error 111)")
            .context("could not open the projection \"postgres://x\"")
            .context("could not open the projection")
            .context("start");
        assert_eq!(
            chain(&error),
            "start: could not open the projection \"postgres://x\": error communicating with database: Connection refused (os error 111)"
        );
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äö…");
        assert_eq!(shortened("x", 0), "…");
    }

    #[test]
    fn a_word_for_a_shell_is_one_word() {
        assert_eq!(quoted("captured_at:1:TMF/a-b"), "captured_at:1:TMF/a-b");
        assert_eq!(quoted("a 'b' $(c)"), r"'a '\''b'\'' $(c)'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour_and_a_foreign_one_none() {
        let names = ["inProgress", "completed", "cancelled"];
        assert_eq!(nearest("inprogres", names), Some("inProgress"));
        assert_eq!(nearest("canceled", names), Some("cancelled"));
        assert_eq!(nearest("xyz", names), None);
    }
}
