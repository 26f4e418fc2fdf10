//! Logs: which services there are, a page of lines, the lines around one, counts over time.

mod export;
mod filter;
mod logql;
mod page;
mod patterns;
mod query;
mod selector;
mod services;
mod storage;

use std::sync::Arc;

pub use filter::{FieldMatch, Filter, TextMatch};
pub use logql::{entry_of, parse, service_of};
pub(crate) use logql::{within, within_log};
use model::{Direction, EntryId, Level, LogAsk, TimeRange, Timestamp};
pub use page::entry;
pub use query::QuerySpan;
pub use selector::{Selector, ServiceRef};
pub use services::service_ids;

use crate::error::Error;

/// What a person looks for: the same for a page, an export, a histogram and a live view.
#[derive(Clone, Debug)]
pub struct LogQuery {
    pub selector: Selector,
    /// In place of `selector` and `filter`.
    pub logql: Option<Arc<::logql::ast::LogExpr>>,
    pub range: TimeRange,
    pub filter: Arc<Filter>,
    pub direction: Direction,
    /// 1 to [`LogQuery::MAX_LIMIT`].
    pub limit: usize,
    pub cursor: Option<EntryId>,
}

impl LogQuery {
    pub const DEFAULT_LIMIT: usize = 1_000;
    pub const MAX_LIMIT: usize = 5_000;

    /// Reads what a person asked; every door does it here.
    ///
    /// # Errors
    /// [`Error::BadInput`] that names the parameter, what was wrong with it and what is allowed.
    pub fn parse(ask: &LogAsk, now: Timestamp) -> Result<Self, Error> {
        let time = |field, text: &Option<String>, unset| match text.as_deref().filter(|text| !text.is_empty()) {
            None => Ok(unset),
            // Nothing was logged before 1970; differences of later instants do not overflow.
            Some(text) => {
                Timestamp::parse_param(text, now).map(|at| at.max(Timestamp::MIN)).map_err(|detail| Error::bad_input(field, detail))
            }
        };
        let range = TimeRange {
            start: time("start_time", &ask.start_time, Timestamp::MIN)?,
            end: time("end_time", &ask.end_time, Timestamp::MAX)?,
        };
        if range.start > range.end {
            return Err(Error::bad_input("start_time", "it lies behind end_time"));
        }
        let limit = ask.limit.unwrap_or(Self::DEFAULT_LIMIT);
        if !(1..=Self::MAX_LIMIT).contains(&limit) {
            return Err(Error::bad_input("limit", format!("{limit} is not within 1 to {}", Self::MAX_LIMIT)));
        }
        let logql = match ask.query.as_deref().filter(|query| !query.trim().is_empty()) {
            None => None,
            Some(text) => {
                let asked = [
                    ("service", !ask.service.is_empty()),
                    ("level", !ask.level.is_empty()),
                    ("search", ask.search.as_deref().is_some_and(|text| !text.is_empty())),
                    ("regex", ask.regex),
                    ("invert", ask.invert),
                    ("field", !ask.field.is_empty()),
                ];
                if let Some((name, _)) = asked.into_iter().find(|(_, is_there)| *is_there) {
                    return Err(Error::bad_input("query", format!("it excludes {name}, which it would say itself")));
                }
                Some(Arc::new(logql::parse_log(text)?))
            }
        };
        Ok(Self {
            logql,
            selector: Selector::parse(ask.service.iter().map(String::as_str))?,
            range,
            filter: Arc::new(filter_of(ask)?),
            direction: ask.direction.unwrap_or_default(),
            limit,
            cursor: cursor_of(ask.cursor.as_deref())?,
        })
    }

    /// The newest lines of some services.
    pub fn newest(selector: Selector, limit: usize) -> Self {
        Self {
            selector,
            logql: None,
            range: TimeRange { start: Timestamp::MIN, end: Timestamp::MAX },
            filter: Arc::default(),
            direction: Direction::Backward,
            limit,
            cursor: None,
        }
    }
}

fn filter_of(ask: &LogAsk) -> Result<Filter, Error> {
    let mut levels = ask
        .level
        .iter()
        .map(|level| level.parse::<Level>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|detail| Error::bad_input("level", detail))?;
    levels.sort_unstable();
    levels.dedup();
    let text = ask.search.as_deref().filter(|pattern| !pattern.is_empty());
    let text = text.map(|pattern| TextMatch::new(pattern, ask.regex, !ask.invert)).transpose()?;
    if ask.field.len() > 32 {
        return Err(Error::bad_input("field", format!("{} are given; at most 32 are allowed", ask.field.len())));
    }
    let fields = ask.field.iter().map(|text| FieldMatch::parse(text)).collect::<Result<_, _>>()?;
    Ok(Filter { levels, text, fields })
}

/// # Errors
/// [`Error::BadInput`] where the text is no line's id.
pub fn cursor_of(text: Option<&str>) -> Result<Option<EntryId>, Error> {
    let given = text.filter(|text| !text.is_empty());
    given.map(str::parse).transpose().map_err(|detail| Error::bad_input("cursor", detail))
}
