//! Tells systemd how the service is (`Type=notify`): a datagram to the socket that it names. Its protocol is a line of text, which needs no
//! library.
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where systemd listens; absent where somebody else started us.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Everything runs.
pub const READY: &str = "READY=1";
/// It was asked to stop, and does.
pub const STOPPING: &str = "STOPPING=1";

/// Tells whoever started us; nobody, where nobody asked. What goes wrong is said in the log and hinders nothing.
pub fn notify(state: &str) {
    let Some(socket) = std::env::var_os(VARIABLE) else { return };
    if let Err(error) = send(socket.as_bytes(), state) {
        tracing::warn!(%error, state, "systemd could not be notified");
    }
}

fn send(socket: &[u8], state: &str) -> io::Result<()> {
    let address = match socket.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        Some(_) | None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(socket))?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_arrives_at_a_socket_with_a_path_and_at_one_without() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = format!("orderstream-notify-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let sockets = [
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}")),
        ];
        for (socket, name) in sockets {
            send(name.as_bytes(), READY).unwrap();
            let mut told = [0; 64];
            let bytes = socket.recv(&mut told).unwrap();
            assert_eq!(&told[..bytes], READY.as_bytes());
        }
        assert!(send(b"/nowhere/notify", READY).is_err() && send(b"", READY).is_err());
    }
}
