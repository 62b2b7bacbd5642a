//! What is wrong with a catalog, found when it is loaded.
use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// Whether a catalog with this finding may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// It may not.
    Error,
    /// It may; somebody should look at it.
    Warning,
}

/// One thing that is wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The file and the line (from 1) of what is wrong, where it came from a file.
    pub file: Option<String>,
    pub line: Option<usize>,
    pub severity: Severity,
    /// The entry: `taskType shipRouter`.
    pub subject: String,
    /// A short fact in lower case.
    pub message: String,
    /// The entry that is referred to and not there, as a subject: whoever could not read that one knows better.
    #[serde(skip)]
    pub(super) absent: Option<String>,
}

impl Finding {
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding {
            file: None,
            line: None,
            severity: Severity::Error,
            subject: subject.into(),
            message: message.into(),
            absent: None,
        }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `file:line: subject: message`; before the subject of a warning stands `warning: `.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            (None, _) => {}
        }
        match self.severity {
            Severity::Error => {}
            Severity::Warning => write!(f, "warning: ")?,
        }
        write!(f, "{}: {}", self.subject, self.message)
    }
}

/// The longest expression or pattern that a message repeats whole, in characters.
const SHOWN_CHARS_MAX: usize = 160;

/// A text of a catalog as messages quote it.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{} ...", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// The nearest of the known names, as the end of a message: `; did you mean "fiber"?`. Nothing where none is near.
pub(super) fn did_you_mean<'n>(wanted: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let wanted = wanted.to_lowercase();
    let scored = known.into_iter().map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name));
    let scored = scored.filter(|(score, _)| *score >= SIMILAR_MIN);
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, name)| format!("; did you mean \"{name}\"?")).unwrap_or_default()
}

/// From where on two names look like one misspelt (Jaro-Winkler, 0 to 1).
const SIMILAR_MIN: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let known = ["reserve", "activate", "bandwidthMbps"];
        assert_eq!(did_you_mean("preserve", known), "; did you mean \"reserve\"?");
        assert_eq!(did_you_mean("bandwithMbps", known), "; did you mean \"bandwidthMbps\"?");
        assert_eq!(did_you_mean("ACTIVATE", known), "; did you mean \"activate\"?");
        assert_eq!(did_you_mean("colour", known), "");
        assert_eq!(did_you_mean("colour", []), "");
    }
}
