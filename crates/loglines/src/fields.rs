//! The fields of structured lines, in the line's order.

use model::log::Fields;

use crate::{ansi, json, logfmt, text};

/// Fields beyond these are not looked at.
pub const MAX_FIELDS: usize = 128;
/// Values (and names) are cut to this, on a char boundary.
pub const MAX_VALUE_BYTES: usize = 4096;

/// What a line is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Json,
    Logfmt,
    Plain,
}

/// The fields of a line that is a JSON object (nested as `a.b`, arrays as compact JSON, strings unescaped, numbers as
/// written) or logfmt; none for other text. Colours, and a prefix of compose, syslog or the container runtime before
/// the object, do not matter.
pub fn parse(line: &str) -> Fields {
    read(text::unprefixed(&ansi::strip(line))).1
}

/// Shape and fields of a text without codes and runtime prefix.
pub(crate) fn read(text: &str) -> (Shape, Fields) {
    if let Some(object) = object_in(text)
        && let Some(fields) = json::parse(object)
    {
        return (Shape::Json, fields);
    }
    match logfmt::parse(text) {
        Some(fields) => (Shape::Logfmt, fields),
        None => (Shape::Plain, Fields::default()),
    }
}

/// The part of a text that may be its JSON object: all of it, or what follows a timestamp or a syslog header.
pub(crate) fn object_in(text: &str) -> Option<&str> {
    if !text.trim_end().ends_with('}') {
        return None;
    }
    let open = memchr::memchr(b'{', &text.as_bytes()[..text.len().min(160)])?;
    let (prefix, object) = text.split_at(open);
    let certain = match text::token(prefix.trim()) {
        ("", _) => true,
        (token, "") => text::is_time(token.trim_matches(['[', ']'])),
        (token, _) => prefix.ends_with(' ') && (token.starts_with('<') || is_month(token)) && prefix.trim_end().ends_with([':', '-', ']']),
    };
    certain.then_some(object)
}

pub(crate) fn is_month(token: &str) -> bool {
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].contains(&token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(line: &str, expect: &str) {
        let shown: Vec<String> = parse(line).0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(shown.join("|"), expect, "{line}");
    }

    #[test]
    fn structured_lines_give_their_fields_in_order() {
        for (line, expect) in [
            (r#"{"z":1,"a":"x\ny","m":{"k":true,"n":{"deep":null}},"e":{}}"#, "z=1|a=x\ny|m.k=true|m.n.deep=null|e={}"),
            (r#"{"n":1.0,"big":12345678901234567890123,"e":1e5,"neg":-0}"#, "n=1.0|big=12345678901234567890123|e=1e5|neg=-0"),
            (r#"{"list": [1, "a b\"]", {"k": 2}]}"#, r#"list=[1,"a b\"]",{"k":2}]"#),
            (r#"  {"a":"é😀","b":"\ud83d\ude00"} "#, "a=é😀|b=😀"),
            ("\u{1b}[32m{\"a\":1}\u{1b}[0m", "a=1"),
            (r#"web-1  | {"a":1}"#, "a=1"),
            (r#"2026-11-22T16:36:00Z {"a":1}"#, "a=1"),
            (r#"2026-11-22T16:36:00.1Z stdout F {"a":1}"#, "a=1"),
            (r#"Nov 22 16:36:00 host app[12]: {"a":1}"#, "a=1"),
            (r#"<14>1 2026-11-22T16:36:00Z host app 1 - - {"a":1}"#, "a=1"),
            (r#"level=info msg="two words \"q\"" dur=1.5ms empty="#, "level=info|msg=two words \"q\"|dur=1.5ms|empty="),
            ("2026-11-22T16:36:00Z level=warn n=1", "level=warn|n=1"),
            ("time=2026-11-22T16:36:00Z level=INFO msg=hello", "time=2026-11-22T16:36:00Z|level=INFO|msg=hello"),
            ("api-2 | a=1 b=2", "a=1|b=2"),
            // Not structured.
            ("", ""),
            ("plain text", ""),
            ("{}", ""),
            ("{not json}", ""),
            (r#"{"a":1} trailing"#, ""),
            (r#"{"a":1"#, ""),
            (r#"{"a":01}"#, ""),
            ("[1,2]", ""),
            (r#"saved {"a":1}"#, ""),
            (r#"upload failed: {"a":1}"#, ""),
            ("a = b and c = d", ""),
            ("only=one", ""),
            ("the config has a=1 and b=2 set", ""),
            ("x=1 and then a long sentence follows here y=2", ""),
            (r#"a="unterminated b=2"#, ""),
        ] {
            check(line, expect);
        }
    }

    #[test]
    fn fields_are_bounded() {
        let many: Vec<String> = (0..300).map(|n| format!("\"k{n}\":{n}")).collect();
        assert_eq!(parse(&format!("{{{}}}", many.join(","))).0.len(), MAX_FIELDS);
        assert_eq!(parse(&(0..300).map(|n| format!("k{n}={n} ")).collect::<String>()).0.len(), MAX_FIELDS);
        for long in ["é".repeat(3000), format!("x{}", "é".repeat(3000))] {
            for line in [format!("{{\"a\":\"{long}\"}}"), format!("{{\"a\":[\"{long}\"]}}"), format!("a=\"{long}\" b={long}")] {
                let fields = parse(&line);
                assert!(!fields.0.is_empty() && fields.0.iter().all(|(_, value)| (4094..=4096).contains(&value.len())), "{fields:?}");
            }
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(50), "}".repeat(50));
        assert_eq!(parse(&deep).0[0].0, "a.a.a.a.a.a.a.a");
        let deeper = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse(&deeper).0[0].1.len(), MAX_VALUE_BYTES);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "(\\{|\\}|\"|\\\\|:|,|=|\\[|\\]|[a-c]|level|[0-9]| |é|\x1b|\\PC){0,60}") {
            let understood = crate::understand(&line);
            prop_assert_eq!(understood.fields, parse(&line));
            prop_assert_eq!(understood.level, crate::level::detect(&line));
        }
    }
}
