//! What the inventory is told: one report per product instance of an item.
use domain::catalog::FailedProduct;
use domain::inventory::{ProductRequest, ProductRequestKind, ServiceReport};
use domain::order::{ItemAction, Values};
use domain::plan::PlannedTask;
use domain::{ItemId, ProductId};

use super::Output;
use super::state::ItemPlan;
use super::step::Step;

/// The first task of the item was sent.
pub(super) fn started(step: &mut Step<'_>, id: &ItemId) {
    let Some(plan) = step.item_plan(id) else { return };
    match plan.planned.action {
        ItemAction::Add => report_all(step, &plan, ServiceReport::Started),
        ItemAction::Delete => report_all(step, &plan, ServiceReport::TerminationStarted),
        // An active product stays active while it is changed.
        ItemAction::Modify | ItemAction::NoChange => (),
    }
}

/// The item is done: reported only now, since a unit is not what was bought before all of its item works.
pub(super) fn completed(step: &mut Step<'_>, id: &ItemId) {
    let Some(plan) = step.item_plan(id) else { return };
    match plan.planned.action {
        ItemAction::Add | ItemAction::Modify => report_all(step, &plan, ServiceReport::Completed),
        ItemAction::Delete => report_all(step, &plan, ServiceReport::Terminated),
        ItemAction::NoChange => (),
    }
}

/// The item failed for good. What never was active is aborted; what was, is ended or stays as it was, as the catalog has it.
pub(super) fn failed(step: &mut Step<'_>, id: &ItemId) {
    let Some(plan) = step.item_plan(id) else { return };
    match plan.planned.action {
        ItemAction::Add => report_all(step, &plan, ServiceReport::Failed),
        ItemAction::Modify if failed_product(step, &plan) == FailedProduct::PendingTerminate => {
            report_all(step, &plan, ServiceReport::FailedPendingTerminate);
        }
        // A product whose ending failed is still to be ended, if that had begun; else it is what it was.
        ItemAction::Modify | ItemAction::Delete | ItemAction::NoChange => (),
    }
}

/// Without an offering no rule is known: only the change is given up, since ending a product cannot be taken back.
fn failed_product(step: &Step<'_>, plan: &ItemPlan) -> FailedProduct {
    let offering =
        step.world.catalog.zip(plan.ordered.as_ref()).and_then(|(catalog, item)| catalog.offering_of(item));
    offering.map_or(FailedProduct::Aborted, |offering| offering.failed_product)
}

/// A report of one task: about its own product, or about all of its item where it works on no particular one.
pub(super) fn of_task(step: &mut Step<'_>, planned: &PlannedTask, report: ServiceReport) {
    let Some(plan) = step.item_plan(&planned.item_id) else { return };
    match &planned.product {
        Some(product) => tell(step, &plan, product, report),
        None => report_all(step, &plan, report),
    }
}

fn report_all(step: &mut Step<'_>, plan: &ItemPlan, report: ServiceReport) {
    for product in &plan.planned.products {
        tell(step, plan, product, report);
    }
}

fn tell(step: &mut Step<'_>, plan: &ItemPlan, product: &ProductId, report: ServiceReport) {
    let ordered = plan.ordered.as_ref();
    let sold = step.world.catalog.zip(ordered).and_then(|(catalog, item)| catalog.specification_of(item));
    let named = ordered.and_then(|item| item.specification.as_ref());
    let specification = sold.map(|it| it.id.clone()).or_else(|| named.map(|it| it.id.clone()));
    let changed = match report {
        ServiceReport::Started | ServiceReport::Completed => {
            ordered.map(|item| item.characteristics.as_slice())
        }
        ServiceReport::PartialActivation
        | ServiceReport::Suspended
        | ServiceReport::Resumed
        | ServiceReport::FailedPendingTerminate
        | ServiceReport::Failed
        | ServiceReport::TerminationStarted
        | ServiceReport::Terminated
        | ServiceReport::Cancelled => None,
    };
    let characteristics = changed.unwrap_or_default().iter().map(|it| (it.name.clone(), it.value.clone()));
    let request = ProductRequest {
        product_id: product.clone(),
        kind: ProductRequestKind::Report,
        order_key: step.key.clone(),
        item_id: plan.planned.item_id.clone(),
        report: Some(report),
        expected_version: None,
        offering: ordered.and_then(|item| item.offering.as_ref()).map(|offering| offering.id.clone()),
        specification,
        catalog_version: Some(step.head.catalog_version.clone()),
        customer: step.head.customer.clone(),
        characteristics: characteristics.collect::<Values>(),
        at: step.now(),
        correlation_id: step.head.correlation_id.clone(),
        causation_id: step.arrival.id.clone(),
    };
    step.effect(Output::Product(Box::new(request)));
}
