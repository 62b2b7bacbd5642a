//! The downstream's own durable memory: a row per command id, and the answers that are not confirmed yet.
//!
//! What a batch of commands did and what is to be answered are one synced write: after a kill at any point, either all of a batch is
//! known here and its answers come, or nothing of it is, and the commands come again.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::command::Feedback;
use domain::{CommandId, OrderKey, Timestamp};

use super::entry::Entry;
use super::rows::{ANSWERS, COUNTERS, Change, ENTRIES, Rows};

/// Raised whenever rows are written that an older program would misread.
const FORMAT: u64 = 1;
const FORMAT_NAME: &str = "format";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not open the ledger \"{}\"; another process may use it", directory.display())]
    Open { directory: PathBuf, source: rocksdb::Error },
    #[error("ledger \"{}\" has format {found}, and this program reads up to {FORMAT}", directory.display())]
    Newer { directory: PathBuf, found: u64 },
    #[error("could not {doing} the ledger")]
    Storage { doing: &'static str, source: rocksdb::Error },
    #[error("a row of the ledger cannot be read: {what}")]
    Row { what: String },
}

impl Error {
    /// Whether the same call may succeed later: a full disk, or an I/O error.
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Storage { source, .. } => source.kind() != rocksdb::ErrorKind::Corruption,
            Error::Open { .. } | Error::Newer { .. } | Error::Row { .. } => false,
        }
    }
}

/// The due time, then a number that tells answers of one time apart.
pub(super) type AnswerKey = (Timestamp, u64);

/// One batch of changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub entries: BTreeMap<CommandId, Entry>,
    pub answers: Vec<(AnswerKey, Feedback)>,
    /// Counters by name: how many commands a system received, and when the first came.
    pub counters: BTreeMap<String, u64>,
}

/// The ledger, mostly on disk. Readable by others while the downstream writes it ([`Ledger::read`]).
#[derive(Debug)]
pub struct Ledger {
    rows: Rows,
}

impl Ledger {
    /// Opens for writing, and creates what is missing.
    ///
    /// Errors: the directory cannot be used, is in use, or was written by a newer program.
    pub fn open(directory: &Path) -> Result<Ledger, Error> {
        let ledger = Ledger::checked(directory, Rows::open(directory))?;
        ledger
            .write(&Changes { counters: [(FORMAT_NAME.to_owned(), FORMAT)].into(), ..Changes::default() })?;
        Ok(ledger)
    }

    /// Opens for reading only, as of now, beside a process that writes.
    pub fn read(directory: &Path) -> Result<Ledger, Error> {
        Ledger::checked(directory, Rows::read(directory))
    }

    /// Empty, and gone with the process.
    pub fn in_memory() -> Ledger {
        Ledger { rows: Rows::in_memory() }
    }

    fn checked(directory: &Path, rows: Result<Rows, rocksdb::Error>) -> Result<Ledger, Error> {
        let rows = rows.map_err(|source| Error::Open { directory: directory.to_owned(), source })?;
        let ledger = Ledger { rows };
        match ledger.counters()?.get(FORMAT_NAME) {
            Some(found) if *found > FORMAT => {
                Err(Error::Newer { directory: directory.to_owned(), found: *found })
            }
            Some(_) | None => Ok(ledger),
        }
    }

