//! Trees for the tests of the printer.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;

const SPAN: Span = Span { start: 0, end: 0 };

fn name() -> impl Strategy<Value = String> + Clone {
    select(vec!["app", "level", "x_1", "json", "by", "rate", "duration", "status", "offset", "or", "ip"]).prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.*]{0,6}", "\\PC{0,6}", "[\"\\\\`\n\t\u{1b}日]{0,4}"]
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let op = select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]);
    (name(), op, text()).prop_map(|(name, op, value)| Matcher { span: SPAN, name, op, value })
}

fn filter() -> impl Strategy<Value = LabelFilter> {
    let op = || {
        select(vec![
            CompareOp::Equal,
            CompareOp::NotEqual,
            CompareOp::Greater,
            CompareOp::GreaterOrEqual,
            CompareOp::Less,
            CompareOp::LessOrEqual,
        ])
    };
    let leaf = prop_oneof![
        matcher().prop_map(LabelFilter::Match),
        (name(), op(), -1e9..1e9_f64).prop_map(|(name, op, value)| LabelFilter::Number { span: SPAN, name, op, value }),
        (name(), op(), -1_000_000_000_000_000..1_000_000_000_000_000_i64).prop_map(|(name, op, nanos)| LabelFilter::Duration {
            span: SPAN,
            name,
            op,
            nanos
        }),
        (name(), op(), any::<u64>()).prop_map(|(name, op, bytes)| LabelFilter::Bytes { span: SPAN, name, op, bytes }),
        (name(), any::<bool>(), text()).prop_map(|(name, equal, pattern)| LabelFilter::Ip { span: SPAN, name, equal, pattern }),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), inner, any::<bool>()).prop_map(|(left, right, and)| {
            let joins = if and { LabelFilter::And } else { LabelFilter::Or };
            joins(Box::new(left), Box::new(right))
        })
    })
}

fn stage() -> impl Strategy<Value = Stage> {
    let line_op = select(vec![LineOp::Contains, LineOp::NotContains, LineOp::Regex, LineOp::NotRegex, LineOp::Pattern, LineOp::NotPattern]);
    let needle = prop_oneof![text().prop_map(Needle::Text), text().prop_map(Needle::Ip)];
    let extraction = || (name(), text()).prop_map(|(label, expression)| Extraction { span: SPAN, label, expression });
    let pick = || prop_oneof![name().prop_map(|name| LabelPick::Name { span: SPAN, name }), matcher().prop_map(LabelPick::Match)];
    let value = prop_oneof![name().prop_map(FormatValue::Rename), text().prop_map(FormatValue::Template)];
    let format = (name(), value).prop_map(|(target, value)| LabelFormat { span: SPAN, target, value });
    prop_oneof![
        (line_op, vec(needle, 1..3)).prop_map(|(op, needles)| StageKind::Line(LineFilter { op, needles })),
        vec(extraction(), 0..3).prop_map(StageKind::Json),
        (any::<bool>(), any::<bool>(), vec(extraction(), 0..3)).prop_map(|(strict, keep_empty, extractions)| StageKind::Logfmt {
            strict,
            keep_empty,
            extractions
        }),
        text().prop_map(StageKind::Pattern),
        text().prop_map(StageKind::Regexp),
        Just(StageKind::Unpack),
        Just(StageKind::Decolorize),
        filter().prop_map(StageKind::Label),
        text().prop_map(StageKind::LineFormat),
        vec(format, 1..3).prop_map(StageKind::LabelFormat),
        vec(pick(), 1..3).prop_map(StageKind::Drop),
        vec(pick(), 1..3).prop_map(StageKind::Keep),
        vec(name(), 1..3).prop_map(StageKind::Distinct),
    ]
    .prop_map(|kind| Stage { span: SPAN, kind })
}

/// `| drop a` in front of `!= "x"` cannot be written: the text would belong to `drop`.
fn writable(stages: &[Stage]) -> bool {
    stages.windows(2).all(|pair| match (&pair[0].kind, &pair[1].kind) {
        (
            StageKind::Drop(picks) | StageKind::Keep(picks),
            StageKind::Line(LineFilter { op: LineOp::NotContains | LineOp::NotRegex, .. }),
        ) => {
            matches!(picks.last(), Some(LabelPick::Match(_)))
        }
        _ => true,
    })
}

