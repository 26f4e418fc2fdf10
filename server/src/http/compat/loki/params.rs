//! Loki's parameters, by its own rules (HTTP API reference, "Timestamps", and the texts that its clients show). They
//! differ from the contract's: 13 digits are nanoseconds here, an unknown parameter is nobody's business.

use model::{Timestamp, time::NANOS_PER_SEC};

/// A text for a person, answered as plain text with 400.
pub type Bad = String;

/// Decoded parameters of a query string and a form body, the form's first as Go's `Request.Form` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    pub fn read(form: &str, query: &str) -> Self {
        let parse = |text: &str| form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>();
        Self([parse(form), parse(query)].concat())
    }

    /// The first value; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// `[start, end)` in nanoseconds. `end` is now where unset, `start` an hour (or `since`) before it.
    ///
    /// # Errors
    /// What Loki says of a value it cannot read, or of an end before the start.
    pub fn range(&self, now: Timestamp) -> Result<(i64, i64), Bad> {
        let since = match self.get("since") {
            "" => 3_600 * NANOS_PER_SEC,
            text => duration(text).ok_or_else(|| format!("could not parse 'since' parameter: not a valid duration string: \"{text}\""))?,
        };
        let end = time(self.get("end")).map_err(|bad| format!("could not parse 'end' parameter: {bad}"))?.unwrap_or(now.0);
        let start = time(self.get("start")).map_err(|bad| format!("could not parse 'start' parameter: {bad}"))?;
        let start = start.unwrap_or_else(|| end.min(now.0).saturating_sub(since));
        if end < start {
            return Err("end timestamp must not be before or equal to start time".to_owned());
        }
        Ok((start, end))
    }

    /// # Errors
    /// What Loki says.
    pub fn instant(&self, now: Timestamp) -> Result<i64, Bad> {
        Ok(time(self.get("time"))?.unwrap_or(now.0))
    }

    /// Whole numbers of at least 1, such as `limit`.
    ///
    /// # Errors
    /// What Loki says.
    pub fn count(&self, name: &str, unset: usize) -> Result<usize, Bad> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(unset);
        }
        let number: i64 = text.parse().map_err(|_| format!("strconv.Atoi: parsing {text:?}: invalid syntax"))?;
        match usize::try_from(number) {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("{name} must be a positive value")),
        }
    }

    /// In nanoseconds: Prometheus durations or seconds. Unset, a 250th of the range and at least a second.
    ///
    /// # Errors
    /// What Loki says, of more than 11,000 steps too.
    pub fn step(&self, start: i64, end: i64) -> Result<i64, Bad> {
        let step = match self.get("step") {
            "" => (end.saturating_sub(start) / 250 / NANOS_PER_SEC).max(1) * NANOS_PER_SEC,
            text => seconds_or_duration(text).ok_or_else(|| format!("cannot parse {text:?} to a valid duration"))?,
        };
        if step <= 0 {
            return Err("zero or negative query resolution step widths are not accepted. Try a positive integer".to_owned());
        }
        if end.saturating_sub(start) / step > 11_000 {
            return Err(
                "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter".to_owned()
            );
        }
        Ok(step)
    }

    /// In nanoseconds; 0 where unset.
    ///
    /// # Errors
    /// What Loki says.
    pub fn interval(&self) -> Result<i64, Bad> {
        match self.get("interval") {
            "" => Ok(0),
            text => match seconds_or_duration(text) {
                Some(nanos) if nanos >= 0 => Ok(nanos),
                Some(_) => Err("interval must be >= 0".to_owned()),
                None => Err(format!("cannot parse {text:?} to a valid duration")),
            },
        }
    }

    /// # Errors
    /// What Loki says.
    pub fn is_forward(&self) -> Result<bool, Bad> {
        match self.get("direction").to_ascii_lowercase().as_str() {
            "" | "backward" => Ok(false),
            "forward" => Ok(true),
            _ => Err(format!("invalid direction '{}'", self.get("direction"))),
        }
    }
}

