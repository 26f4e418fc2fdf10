use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    build::*,
    naive::{Labels, Naive, naive},
    on,
    toy::matcher,
};
use crate::{
    ast::*,
    engine::{
        Engine, EngineError, Limits, RangeParams, Stop, Value,
        ram::{Ram, RamLine},
        tests::{limited, metric_query, piped},
    },
};

const SECOND: i64 = 1_000_000_000;

fn any_lines() -> impl Strategy<Value = Vec<RamLine>> {
    let one = (0_i64..600, 0..3_usize, 0..4_usize, 0..50_i32).prop_map(|(at, app, level, took)| {
        line(at * SECOND / 10, ["a", "b", "c"][app], ["", "info", "warn", "error"][level], &format!("took={took} user={}", took % 7))
    });
    prop::collection::vec(one, 0..80)
}

fn any_log(parsed: bool) -> impl Strategy<Value = LogExpr> {
    let matchers = prop_oneof![
        Just(matcher("app", MatchOp::Regex, ".+")),
        Just(matcher("app", MatchOp::Equal, "a")),
        Just(matcher("app", MatchOp::NotEqual, "b")),
    ];
    let stages = prop_oneof![Just(Vec::new()), Just(vec![contains("1")]), Just(vec![logfmt()])];
    (matchers, stages).prop_map(move |(matcher, stages)| selector(vec![matcher], if parsed { vec![logfmt()] } else { stages }))
}

fn any_grouping() -> impl Strategy<Value = Option<Grouping>> {
    prop_oneof![
        Just(None),
        Just(by(&[])),
        Just(by(&["app"])),
        Just(by(&["level"])),
        Just(by(&["user", "app", "nosuch"])),
        Just(without(&["took", "user"])),
        Just(without(&["app"])),
    ]
}

fn any_range() -> impl Strategy<Value = MetricExpr> {
    use RangeOp::*;
    let counted = (prop::sample::select(vec![Count, Rate, Bytes, BytesRate]), any_log(false), 1_i64..30, -5_i64..5).prop_map(
        |(op, log, width, offset)| MetricExpr::Range(RangeAggregation { offset_ns: offset * SECOND, ..range(op, log, width * SECOND) }),
    );
    let ops = vec![Rate, Sum, Avg, Min, Max, Stddev, Stdvar, Quantile, First, Last];
    let unwrapped = (prop::sample::select(ops), any_log(true), 1_i64..30, any_grouping()).prop_map(|(op, log, width, grouping)| {
        let grouping = if matches!(op, Rate | Sum) { None } else { grouping };
        MetricExpr::Range(RangeAggregation { unwrap: unwrap("took"), param: Some(0.7), grouping, ..range(op, log, width * SECOND) })
    });
    let absent = (1_i64..10).prop_map(|width| {
        MetricExpr::Range(range(Absent, selector(vec![matcher("app", MatchOp::Equal, "a")], Vec::new()), width * SECOND))
    });
    prop_oneof![4 => counted, 4 => unwrapped, 1 => absent]
}

fn any_expr() -> impl Strategy<Value = MetricExpr> {
    let ops = vec![VectorOp::Sum, VectorOp::Avg, VectorOp::Min, VectorOp::Max, VectorOp::Count, VectorOp::Topk];
    let aggregated =
        (prop::sample::select(ops), any_grouping(), any_range()).prop_map(|(op, grouping, inner)| vector(op, Some(2), grouping, inner));
    let leaf = prop_oneof![2 => any_range(), 4 => aggregated].boxed();
    let with_number = (leaf.clone(), any::<bool>()).prop_map(|(left, flag)| binary(BinaryOp::Greater, flag, None, left, literal(3.0)));
    let ops = vec![BinaryOp::Add, BinaryOp::Div, BinaryOp::Greater, BinaryOp::And, BinaryOp::Or, BinaryOp::Unless];
    let both = (prop::sample::select(ops), leaf.clone(), leaf.clone()).prop_map(|(op, left, right)| binary(op, false, None, left, right));
    prop_oneof![4 => leaf, 1 => with_number, 2 => both]
}

