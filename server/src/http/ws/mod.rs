//! Sockets: upgrade, pump, close codes.

pub mod logs;

/// Close codes of ours (RFC 6455 §7.4.2 leaves 4000–4999 to applications); each is an HTTP status behind a 4.
pub mod close {
    /// The session ended: sign in again.
    pub const SESSION_ENDED: u16 = 4401;
    /// The client sent what is no message of the protocol.
    pub const BAD_MESSAGE: u16 = 4400;
    /// The console is going down; come back.
    pub const RESTARTING: u16 = 1012;
    /// The client did not read for [`super::WRITE_TIMEOUT`].
    pub const TOO_SLOW: u16 = 4408;
}

/// How long a client may take to read one frame before the socket is given up.
pub const WRITE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);
/// Pings tell a dead connection from a quiet one.
pub const PING_EVERY: std::time::Duration = std::time::Duration::from_secs(20);
/// A client that does not answer for this long is gone.
pub const PONG_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);
