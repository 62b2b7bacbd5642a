//! One request per line of JSON, its body right behind it; one line of JSON as the answer. Whoever may write in the data
//! directory may use it, nobody else. Knows no request but by the length of its body.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::{Receipt, Request, Submission};
use crate::exit::Refused;
use crate::text::chain;

/// The longest request line, in bytes.
const LINE_BYTES_MAX: u64 = 65_536;
/// The longest answer, in bytes: a page of records as text.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// The most connections at once; more wait.
const CONNECTIONS_MAX: usize = 64;

pub const SOCKET_NAME: &str = "control.sock";
/// The longest path of a socket, in bytes: what Linux has room for, without the zero behind it.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Whether a service could be asked in this directory: looked at before anything is made there.
///
/// # Errors
/// The path of its socket is too long.
pub fn check_length(data_dir: &Path) -> anyhow::Result<()> {
    let path = data_dir.join(SOCKET_NAME);
    let bytes = path.as_os_str().len();
    if bytes > SOCKET_PATH_BYTES_MAX {
        bail!(
            "the path of the control socket, \"{}\", has {bytes} bytes, and at most {SOCKET_PATH_BYTES_MAX} are possible; \
             name a shorter data directory, or one relative to the working directory",
            path.display()
        );
    }
    Ok(())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Done(serde_json::Value),
    /// The answer is no, as an exit code of [`crate::exit::REFUSED`] says it.
    No(String),
    /// It could not be done.
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
        let received = receive(&line, &mut read).await;
        // What follows on this connection cannot be told apart from a body that was not read.
        let go_on = received.is_ok();
        let answer = match received {
            Ok((request, body)) => {
                let operate = operate.clone();
                tokio::task::spawn_blocking(move || operate(request, body)).await?
            }
            Err(error) => Err(error),
        };
        let answer = match answer {
            Ok(value) => Answer::Done(value),
            Err(error) if error.is::<Refused>() => Answer::No(chain(&error)),
            Err(error) => Answer::Refused(chain(&error)),
        };
        let mut text = serde_json::to_string(&answer)?;
        text.push('\n');
        write.write_all(text.as_bytes()).await?;
        if !go_on {
            return Ok(());
        }
    }
}

/// The request of a line, before its body is read.
///
/// # Errors
/// It is none that this service knows, or announces a body that is too large.
pub fn parsed(line: &str) -> anyhow::Result<Request> {
    let request: Request =
        serde_json::from_str(line).context("request line is not one that this service knows")?;
    let (body_bytes, body_bytes_max) = request.body_bytes();
    if body_bytes > body_bytes_max {
        bail!("document of {body_bytes} bytes is too large, at most {body_bytes_max} are allowed");
    }
    Ok(request)
}

/// The request of a line, and its body.
async fn receive<R: AsyncReadExt + Unpin>(line: &str, read: &mut R) -> anyhow::Result<(Request, Vec<u8>)> {
    let request = parsed(line)?;
    let mut body = vec![0; request.body_bytes().0];
    read.read_exact(&mut body).await.context("document ended early")?;
    Ok((request, body))
}

/// A connection to the service that runs on a data directory.
pub struct Client {
    read: BufReader<tokio::net::unix::OwnedReadHalf>,
    write: tokio::net::unix::OwnedWriteHalf,
}

impl Client {
    /// `None` where no service runs there.
    ///
    /// # Errors
    /// The socket is there and cannot be used, also since its path is too long to be named.
    pub async fn connect(data_dir: &Path) -> anyhow::Result<Option<Client>> {
        let path: PathBuf = data_dir.join(SOCKET_NAME);
        if let Err(error) = check_length(data_dir) {
            // A service that was started with a shorter spelling of the directory may serve there.
            return if path.exists() { Err(error) } else { Ok(None) };
        }
        match UnixStream::connect(&path).await {
            Ok(stream) => {
                let (read, write) = stream.into_split();
                Ok(Some(Client { read: BufReader::new(read), write }))
            }
            Err(error) => match error.kind() {
                std::io::ErrorKind::NotFound
                | std::io::ErrorKind::ConnectionRefused
                | std::io::ErrorKind::NotADirectory => Ok(None),
                _ => Err(error).with_context(|| format!("could not use socket \"{}\"", path.display())),
            },
        }
    }

