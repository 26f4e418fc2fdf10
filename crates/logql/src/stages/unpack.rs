//! `| unpack`: undoes the `pack` stage of shippers. `_entry` becomes the line and the other texts of the object labels; an object
//! without `_entry` stays as it is.

use super::{
    json::JSON_ERROR,
    names::{self, Wanted},
    scan::{self, JsonError, Kind, Next, Value},
};
use crate::labelset::LabelSet;

const ENTRY: &str = "_entry";

/// The stage.
#[derive(Clone, Debug)]
pub struct Unpack {
    wanted: Wanted,
    name: String,
}

impl Unpack {
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, name: String::new() }
    }

    /// Says whether `out` is the new line.
    pub fn run(&mut self, line: &str, labels: &mut LabelSet, out: &mut String) -> bool {
        if line.is_empty() {
            return false;
        }
        let start = scan::skip_white(line.as_bytes(), 0);
        if line.as_bytes().get(start) != Some(&b'{') {
            labels.set_error(JSON_ERROR, "expecting json object(6), but it is not");
            return false;
        }
        // Labels count only if there is an entry, and it may stand last.
        let mut entry = None;
        let mut found = Vec::new();
        let read = fields(line, start + 1, &mut |key, value| match value.kind {
            Kind::String { .. } if key == ENTRY => entry = Some(value),
            Kind::String { .. } => found.push((key.to_owned(), value)),
            _ => {}
        });
        if let Err(error) = read {
            labels.set_error(JSON_ERROR, &error.to_string());
            return false;
        }
        let Some(entry) = entry else { return false };
        for (key, value) in found {
            self.name.clear();
            names::sanitize(&key, &mut self.name);
            if !self.name.is_empty() && self.wanted.may_take(&self.name) {
                self.wanted.take(labels, &self.name, &value.text());
            }
        }
        out.clear();
        out.push_str(&entry.text());
        true
    }
}

fn fields<'a>(line: &'a str, at: usize, each: &mut dyn FnMut(&str, Value<'a>)) -> Result<(), JsonError> {
    let bytes = line.as_bytes();
    let mut at = scan::skip_white(bytes, at);
    loop {
        match bytes.get(at) {
            Some(b'"') => {}
            Some(b'}') => return Ok(()),
            _ => return Err(JsonError::Object),
        }
        let (key, value_at) = scan::key(line, at)?;
        let value = scan::value(line, value_at)?;
        each(&key, value);
        match scan::next_field(bytes, value.end)? {
            Next::Field(next) => at = next,
            Next::End(_) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_becomes_the_line() {
        for (line, entry, expect) in [
            (r#"{"_entry":"job=1 \"x\"","pod":"w-0","n":1,"o":{"a":"b"}}"#, Some("job=1 \"x\""), "pod=w-0"),
            (r#"{"pod":"w-0","_entry":""}"#, Some(""), "pod=w-0"),
            (r#"{"pod":"w-0"}"#, None, ""),
            ("plain", None, "__error__=JSONParserErr __error_details__=expecting json object(6), but it is not"),
            ("", None, ""),
        ] {
            let (mut labels, mut out) = (LabelSet::default(), String::new());
            let packed = Unpack::new(Wanted::All).run(line, &mut labels, &mut out);
            assert_eq!(packed.then_some(out.as_str()), entry, "{line}");
            let found: Vec<_> = labels.parsed().iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(found.join(" "), expect, "{line}");
        }
    }
}