type Points = BTreeMap<(Labels, i64), f64>;

fn engine_points(engine: &Engine<'_, Ram>, expr: &MetricExpr, params: &RangeParams) -> Points {
    let matrix = engine.range(expr, params).unwrap().value;
    matrix.into_iter().flat_map(|series| series.points.into_iter().map(move |(at, value)| ((series.labels.to_vec(), at), value))).collect()
}

fn same(left: &Points, right: &Points) -> Result<(), String> {
    let close = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0);
    for (key, value) in left {
        match right.get(key) {
            Some(other) if close(*value, *other) => {}
            other => return Err(format!("{key:?}: {value} against {other:?}")),
        }
    }
    match right.keys().find(|key| !left.contains_key(key)) {
        Some(key) => Err(format!("{key:?} is missing")),
        None => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn every_metric_query_gives_what_the_naive_twin_gives(
        lines in any_lines(), expr in any_expr(), start in 0_i64..50, length in 0_i64..60, step in 1_i64..25, size in 1_usize..20, overlap: bool, threads: bool,
    ) {
        let ram = Ram::new(lines, size, overlap);
        let params = RangeParams { start: start * SECOND, end: (start + length) * SECOND, step: step * SECOND };
        let (got, _) = on(&ram, threads, |engine| engine_points(engine, &expr, &params));
        let mut expect = Points::new();
        let first = params.start.div_euclid(params.step) * params.step;
        let last = params.end.div_euclid(params.step) + i64::from(params.end % params.step != 0);
        for time in (first..=last * params.step).step_by(params.step as usize) {
            match naive(&ram, &expr, time) {
                Naive::Scalar(value) => { expect.insert((Labels::new(), time), value); }
                Naive::Vector(vector) => expect.extend(vector.into_iter().map(|(labels, value)| ((labels, time), value))),
            }
        }
        prop_assert_eq!(same(&got, &expect), Ok(()), "engine against twin");
        // An instant query is one step of it.
        let (instant, _) = on(&ram, threads, |engine| engine.instant(&Expr::Metric(expr.clone()), first));
        let instant: Points = match instant.unwrap().value {
            Value::Scalar(value) => Points::from([((Labels::new(), first), value)]),
            Value::Vector(samples) => samples.into_iter().map(|sample| ((sample.labels.to_vec(), first), sample.value)).collect(),
        };
        let expect: Points = expect.into_iter().filter(|((_, at), _)| *at == first).collect();
        prop_assert_eq!(same(&instant, &expect), Ok(()), "instant against twin");
    }
}

fn apps() -> Ram {
    let one = |at: i64| line(at * SECOND, ["a", "b"][(at % 2) as usize], ["info", "error"][(at % 3 == 0) as usize], "took=1");
    Ram::new((0..100).map(one), 10, false)
}

fn all() -> LogExpr {
    selector(vec![matcher("app", MatchOp::Regex, ".+")], Vec::new())
}

fn minutes() -> RangeParams {
    RangeParams { start: 0, end: 100 * SECOND, step: 20 * SECOND }
}

fn check_error(expr: &MetricExpr, expect: &EngineError) {
    let (got, _) = on(&apps(), false, |engine| engine.range(expr, &minutes()).map(|answer| answer.value));
    assert_eq!(got.as_ref(), Err(expect));
}

#[test]
fn a_count_by_stream_labels_reads_no_part_that_lies_in_one_bucket() {
    let expr = vector(VectorOp::Sum, None, by(&["app"]), MetricExpr::Range(range(RangeOp::Count, all(), 20 * SECOND)));
    let (_, stats) = on(&apps(), false, |engine| engine.range(&expr, &minutes()).unwrap());
    assert_eq!((stats.bytes, stats.matched, stats.entries), (0, 100, 2));
    assert!(stats.parts_skipped > 0 && stats.parts_skipped + stats.parts_read == stats.parts, "{stats:?}");
}

