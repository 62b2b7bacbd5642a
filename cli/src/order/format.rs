//! Orders as TM Forum writes them: what the projection knows, handed to the one place that knows the standards' words.
use anyhow::{Context, bail};
use domain::inventory::Product;
use domain::order::{Order, Values};
use domain::plan::ServiceOrder;
use domain::{ItemId, Json, OrderKey, ProductId, Reason, TaskId, Timestamp};
use projection::Projection;
use projection::query::{OrderView, ProductFilter};
use projection::rows::{
    CaseRow, ItemRow, JsonText, ProductRow, ServiceOrderRow, SubmissionOutcome, SubmissionRow, TaskRow,
};
use schemas::tmf::json::{self, Node};
use schemas::tmf::{Contract, out};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::exit::Misplaced;

/// As what an order is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The product order.
    Tmf622,
    /// The service orders that it was decomposed into, as a list.
    Tmf641,
    /// The products that it last changed, as a list.
    Tmf637,
}

/// Which version of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Version {
    #[value(name = "4")]
    V4,
    #[value(name = "5")]
    V5,
}

impl Version {
    fn out(self) -> out::Version {
        match self {
            Version::V4 => out::Version::V4,
            Version::V5 => out::Version::V5,
        }
    }
}

/// Everything that is needed to write an order down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub view: OrderView,
    /// The one in force.
    pub submission: Option<SubmissionRow>,
    /// Those that the order last changed.
    pub products: Vec<ProductRow>,
}

/// Reads an order with its document and its products; `None` where there is none of this key.
///
/// # Errors
/// The projection cannot be read.
pub async fn read(projection: &Projection, key: &OrderKey) -> anyhow::Result<Option<Answer>> {
    let Some(view) = projection.order(key).await? else { return Ok(None) };
    let submission = projection.submission(key, view.order.submission).await?;
    let mut products = Vec::new();
    let mut filter =
        ProductFilter { order_key: Some(key.clone()), limit: usize::MAX, ..ProductFilter::default() };
    loop {
        let page = projection.products(filter.clone()).await?;
        products.extend(page.rows);
        match page.next {
            Some(next) => filter.after = Some(next),
            None => return Ok(Some(Answer { view, submission, products })),
        }
    }
}

/// Whether there is such a version of the format.
///
/// # Errors
/// There is none; which one there is.
pub fn check(format: Format, version: Option<Version>) -> Result<(), Misplaced> {
    match (format, version) {
        (Format::Tmf641, Some(Version::V5)) => {
            Err(Misplaced("TMF641 is written in its version 4 alone; leave --tmf-version out".into()))
        }
        _ => Ok(()),
    }
}

/// An order in a format. `version`: where none is given, the one that the order came in, else 5.
///
/// # Errors
/// There is no such version of the format; the order's document is not among what the projection keeps.
pub fn render(answer: &Answer, format: Format, version: Option<Version>) -> anyhow::Result<Node> {
    check(format, version)?;
    let came_in_v4 = answer.view.order.contract == Contract::Tmf622V4.name();
    let default = if came_in_v4 { Version::V4 } else { Version::V5 };
    let style = out::Style::of(version.unwrap_or(default).out());
    let view = order_view(answer)?;
    match format {
        Format::Tmf622 => Ok(out::product_order(&view, &style)),
        Format::Tmf641 => Ok(Node::List(out::service_orders(&view, &style))),
        Format::Tmf637 => {
            let products = answer.products.iter().map(|row| {
                let view = product_view(row, &view, answer)?;
                Ok(out::product(&view, &style))
            });
            Ok(Node::List(products.collect::<anyhow::Result<_>>()?))
        }
    }
}

/// An order's documents, to stand in one list with those of others. `version`: 5 where none is given, so that the list is of one.
///
/// # Errors
/// As [`render`].
pub fn documents(answer: &Answer, format: Format, version: Option<Version>) -> anyhow::Result<Vec<Node>> {
    let default = match format {
        Format::Tmf622 | Format::Tmf637 => Some(Version::V5),
        Format::Tmf641 => None,
    };
    Ok(match render(answer, format, version.or(default))? {
        Node::List(documents) => documents,
        one @ (Node::Object(_) | Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_)) => vec![one],
    })
}

/// What the projection knows of an order, as the standards' side wants it.
///
/// # Errors
/// The order's document is not kept, or cannot be read by this version.
pub fn order_view(answer: &Answer) -> anyhow::Result<out::OrderView> {
    let Answer { view, submission, .. } = answer;
    let key = &view.order.key;
    let submission =
        submission.as_ref().with_context(|| format!("the document of order \"{key}\" is not kept"))?;
    let order: Order =
        parsed(&submission.snapshot).with_context(|| format!("document of order \"{key}\""))?;
    let items = view.items.iter().map(|row| {
        let products: Vec<ProductId> = parsed(&row.products)?;
        Ok((row.item_id.clone(), out::ItemView { state: row.state, products }))
    });
    let service_orders = view.service_orders.iter().map(|row| service_order(row, &view.tasks));
    let open = view.case_list.iter().filter(|case| case.is_open);
    Ok(out::OrderView {
        order,
        state: view.order.state,
        captured_at: view.order.captured_at.0,
        ended_at: view.order.ended_at.map(|at| at.0),
        stuck_since: view.order.stuck_since.filter(|_| view.order.stuck).map(|at| at.0),
        refusal: refusal(submission)?,
        items: items.collect::<anyhow::Result<_>>()?,
        milestones: milestones(&view.items, &view.tasks)?,
        cases: open.map(|row| case(row, &view.tasks)).collect(),
        service_orders: service_orders.collect::<anyhow::Result<_>>()?,
    })
}

