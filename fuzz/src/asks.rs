//! What a person asks of the logs: as a query string, and as the JSON that a page sends.

use model::{EntryId, Level, LogAsk, Problem, Timestamp};
use ops::logs::LogQuery;

use crate::query::{LOG_PARAMETERS, Query};

const NOW: Timestamp = Timestamp(1_795_365_360_000_000_000);

pub fn log_asks(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(id) = text.parse::<EntryId>() {
        assert_eq!(id.to_string(), text);
    }
    let asked = if text.starts_with('{') { serde_json::from_str::<LogAsk>(text).ok() } else { from_query(text).ok() };
    let Some(ask) = asked else { return };
    match LogQuery::parse(&ask, NOW) {
        Ok(query) => {
            assert!(query.range.start <= query.range.end && (1..=LogQuery::MAX_LIMIT).contains(&query.limit));
            query.filter.matches(Level::Warn, r#"{"level":"warn","user":"ada","message":"slow: 250 ms"}"#);
        }
        Err(error) => {
            let problem = error.problem();
            assert_eq!(problem.status, 400, "{problem:?}");
        }
    }
}

fn from_query(text: &str) -> Result<LogAsk, Problem> {
    let mut query = Query::read(Some(text))?;
    let ask = query.log_ask(None)?;
    query.end(LOG_PARAMETERS)?;
    Ok(ask)
}
