//! What can be asked of a running service, through the control socket in its data directory. [`transport`] carries it; what is
//! done is said in [`crate::operations`], and is the same on a directory where no service runs.
use domain::limits::{CATALOG_BYTES_MAX, REQUEST_BYTES_MAX};
use serde::{Deserialize, Serialize};

mod transport;

pub use transport::{Client, Operate, SOCKET_NAME, check_length, parsed, serve};

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
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Request {
    /// Appends the body; answered with a [`Receipt`] once it is durable.
    Submit(Submission),
    /// Every topic: a list of [`crate::operations::topics::TopicLine`].
    ListTopics,
    /// One topic: [`crate::operations::topics::TopicView`].
    DescribeTopic { topic: String },
    /// Some records of a partition: [`crate::operations::topics::RecordPage`].
    ReadTopic(ReadTopic),
    /// Dead letters, the newest first: a list of [`crate::operations::dead_letters::Letter`].
    ListDeadLetters(DeadLetterFilter),
    /// One of them, whole: [`crate::operations::dead_letters::LetterView`].
    ShowDeadLetter(Receipt),
    /// Sends dead letters again: a list of [`crate::operations::dead_letters::Replayed`].
    ReplayDeadLetters(Replay),
    /// The downstream systems: a list of [`crate::operations::downstream::SystemView`].
    DownstreamStatus,
    /// How the simulated systems behave: [`crate::operations::downstream::ScenarioView`].
    ShowScenario,
    /// Makes them behave as the body says, a scenario as JSON; answered as [`Request::ShowScenario`].
    SetScenario { body_bytes: usize },
    /// Back to the scenario of the settings; answered as [`Request::ShowScenario`].
    ResetScenario,
    /// Everything at a glance: [`crate::operations::status::Status`].
    Status,
    /// How the processors are grouped: [`crate::operations::topology::TopologyView`].
    ShowTopology,
    /// Publishes the body, a catalog as canonical JSON; answered with a [`crate::service::catalog::Publication`].
    PublishCatalog { body_bytes: usize },
    /// The published versions: a list of [`crate::service::catalog::Listed`].
    ListCatalogs,
    /// The canonical JSON of a published version, as text; null where it is not published.
    ShowCatalog { version: domain::CatalogVersion },
    /// What became of a submitted request, as far as the log says; answered with a [`crate::submit::fate::Fate`].
    Fate(Receipt),
}

/// Which records of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadTopic {
    pub topic: String,
    pub partition: u32,
    /// The first offset; the oldest there is where that is gone.
    pub from: i64,
    /// Only records of this key.
    pub key: Option<String>,
    pub records_max: usize,
}

/// Which dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeadLetterFilter {
    /// Not before this time, UTC milliseconds.
    pub since_ms: Option<i64>,
    /// Only those that came from this topic.
    pub topic: Option<String>,
    /// Only those that were not replayed yet.
    pub open_only: bool,
    /// 0: all there are.
    pub limit: usize,
}

/// What is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replay {
    /// Dead letters by their place; empty: all that the filter finds and that can be replayed.
    pub ids: Vec<Receipt>,
    pub filter: DeadLetterFilter,
    /// Also those that were replayed before.
    pub again: bool,
}

impl Request {
    /// How many bytes follow the request's line, and how many may.
    pub fn body_bytes(&self) -> (usize, usize) {
        match self {
            Request::Submit(submission) => (submission.body_bytes, REQUEST_BYTES_MAX),
            Request::SetScenario { body_bytes } => (*body_bytes, REQUEST_BYTES_MAX),
            Request::PublishCatalog { body_bytes } => (*body_bytes, CATALOG_BYTES_MAX),
            Request::ListTopics
            | Request::DescribeTopic { .. }
            | Request::ReadTopic(_)
            | Request::ListDeadLetters(_)
            | Request::ShowDeadLetter(_)
            | Request::ReplayDeadLetters(_)
            | Request::DownstreamStatus
            | Request::ShowScenario
            | Request::ResetScenario
            | Request::Fate(_)
            | Request::ListCatalogs
            | Request::ShowCatalog { .. }
            | Request::ShowTopology
            | Request::Status => (0, 0),
        }
    }
}
