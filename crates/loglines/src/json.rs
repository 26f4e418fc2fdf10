//! JSON objects in the order they were written: nested objects flattened, numbers untouched, everything bounded.

use std::{borrow::Cow, fmt};

use model::log::Fields;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    fields::{MAX_FIELDS, MAX_VALUE_BYTES},
    text,
};

/// Objects nested deeper than this are kept as text.
const MAX_DEPTH: usize = 8;

/// The fields of a text that is one JSON object and nothing else; `None` where it is not.
pub(crate) fn parse(text: &str) -> Option<Fields> {
    let mut fields = Fields::default();
    flatten(text, "", 0, &mut fields)?;
    Some(fields)
}

/// The raw JSON of the first top-level member whose name `wanted` accepts.
pub(crate) fn find(text: &str, wanted: impl Fn(&str) -> bool) -> Option<&str> {
    let mut found = None;
    members(text, |name, value| {
        if found.is_none() && wanted(name) {
            found = Some(value);
        }
        true
    })?;
    found
}

/// A raw JSON string without its quotes and escapes; other JSON as it is.
pub(crate) fn unquoted(raw: &str) -> Cow<'_, str> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        None => Cow::Borrowed(raw),
        Some(inside) if !inside.contains('\\') => Cow::Borrowed(inside),
        // A lone surrogate is valid to the scanner and not to the reader: keep it as written.
        Some(inside) => serde_json::from_str(raw).map_or(Cow::Borrowed(inside), Cow::Owned),
    }
}

fn flatten(text: &str, prefix: &str, depth: usize, fields: &mut Fields) -> Option<()> {
    members(text, |name, raw| {
        if fields.0.len() >= MAX_FIELDS {
            return false;
        }
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        let key = if key.len() > MAX_VALUE_BYTES { text::cut(&key, MAX_VALUE_BYTES).to_owned() } else { key };
        let value = match raw.as_bytes()[0] {
            b'{' if depth + 1 < MAX_DEPTH && !is_empty_object(raw) => {
                flatten(raw, &key, depth + 1, fields);
                return true;
            }
            b'{' | b'[' => compact(raw),
            _ => text::cut(&unquoted(raw), MAX_VALUE_BYTES).to_owned(),
        };
        fields.0.push((key, value));
        true
    })
}

fn is_empty_object(raw: &str) -> bool {
    raw[1..].trim_start() == "}"
}

/// JSON without the blanks between its tokens, cut.
fn compact(raw: &str) -> String {
    let mut compact = String::with_capacity(raw.len().min(MAX_VALUE_BYTES));
    let (mut quoted, mut escaped) = (false, false);
    for c in raw.chars() {
        if quoted {
            (quoted, escaped) = (escaped || c != '"', !escaped && c == '\\');
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            quoted = c == '"';
        }
        if compact.len() + c.len_utf8() > MAX_VALUE_BYTES {
            break;
        }
        compact.push(c);
    }
    compact
}

/// Calls `each` with the name and raw JSON of an object's members, in order, until it says no. `None` where `text` is
/// not an object, wholly read.
fn members<'a>(text: &'a str, each: impl FnMut(&str, &'a str) -> bool) -> Option<()> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_map(Members { each }).ok()?;
    reader.end().ok()
}

struct Members<F> {
    each: F,
}

impl<'de, F: FnMut(&str, &'de str) -> bool> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            if !(self.each)(&name, value.get()) {
                break;
            }
        }
        // The rest must still be JSON.
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
