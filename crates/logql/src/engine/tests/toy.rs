//! The simplest pipeline there is: `|=`, `json` and `logfmt` of flat lines, string filters, `drop` of a name.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    ast::{Convert, LabelFilter, LabelPick, LineOp, LogExpr, MatchOp, MetricExpr, Needle, Stage, StageKind, Unwrap},
    engine::pipe::{Category, CompileError, Line, LineLabels, Pipe, PipeWorker, Pipes},
    matcher::LabelMatcher,
    read::{Prefilter, RowRef, StreamRef},
};

pub struct Toy;

impl Pipes for Toy {
    fn compile(&self, log: &LogExpr, unwrap: Option<&Unwrap>, _: Option<Vec<String>>, _: i64) -> Result<Box<dyn Pipe>, CompileError> {
        Ok(Box::new(Arc::new(ToyPipe { stages: log.stages.clone(), unwrap: unwrap.cloned() })))
    }

    fn prefilter(&self, _: &LogExpr) -> Prefilter {
        Prefilter::default()
    }

    fn needs(&self, _: &MetricExpr) -> Option<Vec<String>> {
        None
    }

    fn needs_text(&self, log: &LogExpr) -> bool {
        log.stages.iter().any(|stage| !matches!(stage.kind, StageKind::Label(_) | StageKind::Drop(_)))
    }
}

struct ToyPipe {
    stages: Vec<Stage>,
    unwrap: Option<Unwrap>,
}

impl Pipe for Arc<ToyPipe> {
    fn worker(&self, stream: &StreamRef) -> Box<dyn PipeWorker> {
        Box::new(ToyWorker { pipe: self.clone(), stream: stream.labels.clone(), labels: ToyLabels::default() })
    }
}

struct ToyWorker {
    pipe: Arc<ToyPipe>,
    stream: model::Labels,
    labels: ToyLabels,
}

#[derive(Clone, Debug, Default)]
pub struct ToyLabels {
    stream: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
    parsed: BTreeMap<String, String>,
}

impl LineLabels for ToyLabels {
    fn get(&self, name: &str) -> Option<&str> {
        [&self.stream, &self.metadata, &self.parsed].into_iter().find_map(|labels| labels.get(name)).map(String::as_str)
    }

    fn merged(&self, visit: &mut dyn FnMut(&str, &str)) {
        let all: BTreeMap<&String, &String> = self.parsed.iter().chain(&self.metadata).chain(&self.stream).collect();
        all.into_iter().for_each(|(name, value)| visit(name, value));
    }

    fn category(&self, category: Category, visit: &mut dyn FnMut(&str, &str)) {
        let labels = match category {
            Category::Stream => &self.stream,
            Category::Metadata => &self.metadata,
            Category::Parsed => &self.parsed,
        };
        labels.iter().for_each(|(name, value)| visit(name, value));
    }

    fn error(&self) -> Option<&str> {
        self.parsed.get("__error__").map(String::as_str)
    }
}

impl PipeWorker for ToyWorker {
    fn switch(&mut self, stream: &StreamRef) {
        self.stream = stream.labels.clone();
    }

    fn process<'a>(&'a mut self, row: &RowRef<'a>) -> Option<Line<'a>> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        self.labels = ToyLabels {
            stream: self.stream.0.clone(),
            metadata: row.metadata.iter().filter(|(name, _)| self.stream.get(name).is_none()).map(owned).collect(),
            parsed: BTreeMap::new(),
        };
        for stage in &self.pipe.stages {
            if !self.labels.stage(&stage.kind, row.line) {
                return None;
            }
        }
        let mut value = 0.0;
        if let Some(unwrap) = &self.pipe.unwrap {
            let text = self.labels.get(&unwrap.label)?.to_owned();
            match number(&text, unwrap.convert) {
                Some(number) => value = number,
                None => self.labels.fail("SampleExtractionErr", &format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
            }
            if !unwrap.filters.iter().all(|filter| self.labels.passes(filter)) {
                return None;
            }
        }
        Some(Line { text: row.line, labels: &self.labels, value })
    }
}

