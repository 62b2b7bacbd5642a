//! Which contract a request came in.
use domain::ReasonCode;

use super::json::Node;
use super::{Unreadable, unreadable};

/// How to answer; nothing else depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contract {
    Tmf622V4,
    Tmf622V5,
    /// The project's own Avro record.
    OrderstreamV1,
}

impl Contract {
    /// As the order carries it.
    pub fn name(self) -> &'static str {
        match self {
            Contract::Tmf622V4 => "tmf622-v4",
            Contract::Tmf622V5 => "tmf622-v5",
            Contract::OrderstreamV1 => "orderstream-v1",
        }
    }
}

/// What a media type says: `tmf622-v4` or `tmf622-v5` anywhere in it.
///
/// # Errors
/// It names another version of TMF622.
pub(super) fn hinted(media_type: Option<&str>) -> Result<Option<Contract>, Unreadable> {
    let media_type = media_type.unwrap_or_default().to_ascii_lowercase();
    let Some((_, version)) = media_type.split_once("tmf622-v") else { return Ok(None) };
    match version.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default() {
        "4" => Ok(Some(Contract::Tmf622V4)),
        "5" => Ok(Some(Contract::Tmf622V5)),
        other => {
            let other = &other[..other.len().min(8)];
            let message = format!("the media type names TMF622 v{other}; v4 and v5 are read");
            Err(unreadable(ReasonCode::ContractUnsupported, message))
        }
    }
}

/// By what is in the document: `externalId` as text (v4) or list (v5); else flat or wrapped parties and channels, and the name of the order's date.
pub(super) fn recognised(document: &Node) -> Contract {
    match document.get("externalId") {
        Some(Node::Text(_)) => return Contract::Tmf622V4,
        Some(Node::List(_)) => return Contract::Tmf622V5,
        Some(Node::Null | Node::Bool(_) | Node::Number(_) | Node::Object(_)) | None => {}
    }
    let entries = |name: &str| match document.get(name) {
        Some(Node::List(nodes)) => nodes.as_slice(),
        _ => &[],
    };
    let wrapped = |node: &&Node| node.get("partyOrPartyRole").or(node.get("channel")).is_some();
    let flat = |node: &&Node| node.get("id").is_some();
    let all: Vec<&Node> = entries("relatedParty").iter().chain(entries("channel")).collect();
    let named = |name: &str| usize::from(document.get(name).is_some());
    let v5 = all.iter().copied().filter(wrapped).count() + named("creationDate") + named("orderRelationship");
    let v4 = all.iter().copied().filter(|node| flat(node) && !wrapped(node)).count() + named("orderDate");
    if v4 > v5 { Contract::Tmf622V4 } else { Contract::Tmf622V5 }
}
