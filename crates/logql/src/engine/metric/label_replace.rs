//! `label_replace`: a label made from another by a pattern.

use super::eval::Row;
use crate::{
    ast::LabelReplace,
    engine::{EngineError, scan::Scan},
    matcher::whole,
};

/// The pattern must match the whole value; where it does not, the series stays as it is.
pub(super) fn label_replace(replace: &LabelReplace, rows: Vec<Row>, scan: &Scan<'_>) -> Result<Vec<Row>, EngineError> {
    let pattern = whole(&replace.regex).map_err(|error| EngineError::Regex { span: replace.span, message: error.to_string() })?;
    let references = replace.replacement.matches('$').count();
    let mut pace = scan.pace();
    let one = |row: Row| {
        let source = row.labels.iter().find(|(name, _)| *name == replace.src).map_or("", |(_, value)| value.as_str());
        pace.spend(64 + source.len())?;
        let Some(captures) = pattern.captures(source) else { return Ok(row) };
        let mut value = String::new();
        // Replacements within replacements can make a label as long as they like: known before it is made.
        let most = source.len().saturating_mul(references).saturating_add(replace.replacement.len());
        scan.hold_bytes(most)?;
        captures.expand(&replace.replacement, &mut value);
        scan.drop_bytes(most.saturating_sub(value.len()));
        let mut labels: Vec<(String, String)> = row.labels.iter().filter(|(name, _)| *name != replace.dst).cloned().collect();
        if !value.is_empty() {
            labels.push((replace.dst.clone(), value));
            labels.sort();
        }
        Ok(Row { labels: labels.into(), points: row.points })
    };
    rows.into_iter().map(one).collect()
}
