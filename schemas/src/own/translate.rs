//! An Avro order request becomes an order; pointers are into the request's record shown as JSON.
use domain::limits::{
    ITEM_CHARACTERISTICS_MAX, ITEM_PRICES_MAX, ITEM_QUANTITY_MAX, ITEM_RELATIONSHIPS_MAX, NOTE_BYTES_MAX,
    ORDER_ITEMS_MAX, ORDER_NOTES_MAX, ORDER_WAITS_MAX, TEXT_BYTES_MAX, VALUE_BYTES_MAX,
};
use domain::order::{
    AgreedPrice, Characteristic, Dates, ItemAction, ItemRelationship, OfferingRef, Order, OrderItem,
    PriceAlteration, PriceKind, Priority, ProductRef, SpecificationRef,
};
use domain::{
    CatalogVersion, Currency, ItemId, Json, Money, OrderKey, ProductId, ReasonCode, RequestId, Timestamp,
};
use rust_decimal::Decimal;

use super::{
    OrderRequest, RequestedAction, RequestedAlteration, RequestedItem, RequestedMoney, RequestedPrice,
};
use crate::tmf::{
    Contract, Findings, Translated, Unreadable, bound_parts, check_size, decimal_of, key_of, kind_of,
};

/// As much of the request as can be read, and all that is wrong with it. `bytes` is the record as it came, for its size and its digest.
///
/// # Errors
/// [`Unreadable`]: the request is larger than [`domain::limits::REQUEST_BYTES_MAX`].
pub fn translate(request: &OrderRequest, bytes: &[u8]) -> Result<Translated, Unreadable> {
    check_size(bytes)?;
    let mut findings = Findings::default();
    let found = &mut findings;
    let request_id =
        request.request_id.as_deref().and_then(|id| text(id, "/requestId", found)).map(RequestId);
    let key = key_of(&request.requester, &request.reference_type, &request.reference, "/reference");
    for (name, part) in [
        ("requester", &request.requester),
        ("referenceType", &request.reference_type),
        ("reference", &request.reference),
    ] {
        if part.trim().is_empty() {
            found.add(ReasonCode::FieldMissing, format!("/{name}"), format!("\"{name}\" is empty"));
        }
    }
    let items = cut(&request.items, ORDER_ITEMS_MAX, "/items", found);
    if items.is_empty() {
        found.add(
            ReasonCode::ItemsMissing,
            "/items",
            format!("an order has between 1 and {ORDER_ITEMS_MAX} items"),
        );
    }
    let item = |(index, requested), found: &mut Findings| item(requested, &format!("/items/{index}"), found);
    let mut translated: Vec<OrderItem> =
        items.iter().enumerate().map(|requested| item(requested, found)).collect();
    bound_parts(&mut translated, "/items", found);
    let order = Order {
        key: key.clone().unwrap_or_else(|_| OrderKey(String::new())),
        request_id: request_id.clone().unwrap_or_else(|| RequestId::of_payload(bytes)),
        order_version: 1,
        revision: option(&request.revision, "/revision", found),
        catalog_version: CatalogVersion(String::new()),
        contract: Contract::OrderstreamV1.name().to_owned(),
        requester: text(&request.requester, "/requester", found).unwrap_or_default(),
        external_id: option(&request.external_id, "/externalId", found),
        category: option(&request.category, "/category", found),
        description: request
            .description
            .as_deref()
            .map(|note| bounded(note, NOTE_BYTES_MAX, "/description", found)),
        priority: priority(request.priority, found),
        channel: option(&request.channel, "/channel", found),
        dates: dates(request, found),
        billing_account: option(&request.billing_account, "/billingAccount", found),
        parties: cut(&request.parties, ORDER_NOTES_MAX, "/parties", found).to_vec(),
        notes: cut(&request.notes, ORDER_NOTES_MAX, "/notes", found).to_vec(),
        items: translated,
        follows: follows(request, found),
        carried: None,
    };
    let findings = findings.finish();
    Ok(Translated { request_id, key, order, findings, contract: Contract::OrderstreamV1 })
}

