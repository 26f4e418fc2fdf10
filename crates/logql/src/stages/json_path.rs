//! `| json status="response.status", first="items[0]"`: chosen values of a JSON line.

use super::{
    json::JSON_ERROR,
    names::Wanted,
    scan::{self, JsonError, Kind, Next},
};
use crate::{ast::Extraction, labelset::LabelSet};

/// One bit each tells which expressions are still in play.
const MAX_EXPRESSIONS: usize = 64;
const MAX_STEPS: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
}

#[derive(Clone, Debug)]
struct Path {
    label: String,
    steps: Vec<Step>,
}

/// The stage. A label whose value is not in the line is empty.
#[derive(Clone, Debug)]
pub struct JsonPath {
    paths: Vec<Path>,
}

impl JsonPath {
    /// # Errors
    /// The extraction that is wrong and a text for the client.
    pub fn compile<'a>(extractions: &'a [Extraction], wanted: &Wanted) -> Result<Self, (&'a Extraction, String)> {
        let mut paths = Vec::new();
        for extraction in extractions {
            let steps = steps(&extraction.expression)
                .ok_or_else(|| (extraction, format!("cannot parse expression [{}]: syntax error", extraction.expression)))?;
            if paths.len() == MAX_EXPRESSIONS {
                return Err((extraction, format!("more than {MAX_EXPRESSIONS} expressions")));
            }
            if wanted.may_take(&extraction.label) {
                paths.push(Path { label: extraction.label.clone(), steps });
            }
        }
        Ok(Self { paths })
    }

    pub fn run(&self, line: &str, labels: &mut LabelSet) {
        let bytes = line.as_bytes();
        let start = scan::skip_white(bytes, 0);
        match bytes.get(start) {
            None => return,
            Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9') => {}
            Some(_) if scan::value(line, start).is_ok() => {}
            Some(_) => return labels.set_error(JSON_ERROR, ""),
        }
        let all = self.paths.iter().enumerate().fold(0, |all, (at, _)| all | 1 << at);
        let mut walk = Walk { line, paths: &self.paths, open: all, labels };
        if let Err(Some(error)) = walk.value(start, 0, all) {
            labels.set_error(JSON_ERROR, &error.to_string());
        }
        for path in &self.paths {
            if labels.get(&path.label).is_none() {
                labels.extract(&path.label, "");
            }
        }
    }
}

struct Walk<'a, 'l> {
    line: &'a str,
    paths: &'l [Path],
    /// The expressions not yet found.
    open: u64,
    labels: &'l mut LabelSet,
}

/// `Err(None)` where all is found.
type Walked = Result<usize, Option<JsonError>>;

impl Walk<'_, '_> {
    /// The value at `at` lies below the first `depth` steps of the paths of `mask`.
    fn value(&mut self, at: usize, depth: usize, mask: u64) -> Walked {
        let mask = mask & self.open;
        let deeper = self.pick(mask, |path| path.steps.len() > depth);
        let here = mask & !deeper;
        if here == 0 && deeper != 0 {
            match self.line.as_bytes().get(at) {
                Some(b'{') => return self.object(at + 1, depth, deeper),
                Some(b'[') => return self.array(at + 1, depth, deeper),
                _ => {}
            }
        }
        let value = scan::value(self.line, at)?;
        if here != 0 {
            let text = if value.kind == Kind::Null { "".into() } else { value.text() };
            for (at, path) in self.paths.iter().enumerate() {
                if here & (1 << at) != 0 {
                    self.labels.extract(&path.label, &text);
                }
            }
            self.open &= !here;
            if self.open == 0 {
                return Err(None);
            }
            // A value may be wanted whole and in part.
            match value.kind {
                Kind::Object if deeper != 0 => return self.object(at + 1, depth, deeper),
                Kind::Array if deeper != 0 => return self.array(at + 1, depth, deeper),
                _ => {}
            }
        }
        Ok(value.end)
    }

    fn object(&mut self, at: usize, depth: usize, mask: u64) -> Walked {
        let bytes = self.line.as_bytes();
        let mut at = scan::skip_white(bytes, at);
        loop {
            match bytes.get(at) {
                Some(b'"') => {}
                Some(b'}') => return Ok(at + 1),
                _ => return Err(Some(JsonError::Object)),
            }
            let (key, value_at) = scan::key(self.line, at)?;
            let below = self.pick(mask, |path| matches!(path.steps.get(depth), Some(Step::Field(name)) if *name == key));
            let end = self.value(value_at, depth + 1, below)?;
            at = match scan::next_field(bytes, end)? {
                Next::Field(at) => at,
                Next::End(at) => return Ok(at),
            };
        }
    }

