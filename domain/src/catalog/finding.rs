//! What is wrong with a catalog, found when it is loaded.
use std::fmt;

/// One thing that is wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file and the line (from 1) of the entry, where it came from a file.
    pub file: Option<String>,
    pub line: Option<usize>,
    /// The entry: `taskType shipRouter`.
    pub subject: String,
    /// A short fact in lower case.
    pub message: String,
}

impl Finding {
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding { file: None, line: None, subject: subject.into(), message: message.into() }
    }
}

/// `file:line: subject: message`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            (None, _) => {}
        }
        write!(f, "{}: {}", self.subject, self.message)
    }
}
