//! The port, and the connections that are accepted on it: so many at once, each for so long.
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

use crate::{Answers, Error, Limits, routes};

/// The pause after an accept that failed for want of something, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// A port that is ours; nobody is answered yet.
#[derive(Debug)]
pub struct Bound {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

/// Takes the port.
///
/// # Errors
/// The address is in use, not of this machine, or no address.
pub fn bind(listen: &str) -> Result<Bound, Error> {
    let failed = |source| Error::Listen { listen: listen.to_owned(), source };
    let address: SocketAddr =
        listen.parse().map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// Where it listens: with the port that was given where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the task is dropped. On a tokio runtime with time and net.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub async fn serve(self, limits: Limits, answers: Answers) -> Result<(), Error> {
        let listener = TcpListener::from_std(self.listener).map_err(|source| Error::Serve { source })?;
        let places = Arc::new(Semaphore::new(limits.connections_max));
        let limited = Limited { listener, places, timeout: limits.request_timeout };
        let answers = Arc::new(answers);
        tokio::select! {
            served = std::future::IntoFuture::into_future(axum::serve(limited, routes::router(answers.clone(), limits))) => {
                served.map_err(|source| Error::Serve { source })
            }
            () = routes::keep_up(&answers) => Ok(()),
        }
    }
}

/// Accepts no more connections than there are places.
struct Limited {
    listener: TcpListener,
    places: Arc<Semaphore>,
    timeout: Duration,
}

impl axum::serve::Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            // Never closed; were it, there would be no limit left to keep.
            let place = self.places.clone().acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, address)) => return (Connection::new(stream, place, self.timeout), address),
                Err(error) => {
                    tracing::warn!(%error, "connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that is given up when its client is too slow.
///
/// What comes in does not move the deadline, so a request that trickles in byte by byte has no more time than another one. What goes out
/// does: the next request, or the next piece of the answer, has the whole time again.
struct Connection {
    stream: TcpStream,
    timeout: Duration,
    deadline: Pin<Box<Sleep>>,
    /// Free again when the connection is dropped.
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(stream: TcpStream, place: Option<OwnedSemaphorePermit>, timeout: Duration) -> Connection {
        Connection { stream, timeout, deadline: Box::pin(sleep(timeout)), _place: place }
    }

    /// For a client that lets us wait: pending, or too late.
    fn waiting<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.waiting(context),
            ready => ready,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => self.waiting(context),
            ready => {
                let deadline = Instant::now() + self.timeout;
                self.deadline.as_mut().reset(deadline);
                ready
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
