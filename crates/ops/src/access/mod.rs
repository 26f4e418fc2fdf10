//! Who may do what: actions, the audit log's events, passwords, the sign-in throttle.

mod action;
mod audit;
mod password;
pub mod scope;
mod throttle;

pub use action::Action;
pub use audit::{AuditEvent, AuditRecord, AuditSink, GENESIS, Outcome, chain_hash};
pub use password::{Passwords, password_problem};
pub use scope::{Scope, ScopeLabels};
pub use throttle::Throttle;
