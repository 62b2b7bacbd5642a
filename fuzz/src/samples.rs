//! Inputs that decoders accept, made from what is in the repository and in the contracts.
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use schemas::codec::{Codec, StateCodec};
use schemas::contracts::{self, Contract};
use schemas::own::{self, OrderRequest, RequestedAction, RequestedItem};
use schemas::registry::{LocalIds, SchemaIds};
use schemas::topics;

/// Both codecs, on ids that every contract has from the beginning.
pub struct Codecs {
    pub records: Codec,
    pub states: StateCodec,
    ids: Arc<dyn SchemaIds>,
}

/// Shared by all targets of a process; codecs learn ids, and forget nothing.
pub static CODECS: LazyLock<Codecs> = LazyLock::new(|| {
    let ids: Arc<dyn SchemaIds> = Arc::new(LocalIds::in_memory());
    for contract in contracts::all().iter().chain(contracts::states()) {
        ids.id_of("", &contract.json).expect("ids in memory are always given");
    }
    Codecs { records: Codec::new(ids.clone()), states: StateCodec::new(ids.clone()), ids }
});

impl Codecs {
    /// The id under which a contract's schema is known.
    pub fn id_of(&self, contract: &Contract) -> u32 {
        self.ids.id_of("", &contract.json).expect("ids in memory are always given")
    }
}

fn files(below: &str, extension: &str) -> Vec<Vec<u8>> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(below);
    let entries = std::fs::read_dir(&directory).expect("a folder of this repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    let bytes = paths.iter().map(|path| std::fs::read(path).expect("a readable file"));
    bytes.filter(|bytes| bytes.len() <= crate::INPUT_BYTES_MAX).collect()
}

/// The official TMF622 payloads, and the malformed and odd ones of our own.
pub fn documents() -> Vec<Vec<u8>> {
    let mut documents = files("integration-tests/tmf-examples/TMF622-v5", "json");
    documents.extend(files("integration-tests/bad-input", "json"));
    documents
}

/// The shipped files of the catalog.
pub fn catalogs() -> Vec<Vec<u8>> {
    files("config/catalog", "toml")
}

/// The shipped settings.
pub fn settings() -> Vec<Vec<u8>> {
    files("config", "toml")
}

/// The shipped scenarios of the simulated downstream.
pub fn scenarios() -> Vec<Vec<u8>> {
    files("connectors/scenarios", "toml")
}

/// Container files: one request, two, none.
pub fn containers() -> Vec<Vec<u8>> {
    let item = RequestedItem {
        id: "1".into(),
        action: RequestedAction::Add,
        offering: Some("dslInternet".into()),
        ..RequestedItem::default()
    };
    let request = OrderRequest {
        requester: "WEBSHOP".into(),
        reference_type: "orderNumber".into(),
        reference: "7".into(),
        items: vec![item],
        ..OrderRequest::default()
    };
    let lists = [vec![request.clone()], vec![request.clone(), request], Vec::new()];
    lists
        .iter()
        .map(|list| own::container::write(list).expect("our own contract carries our own type"))
        .collect()
}

/// For the whole line: which topic (by its place in [`crate::targets::line::TOPICS`]), and the value of a record there.
pub fn records() -> Vec<Vec<u8>> {
    let mut records: Vec<Vec<u8>> =
        documents().into_iter().map(|document| [vec![0], document].concat()).collect();
    for (place, topic) in crate::targets::line::TOPICS.iter().enumerate() {
        let declared = topics::topic(topic).map_or(&[][..], |topic| topic.records);
        let of_topic = crate::targets::codec::TYPES.iter().filter(|kind| declared.contains(&kind.name));
        records.extend(of_topic.map(|kind| [vec![place as u8], (kind.framed)(0)].concat()));
    }
    records
}