fn log() -> impl Strategy<Value = LogExpr> {
    let stages = vec(stage(), 0..4).prop_filter("cannot be written", |stages| writable(stages));
    (vec(matcher(), 0..3), stages).prop_map(|(matchers, stages)| LogExpr {
        span: SPAN,
        selector: Selector { span: SPAN, matchers },
        stages,
    })
}

fn grouping() -> impl Strategy<Value = Option<Grouping>> {
    option::of((any::<bool>(), vec(name(), 0..3)).prop_map(|(without, labels)| Grouping { without, labels }))
}

fn range() -> impl Strategy<Value = MetricExpr> {
    let unwrap = (name(), option::of(select(vec![Convert::Duration, Convert::DurationSeconds, Convert::Bytes])), vec(filter(), 0..2))
        .prop_map(|(label, convert, filters)| Unwrap { span: SPAN, label, convert, filters });
    let ops: Vec<RangeOp> = print::RANGE_NAMES.iter().map(|(_, op)| *op).collect();
    (select(ops), option::of(0.0..1.0_f64), log(), option::of(unwrap), 0..10_000_000_000_000_000_i64, -100_000..100_000_i64, grouping())
        .prop_map(|(op, param, log, unwrap, range_ns, offset, grouping)| {
            let offset_ns = offset * 1_000_003;
            MetricExpr::Range(RangeAggregation { span: SPAN, op, param, log, unwrap, range_ns, offset_ns, grouping })
        })
}

fn metric() -> impl Strategy<Value = MetricExpr> {
    let leaf = prop_oneof![
        3 => range(),
        1 => (-1e6..1e6_f64).prop_map(|value| MetricExpr::VectorOf { span: SPAN, value }),
    ];
    let vector_ops: Vec<VectorOp> = print::VECTOR_NAMES.iter().map(|(_, op)| *op).collect();
    let binary_ops = vec![BinaryOp::Or, BinaryOp::And, BinaryOp::Add, BinaryOp::Pow, BinaryOp::Equal, BinaryOp::NotEqual, BinaryOp::Less];
    leaf.prop_recursive(3, 12, 2, move |inner| {
        let group = option::of((any::<bool>(), vec(name(), 0..2)).prop_map(|(left, include)| Group { left, include }));
        let matching = option::of((any::<bool>(), vec(name(), 0..3), group).prop_map(|(on, labels, group)| Matching { on, labels, group }));
        prop_oneof![
            (select(vector_ops.clone()), 1_u64..100, grouping(), inner.clone()).prop_map(|(op, count, grouping, inner)| {
                let param = matches!(op, VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk).then_some(count);
                MetricExpr::Vector(VectorAggregation { span: SPAN, op, param, grouping, inner: Box::new(inner) })
            }),
            (select(binary_ops.clone()), any::<bool>(), matching, inner.clone(), inner.clone()).prop_map(
                |(op, return_bool, matching, left, right)| {
                    MetricExpr::Binary(Binary { span: SPAN, op, return_bool, matching, left: Box::new(left), right: Box::new(right) })
                }
            ),
            (inner.clone(), -1e6..1e6_f64).prop_map(|(left, value)| {
                let right = Box::new(MetricExpr::Literal { span: SPAN, value });
                MetricExpr::Binary(Binary {
                    span: SPAN,
                    op: BinaryOp::Mul,
                    return_bool: false,
                    matching: None,
                    left: Box::new(left),
                    right,
                })
            }),
            (inner, text(), text(), text(), text()).prop_map(|(inner, dst, replacement, src, regex)| {
                MetricExpr::LabelReplace(LabelReplace { span: SPAN, inner: Box::new(inner), dst, replacement, src, regex })
            }),
        ]
    })
}

pub fn expr() -> impl Strategy<Value = Expr> {
    prop_oneof![log().prop_map(Expr::Log), metric().prop_map(Expr::Metric)]
}
