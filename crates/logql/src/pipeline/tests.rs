use model::{Labels, StreamHash};

use super::*;
use crate::ast::{CompareOp, Extraction, LabelFilter as AstLabelFilter, LabelFormat as AstLabelFormat, MatchOp, Matcher, Span};

const SPAN: Span = Span { start: 0, end: 0 };

fn stage(kind: StageKind) -> Stage {
    Stage { span: SPAN, kind }
}

fn line(op: LineOp, needles: &[&str]) -> Stage {
    stage(StageKind::Line(AstLineFilter { op, needles: needles.iter().map(|&text| Needle::Text(text.into())).collect() }))
}

fn json(fields: &[&str]) -> Stage {
    let extraction = |&name: &&str| Extraction { span: SPAN, label: name.into(), expression: name.into() };
    stage(StageKind::Json(fields.iter().map(extraction).collect()))
}

fn logfmt() -> Stage {
    stage(StageKind::Logfmt { strict: false, keep_empty: false, extractions: Vec::new() })
}

fn text(name: &str, op: MatchOp, value: &str) -> Stage {
    stage(StageKind::Label(AstLabelFilter::Match(Matcher { span: SPAN, name: name.into(), op, value: value.into() })))
}

fn number(name: &str, op: CompareOp, value: f64) -> Stage {
    stage(StageKind::Label(AstLabelFilter::Number { span: SPAN, name: name.into(), op, value }))
}

fn rename(target: &str, source: &str) -> Stage {
    stage(StageKind::LabelFormat(vec![AstLabelFormat { span: SPAN, target: target.into(), value: FormatValue::Rename(source.into()) }]))
}

fn name(name: &str) -> LabelPick {
    LabelPick::Name { span: SPAN, name: name.into() }
}

fn stream() -> StreamRef {
    StreamRef { labels: Labels::from([("app", "shop"), ("host", "n1")]), hash: StreamHash(1) }
}

/// What becomes of a row: line and labels, or `-`.
fn run(stages: &[Stage], needed: Option<&[&str]>, line: &str) -> String {
    let needed = needed.map(|names| names.iter().map(|&name| name.into()).collect());
    let pipeline = Pipeline::compile(stages, Options { needed, now_ns: 0 }).unwrap();
    let mut worker = pipeline.worker(&stream());
    let row = RowRef { at: 7, ordinal: 3, line, len: 0, metadata: &[("trace", "t1")] };
    // Twice: nothing may be left of the row before.
    let mut answer = || match worker.process(&row) {
        None => "-".to_owned(),
        Some(out) => {
            assert_eq!((out.at, out.ordinal), (7, 3));
            let pairs: Vec<_> = out.labels.merged().iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} | {}", out.line, pairs.join(" "))
        }
    };
    let first = answer();
    assert_eq!(first, answer(), "a second time");
    first
}

const JSON: &str = r#"{"status":503,"app":"shadow","trace":"x","user":{"id":1},"msg":"no\tgood"}"#;
const BROKEN: &str = r#"{"status":503,"msg":"trunc"#;
const STRING: &str = "__error__=JSONParserErr __error_details__=Value is string, but can't find closing '\"' symbol";