impl ToyLabels {
    fn fail(&mut self, kind: &str, details: &str) {
        self.parsed.insert("__error__".into(), kind.into());
        self.parsed.insert("__error_details__".into(), details.into());
    }

    fn put(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let name =
            if self.stream.contains_key(name) || self.metadata.contains_key(name) { format!("{name}_extracted") } else { name.into() };
        self.parsed.insert(name, value.into());
    }

    fn passes(&self, filter: &LabelFilter) -> bool {
        match filter {
            LabelFilter::And(left, right) => self.passes(left) && self.passes(right),
            LabelFilter::Or(left, right) => self.passes(left) || self.passes(right),
            LabelFilter::Match(matcher) => LabelMatcher::new(matcher).unwrap().matches(self.get(&matcher.name).unwrap_or_default()),
            _ => panic!("the toy knows string filters only"),
        }
    }

    fn stage(&mut self, stage: &StageKind, line: &str) -> bool {
        match stage {
            StageKind::Line(filter) => {
                let has = |needle: &Needle| matches!(needle, Needle::Text(text) if line.contains(text.as_str()));
                filter.needles.iter().any(has) == (filter.op == LineOp::Contains)
            }
            StageKind::Label(filter) => self.passes(filter),
            StageKind::Drop(picks) => {
                for pick in picks {
                    if let LabelPick::Name { name, .. } = pick {
                        self.stream.remove(name);
                        self.metadata.remove(name);
                        self.parsed.remove(name);
                    }
                }
                true
            }
            StageKind::Json(_) => {
                match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line) {
                    Ok(map) => map.iter().for_each(|(name, value)| self.json(name, value)),
                    Err(_) => self.fail("JSONParserErr", "Value looks like object, but can't find closing '}' symbol"),
                }
                true
            }
            StageKind::Logfmt { .. } => {
                let mut rest = line.trim_start();
                while let Some((name, tail)) = rest.split_once('=') {
                    let name = name.rsplit(' ').next().unwrap_or(name);
                    let (value, tail) = match tail.strip_prefix('"') {
                        Some(quoted) => {
                            let mut escaped = false;
                            let end = quoted.find(|c| {
                                let ends = c == '"' && !escaped;
                                escaped = c == '\\' && !escaped;
                                ends
                            });
                            end.map_or((quoted, ""), |end| (&quoted[..end], &quoted[end + 1..]))
                        }
                        None => tail.split_once(' ').unwrap_or((tail, "")),
                    };
                    self.put(name, value);
                    rest = tail.trim_start();
                }
                true
            }
            StageKind::Distinct(_) => true,
            other => panic!("the toy does not know {other:?}"),
        }
    }

    fn json(&mut self, name: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(inner, value)| self.json(&format!("{name}_{inner}"), value)),
            serde_json::Value::Array(_) | serde_json::Value::Null => {}
            serde_json::Value::String(text) => self.put(name, text),
            other => self.put(name, &other.to_string()),
        }
    }
}

fn number(text: &str, convert: Option<Convert>) -> Option<f64> {
    let units: &[(&str, f64)] = match convert {
        None => return text.parse().ok(),
        Some(Convert::Bytes) => {
            &[("GiB", 1073741824.0), ("MiB", 1048576.0), ("KiB", 1024.0), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("kB", 1e3), ("B", 1.0)]
        }
        Some(_) => &[("ns", 1e-9), ("µs", 1e-6), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)],
    };
    units.iter().find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}

/// `name="value"` as a filter behind the selector.
pub fn matcher(name: &str, op: MatchOp, value: &str) -> crate::ast::Matcher {
    crate::ast::Matcher { span: crate::ast::Span::default(), name: name.into(), op, value: value.into() }
}