fn parsed<T: DeserializeOwned>(text: &JsonText) -> anyhow::Result<T> {
    serde_json::from_str(text.text()).context("what the projection keeps could not be read")
}

/// By name, numbers by their digits.
fn values(text: &JsonText) -> anyhow::Result<Values> {
    let node = json::parse(text.text()).map_err(|fault| anyhow::anyhow!(fault.message));
    let Node::Object(members) = node.context("values that the projection keeps could not be read")? else {
        bail!("values that the projection keeps are no object");
    };
    members.into_iter().map(|(name, node)| Ok((name, Json::try_from(node.to_json())?))).collect()
}

fn refusal(submission: &SubmissionRow) -> anyhow::Result<Option<out::RefusalView>> {
    match submission.outcome {
        SubmissionOutcome::Rejected | SubmissionOutcome::NotDecomposed => {}
        SubmissionOutcome::Pending | SubmissionOutcome::Validated | SubmissionOutcome::RevisionRefused => {
            return Ok(None);
        }
    }
    let reasons: Vec<Reason> = parsed(&submission.reasons)?;
    let at = submission.decided_at.unwrap_or(submission.received_at).0;
    Ok(Some(out::RefusalView { at, reasons }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reached {
    milestone: String,
    task_id: TaskId,
    at: String,
}

/// Those of the plan, in the sequence of the work, with the time at which they were last reached.
fn milestones(items: &[ItemRow], tasks: &[TaskRow]) -> anyhow::Result<Vec<out::MilestoneView>> {
    let mut reached: Vec<Reached> = Vec::new();
    for item in items {
        reached.extend(parsed::<Vec<Reached>>(&item.milestones)?);
    }
    let of_task = |task: &TaskRow| {
        let name = task.milestone.clone()?;
        let found = reached.iter().rfind(|one| one.task_id == task.id && one.milestone == name);
        Some(out::MilestoneView {
            task_id: task.id,
            item_id: task.item_id.clone(),
            service_order: task.service_order,
            reached_at: found.and_then(|one| Timestamp::parse(&one.at)),
            name,
        })
    };
    Ok(tasks.iter().filter_map(of_task).collect())
}

fn case(row: &CaseRow, tasks: &[TaskRow]) -> out::CaseView {
    let task = row.task_id.and_then(|id| tasks.iter().find(|task| task.id == id));
    out::CaseView {
        id: row.id,
        item_id: row.item_id.clone(),
        service_order: task.map(|task| task.service_order),
        normalized_code: row.normalized_code.clone(),
        customer_message: row.customer_message.clone(),
        detection: row.detection,
        system: row.failure_system.clone(),
        code: row.failure_code.clone(),
        message: row.failure_message.clone(),
        at: row.failure_at.0,
    }
}

fn service_order(row: &ServiceOrderRow, tasks: &[TaskRow]) -> anyhow::Result<out::ServiceOrderView> {
    let own = || tasks.iter().filter(|task| task.service_order == row.id);
    Ok(out::ServiceOrderView {
        service_order: ServiceOrder {
            id: row.id,
            item_id: row.item_id.clone(),
            kind: row.kind,
            specification: row.specification.clone(),
            parent: row.parent,
            characteristics: values(&row.characteristics)?,
        },
        state: row.state,
        started_at: own().filter_map(|task| task.started_at).min().map(|at| at.0),
        updated_at: row.updated_at.0,
        product: own().find_map(|task| task.product.clone()),
    })
}

fn product_view(
    row: &ProductRow,
    order: &out::OrderView,
    answer: &Answer,
) -> anyhow::Result<out::ProductView> {
    let item = order.order.item(&row.item_id);
    let own = |one: &&out::ServiceOrderView| one.product.as_ref() == Some(&row.id);
    let account =
        item.and_then(|item| item.billing_account.as_ref()).or(order.order.billing_account.as_ref());
    let name = answer.view.items.iter().find(|item| item.item_id == row.item_id);
    Ok(out::ProductView {
        product: Product {
            id: row.id.clone(),
            state: row.state,
            version: row.version,
            offering: row.offering.clone(),
            specification: row.specification.clone(),
            catalog_version: row.catalog_version.clone(),
            characteristics: values(&row.characteristics)?,
            customer: row.customer.clone(),
            order_key: row.order_key.clone(),
            item_id: row.item_id.clone(),
            started_at: row.started_at.map(|at| at.0),
            terminated_at: row.terminated_at.map(|at| at.0),
            changed_at: row.changed_at.0,
        },
        name: name.and_then(|item| item.offering_name.clone()),
        billing_account: account.cloned(),
        prices: item.map(|item| item.prices.clone()).unwrap_or_default(),
        relationships: relationships(&row.id, &row.item_id, order),
        realised_by: order.service_orders.iter().filter(own).map(|one| one.service_order.clone()).collect(),
    })
}

/// What the requester said between items holds between their products: of as many units on both sides one to one, else with each.
fn relationships(id: &ProductId, item_id: &ItemId, order: &out::OrderView) -> Vec<(String, ProductId)> {
    let products = |item: &ItemId| order.items.get(item).map_or(&[][..], |item| item.products.as_slice());
    let (own, mut found) = (products(item_id), Vec::new());
    let unit = own.iter().position(|product| product == id);
    for relation in order.order.item(item_id).iter().flat_map(|item| &item.relationships) {
        let others = products(&relation.target);
        let meant = match unit {
            Some(unit) if own.len() == others.len() => &others[unit..=unit],
            Some(_) | None => others,
        };
        found.extend(meant.iter().map(|other| (relation.kind.clone(), other.clone())));
    }
    found
}