    /// Appends one request; returns once it is durable.
    ///
    /// # Errors
    /// The service's own words where it refused; a connection that broke, after which the request may be there or not.
    pub async fn submit(&mut self, submission: Submission, body: &[u8]) -> anyhow::Result<Receipt> {
        let answer = self.send(&Request::Submit(submission), body).await?;
        let answer = answer.context(
            "the service went away before it answered; submit again, a repeated request is recognised",
        )?;
        Ok(serde_json::from_value(answer)?)
    }

    /// Asks for anything.
    ///
    /// # Errors
    /// The service's own words where it refused; a connection that broke, after which it may be done or not.
    pub async fn ask<T: DeserializeOwned>(&mut self, request: &Request, body: &[u8]) -> anyhow::Result<T> {
        let answer = self.send(request, body).await?.context("the service went away before it answered")?;
        serde_json::from_value(answer)
            .context("the service answered in a way that this version does not know")
    }

    /// `None`: it went away.
    async fn send(&mut self, request: &Request, body: &[u8]) -> anyhow::Result<Option<serde_json::Value>> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        // A service that refuses without reading the body closes early: its answer is there all the same.
        let sent = async {
            self.write.write_all(line.as_bytes()).await?;
            self.write.write_all(body).await
        };
        let sent = sent.await;
        let mut text = String::new();
        if (&mut self.read).take(ANSWER_BYTES_MAX).read_line(&mut text).await? == 0 {
            sent?;
            return Ok(None);
        }
        match serde_json::from_str(&text).context("answer of the service is not readable")? {
            Answer::Done(answer) => Ok(Some(answer)),
            Answer::No(message) => Err(Refused(message).into()),
            Answer::Refused(message) => bail!(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_whose_socket_had_no_room_for_its_path_is_said_before_anything_is_made_in_it() {
        let with_length =
            |bytes: usize| PathBuf::from(format!("/{}", "x".repeat(bytes - "//control.sock".len())));
        assert!(check_length(&with_length(SOCKET_PATH_BYTES_MAX)).is_ok());
        let long = with_length(SOCKET_PATH_BYTES_MAX + 1);
        let refused = check_length(&long).unwrap_err().to_string();
        assert!(refused.contains("has 108 bytes, and at most 107"), "{refused}");
        assert!(Client::connect(&long).await.unwrap().is_none(), "nobody serves where there is nothing");
        let is_possible = |data_dir: &Path| {
            std::os::unix::net::SocketAddr::from_pathname(data_dir.join(SOCKET_NAME)).is_ok()
        };
        assert!(
            is_possible(&with_length(SOCKET_PATH_BYTES_MAX)) && !is_possible(&long),
            "the limit is the system's"
        );
    }

    #[tokio::test]
    async fn a_socket_that_can_be_named_by_a_shorter_path_alone_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(SOCKET_PATH_BYTES_MAX));
        std::fs::create_dir(&long).unwrap();
        assert!(Client::connect(&long).await.unwrap().is_none(), "nobody serves there");
        // In the place of the socket of a service that was started with another spelling: it is not even looked at.
        std::fs::write(long.join(SOCKET_NAME), "").unwrap();
        let refused = Client::connect(&long).await.map(drop).unwrap_err().to_string();
        assert!(refused.contains("one relative to the working directory"), "{refused}");
    }

    #[tokio::test]
    async fn a_request_goes_through_and_a_large_one_is_refused_with_its_size() {
        let directory = tempfile::tempdir().unwrap();
        let operate: Operate = Arc::new(|request, body| {
            let Request::Submit(submission) = request else { panic!("{request:?}") };
            assert_eq!((submission.key.as_deref(), body.as_slice()), (Some("K"), b"{}".as_slice()));
            Ok(serde_json::to_value(Receipt { partition: 3, offset: 7 })?)
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
        let large = Submission { body_bytes: domain::limits::REQUEST_BYTES_MAX + 1, ..submission };
        let refused = client.submit(large, b"").await.unwrap_err().to_string();
        assert!(refused.contains("too large"), "{refused}");
        served.abort();
    }
}
