//! Whatever a registry answers: a schema on the first line, and behind it the body of a record of that schema.
use std::sync::Arc;

use schemas::codec::Codec;
use schemas::contracts;
use schemas::registry::{Error, SchemaIds};

/// Gives this text for every id.
#[derive(Debug)]
struct Answering(String);

impl SchemaIds for Answering {
    fn id_of(&self, _subject: &str, _schema_json: &str) -> Result<u32, Error> {
        Ok(1)
    }

    fn schema_of(&self, _id: u32) -> Result<String, Error> {
        Ok(self.0.clone())
    }
}

pub(super) fn run(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(schema) = std::str::from_utf8(&bytes[..end]) else { return };
    let codec = Codec::new(Arc::new(Answering(schema.to_owned())));
    let mut framed = schemas::codec::frame::head(7).to_vec();
    framed.extend_from_slice(&bytes[end + 1..]);
    if let Err(error) = codec.decode_shown(&framed) {
        assert!(!error.to_string().is_empty());
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let feedback =
        super::codec::TYPES.iter().filter(|kind| kind.name == "Feedback" || kind.name == "OrderRequest");
    let own = feedback.map(|kind| {
        let contract = super::codec::contract(contracts::all(), kind.name);
        let body = &(kind.framed)(0)[schemas::codec::frame::FRAME_BYTES..];
        [contract.json.as_bytes(), b"\n", body].concat()
    });
    let foreign = [
        "\"string\"\n\x02a",
        "{\"type\":\"record\",\"name\":\"Feedback\",\"namespace\":\"io.orderstream\",\"fields\":[]}\n",
        "{\"type\":\"array\",\"items\":\"null\"}\n\u{1}",
    ];
    own.chain(foreign.iter().map(|text| text.as_bytes().to_vec())).collect()
}
