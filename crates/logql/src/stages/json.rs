//! `| json`: every field of a JSON object becomes a label; nested ones with the names joined by `_`, arrays and nulls left out.
//! A scanner over the line: no tree, and nothing is copied but the labels that are wanted.

use super::{
    names::{self, Wanted},
    scan::{self, JsonError, Kind, Next},
};
use crate::labelset::LabelSet;

/// The error of a line that is not JSON.
pub const JSON_ERROR: &str = "JSONParserErr";
/// Objects below this depth are skipped.
const MAX_DEPTH: u8 = 32;

/// The stage.
#[derive(Clone, Debug)]
pub struct Json {
    wanted: Wanted,
    /// The name of the field at hand, with those of the objects around it.
    path: String,
}

enum Halt {
    /// All that is wanted is there.
    Done,
    Wrong(JsonError),
}

impl From<JsonError> for Halt {
    fn from(error: JsonError) -> Self {
        Self::Wrong(error)
    }
}

impl Json {
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, path: String::new() }
    }

    /// Labels found before an error stay.
    pub fn run(&mut self, line: &str, labels: &mut LabelSet) {
        let missing = self.wanted.missing(labels);
        if missing == Some(0) || line.is_empty() {
            return;
        }
        self.path.clear();
        let mut walk = Walk { line, wanted: &self.wanted, path: &mut self.path, missing, labels };
        let start = scan::skip_white(line.as_bytes(), 0);
        let ended = match line.as_bytes().get(start) {
            Some(b'{') => walk.object(start + 1, 0),
            _ => Err(Halt::Wrong(JsonError::Object)),
        };
        if let Err(Halt::Wrong(error)) = ended {
            labels.set_error(JSON_ERROR, &error.to_string());
        }
    }
}

struct Walk<'a, 'l> {
    line: &'a str,
    wanted: &'l Wanted,
    path: &'l mut String,
    missing: Option<usize>,
    labels: &'l mut LabelSet,
}

impl Walk<'_, '_> {
    /// `at` stands behind the brace; gives the place behind the closing one.
    fn object(&mut self, at: usize, depth: u8) -> Result<usize, Halt> {
        let bytes = self.line.as_bytes();
        let mut at = scan::skip_white(bytes, at);
        loop {
            match bytes.get(at) {
                Some(b'"') => {}
                Some(b'}') => return Ok(at + 1),
                _ => return Err(JsonError::Object.into()),
            }
            let (key, value_at) = scan::key(self.line, at)?;
            let end = match bytes.get(value_at) {
                Some(b'{') if depth < MAX_DEPTH => self.nested(&key, value_at, depth)?,
                _ => {
                    let value = scan::value(self.line, value_at)?;
                    if !matches!(value.kind, Kind::Null | Kind::Array | Kind::Object) {
                        self.field(&key, &value)?;
                    }
                    value.end
                }
            };
            at = match scan::next_field(bytes, end)? {
                Next::Field(at) => at,
                Next::End(at) => return Ok(at),
            };
        }
    }

    fn nested(&mut self, key: &str, at: usize, depth: u8) -> Result<usize, Halt> {
        let outer = self.path.len();
        self.extend_path(key);
        // Where a line is read to its end, unwanted objects are checked as well: whether a row has an error must not depend on
        // what is wanted.
        let skips = self.missing.is_some() && !self.wanted.may_take_below(self.path);
        let end = if skips { scan::block_end(self.line.as_bytes(), at).ok_or(JsonError::Object)? } else { self.object(at + 1, depth + 1)? };
        self.path.truncate(outer);
        Ok(end)
    }

    fn field(&mut self, key: &str, value: &scan::Value<'_>) -> Result<(), Halt> {
        let outer = self.path.len();
        let name = if outer == 0 && names::is_clean(key) {
            key
        } else {
            self.extend_path(key);
            self.path.as_str()
        };
        let new = !name.is_empty() && self.wanted.may_take(name) && self.wanted.take(self.labels, name, &value.text());
        self.path.truncate(outer);
        if new && let Some(missing) = &mut self.missing {
            *missing -= 1;
            if *missing == 0 {
                return Err(Halt::Done);
            }
        }
        Ok(())
    }

