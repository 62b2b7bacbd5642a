//! The table of cases, and the records that they stand for.
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use domain::command::Feedback;
use domain::{CommandId, OrderKey, RequestId};
use runtime::Outgoing;
use schemas::codec::{Codec, Recorded};
use schemas::own::{OrderRequest, container};
use schemas::{headers, topics};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Outcome;

/// Set on every record of a case: dead letters keep the headers of what they were.
pub const HEADER_CASE: &str = "bad-input";
/// What a file says where the repeated text goes.
const REPEAT: &str = "%REPEAT%";
/// In a repeated text: how often it was repeated before, from 0.
const NUMBER: &str = "%N%";
/// In the JSON of a record: the id of the question whether the order of [`Case::key`] can be delivered.
const QUESTION: &str = "%QUESTION%";

/// One row of the table. What it must come to is said in exactly one of the last fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// What it plays, for people.
    pub plays: String,
    /// Below `bad-input/`; without it `NAME.json`.
    pub file: Option<String>,
    pub repeat: Option<Repeat>,
    /// Whether the file is encoded before it is sent, and how.
    #[serde(default)]
    pub encoded: Encoded,
    #[serde(default)]
    pub damage: Damage,
    #[serde(default = "requests")]
    pub topic: String,
    /// The record's key; none where it is left out.
    pub key: Option<String>,
    /// As hexadecimal digits, for what is no text.
    pub key_hex: Option<String>,
    /// A key of so many letters.
    pub key_bytes: Option<usize>,
    /// Instead of the `content-type` of JSON.
    pub headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub headers_hex: BTreeMap<String, String>,
    /// No value at all.
    #[serde(default)]
    pub tombstone: bool,
    /// One more header, with a name that is no text: its hexadecimal digits. Where records are ours it cannot be had.
    pub header_name_hex: Option<String>,
    /// No topic takes it: it is only submitted.
    #[serde(default)]
    pub too_large_for_the_log: bool,
    /// No log of ours takes it, or has such a topic, and a cluster does.
    #[serde(default)]
    pub only_on_a_cluster: bool,
    /// How `orderstream submit` ends, where that is not what follows from the outcome.
    pub submit_exit: Option<u8>,

    /// Captured, and nothing found against it.
    #[serde(default)]
    accepted: bool,
    /// Code and pointer of every reason, in their sequence; `...` stands for more.
    rejected: Option<Vec<String>>,
    /// The error of the dead letter, from its beginning.
    dead_letter: Option<String>,
    /// Why an answer was ignored.
    ignored: Option<String>,
    /// Nothing is written; the log of the service says this.
    pub logged: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    text: String,
    times: usize,
    #[serde(default)]
    between: String,
}

/// What becomes of a file's JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Encoded {
    /// It is sent as it is.
    #[default]
    No,
    /// As the record `OrderRequest`.
    OrderRequest,
    /// As the record `Feedback`.
    Feedback,
    /// As a container file of one `OrderRequest`.
    Container,
}

/// What is broken about an encoded record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Damage {
    #[default]
    None,
    /// It begins with another byte.
    Magic,
    /// The id of a schema that nobody knows.
    SchemaId,
    /// Only the frame.
    NoBody,
    /// Its last three bytes are missing.
    Truncated,
    /// Three bytes too many.
    Trailing,
    /// The length of its first text is the largest number there is.
    LengthBomb,
}

fn requests() -> String {
    topics::ORDER_REQUESTS.to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
}

/// The folder of the table and its files.
pub fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("bad-input")
}

/// Every case there is. Every file of the folder belongs to one.
///
/// # Errors
/// A table that contradicts itself, by the name of the case; a file that belongs to none.
pub fn all() -> anyhow::Result<Vec<Case>> {
    let path = directory().join("expected.toml");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("could not read \"{}\"", path.display()))?;
    let Table { case: cases } = toml::from_str(&text).context("expected.toml")?;
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    ensure!(names.len() == cases.len(), "expected.toml names a case twice");
    let mut files: BTreeSet<String> = cases.iter().map(Case::file_name).collect();
    files.insert("expected.toml".to_owned());
    for entry in std::fs::read_dir(directory())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        ensure!(files.contains(&name), "bad-input/{name} belongs to no case");
    }
    for case in &cases {
        case.expected().with_context(|| format!("case \"{}\"", case.name))?;
    }
    Ok(cases)
}

impl Case {
    fn file_name(&self) -> String {
        self.file.clone().unwrap_or_else(|| format!("{}.json", self.name))
    }

    /// What must become of it; `None`: nothing is written, and [`Case::logged`] says what the log says.
    ///
    /// # Errors
    /// None or several outcomes are stated.
    pub fn expected(&self) -> anyhow::Result<Option<Outcome>> {
        let stated = [
            self.accepted.then_some(Outcome::Accepted),
            self.rejected.clone().map(Outcome::Rejected),
            self.dead_letter.clone().map(Outcome::DeadLetter),
            self.ignored.clone().map(Outcome::Ignored),
        ];
        let mut stated: Vec<Outcome> = stated.into_iter().flatten().collect();
        let count = stated.len() + usize::from(self.logged.is_some());
        ensure!(count == 1, "{count} outcomes are stated, exactly one is needed");
        Ok(stated.pop())
    }