fn dates(request: &OrderRequest, findings: &mut Findings) -> Dates {
    let mut date = |name: &str, at: Option<Timestamp>| {
        if at.is_some_and(|at| !at.is_date()) {
            let message =
                "outside of the years 1 to 9999, counted in milliseconds from the beginning of 1970";
            findings.add(ReasonCode::DateInvalid, format!("/{name}"), message);
        }
        at.filter(|at| at.is_date())
    };
    Dates {
        requested: date("requested", request.requested),
        requested_start: date("requestedStart", request.requested_start),
        requested_completion: date("requestedCompletion", request.requested_completion),
        effective: date("effective", request.effective),
        billing_effective: date("billingEffective", request.billing_effective),
        service_effective: date("serviceEffective", request.service_effective),
        contract_effective: date("contractEffective", request.contract_effective),
        requested_start_pointer: request.requested_start.map(|_| "/requestedStart".to_owned()),
        requested_completion_pointer: request.requested_completion.map(|_| "/requestedCompletion".to_owned()),
        ..Dates::default()
    }
}

fn priority(level: Option<i32>, findings: &mut Findings) -> Priority {
    let Some(level) = level else { return Priority::default() };
    u8::try_from(level).ok().and_then(Priority::new).unwrap_or_else(|| {
        findings.add(
            ReasonCode::PriorityInvalid,
            "/priority",
            format!("expected 0 (highest) to 4 (lowest), found {level}"),
        );
        Priority::default()
    })
}

