//! What is kept, for the storage page.

use model::storage::LogStorage;

use crate::{Ops, access::Action, cx::OpCtx, error::Error};

impl Ops {
    /// What the log engine keeps of what the asking person may see.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`]; [`Error::Unavailable`] where no log engine runs.
    pub async fn log_storage(&self, cx: &OpCtx) -> Result<LogStorage, Error> {
        cx.require(Action::StorageRead)?;
        Ok(self.engine()?.storage(cx.now, cx.scope().map(|scope| &**scope)).await)
    }
}
