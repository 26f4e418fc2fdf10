//! `| unwrap duration(took) | __error__=""`: the number that a range aggregation works on.

use super::{CompileError, convert, label_filter::LabelFilter};
use crate::{
    ast::{Convert, Unwrap},
    labelset::LabelSet,
};

/// The error of a value that is no number.
pub const SAMPLE_ERROR: &str = "SampleExtractionErr";

/// The stage. Where all is well, the label it takes its value from is not part of the series (unless grouped by).
#[derive(Clone, Debug)]
pub struct Unwrapper {
    label: String,
    convert: Option<Convert>,
    filters: Vec<LabelFilter>,
}

impl Unwrapper {
    /// # Errors
    /// [`CompileError`].
    pub fn compile(unwrap: &Unwrap) -> Result<Self, CompileError> {
        let filters = unwrap.filters.iter().map(LabelFilter::compile).collect::<Result<_, _>>()?;
        Ok(Self { label: unwrap.label.clone(), convert: unwrap.convert, filters })
    }

    /// The label that holds the value.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The row's value: a number, seconds or bytes. `None` drops the row: it lacks the label (an empty one is none), or a filter
    /// behind `unwrap` does not take it. A value that cannot be read gives 0 and sets the row's error.
    pub fn value(&self, labels: &mut LabelSet) -> Option<f64> {
        let text = labels.get(&self.label).filter(|text| !text.is_empty())?;
        let value = match self.convert {
            None => convert::float(text),
            // Seconds, from whole nanoseconds, with one rounding.
            Some(Convert::Duration | Convert::DurationSeconds) => convert::duration(text).map(|nanos| nanos as f64 / 1e9),
            Some(Convert::Bytes) => convert::bytes(text).map(|bytes| bytes as f64),
        };
        let value = value.unwrap_or_else(|details| {
            labels.set_error(SAMPLE_ERROR, &details);
            0.0
        });
        self.filters.iter().all(|filter| filter.takes(labels)).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::{LabelFilter as Ast, MatchOp, Matcher, Span};

    #[test]
    fn a_row_gives_a_number_or_an_error_or_is_dropped() {
        let no_error = Ast::Match(Matcher { span: Span::default(), name: "__error__".into(), op: MatchOp::Equal, value: String::new() });
        for (label, convert, filters, value, error) in [
            ("amount", None, vec![], Some(188.31), None),
            ("took", Some(Convert::Duration), vec![], Some(0.99), None),
            ("took", Some(Convert::DurationSeconds), vec![], Some(0.99), None),
            ("size", Some(Convert::Bytes), vec![], Some(1_500_000.0), None),
            ("took", None, vec![], Some(0.0), Some(SAMPLE_ERROR)),
            ("took", None, vec![no_error.clone()], None, Some(SAMPLE_ERROR)),
            ("amount", None, vec![no_error], Some(188.31), None),
            ("absent", None, vec![], None, None),
            ("empty", None, vec![], None, None),
            ("empty", Some(Convert::Duration), vec![], None, None),
            ("empty", Some(Convert::Bytes), vec![], None, None),
        ] {
            let mut labels = LabelSet::default();
            for (name, value) in [("amount", "188.31"), ("took", "990.0ms"), ("size", "1.5MB"), ("empty", "")] {
                labels.extract(name, value);
            }
            let unwrap = Unwrap { span: Span::default(), label: label.into(), convert, filters };
            let unwrapper = Unwrapper::compile(&unwrap).unwrap();
            assert_eq!(unwrapper.value(&mut labels), value, "{unwrap:?}");
            assert_eq!(labels.error(), error, "{unwrap:?}");
            if error.is_some() {
                assert_eq!(labels.error_details(), r#"strconv.ParseFloat: parsing "990.0ms": invalid syntax"#);
            }
        }
    }
}
