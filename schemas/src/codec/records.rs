//! Which type is carried by which record.
use domain::command::{Command, Feedback};
use domain::downstream::{DownstreamHealth, DownstreamObserved};
use domain::inventory::{ProductChanged, ProductReportRefused, ProductRequest};
use domain::order::event::*;

use super::{Error, coder::Coder};
use crate::heartbeat::Heartbeat;
use crate::own::OrderRequest;
use domain::catalog::CatalogPublished;

/// A type that an Avro record of this name carries.
pub trait Recorded {
    const NAME: &'static str;
}

macro_rules! recorded {
    (events: $($event:ident)+; others: $($other:ident)+) => {
        $(impl Recorded for $event { const NAME: &'static str = stringify!($event); })+
        $(impl Recorded for $other { const NAME: &'static str = stringify!($other); })+

        pub(super) fn encode_event(coder: &Coder, topic: &str, event: &OrderEvent) -> Result<Vec<u8>, Error> {
            match event {
                $(OrderEvent::$event(event) => coder.encode(topic, $event::NAME, event.as_ref()),)+
            }
        }

        pub(super) fn decode_event(coder: &Coder, bytes: &[u8]) -> Result<OrderEvent, Error> {
            match coder.record_of(bytes)? {
                $($event::NAME => Ok(OrderEvent::$event(Box::new(coder.decode($event::NAME, bytes)?))),)+
                found => Err(Error::RecordOther { expected: "an event of an order".to_owned(), found: found.to_owned() }),
            }
        }

        pub(super) fn decode_shown(coder: &Coder, bytes: &[u8]) -> Result<(&'static str, serde_json::Value), Error> {
            let shown = |name: &'static str, value: Result<serde_json::Value, serde_json::Error>| {
                value.map(|value| (name, value)).map_err(|e| Error::Malformed { name: name.to_owned(), why: e.to_string() })
            };
            match coder.record_of(bytes)? {
                $($event::NAME => shown($event::NAME, serde_json::to_value(coder.decode::<$event>($event::NAME, bytes)?)),)+
                $($other::NAME => shown($other::NAME, serde_json::to_value(coder.decode::<$other>($other::NAME, bytes)?)),)+
                found => Err(Error::StateUnknown { name: found.to_owned() }),
            }
        }
    };
}

recorded! {
    events:
        OrderCaptured RequestIgnored OrderValidated OrderRejected RevisionRefused FeasibilityAsked FeasibilityUnanswered
        OrderDecomposed DecompositionFailed OrderStateChanged ItemStateChanged TaskStateChanged ServiceOrderStateChanged
        MilestoneReached FeedbackIgnored WaitFailed FalloutDetected FalloutClassified FalloutResolved OrderMarkedStuck;
    others:
        OrderRequest OrderSignal BillingIntent Notification Command Feedback ProductRequest ProductChanged
        ProductReportRefused DownstreamObserved DownstreamHealth CatalogPublished Heartbeat
}
