//! The APIs of others that we speak.

pub mod loki;
