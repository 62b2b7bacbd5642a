//! The projection on real database files.
mod atomic;
mod hostile;
mod lists;
mod rows;
mod story;

use std::path::Path;

use projection::{Applied, Projection};
use serde_json::{Value, json};

async fn open(folder: &Path) -> Projection {
    Projection::open_file(&folder.join("projection.db")).await.unwrap()
}

/// A projection of these records, in a folder that lives as long as the test.
async fn projected(records: Vec<Applied>) -> (tempfile::TempDir, Projection) {
    let folder = tempfile::tempdir().unwrap();
    let projection = open(folder.path()).await;
    projection.apply(records).await.unwrap();
    (folder, projection)
}

/// Everything that can be seen of these orders and of the whole.
async fn seen(projection: &Projection, orders: &[&str]) -> Value {
    let mut views = Vec::new();
    for name in orders {
        views.push(projection.order(&story::key(name)).await.unwrap());
        views.last_mut().iter_mut().for_each(|view| assert!(view.is_some(), "order {name}"));
    }
    let summary = projection.summary().await.unwrap();
    let products = projection.products(Default::default()).await.unwrap();
    let cases = projection.cases(Default::default()).await.unwrap();
    json!({ "orders": views, "summary": summary, "products": products, "cases": cases,
        "positions": format!("{:?}", projection.positions().await.unwrap()) })
}