    /// All rows, by command id.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, Error>> + '_ {
        self.rows.scan(ENTRIES).map(|row| {
            let (_, value) = row.map_err(|source| Error::Storage { doing: "read", source })?;
            parsed(&value)
        })
    }

    /// The rows that had an effect: one per effect.
    pub fn effects(&self) -> impl Iterator<Item = Result<Entry, Error>> + '_ {
        self.entries().filter(|row| row.as_ref().map_or(true, Entry::is_effect))
    }

    /// How many effects each order had, by command name. Memory follows the number of orders.
    pub fn effects_by_order(&self) -> Result<BTreeMap<OrderKey, BTreeMap<String, u32>>, Error> {
        let mut counts: BTreeMap<OrderKey, BTreeMap<String, u32>> = BTreeMap::new();
        for effect in self.effects() {
            let effect = effect?;
            *counts.entry(effect.order_key).or_default().entry(effect.name).or_default() += 1;
        }
        Ok(counts)
    }

    pub fn entry(&self, id: CommandId) -> Result<Option<Entry>, Error> {
        let found = self.rows.get(ENTRIES, &[id.0.as_bytes().to_vec()]).pop();
        let value = found.transpose().map_err(|source| Error::Storage { doing: "read", source })?.flatten();
        value.map(|value| parsed(&value)).transpose()
    }

    pub(super) fn counters(&self) -> Result<BTreeMap<String, u64>, Error> {
        let rows = self.rows.scan(COUNTERS);
        rows.map(|row| {
            let (key, value) = row.map_err(|source| Error::Storage { doing: "read", source })?;
            let count = <[u8; 8]>::try_from(&value[..])
                .map_err(|_| Error::Row { what: "a counter of odd length".into() })?;
            Ok((String::from_utf8_lossy(&key).into_owned(), u64::from_be_bytes(count)))
        })
        .collect()
    }

    /// The keys of all answers that are not confirmed.
    pub(super) fn answer_keys(&self) -> Result<Vec<AnswerKey>, Error> {
        let rows = self.rows.scan(ANSWERS);
        rows.map(|row| {
            let (key, _) = row.map_err(|source| Error::Storage { doing: "read", source })?;
            let key = <[u8; 16]>::try_from(&key[..])
                .map_err(|_| Error::Row { what: "an answer's key of odd length".into() })?;
            let packed = u128::from_be_bytes(key);
            Ok((Timestamp((packed >> 64) as i64), packed as u64))
        })
        .collect()
    }

    pub(super) fn answers(&self, keys: &[AnswerKey]) -> Result<Vec<Feedback>, Error> {
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| packed(*key).to_vec()).collect();
        let rows = self.rows.get(ANSWERS, &keys);
        rows.into_iter()
            .map(|row| match row.map_err(|source| Error::Storage { doing: "read", source })? {
                Some(value) => parsed(&value),
                None => Err(Error::Row { what: "an answer that was scheduled is gone".into() }),
            })
            .collect()
    }

    /// All or nothing, and on disk before it returns.
    pub(super) fn write(&self, changes: &Changes) -> Result<(), Error> {
        let entries =
            changes.entries.iter().map(|(id, entry)| (ENTRIES, id.0.as_bytes().to_vec(), text(entry)));
        let answers = changes.answers.iter().map(|(key, it)| (ANSWERS, packed(*key).to_vec(), text(it)));
        let counters = changes.counters.iter();
        let counters =
            counters.map(|(name, count)| (COUNTERS, name.clone().into_bytes(), count.to_be_bytes().to_vec()));
        let all = entries.chain(answers).chain(counters);
        let all: Vec<Change> = all.map(|(family, key, value)| ((family, key), Some(value))).collect();
        self.rows.write(all, true).map_err(|source| Error::Storage { doing: "write", source })
    }

    /// Not synced: an answer whose removal is forgotten by a power cut comes twice, which every reader must bear anyway.
    pub(super) fn remove_answers(&self, keys: &[AnswerKey]) -> Result<(), Error> {
        let removed = keys.iter().map(|key| ((ANSWERS, packed(*key).to_vec()), None)).collect();
        self.rows.write(removed, false).map_err(|source| Error::Storage { doing: "write", source })
    }
}

/// Sorts as the pair does: no due time lies before 1970, they are counted from a clock.
fn packed((due, n): AnswerKey) -> [u8; 16] {
    ((due.0.max(0) as u128) << 64 | u128::from(n)).to_be_bytes()
}

fn parsed<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(|error| Error::Row { what: error.to_string() })
}

fn text<T: serde::Serialize>(row: &T) -> Vec<u8> {
    // Fails only for failing writers and for maps whose keys are no text; rows have neither.
    serde_json::to_vec(row).expect("rows are plain data")
}
