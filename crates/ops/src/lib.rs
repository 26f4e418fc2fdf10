//! The service layer: every use-case, its permission check and the traits of its sources.
//!
//! Doors (pages, REST, sockets) make an [`OpCtx`] and call a use-case on [`Ops`]; the use-case's first line is
//! `cx.require(Action::…)?`. Nothing here knows HTTP, Leptos, sockets, files or the clock: `now` comes in with the call.

pub mod access;
pub mod accounts;
pub mod cx;
pub mod error;
pub mod live;
pub mod logs;
pub mod searches;
pub mod sockets;
pub mod source;
pub mod system;
pub mod tokens;

use std::sync::Arc;

pub use accounts::Accounts;
pub use cx::{Actor, OpCtx, SignedIn};
pub use error::{Chain, Error};
use live::Hub;
pub use sockets::Sockets;
use source::{LogSource, Store, System, engine::LogEngine};

/// All use-cases over one set of sources. Cheap to share; made once by the server's wiring.
pub struct Ops {
    pub accounts: Accounts,
    pub hub: Arc<Hub>,
    pub sockets: Arc<Sockets>,
    sources: Vec<Arc<dyn LogSource>>,
    store: Arc<dyn Store>,
    system: Arc<dyn System>,
    /// Unset where none runs.
    engine: Option<Arc<dyn LogEngine>>,
}

impl Ops {
    pub fn new(store: Arc<dyn Store>, sources: Vec<Arc<dyn LogSource>>, system: Arc<dyn System>, hub: Arc<Hub>) -> Self {
        let sockets = Arc::new(Sockets::default());
        let accounts = Accounts::new(store.clone(), sockets.clone()).with_scope_labels(hub.scope_labels().clone());
        Self { accounts, hub, sockets, sources, store, system, engine: None }
    }

    /// With a log engine.
    #[must_use]
    pub fn with_engine(mut self, engine: Arc<dyn LogEngine>) -> Self {
        self.engine = Some(engine);
        self
    }
}