fn follows(request: &OrderRequest, findings: &mut Findings) -> Vec<OrderKey> {
    let mut keys: Vec<OrderKey> = Vec::new();
    for (index, key) in cut(&request.follows, ORDER_WAITS_MAX, "/follows", findings).iter().enumerate() {
        let key = OrderKey(key.clone());
        if !key.is_well_formed() {
            findings.add(ReasonCode::OrderKeyInvalid, format!("/follows/{index}"), "not the key of an order");
        } else if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

fn item(requested: &RequestedItem, pointer: &str, findings: &mut Findings) -> OrderItem {
    let at = |name: &str| format!("{pointer}/{name}");
    let found = findings;
    let id = text(&requested.id, &at("id"), found);
    if id.is_none() {
        found.add(ReasonCode::FieldMissing, at("id"), "\"id\" is empty");
    }
    let offering = option(&requested.offering, &at("offering"), found);
    let specification = option(&requested.specification, &at("specification"), found);
    let product = option(&requested.product, &at("product"), found);
    let offering_name = option(&requested.offering_name, &at("offeringName"), found);
    let specification_version = option(&requested.specification_version, &at("specificationVersion"), found);
    let product_version =
        requested.product_version.and_then(|version| count(version, &at("productVersion"), found));
    OrderItem {
        // An item without an id is named by its place, so that it is not also taken for a repeated one.
        id: ItemId(id.unwrap_or_else(|| pointer.to_owned())),
        action: action(requested.action, &at("action"), found),
        quantity: quantity(requested.quantity, &at("quantity"), found),
        offering: offering.map(|id| OfferingRef { id, name: offering_name, pointer: at("offering") }),
        specification: specification.map(|id| SpecificationRef {
            id,
            version: specification_version,
            pointer: at("specification"),
        }),
        product: product.map(|id| ProductRef {
            id: ProductId(id),
            version: product_version,
            pointer: at("product"),
        }),
        characteristics: characteristics(requested, pointer, found),
        parent: option(&requested.parent, &at("parent"), found).map(ItemId),
        relationships: relationships(requested, pointer, found),
        prices: prices(&requested.prices, pointer, found),
        billing_account: option(&requested.billing_account, &at("billingAccount"), found),
        pointer: pointer.to_owned(),
        carried: None,
    }
}

fn action(action: RequestedAction, pointer: &str, findings: &mut Findings) -> ItemAction {
    match action {
        RequestedAction::Add => ItemAction::Add,
        RequestedAction::Modify => ItemAction::Modify,
        RequestedAction::Delete => ItemAction::Delete,
        RequestedAction::NoChange => ItemAction::NoChange,
        RequestedAction::Unknown => {
            findings.add(
                ReasonCode::ItemActionUnknown,
                pointer,
                "expected add, modify, delete or noChange, found a word of a newer contract",
            );
            ItemAction::NoChange
        }
    }
}

fn quantity(quantity: Option<i64>, pointer: &str, findings: &mut Findings) -> u32 {
    let Some(asked) = quantity else { return 1 };
    let taken = u32::try_from(asked).ok().filter(|quantity| (1..=ITEM_QUANTITY_MAX).contains(quantity));
    taken.unwrap_or_else(|| {
        let message = format!("expected a whole number from 1 to {ITEM_QUANTITY_MAX}, found {asked}");
        findings.add(ReasonCode::QuantityInvalid, pointer, message);
        1
    })
}

fn characteristics(requested: &RequestedItem, pointer: &str, findings: &mut Findings) -> Vec<Characteristic> {
    let pointer = format!("{pointer}/characteristics");
    let mut characteristics = Vec::new();
    for (index, given) in
        cut(&requested.characteristics, ITEM_CHARACTERISTICS_MAX, &pointer, findings).iter().enumerate()
    {
        let pointer = format!("{pointer}/{index}");
        let name = text(&given.name, &format!("{pointer}/name"), findings);
        let place = format!("{pointer}/value");
        if given.value.len() > VALUE_BYTES_MAX {
            let message = format!("{} bytes of JSON; at most {VALUE_BYTES_MAX} are taken", given.value.len());
            findings.add(ReasonCode::FieldTooLong, place, message);
            continue;
        }
        // Parsed to a value, so that numbers which nobody can compute with are refused as well.
        let value = serde_json::from_str::<serde_json::Value>(&given.value)
            .and_then(|_| Json::try_from(given.value.clone()));
        match (name, value) {
            (Some(name), Ok(value)) => characteristics.push(Characteristic { name, value, pointer }),
            (None, _) => {
                findings.add(ReasonCode::FieldMissing, format!("{pointer}/name"), "\"name\" is empty")
            }
            (Some(_), Err(e)) => {
                findings.add(ReasonCode::FieldInvalid, place, format!("expected JSON text: {e}"))
            }
        }
    }
    characteristics
}

fn relationships(requested: &RequestedItem, pointer: &str, findings: &mut Findings) -> Vec<ItemRelationship> {
    let pointer = format!("{pointer}/relationships");
    let given = cut(&requested.relationships, ITEM_RELATIONSHIPS_MAX, &pointer, findings);
    let mut relationships = Vec::new();
    for (index, given) in given.iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        let kind = text(&given.kind, &format!("{pointer}/kind"), findings);
        let target = text(&given.target, &format!("{pointer}/target"), findings);
        match (kind, target) {
            (Some(kind), Some(target)) => {
                relationships.push(ItemRelationship { kind, target: ItemId(target), pointer })
            }
            _ => findings.add(ReasonCode::FieldMissing, pointer, "\"kind\" and \"target\" are both needed"),
        }
    }
    relationships
}

fn prices(prices: &[RequestedPrice], pointer: &str, findings: &mut Findings) -> Vec<AgreedPrice> {
    let pointer = format!("{pointer}/prices");
    let translate = |(index, price): (usize, &RequestedPrice), findings: &mut Findings| {
        let pointer = format!("{pointer}/{index}");
        let at = |name: &str| format!("{pointer}/{name}");
        let name = option(&price.name, &at("name"), findings);
        AgreedPrice {
            reference: option(&price.reference, &at("reference"), findings).or_else(|| name.clone()),
            name,
            kind: kind(price.kind.as_deref(), &at("kind"), findings),
            period: option(&price.period, &at("period"), findings),
            amount: price.amount.as_ref().and_then(|amount| money(amount, &at("amount"), findings)),
            amount_with_tax: price
                .amount_with_tax
                .as_ref()
                .and_then(|amount| money(amount, &at("amountWithTax"), findings)),
            alterations: alterations(&price.alterations, &at("alterations"), findings),
            pointer,
        }
    };
    let given = cut(prices, ITEM_PRICES_MAX, &pointer, findings);
    given.iter().enumerate().map(|price| translate(price, findings)).collect()
}

fn alterations(
    given: &[RequestedAlteration],
    pointer: &str,
    findings: &mut Findings,
) -> Vec<PriceAlteration> {
    let mut alterations = Vec::new();
    for (index, given) in cut(given, ITEM_PRICES_MAX, pointer, findings).iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        let at = |name: &str| format!("{pointer}/{name}");
        alterations.push(PriceAlteration {
            name: option(&given.name, &at("name"), findings),
            kind: kind(given.kind.as_deref(), &at("kind"), findings),
            percentage: given
                .percentage
                .as_deref()
                .and_then(|digits| decimal(digits, &at("percentage"), findings)),
            amount: given.amount.as_ref().and_then(|amount| money(amount, &at("amount"), findings)),
            duration_periods: given
                .duration_periods
                .and_then(|count_| count(count_, &at("durationPeriods"), findings)),
            pointer,
        });
    }
    alterations
}

