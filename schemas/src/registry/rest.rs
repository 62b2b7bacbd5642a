//! A registry's REST interface, as far as registering needs it. The library that resolves ids neither sets a level of compatibility nor
//! says what the registry has against a schema; so this asks by its HTTP client.
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder};
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

use super::Error;

/// How long one question may take.
const ANSWER_MS_MAX: u64 = 10_000;
/// The longest part of an answer that is shown.
const SAID_CHARS_MAX: usize = 1_000;
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// What the registry answers beside success.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no such subject, version, schema or level.
    NotThere,
    /// It does not take this schema; what it said.
    Schema(String),
    /// Nothing that concerns only this schema.
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Error(error)
    }
}

/// One registry. To be used and dropped outside of any async runtime.
#[derive(Debug)]
pub(super) struct Rest {
    client: Client,
    /// May hold a password: never shown. The client itself takes it out of every address before it is used.
    url: Address,
}

struct Address(Url);

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.host_str().unwrap_or_default())
    }
}

impl Rest {
    /// # Errors
    /// The address is none, or the client could not be set up.
    pub(super) fn new(url: &str) -> Result<Rest, Error> {
        let unavailable = |source| Error::Unavailable { what: "its address".to_owned(), source };
        let url = Url::parse(url).map_err(|error| unavailable(Box::new(error)))?;
        if url.cannot_be_a_base() {
            return Err(unavailable("it is no address".into()));
        }
        let client = Client::builder().timeout(Duration::from_millis(ANSWER_MS_MAX)).build();
        Ok(Rest { client: client.map_err(|error| unavailable(Box::new(error)))?, url: Address(url) })
    }

    /// The time by its clock, as it says it with every answer; none where it does not.
    pub(super) fn date(&self) -> Result<Option<String>, Error> {
        let asked = self.client.get(self.at(&["schemas", "types"])).send();
        let answer = asked.map_err(|source| Error::Unavailable {
            what: "the time".to_owned(),
            source: Box::new(source.without_url()),
        })?;
        let date = answer.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
        Ok(date.map(str::to_owned))
    }

    /// The level that is set for the subject itself.
    pub(super) fn level(&self, subject: &str) -> Result<Option<String>, Error> {
        match self.asked(subject, self.client.get(self.at(&["config", subject]))) {
            // The newer name first; older registries know only the other.
            Ok(answer) => {
                let level = answer.get("compatibilityLevel").or(answer.get("compatibility"));
                Ok(level.and_then(Value::as_str).map(str::to_owned))
            }
            Err(Refusal::NotThere) => Ok(None),
            Err(Refusal::Schema(said)) => Err(unexpected(subject, said)),
            Err(Refusal::Error(error)) => Err(error),
        }
    }

    pub(super) fn set_level(&self, subject: &str, level: &str) -> Result<(), Error> {
        let body = json!({ "compatibility": level });
        match self.asked(subject, with_body(self.client.put(self.at(&["config", subject])), &body)) {
            Ok(_) => Ok(()),
            Err(Refusal::NotThere) => Err(unexpected(subject, "it sets no levels of subjects".to_owned())),
            Err(Refusal::Schema(said)) => Err(unexpected(subject, said)),
            Err(Refusal::Error(error)) => Err(error),
        }
    }

    /// The id of a schema that the subject has.
    pub(super) fn id(&self, subject: &str, schema: &str) -> Result<u32, Refusal> {
        let asked = self.client.post(self.at(&["subjects", subject]));
        id_in(subject, &self.asked(subject, with_body(asked, &schema_body(schema)))?)
    }

    /// Adds a schema to the subject; gives its id.
    pub(super) fn add(&self, subject: &str, schema: &str) -> Result<u32, Refusal> {
        let asked = self.client.post(self.at(&["subjects", subject, "versions"]));
        id_in(subject, &self.asked(subject, with_body(asked, &schema_body(schema)))?)
    }

    /// Whether the subject would take a schema, by its versions and its level as they are.
    ///
    /// # Errors
    /// [`Refusal::Schema`] where it would not.
    pub(super) fn try_add(&self, subject: &str, schema: &str) -> Result<(), Refusal> {
        let mut url = self.at(&["compatibility", "subjects", subject, "versions"]);
        url.set_query(Some("verbose=true"));
        let answer = match self.asked(subject, with_body(self.client.post(url), &schema_body(schema))) {
            // Some registries answer so where the subject is new, and a new one takes everything.
            Err(Refusal::NotThere) => return Ok(()),
            answered => answered?,
        };
        match answer.get("is_compatible").and_then(Value::as_bool) {
            Some(true) => Ok(()),
            Some(false) => {
                let said = answer.get("messages").and_then(Value::as_array).into_iter().flatten();
                let said: Vec<&str> = said.filter_map(Value::as_str).collect();
                Err(Refusal::Schema(shortened(&said.join("; "))))
            }
            None => Err(unexpected(subject, "it does not say whether it is compatible".to_owned()).into()),
        }
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.url.0.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn asked(&self, subject: &str, request: RequestBuilder) -> Result<Value, Refusal> {
        let unavailable = |source: reqwest::Error| Error::Unavailable {
            what: format!("subject \"{subject}\""),
            // The subject says it all; and the address is named by whoever asked for it.
            source: Box::new(source.without_url()),
        };
        let answer = request.header(reqwest::header::ACCEPT, MEDIA_TYPE).send().map_err(unavailable)?;
        let status = answer.status();
        let text = answer.text().map_err(unavailable)?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let code = body.get("error_code").and_then(Value::as_u64).unwrap_or_default();
        let said = shortened(body.get("message").and_then(Value::as_str).unwrap_or_default());
        match status {
            // Only the registry's own codes; a proxy in front of it knows 404 as well.
            StatusCode::NOT_FOUND if (40_401..=40_499).contains(&code) => Err(Refusal::NotThere),
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => Err(Refusal::Schema(said)),
            _ => {
                Err(unexpected(subject, format!("it answered {status} {said}").trim_end().to_owned()).into())
            }
        }
    }
}

fn schema_body(schema: &str) -> Value {
    json!({ "schema": schema, "schemaType": "AVRO" })
}

fn with_body(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header(reqwest::header::CONTENT_TYPE, MEDIA_TYPE).body(body.to_string())
}

fn id_in(subject: &str, answer: &Value) -> Result<u32, Refusal> {
    let id = answer.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| unexpected(subject, "its answer has no id".to_owned()).into())
}

fn unexpected(subject: &str, said: String) -> Error {
    Error::Unavailable { what: format!("subject \"{subject}\""), source: said.into() }
}

fn shortened(text: &str) -> String {
    text.chars().take(SAID_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn user_and_password_are_sent_and_never_shown() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 65_536];
            let length = stream.read(&mut request).unwrap();
            let answer = b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(&request[..length]).to_lowercase()
        });
        let rest = Rest::new(&format!("http://me:s%40cret@{address}/below/")).unwrap();
        let Err(Refusal::Error(error)) = rest.id("a/b", "{}") else { panic!("a stranger is told nothing") };
        let request = served.join().unwrap();
        assert!(request.starts_with("post /below/subjects/a%2fb http/1.1"), "{request}");
        // `me:s@cret`, in base64.
        assert!(request.contains("authorization: basic bwu6c0bjcmv0\r\n"), "{request}");
        let Error::Unavailable { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.to_string(), "it answered 401 Unauthorized");
        assert!(!format!("{rest:?}{error:?}").contains("cret"));
    }
}
