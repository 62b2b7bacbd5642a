//! `orderstream submit`: beside a running service through its socket, else on the data directory itself.
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use schemas::headers;
use tokio::time::Instant;

use crate::control::{Client, Receipt, Submission};
use crate::exit;
use crate::service::{Store, catalog};
use crate::settings::Settings;
use crate::text::printable;
use crate::times::{shown, span};

pub mod fate;
mod follow;
mod input;
mod line;

pub use input::json_media_type;

use follow::Follower;
use input::{Content, Document, Place};
use line::Line;

/// A file of something else is wrong in every line: nobody reads thousands of them.
const REFUSED_SHOWN_MAX: usize = 20;

#[derive(clap::Args)]
pub struct Arguments {
    /// The files; - reads standard input. All are read before anything is sent.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The contract of the documents, where they do not show it themselves.
    #[arg(long, default_value = headers::JSON, value_name = "TYPE", value_parser = input::media_type)]
    media_type: String,
    /// The idempotency key of a single document; without it, equal bytes are the same request.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Waits until the outcome of each order is known and can be read; without UNTIL, until it is decided.
    #[arg(long, value_enum, value_name = "UNTIL", num_args = 0..=1, require_equals = true, default_missing_value = "decided")]
    wait: Option<Wait>,
    /// With --wait: gives up after so long (30s, 5m, 2h), with exit code 4. What was submitted stays submitted.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span, requires = "wait")]
    timeout: Duration,
    /// As JSON, for programs: a line for each document, whatever became of it.
    #[arg(long)]
    json: bool,
}

/// What `--wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Wait {
    /// Until each request is validated, refused, ignored as a repeat, or a dead letter.
    Decided,
    /// Until each order has ended, completed or otherwise.
    Completed,
}

/// Where accepted documents go.
enum Target {
    Service(Client),
    Directory(Box<Store>),
}

/// How the command ends: its code, unless something broke it off.
struct Ended {
    code: u8,
    failed: Option<anyhow::Error>,
}