#[test]
fn what_cannot_be_answered_says_why() {
    let count = || MetricExpr::Range(range(RangeOp::Count, all(), 20 * SECOND));
    let per_app = |labels: &[&str]| vector(VectorOp::Sum, None, by(labels), count());
    check_error(&vector(VectorOp::ApproxTopk, Some(1), None, count()), &EngineError::ApproxTopk);
    check_error(
        &binary(BinaryOp::Add, false, on_labels(&["app"]), per_app(&["app"]), per_app(&["app", "level"])),
        &EngineError::ManyToMany,
    );
    check_error(&binary(BinaryOp::Add, false, on_labels(&["app"]), per_app(&["app", "level"]), per_app(&["app"])), &EngineError::ManyToOne);
    let set = binary(BinaryOp::Or, false, None, count(), literal(1.0));
    check_error(&set, &EngineError::SetOfScalars { span: Span::default(), op: "or" });
    let one = Limits { max_series: 1, ..Limits::default() };
    limited(one, || check_error(&per_app(&["app"]), &EngineError::TooManySeries(1)));
    let few = Limits { max_samples: 3, ..Limits::default() };
    limited(few, || check_error(&count(), &EngineError::TooManySamples(3)));
    let deep = (0..200).fold(count(), |inner, _| vector(VectorOp::Sum, None, None, inner));
    check_error(&deep, &EngineError::TooDeep);
}

fn on_labels(labels: &[&str]) -> Option<Matching> {
    Some(Matching { on: true, labels: labels.iter().map(|label| (*label).to_owned()).collect(), group: None })
}

#[test]
fn bad_steps_and_log_queries_are_refused() {
    let (_, _) = on(&apps(), false, |engine| {
        let expr = literal(1.0);
        assert_eq!(engine.range(&expr, &RangeParams { start: 0, end: 9, step: 0 }), Err(EngineError::ZeroStep));
        assert_eq!(engine.range(&expr, &RangeParams { start: 0, end: 11_001, step: 1 }), Err(EngineError::TooManyPoints));
        assert_eq!(engine.range(&expr, &RangeParams { start: i64::MIN, end: i64::MAX, step: 1 }), Err(EngineError::TooManyPoints));
        assert!(engine.range(&expr, &RangeParams { start: 0, end: 11_000, step: 1 }).is_ok());
        assert_eq!(engine.instant(&Expr::Log(all()), 0), Err(EngineError::InstantLog));
    });
}

#[test]
fn an_error_on_a_line_fails_the_query_unless_it_is_asked_for() {
    let mut broken = range(RangeOp::Sum, selector(vec![matcher("app", MatchOp::Equal, "a")], vec![logfmt()]), SECOND);
    broken.unwrap = unwrap("user");
    let ram = Ram::new([line(0, "a", "", "user=1"), line(1, "a", "", "user=\"x y\"")], 10, false);
    let fails = MetricExpr::Range(broken.clone());
    let (got, _) = on(&ram, false, |engine| engine.instant(&Expr::Metric(fails), 5).unwrap_err().to_string());
    assert!(
        got.starts_with(
            "pipeline error: 'SampleExtractionErr' for series: '{__error__=\"SampleExtractionErr\", \
         __error_details__=\"strconv.ParseFloat: parsing \\\"x y\\\": invalid syntax\", app=\"a\", user=\"x y\"}'.\nUse a label filter"
        ),
        "{got}"
    );
    let asked = vector(VectorOp::Sum, None, by(&["__error__"]), MetricExpr::Range(broken));
    assert!(on(&ram, false, |engine| engine.instant(&Expr::Metric(asked), 5)).0.is_ok());
}

#[test]
fn a_damaged_part_becomes_a_warning_and_costs_only_itself() {
    let mut ram = apps();
    ram.parts[0].damaged_after = Some(3);
    let expr = vector(VectorOp::Sum, None, None, MetricExpr::Range(range(RangeOp::Bytes, all(), 7 * SECOND)));
    let instant = RangeParams { start: 0, end: 7 * SECOND, step: 7 * SECOND };
    let (answer, _) = on(&ram, true, |engine| engine.range(&expr, &instant).unwrap());
    assert_eq!(answer.warnings, ["a part is damaged"]);
    assert_eq!(answer.value[0].points.last().unwrap().1, 36.0);
}

