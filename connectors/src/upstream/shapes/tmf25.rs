//! The bundle that the official examples of TMF622 v5 order: config/catalog/tmf-examples.toml.
use rand::Rng;
use serde_json::json;

use crate::upstream::document::{DraftItem, DraftPrice};
use crate::upstream::shape::{Shape, Step};

pub(super) const TMF25: Shape = Shape {
    name: "tmf25",
    fill: |draft, rng| {
        let number = json!(format!("415 279 {:04}", rng.random_range(0..10_000)));
        let coverage = json!(["Local", "National", "International"][rng.random_range(0..3)]);
        let item = |id, offering, specification| DraftItem {
            id,
            quantity: 1,
            offering,
            specification,
            characteristics: Vec::new(),
            prices: Vec::new(),
            relations: Vec::new(),
        };
        let fee = DraftPrice { id: None, name: "Access Fee", period: None, cents: 99, discount: None };
        let discount = Some(("WelcomeDiscount", 20));
        let monthly =
            DraftPrice { id: None, name: "MonthlyFee", period: Some("month"), cents: 2_000, discount };
        draft.billing_account = Some("1513".to_owned());
        draft.items = vec![
            DraftItem {
                relations: vec![("bundles", "110"), ("bundles", "120"), ("bundles", "130")],
                ..item("100", ("14277", "TMF25"), None)
            },
            DraftItem {
                characteristics: vec![("TEL_MSISDN", number)],
                prices: vec![fee],
                ..item("110", ("14305", "TMF Mobile Telephony"), Some(("14307", "Mobile Telephony", "1")))
            },
            DraftItem {
                prices: vec![monthly],
                relations: vec![("reliesOn", "110")],
                ..item("120", ("14344", "TMF Tariff Plan"), Some(("14395", "TMF Tariff plan", "1")))
            },
            DraftItem {
                characteristics: vec![("CoverageOptions", coverage)],
                relations: vec![("reliesOn", "110")],
                ..item("130", ("14354", "Coverage Options"), Some(("14353", "Coverage", "1")))
            },
        ];
    },
    steps: &[
        Step { item: "110", command: "activateTelephony", after: &[] },
        Step { item: "120", command: "createTariffPlan", after: &[0] },
        Step { item: "130", command: "setCoverage", after: &[0] },
    ],
    optional: &["130"],
    needs: &[("120", "110"), ("130", "110")],
    feasibility_asked: false,
    several: false,
    mixed: true,
};
