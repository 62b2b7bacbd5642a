//! Every member that is ever written, and which of them are read: what `docs/standards-fields.md` is made of, and what tests hold
//! against the documents themselves.

/// A standard that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    Tmf622,
    Tmf641,
    Tmf637,
}

impl Standard {
    pub const ALL: [Standard; 3] = [Standard::Tmf622, Standard::Tmf641, Standard::Tmf637];

    pub fn title(self) -> &'static str {
        match self {
            Standard::Tmf622 => "TMF622 Product Ordering: `ProductOrder`",
            Standard::Tmf641 => "TMF641 Service Ordering: `ServiceOrder`",
            Standard::Tmf637 => "TMF637 Product Inventory: `Product`",
        }
    }
}

/// In which versions a member is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum In {
    V4,
    V5,
    Both,
}

/// What becomes of a member of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Taken,
    /// As everything that is not in the table: carried along, and written back in the contract that it came in.
    Carried,
    /// It may be there, and nothing depends on it.
    Ignored,
}

/// One member. In `path`, a dot leads into an object or into each object of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub standard: Standard,
    pub path: &'static str,
    pub written: In,
    pub read: Read,
    /// Where its value comes from.
    pub about: &'static str,
}

use In::{Both, V4, V5};
use Read::{Carried, Ignored, Taken};
use Standard::{Tmf622, Tmf637, Tmf641};

macro_rules! fields {
    ($($standard:ident $path:literal $written:ident $read:ident $about:literal;)+) => {
        pub const FIELDS: &[Field] = &[$(
            Field { standard: $standard, path: $path, written: $written, read: $read, about: $about },
        )+];
    };
}