#[test]
fn a_query_that_nobody_waits_for_ends() {
    let stats = super::Stats::default();
    let control =
        super::Control { stop: &|| Some(Stop::Cancelled), limits: Limits::default(), stats: &stats, partial_series: false, now_ns: 0 };
    let engine = Engine { source: &apps(), pool: &crate::read::Inline, pipes: &super::toy::Toy, control: &control };
    let expr = MetricExpr::Range(range(RangeOp::Bytes, all(), SECOND));
    assert_eq!(engine.range(&expr, &minutes()), Err(EngineError::Cancelled));
}

/// The sums of an instant query's answer by labels, over the stages of the crate.
fn instant(ram: &Ram, query: &str) -> Vec<(Labels, f64)> {
    let answer = piped(ram, false, &|| None, |engine| engine.instant(&Expr::Metric(metric_query(query)), 10 * SECOND).unwrap());
    match answer.value {
        Value::Vector(samples) => samples.into_iter().map(|sample| (sample.labels.to_vec(), sample.value)).collect(),
        Value::Scalar(value) => panic!("{value}"),
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn label_replace_takes_the_patterns_of_go() {
    let ram = Ram::new([line(1, "shop-7", "", "x")], 10, false);
    for pattern in [r"(?P<name>\pL+)-(\d)\z", r"(?<name>[[:word:]]+)-([[:digit:]])", r"\Qshop\E-(\d){1}()", r"sho\pN?p-([^\D])()"] {
        let query = format!(r#"label_replace(count_over_time({{app=~".+"}}[1m]), "n", "$1$2", "app", `{pattern}`)"#);
        let got = instant(&ram, &query);
        assert!(got[0].0.iter().any(|(name, value)| name == "n" && value.ends_with('7')), "{pattern}: {got:?}");
    }
}

#[test]
fn bytes_are_those_of_the_line_as_the_stages_leave_it() {
    let ram = Ram::new(
        [line(1, "a", "", "\u{1b}[31mred\u{1b}[0m"), line(1, "b", "", "0123456789"), line(1, "c", "", r#"{"_entry":"four"}"#)],
        10,
        false,
    );
    for (stages, expect) in [
        (r#"{app="b"} | line_format `xy`"#, 2.0),
        (r#"{app="b"} | line_format `{{ .app }}`"#, 1.0),
        (r#"{app="b"} | line_format `{{ __line__ }}!`"#, 11.0),
        // A template that fails leaves the line.
        (r#"{app="b"} | line_format `{{ div 1 0 }}` | __error__!="x" | drop __error__, __error_details__"#, 10.0),
        (r#"{app="a"} | decolorize"#, 3.0),
        (r#"{app="c"} | unpack"#, 4.0),
        (r#"{app="b"} | drop level"#, 10.0),
    ] {
        let got = instant(&ram, &format!("sum by (app) (bytes_over_time({stages} [1m]))"));
        assert_eq!(got[0].1, expect, "{stages}");
    }
}

#[test]
fn metadata_whose_name_the_stream_has_can_be_grouped_by() {
    let both = |at: i64, version: &str| {
        let metadata = vec![("app".to_owned(), version.to_owned()), ("level".to_owned(), "info".to_owned())];
        (at, model::Labels::from([("app", "a")]), "x".to_owned(), metadata)
    };
    let ram = Ram::new([both(1, "one"), both(2, "two"), both(3, "two")], 10, false);
    for query in
        [r#"sum by (app_extracted) (count_over_time({app="a"}[1m]))"#, r#"sum by (app_extracted) (count_over_time({app="a"} |= "x" [1m]))"#]
    {
        assert_eq!(instant(&ram, query), [(labels(&[("app_extracted", "one")]), 1.0), (labels(&[("app_extracted", "two")]), 2.0)]);
    }
}
