//! `orderstream dlq`: records that could not be processed.
use std::process::ExitCode;

use domain::Timestamp;
use runtime::{Clock, SystemClock};

use crate::control::{DeadLetterFilter, Receipt, Replay, Request};
use crate::exit::{self, Misplaced};
use crate::operations::dead_letters::{Letter, LetterView, Replayed};
use crate::operations::{Target, block_on, place};
use crate::order::table;
use crate::settings::Settings;
use crate::text::{printable, printable_lines, shortened};
use crate::times::{Since, since};

/// The longest reason in a table, in characters; `dlq show` has all of it.
const REASON_CHARS_MAX: usize = 100;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Dead letters, the newest first.
    List {
        /// Only those since then: so long ago (2h, 1d), or a time (2026-11-20T08:00:00Z, 2026-11-20).
        #[arg(long, value_name = "SPAN|TIME", value_parser = since)]
        since: Option<Since>,
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
        #[arg(value_parser = place)]
        id: Receipt,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Send dead letters again: the original bytes, key and headers, to the topic that they came from.
    Replay {
        /// As `dlq list` shows them.
        #[arg(required_unless_present = "all", conflicts_with = "all", value_parser = place)]
        ids: Vec<Receipt>,
        /// All that can be sent again and were not yet.
        #[arg(long)]
        all: bool,
        /// With --all: only those of which this holds; topic=NAME, or since=SPAN|TIME as in `dlq list`. May be given once for each name.
        #[arg(long = "where", value_name = "NAME=VALUE", requires = "all", value_parser = condition)]
        conditions: Vec<Condition>,
        /// Also those that were sent again before.
        #[arg(long)]
        again: bool,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
}

pub fn dead_letters(settings: &Settings, command: Command) -> anyhow::Result<ExitCode> {
    if let Command::Replay { conditions, .. } = &command {
        once_each(conditions)?;
    }
    block_on(async {
        match command {
            Command::List { since, topic, open, limit, json } => {
                let since_ms = since.map(before_now_ms);
                let filter = DeadLetterFilter { since_ms, topic, open_only: open, limit };
                list(&mut Target::find(settings).await?, filter, json).await
            }
            Command::Show { id, json } => {
                let request = Request::ShowDeadLetter(id);
                show(&mut Target::find(settings).await?, request, json).await
            }
            Command::Replay { ids, conditions, again, json, .. } => {
                let filter = conditions.into_iter().fold(DeadLetterFilter::default(), narrowed);
                let replay = Replay { ids, filter, again };
                self::replay(&mut Target::find(settings).await?, replay, json).await
            }
        }
    })
}

/// Which of all dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Topic(String),
    Since(Since),
}

fn condition(text: &str) -> Result<Condition, String> {
    match text.split_once('=') {
        Some(("topic", topic)) => Ok(Condition::Topic(topic.to_owned())),
        Some(("since", text)) => since(text).map(Condition::Since),
        Some(_) | None => Err("no condition; there are topic=NAME and since=SPAN|TIME".to_owned()),
    }
}

/// A second one of a name would take the place of the first, and more be sent again than was meant.
///
/// # Errors
/// There are two of a name.
fn once_each(conditions: &[Condition]) -> Result<(), Misplaced> {
    let topics = conditions.iter().filter(|condition| matches!(condition, Condition::Topic(_))).count();
    if topics > 1 || conditions.len() - topics > 1 {
        return Err(Misplaced("--where names topic or since once each".into()));
    }
    Ok(())
}

fn narrowed(filter: DeadLetterFilter, condition: Condition) -> DeadLetterFilter {
    match condition {
        Condition::Topic(topic) => DeadLetterFilter { topic: Some(topic), ..filter },
        Condition::Since(since) => DeadLetterFilter { since_ms: Some(before_now_ms(since)), ..filter },
    }
}

