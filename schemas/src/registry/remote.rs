//! Ids from a Confluent-compatible schema registry, each asked for once.
use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use schema_registry_converter::blocking::schema_registry::{SrSettings, get_schema_by_id, perform_sr_call};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, SrCall};

use super::{Error, SchemaIds, asked};

/// How long one question may take.
const ANSWER_MS_MAX: u64 = 10_000;

/// Never registers: a lookup under a subject that has no such schema is an error that says so.
pub struct RemoteIds {
    /// Its addresses may hold a password; the client takes it out of every address before it is used.
    settings: SrSettings,
    ids: RwLock<HashMap<(String, String), u32>>,
    schemas: RwLock<HashMap<u32, String>>,
}

impl std::fmt::Debug for RemoteIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.schemas.read().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("RemoteIds").field("schemas", &known).finish_non_exhaustive()
    }
}

impl RemoteIds {
    /// `urls`: at least one, each with user and password where it wants them; they are tried in sequence.
    ///
    /// # Errors
    /// No address was given, or the client could not be set up.
    pub fn new(urls: &[String]) -> Result<RemoteIds, Error> {
        let unavailable = |source: Box<dyn std::error::Error + Send + Sync>| Error::Unavailable {
            what: "its address".to_owned(),
            source,
        };
        let (first, others) = urls.split_first().ok_or_else(|| unavailable("no address is set".into()))?;
        let settings = asked(|| {
            let without_slash = |url: &String| url.trim_end_matches('/').to_owned();
            let mut builder = SrSettings::new_builder(without_slash(first));
            for url in others {
                builder.add_url(without_slash(url));
            }
            builder.set_timeout(Duration::from_millis(ANSWER_MS_MAX)).build()
        });
        let settings = settings.map_err(|e| unavailable(Box::new(e)))?;
        Ok(RemoteIds { settings, ids: RwLock::default(), schemas: RwLock::default() })
    }
}

impl SchemaIds for RemoteIds {
    fn id_of(&self, subject: &str, schema_json: &str) -> Result<u32, Error> {
        let key = (subject.to_owned(), schema_json.to_owned());
        if let Some(id) = self.ids.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(*id);
        }
        let body = serde_json::json!({ "schema": schema_json, "schemaType": "AVRO" }).to_string();
        let answer = asked(|| perform_sr_call(&self.settings, SrCall::PostForVersion(subject, &body)));
        let id = match answer {
            Ok(registered) => {
                registered.id.ok_or_else(|| Error::NotRegistered { subject: subject.to_owned() })?
            }
            Err(error) if was_answered(&error) => {
                return Err(Error::NotRegistered { subject: subject.to_owned() });
            }
            Err(source) => {
                return Err(Error::Unavailable {
                    what: format!("subject \"{subject}\""),
                    source: Box::new(source),
                });
            }
        };
        // What was written with this id is read with this schema: a registry that goes away later is not missed.
        let mut schemas = self.schemas.write().unwrap_or_else(PoisonError::into_inner);
        schemas.entry(id).or_insert_with(|| schema_json.to_owned());
        drop(schemas);
        self.ids.write().unwrap_or_else(PoisonError::into_inner).insert(key, id);
        Ok(id)
    }

    fn schema_of(&self, id: u32) -> Result<String, Error> {
        if let Some(schema) = self.schemas.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(schema.clone());
        }
        let schema = match asked(|| get_schema_by_id(id, &self.settings)) {
            Ok(registered) => registered.schema,
            Err(error) if was_answered(&error) => return Err(Error::IdUnknown { id }),
            Err(source) => {
                return Err(Error::Unavailable { what: format!("schema id {id}"), source: Box::new(source) });
            }
        };
        self.schemas.write().unwrap_or_else(PoisonError::into_inner).insert(id, schema.clone());
        Ok(schema)
    }
}

/// Whether the registry itself said no (40401 subject, 40402 version, 40403 schema), and not something on the way to it.
fn was_answered(error: &SRCError) -> bool {
    let answer = error.source().and_then(|source| source.downcast_ref::<RawError>());
    answer.is_some_and(|answer| (40_401..=40_403).contains(&answer.error_code))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// A registry that gives these answers, one connection each, and tells which requests came.
    fn registry(
        answers: &'static [(&'static str, &'static str)],
    ) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let answer = |(status, body): &(&str, &str)| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = vec![0; 65_536];
                let length = stream.read(&mut request).unwrap();
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(body.as_bytes()).unwrap();
                String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned()
            };
            answers.iter().map(answer).collect()
        });
        (url, served)
    }

    #[test]
    fn a_schema_is_looked_up_once_and_never_registered() {
        let (url, served) =
            registry(&[("200 OK", r#"{"subject": "s", "version": 1, "id": 7, "schema": "{}"}"#)]);
        let ids = RemoteIds::new(&[url]).unwrap();
        assert_eq!((ids.id_of("s", "{}").unwrap(), ids.id_of("s", "{}").unwrap()), (7, 7));
        assert_eq!(ids.schema_of(7).unwrap(), "{}");
        assert_eq!(served.join().unwrap(), ["POST /subjects/s?deleted=false HTTP/1.1"]);
    }

    #[test]
    fn a_refusal_is_permanent_and_a_broken_registry_is_passing() {
        const REFUSED: (&str, &str) =
            ("404 Not Found", r#"{"error_code": 40403, "message": "Schema not found"}"#);
        let (url, served) = registry(&[REFUSED, REFUSED]);
        let ids = RemoteIds::new(&[url]).unwrap();
        assert!(matches!(ids.id_of("s", "{}"), Err(Error::NotRegistered { .. })));
        assert!(matches!(ids.schema_of(9), Err(Error::IdUnknown { id: 9 })));
        served.join().unwrap();
        // Nobody listens any more.
        assert!(matches!(ids.id_of("s", "{}"), Err(Error::Unavailable { .. })));
    }

    #[tokio::test]
    async fn it_can_be_asked_from_an_async_runtime() {
        let (url, served) = registry(&[("200 OK", r#"{"schema": "\"string\""}"#)]);
        let ids = RemoteIds::new(&[url]).unwrap();
        assert_eq!(ids.schema_of(3).unwrap(), "\"string\"");
        drop(ids);
        served.join().unwrap();
    }
}
