//! `orderstream dlq`: records that could not be processed.
use std::process::ExitCode;

use anyhow::{Context, bail};
use domain::Timestamp;

use crate::control::{DeadLetterFilter, Replay, Request};
use crate::exit;
use crate::operations::dead_letters::{Letter, LetterView, Replayed};
use crate::operations::{Target, block_on, place};
use crate::order::table;
use crate::settings::Settings;

/// The longest reason in a table, in characters; `dlq show` has all of it.
const REASON_CHARS_MAX: usize = 100;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Dead letters, the newest first.
    List {
        /// Not before this time: RFC 3339, as 2026-11-21T07:00:00Z.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Only those that came from this topic.
        #[arg(long, value_name = "TOPIC")]
        topic: Option<String>,
        /// Only those that were not sent again.
        #[arg(long)]
        open: bool,
        /// The most rows; 0: all there are.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// One dead letter: why, where it came from, its headers and its bytes.
    Show {
        /// As `dlq list` shows it: 3:17.
        id: String,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Send dead letters again: the original bytes, key and headers, to the topic that they came from.
    Replay {
        /// As `dlq list` shows them.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// All that can be sent again and were not yet.
        #[arg(long)]
        all: bool,
        /// With --all: only those of which this holds; topic=NAME or since=TIME. May be given twice.
        #[arg(long = "where", value_name = "NAME=VALUE", requires = "all")]
        conditions: Vec<String>,
        /// Also those that were sent again before.
        #[arg(long)]
        again: bool,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
}

pub fn dead_letters(settings: &Settings, command: Command) -> anyhow::Result<ExitCode> {
    block_on(async {
        match command {
            Command::List { since, topic, open, limit, json } => {
                let since_ms = since.as_deref().map(time).transpose()?;
                let filter = DeadLetterFilter { since_ms, topic, open_only: open, limit };
                list(&mut Target::find(settings).await?, filter, json).await
            }
            Command::Show { id, json } => {
                let request = Request::ShowDeadLetter(place(&id)?);
                show(&mut Target::find(settings).await?, request, json).await
            }
            Command::Replay { ids, conditions, again, json, .. } => {
                let ids = ids.iter().map(|id| place(id)).collect::<anyhow::Result<_>>()?;
                let filter = conditions.iter().try_fold(DeadLetterFilter::default(), condition)?;
                let replay = Replay { ids, filter, again };
                self::replay(&mut Target::find(settings).await?, replay, json).await
            }
        }
    })
}

fn time(text: &str) -> anyhow::Result<i64> {
    let time = Timestamp::parse(text)
        .with_context(|| format!("\"{text}\" is no time; write it as 2026-11-21T07:00:00Z"))?;
    Ok(time.0)
}

fn condition(mut filter: DeadLetterFilter, text: &String) -> anyhow::Result<DeadLetterFilter> {
    match text.split_once('=') {
        Some(("topic", topic)) => filter.topic = Some(topic.to_owned()),
        Some(("since", since)) => filter.since_ms = Some(time(since)?),
        Some(_) | None => bail!("\"{text}\" is no condition; there are topic=NAME and since=TIME"),
    }
    Ok(filter)
}

async fn list(target: &mut Target, filter: DeadLetterFilter, json: bool) -> anyhow::Result<ExitCode> {
    let letters: Vec<Letter> = target.ask(Request::ListDeadLetters(filter), &[]).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&letters)?);
        return Ok(ExitCode::SUCCESS);
    }
    if letters.is_empty() {
        println!("no dead letters");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["id", "at", "from", "key", "reason", "sent again"]);
    for letter in &letters {
        rows.add_row([
            letter.id.clone(),
            letter.at.clone(),
            origin(letter),
            letter.key.clone().unwrap_or_default(),
            short(letter.reason.as_deref().unwrap_or("(not noted)")),
            letter.replayed_at.clone().unwrap_or_default(),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

/// `orderstream.feedback 3:17`, `timer stuck of stuckOrders`.
fn origin(letter: &Letter) -> String {
    match (&letter.topic, &letter.timer) {
        (Some(topic), _) => {
            let place = letter.partition.zip(letter.offset);
            let place = place.map(|(partition, offset)| format!(" {partition}:{offset}")).unwrap_or_default();
            format!("{topic}{place}")
        }
        (None, Some(timer)) => {
            format!("timer {timer} of {}", letter.processor.as_deref().unwrap_or("an unknown processor"))
        }
        (None, None) => "(not noted)".to_owned(),
    }
}

fn short(reason: &str) -> String {
    match reason.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &reason[..end]),
        None => reason.to_owned(),
    }
}

async fn show(target: &mut Target, request: Request, json: bool) -> anyhow::Result<ExitCode> {
    let view: LetterView = target.ask(request, &[]).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&view)?);
        return Ok(ExitCode::SUCCESS);
    }
    let letter = &view.letter;
    println!("dead letter {}", letter.id);
    println!("  at          {}", letter.at);
    println!("  reason      {}", letter.reason.as_deref().unwrap_or("(not noted)"));
    println!("  from        {}", origin(letter));
    println!("  original    {}", view.original_at.as_deref().unwrap_or("(time not noted)"));
    println!("  key         {}", letter.key.as_deref().unwrap_or("(no key)"));
    println!("  sent again  {}", letter.replayed_at.as_deref().unwrap_or("no"));
    for (name, value) in &view.headers {
        println!("  header      {name}: {value}");
    }
    match (&view.decoded, &view.value, &view.value_hex) {
        (Some(decoded), _, _) => println!("record, {} bytes:\n{decoded:#}", letter.value_bytes),
        (None, Some(text), _) => println!("text, {} bytes:\n{text}", letter.value_bytes),
        (None, None, Some(hex)) => println!("hex, {} bytes:\n{hex}", letter.value_bytes),
        (None, None, None) => println!("no bytes"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit code 3 where something that was asked for by its id was not sent.
async fn replay(target: &mut Target, replay: Replay, json: bool) -> anyhow::Result<ExitCode> {
    let replayed: Vec<Replayed> = target.ask(Request::ReplayDeadLetters(replay), &[]).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&replayed)?);
    }
    for line in replayed.iter().filter(|_| !json) {
        match (&line.refused, &line.topic, line.partition, line.offset) {
            (None, Some(topic), Some(partition), Some(offset)) => {
                println!("{} sent again to {topic} (partition {partition}, offset {offset})", line.id);
            }
            (refused, ..) => {
                eprintln!(
                    "orderstream: {} not sent: {}",
                    line.id,
                    refused.as_deref().unwrap_or("no place told")
                );
            }
        }
    }
    if replayed.is_empty() && !json {
        println!("nothing to send again");
    }
    let refused = replayed.iter().any(|line| line.refused.is_some());
    Ok(ExitCode::from(if refused { exit::REFUSED } else { exit::DONE }))
}
