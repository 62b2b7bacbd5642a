//! The only listening socket: metrics, health and readiness over HTTP, for whoever watches the service.
//!
//! [`bind`] takes the port, before anything else is touched; [`Bound::serve`] answers on it. What the answers say, the caller gives as
//! [`Answers`]; nothing here knows an order, a topic or a partition. [`registry`] is where metrics are declared and kept.
//!
//! Invariant: nothing here changes anything. There is no authentication, so every request is a question.
//! Invariant: a client gets a bounded number of connections, bytes and seconds.
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod ask;
mod connection;
pub mod registry;
mod routes;

pub use ask::{Answer, ask};
pub use connection::{Bound, bind};

/// The most bytes of a request's body. No question here has one; what is sent all the same is read up to this.
pub const BODY_BYTES_MAX: usize = 16 << 10;

/// What a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At once; more wait until one is closed.
    pub connections_max: usize,
    /// For a whole request to come, for an answer to be made, for a piece of it to be taken, and for an idle connection.
    pub request_timeout: Duration,
}

/// What is asked, and by what it is answered; called on a thread that may block.
pub struct Answers {
    /// The text of /metrics.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Whether the process is alive.
    pub health: Box<dyn Fn() -> Report + Send + Sync>,
    /// Whether it does its work.
    pub ready: Box<dyn Fn() -> Report + Send + Sync>,
    /// Called now and then, so that samples do not pile up while nobody asks for them.
    pub upkeep: Box<dyn Fn() + Send + Sync>,
}

/// How the parts of the service are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether all parts are well.
    pub ok: bool,
    pub parts: Vec<Part>,
}

/// How one part is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    pub part: String,
    pub ok: bool,
    /// What is missing; absent where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Report {
    pub fn of(parts: Vec<Part>) -> Report {
        Report { ok: parts.iter().all(|part| part.ok), parts }
    }
}

impl Part {
    /// A part with what is wrong with it, if anything is.
    pub fn new(part: impl Into<String>, reason: Option<String>) -> Part {
        Part { part: part.into(), ok: reason.is_none(), reason }
    }
}

/// What can go wrong here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "could not listen on {listen}; is another service running there? `gateway.listen` names another address, or \"\" for none"
    )]
    Listen { listen: String, source: std::io::Error },
    #[error("listening socket cannot be served")]
    Serve { source: std::io::Error },
    #[error("could not ask {address}{path}")]
    Ask { address: String, path: String, source: std::io::Error },
}