fn before_now_ms(since: Since) -> i64 {
    since.before(Timestamp(SystemClock.now_ms())).0
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
    let mut rows = table(&["id", "at", "from", "key", "reason", "sent again"]).whole(&["from", "key"]);
    for letter in &letters {
        rows.add_row([
            letter.id.clone(),
            letter.at.clone(),
            origin(letter),
            letter.key.clone().unwrap_or_default(),
            shortened(letter.reason.as_deref().unwrap_or("(not noted)"), REASON_CHARS_MAX),
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

async fn show(target: &mut Target, request: Request, json: bool) -> anyhow::Result<ExitCode> {
    let view: LetterView = target.ask(request, &[]).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&view)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}", told(&view));
    Ok(ExitCode::SUCCESS)
}

/// A dead letter, whole, for people: it lies there because somebody sent what nobody expected.
fn told(view: &LetterView) -> String {
    let letter = &view.letter;
    let or = |text: &Option<String>, instead: &str| text.clone().unwrap_or_else(|| instead.to_owned());
    let mut lines = vec![
        ("at", letter.at.clone()),
        ("reason", or(&letter.reason, "(not noted)")),
        ("from", origin(letter)),
        ("original", or(&view.original_at, "(time not noted)")),
        ("key", or(&letter.key, "(no key)")),
        ("sent again", or(&letter.replayed_at, "no")),
    ];
    lines.extend(letter.left_out.iter().map(|what| ("left out", what.clone())));
    lines.extend(view.headers.iter().map(|(name, value)| ("header", format!("{name}: {value}"))));
    let lines: Vec<String> =
        lines.iter().map(|(name, value)| format!("  {name:<11} {}\n", printable(value))).collect();
    let head = format!("dead letter {}\n{}", letter.id, lines.concat());
    let (what, value) = match (&view.decoded, &view.value, &view.value_hex) {
        (Some(decoded), _, _) => ("record", format!("{decoded:#}")),
        (None, Some(text), _) => ("text", text.clone()),
        (None, None, Some(hex)) => ("hex", hex.clone()),
        (None, None, None) => return format!("{head}no bytes"),
    };
    format!("{head}{what}, {} bytes:\n{}", letter.value_bytes, printable_lines(&value))
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
                let topic = printable(topic);
                println!("{} sent again to {topic} (partition {partition}, offset {offset})", line.id);
            }
            (refused, ..) => {
                let refused = printable(refused.as_deref().unwrap_or("no place told"));
                eprintln!("orderstream: {} not sent: {refused}", line.id);
            }
        }
    }
    if replayed.is_empty() && !json {
        println!("nothing to send again");
    }
    let refused = replayed.iter().any(|line| line.refused.is_some());
    Ok(ExitCode::from(if refused { exit::REFUSED } else { exit::DONE }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile() -> LetterView {
        let letter = Letter {
            id: "3:17".to_owned(),
            at: "2026-11-21T07:00:00.000Z".to_owned(),
            kind: Some("record".to_owned()),
            reason: Some("x\n  key         TMF/1".to_owned()),
            topic: Some("a\u{1b}c".to_owned()),
            partition: Some(0),
            offset: Some(1),
            processor: None,
            timer: None,
            key: Some("E\nX/1\u{0}".to_owned()),
            value_bytes: 20,
            left_out: None,
            replayed_at: None,
        };
        LetterView {
            letter,
            original_at: None,
            headers: [("content-type".to_owned(), "application/json\n".to_owned())].into(),
            value: Some("{\n\"oops\": \"\u{1b}[31mRED\u{9b}\"}".to_owned()),
            value_hex: None,
            decoded: None,
        }
    }

    #[test]
    fn a_condition_names_a_topic_or_a_time_as_others_are_written() {
        assert_eq!(condition("topic=a=b"), Ok(Condition::Topic("a=b".to_owned())));
        assert_eq!(condition("since=1h"), since("1h").map(Condition::Since));
        assert!(condition("foo").unwrap_err().contains("topic=NAME"));
        assert!(condition("since=yesterday").unwrap_err().contains("neither a span"));
    }

    #[test]
    fn conditions_of_one_name_are_no_command_line() {
        let (topic, age) = (condition("topic=a").unwrap(), condition("since=1h").unwrap());
        assert!(once_each(&[]).is_ok() && once_each(&[topic.clone(), age.clone()]).is_ok());
        for twice in [[topic.clone(), topic], [age.clone(), age]] {
            let refused = anyhow::Error::from(once_each(&twice).unwrap_err());
            assert_eq!(refused.to_string(), "--where names topic or since once each");
            assert_eq!(exit::code_of(&refused), exit::USAGE);
        }
    }

    #[test]
    fn what_a_dead_letter_holds_is_shown_and_does_nothing() {
        let told = told(&hostile());
        assert!(told.chars().all(|c| c == '\n' || !domain::text::is_deceptive(c)), "{told:?}");
        for shown in [
            "key         E\\u{a}X/1\\u{0}\n",
            "application/json\\u{a}\n",
            "a\\u{1b}c 0:1\n",
            "\\u{1b}[31mRED\\u{9b}",
        ] {
            assert!(told.contains(shown), "{shown}:\n{told}");
        }
        assert_eq!(told.matches("\n  key ").count(), 1, "no line is forged:\n{told}");
        let decoded = LetterView { decoded: Some(serde_json::json!({ "a": "\u{9b}" })), ..hostile() };
        assert!(super::told(&decoded).ends_with("record, 20 bytes:\n{\n  \"a\": \"\\u{9b}\"\n}"));
    }
}
