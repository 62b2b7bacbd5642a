//! The only listening socket.
