//! `orderstream catalog try`: what would become of an order, by the very processors that would decide it. Nothing is written.
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use domain::catalog::{Catalog, CatalogPublished, Catalogs};
use domain::order::Order;
use domain::order::event::{Evidence, OrderCaptured, OrderEvent};
use domain::{Reason, RequestId, Timestamp, limits, planner};
use processors::Arrival;
use processors::capture::{self, CaptureRequest};
use processors::validation::{self, Question};
use runtime::{Clock, SystemClock};
use schemas::{headers, tmf};

use super::{of_name, refused};
use crate::exit;
use crate::settings::Settings;
use crate::submit::json_media_type;

mod report;
mod stock;

use report::{Outcome, Report};

#[derive(clap::Args)]
pub struct Arguments {
    /// TMF622 v4 or v5 JSON, one or many orders; - reads standard input.
    order: PathBuf,
    /// The catalog to try it on: a folder of .toml files, or a published version; by default the folder of the settings.
    #[arg(long, value_name = "DIR|VERSION")]
    catalog: Option<String>,
    /// Products that are in stock already, for orders that change them: a JSON list of {"id", "state", "version"}.
    #[arg(long, value_name = "FILE")]
    products: Option<PathBuf>,
    /// The contract of the document, where it does not show it itself.
    #[arg(long, default_value = headers::JSON, value_name = "TYPE", value_parser = json_media_type)]
    media_type: String,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// The largest input, in bytes; a few orders that are tried by hand.
const INPUT_BYTES_MAX: usize = 16 * limits::REQUEST_BYTES_MAX;

pub fn attempt(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let shipped = settings.catalog.directory.display().to_string();
    let name = arguments.catalog.as_ref().unwrap_or(&shipped);
    let input = read(&arguments.order)?;
    let products = arguments.products.as_deref().map(stock::read).transpose()?.unwrap_or_default();
    let Some(catalog) = of_name(settings, name)? else { return refused() };
    let now = Timestamp(SystemClock.now_ms());
    let documents = tmf::split::documents(&input);
    let mut reports = Vec::new();
    for part in documents {
        let place = format!("line {}", part.line);
        let translated = part.text.and_then(|text| {
            tmf::translate(text.as_bytes(), Some(&arguments.media_type))
                .map(|translated| (text, translated))
                .map_err(|unreadable| unreadable.0)
        });
        reports.push(match translated {
            Ok((text, translated)) => tried(&catalog, text.as_bytes(), translated, &products, now),
            Err(reason) => Report::refused(place, &catalog, vec![reason]),
        });
    }
    if reports.is_empty() {
        bail!("\"{}\" holds no document", arguments.order.display());
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        reports.iter().for_each(|report| report.print(&catalog));
    }
    let all_planned = reports.iter().all(|report| report.outcome == Outcome::Planned);
    if all_planned { Ok(exit::DONE.into()) } else { refused() }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = || format!("could not read \"{}\"", file.display());
    let source: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).with_context(shown)?)
    };
    let mut bytes = Vec::new();
    source.take(INPUT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).with_context(shown)?;
    if bytes.len() > INPUT_BYTES_MAX {
        bail!("\"{}\" is larger than {INPUT_BYTES_MAX} bytes; try fewer orders at once", file.display());
    }
    Ok(bytes)
}

/// Capture, validation and decomposition of one order, as if it were the first under its key.
fn tried(
    catalog: &Catalog,
    bytes: &[u8],
    translated: tmf::Translated,
    products: &BTreeMap<String, stock::InStock>,
    now: Timestamp,
) -> Report {
    let key = match translated.key {
        Ok(key) => key,
        Err(reason) => {
            let mut reasons = vec![reason];
            reasons.extend(translated.findings);
            return Report::refused("order without a key".to_owned(), catalog, reasons);
        }
    };
    let arrival = Arrival { id: "try".to_owned(), actor: "catalog try".to_owned(), now };
    let evidence = Evidence {
        media_type: headers::JSON.to_owned(),
        digest: String::new(),
        size_bytes: bytes.len() as i64,
    };
    let request_id = translated.request_id.unwrap_or_else(|| RequestId::of_payload(bytes));
    let (order, findings) = (translated.order, translated.findings);
    let request = CaptureRequest { request_id, order, findings, evidence };
    let decided = capture::handle(&key, None, request, Some(&catalog.version), &arrival);
    let captured = decided.outputs.into_iter().find_map(|output| match output {
        capture::Output::Event(OrderEvent::OrderCaptured(captured)) => Some(*captured),
        capture::Output::Event(_) | capture::Output::KeepEvidence { .. } => None,
    });
    // The first request under a key is captured, whatever is wrong with it.
    let captured = captured.expect("capture answers a first request with the captured order");
    let (order, questions) = match validated(&captured, catalog, &arrival) {
        Ok(valid) => valid,
        Err(reasons) => return Report::refused(key.0, catalog, reasons),
    };
    let waits = stock::waits(&order, products, &arrival);
    match planner::decompose(&order, catalog) {
        Ok(plan) => Report::planned(key.0, catalog, &plan, &questions, waits),
        Err(reasons) => {
            Report { questions: report::questions(&questions), ..Report::refused(key.0, catalog, reasons) }
        }
    }
}

/// The order with the catalog's defaults filled in, and what would be asked before it is accepted.
fn validated(
    captured: &OrderCaptured,
    catalog: &Catalog,
    arrival: &Arrival,
) -> Result<(Order, Vec<validation::Inquiry>), Vec<Reason>> {
    let mut catalogs = Catalogs::default();
    catalogs
        .take(&CatalogPublished::of(catalog, arrival.now))
        .expect("a checked catalog is taken where no other is");
    let key = &captured.cause.order_key;
    let decided = validation::handle(key, None, validation::Event::Captured(captured), &catalogs, arrival);
    if let Some(Question { order, inquiries, .. }) = decided.state.and_then(|state| state.question) {
        return Ok((order, inquiries));
    }
    for output in decided.outputs {
        match output {
            validation::Output::Event(OrderEvent::OrderValidated(event)) => {
                return Ok((event.order, Vec::new()));
            }
            validation::Output::Event(OrderEvent::OrderRejected(event)) => return Err(event.reasons),
            validation::Output::Event(_) | validation::Output::Command(_) => {}
        }
    }
    unreachable!("validation answers a captured order: it validates, rejects or asks")
}
