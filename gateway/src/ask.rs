//! One question to a service that listens: for the health check of a container, which has no other client.
//!
//! A request of three lines and an answer that ends with its connection need no HTTP client, and a client is a large thing to ship.
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::Error;

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    pub body: String,
}

/// Asks for a path; blocking. `wait` is for connecting, and for each piece of the answer.
///
/// # Errors
/// Nobody listens there, or what answers does not speak HTTP.
pub fn ask(address: SocketAddr, path: &str, wait: Duration) -> Result<Answer, Error> {
    let reachable = reachable(address);
    let answer = converse(reachable, path, wait);
    answer.map_err(|source| Error::Ask { address: reachable.to_string(), path: path.to_owned(), source })
}

/// Who listens on all addresses is asked on our own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn converse(address: SocketAddr, path: &str, wait: Duration) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, wait)?;
    stream.set_read_timeout(Some(wait))?;
    stream.set_write_timeout(Some(wait))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
    parsed(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn parsed(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    Some(Answer { status: words.next()?.parse().ok()?, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_http_is_no_answer() {
        let answer = Answer { status: 503, body: "{}".to_owned() };
        assert_eq!(parsed("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\n{}"), Some(answer));
        for text in ["", "SSH-2.0\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn who_listens_everywhere_is_asked_at_home() {
        assert_eq!(reachable("0.0.0.0:1".parse().unwrap()), "127.0.0.1:1".parse().unwrap());
        assert_eq!(reachable("[::]:1".parse().unwrap()), "[::1]:1".parse().unwrap());
        assert_eq!(reachable("10.0.0.1:1".parse().unwrap()), "10.0.0.1:1".parse().unwrap());
    }
}
