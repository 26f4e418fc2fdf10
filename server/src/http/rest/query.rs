//! Query strings: repeated parameters, and an error for every name or value that is not understood. Text in, values out: the
//! fuzzers read this file as it is.

use std::str::FromStr;

use model::{Direction, LogAsk, Problem};

/// Decoded name–value pairs of which each must be taken by somebody.
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// # Errors
    /// 400 where the query is not percent-encoded UTF-8, or longer than 16 KiB.
    pub fn read(raw: Option<&str>) -> Result<Self, Problem> {
        let raw = raw.unwrap_or_default();
        if raw.len() > 16 * 1024 {
            return Err(Problem::bad_input("query", "it is longer than 16 KiB"));
        }
        let pairs: Vec<(String, String)> =
            form_urlencoded::parse(raw.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        match pairs.iter().find(|(name, value)| name.contains('\u{fffd}') || value.contains('\u{fffd}')) {
            Some((name, _)) => Err(Problem::bad_input(name, "it is not percent-encoded UTF-8")),
            None => Ok(Self { pairs }),
        }
    }

    /// All values of a repeatable parameter.
    pub fn all(&mut self, name: &str) -> Vec<String> {
        let (taken, rest) = std::mem::take(&mut self.pairs).into_iter().partition(|(field, _)| field == name);
        self.pairs = rest;
        taken.into_iter().map(|(_, value): (String, String)| value).collect()
    }

    /// The value of a parameter that may stand once.
    ///
    /// # Errors
    /// 400 where it stands twice.
    pub fn one(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.all(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            n => Err(Problem::bad_input(name, format!("it stands {n} times; once is allowed"))),
        }
    }

    /// # Errors
    /// 400 with `allowed` where it does not parse.
    pub fn parsed<T: FromStr>(&mut self, name: &str, allowed: &str) -> Result<Option<T>, Problem> {
        match self.one(name)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                let shown: String = text.chars().take(60).collect();
                Problem::bad_input(name, format!("`{shown}` is not allowed; use {allowed}"))
            }),
        }
    }

    /// # Errors
    /// 400 naming what is left.
    pub fn end(self, allowed: &str) -> Result<(), Problem> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => {
                let shown: String = name.chars().take(60).collect();
                Err(Problem::bad_input(&shown, format!("there is no such parameter; allowed are {allowed}")))
            }
        }
    }

    /// The parameters every logs path shares. `service` is added to those given.
    ///
    /// # Errors
    /// 400 naming the parameter.
    pub fn log_ask(&mut self, service: Option<String>) -> Result<LogAsk, Problem> {
        let direction = self.one("direction")?.map(|text| match text.to_ascii_lowercase().as_str() {
            "forward" => Ok(Direction::Forward),
            "backward" => Ok(Direction::Backward),
            _ => Err(Problem::bad_input("direction", "use forward or backward")),
        });
        let level =
            self.all("level").iter().flat_map(|list| list.split(',')).filter(|level| !level.is_empty()).map(str::to_owned).collect();
        Ok(LogAsk {
            query: self.one("query")?,
            service: match service {
                Some(service) => vec![service],
                None => self.all("service"),
            },
            level,
            search: self.one("search")?,
            regex: self.parsed("regex", "true or false")?.unwrap_or(false),
            invert: self.parsed("invert", "true or false")?.unwrap_or(false),
            field: self.all("field"),
            start_time: self.one("start_time")?,
            end_time: self.one("end_time")?,
            direction: direction.transpose()?,
            limit: self.parsed("limit", "a whole number from 1 to 5000")?,
            cursor: self.one("cursor")?,
        })
    }
}

/// Names shown to somebody who misspelt one.
pub const LOG_PARAMETERS: &str = "query, service, level, search, regex, invert, field, start_time, end_time, direction, limit, cursor";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str) -> Result<LogAsk, String> {
        let mut query = Query::read(Some(raw)).map_err(|problem| problem.detail)?;
        let ask = query.log_ask(None).map_err(|problem| problem.detail)?;
        query.end(LOG_PARAMETERS).map_err(|problem| problem.detail)?;
        Ok(ask)
    }

    #[test]
    fn a_query_string_is_read_whole_or_refused_by_name() {
        let ask =
            check("service=shop%2Fweb&service=db&level=error,warn&level=info&search=a+b&regex=true&limit=5&direction=Forward").unwrap();
        assert_eq!(ask.service, ["shop/web", "db"]);
        assert_eq!(ask.level, ["error", "warn", "info"]);
        assert_eq!((ask.search.as_deref(), ask.regex, ask.limit, ask.direction), (Some("a b"), true, Some(5), Some(Direction::Forward)));
        for (raw, says) in [
            ("limit=abc", "limit: `abc`"),
            ("limit=-1", "limit: `-1`"),
            ("limit=99999999999999999999999", "limit"),
            ("limit=1&limit=2", "limit: it stands 2 times"),
            ("regex=yes", "regex: `yes`"),
            ("direction=up", "direction: use forward or backward"),
            ("colour=red", "colour: there is no such parameter"),
            ("search=%ff", "search: it is not percent-encoded UTF-8"),
        ] {
            let error = check(raw).unwrap_err();
            assert!(error.contains(says), "{raw}: {error}");
        }
    }
}
