//! Every address of ours as a function, so that a link cannot point nowhere.

use model::LogAsk;

pub const OVERVIEW: &str = "/";
pub const LOGS: &str = "/logs";
pub const LOGIN: &str = "/login";
pub const LOGOUT: &str = "/logout";
pub const SETUP: &str = "/setup";
pub const ACCOUNT: &str = "/account";
pub const USERS: &str = "/users";
pub const STORAGE: &str = "/storage";
pub const API_DOCS: &str = "/api/docs";

/// The pages a signed-in person can go to, for tests and the command palette.
pub fn all() -> [&'static str; 5] {
    [OVERVIEW, LOGS, STORAGE, ACCOUNT, USERS]
}

/// Percent-encodes everything but unreserved characters (RFC 3986 §2.3).
pub fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            _ => write!(out, "%{byte:02X}").expect("writing to a string works"),
        }
    }
    out
}

/// The viewer on some services and filters, and on a line where `at` names one.
pub fn logs(ask: &LogAsk, at: Option<&str>) -> String {
    let mut query = ask_query(ask);
    if let Some(id) = at {
        query.push(("at", id.to_owned()));
    }
    with_query(LOGS, &query)
}

/// The overview with a filter and an order.
pub fn overview(filter: &str, is_trouble_first: bool) -> String {
    let mut query = Vec::new();
    query.extend((!filter.is_empty()).then(|| ("q", filter.to_owned())));
    query.extend(is_trouble_first.then(|| ("sort", "trouble".to_owned())));
    with_query(OVERVIEW, &query)
}

/// The sign-in, and then on to a local address.
pub fn login(next: &str) -> String {
    with_query(LOGIN, &[("next", next.to_owned())])
}

/// The viewer on one service.
pub fn logs_of(service: &str) -> String {
    with_query(LOGS, &[("service", service.to_owned())])
}

/// The socket of the viewer: `tail` lines of history first, or what came after a line.
pub fn logs_socket(ask: &LogAsk, tail: usize, after: Option<&str>) -> String {
    let mut query = ask_query(ask);
    match after {
        Some(id) => query.push(("after", id.to_owned())),
        None => query.push(("tail", tail.to_string())),
    }
    with_query("/ws/logs", &query)
}

/// What an ask looks like in a URL: repeated parameters for lists.
pub fn ask_query(ask: &LogAsk) -> Vec<(&'static str, String)> {
    let mut query = Vec::new();
    query.extend(ask.query.iter().filter(|text| !text.is_empty()).map(|one| ("query", one.clone())));
    query.extend(ask.service.iter().map(|one| ("service", one.clone())));
    query.extend(ask.level.iter().map(|one| ("level", one.clone())));
    query.extend(ask.search.iter().filter(|text| !text.is_empty()).map(|one| ("search", one.clone())));
    query.extend(ask.regex.then(|| ("regex", "true".to_owned())));
    query.extend(ask.invert.then(|| ("invert", "true".to_owned())));
    query.extend(ask.field.iter().map(|one| ("field", one.clone())));
    query.extend(ask.start_time.iter().map(|one| ("start_time", one.clone())));
    query.extend(ask.end_time.iter().map(|one| ("end_time", one.clone())));
    query
}

/// An address with a query, percent-encoded.
pub fn with_query(path: &str, query: &[(&'static str, String)]) -> String {
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_the_viewer_says_all_of_its_state() {
        let ask = LogAsk {
            service: vec!["shop/web".into(), "db".into()],
            level: vec!["error".into()],
            search: Some("a b&c".into()),
            regex: true,
            ..LogAsk::default()
        };
        assert_eq!(logs(&ask, Some("00ff")), "/logs?service=shop%2Fweb&service=db&level=error&search=a%20b%26c&regex=true&at=00ff");
        assert_eq!(logs(&LogAsk::default(), None), "/logs");
    }
}
