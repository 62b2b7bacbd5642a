//! Every record on topics: a byte that chooses the record by its place in [`TYPES`], and a body of it.
use domain::command::{Command, Feedback};
use domain::downstream::{DownstreamHealth, DownstreamObserved};

use domain::inventory::{ProductChanged, ProductReportRefused, ProductRequest};
use domain::order::event::*;
use schemas::codec::Recorded;
use schemas::contracts::{self, Contract};
use schemas::heartbeat::Heartbeat;
use schemas::own::OrderRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::samples::CODECS;

/// A record and its type.
pub struct Kind {
    pub name: &'static str,
    check: fn(&[u8]),
    /// A sample, framed; the round chooses what it holds.
    pub framed: fn(usize) -> Vec<u8>,
}

/// The bytes in front of the body.
const FRAME_BYTES: usize = schemas::codec::frame::FRAME_BYTES;
/// As many different samples of each record.
const SAMPLES_EACH: usize = 2;

pub(super) fn contract(contracts: &'static [&'static Contract], name: &str) -> &'static Contract {
    contracts.iter().find(|contract| contract.name == name).expect("every record has a contract")
}

fn check<T: Recorded + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(framed: &[u8]) {
    let _ = CODECS.records.decode_shown(framed);
    let Ok(read) = CODECS.records.decode::<T>(framed) else { return };
    let written = CODECS.records.encode("", &read).expect("what was read can be written");
    assert_eq!(CODECS.records.decode::<T>(&written).expect("what was written can be read"), read);
}

fn sample<T: Recorded + Serialize + DeserializeOwned>(round: usize) -> Vec<u8> {
    let sample = schemas::testing::sample(contract(contracts::all(), T::NAME), round);
    let typed: T = serde_json::from_value(sample).expect("type and contract say the same");
    CODECS.records.encode("", &typed).expect("a sample can be written")
}

macro_rules! kinds {
    ($($kind:ident)+) => {
        &[$(Kind { name: stringify!($kind), check: check::<$kind>, framed: sample::<$kind> }),+]
    };
}

/// Every record there is; a test compares it with the contracts.
pub const TYPES: &[Kind] = kinds! {
    OrderCaptured RequestIgnored OrderValidated OrderRejected RevisionRefused FeasibilityAsked FeasibilityUnanswered
    OrderDecomposed DecompositionFailed OrderStateChanged ItemStateChanged TaskStateChanged ServiceOrderStateChanged
    MilestoneReached FeedbackIgnored WaitFailed FalloutDetected FalloutClassified FalloutResolved OrderMarkedStuck
    OrderRequest OrderSignal BillingIntent Notification Command Feedback ProductRequest ProductChanged
    ProductReportRefused DownstreamObserved DownstreamHealth Heartbeat
};

pub(super) fn run(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let kind = &TYPES[usize::from(*choice) % TYPES.len()];
    let mut framed =
        schemas::codec::frame::head(CODECS.id_of(contract(contracts::all(), kind.name))).to_vec();
    framed.extend_from_slice(body);
    (kind.check)(&framed);
    // And as it is: a frame of its own, whatever it says.
    (kind.check)(bytes);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (place, kind) in TYPES.iter().enumerate() {
        for round in 0..SAMPLES_EACH {
            seeds.push([&[place as u8], &(kind.framed)(round)[FRAME_BYTES..]].concat());
        }
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_but_the_catalog_is_tried() {
        let missing =
            contracts::SOURCES.iter().filter(|(name, _)| TYPES.iter().all(|kind| kind.name != *name));
        // A published catalog is text, and has a target of its own.
        assert_eq!(missing.map(|(name, _)| *name).collect::<Vec<_>>(), ["CatalogPublished"]);
    }
}
