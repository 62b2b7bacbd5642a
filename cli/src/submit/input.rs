//! What is to be submitted: files, and the documents in them.
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use domain::{Reason, RequestId};
use schemas::{headers, own, tmf};

use crate::text::printable;

/// The largest input, in bytes, over all files: many orders per file.
const INPUT_BYTES_MAX: u64 = 256 << 20;

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// Of text, the line; of Avro, which request it is. Counted from 1.
    pub number: usize,
    pub is_avro: bool,
}

/// As programs read it; [`Place::shown`] is for people.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.is_avro { "request" } else { "line" };
        write!(f, "{}, {what} {}", self.file.display(), self.number)
    }
}

impl Place {
    pub fn shown(&self) -> String {
        let what = if self.is_avro { "request" } else { "line" };
        printable(&format!("{}, {what} {}", shown(&self.file), self.number))
    }
}

/// One document of an input.
#[derive(Debug)]
pub struct Document {
    pub place: Place,
    /// Or why it cannot be sent: nothing could be kept about it.
    pub content: Result<Content, Reason>,
}

/// A document that can be sent.
#[derive(Debug)]
pub struct Content {
    pub key: String,
    pub bytes: Vec<u8>,
    pub media_type: String,
    /// Absent where equal bytes are the same request.
    pub request_id: Option<String>,
}

/// A media type of JSON.
///
/// # Errors
/// What would be right, for clap to show.
pub fn json_media_type(text: &str) -> Result<String, String> {
    let (name, _) = text.split_once(';').unwrap_or((text, ""));
    let name = name.trim().to_ascii_lowercase();
    let is_json = name == headers::JSON || (name.starts_with("application/") && name.ends_with("+json"));
    if is_json && !text.contains(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(format!("not a media type that is read; there are {0} and {0};profile=tmf622-v4", headers::JSON))
}

/// One of JSON, or the project's own Avro.
///
/// # Errors
/// As [`json_media_type`].
pub fn media_type(text: &str) -> Result<String, String> {
    if text == headers::AVRO {
        return Ok(text.to_owned());
    }
    json_media_type(text).map_err(|message| format!("{message}, and {}", headers::AVRO))
}

/// Reads all files before anything is sent; `-` is standard input.
///
/// # Errors
/// A file cannot be read, holds nothing, or is no Avro although it should be; all of them together are too large.
pub fn read(files: &[PathBuf], media_type: &str, request_id: Option<&str>) -> anyhow::Result<Vec<Document>> {
    let (mut input, mut left) = (Vec::new(), INPUT_BYTES_MAX);
    for file in files {
        let bytes = read_file(file, left)?;
        left -= bytes.len() as u64;
        let documents = if media_type.starts_with(headers::AVRO) {
            avro(file, &bytes, media_type, request_id)?
        } else {
            json(file, &bytes, media_type, request_id)
        };
        if documents.is_empty() {
            bail!("{} holds no document", shown(file));
        }
        input.extend(documents);
    }
    Ok(input)
}

fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn shown(file: &Path) -> String {
    if is_standard_input(file) { "standard input".to_owned() } else { format!("\"{}\"", file.display()) }
}

fn read_file(file: &Path, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let context = || format!("could not read {}", shown(file));
    let mut bytes = Vec::new();
    if is_standard_input(file) {
        std::io::stdin().take(bytes_max + 1).read_to_end(&mut bytes).with_context(context)?;
    } else {
        let opened = std::fs::File::open(file).with_context(context)?;
        opened.take(bytes_max + 1).read_to_end(&mut bytes).with_context(context)?;
    }
    if bytes.len() as u64 > bytes_max {
        bail!("input is larger than {INPUT_BYTES_MAX} bytes; split it");
    }
    Ok(bytes)
}

/// TMF622, one or many documents.
fn json(file: &Path, bytes: &[u8], media_type: &str, request_id: Option<&str>) -> Vec<Document> {
    let document = |part: tmf::split::Document<'_>| {
        let content = part.text.and_then(|text| {
            let read =
                tmf::translate(text.as_bytes(), Some(media_type)).map_err(|unreadable| unreadable.0)?;
            Ok(Content {
                key: read.key?.0,
                bytes: text.into(),
                media_type: media_type.to_owned(),
                request_id: request_id.map(str::to_owned),
            })
        });
        Document { place: Place { file: file.to_owned(), number: part.line, is_avro: false }, content }
    };
    tmf::split::documents(bytes).map(document).collect()
}

/// The project's own contract, as an Avro object container file; each request travels in a file of its own.
fn avro(
    file: &Path,
    bytes: &[u8],
    media_type: &str,
    request_id: Option<&str>,
) -> anyhow::Result<Vec<Document>> {
    let requests = own::container::read(bytes).map_err(|error| {
        anyhow::anyhow!("{} is not an Avro container file of OrderRequest: {error}", shown(file))
    })?;
    let document = |(request, number): (&own::OrderRequest, usize)| {
        let bytes =
            own::container::write(std::slice::from_ref(request)).map_err(|error| anyhow::anyhow!(error))?;
        let translated = own::translate(request, &bytes).map_err(|unreadable| unreadable.0);
        let content = translated.and_then(|read| {
            Ok(Content {
                key: read.key?.0,
                bytes,
                media_type: media_type.to_owned(),
                request_id: request_id.map(str::to_owned).or(read.request_id.map(|RequestId(id)| id)),
            })
        });
        Ok(Document { place: Place { file: file.to_owned(), number, is_avro: true }, content })
    };
    requests.iter().zip(1..).map(document).collect()
}

#[cfg(test)]
mod tests {
    use domain::ReasonCode;

    use super::*;

    #[test]
    fn only_what_is_read_is_taken_as_a_media_type() {
        for read in [
            "application/json",
            "application/json;profile=tmf622-v3",
            "application/merge-patch+json",
            headers::AVRO,
        ] {
            assert_eq!(media_type(read), Ok(read.to_owned()));
        }
        for other in ["avro", "text/plain", "application/json\n", "json", ""] {
            assert!(media_type(other).unwrap_err().contains(headers::AVRO), "{other}");
        }
    }

    const ORDER: &str = r#"{"externalId": "7", "productOrderItem": []}"#;

    fn written(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn all_files_are_read_before_anything_is_sent_and_each_document_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let one = written(folder.path(), "one.json", ORDER);
        let many = written(folder.path(), "many.ndjson", &format!("{ORDER}\nnonsense\n{ORDER}"));
        let input = read(&[one.clone(), many], headers::JSON, None).unwrap();
        let places: Vec<String> = input.iter().map(|document| document.place.shown()).collect();
        assert!(places[0].ends_with("one.json\", line 1") && places[3].ends_with("many.ndjson\", line 3"));
        assert!(!input[3].place.to_string().contains('"'), "a program takes no quotes off");
        let refused: Vec<Option<ReasonCode>> =
            input.iter().map(|document| document.content.as_ref().err().map(|reason| reason.code)).collect();
        assert_eq!(refused, [None, None, Some(ReasonCode::DocumentUnreadable), None]);
        let missing = folder.path().join("missing.json");
        let error = format!("{:#}", read(&[one, missing], headers::JSON, None).unwrap_err());
        assert!(error.contains("missing.json\": No such file"), "{error}");
        let empty = written(folder.path(), "empty.json", " \n");
        let error = read(&[empty], headers::JSON, None).unwrap_err().to_string();
        assert!(error.ends_with("empty.json\" holds no document"), "{error}");
    }
}