#[test]
fn rows_pass_the_stages_in_order() {
    use CompareOp::*;
    use LineOp::*;
    for (stages, row, expect) in [
        (vec![], "x", "x | app=shop host=n1 trace=t1".to_owned()),
        (vec![line(Contains, &["no"]), line(NotRegex, &["x{2}"])], "xx", "-".into()),
        (
            vec![json(&[]), number("status", GreaterOrEqual, 500.0)],
            JSON,
            format!("{JSON} | app=shop app_extracted=shadow host=n1 msg=no\tgood status=503 trace=t1 trace_extracted=x user_id=1"),
        ),
        (vec![json(&[]), number("status", Less, 500.0)], JSON, "-".into()),
        (vec![json(&[]), number("absent", Less, 500.0)], "plain", "-".into()),
        (vec![json(&[]), text("__error__", MatchOp::Equal, "")], BROKEN, "-".into()),
        (vec![json(&[]), number("status", Less, 500.0)], BROKEN, format!("{BROKEN} | {STRING} app=shop host=n1 status=503 trace=t1")),
        (
            vec![json(&["status", "none"]), number("none", Equal, 0.0)],
            JSON,
            format!(
                "{JSON} | __error__=LabelFilterErr __error_details__=strconv.ParseFloat: parsing \"\": invalid syntax app=shop host=n1 none= status=503 trace=t1"
            ),
        ),
        (vec![text("trace", MatchOp::Equal, "t1"), text("host", MatchOp::Regex, "n.")], "x", "x | app=shop host=n1 trace=t1".into()),
        (
            vec![stage(StageKind::Unpack), logfmt(), line(Contains, &["job"]), stage(StageKind::Drop(vec![name("host"), name("trace")]))],
            r#"{"_entry":"job=1 state=ok","pod":"w"}"#,
            "job=1 state=ok | app=shop job=1 pod=w state=ok".into(),
        ),
        // The filter stands behind the new line and must not run before it is there.
        (vec![stage(StageKind::Unpack), line(Contains, &["_entry"])], r#"{"_entry":"x"}"#, "-".into()),
        (
            vec![logfmt(), rename("code", "status"), stage(StageKind::Keep(vec![name("code")]))],
            "status=200 a=b",
            "status=200 a=b | code=200".into(),
        ),
        (
            vec![stage(StageKind::Decolorize), stage(StageKind::LineFormat("<{{.app}}>".into())), line(Pattern, &["<_>shop<_>"])],
            "\u{1b}[1mx",
            "<shop> | app=shop host=n1 trace=t1".into(),
        ),
        (
            vec![logfmt(), stage(StageKind::Pattern("<_>=<status> ".into())), stage(StageKind::Regexp("(?P<rest>b.)".into()))],
            "status=200 a=bc",
            "status=200 a=bc | a=bc app=shop host=n1 rest=bc status=200 trace=t1".into(),
        ),
    ] {
        assert_eq!(run(&stages, None, row), expect, "{stages:?}");
    }
}

#[test]
fn parsers_take_only_what_is_needed() {
    let filter = number("status", CompareOp::Greater, 1.0);
    for (stages, needed, row, expect) in [
        (vec![json(&[])], &["user_id"][..], JSON, format!("{JSON} | app=shop host=n1 trace=t1 user_id=1")),
        (vec![json(&[]), filter.clone()], &[], JSON, format!("{JSON} | app=shop host=n1 status=503 trace=t1")),
        // Behind the last label that is needed a line may be as broken as it likes, unless someone looks at errors.
        (vec![json(&[]), filter.clone()], &[], BROKEN, format!("{BROKEN} | app=shop host=n1 status=503 trace=t1")),
        (vec![json(&[]), filter.clone()], &["__error__"], BROKEN, format!("{BROKEN} | {STRING} app=shop host=n1 status=503 trace=t1")),
        (vec![json(&[]), text("__error__", MatchOp::Equal, "")], &["status"], BROKEN, "-".into()),
        (vec![json(&["status", "msg"])], &["msg"], JSON, format!("{JSON} | app=shop host=n1 msg=no\tgood trace=t1")),
        (vec![json(&[])], &["app_extracted"], JSON, format!("{JSON} | app=shop app_extracted=shadow host=n1 trace=t1")),
        (vec![json(&[])], &["app"], JSON, format!("{JSON} | app=shop host=n1 trace=t1")),
        (
            vec![json(&[]), stage(StageKind::LineFormat("{{.msg}}".into()))],
            &[],
            JSON,
            "no\tgood | app=shop host=n1 msg=no\tgood trace=t1".into(),
        ),
        (vec![logfmt()], &["b"], "a=1 b=2 c=3", "a=1 b=2 c=3 | app=shop b=2 host=n1 trace=t1".into()),
    ] {
        assert_eq!(run(&stages, Some(needed), row), expect, "{stages:?}");
    }
}

#[test]
fn a_wrong_stage_is_told_with_its_place() {
    for kind in [
        StageKind::Regexp("abc".into()),
        StageKind::Pattern("abc".into()),
        StageKind::LineFormat("{{".into()),
        StageKind::Line(AstLineFilter { op: LineOp::Regex, needles: vec![Needle::Text("(".into())] }),
        StageKind::Line(AstLineFilter { op: LineOp::Contains, needles: vec![Needle::Ip("x".into())] }),
        StageKind::Label(AstLabelFilter::Ip { span: Span { start: 4, end: 9 }, name: "a".into(), equal: true, pattern: "x".into() }),
        StageKind::Json(vec![Extraction { span: Span { start: 4, end: 9 }, label: "a".into(), expression: "b..c".into() }]),
    ] {
        let stage = Stage { span: Span { start: 4, end: 9 }, kind };
        let error = Pipeline::compile(std::slice::from_ref(&stage), Options::default()).unwrap_err();
        assert_eq!((error.span.start, error.span.end), (4, 9), "{stage:?}: {error}");
    }
}

#[test]
fn distinct_is_left_to_the_caller() {
    let stages = [logfmt(), stage(StageKind::Distinct(vec!["a".into()]))];
    let pipeline = Pipeline::compile(&stages, Options::default()).unwrap();
    assert_eq!(pipeline.distinct_labels(), [vec!["a".to_owned()]]);
    assert!(pipeline.reads_line() && !pipeline.is_empty());
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&pipeline);
}

