//! Who takes part, and who pays.
use domain::order::Party;

use super::Style;
use super::object::{Object, text};
use crate::tmf::json::Node;
use crate::tmf::order::{PARTY_KIND_UNSPECIFIED, PARTY_ROLE_UNSPECIFIED};

/// The kinds of party that are parties by themselves; every other is a role that a party plays (`Customer`, `Supplier`).
const PARTIES: [&str; 3] = ["Individual", "Organization", PARTY_KIND_UNSPECIFIED];

/// v4 requires the kind of every party: one that was given without is called by the name that all kinds share.
pub(super) fn related(parties: &[Party], style: &Style) -> Vec<Node> {
    parties
        .iter()
        .map(|party| if style.is_v5() { wrapped(party) } else { flat(party, Object::new()) })
        .collect()
}

/// As TMF641 has it: v4, with its type named.
pub(super) fn typed(parties: &[Party]) -> impl Iterator<Item = Node> {
    parties.iter().map(|party| flat(party, Object::named("RelatedParty")))
}

fn role(party: &Party) -> Option<&str> {
    Some(party.role.as_str()).filter(|role| *role != PARTY_ROLE_UNSPECIFIED)
}

fn flat(party: &Party, object: Object) -> Node {
    object
        .put("id", text(&party.id))
        .text("name", party.name.as_deref())
        .text("role", role(party))
        .put("@referredType", text(party.kind.as_deref().unwrap_or(PARTY_KIND_UNSPECIFIED)))
        .done()
}

fn wrapped(party: &Party) -> Node {
    let is_party = party.kind.as_deref().is_none_or(|kind| PARTIES.contains(&kind));
    let inner = Object::named(if is_party { "PartyRef" } else { "PartyRoleRef" })
        .put("id", text(&party.id))
        .text("name", party.name.as_deref())
        .text("@referredType", party.kind.as_deref())
        .done();
    Object::named("RelatedPartyRefOrPartyRoleRef")
        .text("role", role(party))
        .put("partyOrPartyRole", inner)
        .done()
}

/// A customer of whom only the id is known.
pub(super) fn customer(id: &str, style: &Style) -> Node {
    let customer = Party {
        role: "Customer".to_owned(),
        id: id.to_owned(),
        name: None,
        kind: Some("Customer".to_owned()),
    };
    if !style.is_v5() {
        return flat(&customer, Object::new());
    }
    // In a product it is called otherwise than in an order.
    let inner =
        Object::named("PartyRoleRef").put("id", text(id)).put("@referredType", text("Customer")).done();
    Object::named("RelatedPartyOrPartyRole")
        .text("role", role(&customer))
        .put("partyOrPartyRole", inner)
        .done()
}

pub(super) fn account(id: &str, style: &Style) -> Node {
    Object::typed(style, "BillingAccountRef").put("id", text(id)).done()
}
