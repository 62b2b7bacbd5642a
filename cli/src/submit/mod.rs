//! `orderstream submit`: beside a running service through its socket, else on the data directory itself.
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use schemas::headers;
use serde_json::json;
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

use follow::{Followed, Follower};
use input::{Document, Input};

/// A file of something else is wrong in every line: nobody reads thousands of them.
const REFUSED_SHOWN_MAX: usize = 20;

#[derive(clap::Args)]
pub struct Arguments {
    /// The files; - reads standard input. All are read before anything is sent.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The contract of the documents, where they do not show it themselves.
    #[arg(long, default_value = headers::JSON, value_name = "TYPE")]
    media_type: String,
    /// The idempotency key of a single document; without it, equal bytes are the same request.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Waits until the outcome of each order is known and can be read; without UNTIL, until it is decided.
    #[arg(long, value_enum, value_name = "UNTIL", num_args = 0..=1, require_equals = true, default_missing_value = "decided")]
    wait: Option<Wait>,
    /// With --wait: gives up after so long (30s, 5m, 2h), with exit code 4. What was submitted stays submitted.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span)]
    timeout: Duration,
    /// As JSON, for programs: a line for each order.
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

/// A document that lies on the log.
struct Sent<'i> {
    document: &'i Document,
    receipt: Receipt,
}

/// Every readable document is submitted; each that is not is said with its reason.
pub fn submit(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let input = input::read(&arguments.files, &arguments.media_type, arguments.request_id.as_deref())?;
    if arguments.request_id.is_some() && input.len() > 1 {
        bail!("--request-id names one request, and the input holds {} documents", input.len());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        match arguments.wait {
            Some(wait) => submit_and_wait(settings, arguments, &input, wait).await,
            None => submit_only(settings, arguments, &input).await,
        }
    })?;
    for reason in input.refused.iter().take(REFUSED_SHOWN_MAX) {
        eprintln!("orderstream: {}", printable(reason));
    }
    if let Some(more @ 1..) = input.refused.len().checked_sub(REFUSED_SHOWN_MAX) {
        eprintln!("orderstream: {more} more documents could not be read either");
    }
    let refused = if input.refused.is_empty() { exit::DONE } else { exit::REFUSED };
    Ok(ExitCode::from(worse(code, refused)))
}

async fn submit_only(settings: &Settings, arguments: &Arguments, input: &Input) -> anyhow::Result<u8> {
    // Where nothing can be sent, no data directory is made for it.
    if input.documents.is_empty() {
        return Ok(exit::DONE);
    }
    let mut target = target(settings).await?;
    for document in &input.documents {
        let receipt = send(&mut target, document).await?;
        let Receipt { partition, offset, .. } = receipt;
        if arguments.json {
            let line = json!({ "key": document.key, "place": document.place, "partition": partition, "offset": offset });
            println!("{line}");
        } else {
            println!("{} submitted (partition {partition}, offset {offset})", printable(&document.key));
        }
    }
    Ok(exit::DONE)
}

/// Sends all, and then follows each in the sequence of the input. The code is that of the worst: refused is said before not in time.
async fn submit_and_wait(
    settings: &Settings,
    arguments: &Arguments,
    input: &Input,
    wait: Wait,
) -> anyhow::Result<u8> {
    let client = follow::service(settings).await?;
    let mut follower = Follower::open(settings, client, wait, Instant::now() + arguments.timeout).await?;
    let mut target = Target::Service(follow::service(settings).await?);
    let mut sent = Vec::with_capacity(input.documents.len());
    for document in &input.documents {
        sent.push(Sent { document, receipt: send(&mut target, document).await? });
    }
    drop(target);
    let (mut code, mut late) = (exit::DONE, 0);
    for (index, Sent { document, receipt }) in sent.iter().enumerate() {
        let equal = |other: &&Sent<'_>| {
            let (one, other) = (document, other.document);
            let named = one.request_id.is_some() || other.request_id.is_some();
            let same = if named { one.request_id == other.request_id } else { one.bytes == other.bytes };
            one.key == other.key && same
        };
        let later = sent[index + 1..].iter().filter(equal).count();
        let followed = follower.follow(&document.key, &document.place, receipt, later).await?;
        print(&followed, arguments.json)?;
        late += usize::from(followed.exit_code == exit::TIMED_OUT);
        code = worse(code, followed.exit_code);
    }
    if late > 0 {
        let timeout = shown(arguments.timeout);
        eprintln!("orderstream: {late} of {} orders did not get there within {timeout}", sent.len());
    }
    Ok(code)
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

fn print(followed: &Followed, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(followed)?);
    } else {
        followed.print();
    }
    Ok(())
}

async fn target(settings: &Settings) -> anyhow::Result<Target> {
    if let Some(client) = Client::connect(&settings.node.data_dir).await? {
        return Ok(Target::Service(client));
    }
    let catalog = catalog::load(&settings.catalog)?;
    Ok(Target::Directory(Box::new(Store::open(settings, &catalog)?)))
}

/// # Errors
/// With the document's place; those before it are submitted.
async fn send(target: &mut Target, document: &Document) -> anyhow::Result<Receipt> {
    let submission = Submission {
        key: Some(document.key.clone()),
        request_id: document.request_id.clone(),
        media_type: document.media_type.clone(),
        body_bytes: document.bytes.len(),
    };
    let sent = match target {
        Target::Service(client) => client.submit(submission, &document.bytes).await,
        Target::Directory(store) => store.append(&submission, document.bytes.clone()),
    };
    sent.with_context(|| printable(&document.place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_orders_a_refusal_decides_the_exit_code() {
        let all = |codes: &[u8]| codes.iter().copied().fold(exit::DONE, worse);
        assert_eq!(all(&[]), exit::DONE);
        assert_eq!(all(&[exit::DONE, exit::TIMED_OUT, exit::DONE]), exit::TIMED_OUT);
        assert_eq!(all(&[exit::REFUSED, exit::TIMED_OUT]), exit::REFUSED);
        assert_eq!(all(&[exit::TIMED_OUT, exit::REFUSED]), exit::REFUSED);
    }
}
