//! What can be asked of a running service, through the control socket in its data directory. [`transport`] carries it; what is
//! done is said in [`crate::operations`], and is the same on a directory where no service runs.
use serde::{Deserialize, Serialize};

mod transport;

pub use transport::{Client, Operate, SOCKET_NAME, serve};

/// An order request on its way to the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Submission {
    /// The order key; absent where the document has none (then its shard refuses it).
    pub key: Option<String>,
    pub request_id: Option<String>,
    pub media_type: String,
    pub body_bytes: usize,
}

/// Where a request lies on the log, durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub partition: u32,
    pub offset: i64,
}

/// One request: a line of JSON, and a body behind it where the request says how long that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// Appends the body; answered with a [`Receipt`] once it is durable.
    Submit(Submission),
    /// What became of a submitted request, as far as the log says; answered with a [`crate::submit::fate::Fate`].
    Fate(Receipt),
}

impl Request {
    /// How many bytes follow the request's line.
    pub fn body_bytes(&self) -> usize {
        match self {
            Request::Submit(submission) => submission.body_bytes,
            Request::Fate(_) => 0,
        }
    }
}
