//! Ids without a registry: counted from 1 and kept in a small durable store.
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Error, SchemaIds};

/// A small durable store of a few named values.
pub trait KeyValue: Send + Sync + Debug {
    /// # Errors
    /// Whatever the store says; the caller may try again.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>>;
    /// Durable when it returns.
    ///
    /// # Errors
    /// Whatever the store says; the value may be there or not.
    fn put(&self, key: &str, value: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Nothing survives: for tests and for a whole system in memory.
#[derive(Debug, Default)]
pub struct InMemory(Mutex<BTreeMap<String, Vec<u8>>>);

impl KeyValue for InMemory {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(held(&self.0).get(key).cloned())
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        held(&self.0).insert(key.to_owned(), value.to_vec());
        Ok(())
    }
}

/// Nothing panics while these locks are held, so a poisoned one holds what it should.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Equal schemas have one id whatever their subject. One value per id, written at once: a crash leaves it whole or absent.
///
/// Only one process at a time may use a store: the lock of its data directory sees to that.
#[derive(Debug)]
pub struct LocalIds<S> {
    store: S,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_schema: HashMap<String, u32>,
    by_id: Vec<String>,
}

fn key_of(id: u32) -> String {
    format!("schema/{id}")
}

impl<S: KeyValue> LocalIds<S> {
    /// Reads all ids that were given so far.
    ///
    /// # Errors
    /// The store could not be read, or holds something that is no text.
    pub fn open(store: S) -> Result<LocalIds<S>, Error> {
        let mut known = Known::default();
        for id in 1.. {
            let key = key_of(id);
            let read = store.get(&key).map_err(|source| Error::Unavailable { what: key.clone(), source })?;
            let Some(bytes) = read else { break };
            let schema = String::from_utf8(bytes).map_err(|_| Error::Corrupt { key })?;
            known.by_schema.insert(schema.clone(), id);
            known.by_id.push(schema);
        }
        Ok(LocalIds { store, known: Mutex::new(known) })
    }
}

impl LocalIds<InMemory> {
    /// Ids that last as long as the process.
    pub fn in_memory() -> LocalIds<InMemory> {
        LocalIds { store: InMemory::default(), known: Mutex::default() }
    }
}

impl<S: KeyValue> SchemaIds for LocalIds<S> {
    fn id_of(&self, _subject: &str, schema_json: &str) -> Result<u32, Error> {
        let mut known = held(&self.known);
        if let Some(id) = known.by_schema.get(schema_json) {
            return Ok(*id);
        }
        let id = known.by_id.len() as u32 + 1;
        let key = key_of(id);
        let stored = self.store.put(&key, schema_json.as_bytes());
        stored.map_err(|source| Error::Unavailable { what: key, source })?;
        known.by_id.push(schema_json.to_owned());
        known.by_schema.insert(schema_json.to_owned(), id);
        Ok(id)
    }

    fn schema_of(&self, id: u32) -> Result<String, Error> {
        let known = held(&self.known);
        let index = (id as usize).checked_sub(1);
        index.and_then(|index| known.by_id.get(index)).cloned().ok_or(Error::IdUnknown { id })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    impl KeyValue for Arc<InMemory> {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
            self.as_ref().get(key)
        }

        fn put(&self, key: &str, value: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            self.as_ref().put(key, value)
        }
    }

    #[test]
    fn ids_survive_and_equal_schemas_share_one() {
        let store = Arc::new(InMemory::default());
        let ids = LocalIds::open(store.clone()).unwrap();
        let (first, second) = (ids.id_of("a", "1").unwrap(), ids.id_of("a", "2").unwrap());
        assert_ne!(first, second);
        assert_eq!(ids.id_of("b", "1").unwrap(), first);

        let opened_again = LocalIds::open(store).unwrap();
        assert_eq!(opened_again.schema_of(second).unwrap(), "2");
        assert_eq!(opened_again.id_of("c", "2").unwrap(), second);
        assert_eq!(opened_again.id_of("c", "3").unwrap(), second + 1);
    }

    #[test]
    fn an_id_that_was_never_given_is_an_error() {
        let ids = LocalIds::in_memory();
        for id in [0, 1, u32::MAX] {
            assert!(matches!(ids.schema_of(id), Err(Error::IdUnknown { .. })));
        }
    }
}
