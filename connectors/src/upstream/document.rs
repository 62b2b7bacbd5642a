//! TMF622 documents, v4 and v5, from a draft. Equal drafts give equal bytes.
use domain::{OrderKey, Timestamp};
use serde_json::{Value, json};

/// The contracts that requesters use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    V4,
    V5,
}

/// Who orders by v5: the owner and the type of the order's external identifier.
const OWNER_V5: &str = "WEBSHOP";
const REFERENCE_TYPE_V5: &str = "orderNumber";
/// Who orders by v4: the party of the role seller names the requester, and `externalId` is plain text.
const SELLER_V4: &str = "PARTNER-7";
const REFERENCE_TYPE_V4: &str = "externalId";
/// The currency of every price.
const CURRENCY: &str = "EUR";

/// One order, before it is written in one of the contracts.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub contract: Contract,
    /// The requester's reference.
    pub reference: String,
    /// `None`: not said.
    pub priority: Option<u8>,
    pub start: Option<Timestamp>,
    /// RFC 3339.
    pub completion: String,
    pub customer: String,
    pub billing_account: Option<String>,
    pub items: Vec<DraftItem>,
    pub follows: Vec<OrderKey>,
}

#[derive(Clone, Debug)]
pub(super) struct DraftItem {
    pub id: &'static str,
    pub quantity: u32,
    /// Id and name.
    pub offering: (&'static str, &'static str),
    /// Id, name and version; absent for a mere bundle.
    pub specification: Option<(&'static str, &'static str, &'static str)>,
    pub characteristics: Vec<(&'static str, Value)>,
    pub prices: Vec<DraftPrice>,
    /// Kind and target.
    pub relations: Vec<(&'static str, &'static str)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct DraftPrice {
    /// The catalog's id of the price; `None`: it is referred to by its name.
    pub id: Option<&'static str>,
    pub name: &'static str,
    /// `month` for a recurring price; `None`: it is paid once.
    pub period: Option<&'static str>,
    pub cents: u32,
    /// Name and percentage of a discount.
    pub discount: Option<(&'static str, u32)>,
}

impl Draft {
    /// The order key as the anti-corruption layer has to make it.
    pub fn key(&self) -> OrderKey {
        match self.contract {
            Contract::V4 => OrderKey::from_reference(SELLER_V4, REFERENCE_TYPE_V4, &self.reference),
            Contract::V5 => OrderKey::from_reference(OWNER_V5, REFERENCE_TYPE_V5, &self.reference),
        }
    }

    pub fn media_type(&self) -> &'static str {
        match self.contract {
            Contract::V4 => "application/json;profile=tmf622-v4",
            Contract::V5 => "application/json;profile=tmf622-v5",
        }
    }

    pub fn to_json(&self) -> Value {
        let mut order = json!({ "@type": "ProductOrder", "category": "generated" });
        order["externalId"] = match self.contract {
            Contract::V4 => json!(self.reference),
            Contract::V5 => json!([{
                "@type": "ExternalIdentifier", "owner": OWNER_V5,
                "externalIdentifierType": REFERENCE_TYPE_V5, "id": self.reference,
            }]),
        };
        if let Some(priority) = self.priority {
            order["priority"] = json!(priority.to_string());
        }
        if let Some(start) = self.start {
            order["requestedStartDate"] = json!(start.to_string());
        }
        order["requestedCompletionDate"] = json!(self.completion);
        order["channel"] = match self.contract {
            Contract::V4 => json!([{ "id": "1", "name": "Online channel", "role": "capture" }]),
            Contract::V5 => json!([{
                "@type": "RelatedChannel", "role": "capture",
                "channel": { "@type": "ChannelRef", "id": "1", "name": "Online channel" },
            }]),
        };
        if let Some(account) = &self.billing_account {
            order["billingAccount"] = json!({ "id": account });
        }
        order["productOrderItem"] = self.items.iter().map(DraftItem::to_json).collect();
        if !self.follows.is_empty() {
            let relation = |key: &OrderKey| json!({ "relationshipType": "dependsOn", "id": key.as_str() });
            order["productOrderRelationship"] = self.follows.iter().map(relation).collect();
        }
        order["relatedParty"] = json!([
            self.party("Seller", SELLER_V4, "Organization"),
            self.party("Customer", &self.customer, "Customer")
        ]);
        order
    }

    fn party(&self, role: &str, id: &str, kind: &str) -> Value {
        match self.contract {
            Contract::V4 => json!({ "id": id, "role": role, "@referredType": kind }),
            Contract::V5 => json!({
                "@type": "RelatedPartyRefOrPartyRoleRef", "role": role,
                "partyOrPartyRole": { "@type": "PartyRef", "id": id, "@referredType": kind },
            }),
        }
    }
}

impl DraftItem {
    fn to_json(&self) -> Value {
        let mut item =
            json!({ "@type": "ProductOrderItem", "id": self.id, "quantity": self.quantity, "action": "add" });
        let (id, name) = self.offering;
        item["productOffering"] = json!({ "id": id, "name": name });
        if !self.prices.is_empty() {
            item["itemPrice"] = self.prices.iter().map(|price| price.to_json()).collect();
        }
        if self.specification.is_some() || !self.characteristics.is_empty() {
            let mut product = json!({ "@type": "Product", "isBundle": false });
            if let Some((id, name, version)) = self.specification {
                product["productSpecification"] = json!({ "id": id, "name": name, "version": version });
            }
            let characteristic = |(name, value): &(&str, Value)| json!({ "name": name, "value": value });
            product["productCharacteristic"] = self.characteristics.iter().map(characteristic).collect();
            item["product"] = product;
        }
        if !self.relations.is_empty() {
            let relation = |(kind, target): &(&str, &str)| json!({ "relationshipType": kind, "id": target });
            item["productOrderItemRelationship"] = self.relations.iter().map(relation).collect();
        }
        item
    }
}

impl DraftPrice {
    fn to_json(self) -> Value {
        let amount = || json!({ "unit": CURRENCY, "value": f64::from(self.cents) / 100.0 });
        let kind = if self.period.is_some() { "recurring" } else { "nonRecurring" };
        let mut price = json!({
            "@type": "OrderPrice", "name": self.name, "priceType": kind,
            "price": { "@type": "Price", "taxRate": 0, "dutyFreeAmount": amount(), "taxIncludedAmount": amount() },
        });
        if let Some(id) = self.id {
            price["productOfferingPrice"] = json!({ "id": id });
        }
        if let Some(period) = self.period {
            price["recurringChargePeriod"] = json!(period);
        }
        if let Some((name, percentage)) = self.discount {
            price["priceAlteration"] = json!([{
                "@type": "PriceAlteration", "name": name, "priceType": kind, "applicationDuration": 3,
                "price": { "@type": "Price", "percentage": percentage },
            }]);
        }
        price
    }
}