/// With a `.`: seconds, to the millisecond. Up to ten digits: seconds. More: nanoseconds. Else RFC 3339. `None` for nothing.
fn time(text: &str) -> Result<Option<i64>, Bad> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.contains('.')
        && let Ok(seconds) = text.parse::<f64>()
    {
        let nanos = (seconds * 1_000.0).round() * 1e6;
        return if nanos.abs() < 9.2e18 {
            Ok(Some(nanos as i64))
        } else {
            Err(format!("strconv.ParseInt: parsing {text:?}: value out of range"))
        };
    }
    match text.parse::<i64>() {
        Ok(number) if text.trim_start_matches('-').len() <= 10 => Ok(Some(number.saturating_mul(NANOS_PER_SEC))),
        Ok(number) => Ok(Some(number)),
        Err(_) => match Timestamp::parse_rfc3339(text) {
            Some(at) => Ok(Some(at.0)),
            None => Err(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")),
        },
    }
}

fn seconds_or_duration(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(seconds) => (seconds.is_finite() && seconds.abs() < 9.2e9).then_some((seconds * 1e9) as i64),
        Err(_) => duration(text),
    }
}

/// Prometheus's: `1h30m`, `250ms`, also `1y`.
fn duration(text: &str) -> Option<i64> {
    match text.strip_suffix('y').and_then(|years| years.parse::<i64>().ok()) {
        Some(years) => years.checked_mul(365 * 24 * 3_600 * NANOS_PER_SEC),
        None => model::time::parse_duration(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(2_000_000_000 * NANOS_PER_SEC);

    fn check(query: &str, expect: Result<(i64, i64), &str>) {
        let found = Params::read("", query).range(NOW);
        assert_eq!(found.as_ref().map_err(String::as_str).copied(), expect, "{query}");
    }

    #[test]
    fn times_read_as_loki_reads_them() {
        let s = NANOS_PER_SEC;
        check("", Ok((NOW.0 - 3_600 * s, NOW.0)));
        check("start=10&end=20", Ok((10 * s, 20 * s)));
        check("start=1795365300000&end=1795365300001", Ok((1_795_365_300_000, 1_795_365_300_001)));
        check("start=10.5&end=20.0004", Ok((10 * s + s / 2, 20 * s)));
        check("start=1970-01-01T00:00:10Z&end=1970-01-01T00:00:20.5Z", Ok((10 * s, 20 * s + s / 2)));
        check("end=5000&since=15m", Ok((4_100 * s, 5_000 * s)));
        check("start=20&end=20", Ok((20 * s, 20 * s)));
        check("start=21&end=20", Err("end timestamp must not be before or equal to start time"));
        check("start=yesterday", Err("could not parse 'start' parameter: strconv.ParseInt: parsing \"yesterday\": invalid syntax"));
    }

    #[test]
    fn numbers_say_what_is_wrong_with_them() {
        let count = |query: &str| Params::read("", query).count("limit", 100);
        assert_eq!(count(""), Ok(100));
        assert_eq!(count("limit=7"), Ok(7));
        assert_eq!(count("limit=0"), Err("limit must be a positive value".to_owned()));
        assert_eq!(count("limit=abc"), Err("strconv.Atoi: parsing \"abc\": invalid syntax".to_owned()));
        let step = |query: &str| Params::read("", query).step(0, 3_600 * NANOS_PER_SEC);
        assert_eq!(step(""), Ok(14 * NANOS_PER_SEC));
        assert_eq!(step("step=90.5"), Ok(90_500_000_000));
        assert_eq!(step("step=2m"), Ok(120 * NANOS_PER_SEC));
        assert!(step("step=0").unwrap_err().starts_with("zero or negative"));
        assert!(step("step=0.01").unwrap_err().starts_with("exceeded maximum resolution"));
    }

    #[test]
    fn a_form_comes_before_the_query_string() {
        let params = Params::read("query=a+b&match%5B%5D=x", "query=c&match[]=y");
        assert_eq!((params.get("query"), params.all("match[]").collect::<Vec<_>>()), ("a b", vec!["x", "y"]));
    }
}
