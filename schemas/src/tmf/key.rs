//! The order key: (requester, type, external reference), else the requester's own id of the order (domain model, "Capture").
use domain::limits::ORDER_KEY_BYTES_MAX;
use domain::order::Party;
use domain::{OrderKey, Reason, ReasonCode};

use super::json::Node;
use super::place::{Findings, Place};

/// Who is taken as the requester where the reference names none: the party of the first of these roles, compared without regard to case.
const REQUESTER_ROLES: [&str; 4] = ["requester", "submitter", "seller", "customer"];
/// And where there is no such party.
const REQUESTER_UNKNOWN: &str = "unknown";
/// The type of a reference that comes without one: v4's `externalId` is plain text.
const REFERENCE_TYPE: &str = "externalId";
/// The type of the requester's own id of the order.
pub(super) const ID_TYPE: &str = "id";

/// The most external identifiers of one order.
const REFERENCES_MAX: usize = 20;

pub(super) struct Named {
    pub key: Result<OrderKey, Reason>,
    pub requester: String,
}

/// v5: the first of `externalId` that has an id counts ("most recent system first in the list"). v4: `externalId` as text, of the requester.
pub(super) fn named(
    document: &Place<'_>,
    parties: &[Party],
    external_id: Option<&str>,
    findings: &mut Findings,
) -> Named {
    let by_role = |role: &&str| {
        parties.iter().find(|party| party.role.eq_ignore_ascii_case(role) && !party.id.is_empty())
    };
    let party = REQUESTER_ROLES.iter().find_map(by_role);
    let party = party.map_or_else(|| REQUESTER_UNKNOWN.to_owned(), |party| party.id.clone());
    let (requester, reference_type, reference) = match reference(document, findings) {
        Some((owner, reference_type, reference)) => {
            (owner.unwrap_or(party), reference_type.unwrap_or_else(|| REFERENCE_TYPE.to_owned()), reference)
        }
        None => match external_id {
            Some(id) => (party, ID_TYPE.to_owned(), id.to_owned()),
            None => {
                let message = "neither \"externalId\" nor \"id\" names the order; give \"externalId\"";
                let reason = Reason::new(ReasonCode::OrderKeyMissing, "/externalId", message);
                return Named { key: Err(reason), requester: party };
            }
        },
    };
    Named { key: made(&requester, &reference_type, &reference, "/externalId"), requester }
}

/// The key of these parts.
///
/// # Errors
/// [`ReasonCode::OrderKeyInvalid`] at `pointer`.
pub(crate) fn made(
    requester: &str,
    reference_type: &str,
    reference: &str,
    pointer: &str,
) -> Result<OrderKey, Reason> {
    let key = OrderKey::from_reference(requester, reference_type, reference);
    if key.is_well_formed() {
        return Ok(key);
    }
    let message = format!(
        "the key made of requester, type and reference has {} bytes; at most {ORDER_KEY_BYTES_MAX} are taken, and no characters that control or turn what is shown",
        key.as_str().len()
    );
    Err(Reason::new(ReasonCode::OrderKeyInvalid, pointer, message))
}

/// What a key is made of: requester, type and reference. A key that is made otherwise is a reference as a whole.
pub(super) fn parts(key: &OrderKey) -> (String, String, String) {
    match key.parts() {
        Some([requester, reference_type, reference]) => (requester, reference_type, reference),
        None => (REQUESTER_UNKNOWN.to_owned(), REFERENCE_TYPE.to_owned(), key.as_str().to_owned()),
    }
}

type Reference = (Option<String>, Option<String>, String);

fn reference(document: &Place<'_>, findings: &mut Findings) -> Option<Reference> {
    let place = document.member("externalId")?;
    if !matches!(place.node, Node::List(_)) {
        let text = document.text("externalId", findings)?;
        return Some((None, None, text));
    }
    let mut found = None;
    for entry in document.objects("externalId", REFERENCES_MAX, findings) {
        let owner = entry.text("owner", findings);
        let reference_type = entry.text("externalIdentifierType", findings);
        let Some(id) = entry.required("id", findings) else { continue };
        found = found.or(Some((owner, reference_type, id)));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_taken_apart_into_what_it_was_made_of(parts in prop::array::uniform3("[a%2F/5 ]{0,6}")) {
            let [requester, reference_type, reference] = &parts;
            let key = OrderKey::from_reference(requester, reference_type, reference);
            let (one, two, three) = super::parts(&key);
            prop_assert_eq!([one, two, three], parts);
        }
    }

    #[test]
    fn a_key_that_is_made_otherwise_is_one_reference() {
        let whole = (REQUESTER_UNKNOWN.to_owned(), REFERENCE_TYPE.to_owned(), "a/b".to_owned());
        assert_eq!(parts(&OrderKey::from("a/b")), whole);
    }
}