    fn array(&mut self, at: usize, depth: usize, mask: u64) -> Walked {
        let bytes = self.line.as_bytes();
        let mut at = scan::skip_white(bytes, at);
        for index in 0.. {
            if bytes.get(at) == Some(&b']') {
                return Ok(at + 1);
            }
            let below = self.pick(mask, |path| path.steps.get(depth) == Some(&Step::Index(index)));
            at = scan::skip_white(bytes, self.value(at, depth + 1, below)?);
            match bytes.get(at) {
                Some(b',') => at = scan::skip_white(bytes, at + 1),
                Some(b']') => {}
                _ => break,
            }
        }
        Err(Some(JsonError::Array))
    }

    fn pick(&self, mask: u64, of: impl Fn(&Path) -> bool) -> u64 {
        if mask == 0 {
            return 0;
        }
        self.paths.iter().enumerate().filter(|(at, path)| mask & (1 << at) != 0 && of(path)).fold(0, |picked, (at, _)| picked | 1 << at)
    }
}

/// `a.b[0]["c"]`; `None` where it is no path.
fn steps(expression: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = expression.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if steps.len() == MAX_STEPS {
            return None;
        }
        if let Some(tail) = rest.strip_prefix("[\"") {
            let (end, escaped) = scan::string_end(tail.as_bytes(), 0)?;
            let raw = tail.get(..end)?;
            let mut name = String::new();
            if escaped && !scan::unescape(raw, &mut name) {
                return None;
            }
            steps.push(Step::Field(if escaped { name } else { raw.to_owned() }));
            rest = tail.get(end + 1..)?.strip_prefix(']')?;
        } else if let Some(tail) = rest.strip_prefix('[') {
            let (index, tail) = tail.split_once(']')?;
            if !index.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            steps.push(Step::Index(index.parse().ok()?));
            rest = tail;
        } else {
            let tail = if steps.is_empty() { rest } else { rest.strip_prefix('.')? };
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            let (name, tail) = tail.split_at(end);
            // What else a name may hold, clients quote: `["a b"]`.
            if name.is_empty() || name.contains(|char: char| !(char.is_alphanumeric() || matches!(char, '_' | '-' | '@' | ':'))) {
                return None;
            }
            steps.push(Step::Field(name.to_owned()));
            rest = tail;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::Span;

    fn extraction((label, expression): (&str, &str)) -> Extraction {
        Extraction { span: Span::default(), label: label.into(), expression: expression.into() }
    }

    fn check(line: &str, extractions: &[(&str, &str)], expect: &str) {
        let extractions: Vec<_> = extractions.iter().copied().map(extraction).collect();
        let mut labels = LabelSet::default();
        JsonPath::compile(&extractions, &Wanted::All).unwrap().run(line, &mut labels);
        let found: Vec<_> = labels.parsed().iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found.join(" "), expect, "{line}");
    }

    #[test]
    fn expressions_reach_into_objects_and_arrays() {
        let line = r#"{"order_id":"o-0","user":{"id":1,"plan":"free"},"items":[{"sku":"A0","n":1},{"sku":"A\u0031"}],"no":null,"a b":2}"#;
        check(
            line,
            &[("oid", "order_id"), ("plan", "user.plan"), ("sku", "items[0].sku"), ("n", r#"items[0]["n"]"#), ("user", "user")],
            r#"n=1 oid=o-0 plan=free sku=A0 user={"id":1,"plan":"free"}"#,
        );
        check(line, &[("second", "items[1].sku"), ("none", "items[7]"), ("no", "no"), ("ab", r#"["a b"]"#)], "ab=2 no= none= second=A1");
        check("[1,2,3]", &[("x", "[1]"), ("y", "y")], "x=2 y=");
        check(r#"{"a":1,"b":"#, &[("a", "a")], "a=1");
    }

    #[test]
    fn a_broken_line_has_empty_labels_and_one_that_is_no_json_none() {
        let string = "__error__=JSONParserErr __error_details__=Value is string, but can't find closing '\"' symbol";
        check(r#"{"level":"info","order_id":"o-9"#, &[("order_id", "order_id"), ("l", "level")], &format!("{string} l=info order_id="));
        check("plain text", &[("a", "a")], "__error__=JSONParserErr");
        check("[1,2,3]", &[("status", "status")], "status=");
    }

    #[test]
    fn wrong_expressions_are_refused() {
        for wrong in ["", "b..c", ".b", "b.", "b[", "b[x]", "b[\"x]", "b]", "b c"] {
            assert!(JsonPath::compile(&[extraction(("a", wrong))], &Wanted::All).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line in r#"[\[\]{}",:\\0-9ab ]{0,60}"#, expression in r#"[ab.\[\]"0-9\\]{0,8}"#) {
            let extractions = [extraction(("a", &expression)), extraction(("b", "a.b[0]"))];
            if let Ok(path) = JsonPath::compile(&extractions, &Wanted::All) {
                path.run(&line, &mut LabelSet::default());
            }
        }
    }
}
