//! The targets, a file each.
use crate::{Target, samples};

mod catalog;
pub mod codec;
mod container;
mod control;
mod expression;
mod headers;
mod json;
pub mod line;
mod log_record;
mod pointer;
mod registry;
mod scenario;
mod settings;
mod split;
mod state;
mod tmf;

/// All there are, in the sequence in which an order meets them.
#[rustfmt::skip]
pub const TARGETS: &[Target] = &[
    Target { name: "split", proves: "every input is taken apart into documents that lie in it one after another", run: split::run, seeds: samples::documents },
    Target { name: "json", proves: "JSON is read as serde_json reads it, and written as it was read", run: json::run, seeds: samples::documents },
    Target { name: "pointer", proves: "a JSON pointer finds what serde_json finds", run: pointer::run, seeds: pointer::seeds },
    Target { name: "tmf", proves: "every document is an order with findings that point into it, or is refused in one line", run: tmf::run, seeds: samples::documents },
    Target { name: "container", proves: "a container file is read within bounds, and what is read is written and read the same", run: container::run, seeds: samples::containers },
    Target { name: "control", proves: "a request line is one, or is refused", run: control::run, seeds: control::seeds },
    Target { name: "headers", proves: "header values are text of bounded length, or are refused", run: headers::run, seeds: headers::seeds },
    Target { name: "codec", proves: "a record that is read is written and read the same", run: codec::run, seeds: codec::seeds },
    Target { name: "state", proves: "a state that is read is written and read the same", run: state::run, seeds: state::seeds },
    Target { name: "registry", proves: "whatever schema a registry gives for an id, reading ends", run: registry::run, seeds: registry::seeds },
    Target { name: "logRecord", proves: "the bytes of the embedded log are a record, or damaged", run: log_record::run, seeds: log_record::seeds },
    Target { name: "line", proves: "any record on any topic is processed, or is a dead letter with its reason", run: line::run, seeds: samples::records },
    Target { name: "catalog", proves: "a catalog's file is a catalog that survives publishing, or has findings of one line each", run: catalog::run, seeds: samples::catalogs },
    Target { name: "expression", proves: "an expression has a value, or an error", run: expression::run, seeds: expression::seeds },
    Target { name: "scenario", proves: "a scenario that is read is written and read the same", run: scenario::run, seeds: samples::scenarios },
    Target { name: "settings", proves: "a settings file is taken, or is refused with its name", run: settings::run, seeds: samples::settings },
];
