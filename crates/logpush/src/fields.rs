//! What fields lines have: names, types, how many values, and where in the line. The shapes are those of Loki's
//! `detected_fields`, `detected_field/{name}/values` and `detected_labels`. Pure: rows in, answer out.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet, hash_map::Entry},
    hash::{BuildHasher, RandomState},
};

use model::Labels;
use serde::Serialize;

mod each;
mod kind;

use each::each_field;
pub use kind::FieldType;

/// One sampled line.
#[derive(Clone, Copy, Debug)]
pub struct FieldRow<'r> {
    pub line: &'r str,
    /// Of its stream; a field of the line with the name of one is called `<name>_extracted`.
    pub labels: &'r Labels,
    /// Structured metadata, `detected_level` included.
    pub metadata: &'r [(&'r str, &'r str)],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Parser {
    Json,
    Logfmt,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetectedField {
    pub label: String,
    #[serde(rename = "type")]
    pub kind: FieldType,
    pub cardinality: usize,
    /// What finds it in the line; `None` for structured metadata (clients tell the two apart by the `null`).
    pub parsers: Option<Vec<Parser>>,
    #[serde(rename = "jsonPath", skip_serializing_if = "Option::is_none")]
    pub json_path: Option<Vec<String>>,
}

/// The whole answer; `{}` without fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DetectedFields {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<DetectedField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// The whole answer of `detected_field/{name}/values`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FieldValues {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Distinct values counted of a field; more are not told apart.
const MAX_VALUES: usize = 10_000;

/// The fields of some rows, at most `limit`, in the order in which they first occur.
pub fn detected_fields<'r>(rows: impl IntoIterator<Item = FieldRow<'r>>, limit: usize) -> DetectedFields {
    let mut seen = Seen { fields: Vec::new(), places: HashMap::new(), limit, hasher: RandomState::new() };
    for row in rows {
        each_field(&row, &mut |name, value, source| seen.note(name, value, source));
    }
    let limit = (!seen.fields.is_empty()).then_some(limit);
    DetectedFields { fields: seen.fields.into_iter().map(Field::told).collect(), limit }
}

/// The distinct values of one field, at most `limit`, in the order in which they first occur.
pub fn detected_field_values<'r>(rows: impl IntoIterator<Item = FieldRow<'r>>, name: &str, limit: usize) -> FieldValues {
    let mut values = Vec::new();
    let mut known = HashSet::new();
    for row in rows {
        each_field(&row, &mut |field, value, _| {
            if field == name && values.len() < limit && !known.contains(value) {
                known.insert(value.to_owned());
                values.push(value.to_owned());
            }
        });
    }
    let limit = (!values.is_empty()).then_some(limit);
    FieldValues { values, limit }
}

/// Where a field was found.
pub(crate) enum Source<'p> {
    Metadata,
    /// The keys that lead to it, as written.
    Json(&'p [Cow<'p, str>]),
    Logfmt,
}

struct Field {
    label: String,
    kind: Option<FieldType>,
    values: HashSet<u64>,
    parsers: Vec<Parser>,
    json_path: Option<Vec<String>>,
}

struct Seen {
    fields: Vec<Field>,
    places: HashMap<String, usize>,
    limit: usize,
    hasher: RandomState,
}

impl Seen {
    fn note(&mut self, name: &str, value: &str, source: Source<'_>) {
        let at = match self.places.entry(name.to_owned()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if self.fields.len() >= self.limit => return,
            Entry::Vacant(vacant) => {
                self.fields.push(Field {
                    label: name.to_owned(),
                    kind: None,
                    values: HashSet::new(),
                    parsers: Vec::new(),
                    json_path: None,
                });
                *vacant.insert(self.fields.len() - 1)
            }
        };
        let field = &mut self.fields[at];
        let kind = FieldType::of(value);
        field.kind = Some(field.kind.map_or(kind, |known| known.with(kind)));
        if field.values.len() < MAX_VALUES {
            field.values.insert(self.hasher.hash_one(value));
        }
        let parser = match source {
            Source::Metadata => return,
            Source::Logfmt => Parser::Logfmt,
            Source::Json(path) => {
                field.json_path.get_or_insert_with(|| path.iter().map(|key| key.clone().into_owned()).collect());
                Parser::Json
            }
        };
        if !field.parsers.contains(&parser) {
            field.parsers.push(parser);
            field.parsers.sort_by_key(|parser| *parser as u8);
        }
    }
}

