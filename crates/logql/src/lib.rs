//! LogQL, the log query language of Loki 3.x: text in, plan out, lines filtered and counted. Pure and synchronous; knows
//! no file, no socket and no clock. `syntax` also runs in the browser.

pub mod ast;
pub mod engine;
pub mod labelset;
pub mod matcher;
pub mod pipeline;
pub mod plan;
pub mod read;
pub mod stages;
pub mod syntax;
pub mod template;
