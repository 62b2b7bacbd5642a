//! What the codec of records and the codec of states share: a set of contracts, and what was learnt about ids.
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use domain::limits::RECORD_BYTES_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, frame, plain};
use crate::contracts::{self, Contract};
use crate::registry::{self, SchemaIds};

/// The longest cause that is passed on, in bytes: the library's errors show whole schemas.
const WHY_BYTES_MAX: usize = 400;

/// The most schemas of other versions that are kept ready; each lives as long as the process.
const VERSIONS_MAX: usize = 1_000;

/// What a thread keeps of the space that it writes records in.
const SCRATCH_BYTES_KEPT: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How the record of one schema id is read.
#[derive(Clone, Copy)]
enum Written {
    /// With our own contract: read straight into the type.
    Same(&'static Contract),
    /// With another version of it.
    Otherwise(&'static Contract, &'static GenericDatumReader<'static>),
}

impl Written {
    fn contract(self) -> &'static Contract {
        match self {
            Written::Same(contract) | Written::Otherwise(contract, _) => contract,
        }
    }
}

pub(super) struct Coder {
    ids: Arc<dyn SchemaIds>,
    contracts: HashMap<&'static str, &'static Contract>,
    /// Record → topics it was written to, and its id there. A record has one topic, commands a few.
    written: RwLock<HashMap<&'static str, Vec<(String, u32)>>>,
    read: RwLock<HashMap<u32, Written>>,
}

impl std::fmt::Debug for Coder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coder")
            .field("ids", &self.ids)
            .field("contracts", &self.contracts.len())
            .finish_non_exhaustive()
    }
}

impl Coder {
    pub(super) fn new(ids: Arc<dyn SchemaIds>, contracts: impl Iterator<Item = &'static Contract>) -> Coder {
        contracts::bound_allocations();
        let contracts = contracts.map(|contract| (contract.name.as_str(), contract)).collect();
        Coder { ids, contracts, written: RwLock::default(), read: RwLock::default() }
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.contracts.contains_key(name)
    }

    /// Asks for the id of a record on a topic, before anything is written.
    pub(super) fn learn(&self, topic: &str, name: &str) -> Result<(), Error> {
        let contract =
            *self.contracts.get(name).ok_or_else(|| Error::StateUnknown { name: name.to_owned() })?;
        self.id_of(topic, contract).map(|_| ())
    }

    pub(super) fn encode<T: Serialize>(&self, topic: &str, name: &str, value: &T) -> Result<Vec<u8>, Error> {
        let contract =
            *self.contracts.get(name).ok_or_else(|| Error::StateUnknown { name: name.to_owned() })?;
        let id = self.id_of(topic, contract)?;
        SCRATCH.with_borrow_mut(|framed| {
            framed.clear();
            framed.extend_from_slice(&frame::head(id));
            let outcome = plain::write(framed, value);
            outcome.map_err(|e| Error::Unwritable { name: name.to_owned(), why: shortened(&e) })?;
            if framed.len() > RECORD_BYTES_MAX {
                return Err(Error::TooLarge { bytes: framed.len() });
            }
            // Kept for long, in caches and batches: with no byte to spare.
            let exact = framed.as_slice().to_vec();
            framed.shrink_to(SCRATCH_BYTES_KEPT);
            Ok(exact)
        })
    }

    pub(super) fn decode<T: DeserializeOwned>(&self, name: &str, bytes: &[u8]) -> Result<T, Error> {
        let (written, mut body) = self.opened(bytes)?;
        let found = &written.contract().name;
        if found != name {
            return Err(Error::RecordOther { expected: name.to_owned(), found: found.clone() });
        }
        let value = match written {
            Written::Same(_) => plain::read(&mut body).map_err(|e| shortened(&e)),
            Written::Otherwise(_, reader) => {
                let resolved = reader.read_value(&mut body).and_then(|value| apache_avro::from_value(&value));
                resolved.map_err(|e| shortened(&e))
            }
        };
        let value = value.map_err(|why| Error::Malformed { name: name.to_owned(), why })?;
        match body.len() {
            0 => Ok(value),
            left => Err(Error::TrailingBytes { name: name.to_owned(), left }),
        }
    }

    pub(super) fn record_of(&self, bytes: &[u8]) -> Result<&'static str, Error> {
        Ok(self.opened(bytes)?.0.contract().name.as_str())
    }

    fn opened<'b>(&self, bytes: &'b [u8]) -> Result<(Written, &'b [u8]), Error> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(Error::TooLarge { bytes: bytes.len() });
        }
        let (id, body) = frame::split(bytes)?;
        if let Some(written) = self.read.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok((*written, body));
        }
        let written = self.learnt(id)?;
        self.read.write().unwrap_or_else(PoisonError::into_inner).insert(id, written);
        Ok((written, body))
    }

    fn learnt(&self, id: u32) -> Result<Written, Error> {
        let foreign = |why: String| Error::SchemaForeign { id, why };
        let text = self.ids.schema_of(id)?;
        let schema = Schema::parse_str(&text).map_err(|e| foreign(shortened(&e)))?;
        let (found, _) = contracts::record_names(&schema).map_err(foreign)?;
        let Some(contract) = self.contracts.get(found.as_str()).copied() else {
            return Err(Error::RecordUnknown { id, found });
        };
        if schema == *contract.schema {
            return Ok(Written::Same(contract));
        }
        if self.read.read().unwrap_or_else(PoisonError::into_inner).len() >= VERSIONS_MAX {
            return Err(foreign(format!("more than {VERSIONS_MAX} schemas are in use already")));
        }
        // The reader borrows its schemas; they are few, and each is read again and again.
        let schema: &'static Schema = Box::leak(Box::new(schema));
        let reader = GenericDatumReader::builder(schema).reader_schema(contract.schema).build();
        let reader = reader.map_err(|e| foreign(shortened(&e)))?;
        Ok(Written::Otherwise(contract, Box::leak(Box::new(reader))))
    }

    fn id_of(&self, topic: &str, contract: &'static Contract) -> Result<u32, Error> {
        let found = |ids: &HashMap<&'static str, Vec<(String, u32)>>| {
            let of_record = ids.get(contract.name.as_str())?;
            of_record.iter().find(|(known, _)| known == topic).map(|(_, id)| *id)
        };
        if let Some(id) = found(&self.written.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(id);
        }
        let id = self.ids.id_of(&registry::subject(topic, contract), &contract.json)?;
        let mut written = self.written.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have asked meanwhile; it got the same answer.
        if found(&written).is_none() {
            written.entry(contract.name.as_str()).or_default().push((topic.to_owned(), id));
        }
        Ok(id)
    }
}

fn shortened(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    if text.len() > WHY_BYTES_MAX {
        text.truncate(text.floor_char_boundary(WHY_BYTES_MAX));
        text.push_str(" ...");
    }
    text
}