impl Field {
    fn told(self) -> DetectedField {
        DetectedField {
            label: self.label,
            kind: self.kind.unwrap_or(FieldType::String),
            cardinality: self.values.len(),
            parsers: (!self.parsers.is_empty()).then_some(self.parsers),
            json_path: self.json_path,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetectedLabel {
    pub label: String,
    pub cardinality: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DetectedLabels {
    #[serde(rename = "detectedLabels")]
    pub detected_labels: Vec<DetectedLabel>,
}

/// Labels that are told whatever their values are.
const ALWAYS: [&str; 4] = ["cluster", "namespace", "instance", "pod"];

/// The labels worth a look, of each label's distinct values: those are left out that only have numbers or UUIDs.
pub fn detected_labels<'v, V: IntoIterator<Item = &'v str>>(labels: impl IntoIterator<Item = (String, V)>) -> DetectedLabels {
    let mut detected_labels = Vec::new();
    for (label, values) in labels {
        let (mut cardinality, mut telling) = (0, ALWAYS.contains(&label.as_str()));
        for value in values {
            cardinality += 1;
            telling |= value.parse::<f64>().is_err() && !is_uuid(value);
        }
        if telling && cardinality > 0 {
            detected_labels.push(DetectedLabel { label, cardinality });
        }
    }
    DetectedLabels { detected_labels }
}

/// RFC 9562 §4, in either case.
fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_numbers_and_ids_are_left_out() {
        let check = |label: &str, values: &[&str], expect: &[usize]| {
            let got = detected_labels([(label.to_owned(), values.iter().copied())]);
            assert_eq!(got.detected_labels.iter().map(|label| label.cardinality).collect::<Vec<_>>(), expect, "{label} {values:?}");
        };
        check("app", &["a", "b"], &[2]);
        check("app", &["1", "2.5"], &[]);
        check("app", &["1", "b"], &[2]);
        check("id", &["123e4567-e89b-12d3-a456-426614174000"], &[]);
        check("pod", &["1"], &[1]);
        check("none", &[], &[]);
    }

    #[test]
    fn fields_are_found_in_lines_and_metadata() {
        let labels = Labels::from([("app", "shop")]);
        let row = |line, metadata| FieldRow { line, labels: &labels, metadata };
        let rows = [
            row(r#"{"a.b":1,"user":{"id":"7","x":null},"app":"y","list":[1],"1st":"","e":"x\ty"}"#, &[("trace_id", "t")][..]),
            row(r#"a_b=1.5 bare key= trace_id=z took=3ms"#, &[("trace_id", "u")][..]),
            row("plain text", &[]),
            row(r#"{"broken":1"#, &[]),
        ];
        let got = serde_json::to_value(detected_fields(rows, 1000)).unwrap();
        let expect = serde_json::json!({ "limit": 1000, "fields": [
            {"label":"trace_id","type":"string","cardinality":2,"parsers":null},
            {"label":"a_b","type":"float","cardinality":2,"parsers":["json","logfmt"],"jsonPath":["a.b"]},
            {"label":"user_id","type":"int","cardinality":1,"parsers":["json"],"jsonPath":["user","id"]},
            {"label":"app_extracted","type":"string","cardinality":1,"parsers":["json"],"jsonPath":["app"]},
            {"label":"_1st","type":"string","cardinality":1,"parsers":["json"],"jsonPath":["1st"]},
            {"label":"e","type":"string","cardinality":1,"parsers":["json"],"jsonPath":["e"]},
            {"label":"trace_id_extracted","type":"string","cardinality":1,"parsers":["logfmt"]},
            {"label":"took","type":"duration","cardinality":1,"parsers":["logfmt"]},
        ]});
        assert_eq!(got, expect);
        assert_eq!(detected_field_values(rows, "trace_id", 1).values, ["t"]);
        assert_eq!(serde_json::to_string(&detected_fields([], 1000)).unwrap(), "{}");
        assert_eq!(detected_fields(rows, 2).fields.len(), 2);
    }
}
