//! A query's text with one thing more in it, for clicks on what a line has. Knows of the language only where quotes and comments end.

/// With a matcher in the first selector.
pub fn with_label(query: &str, name: &str, op: &str, value: &str) -> String {
    let matcher = [name, op, &quote(value)].concat();
    if query.contains(&matcher) {
        return query.to_owned();
    }
    let Some((open, close)) = selector(query) else { return query.to_owned() };
    let is_empty = query[open + 1..close].trim().is_empty();
    let comma = if is_empty || query[open + 1..close].trim_end().ends_with(',') { "" } else { ", " };
    [query[..close].trim_end(), comma, &matcher, &query[close..]].concat()
}

/// With a filter on a parsed field at its end, and the stage that parses where there is none. Names are written as the stages make them.
pub fn with_field(query: &str, name: &str, op: &str, value: &str, is_json: bool) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    let name = if name.starts_with(|c: char| c.is_ascii_digit()) { "_".to_owned() + &name } else { name };
    let filter = [" | ", &name, op, &quote(value)].concat();
    if query.contains(&filter) {
        return query.to_owned();
    }
    let has_parser = ["json", "logfmt", "unpack", "regexp", "pattern"].iter().any(|stage| has_stage(query, stage));
    let parser = match (has_parser, is_json) {
        (true, _) => "",
        (false, true) => " | json",
        (false, false) => " | logfmt",
    };
    // Behind a comment, on a line of its own.
    let end = if last_line_has_comment(query) { "\n" } else { "" };
    [query.trim_end(), end, parser, &filter].concat()
}

/// `"…"`, with the escapes that any text needs.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The signs of a text that stand neither in quotes nor in comments, with their places.
fn signs(query: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut inside = None;
    let mut escaped = false;
    query.char_indices().filter(move |(_, c)| match inside {
        Some('#') => {
            if *c == '\n' {
                inside = None;
            }
            false
        }
        Some(quote) => {
            if std::mem::take(&mut escaped) {
                return false;
            }
            escaped = *c == '\\' && quote == '"';
            if *c == quote {
                inside = None;
            }
            false
        }
        None => {
            if matches!(c, '"' | '`' | '#') {
                inside = Some(*c);
            }
            true
        }
    })
}

/// Where the first selector opens and closes.
fn selector(query: &str) -> Option<(usize, usize)> {
    let open = signs(query).find(|(_, c)| *c == '{')?.0;
    let close = signs(query).find(|(at, c)| *at > open && *c == '}')?.0;
    Some((open, close))
}

fn has_stage(query: &str, stage: &str) -> bool {
    signs(query).any(|(at, c)| {
        let rest = query[at..].strip_prefix('|').map(str::trim_start);
        let behind = rest.and_then(|rest| rest.strip_prefix(stage));
        c == '|' && behind.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '=' | '!')))
    })
}

fn last_line_has_comment(query: &str) -> bool {
    let line = query.rfind('\n').map_or(0, |at| at + 1);
    signs(query).any(|(at, c)| at >= line && c == '#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_goes_into_the_first_selector() {
        for (query, expect) in [
            (r#"{a="b"}"#, r#"{a="b", n="v"}"#),
            (r#"{a="}"} |= "{""#, r#"{a="}", n="v"} |= "{""#),
            (r#"{ }"#, r#"{n="v"}"#),
            (r#"{a="b",} | json"#, r#"{a="b",n="v"} | json"#),
            ("# {\n{a=`b\\`}", "# {\n{a=`b\\`, n=\"v\"}"),
            (r#"{n="v"}"#, r#"{n="v"}"#),
            ("nothing", "nothing"),
        ] {
            assert_eq!(with_label(query, "n", "=", "v"), expect);
        }
        assert_eq!(with_label(r#"{a="b"}"#, "n", "!=", "say \"x\\\""), r#"{a="b", n!="say \"x\\\""}"#);
    }

    #[test]
    fn a_field_brings_its_parser_once() {
        for (query, json, expect) in [
            (r#"{a="b"}"#, true, r#"{a="b"} | json | n_x="v""#),
            (r#"{a="b"}"#, false, r#"{a="b"} | logfmt | n_x="v""#),
            (r#"{a="b"} |json| c="d" "#, false, r#"{a="b"} |json| c="d" | n_x="v""#),
            (r#"{a="b"} |= "| json""#, true, r#"{a="b"} |= "| json" | json | n_x="v""#),
            (r#"{a="b"} | json="x""#, true, r#"{a="b"} | json="x" | json | n_x="v""#),
            ("{a=\"b\"} # all", true, "{a=\"b\"} # all\n | json | n_x=\"v\""),
            (r#"{a="b"} | json | n_x="v""#, true, r#"{a="b"} | json | n_x="v""#),
        ] {
            assert_eq!(with_field(query, "n.x", "=", "v", json), expect);
        }
    }
}