    fn extend_path(&mut self, key: &str) {
        if !self.path.is_empty() {
            self.path.push('_');
        }
        names::sanitize(key, self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: Option<&[&str]>, line: &str, expect: &str) {
        let wanted = wanted.map_or(Wanted::All, |names| Wanted::only(names.iter().map(|&name| name.into()).collect()));
        let mut labels = LabelSet::default();
        Json::new(wanted).run(line, &mut labels);
        let found: Vec<_> = labels.parsed().iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found.join(" "), expect, "{line}");
    }

    const STRING: &str = "__error__=JSONParserErr __error_details__=Value is string, but can't find closing '\"' symbol";
    const OBJECT: &str = "__error__=JSONParserErr __error_details__=Value looks like object, but can't find closing '}' symbol";

    #[test]
    fn fields_become_labels() {
        for (line, expect) in [
            (
                r#"{"status":201,"paid":true,"coupon":null,"items":[{"sku":"A0"}],"user":{"id":1,"plan":"free"}}"#,
                "paid=true status=201 user_id=1 user_plan=free",
            ),
            (
                r#"{"msg":"odd keys","a.b":1,"a-b":2,"1st":3,"with space":4,"ünïcode":"grüße 🚀"}"#,
                "_1st=3 _n_code=grüße 🚀 a_b=1 msg=odd keys with_space=4",
            ),
            (
                r#"{"msg":"\u00e9 \n \"q\" \\","empty":"","nested":{"deep":{"er":{"x":1}}},"big":12345678901234567890,"float":1.50,"exp":1e3}"#,
                "big=12345678901234567890 empty= exp=1e3 float=1.50 msg=é \n \"q\" \\ nested_deep_er_x=1",
            ),
            (r#" { "a" : "b" , "c" : { } , } trailing"#, "a=b"),
            (r#"{"k\u0065y":"\x"}"#, r"key=\x"),
            ("{}", ""),
            ("", ""),
            (r#"{"":1,"a":{"1":2,"b":{}}}"#, "a_1=2"),
        ] {
            check(None, line, expect);
        }
    }

    #[test]
    fn a_broken_line_keeps_what_came_before() {
        for (line, expect) in [
            (r#"{"level":"info","msg":"truncated json","order_id":"o-9"#, format!("{STRING} level=info msg=truncated json")),
            ("plain text in a JSON stream", OBJECT.into()),
            ("[1,2,3]", OBJECT.into()),
            ("null", OBJECT.into()),
            (r#"{"a":1 "b":2}"#, format!("{OBJECT} a=1")),
            (r#"{"a":{"b":1"#, "__error__=JSONParserErr __error_details__=Value is array, but can't find closing ']' symbol a_b=1".into()),
            (r#"{"a":nope}"#, "__error__=JSONParserErr __error_details__=Unknown value type".into()),
            (r#"{"a""#, "__error__=JSONParserErr __error_details__=Malformed JSON error".into()),
        ] {
            check(None, line, &expect);
        }
    }

    #[test]
    fn only_what_is_wanted_is_taken_and_looked_for() {
        let line = r#"{"a":{"b":1,"c":2},"d":3,"e":"open"#;
        check(Some(&["a_c"]), line, "a_c=2");
        check(Some(&["d"]), line, "d=3");
        check(Some(&["z"]), line, STRING);
        check(Some(&["d", "__error__"]), line, &format!("{STRING} d=3"));
        check(Some(&[]), line, "");
    }

    #[test]
    fn a_line_of_many_fields_gives_them_all() {
        let fields: Vec<String> = (0..26_000).map(|n| format!("\"f{n}\":{n}")).collect();
        let mut labels = LabelSet::default();
        Json::new(Wanted::All).run(&format!("{{{0},{0}}}", fields.join(",")), &mut labels);
        assert_eq!((labels.parsed().len(), labels.get("f25999"), labels.error()), (26_000, Some("25999"), None));
    }

    #[test]
    fn deep_lines_do_not_exhaust_the_stack() {
        check(None, &r#"{"a":"#.repeat(100_000), OBJECT);
        let deep = format!("{}1{},\"b\":2}}", r#"{"a":"#.repeat(50), "}".repeat(49));
        check(None, &deep, "b=2");
    }
}