/// Every readable document is submitted; of each it is said what became of it.
pub fn submit(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let input = input::read(&arguments.files, &arguments.media_type, arguments.request_id.as_deref())?;
    if arguments.request_id.is_some() && input.len() > 1 {
        let message =
            format!("--request-id names one request, and the input holds {} documents", input.len());
        return Err(exit::Misplaced(message.into()).into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Ended { code, failed } = runtime.block_on(async {
        match arguments.wait {
            Some(wait) => submit_and_wait(settings, arguments, &input, wait).await,
            None => submit_only(settings, arguments, &input).await,
        }
    });
    if !arguments.json {
        tell_unreadable(&input);
    }
    failed.map_or(Ok(ExitCode::from(code)), Err)
}

fn tell_unreadable(input: &[Document]) {
    let refused =
        || input.iter().filter_map(|document| Some((&document.place, document.content.as_ref().err()?)));
    for (place, reason) in refused().take(REFUSED_SHOWN_MAX) {
        eprintln!("orderstream: {}: {}", place.shown(), printable(&reason.to_string()));
    }
    if let Some(more @ 1..) = refused().count().checked_sub(REFUSED_SHOWN_MAX) {
        eprintln!("orderstream: {more} more documents could not be read either");
    }
}

async fn submit_only(settings: &Settings, arguments: &Arguments, input: &[Document]) -> Ended {
    let target = if can_be_sent(input) { target(settings).await.map(Some) } else { Ok(None) };
    let (lines, failed) = send_all(target, input, |line| print(line, arguments.json)).await;
    Ended { code: worst(&lines), failed }
}

/// Sends all, and then follows each in the sequence of the input. The code is that of the worst: refused is said before not in time.
async fn submit_and_wait(
    settings: &Settings,
    arguments: &Arguments,
    input: &[Document],
    wait: Wait,
) -> Ended {
    let opened = if can_be_sent(input) { both(settings, arguments, wait).await.map(Some) } else { Ok(None) };
    let (mut follower, target) = match opened {
        Ok(Some((follower, target))) => (Some(follower), Ok(Some(target))),
        Ok(None) => (None, Ok(None)),
        Err(error) => (None, Err(error)),
    };
    let (mut lines, mut failed) = send_all(target, input, |_| ()).await;
    let later = taken_later(input, &lines);
    let mut late = 0;
    for (line, later) in lines.iter_mut().zip(later) {
        if let Some(receipt) = line.receipt() {
            line.undecided();
            if let Some(open) = &mut follower
                && let Err(error) = open.follow(line, &receipt, later).await
            {
                failed.get_or_insert(error);
                follower = None;
            }
            if follower.is_none() {
                line.exit_code = exit::FAILED;
            }
        }
        print(line, arguments.json);
        late += usize::from(line.exit_code == exit::TIMED_OUT);
    }
    if late > 0 {
        let (all, timeout) = (lines.len(), shown(arguments.timeout));
        eprintln!("orderstream: {late} of {all} orders did not get there within {timeout}");
    }
    Ended { code: worst(&lines), failed }
}

/// Where nothing can be sent, no data directory is made for it, and no service asked.
fn can_be_sent(input: &[Document]) -> bool {
    input.iter().any(|document| document.content.is_ok())
}

async fn both(settings: &Settings, arguments: &Arguments, wait: Wait) -> anyhow::Result<(Follower, Target)> {
    let client = follow::service(settings).await?;
    let follower = Follower::open(settings, client, wait, Instant::now() + arguments.timeout).await?;
    Ok((follower, Target::Service(follow::service(settings).await?)))
}

/// Sends one after another until one fails; gives a line for each, in the sequence of the input, and what failed. Each is told as soon as it
/// is known.
async fn send_all(
    target: anyhow::Result<Option<Target>>,
    input: &[Document],
    mut tell: impl FnMut(&Line),
) -> (Vec<Line>, Option<anyhow::Error>) {
    let (mut target, mut failed) = match target {
        Ok(target) => (target, None),
        Err(error) => (None, Some(error)),
    };
    let mut lines: Vec<Line> = Vec::with_capacity(input.len());
    for document in input {
        let line = match (&document.content, &mut target) {
            (Err(reason), _) => Line::unreadable(document, reason),
            (Ok(_), None) => Line::not_tried(document),
            (Ok(content), Some(open)) => match send(open, content).await {
                Ok(receipt) => Line::taken(document, &receipt),
                Err(error) => {
                    let line = Line::failed(document, &error);
                    let taken = lines.iter().filter(|line| line.is_taken()).count();
                    failed = Some(error.context(broken_off(taken, input.len(), &document.place)));
                    target = None;
                    line
                }
            },
        };
        tell(&line);
        lines.push(line);
    }
    (lines, failed)
}

/// How far it came, and where to go on.
fn broken_off(taken: usize, all: usize, place: &Place) -> String {
    let place = place.shown();
    if all == 1 {
        return place;
    }
    format!(
        "{taken} of {all} documents were taken; go on with {place}, or submit all again, since a repeated request is recognised"
    )
}

/// Of each document, how many that are the same request were taken after it.
fn taken_later(input: &[Document], lines: &[Line]) -> Vec<usize> {
    let mut taken: HashMap<(&str, Option<&str>, &[u8]), usize> = HashMap::new();
    let mut later = vec![0; lines.len()];
    for (at, (document, line)) in input.iter().zip(lines).enumerate().rev() {
        let Ok(content) = &document.content else { continue };
        // Requests of one name are the same whatever they hold.
        let name = content.request_id.as_deref();
        let bytes: &[u8] = if name.is_some() { &[] } else { &content.bytes };
        let after = taken.entry((content.key.as_str(), name, bytes)).or_default();
        later[at] = *after;
        *after += usize::from(line.is_taken());
    }
    later
}

fn worst(lines: &[Line]) -> u8 {
    lines.iter().map(|line| line.exit_code).fold(exit::DONE, worse)
}

/// A refusal is certain and stays; what was not in time may still turn out well.
fn worse(one: u8, other: u8) -> u8 {
    let rank = |code: u8| match code {
        exit::DONE => 0,
        exit::TIMED_OUT => 1,
        _ => 2,
    };
    if rank(other) > rank(one) { other } else { one }
}

fn print(line: &Line, json: bool) {
    let told = if json { Some(line.to_json()) } else { line.told() };
    told.iter().for_each(|told| println!("{told}"));
}

async fn target(settings: &Settings) -> anyhow::Result<Target> {
    if let Some(client) = Client::connect(&settings.node.data_dir).await? {
        return Ok(Target::Service(client));
    }
    let catalog = catalog::load_to_begin(settings)?;
    Ok(Target::Directory(Box::new(Store::open(settings, &catalog)?)))
}

async fn send(target: &mut Target, content: &Content) -> anyhow::Result<Receipt> {
    let submission = Submission {
        key: Some(content.key.clone()),
        request_id: content.request_id.clone(),
        media_type: content.media_type.clone(),
        body_bytes: content.bytes.len(),
    };
    match target {
        Target::Service(client) => client.submit(submission, &content.bytes).await,
        Target::Directory(store) => store.append(&submission, content.bytes.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::line::Outcome;
    use super::*;

    #[test]
    fn of_several_orders_a_refusal_decides_the_exit_code() {
        let all = |codes: &[u8]| codes.iter().copied().fold(exit::DONE, worse);
        assert_eq!(all(&[]), exit::DONE);
        assert_eq!(all(&[exit::DONE, exit::TIMED_OUT, exit::DONE]), exit::TIMED_OUT);
        assert_eq!(all(&[exit::REFUSED, exit::TIMED_OUT]), exit::REFUSED);
        assert_eq!(all(&[exit::TIMED_OUT, exit::REFUSED]), exit::REFUSED);
    }

    #[test]
    fn the_same_request_is_counted_as_often_as_it_was_taken_afterwards() {
        let document = |key: &str, name: Option<&str>, bytes: &str| Document {
            place: Place { file: "f".into(), number: 1, is_avro: false },
            content: Ok(Content {
                key: key.to_owned(),
                bytes: bytes.into(),
                media_type: headers::JSON.to_owned(),
                request_id: name.map(str::to_owned),
            }),
        };
        let input = [
            document("K", None, "{}"),
            document("K", Some("r"), "{}"),
            document("other", None, "{}"),
            document("K", None, "{}"),
            document("K", Some("r"), "[]"),
            document("K", None, "[]"),
            document("K", None, "{}"),
        ];
        let receipt = Receipt { partition: 0, offset: 7 };
        let mut lines: Vec<Line> = input.iter().map(|document| Line::taken(document, &receipt)).collect();
        assert_eq!(taken_later(&input, &lines), [2, 1, 0, 1, 0, 0, 0]);
        lines[6] = Line::not_tried(&input[6]);
        assert_eq!(taken_later(&input, &lines), [1, 1, 0, 0, 0, 0, 0]);
    }

    fn input(folder: &std::path::Path) -> Vec<Document> {
        let file = folder.join("many.ndjson");
        let order = |id: u32| format!(r#"{{"externalId": "{id}", "productOrderItem": []}}"#);
        std::fs::write(&file, [order(1), order(2), "nonsense".to_owned(), order(3)].join("\n")).unwrap();
        input::read(&[file], headers::JSON, None).unwrap()
    }

    /// Answers requests until it has taken so many, and is gone then.
    async fn serve(data_dir: std::path::PathBuf, mut left: u32) {
        use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::UnixListener::bind(data_dir.join(crate::control::SOCKET_NAME)).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut read = tokio::io::BufReader::new(read);
        while left > 0 {
            let mut line = String::new();
            read.read_line(&mut line).await.unwrap();
            let request: serde_json::Value = serde_json::from_str(&line).unwrap();
            let body_bytes = request["submit"]["bodyBytes"].as_u64().unwrap();
            read.read_exact(&mut vec![0; usize::try_from(body_bytes).unwrap()]).await.unwrap();
            write.write_all(b"{\"done\":{\"partition\":0,\"offset\":7}}\n").await.unwrap();
            left -= 1;
        }
    }

    #[tokio::test]
    async fn of_every_document_of_an_input_that_is_broken_off_it_is_said_what_became_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let served = tokio::spawn(serve(folder.path().to_owned(), 1));
        let client = loop {
            if let Some(client) = Client::connect(folder.path()).await.unwrap() {
                break client;
            }
            tokio::task::yield_now().await;
        };
        let input = input(folder.path());
        let (lines, failed) = send_all(Ok(Some(Target::Service(client))), &input, |_| ()).await;
        served.await.unwrap();
        let said: Vec<(Outcome, u8)> = lines.iter().map(|line| (line.outcome, line.exit_code)).collect();
        let failed_code = exit::FAILED;
        assert_eq!(
            said,
            [
                (Outcome::Taken, exit::DONE),
                (Outcome::Failed, failed_code),
                (Outcome::Unreadable, exit::REFUSED),
                (Outcome::NotTried, failed_code)
            ]
        );
        let json: serde_json::Value = serde_json::from_str(&lines[2].to_json()).unwrap();
        assert_eq!(json["reasons"][0]["code"], "DocumentUnreadable");
        assert!(json["key"].is_null() && json["place"].as_str().unwrap().ends_with("many.ndjson, line 3"));
        let error = format!("{:#}", failed.unwrap());
        assert!(error.starts_with("1 of 4 documents were taken; go on with \""), "{error}");
        assert!(error.contains("many.ndjson\", line 2"), "{error}");
    }

    #[tokio::test]
    async fn where_nothing_could_be_tried_each_document_is_told_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut told = 0;
        let nothing = Err(anyhow::anyhow!("no service"));
        let (lines, failed) = send_all(nothing, &input(folder.path()), |_| told += 1).await;
        assert_eq!(
            (told, lines[0].outcome, failed.unwrap().to_string()),
            (4, Outcome::NotTried, "no service".to_owned())
        );
        assert_eq!(worst(&lines[2..3]), exit::REFUSED);
    }
}
