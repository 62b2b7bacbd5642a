//! What the client's errors mean for us.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::Error;

/// What became of a transaction that did not go well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Another has the partitions.
    Fenced,
    /// Another has the transactional id, or the brokers took it away from a transaction that lasted too long.
    Superseded,
    /// It has to be aborted; nothing of it is there then.
    Abort,
    /// It may be there or not.
    Unknown,
}

pub(crate) fn kind(error: &KafkaError) -> Kind {
    match (error.rdkafka_error_code(), error) {
        (Some(Code::ProducerFenced | Code::Fenced | Code::InvalidProducerEpoch), _) => Kind::Superseded,
        (
            Some(
                Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::FencedInstanceId
                | Code::FencedMemberEpoch
                | Code::StaleMemberEpoch,
            ),
            _,
        ) => Kind::Fenced,
        (_, KafkaError::Transaction(error)) if error.txn_requires_abort() => Kind::Abort,
        _ => Kind::Unknown,
    }
}

/// The user has no right to it: whoever gives rights has to be asked, and not the brokers again.
pub(crate) fn is_forbidden(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
        )
    )
}

/// What a client that reads these topics says once and never again, while it tries for ever. None: it is something else.
pub(crate) fn reading_refused<'t>(
    problem: &KafkaError,
    topics: impl IntoIterator<Item = &'t str>,
) -> Option<Error> {
    let refused = problem.rdkafka_error_code() == Some(Code::TopicAuthorizationFailed);
    refused.then(|| {
        let topics: BTreeSet<&str> = topics.into_iter().collect();
        let topics = topics.into_iter().collect::<Vec<_>>().join(", ");
        Error::ReadingRefused { topics, reason: problem.to_string() }
    })
}

/// The client could not do it; most of what it says passes.
pub(crate) fn failed(doing: &'static str) -> impl FnOnce(KafkaError) -> Error {
    // Its sentence has its cause in it already, which would be said twice.
    move |source| Error::Store { doing, source: source.to_string().into() }
}

/// The client does not take its settings: a file that is not there, a broker that is no address.
pub(crate) fn refused(source: KafkaError) -> Error {
    Error::ClientRefused { source: source.into() }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for an answer of the admin client, whose own thread wakes this one. Its calls end by their own limits.
pub(crate) fn wait_for<T>(answer: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut answer = pin!(answer);
    loop {
        match answer.as_mut().poll(&mut context) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}
