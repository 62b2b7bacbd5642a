//! Triple play, mobile lines, DSL and the lean offering: config/catalog/residential.toml, mobile.toml, dsl.toml, benchmark.toml.
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::upstream::document::{DraftItem, DraftPrice};
use crate::upstream::shape::{Shape, Step};

pub(super) const TRIPLE_PLAY: Shape = Shape {
    name: "triplePlay",
    fill: |draft, rng| draft.items = triple_play(rng, false),
    steps: &[
        Step { item: "2", command: "assignAccessPort", after: &[] },
        Step { item: "2", command: "activateHomeAccess", after: &[0] },
        Step { item: "2", command: "startCharges", after: &[1] },
        Step { item: "3", command: "activateTv", after: &[1] },
        Step { item: "3", command: "startCharges", after: &[3] },
        Step { item: "4", command: "activateVoice", after: &[1] },
        Step { item: "4", command: "startCharges", after: &[5] },
    ],
    optional: &["3", "4"],
    needs: &[("3", "2"), ("4", "2")],
    feasibility_asked: true,
    several: false,
    mixed: true,
};

/// The telephone number comes from another operator.
pub(super) const TRIPLE_PLAY_PORTED: Shape = Shape {
    name: "triplePlayPorted",
    fill: |draft, rng| draft.items = triple_play(rng, true),
    steps: &[
        Step { item: "2", command: "assignAccessPort", after: &[] },
        Step { item: "2", command: "activateHomeAccess", after: &[0] },
        Step { item: "2", command: "startCharges", after: &[1] },
        Step { item: "3", command: "activateTv", after: &[1] },
        Step { item: "3", command: "startCharges", after: &[3] },
        Step { item: "4", command: "portNumber", after: &[] },
        Step { item: "4", command: "activateVoice", after: &[1, 5] },
        Step { item: "4", command: "startCharges", after: &[5, 6] },
    ],
    ..TRIPLE_PLAY
};

const SINGLE: Shape = Shape {
    name: "",
    fill: |_, _| {},
    steps: &[],
    optional: &[],
    needs: &[],
    feasibility_asked: false,
    several: true,
    mixed: true,
};

pub(super) const MOBILE: Shape = Shape {
    name: "mobile",
    fill: |draft, rng| {
        let gigabytes = rng.random_range(1..=100);
        draft.items = vec![mobile(vec![("simType", json!("eSim")), ("dataGb", json!(gigabytes))])];
    },
    steps: &[
        Step { item: "1", command: "assignSim", after: &[] },
        Step { item: "1", command: "activateMobileLine", after: &[0] },
        Step { item: "1", command: "startCharges", after: &[1] },
    ],
    ..SINGLE
};

pub(super) const MOBILE_WITH_CARD: Shape = Shape {
    name: "mobileWithCard",
    fill: |draft, rng| {
        let address = json!(format!("{} Mill Lane", rng.random_range(1..200)));
        draft.items = vec![mobile(vec![("simType", json!("physical")), ("shippingAddress", address)])];
    },
    steps: &[
        Step { item: "1", command: "assignSim", after: &[] },
        Step { item: "1", command: "activateMobileLine", after: &[0] },
        Step { item: "1", command: "shipSim", after: &[0] },
        Step { item: "1", command: "startCharges", after: &[1, 2] },
    ],
    ..SINGLE
};

pub(super) const DSL: Shape = Shape {
    name: "dsl",
    fill: |draft, rng| draft.items = vec![dsl(rng)],
    steps: &[
        Step { item: "1", command: "verifyAdslService", after: &[] },
        Step { item: "1", command: "assignPort", after: &[0] },
        Step { item: "1", command: "shipModem", after: &[0] },
        Step { item: "1", command: "activateDslam", after: &[1, 2] },
    ],
    ..SINGLE
};

/// To measure with; never among others.
pub(super) const W6: Shape = Shape {
    name: "W6",
    fill: |draft, _| draft.items = vec![item("1", "W6", "Workload of six tasks", Vec::new(), Vec::new())],
    steps: &[
        Step { item: "1", command: "w6Step1", after: &[] },
        Step { item: "1", command: "w6Step2", after: &[0] },
        Step { item: "1", command: "w6Step3", after: &[1] },
        Step { item: "1", command: "w6Step4", after: &[2] },
        Step { item: "1", command: "w6Step5", after: &[3] },
        Step { item: "1", command: "w6Step6", after: &[4] },
    ],
    mixed: false,
    ..SINGLE
};

/// The offering's specification bears its name.
fn item(
    id: &'static str,
    offering: &'static str,
    name: &'static str,
    characteristics: Vec<(&'static str, Value)>,
    prices: Vec<DraftPrice>,
) -> DraftItem {
    DraftItem {
        id,
        quantity: 1,
        offering: (offering, name),
        specification: Some((offering, name, "1")),
        characteristics,
        prices,
        relations: Vec::new(),
    }
}

fn monthly(id: &'static str, cents: u32) -> DraftPrice {
    DraftPrice { id: Some(id), name: "MonthlyFee", period: Some("month"), cents, discount: None }
}

fn triple_play(rng: &mut ChaCha8Rng, ported: bool) -> Vec<DraftItem> {
    let bundle = DraftItem {
        specification: None,
        relations: vec![("bundles", "2"), ("bundles", "3"), ("bundles", "4")],
        ..item("1", "triplePlay", "Home Triple Play", Vec::new(), Vec::new())
    };
    let line = vec![
        ("bandwidthMbps", json!([50, 100, 250, 500, 1_000][rng.random_range(0..5)])),
        ("serviceAddress", json!(format!("{} Garden Street", rng.random_range(1..300)))),
    ];
    let internet =
        item("2", "homeInternet", "Home Internet", line, vec![monthly("homeInternetMonthly", 3_990)]);
    let package = json!(["basic", "sports", "cinema", "all"][rng.random_range(0..4)]);
    let tv = item(
        "3",
        "homeTv",
        "Home TV",
        vec![("channelPackage", package)],
        vec![monthly("homeTvMonthly", 1_290)],
    );
    let number = json!(format!("+49 30 {:07}", rng.random_range(0..10_000_000)));
    let telephone = vec![("phoneNumber", number), ("portIn", json!(ported))];
    let voice = item("4", "homeVoice", "Home Voice", telephone, vec![monthly("homeVoiceMonthly", 490)]);
    vec![bundle, internet, tv, DraftItem { relations: vec![("requires", "2")], ..voice }]
}

fn mobile(characteristics: Vec<(&'static str, Value)>) -> DraftItem {
    let price = DraftPrice { discount: Some(("FamilyDiscount", 30)), ..monthly("mobileLineMonthly", 1_990) };
    item("1", "mobileLine", "Mobile Line", characteristics, vec![price])
}

fn dsl(rng: &mut ChaCha8Rng) -> DraftItem {
    let characteristics = vec![
        ("bandwidthMbps", json!([3, 5, 10, 16, 50][rng.random_range(0..5)])),
        ("serviceAddress", json!(format!("{} Old Post Road", rng.random_range(1..500)))),
        ("modemModel", json!("wifi")),
    ];
    let modem =
        DraftPrice { id: Some("dslModem"), name: "Modem", period: None, cents: 2_900, discount: None };
    item("1", "dslInternet", "DSL Internet", characteristics, vec![monthly("dslMonthly", 1_990), modem])
}