    /// The name by which its outcome is found: its own, or its bytes' where it brings an event's id that names nothing.
    ///
    /// # Errors
    /// As [`Case::bytes`].
    pub fn found_by(&self) -> anyhow::Result<String> {
        let by_bytes = self.headers_hex.contains_key(headers::CE_ID) && self.dead_letter.is_none();
        Ok(if by_bytes { RequestId::of_payload(&self.bytes()?).0 } else { self.name.clone() })
    }

    /// Whether a person could have it as a file, and submit it.
    pub fn is_document(&self) -> bool {
        self.topic == topics::ORDER_REQUESTS
            && self.headers.is_none()
            && self.headers_hex.is_empty()
            && self.key.is_none()
            && self.key_hex.is_none()
            && !self.only_on_a_cluster
            && !self.tombstone
            && matches!(self.encoded, Encoded::No)
    }

    /// The file's bytes, with what is repeated in it.
    ///
    /// # Errors
    /// It cannot be read, or has no place for what is to be repeated.
    pub fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        let path = directory().join(self.file_name());
        let bytes = std::fs::read(&path).with_context(|| format!("could not read \"{}\"", path.display()))?;
        let Some(Repeat { text, times, between }) = &self.repeat else { return Ok(bytes) };
        let whole = String::from_utf8(bytes)?;
        ensure!(whole.contains(REPEAT), "the file has no {REPEAT}");
        let repeated: Vec<String> = (0..*times).map(|n| text.replace(NUMBER, &n.to_string())).collect();
        Ok(whole.replace(REPEAT, &repeated.join(between)).into_bytes())
    }

    /// The record that lies on the log.
    ///
    /// # Errors
    /// The case says something that cannot be made.
    pub fn record(&self, codec: &Codec, now_ms: i64) -> anyhow::Result<Outgoing> {
        let key = match (&self.key, &self.key_hex, self.key_bytes) {
            (Some(text), None, None) => Some(Bytes::from(text.clone())),
            (None, Some(hex), None) => Some(unhexed(hex)?.into()),
            (None, None, Some(bytes)) => Some(vec![b'a'; bytes].into()),
            (None, None, None) => None,
            _ => bail!("of key, keyHex and keyBytes more than one is given"),
        };
        let json = || BTreeMap::from([(headers::CONTENT_TYPE.to_owned(), headers::JSON.to_owned())]);
        let texts = self.headers.clone().unwrap_or_else(json);
        let mut pairs: Vec<(std::sync::Arc<str>, Bytes)> =
            texts.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        for (name, hex) in &self.headers_hex {
            pairs.push((name.as_str().into(), unhexed(hex)?.into()));
        }
        // A name of its own, by which its outcome is found; not where the case is about that very header.
        if !pairs.iter().any(|(name, _)| name.as_ref() == headers::CE_ID) {
            pairs.push((headers::CE_ID.into(), self.name.clone().into()));
        }
        pairs.push((HEADER_CASE.into(), self.name.clone().into()));
        Ok(Outgoing {
            topic: self.topic.as_str().into(),
            partition: None,
            key,
            value: if self.tombstone { None } else { Some(self.value(codec)?.into()) },
            headers: pairs,
            timestamp_ms: now_ms,
        })
    }

    /// The name of its header that is no text, where it has one.
    ///
    /// # Errors
    /// They are no hexadecimal digits.
    pub fn header_name(&self) -> anyhow::Result<Option<Vec<u8>>> {
        self.header_name_hex.as_deref().map(unhexed).transpose()
    }

    fn value(&self, codec: &Codec) -> anyhow::Result<Vec<u8>> {
        let bytes = self.bytes()?;
        let mut encoded = match self.encoded {
            Encoded::No => bytes,
            Encoded::OrderRequest => framed::<OrderRequest>(codec, topics::ORDER_REQUESTS, &bytes)?,
            Encoded::Feedback => {
                let key = OrderKey(self.key.clone().unwrap_or_default());
                let question = CommandId::feasibility(&key, 1).to_string();
                let text = String::from_utf8(bytes)?.replace(QUESTION, &question);
                // Under its own subject, wherever it is sent: a registry has no other.
                framed::<Feedback>(codec, topics::FEEDBACK, text.as_bytes())?
            }
            Encoded::Container => {
                let request: OrderRequest = serde_json::from_slice(&bytes)?;
                container::write(&[request]).map_err(anyhow::Error::msg)?
            }
        };
        match self.damage {
            Damage::None => {}
            Damage::Magic => encoded[0] = 1,
            Damage::SchemaId => encoded[1..5].fill(0xff),
            Damage::NoBody => encoded.truncate(5),
            Damage::Truncated => encoded.truncate(encoded.len() - 3),
            Damage::Trailing => encoded.extend([0, 0, 0]),
            Damage::LengthBomb => {
                encoded.truncate(5);
                encoded.extend([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
            }
        }
        Ok(encoded)
    }
}

fn framed<T: Recorded + DeserializeOwned + serde::Serialize>(
    codec: &Codec,
    topic: &str,
    json: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let typed: T = serde_json::from_slice(json).with_context(|| format!("no {}", T::NAME))?;
    Ok(codec.encode(topic, &typed)?)
}

fn unhexed(text: &str) -> anyhow::Result<Vec<u8>> {
    ensure!(text.len().is_multiple_of(2), "\"{text}\" has an odd number of digits");
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| Ok(u8::from_str_radix(&text[at..at + 2], 16)?)).collect()
}