// `@type` stands in every object of v5 and is left out here; see the page.
#[rustfmt::skip]
fields! {
    Tmf622 "id" Both Taken "written: the order key. Read: the requester's own id of the order, and its key where there is no `externalId`";
    Tmf622 "href" Both Ignored "where the order is found";
    Tmf622 "externalId" V4 Taken "the reference, as text; the requester is the party of the role requester, submitter, seller or customer, the first there is";
    Tmf622 "externalId.owner" V5 Taken "the requester; the first entry makes the key";
    Tmf622 "externalId.externalIdentifierType" V5 Taken "what kind of reference it is";
    Tmf622 "externalId.id" V5 Taken "the reference";
    Tmf622 "state" Both Ignored "the table below";
    Tmf622 "category" Both Taken "as said";
    Tmf622 "description" Both Taken "as said";
    Tmf622 "priority" Both Taken "`0` is the highest, `4` the lowest, and `4` where none is said";
    Tmf622 "orderDate" V4 Taken "when the customer asked; where that was not said, when the order came";
    Tmf622 "creationDate" V5 Taken "when the customer asked; where that was not said, when the order came";
    Tmf622 "requestedStartDate" Both Taken "nothing is sent before it";
    Tmf622 "requestedCompletionDate" Both Taken "not before the start, and not past";
    Tmf622 "expectedCompletionDate" Both Taken "as said";
    Tmf622 "completionDate" Both Ignored "when everything was done";
    Tmf622 "cancellationDate" Both Ignored "when it was cancelled";
    Tmf622 "channel.id" V4 Taken "the first channel: its id, else its name";
    Tmf622 "channel.channel.id" V5 Taken "the first channel: its id, else its name";
    Tmf622 "billingAccount.id" Both Taken "who pays";
    Tmf622 "relatedParty.id" V4 Taken "the party";
    Tmf622 "relatedParty.name" V4 Taken "as said";
    Tmf622 "relatedParty.role" Both Taken "as said";
    Tmf622 "relatedParty.@referredType" V4 Taken "what the id is an id of; `Party` where that was not said, since v4 requires it";
    Tmf622 "relatedParty.partyOrPartyRole.id" V5 Taken "the party; a `PartyRef` for individuals and organizations, else a `PartyRoleRef`";
    Tmf622 "relatedParty.partyOrPartyRole.name" V5 Taken "as said";
    Tmf622 "relatedParty.partyOrPartyRole.@referredType" V5 Taken "what the id is an id of";
    Tmf622 "note.id" Both Ignored "counted from 1";
    Tmf622 "note.author" Both Taken "as said";
    Tmf622 "note.date" Both Taken "as said";
    Tmf622 "note.text" Both Taken "as said";
    Tmf622 "orderRelationship.relationshipType" V5 Taken "`dependsOn`, `reliesOn`, `requires` and `follows` mean: that one first; written as `dependsOn`. Others are ignored";
    Tmf622 "orderRelationship.id" V5 Taken "the key of the order that goes first";
    Tmf622 "orderRelationship.href" V5 Ignored "where it is found; read where there is no `id`";
    Tmf622 "orderRelationship.@referredType" V5 Ignored "`ProductOrder`";
    Tmf622 "productOrderRelationship.relationshipType" V4 Taken "ours: what `orderRelationship` is in v5";
    Tmf622 "productOrderRelationship.id" V4 Taken "ours";
    Tmf622 "productOrderRelationship.href" V4 Ignored "ours";
    Tmf622 "productOrderRelationship.@referredType" V4 Ignored "ours";
    Tmf622 "productOrderErrorMessage.code" Both Ignored "the reason's code, or the normalized code of a case; ours in v4, as all of it";
    Tmf622 "productOrderErrorMessage.reason" Both Ignored "what is wrong and what would be right; of a case, what the customer may be told";
    Tmf622 "productOrderErrorMessage.message" Both Ignored "of a refusal: code, JSON pointer into the request, and what is wrong";
    Tmf622 "productOrderErrorMessage.timestamp" Both Ignored "when it was refused, or failed";
    Tmf622 "productOrderErrorMessage.productOrderItem.productOrderId" Both Ignored "the order";
    Tmf622 "productOrderErrorMessage.productOrderItem.productOrderItemId" Both Ignored "the item that it is about";
    Tmf622 "productOrderErrorMessage.productOrderItem.ProductOrderHref" Both Ignored "the capital is the standard's";
    Tmf622 "productOrderMilestone.id" Both Ignored "the task that reaches it; ours in v4, as all of it";
    Tmf622 "productOrderMilestone.name" Both Ignored "as the catalog calls it";
    Tmf622 "productOrderMilestone.status" Both Ignored "`Completed`; `Yet-To-Reach`; `Violated` where the order ended without it";
    Tmf622 "productOrderMilestone.milestoneDate" Both Ignored "when it was reached";
    Tmf622 "productOrderMilestone.productOrderItem.productOrderId" Both Ignored "the order";
    Tmf622 "productOrderMilestone.productOrderItem.productOrderItemId" Both Ignored "the item";
    Tmf622 "productOrderMilestone.productOrderItem.ProductOrderHref" Both Ignored "the capital is the standard's";
    Tmf622 "productOrderJeopardyAlert.id" Both Ignored "an open case, while the order goes on; ours in v4, as all of it";
    Tmf622 "productOrderJeopardyAlert.name" Both Ignored "the normalized code of the case";
    Tmf622 "productOrderJeopardyAlert.jeopardyType" Both Ignored "what noticed it: `timeout`, `stuckOrder`, ...";
    Tmf622 "productOrderJeopardyAlert.message" Both Ignored "what the customer may be told";
    Tmf622 "productOrderJeopardyAlert.alertDate" Both Ignored "when it happened";
    Tmf622 "productOrderJeopardyAlert.productOrderItem.productOrderId" Both Ignored "the order";
    Tmf622 "productOrderJeopardyAlert.productOrderItem.productOrderItemId" Both Ignored "the item";
    Tmf622 "productOrderJeopardyAlert.productOrderItem.ProductOrderHref" Both Ignored "the capital is the standard's";
    Tmf622 "revision" Both Taken "ours: the requester's version identifier";
    Tmf622 "effectiveDate" Both Taken "ours";
    Tmf622 "billingEffectiveDate" Both Taken "ours: from when charges run";
    Tmf622 "serviceEffectiveDate" Both Taken "ours";
    Tmf622 "contractEffectiveDate" Both Taken "ours";
    Tmf622 "productOrderItem.id" Both Taken "the requester's name of the item";
    Tmf622 "productOrderItem.action" Both Taken "`add`, `modify`, `delete`, `noChange`";
    Tmf622 "productOrderItem.quantity" Both Taken "1 where none is said";
    Tmf622 "productOrderItem.state" Both Ignored "the table below";
    Tmf622 "productOrderItem.productOffering.id" Both Taken "what is sold; also read from `product`";
    Tmf622 "productOrderItem.productOffering.name" Both Taken "as said";
    Tmf622 "productOrderItem.product.id" Both Taken "the product that the item is about; for `add`, written once it is known which one it makes";
    Tmf622 "productOrderItem.product.href" Both Ignored "where the product is found";
    Tmf622 "productOrderItem.product.productVersion" Both Taken "ours: the version that the change was prepared against";
    Tmf622 "productOrderItem.product.productSpecification.id" Both Taken "as said";
    Tmf622 "productOrderItem.product.productSpecification.version" Both Taken "as said";
    Tmf622 "productOrderItem.product.productCharacteristic.name" Both Taken "as said";
    Tmf622 "productOrderItem.product.productCharacteristic.valueType" Both Ignored "what the value is";
    Tmf622 "productOrderItem.product.productCharacteristic.value" Both Taken "any JSON, numbers by their digits; v5 names its type in `@type`";
    Tmf622 "productOrderItem.product.productRelationship.relationshipType" Both Carried "the requester's own; where it gave none, `consistsOf`: the products of an item of several units";
    Tmf622 "productOrderItem.product.productRelationship.id" V5 Carried "one of them";
    Tmf622 "productOrderItem.product.productRelationship.href" V5 Carried "where it is found";
    Tmf622 "productOrderItem.product.productRelationship.product.id" V4 Carried "one of them";
    Tmf622 "productOrderItem.product.productRelationship.product.href" V4 Carried "where it is found";
    Tmf622 "productOrderItem.itemPrice.name" Both Taken "as said";
    Tmf622 "productOrderItem.itemPrice.priceType" Both Taken "`nonRecurring` (also read: `oneTime`), `recurring`, `usage`";
    Tmf622 "productOrderItem.itemPrice.recurringChargePeriod" Both Taken "as said";
    Tmf622 "productOrderItem.itemPrice.productOfferingPrice.id" Both Taken "the catalog's price; its name is read where it has no id";
    Tmf622 "productOrderItem.itemPrice.price.dutyFreeAmount.unit" Both Taken "the currency";
    Tmf622 "productOrderItem.itemPrice.price.dutyFreeAmount.value" Both Taken "by its digits";
    Tmf622 "productOrderItem.itemPrice.price.taxIncludedAmount.unit" Both Taken "the currency";
    Tmf622 "productOrderItem.itemPrice.price.taxIncludedAmount.value" Both Taken "by its digits";
    Tmf622 "productOrderItem.itemPrice.priceAlteration.name" Both Taken "as said";
    Tmf622 "productOrderItem.itemPrice.priceAlteration.priceType" Both Taken "as said; v4 requires it, and is given the price's own where none was said";
    Tmf622 "productOrderItem.itemPrice.priceAlteration.applicationDuration" Both Taken "for how many periods";
    Tmf622 "productOrderItem.itemPrice.priceAlteration.price.percentage" Both Taken "by its digits";
    Tmf622 "productOrderItem.itemPrice.priceAlteration.price.dutyFreeAmount.unit" Both Taken "the currency; `taxIncludedAmount` is read where there is none";
    Tmf622 "productOrderItem.itemPrice.priceAlteration.price.dutyFreeAmount.value" Both Taken "by its digits";
    Tmf622 "productOrderItem.billingAccount.id" Both Taken "who pays for the item";
    Tmf622 "productOrderItem.productOrderItemRelationship.relationshipType" Both Taken "the requester's word; which ones order the work is the catalog's business";
    Tmf622 "productOrderItem.productOrderItemRelationship.id" Both Taken "the other item";
    Tmf622 "productOrderItem.productOrderItem" Both Taken "items inside of an item: the same again, up to 8 deep";

    Tmf641 "id" V4 Ignored "derived from order, item and specification";
    Tmf641 "href" V4 Ignored "where it is found";
    Tmf641 "externalId" V4 Ignored "the key of the product order";
    Tmf641 "state" V4 Ignored "the table below";
    Tmf641 "category" V4 Ignored "`service`, `resource`, `billing`, `shipping`, `partner`, `manual`";
    Tmf641 "description" V4 Ignored "the product order's";
    Tmf641 "priority" V4 Ignored "the product order's";
    Tmf641 "orderDate" V4 Ignored "when the product order came";
    Tmf641 "startDate" V4 Ignored "when the first command was sent";
    Tmf641 "requestedStartDate" V4 Ignored "the product order's";
    Tmf641 "requestedCompletionDate" V4 Ignored "the product order's";
    Tmf641 "expectedCompletionDate" V4 Ignored "the product order's";
    Tmf641 "completionDate" V4 Ignored "when everything was done";
    Tmf641 "externalReference.id" V4 Ignored "the product order";
    Tmf641 "externalReference.href" V4 Ignored "where the product order is found; left out where no base address is set, since the standard wants an absolute one";
    Tmf641 "externalReference.externalReferenceType" V4 Ignored "`ProductOrder`";
    Tmf641 "externalReference.name" V4 Ignored "its key again: the standard requires a name";
    Tmf641 "orderRelationship.relationshipType" V4 Ignored "`parent`: the service order that needs this resource order";
    Tmf641 "orderRelationship.id" V4 Ignored "that service order";
    Tmf641 "orderRelationship.href" V4 Ignored "where it is found";
    Tmf641 "orderRelationship.@referredType" V4 Ignored "`ServiceOrder`";
    Tmf641 "relatedParty.id" V4 Ignored "the product order's";
    Tmf641 "relatedParty.name" V4 Ignored "the product order's";
    Tmf641 "relatedParty.role" V4 Ignored "the product order's";
    Tmf641 "relatedParty.@referredType" V4 Ignored "the product order's";
    Tmf641 "note.id" V4 Ignored "the product order's";
    Tmf641 "note.author" V4 Ignored "the product order's";
    Tmf641 "note.date" V4 Ignored "the product order's";
    Tmf641 "note.text" V4 Ignored "the product order's";
    Tmf641 "milestone.id" V4 Ignored "the task that reaches it";
    Tmf641 "milestone.name" V4 Ignored "as the catalog calls it";
    Tmf641 "milestone.status" V4 Ignored "as in TMF622";
    Tmf641 "milestone.milestoneDate" V4 Ignored "when it was reached";
    Tmf641 "jeopardyAlert.id" V4 Ignored "an open case of one of its tasks";
    Tmf641 "jeopardyAlert.name" V4 Ignored "the normalized code";
    Tmf641 "jeopardyAlert.jeopardyType" V4 Ignored "what noticed it";
    Tmf641 "jeopardyAlert.exception" V4 Ignored "the downstream system's own code";
    Tmf641 "jeopardyAlert.message" V4 Ignored "the downstream system's own words";
    Tmf641 "jeopardyAlert.alertDate" V4 Ignored "when it happened";
    Tmf641 "errorMessage.code" V4 Ignored "the normalized code of an open case, once the service order has failed";
    Tmf641 "errorMessage.reason" V4 Ignored "the system, and its own code";
    Tmf641 "errorMessage.message" V4 Ignored "the downstream system's own words";
    Tmf641 "errorMessage.timestamp" V4 Ignored "when it happened";
    Tmf641 "serviceOrderItem.id" V4 Ignored "`1`: a service order has one item";
    Tmf641 "serviceOrderItem.action" V4 Ignored "that of the product order's item";
    Tmf641 "serviceOrderItem.quantity" V4 Ignored "`1`: each unit has a service order of its own";
    Tmf641 "serviceOrderItem.state" V4 Ignored "that of the service order";
    Tmf641 "serviceOrderItem.service.id" V4 Ignored "the service order's id: there is no other name of the service here";
    Tmf641 "serviceOrderItem.service.name" V4 Ignored "the catalog's specification";
    Tmf641 "serviceOrderItem.service.serviceType" V4 Ignored "as `category`";
    Tmf641 "serviceOrderItem.service.state" V4 Ignored "the table below";
    Tmf641 "serviceOrderItem.service.serviceSpecification.id" V4 Ignored "the catalog's specification";
    Tmf641 "serviceOrderItem.service.serviceCharacteristic.name" V4 Ignored "what the plan gives the service";
    Tmf641 "serviceOrderItem.service.serviceCharacteristic.valueType" V4 Ignored "what the value is";
    Tmf641 "serviceOrderItem.service.serviceCharacteristic.value" V4 Ignored "numbers by their digits";
    Tmf641 "serviceOrderItem.service.relatedEntity.id" V4 Ignored "the product that it works on";
    Tmf641 "serviceOrderItem.service.relatedEntity.href" V4 Ignored "where the product is found";
    Tmf641 "serviceOrderItem.service.relatedEntity.role" V4 Ignored "`realizedProduct`";
    Tmf641 "serviceOrderItem.service.relatedEntity.@referredType" V4 Ignored "`Product`";

    Tmf637 "id" Both Ignored "the inventory's own id";
    Tmf637 "href" Both Ignored "where it is found";
    Tmf637 "name" Both Ignored "the name of the offering, as ordered";
    Tmf637 "status" Both Ignored "the table below";
    Tmf637 "startDate" Both Ignored "when it became active";
    Tmf637 "terminationDate" Both Ignored "when it was terminated";
    Tmf637 "productOffering.id" Both Ignored "what was sold";
    Tmf637 "productOffering.name" Both Ignored "as ordered";
    Tmf637 "productSpecification.id" Both Ignored "the catalog's";
    Tmf637 "productCharacteristic.name" Both Ignored "as it stands now";
    Tmf637 "productCharacteristic.valueType" Both Ignored "what the value is";
    Tmf637 "productCharacteristic.value" Both Ignored "numbers by their digits";
    Tmf637 "productPrice.name" Both Ignored "the agreed prices of the item that last changed it, those with kind and amount";
    Tmf637 "productPrice.priceType" Both Ignored "as agreed";
    Tmf637 "productPrice.recurringChargePeriod" Both Ignored "as agreed";
    Tmf637 "productPrice.productOfferingPrice.id" Both Ignored "the catalog's price";
    Tmf637 "productPrice.price.dutyFreeAmount.unit" Both Ignored "the currency";
    Tmf637 "productPrice.price.dutyFreeAmount.value" Both Ignored "by its digits";
    Tmf637 "productPrice.price.taxIncludedAmount.unit" Both Ignored "the currency";
    Tmf637 "productPrice.price.taxIncludedAmount.value" Both Ignored "by its digits";
    Tmf637 "productPrice.productPriceAlteration.name" V4 Ignored "as agreed";
    Tmf637 "productPrice.productPriceAlteration.priceType" V4 Ignored "as agreed";
    Tmf637 "productPrice.productPriceAlteration.applicationDuration" V4 Ignored "as agreed";
    Tmf637 "productPrice.productPriceAlteration.price.percentage" V4 Ignored "as agreed";
    Tmf637 "productPrice.productPriceAlteration.price.dutyFreeAmount.unit" V4 Ignored "as agreed";
    Tmf637 "productPrice.productPriceAlteration.price.dutyFreeAmount.value" V4 Ignored "as agreed";
    Tmf637 "productPrice.priceAlteration.name" V5 Ignored "as agreed";
    Tmf637 "productPrice.priceAlteration.priceType" V5 Ignored "as agreed";
    Tmf637 "productPrice.priceAlteration.applicationDuration" V5 Ignored "as agreed";
    Tmf637 "productPrice.priceAlteration.price.percentage" V5 Ignored "as agreed";
    Tmf637 "productPrice.priceAlteration.price.dutyFreeAmount.unit" V5 Ignored "as agreed";
    Tmf637 "productPrice.priceAlteration.price.dutyFreeAmount.value" V5 Ignored "as agreed";
    Tmf637 "productRelationship.relationshipType" Both Ignored "the requester's word between the items";
    Tmf637 "productRelationship.id" V5 Ignored "the other product";
    Tmf637 "productRelationship.href" V5 Ignored "where it is found";
    Tmf637 "productRelationship.product.id" V4 Ignored "the other product";
    Tmf637 "productRelationship.product.href" V4 Ignored "where it is found";
    Tmf637 "billingAccount.id" Both Ignored "of the item, else of the order";
    Tmf637 "productOrderItem.productOrderId" V4 Ignored "the order that last changed it";
    Tmf637 "productOrderItem.productOrderHref" V4 Ignored "where that order is found";
    Tmf637 "productOrderItem.orderId" V5 Ignored "the order that last changed it";
    Tmf637 "productOrderItem.orderHref" V5 Ignored "where that order is found";
    Tmf637 "productOrderItem.orderItemId" Both Ignored "the item that last changed it";
    Tmf637 "productOrderItem.@referredType" Both Ignored "`ProductOrder`";
    Tmf637 "relatedParty.id" V4 Ignored "the customer";
    Tmf637 "relatedParty.role" Both Ignored "`Customer`";
    Tmf637 "relatedParty.@referredType" V4 Ignored "`Customer`";
    Tmf637 "relatedParty.partyOrPartyRole.id" V5 Ignored "the customer";
    Tmf637 "relatedParty.partyOrPartyRole.@referredType" V5 Ignored "`Customer`";
    Tmf637 "realizingService.id" Both Ignored "the service order that made it, as TMF641 names it";
    Tmf637 "realizingService.name" Both Ignored "the catalog's specification";
    Tmf637 "realizingResource.id" Both Ignored "the resource order that made it";
    Tmf637 "realizingResource.name" Both Ignored "the catalog's specification";
    Tmf637 "productVersion" Both Ignored "ours: raised by every change; a change order names the one that it was prepared against";
}

/// Whether a member of this name, below `prefix`, is one of TMF622's that are read, or that are ours to say.
pub(in crate::tmf) fn names(prefix: &str, name: &str) -> bool {
    FIELDS.iter().filter(|field| field.standard == Tmf622 && field.read != Carried).any(|field| {
        let below = field.path.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(name));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}
