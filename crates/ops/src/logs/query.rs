//! LogQL: lines, numbers, and what there is to ask for.

use std::collections::{BTreeMap, BTreeSet};

use logql::{
    ast::{Expr, LogExpr, MetricExpr, Selector},
    engine::{LogParams, LogRow, Matrix, RangeParams, Value},
};
use model::Labels;

use super::{within, within_log};
use crate::{
    Ops,
    access::Action,
    cx::OpCtx,
    error::Error,
    source::engine::{How, LogEngine, PushBody, Pushed, Ran, Rows, StreamVolume, Tailed},
};

/// Nanoseconds, `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuerySpan {
    pub start: i64,
    pub end: i64,
}

impl Ops {
    pub(crate) fn engine(&self) -> Result<&dyn LogEngine, Error> {
        self.engine.as_deref().ok_or_else(|| Error::Unavailable("no log engine runs".to_owned()))
    }

    /// The first lines of a query in the direction asked for.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`], [`Error::Query`].
    pub async fn query_logs(&self, cx: &OpCtx, log: &LogExpr, params: LogParams, how: How) -> Result<Ran<Vec<LogRow>>, Error> {
        cx.require(Action::LogsRead)?;
        Ok(self.engine()?.logs(&within_log(cx, log), params, how).await?)
    }

    /// Every line of a query, in batches.
    ///
    /// # Errors
    /// As [`Ops::query_logs`].
    pub async fn query_rows(&self, cx: &OpCtx, log: &LogExpr, params: LogParams, how: How) -> Result<Rows, Error> {
        cx.require(Action::LogsExport)?;
        Ok(self.engine()?.rows(&within_log(cx, log), params, how).await?)
    }

    /// A metric query over a range.
    ///
    /// # Errors
    /// As [`Ops::query_logs`].
    pub async fn query_range(&self, cx: &OpCtx, metric: &MetricExpr, params: RangeParams, how: How) -> Result<Ran<Matrix>, Error> {
        cx.require(Action::LogsRead)?;
        let Expr::Metric(metric) = within(cx, Expr::Metric(metric.clone())) else { unreachable!("narrowing keeps the kind") };
        Ok(self.engine()?.range(&metric, params, how).await?)
    }

    /// A metric query at one time.
    ///
    /// # Errors
    /// As [`Ops::query_logs`].
    pub async fn query_instant(&self, cx: &OpCtx, expr: &Expr, at: i64, how: How) -> Result<Ran<Value>, Error> {
        cx.require(Action::LogsRead)?;
        Ok(self.engine()?.instant(&within(cx, expr.clone()), at, how).await?)
    }

    /// Label sets of the streams that any of the selectors takes; of all where none is given. Sorted.
    ///
    /// # Errors
    /// As [`Ops::query_logs`].
    pub async fn log_series(&self, cx: &OpCtx, selectors: &[Selector], span: QuerySpan) -> Result<Vec<Labels>, Error> {
        cx.require(Action::LogsRead)?;
        let selectors: Vec<Selector> = match cx.scope() {
            None => selectors.to_vec(),
            Some(scope) if selectors.is_empty() => vec![scope.selector().clone()],
            Some(scope) => selectors.iter().map(|one| scope.narrowed(one.clone())).collect(),
        };
        let streams = self.engine()?.streams(&selectors, span.start, span.end).await?;
        let series: BTreeSet<Labels> = streams.iter().map(|stream| stream.labels.clone()).collect();
        Ok(series.into_iter().collect())
    }

    /// Names of labels, sorted.
    ///
    /// # Errors
    /// As [`Ops::query_logs`].
    pub async fn log_label_names(&self, cx: &OpCtx, selectors: &[Selector], span: QuerySpan) -> Result<Vec<String>, Error> {
        let series = self.log_series(cx, selectors, span).await?;
        let names: BTreeSet<String> = series.into_iter().flat_map(|labels| labels.0.into_keys()).collect();
        Ok(names.into_iter().collect())
    }

    /// Values of a label, sorted.
    ///
    /// # Errors
    /// As [`Ops::query_logs`].
    pub async fn log_label_values(&self, cx: &OpCtx, name: &str, selectors: &[Selector], span: QuerySpan) -> Result<Vec<String>, Error> {
        let series = self.log_series(cx, selectors, span).await?;
        let values: BTreeSet<String> = series.into_iter().filter_map(|mut labels| labels.0.remove(name)).collect();
        Ok(values.into_iter().collect())
    }

    /// Lines of a query as they come, those since `start` (nanoseconds) first, of these the newest `limit`.
    ///
    /// # Errors
    /// As [`Ops::query_logs`].
    pub async fn query_tail(&self, cx: &OpCtx, log: &LogExpr, start: i64, limit: usize, how: How) -> Result<Tailed, Error> {
        cx.require(Action::LogsTail)?;
        Ok(self.engine()?.tail(&within_log(cx, log), start, limit, how).await?)
    }

    /// Takes in what a program sent. The answer means that the lines are on disk.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`]; [`Error::Scoped`] for whoever does not see everything; what is wrong with the lines is in the answer.
    pub async fn log_push(&self, cx: &OpCtx, body: PushBody) -> Result<Pushed, Error> {
        cx.require(Action::LogsWrite)?;
        if let Some(scope) = cx.scope() {
            return Err(Error::Scoped { scope: scope.to_string() });
        }
        Ok(self.engine()?.push(body, cx.now).await)
    }

    /// What the streams of a selector hold.
    ///
    /// # Errors
    /// As [`Ops::query_logs`].
    pub async fn log_volumes(&self, cx: &OpCtx, selector: &Selector, span: QuerySpan) -> Result<Vec<StreamVolume>, Error> {
        cx.require(Action::LogsRead)?;
        let selector = match cx.scope() {
            None => selector.clone(),
            Some(scope) => scope.narrowed(selector.clone()),
        };
        Ok(self.engine()?.volumes(&selector, span.start, span.end).await?)
    }

    /// Labels with the number of their values.
    ///
    /// # Errors
    /// As [`Ops::query_logs`].
    pub async fn log_label_counts(
        &self,
        cx: &OpCtx,
        selectors: &[Selector],
        span: QuerySpan,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
        let mut counts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for labels in self.log_series(cx, selectors, span).await? {
            for (name, value) in labels.0 {
                counts.entry(name).or_default().insert(value);
            }
        }
        Ok(counts)
    }
}
