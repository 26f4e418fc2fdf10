//! The browser end of the sockets.

pub mod socket;
