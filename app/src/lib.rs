//! What a person sees, and what the browser may ask: one set of views for server and browser.
// The type of a page names every element in it, and the compiler walks that type: the logs page is deeper than 128.
#![recursion_limit = "512"]

pub mod late;
pub mod live;
pub mod pages;
pub mod parts;
pub mod paths;
pub mod routes;
pub mod rpc;
pub mod shell;
#[cfg(feature = "ssr")]
pub mod ssr;
pub mod ui;

pub use routes::{App, Gate, fetch_page};
pub use shell::{AssetNames, gate_shell, shell};
