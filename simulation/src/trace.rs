//! What happened, a line per step: the last lines for people, a digest of all of it to compare two runs.

use std::collections::VecDeque;

use crate::log::store::digest;

/// So many of the last lines are shown when a seed fails.
pub const LINES_SHOWN_MAX: usize = 40;

/// The trace of one run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    last: VecDeque<String>,
    /// Of all lines, each with the digest of those before.
    pub digest: u64,
    /// Whether all lines are kept.
    whole: Option<Vec<String>>,
}

impl Trace {
    /// `is_whole`: keeps all lines, and not the last ones only.
    pub fn new(is_whole: bool) -> Trace {
        Trace { whole: is_whole.then(Vec::new), ..Trace::default() }
    }

    pub fn line(&mut self, line: String) {
        self.digest = digest(&[&self.digest.to_be_bytes(), line.as_bytes()]);
        if let Some(whole) = &mut self.whole {
            whole.push(line.clone());
        }
        self.last.push_back(line);
        if self.last.len() > LINES_SHOWN_MAX {
            self.last.pop_front();
        }
    }

    pub fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }

    /// All of it, where it was kept.
    pub fn whole(&self) -> &[String] {
        self.whole.as_deref().unwrap_or_default()
    }
}
