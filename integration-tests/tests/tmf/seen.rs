//! What the projection knows after some of the records of a run, and everything that is written of it.
use cli::order::format::{self, Answer, Format, Version};
use domain::Timestamp;
use domain::inventory::{ProductChanged, ProductReportRefused};
use integration_tests::scenario::memory::InMemoryWorld;
use integration_tests::scenario::{Outcome, Scenario, run, shipped_catalog};
use projection::query::OrderFilter;
use projection::{Applied, Projected, Projection};
use runtime::Record;
use schemas::codec::Codec;
use schemas::tmf::json::Node;
use schemas::topics;
use serde_json::Value;
use topology::SubTopology;

use crate::definitions::{self, Definitions};

/// A scenario's records, in memory.
pub fn ran(scenario: &Scenario) -> (InMemoryWorld, Outcome) {
    let catalog = shipped_catalog().unwrap();
    let mut world = InMemoryWorld::new(SubTopology::defaults(), &catalog, scenario.started_at()).unwrap();
    let outcome = run(&mut world, scenario, &catalog).unwrap();
    (world, outcome)
}

/// A query side of its own, which is told of records one part after another.
pub struct Seen {
    projection: Projection,
    _directory: tempfile::TempDir,
}

impl Seen {
    pub async fn new() -> Seen {
        let directory = tempfile::tempdir().unwrap();
        let projection = Projection::open_file(&directory.path().join("projection.db")).await.unwrap();
        Seen { projection, _directory: directory }
    }

    pub async fn apply(&self, codec: &Codec, records: &[Record]) {
        let shown =
            |record: &&Record| matches!(&*record.topic, topics::ORDER_EVENTS | topics::PRODUCT_EVENTS);
        let applied = records.iter().filter(shown).map(|record| Applied {
            topic: record.topic.to_string(),
            partition: 0,
            offset: record.offset,
            at: Timestamp(record.timestamp_ms),
            event: projected(codec, record),
        });
        self.projection.apply(applied.collect()).await.unwrap();
    }

    /// Every order that there is.
    pub async fn answers(&self) -> Vec<Answer> {
        let page = self
            .projection
            .orders(OrderFilter { limit: usize::MAX, ..OrderFilter::default() })
            .await
            .unwrap();
        assert!(page.next.is_none(), "more orders than a page takes");
        let mut answers = Vec::new();
        for row in page.rows {
            answers.push(format::read(&self.projection, &row.key).await.unwrap().unwrap());
        }
        answers
    }
}

fn projected(codec: &Codec, record: &Record) -> Projected {
    let value = record.value.as_deref().unwrap();
    if &*record.topic == topics::ORDER_EVENTS {
        return Projected::Order(codec.decode_event(value).unwrap());
    }
    match codec.record_name(value).unwrap() {
        "ProductChanged" => {
            Projected::ProductChanged(Box::new(codec.decode::<ProductChanged>(value).unwrap()))
        }
        _ => Projected::ProductReportRefused(Box::new(codec.decode::<ProductReportRefused>(value).unwrap())),
    }
}

/// Everything that is written of an order, and what TM Forum says against it.
#[derive(Default)]
pub struct Written {
    pub documents: usize,
    pub faults: Vec<String>,
}

impl Written {
    pub fn take(&mut self, answer: &Answer) {
        for (version, out) in
            [(Version::V4, schemas::tmf::out::Version::V4), (Version::V5, schemas::tmf::out::Version::V5)]
        {
            // A refused order without items cannot be written as v4 or v5 want it: both require one.
            if !answer.view.items.is_empty() {
                self.check(answer, Format::Tmf622, version, definitions::tmf622(out), "ProductOrder");
            }
            self.check(answer, Format::Tmf637, version, definitions::tmf637(out), "Product");
        }
        self.check(answer, Format::Tmf641, Version::V4, &definitions::TMF641, "ServiceOrder");
    }

    fn check(
        &mut self,
        answer: &Answer,
        format: Format,
        version: Version,
        against: &Definitions,
        name: &str,
    ) {
        for document in documents(answer, format, version) {
            self.documents += 1;
            let document: Value = serde_json::from_str(&document.to_json()).unwrap();
            for fault in against.faults(name, &document) {
                let order = &answer.view.order;
                self.faults
                    .push(format!("{format:?} {version:?} of {} ({:?}): {fault}", order.key, order.state));
            }
        }
    }
}

pub fn documents(answer: &Answer, format: Format, version: Version) -> Vec<Node> {
    format::documents(answer, format, Some(version)).unwrap()
}