fn kind(word: Option<&str>, pointer: &str, findings: &mut Findings) -> Option<PriceKind> {
    let kind = kind_of(word?);
    if kind.is_none() {
        findings.add(ReasonCode::FieldInvalid, pointer, "expected oneTime, recurring or usage");
    }
    kind
}

fn money(given: &RequestedMoney, pointer: &str, findings: &mut Findings) -> Option<Money> {
    let amount = decimal(&given.amount, &format!("{pointer}/amount"), findings);
    let currency = Currency::new(&given.currency);
    if currency.is_none() {
        let code = if given.currency.is_empty() {
            ReasonCode::PriceCurrencyMissing
        } else {
            ReasonCode::FieldInvalid
        };
        findings.add(
            code,
            format!("{pointer}/currency"),
            "expected a currency of three upper-case letters, such as EUR",
        );
    }
    Some(Money { amount: amount?, currency: currency? })
}

fn decimal(digits: &str, pointer: &str, findings: &mut Findings) -> Option<Decimal> {
    let number = decimal_of(digits);
    if number.is_none() {
        findings.add(
            ReasonCode::FieldInvalid,
            pointer,
            "expected decimal text of at most 28 digits, such as 0.99",
        );
    }
    number
}

fn count(given: i64, pointer: &str, findings: &mut Findings) -> Option<u32> {
    let count = u32::try_from(given).ok();
    if count.is_none() {
        findings.add(
            ReasonCode::FieldInvalid,
            pointer,
            format!("expected a whole number of at least 0, found {given}"),
        );
    }
    count
}

fn option(given: &Option<String>, pointer: &str, findings: &mut Findings) -> Option<String> {
    text(given.as_deref()?, pointer, findings)
}

/// Text within its limit; empty text is as good as none.
fn text(given: &str, pointer: &str, findings: &mut Findings) -> Option<String> {
    Some(bounded(given, TEXT_BYTES_MAX, pointer, findings)).filter(|text| !text.trim().is_empty())
}

fn bounded(given: &str, max: usize, pointer: &str, findings: &mut Findings) -> String {
    if given.len() > max {
        findings.add(
            ReasonCode::FieldTooLong,
            pointer,
            format!("{} bytes; at most {max} are taken", given.len()),
        );
    }
    if given.contains('\0') {
        findings.add(ReasonCode::FieldInvalid, pointer, "the text holds a NUL character; leave it out");
    }
    given[..given.floor_char_boundary(max)].to_owned()
}

fn cut<'l, T>(given: &'l [T], max: usize, pointer: &str, findings: &mut Findings) -> &'l [T] {
    if given.len() > max {
        findings.add(
            ReasonCode::TooMany,
            pointer,
            format!("{} entries; at most {max} are taken", given.len()),
        );
    }
    &given[..given.len().min(max)]
}
