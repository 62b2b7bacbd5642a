//! `orderstream submit`: beside a running service through its socket, else on the data directory itself.
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use domain::RequestId;
use schemas::{headers, own, tmf};

use crate::control::{Client, Receipt, Submission};
use crate::service::{Store, catalog};
use crate::settings::Settings;

/// The largest input, in bytes: many orders per file.
const INPUT_BYTES_MAX: u64 = 256 << 20;

#[derive(clap::Args)]
pub struct Arguments {
    /// The file; - reads standard input.
    file: PathBuf,
    /// The contract of the documents, where they do not show it themselves.
    #[arg(long, default_value = headers::JSON, value_name = "TYPE")]
    media_type: String,
    /// The idempotency key of a single document; without it, equal bytes are the same request.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// One document, and what is known of it before it is sent.
struct Document {
    /// Where it is, for people: `line 3`.
    place: String,
    key: String,
    bytes: Vec<u8>,
    media_type: String,
    request_id: Option<String>,
}

/// Where accepted documents go.
enum Target {
    Service(Client),
    Directory(Box<Store>),
}

/// Every readable document is submitted; each that is not is said with its reason, and the exit code is 3.
pub fn submit(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let input = read(&arguments.file)?;
    let (documents, refused) = documents(&input, arguments)?;
    if arguments.request_id.is_some() && documents.len() + refused.len() > 1 {
        bail!(
            "--request-id names one request, and the input holds {} documents",
            documents.len() + refused.len()
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut target = target(settings).await?;
        for document in &documents {
            let receipt = send(&mut target, document).await.with_context(|| document.place.clone())?;
            println!(
                "{} submitted (partition {}, offset {})",
                document.key, receipt.partition, receipt.offset
            );
        }
        anyhow::Ok(())
    })?;
    for reason in &refused {
        eprintln!("orderstream: {reason}");
    }
    Ok(if refused.is_empty() { ExitCode::SUCCESS } else { crate::exit::REFUSED.into() })
}

fn read(file: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin()
            .take(INPUT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .context("could not read standard input")?;
    } else {
        let shown = || format!("could not read \"{}\"", file.display());
        std::fs::File::open(file)
            .with_context(shown)?
            .take(INPUT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .with_context(shown)?;
    }
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        bail!("input is larger than {INPUT_BYTES_MAX} bytes; split it");
    }
    Ok(bytes)
}

/// What can be sent, and what not with its reason.
fn documents(input: &[u8], arguments: &Arguments) -> anyhow::Result<(Vec<Document>, Vec<String>)> {
    if arguments.media_type.starts_with(headers::AVRO) {
        return avro(input, arguments);
    }
    let (mut documents, mut refused) = (Vec::new(), Vec::new());
    for part in tmf::split::documents(input) {
        let place = format!("line {}", part.line);
        let media_type = arguments.media_type.clone();
        let translated = part.text.and_then(|text| {
            let read =
                tmf::translate(text.as_bytes(), Some(&media_type)).map_err(|unreadable| unreadable.0)?;
            Ok((read.key?, text))
        });
        match translated {
            Ok((key, text)) => {
                let request_id = arguments.request_id.clone();
                documents.push(Document { place, key: key.0, bytes: text.into(), media_type, request_id });
            }
            Err(reason) => refused.push(format!("{place}: {reason}")),
        }
    }
    if documents.is_empty() && refused.is_empty() {
        bail!("the input holds no document");
    }
    Ok((documents, refused))
}

/// The project's own contract, as an Avro object container file; each request travels in a file of its own.
fn avro(input: &[u8], arguments: &Arguments) -> anyhow::Result<(Vec<Document>, Vec<String>)> {
    let requests = own::container::read(input)
        .map_err(|error| anyhow::anyhow!("input is not an Avro container file of OrderRequest: {error}"))?;
    let (mut documents, mut refused) = (Vec::new(), Vec::new());
    for (index, request) in requests.iter().enumerate() {
        let place = format!("request {}", index + 1);
        let bytes =
            own::container::write(std::slice::from_ref(request)).map_err(|error| anyhow::anyhow!(error))?;
        let translated = own::translate(request, &bytes).map_err(|unreadable| unreadable.0);
        match translated.and_then(|read| Ok((read.key?, read.request_id))) {
            Ok((key, own_id)) => {
                let request_id = arguments.request_id.clone().or(own_id.map(|RequestId(id)| id));
                let media_type = arguments.media_type.clone();
                documents.push(Document { place, key: key.0, bytes, media_type, request_id });
            }
            Err(reason) => refused.push(format!("{place}: {reason}")),
        }
    }
    Ok((documents, refused))
}

async fn target(settings: &Settings) -> anyhow::Result<Target> {
    if let Some(client) = Client::connect(&settings.node.data_dir).await? {
        return Ok(Target::Service(client));
    }
    let catalog = catalog::load(&settings.catalog)?;
    Ok(Target::Directory(Box::new(Store::open(settings, &catalog)?)))
}

async fn send(target: &mut Target, document: &Document) -> anyhow::Result<Receipt> {
    let submission = Submission {
        key: Some(document.key.clone()),
        request_id: document.request_id.clone(),
        media_type: document.media_type.clone(),
        body_bytes: document.bytes.len(),
    };
    match target {
        Target::Service(client) => client.submit(submission, &document.bytes).await,
        Target::Directory(store) => store.append(&submission, document.bytes.clone()),
    }
}
