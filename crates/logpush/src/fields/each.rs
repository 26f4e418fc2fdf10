//! The fields of one row, named as LogQL's `json` and `logfmt` name them.

use std::{borrow::Cow, collections::HashSet};

use super::{FieldRow, Source};
use crate::{
    json_scan::{Member, Members, unquoted},
    logfmt_scan::Pairs,
};

/// Objects within objects; deeper ones are left out.
const MAX_DEPTH: usize = 16;
/// Of one line.
const MAX_FIELDS: usize = 512;

/// Calls `note` for each field: metadata, then those of a JSON or else a logfmt line. Neither `null` nor lists are fields.
/// Of fields of one line with the same name the first counts.
pub(super) fn each_field(row: &FieldRow<'_>, note: &mut dyn FnMut(&str, &str, Source<'_>)) {
    for (name, value) in row.metadata {
        note(name, value, Source::Metadata);
    }
    let mut known = HashSet::new();
    let mut note = |name: &str, value: &str, source: Source<'_>| {
        if known.insert(name.to_owned()) {
            note(name, value, source);
        }
    };
    let mut name = String::new();
    if row.line.trim_start().starts_with('{') {
        // A line that breaks off is no JSON.
        let mut members = Members::new(row.line);
        members.by_ref().for_each(drop);
        if !members.broken {
            let mut left = MAX_FIELDS;
            nested(row, row.line, &mut Vec::new(), &mut name, &mut left, &mut note);
            return;
        }
    }
    if memchr::memchr(b'=', row.line.as_bytes()).is_none() {
        return;
    }
    for pair in Pairs::new(row.line).filter(|pair| !pair.raw.is_empty()).take(MAX_FIELDS) {
        let value = pair.value();
        if !value.is_empty() {
            name.clear();
            push_name(pair.key, &mut name);
            extracted(row, &mut name);
            note(&name, &value, Source::Logfmt);
        }
    }
}

fn nested<'r>(
    row: &FieldRow<'_>,
    object: &'r str,
    path: &mut Vec<Cow<'r, str>>,
    name: &mut String,
    left: &mut usize,
    note: &mut dyn FnMut(&str, &str, Source<'_>),
) {
    let above = name.len();
    for Member { key, value } in Members::new(object) {
        if *left == 0 {
            return;
        }
        *left -= 1;
        if !path.is_empty() {
            name.push('_');
        }
        let key = if key.contains('\\') { Cow::Owned(unquoted(&format!("\"{key}\"")).into_owned()) } else { Cow::Borrowed(key) };
        push_name(&key, name);
        path.push(key);
        match value.as_bytes()[0] {
            b'{' if path.len() < MAX_DEPTH => nested(row, value, path, name, left, note),
            b'{' | b'[' => {}
            _ if value == "null" => {}
            _ => {
                extracted(row, name);
                note(name, &unquoted(value), Source::Json(path));
            }
        }
        path.pop();
        name.truncate(above);
    }
}

/// `_` for what a name cannot have, and before a leading digit.
fn push_name(key: &str, name: &mut String) {
    if name.is_empty() && key.starts_with(|first: char| first.is_ascii_digit()) {
        name.push('_');
    }
    name.extend(key.chars().map(|symbol| if symbol.is_ascii_alphanumeric() { symbol } else { '_' }));
}

fn extracted(row: &FieldRow<'_>, name: &mut String) {
    if row.labels.get(name).is_some() || row.metadata.iter().any(|(known, _)| known == name) {
        name.push_str("_extracted");
    }
}
