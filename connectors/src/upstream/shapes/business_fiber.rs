//! Business fiber with static IP, router, installation and subscription: config/catalog/business-fiber.toml.
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::upstream::document::{DraftItem, DraftPrice};
use crate::upstream::shape::{Shape, Step};

/// Everything, as a bundle.
pub(super) const FULL: Shape = Shape {
    name: "businessConnect",
    fill: |draft, rng| {
        draft.items = vec![
            bundle(&["2", "3", "4", "5", "6"]),
            fiber(rng),
            static_ip(rng),
            router(rng),
            installation(rng),
            subscription(),
        ];
    },
    steps: &[
        Step { item: "6", command: "createBillingAccount", after: &[] },
        Step { item: "6", command: "createSubscription", after: &[0] },
        Step { item: "4", command: "reserveRouter", after: &[] },
        Step { item: "4", command: "shipRouter", after: &[1, 2] },
        Step { item: "5", command: "scheduleInstallation", after: &[] },
        Step { item: "5", command: "performInstallation", after: &[3, 4] },
        Step { item: "2", command: "activateFiber", after: &[5] },
        Step { item: "3", command: "activateStaticIp", after: &[6] },
        Step { item: "4", command: "configureRouter", after: &[3, 6, 7] },
    ],
    optional: &["3"],
    needs: &[("3", "2"), ("4", "2"), ("5", "2")],
    feasibility_asked: true,
    several: false,
    mixed: true,
};

/// Without a router; so nothing but the address itself is lost when it cannot be activated.
pub(super) const WITH_STATIC_IP: Shape = Shape {
    name: "fiberWithStaticIp",
    fill: |draft, rng| {
        draft.items = vec![
            bundle(&["2", "3", "5", "6"]),
            fiber(rng),
            static_ip(rng),
            installation(rng),
            subscription(),
        ];
    },
    steps: &[
        Step { item: "6", command: "createBillingAccount", after: &[] },
        Step { item: "6", command: "createSubscription", after: &[0] },
        Step { item: "5", command: "scheduleInstallation", after: &[] },
        Step { item: "5", command: "performInstallation", after: &[2] },
        Step { item: "2", command: "activateFiber", after: &[3] },
        Step { item: "3", command: "activateStaticIp", after: &[4] },
    ],
    optional: &["3"],
    needs: &[("3", "2"), ("5", "2")],
    feasibility_asked: true,
    several: false,
    mixed: true,
};

/// No bundle: two items that know nothing of one another.
pub(super) const PLAIN: Shape = Shape {
    name: "fiber",
    fill: |draft, rng| draft.items = vec![fiber(rng), subscription()],
    steps: &[
        Step { item: "6", command: "createBillingAccount", after: &[] },
        Step { item: "6", command: "createSubscription", after: &[0] },
        Step { item: "2", command: "activateFiber", after: &[] },
    ],
    optional: &[],
    needs: &[],
    feasibility_asked: true,
    several: false,
    mixed: true,
};

fn bundle(members: &[&'static str]) -> DraftItem {
    DraftItem {
        id: "1",
        quantity: 1,
        offering: ("businessConnect", "Business Connect"),
        specification: None,
        characteristics: Vec::new(),
        prices: Vec::new(),
        relations: members.iter().map(|member| ("bundles", *member)).collect(),
    }
}

fn monthly(id: &'static str, cents: u32, discount: Option<(&'static str, u32)>) -> DraftPrice {
    DraftPrice { id: Some(id), name: "MonthlyFee", period: Some("month"), cents, discount }
}

fn fiber(rng: &mut ChaCha8Rng) -> DraftItem {
    let bandwidth = [100, 250, 500, 1_000, 10_000][rng.random_range(0..5)];
    let discount = rng.random::<bool>().then_some(("WelcomeDiscount", 20));
    DraftItem {
        id: "2",
        quantity: 1,
        offering: ("businessFiber", "Business Fiber"),
        specification: Some(("businessFiber", "Business Fiber", "1")),
        characteristics: vec![
            ("bandwidthMbps", json!(bandwidth)),
            ("serviceAddress", json!(format!("{} Harbour Road", rng.random_range(1..400)))),
        ],
        prices: vec![
            DraftPrice {
                id: Some("businessFiberSetup"),
                name: "Setup Fee",
                period: None,
                cents: 9_900,
                discount: None,
            },
            monthly("businessFiberMonthly", 7_990, discount),
        ],
        relations: Vec::new(),
    }
}

fn static_ip(rng: &mut ChaCha8Rng) -> DraftItem {
    DraftItem {
        id: "3",
        quantity: 1,
        offering: ("staticIp", "Static IP"),
        specification: Some(("staticIp", "Static IP", "1")),
        characteristics: vec![("addresses", json!([1, 2, 4, 8][rng.random_range(0..4)]))],
        prices: vec![monthly("staticIpMonthly", 500, None)],
        relations: vec![("requires", "2")],
    }
}

fn router(rng: &mut ChaCha8Rng) -> DraftItem {
    DraftItem {
        id: "4",
        quantity: 1,
        offering: ("managedRouter", "Managed Router"),
        specification: Some(("managedRouter", "Managed Router", "1")),
        characteristics: vec![("model", json!(["standard", "premium"][rng.random_range(0..2)]))],
        prices: vec![monthly("managedRouterMonthly", 690, None)],
        relations: vec![("requires", "2")],
    }
}

fn installation(rng: &mut ChaCha8Rng) -> DraftItem {
    DraftItem {
        id: "5",
        quantity: 1,
        offering: ("installation", "Installation"),
        specification: Some(("installation", "Installation", "1")),
        characteristics: vec![
            ("installationDate", json!(format!("2099-03-{:02}", rng.random_range(1..29)))),
            ("contactPhone", json!("+49 1555 0123456")),
        ],
        prices: vec![DraftPrice {
            id: None,
            name: "Installation Fee",
            period: None,
            cents: 4_900,
            discount: None,
        }],
        relations: vec![("requires", "2")],
    }
}

fn subscription() -> DraftItem {
    DraftItem {
        id: "6",
        quantity: 1,
        offering: ("businessSubscription", "Business Subscription"),
        specification: Some(("subscription", "Subscription", "1")),
        characteristics: vec![("termMonths", json!(24))],
        prices: vec![monthly("businessSubscriptionMonthly", 990, None)],
        relations: Vec::new(),
    }
}
