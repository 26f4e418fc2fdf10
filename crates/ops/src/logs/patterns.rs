//! What repeats, and what is new.

use logql::ast::{Expr, LabelFilter, LineFilter, LineOp, LogExpr, MatchOp, Needle, Span, Stage, StageKind};
use model::{
    Code, Problem, TimeRange, Timestamp,
    patterns::{LogPattern, LogPatterns},
    time::NANOS_PER_SEC,
};

use super::{
    LogQuery,
    logql::{level, matcher, round_up, scanned, within_log},
};
use crate::{
    Ops,
    access::Action,
    cx::OpCtx,
    error::Error,
    source::engine::{How, Mined, PatternParams, Ran},
};

/// Without a range: what the newest of the last hour repeats.
const DEFAULT_NS: i64 = 3_600 * NANOS_PER_SEC;
/// Points of a sparkline, about.
const STEPS: i64 = 60;
/// Patterns that are told; the rare ones behind them would fill a page with single lines.
const SHOWN: usize = 200;

impl Ops {
    /// Like lines of a query and range: a [`LogQuery`] without a beginning is the last hour of its range.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`]; [`Error::BadInput`] where LogQL has no words for what was clicked together;
    /// [`Error::NotFound`] for an unknown service; [`Error::Query`]; [`Error::Unavailable`] where no log engine runs.
    pub async fn log_patterns(&self, cx: &OpCtx, query: &LogQuery) -> Result<LogPatterns, Error> {
        cx.require(Action::LogsRead)?;
        if query.logql.is_none() {
            self.selector_known(cx, &query.selector)?;
        }
        let Some(log) = query.as_logql() else {
            return Err(Error::bad_input(
                "field",
                "patterns of a search by field need it as LogQL, such as {service=\"web\"} | json | a=\"b\"",
            ));
        };
        let end = query.range.end.min(cx.now);
        let start = if query.range.start == Timestamp::MIN { end.saturating_add_nanos(-DEFAULT_NS) } else { query.range.start.min(end) };
        let span_ms = ((end.0 - start.0) / 1_000_000).max(1);
        // The engine counts by tens of seconds.
        let step_ms = round_up(span_ms / STEPS).max(10_000);
        let params = PatternParams { range: TimeRange { start, end }, step_ns: step_ms * 1_000_000 };
        let ran = self.log_patterns_of(cx, &log, params, true, How { now: cx.now, partial_series: false }).await?;
        let steps = usize::try_from(((end.0 - start.0).max(1) - 1) / params.step_ns).unwrap_or(0) + 1;
        let shown = ran.value.patterns.into_iter().take(SHOWN).map(|one| {
            let mut counts = vec![0; steps];
            for (at, lines) in &one.samples {
                // Steps begin with the range, and their beginnings are told in whole seconds.
                let place = (at * NANOS_PER_SEC + NANOS_PER_SEC - 1 - start.0) / params.step_ns;
                if let Some(count) = usize::try_from(place).ok().and_then(|place| counts.get_mut(place)) {
                    *count += lines;
                }
            }
            LogPattern {
                query: search_for(&log, &one.pattern, &one.level, ran.value.is_coloured),
                lines: counts.iter().sum(),
                steps: counts,
                level: level(Some(&one.level)),
                is_new: one.is_new,
                pattern: one.pattern,
            }
        });
        Ok(LogPatterns {
            patterns: shown.collect(),
            start,
            step_ms,
            lines: ran.value.lines,
            is_whole: ran.value.is_whole,
            stats: scanned(&ran.stats, ran.elapsed),
            warnings: ran.warnings.iter().map(|warning| Problem::new(Code::Upstream, warning.clone())).collect(),
        })
    }

    /// As the engine gives them.
    ///
    /// # Errors
    /// As [`Ops::query_logs`].
    pub async fn log_patterns_of(
        &self,
        cx: &OpCtx,
        log: &LogExpr,
        params: PatternParams,
        compare: bool,
        how: How,
    ) -> Result<Ran<Mined>, Error> {
        cx.require(Action::LogsRead)?;
        Ok(self.engine()?.patterns(&within_log(cx, log), params, compare, how).await?)
    }
}

/// The same query and the pattern's lines only: `… |> "<_> took <_> ms" | detected_level="info"`.
/// Of lines with colours, `decolorize` comes before it.
/// `None` where the pattern has words of its own between `<` and `>`, which `|>` would take for a place where lines differ.
fn search_for(log: &LogExpr, pattern: &str, of_level: &str, is_coloured: bool) -> Option<String> {
    if pattern.replace("<_>", "").contains('<') && pattern.contains('>') {
        return None;
    }
    let mut log = log.clone();
    let mut push = |kind| log.stages.push(Stage { span: Span::default(), kind });
    if is_coloured {
        push(StageKind::Decolorize);
    }
    push(StageKind::Line(LineFilter { op: LineOp::Pattern, needles: vec![Needle::Text(pattern.to_owned())] }));
    if !matches!(of_level, "" | "unknown") {
        push(StageKind::Label(LabelFilter::Match(matcher("detected_level", MatchOp::Equal, of_level))));
    }
    let text = Expr::Log(log).to_string();
    logql::syntax::parse(&text).is_ok().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_becomes_a_search_for_its_lines() {
        let Ok(Expr::Log(log)) = logql::syntax::parse(r#"{service_name="web"} |= "GET""#) else { unreachable!("it is a log query") };
        for (pattern, level, is_coloured, expect) in [
            ("took <_> ms", "info", true, Some(r#"{service_name="web"} |= "GET" | decolorize |> "took <_> ms" | detected_level="info""#)),
            ("took <_> ms", "info", false, Some(r#"{service_name="web"} |= "GET" |> "took <_> ms" | detected_level="info""#)),
            ("say \"<_>\"", "unknown", false, Some(r#"{service_name="web"} |= "GET" |> "say \"<_>\"""#)),
            ("<b>bold</b> <_>", "info", false, None),
        ] {
            assert_eq!(search_for(&log, pattern, level, is_coloured).as_deref(), expect);
        }
    }
}
