//! `line_format` and `label_format`: rows rewritten by templates.

use std::{
    borrow::Cow,
    cell::{Cell, OnceCell},
};

use super::CompileError;
use crate::{
    ast::{FormatValue, LabelFormat as Ast, Span},
    labelset::{Category, ERROR, ERROR_DETAILS, LabelSet},
    template::{Context, Template},
};

/// The error of a template that fails on a row.
pub const FORMAT_ERROR: &str = "TemplateFormatErr";

/// `line_format`.
#[derive(Clone, Debug)]
pub struct LineFormat {
    template: Template,
    now_ns: i64,
}

impl LineFormat {
    /// # Errors
    /// [`CompileError`].
    pub fn compile(text: &str, span: Span, now_ns: i64) -> Result<Self, CompileError> {
        let template =
            Template::parse(text, "line").map_err(|error| CompileError { span, message: format!("invalid line template: {error}") })?;
        Ok(Self { template, now_ns })
    }

    /// Says whether `out` is the new line; where the template fails the line stays and the row has an error.
    pub fn run(&self, line: &str, at_ns: i64, labels: &mut LabelSet, out: &mut String) -> bool {
        out.clear();
        render(&self.template, line, at_ns, self.now_ns, labels, out)
    }
}

/// `label_format`.
#[derive(Clone, Debug)]
pub struct LabelFormat {
    formats: Vec<(String, Value)>,
    now_ns: i64,
    out: String,
}

#[derive(Clone, Debug)]
enum Value {
    Rename(String),
    Template(Template),
}

impl LabelFormat {
    /// # Errors
    /// [`CompileError`].
    pub fn compile(formats: &[Ast], now_ns: i64) -> Result<Self, CompileError> {
        let mut compiled: Vec<(String, Value)> = Vec::new();
        for Ast { span, target, value } in formats {
            let wrong = |message| CompileError { span: *span, message };
            if target == ERROR || target == ERROR_DETAILS {
                return Err(wrong(format!("{target} cannot be formatted")));
            }
            if compiled.iter().any(|(other, _)| other == target) {
                return Err(wrong(format!("multiple label name '{target}' not allowed in a single format operation")));
            }
            let value = match value {
                FormatValue::Rename(source) => Value::Rename(source.clone()),
                FormatValue::Template(text) => Value::Template(
                    Template::parse(text, target).map_err(|error| wrong(format!("invalid template for label '{target}': {error}")))?,
                ),
            };
            compiled.push((target.clone(), value));
        }
        Ok(Self { formats: compiled, now_ns, out: String::new() })
    }

    /// In the order they are written; each sees what those before it did.
    pub fn run(&mut self, line: &str, at_ns: i64, labels: &mut LabelSet) {
        for (target, value) in &self.formats {
            match value {
                Value::Rename(source) => labels.rename(source, target),
                Value::Template(template) => {
                    self.out.clear();
                    if render(template, line, at_ns, self.now_ns, labels, &mut self.out) {
                        labels.set(target, &self.out, Category::Parsed);
                    }
                }
            }
        }
    }
}

fn render(template: &Template, line: &str, at_ns: i64, now_ns: i64, labels: &mut LabelSet, out: &mut String) -> bool {
    let (failed, steps) = {
        let all = || {
            let mut pairs = labels.merged();
            pairs.dedup_by_key(|(name, _)| *name);
            pairs
        };
        let steps = Cell::new(labels.template_steps);
        let get = |name: &str| labels.get(name).map(Cow::Borrowed);
        let context = Context { line, at_ns, now_ns, get: &get, all: &all, map: OnceCell::new(), steps };
        (template.render(&context, out).err(), context.steps.get())
    };
    labels.template_steps = steps;
    if let Some(error) = &failed {
        labels.set_error(FORMAT_ERROR, &error.to_string());
    }
    failed.is_none()
}

/// The labels a template reads; `None` where that cannot be told.
pub fn template_names(text: &str) -> Option<Vec<String>> {
    let template = Template::parse(text, "line").ok()?;
    Some(template.labels()?.iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> LabelSet {
        let mut labels = LabelSet::default();
        for (name, value) in [("method", "GET"), ("status", "200")] {
            labels.extract(name, value);
        }
        labels
    }

    #[test]
    fn a_line_is_written_anew() {
        let mut out = String::new();
        let format = LineFormat::compile("{{.method}} -> {{.status}}{{.absent}}", Span::default(), 0).unwrap();
        assert!(format.run("x", 0, &mut labels(), &mut out));
        assert_eq!(out, "GET -> 200");
        assert!(LineFormat::compile("{{.x", Span::default(), 0).is_err());
    }

    #[test]
    fn the_map_of_labels_has_the_error_and_each_name_once() {
        let (mut labels, mut out) = (labels(), String::new());
        labels.set_error("JSONParserErr", "");
        let format = LineFormat::compile("{{ . }}{{ len . }}", Span::default(), 0).unwrap();
        assert!(format.run("x", 0, &mut labels, &mut out));
        assert_eq!(out, "map[__error__:JSONParserErr method:GET status:200]3");
    }

    #[test]
    fn the_formats_of_a_row_share_their_bound() {
        let text = FormatValue::Template("{{ $x := repeat 1000000 \"a\" }}{{ len $x }}".into());
        let format = |target: usize| Ast { span: Span::default(), target: format!("t{target}"), value: text.clone() };
        let mut formats = LabelFormat::compile(&(0..50).map(format).collect::<Vec<_>>(), 0).unwrap();
        let mut labels = labels();
        for _ in 0..2 {
            formats.run("", 0, &mut labels);
            assert!(labels.error_details().contains("takes more than"), "{}", labels.error_details());
            assert_eq!((labels.get("t0"), labels.get("t49")), (Some("1000000"), None));
            labels.begin(&[]);
        }
    }

    #[test]
    fn labels_are_renamed_and_written_in_order() {
        let format = |target: &str, value| Ast { span: Span::default(), target: target.into(), value };
        let formats = [
            format("code", FormatValue::Rename("status".into())),
            format("both", FormatValue::Template("{{.method}}:{{.code}}".into())),
            format("none", FormatValue::Rename("absent".into())),
        ];
        let mut labels = labels();
        LabelFormat::compile(&formats, 0).unwrap().run("", 0, &mut labels);
        assert_eq!(labels.merged(), [("both", "GET:200"), ("code", "200"), ("method", "GET")]);
        for wrong in [format("__error__", FormatValue::Rename("a".into())), format("a", FormatValue::Template("{{.x".into()))] {
            assert!(LabelFormat::compile(&[wrong], 0).is_err());
        }
        assert!(LabelFormat::compile(&[formats[0].clone(), formats[0].clone()], 0).is_err());
    }
}
