//! Names of things. What we name ourselves is derived (UUIDv5) from the order key, so that equal input gives equal ids, always.
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits;
use crate::plan::ExecutionMode;

/// The namespace of every derived id: UUIDv5 of the DNS name `orderstream.invalid`.
const NAMESPACE: Uuid = Uuid::from_u128(0x5f2d_3e0a_6b0c_5d5e_9a44_0d4f_7a31_c9e7);

/// Each part is preceded by its length, so that ("ab", "c") and ("a", "bc") differ.
fn derived(parts: &[&str]) -> Uuid {
    let mut name = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        name.extend_from_slice(&(part.len() as u32).to_be_bytes());
        name.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name(text.to_owned())
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! derived_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<$name, uuid::Error> {
                Uuid::parse_str(text).map($name)
            }
        }
        // Always text: outsiders in any language read and echo these ids.
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Uuid::parse_str(&text).map($name).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id! {
    /// The requester's stable reference of an order, equal for its base and all its revisions; the record key everywhere.
    OrderKey
}
text_id! {
    /// The requester's name of one item within its order.
    ItemId
}
text_id! {
    /// The name of one request: the event's id, an idempotency key, or a hash of the payload. Equal requests have equal ids.
    RequestId
}
text_id! {
    /// A published, immutable version of the catalog.
    CatalogVersion
}
text_id! {
    /// What the customer has (TMF637): the inventory's own id.
    ProductId
}
text_id! {
    /// One answer of a downstream system: its event's id. A repeated answer has the same.
    FeedbackId
}
derived_id! {
    /// One fulfilment task of one order.
    TaskId
}
derived_id! {
    /// The idempotency key of one request to a downstream system. A retry re-sends it; only a redo with changed data makes a new one.
    CommandId
}
derived_id! {
    /// One service, resource, billing or shipping order made from one order item.
    ServiceOrderId
}
derived_id! {
    /// One fallout case.
    CaseId
}
derived_id! {
    /// One request to change an order after capture.
    MutationId
}

impl OrderKey {
    /// (requester, type, external reference), as `TMF/POnumber/456`; a `/` or `%` inside a part is percent-encoded (domain model, "Capture").
    pub fn from_reference(requester: &str, reference_type: &str, reference: &str) -> OrderKey {
        let parts =
            [requester, reference_type, reference].map(|part| part.replace('%', "%25").replace('/', "%2F"));
        OrderKey(parts.join("/"))
    }

    /// What it was made of: requester, type and reference. `None` for a key that was made otherwise.
    pub fn parts(&self) -> Option<[String; 3]> {
        let plain = |part: &str| part.replace("%2F", "/").replace("%25", "%");
        match self.0.split('/').collect::<Vec<_>>()[..] {
            [requester, reference_type, reference] => Some([requester, reference_type, reference].map(plain)),
            _ => None,
        }
    }

    /// Whether the key is within [`limits::ORDER_KEY_BYTES_MAX`], not empty, and shows what it is: it stands in logs and on terminals.
    pub fn is_well_formed(&self) -> bool {
        !self.0.is_empty()
            && self.0.len() <= limits::ORDER_KEY_BYTES_MAX
            && !self.0.chars().any(crate::text::is_deceptive)
    }
}

impl RequestId {
    /// For a request without a name of its own: a hash (UUIDv5) of its bytes.
    pub fn of_payload(payload: &[u8]) -> RequestId {
        RequestId(Uuid::new_v5(&NAMESPACE, payload).hyphenated().to_string())
    }
}

impl TaskId {
    /// A task is addressed by `(itemId, component)` within its order and has one per task type (domain model, "Plan").
    pub fn derived(key: &OrderKey, item: &ItemId, component: &str, task_type: &str) -> TaskId {
        TaskId(derived(&["task", &key.0, &item.0, component, task_type]))
    }
}

impl CommandId {
    /// The command of one run of a task; `run` counts redos with changed data, never retries.
    pub fn derived(task: TaskId, mode: ExecutionMode, run: u32) -> CommandId {
        CommandId(derived(&["command", &task.to_string(), &format!("{mode:?}"), &run.to_string()]))
    }

    /// The question whether an order can be delivered; one per submission (a corrected order is asked for anew).
    pub fn feasibility(key: &OrderKey, submission: u32) -> CommandId {
        CommandId(derived(&["feasibility", &key.0, &submission.to_string()]))
    }

    /// A number below `bound` that is always the same for this command: jitter without drawing one. Zero for a bound of zero.
    pub fn derived_below(self, bound: i64) -> i64 {
        if bound <= 0 { 0 } else { (self.0.as_u64_pair().0 % bound as u64) as i64 }
    }
}

impl ServiceOrderId {
    pub fn derived(key: &OrderKey, item: &ItemId, specification: &str, instance: u32) -> ServiceOrderId {
        ServiceOrderId(derived(&["serviceOrder", &key.0, &item.0, specification, &instance.to_string()]))
    }
}

impl CaseId {
    /// One blockage of one subject: `cause` says what blocks (a task and its attempt, a silence and its beginning).
    pub fn derived(key: &OrderKey, subject: &str, cause: &str) -> CaseId {
        CaseId(derived(&["case", &key.0, subject, cause]))
    }
}

impl MutationId {
    pub fn derived(key: &OrderKey, request: &RequestId) -> MutationId {
        MutationId(derived(&["mutation", &key.0, &request.0]))
    }
}

impl ProductId {
    /// For a product that an order creates and the requester did not name.
    pub fn derived(key: &OrderKey, item: &ItemId, instance: u32) -> ProductId {
        ProductId(derived(&["product", &key.0, &item.0, &instance.to_string()]).hyphenated().to_string())
    }
}

/// The id of the `ordinal`-th record that follows from one input: the same input always gives the same event ids.
pub fn event_id(key: &str, causation_id: &str, record: &str, ordinal: u32) -> Uuid {
    derived(&["event", key, causation_id, record, &ordinal.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_input_gives_equal_ids_and_parts_do_not_run_together() {
        let key = OrderKey::from("TMF/POnumber/456");
        let task = |item: &str, component: &str| TaskId::derived(&key, &item.into(), component, "activate");
        assert_eq!(task("1", "access"), task("1", "access"));
        assert_ne!(task("1", "1access"), task("11", "access"));
        let id = CommandId::derived(task("1", "access"), ExecutionMode::Do, 1);
        assert_eq!(serde_json::from_str::<CommandId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        assert!((0..10).contains(&id.derived_below(10)));
        assert_eq!(id.derived_below(0), 0);
    }

    #[test]
    fn a_separator_inside_a_part_does_not_make_two_references_equal() {
        let key = OrderKey::from_reference;
        assert_eq!(key("TMF", "POnumber", "456").0, "TMF/POnumber/456");
        assert_ne!(key("a/b", "c", "d"), key("a", "b/c", "d"));
        assert_ne!(key("a%2Fb", "c", "d"), key("a/b", "c", "d"));
        for parts in [["TMF", "POnumber", "456"], ["a/b", "%2F", "100 %/h"]] {
            let [requester, reference_type, reference] = parts;
            assert_eq!(key(requester, reference_type, reference).parts().unwrap(), parts);
        }
        assert_eq!(OrderKey::from("of-their-own").parts(), None);
    }
}
