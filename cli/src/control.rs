//! The control socket in the data directory: how a command talks to the service that runs there.
//!
//! One request per line of JSON, its body right behind it; one line of JSON as the answer. Whoever may write in the data
//! directory may use it, nobody else.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// The longest request line, in bytes.
const LINE_BYTES_MAX: u64 = 8_192;
/// The longest answer line, in bytes: a catalog as text within JSON, every character of it escaped.
const ANSWER_BYTES_MAX: u64 = 4 * domain::limits::CATALOG_BYTES_MAX as u64;
/// The largest body of an order, in bytes; larger documents are refused before they are read.
const BODY_BYTES_MAX: usize = domain::limits::REQUEST_BYTES_MAX;
/// The most connections at once; more wait.
const CONNECTIONS_MAX: usize = 64;

pub const SOCKET_NAME: &str = "control.sock";

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

/// One request: a line of JSON, and a body behind it where the request says how long that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// Appends the body; answered with a [`Receipt`] once it is durable.
    Submit(Submission),
    /// Publishes the body, a catalog as canonical JSON; answered with a [`crate::service::catalog::Publication`].
    #[serde(rename_all = "camelCase")]
    PublishCatalog { body_bytes: usize },
    /// Answered with a list of [`crate::service::catalog::Listed`].
    ListCatalogs,
    /// Answered with the canonical JSON of a published version, as text; null where it is not published.
    #[serde(rename_all = "camelCase")]
    ShowCatalog { version: domain::CatalogVersion },
}

impl Request {
    /// How many bytes follow the request's line, and how many may.
    pub fn body_bytes(&self) -> (usize, usize) {
        match self {
            Request::Submit(submission) => (submission.body_bytes, BODY_BYTES_MAX),
            Request::PublishCatalog { body_bytes } => (*body_bytes, domain::limits::CATALOG_BYTES_MAX),
            Request::ListCatalogs | Request::ShowCatalog { .. } => (0, 0),
        }
    }
}

/// Where a request lies on the log, durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub partition: u32,
    pub offset: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Done(serde_json::Value),
    Refused(String),
}

/// Carries out one request with its body; blocking.
pub type Operate = Arc<dyn Fn(Request, Vec<u8>) -> anyhow::Result<serde_json::Value> + Send + Sync>;

/// Serves until the task is dropped.
///
/// # Errors
/// The socket cannot be made in `data_dir`.
pub async fn serve(data_dir: &Path, operate: Operate) -> anyhow::Result<()> {
    let path = data_dir.join(SOCKET_NAME);
    // The directory is locked by us: a socket that is there is left over from a process that is gone.
    let _ = std::fs::remove_file(&path);
    let listener =
        UnixListener::bind(&path).with_context(|| format!("could not open socket \"{}\"", path.display()))?;
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = places.clone().acquire_owned().await?;
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "control connection failed");
                continue;
            }
        };
        let operate = operate.clone();
        tokio::spawn(async move {
            if let Err(error) = converse(stream, operate).await {
                tracing::debug!(error = format!("{error:#}"), "control connection ended");
            }
            drop(place);
        });
    }
}

async fn converse(stream: UnixStream, operate: Operate) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        if (&mut read).take(LINE_BYTES_MAX).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let (answer, go_on) = match answer(&line, &mut read, &operate).await {
            Ok(answer) => (Answer::Done(answer), true),
            // What follows on this connection cannot be told apart from the body that was not read.
            Err(error) => (Answer::Refused(format!("{error:#}")), false),
        };
        let mut text = serde_json::to_string(&answer)?;
        text.push('\n');
        write.write_all(text.as_bytes()).await?;
        if !go_on {
            return Ok(());
        }
    }
}

async fn answer<R: AsyncReadExt + Unpin>(
    line: &str,
    read: &mut R,
    operate: &Operate,
) -> anyhow::Result<serde_json::Value> {
    let request: Request =
        serde_json::from_str(line).context("request line is not one that this service knows")?;
    let (body_bytes, body_bytes_max) = request.body_bytes();
    if body_bytes > body_bytes_max {
        bail!("document of {body_bytes} bytes is too large, at most {body_bytes_max} are allowed");
    }
    let mut body = vec![0; body_bytes];
    read.read_exact(&mut body).await.context("document ended early")?;
    let operate = operate.clone();
    tokio::task::spawn_blocking(move || operate(request, body)).await?
}

/// A connection to the service that runs on a data directory.
pub struct Client {
    read: BufReader<tokio::net::unix::OwnedReadHalf>,
    write: tokio::net::unix::OwnedWriteHalf,
}

impl Client {
    /// `None` where no service runs there.
    pub async fn connect(data_dir: &Path) -> anyhow::Result<Option<Client>> {
        let path: PathBuf = data_dir.join(SOCKET_NAME);
        match UnixStream::connect(&path).await {
            Ok(stream) => {
                let (read, write) = stream.into_split();
                Ok(Some(Client { read: BufReader::new(read), write }))
            }
            Err(error) => match error.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(error).with_context(|| format!("could not use socket \"{}\"", path.display())),
            },
        }
    }

    /// Appends one request; returns once it is durable.
    ///
    /// # Errors
    /// The service's own words where it refused; a connection that broke, after which the request may be there or not.
    pub async fn submit(&mut self, submission: Submission, body: &[u8]) -> anyhow::Result<Receipt> {
        self.ask(&Request::Submit(submission), body).await
    }

    /// Asks for anything; the type of the answer stands at the request.
    ///
    /// # Errors
    /// The service's own words where it refused; a connection that broke.
    pub async fn ask<T: DeserializeOwned>(&mut self, request: &Request, body: &[u8]) -> anyhow::Result<T> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        self.write.write_all(line.as_bytes()).await?;
        self.write.write_all(body).await?;
        let mut text = String::new();
        if (&mut self.read).take(ANSWER_BYTES_MAX).read_line(&mut text).await? == 0 {
            bail!("the service went away before it answered; ask again, a repeated request is recognised");
        }
        match serde_json::from_str(&text).context("answer of the service is not readable")? {
            Answer::Done(answer) => {
                serde_json::from_value(answer).context("answer of the service is not readable")
            }
            Answer::Refused(message) => bail!(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_goes_through_and_a_large_one_is_refused_with_its_size() {
        let directory = tempfile::tempdir().unwrap();
        let operate: Operate = Arc::new(|submission, body| {
            assert_eq!((submission.key.as_deref(), body.as_slice()), (Some("K"), b"{}".as_slice()));
            Ok(Receipt { partition: 3, offset: 7 })
        });
        assert!(Client::connect(directory.path()).await.unwrap().is_none(), "nobody serves yet");
        let path = directory.path().to_owned();
        let served = tokio::spawn(async move { serve(&path, operate).await });
        let mut client = loop {
            if let Some(client) = Client::connect(directory.path()).await.unwrap() {
                break client;
            }
            tokio::task::yield_now().await;
        };
        let submission = Submission {
            key: Some("K".into()),
            request_id: None,
            media_type: "application/json".into(),
            body_bytes: 2,
        };
        let receipt = client.submit(submission.clone(), b"{}").await.unwrap();
        assert_eq!(receipt, Receipt { partition: 3, offset: 7 });
        let large = Submission { body_bytes: BODY_BYTES_MAX + 1, ..submission };
        let refused = client.submit(large, b"").await.unwrap_err();
        assert!(format!("{refused:#}").contains("too large"), "{refused:#}");
        served.abort();
    }
}
