//! Captures orders: recognises a request that came before, counts the submissions under a key, pins the catalog version.
//!
//! Nothing is refused here. What is wrong with a request travels along as findings, and validation answers with all its
//! reasons at once; so a requester never hears half of them.
use domain::order::Order;
use domain::order::event::{Evidence, OrderCaptured, OrderEvent, RequestIgnored};
use domain::{CatalogVersion, OrderKey, Reason, ReasonCode, RequestId, limits, reason};

use crate::{Arrival, Decision};

pub mod state;
#[cfg(test)]
mod tests;

pub use state::{KeptEvidence, State};

/// Stands where a catalog version belongs, when none was published yet; no catalog may be published under it.
pub const CATALOG_VERSION_NONE: &str = "none";

/// A request as the anti-corruption layer translated it. Which catalog version the order names is not read: it is set here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureRequest {
    pub request_id: RequestId,
    pub order: Order,
    /// What could not be read of the document.
    pub findings: Vec<Reason>,
    /// What the raw bytes are kept under.
    pub evidence: Evidence,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Event(OrderEvent),
    /// The raw bytes of this request are to be kept under this digest, in the order's own state.
    KeepEvidence {
        digest: String,
    },
}

/// Total and pure. `current` is the catalog version that new orders are captured with; absent before the first is published.
///
/// # Panics
/// If the request is about another order than `key`: then the shell has mixed up two records.
pub fn handle(
    key: &OrderKey,
    state: Option<State>,
    request: CaptureRequest,
    current: Option<&CatalogVersion>,
    arrival: &Arrival,
) -> Decision<State, Output> {
    assert_eq!(request.order.key, *key, "a request is handled under the key of its order");
    if state.as_ref().is_some_and(|state| state.knows(&request.request_id)) {
        let cause = arrival.cause(key, request.request_id.as_str());
        let ignored = RequestIgnored { cause, request_id: request.request_id };
        return Decision { outputs: vec![Output::Event(ignored.into())], ..Decision::keep(state) };
    }
    let mut state = state.unwrap_or_else(|| State::new(request.request_id.clone()));
    let keeps_evidence = state.count(&request);
    let mut outputs = Vec::with_capacity(2);
    if keeps_evidence {
        outputs.push(Output::KeepEvidence { digest: request.evidence.digest.clone() });
    }
    outputs.push(Output::Event(captured(key, state.submission, request, current, arrival).into()));
    Decision { outputs, ..Decision::keep(Some(state)) }
}

fn captured(
    key: &OrderKey,
    submission: u32,
    request: CaptureRequest,
    current: Option<&CatalogVersion>,
    arrival: &Arrival,
) -> OrderCaptured {
    let CaptureRequest { request_id, mut order, mut findings, evidence } = request;
    if submission > limits::SUBMISSIONS_MAX {
        let message = format!(
            "this is submission {submission} under the key, at most {} are taken",
            limits::SUBMISSIONS_MAX
        );
        findings.insert(0, Reason::new(ReasonCode::SubmissionsTooMany, "", message));
    }
    if current.is_none() {
        let message = "no catalog version is published; the order can be submitted again once one is";
        findings.push(Reason::new(ReasonCode::CatalogVersionUnknown, "", message));
    }
    order.request_id = request_id.clone();
    order.catalog_version = current.cloned().unwrap_or_else(|| CATALOG_VERSION_NONE.into());
    // A submission that is captured is not yet an applied change: until one is validated, the first version is meant.
    order.order_version = 1;
    let cause = arrival.cause(key, request_id.as_str());
    OrderCaptured { cause, submission, order, findings: reason::bounded(findings), evidence }
}

impl State {
    fn new(base_request: RequestId) -> State {
        State { base_request, submission: 0, requests_seen: Vec::new(), evidence: Vec::new() }
    }

    /// Whether the request came before. One older than the last [`limits::REQUESTS_SEEN_MAX`] is forgotten, the base is not.
    fn knows(&self, request: &RequestId) -> bool {
        self.base_request == *request || self.requests_seen.contains(request)
    }

    /// Counts a new request; whether its raw bytes are to be kept.
    ///
    /// Beyond the most submissions they are not: else a client in a loop would fill the store with one order.
    fn count(&mut self, request: &CaptureRequest) -> bool {
        self.submission = self.submission.saturating_add(1);
        if self.requests_seen.len() >= limits::REQUESTS_SEEN_MAX {
            self.requests_seen.remove(0);
        }
        self.requests_seen.push(request.request_id.clone());
        if self.submission > limits::SUBMISSIONS_MAX {
            return false;
        }
        self.evidence
            .push(KeptEvidence { submission: self.submission, digest: request.evidence.digest.clone() });
        true
    }
}