proptest::proptest! {
    /// What the probe drops, the whole parsing drops as well, and it changes no row that stays.
    #[test]
    fn a_probe_changes_nothing(row in r#"\{?("(status|msg|a)":("x"|[0-9]{1,3}|\{"b":1?\}|nul),?){0,4}\}?"#, limit in 0..500_u32, op in 0..4) {
        let filter = match op {
            0 => number("status", CompareOp::Less, f64::from(limit)),
            1 => number("status", CompareOp::NotEqual, f64::from(limit)),
            2 => text("status", MatchOp::NotEqual, "1"),
            _ => text("__error__", MatchOp::Equal, ""),
        };
        // `drop` of an absent label keeps the probe away.
        let plain = [json(&[]), stage(StageKind::Drop(vec![name("absent")])), filter.clone()];
        proptest::prop_assert_eq!(run(&[json(&[]), filter], None, &row), run(&plain, None, &row));
    }
}

/// The work of a benchmark without its clock: many rows of two streams through one worker, nothing carried over.
#[test]
fn a_worker_runs_many_rows_of_many_streams() {
    let stages = [line(LineOp::NotContains, &["skip"]), json(&[]), number("status", CompareOp::GreaterOrEqual, 500.0)];
    let other = StreamRef { labels: Labels::from([("app", "other"), ("status", "up")]), hash: StreamHash(2) };
    for needed in [None, Some(vec!["status".to_owned()])] {
        let pipeline = Pipeline::compile(&stages, Options { needed, now_ns: 0 }).unwrap();
        let mut worker = pipeline.worker(&stream());
        let mut taken = 0;
        for at in 0..20_000_i64 {
            match at % 1000 {
                0 => worker.switch(&stream()),
                900 => worker.switch(&other),
                _ => {}
            }
            let text = format!(r#"{{"msg":"row {at}","user":{{"id":{at}}},"status":{}}}"#, 400 + at % 200);
            let Some(out) = worker.process(&RowRef { at, ordinal: 0, line: &text, len: 0, metadata: &[] }) else { continue };
            // A stream's own `status` is no number: the error keeps the row.
            assert_eq!(out.labels.error().is_some(), at % 1000 >= 900, "{at}");
            assert!(out.line == text && out.labels.get("status").is_some());
            taken += 1;
        }
        assert_eq!(taken, 20 * (400 + 100));
    }
}
