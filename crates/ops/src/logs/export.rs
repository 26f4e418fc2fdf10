//! All lines of a query, as fast as the engine gives them.

use logql::engine::LogParams;

use super::{LogQuery, within_log};
use crate::{
    Ops,
    access::Action,
    cx::OpCtx,
    error::Error,
    source::engine::{How, Rows},
};

impl Ops {
    /// Every line of a query in its direction, in batches, behind its cursor where it has one. `None` where the engine cannot give them
    /// as they were written, so that [`Ops::log_export_page`] must: where there is none, where LogQL has no words for what was clicked
    /// together, and for a text search, which as LogQL would take the colours out of the lines.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`], [`Error::NotFound`] for an unknown service, [`Error::Query`].
    pub async fn log_export_rows(&self, cx: &OpCtx, query: &LogQuery) -> Result<Option<Rows>, Error> {
        cx.require(Action::LogsExport)?;
        if self.engine.is_none() || (query.logql.is_none() && query.filter.text.is_some()) {
            return Ok(None);
        }
        let Some(log) = query.as_logql() else { return Ok(None) };
        if query.logql.is_none() {
            self.selector_known(cx, &query.selector)?;
        }
        let params = LogParams {
            start: query.range.start.0,
            end: query.range.end.0,
            limit: None,
            direction: query.direction,
            after: query.cursor,
            interval_ns: 0,
        };
        Ok(Some(self.engine()?.rows(&within_log(cx, &log), params, How { now: cx.now, partial_series: false }).await?))
    }
}
