//! What is to be submitted: files, and the documents in them.
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use domain::RequestId;
use schemas::{headers, own, tmf};

/// The largest input, in bytes, over all files: many orders per file.
const INPUT_BYTES_MAX: u64 = 256 << 20;

/// One document, and what is known of it before it is sent.
#[derive(Debug)]
pub struct Document {
    /// Where it is, for people: `"orders.json", line 3`.
    pub place: String,
    pub key: String,
    pub bytes: Vec<u8>,
    pub media_type: String,
    /// Absent where equal bytes are the same request.
    pub request_id: Option<String>,
}

/// All documents of an input.
#[derive(Debug, Default)]
pub struct Input {
    pub documents: Vec<Document>,
    /// What cannot be sent, each with its place and reason: nothing could be kept about it.
    pub refused: Vec<String>,
}

impl Input {
    pub fn len(&self) -> usize {
        self.documents.len() + self.refused.len()
    }
}

/// Reads all files before anything is sent; `-` is standard input.
///
/// # Errors
/// A file cannot be read, holds nothing, or is no Avro although it should be; all of them together are too large.
pub fn read(
    files: &[std::path::PathBuf],
    media_type: &str,
    request_id: Option<&str>,
) -> anyhow::Result<Input> {
    let (mut input, mut left) = (Input::default(), INPUT_BYTES_MAX);
    for file in files {
        let bytes = read_file(file, left)?;
        left -= bytes.len() as u64;
        let name = shown(file);
        let known = input.len();
        if media_type.starts_with(headers::AVRO) {
            avro(&mut input, &name, &bytes, media_type, request_id)?;
        } else {
            json(&mut input, &name, &bytes, media_type, request_id);
        }
        if input.len() == known {
            bail!("{name} holds no document");
        }
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
fn json(input: &mut Input, name: &str, bytes: &[u8], media_type: &str, request_id: Option<&str>) {
    for part in tmf::split::documents(bytes) {
        let place = format!("{name}, line {}", part.line);
        let translated = part.text.and_then(|text| {
            let read =
                tmf::translate(text.as_bytes(), Some(media_type)).map_err(|unreadable| unreadable.0)?;
            Ok((read.key?, text))
        });
        match translated {
            Ok((key, text)) => input.documents.push(Document {
                place,
                key: key.0,
                bytes: text.into(),
                media_type: media_type.to_owned(),
                request_id: request_id.map(str::to_owned),
            }),
            Err(reason) => input.refused.push(format!("{place}: {reason}")),
        }
    }
}

/// The project's own contract, as an Avro object container file; each request travels in a file of its own.
fn avro(
    input: &mut Input,
    name: &str,
    bytes: &[u8],
    media_type: &str,
    request_id: Option<&str>,
) -> anyhow::Result<()> {
    let requests = own::container::read(bytes)
        .map_err(|error| anyhow::anyhow!("{name} is not an Avro container file of OrderRequest: {error}"))?;
    for (index, request) in requests.iter().enumerate() {
        let place = format!("{name}, request {}", index + 1);
        let bytes =
            own::container::write(std::slice::from_ref(request)).map_err(|error| anyhow::anyhow!(error))?;
        let translated = own::translate(request, &bytes).map_err(|unreadable| unreadable.0);
        match translated.and_then(|read| Ok((read.key?, read.request_id))) {
            Ok((key, own_id)) => input.documents.push(Document {
                place,
                key: key.0,
                bytes,
                media_type: media_type.to_owned(),
                request_id: request_id.map(str::to_owned).or(own_id.map(|RequestId(id)| id)),
            }),
            Err(reason) => input.refused.push(format!("{place}: {reason}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let places: Vec<String> = input.documents.iter().map(|document| document.place.clone()).collect();
        assert!(places[0].ends_with("one.json\", line 1") && places[2].ends_with("many.ndjson\", line 3"));
        assert_eq!(input.refused.len(), 1);
        assert!(
            input.refused[0].contains("many.ndjson\", line 2: DocumentUnreadable"),
            "{:?}",
            input.refused
        );
        let missing = folder.path().join("missing.json");
        let error = format!("{:#}", read(&[one, missing], headers::JSON, None).unwrap_err());
        assert!(error.contains("missing.json\": No such file"), "{error}");
        let empty = written(folder.path(), "empty.json", " \n");
        let error = read(&[empty], headers::JSON, None).unwrap_err().to_string();
        assert!(error.ends_with("empty.json\" holds no document"), "{error}");
    }
}
