//! Adapters out: where the use-cases' traits meet the world.

pub mod docker;
pub mod embedded;
pub mod files;
pub mod loki;
mod patterns;
