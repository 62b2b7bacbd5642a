//! What capture keeps of an order key.
use domain::RequestId;
use serde::{Deserialize, Serialize};

/// Lives as long as the key is known: a base order that ended long ago is still recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The request that named the key first; recognised for ever.
    pub base_request: RequestId,
    /// How many requests came under the key, repeated ones apart.
    pub submission: u32,
    /// The last requests, oldest first, at most [`domain::limits::REQUESTS_SEEN_MAX`].
    pub requests_seen: Vec<RequestId>,
    /// What was kept of the requests, oldest first, at most [`domain::limits::SUBMISSIONS_MAX`].
    pub evidence: Vec<KeptEvidence>,
}

/// The raw bytes of one submission are kept under this digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptEvidence {
    pub submission: u32,
    pub digest: String,
}
