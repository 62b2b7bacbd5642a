//! What is known of a document of an input: a line for people, or for programs.
use domain::Reason;
use domain::order::OrderState;
use serde::Serialize;

use super::input::Document;
use crate::control::Receipt;
use crate::exit;
use crate::order::word;
use crate::text::{chain, printable};

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It cannot be sent: nothing could be kept about it.
    Unreadable,
    /// It was sent and not acknowledged. It may be taken all the same; a repeated request is recognised.
    Failed,
    /// Another one failed before it.
    NotTried,
    /// It lies on the log, and nobody waits for more.
    Taken,
    Validated,
    Rejected,
    /// The order of its key is in progress, or ended, and was not touched.
    RevisionRefused,
    /// Valid, but its catalog cannot say how to build it.
    NotDecomposed,
    /// It came before; nothing follows from it a second time.
    Ignored,
    DeadLetter,
    /// It lies on the log; more was not known when the time was up, or the service had gone.
    Undecided,
}

impl Outcome {
    fn shown(self) -> &'static str {
        match self {
            Outcome::Unreadable => "could not be read",
            Outcome::Failed => "not acknowledged",
            Outcome::NotTried => "not tried",
            Outcome::Taken => "submitted",
            Outcome::Validated => "validated",
            Outcome::Rejected => "rejected",
            Outcome::RevisionRefused => "revision refused",
            Outcome::NotDecomposed => "validated, but the catalog cannot say how to build it",
            Outcome::Ignored => "ignored, the same request came before",
            Outcome::DeadLetter => "could not be processed",
            Outcome::Undecided => "not decided yet",
        }
    }
}

/// Names of fields are contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Absent where the document has none.
    pub key: Option<String>,
    /// File, and line or number of the request.
    pub place: String,
    /// Where it lies on the log; absent where it was not taken.
    pub partition: Option<u32>,
    pub offset: Option<i64>,
    pub request_id: Option<String>,
    pub outcome: Outcome,
    /// Of the order, when it was looked at last.
    pub state: Option<OrderState>,
    /// `{code, pointer, message}`: why it could not be read, or as validation gave them.
    pub reasons: serde_json::Value,
    /// What else there is to know: what is waited for, why it is a dead letter.
    pub note: Option<String>,
    #[serde(skip)]
    pub reason_lines: Vec<String>,
    /// As the process would end for this document alone.
    pub exit_code: u8,
}

impl Line {
    fn new(document: &Document, outcome: Outcome, exit_code: u8) -> Line {
        Line {
            key: document.content.as_ref().ok().map(|content| content.key.clone()),
            place: document.place.to_string(),
            partition: None,
            offset: None,
            request_id: None,
            outcome,
            state: None,
            reasons: serde_json::Value::Array(Vec::new()),
            note: None,
            reason_lines: Vec::new(),
            exit_code,
        }
    }

    pub fn unreadable(document: &Document, reason: &Reason) -> Line {
        // A reason is plain: it is always JSON.
        let reasons = serde_json::to_value([reason]).unwrap_or_default();
        Line { reasons, ..Line::new(document, Outcome::Unreadable, exit::REFUSED) }
    }

    pub fn taken(document: &Document, receipt: &Receipt) -> Line {
        Line {
            partition: Some(receipt.partition),
            offset: Some(receipt.offset),
            ..Line::new(document, Outcome::Taken, exit::DONE)
        }
    }

    pub fn failed(document: &Document, error: &anyhow::Error) -> Line {
        Line { note: Some(chain(error)), ..Line::new(document, Outcome::Failed, exit::FAILED) }
    }

    pub fn not_tried(document: &Document) -> Line {
        Line::new(document, Outcome::NotTried, exit::FAILED)
    }

    /// It is on the log, and that may be all that is ever heard of it.
    pub fn undecided(&mut self) {
        (self.outcome, self.exit_code) = (Outcome::Undecided, exit::TIMED_OUT);
    }

    pub fn receipt(&self) -> Option<Receipt> {
        Some(Receipt { partition: self.partition?, offset: self.offset? })
    }

    pub fn to_json(&self) -> String {
        // Texts, numbers and plain reasons: nothing in it has no JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub fn is_taken(&self) -> bool {
        self.offset.is_some()
    }

    /// Of what was sent, for people: a line, and one for each reason. What was not is told by itself, since there may be much of it.
    pub fn told(&self) -> Option<String> {
        let (Some(key), Some(partition), Some(offset)) = (&self.key, self.partition, self.offset) else {
            return None;
        };
        let key = printable(key);
        let state = self.state.map(|state| format!(", order {}", word(&state))).unwrap_or_default();
        let note = self.note.as_ref().map(|note| format!(", {}", printable(note))).unwrap_or_default();
        let mut lines = vec![match self.outcome {
            Outcome::Taken => format!("{key} submitted (partition {partition}, offset {offset})"),
            other => format!("{key}: {}{state}{note}", other.shown()),
        }];
        lines.extend(self.reason_lines.iter().map(|reason| format!("  {reason}")));
        Some(lines.join("\n"))
    }
}
