//! `label_replace`: a label made from another by a pattern.

use regex::RegexBuilder;

use super::eval::Row;
use crate::{ast::LabelReplace, engine::EngineError};

/// The pattern must match the whole value; where it does not, the series stays as it is.
pub(super) fn label_replace(replace: &LabelReplace, rows: Vec<Row>) -> Result<Vec<Row>, EngineError> {
    let pattern = RegexBuilder::new(&format!("^(?s:{})$", replace.regex)).size_limit(1 << 20).dfa_size_limit(1 << 20).build();
    let pattern = pattern.map_err(|error| EngineError::Regex { span: replace.span, message: error.to_string() })?;
    let one = |row: Row| {
        let source = row.labels.iter().find(|(name, _)| *name == replace.src).map_or("", |(_, value)| value.as_str());
        let Some(captures) = pattern.captures(source) else { return row };
        let mut value = String::new();
        captures.expand(&replace.replacement, &mut value);
        let mut labels: Vec<(String, String)> = row.labels.iter().filter(|(name, _)| *name != replace.dst).cloned().collect();
        if !value.is_empty() {
            labels.push((replace.dst.clone(), value));
            labels.sort();
        }
        Row { labels: labels.into(), points: row.points }
    };
    Ok(rows.into_iter().map(one).collect())
}
