use super::*;
use crate::syntax::parse;

fn log(text: &str) -> LogExpr {
    match parse(&format!("{{a=\"b\"}} {text}")).unwrap() {
        Expr::Log(log) => log,
        Expr::Metric(_) => panic!("{text}"),
    }
}

/// `a b/c i:d`: `a`, and one of `b` and `c`, and `d` in any case.
fn literals(text: &str) -> String {
    let list = |list: &Vec<Literal>| {
        let each: Vec<String> =
            list.iter().map(|literal| format!("{}{}", if literal.any_case { "i:" } else { "" }, literal.text)).collect();
        each.join("/")
    };
    prefilter(&log(text)).all.iter().map(list).collect::<Vec<_>>().join(" ")
}

#[test]
fn lines_must_hold_what_filters_ask_for() {
    for (text, expect) in [
        ("|= \"x\" != \"y\" |= \"z\"", "x z"),
        ("|= \"a\" or \"b\"", "a/b"),
        ("|= \"a\" or ip(\"10.0.0.1\")", ""),
        ("|= \"\"", ""),
        ("|~ \"status=(404|503)\"", "status= 404/503"),
        ("|~ `job \\d+ failed`", "job   failed"),
        ("|~ \"(?i)error\"", "i:error"),
        ("|~ \"(?i)disk\"", "i:di"),
        ("|~ \"ab?c+d*e\"", "a c e"),
        ("|~ \"(foo){2,}bar\"", "foo bar"),
        ("|~ \"foo|.*\"", ""),
        ("|~ \"a\" or \"b.cd\"", "a/cd"),
        ("|~ `\\bword\\b`", "word"),
        ("|> \"connected to <_> at\"", "connected to   at"),
        ("| json |= \"x\" | line_format \"y\" |= \"z\"", "x"),
        ("| decolorize |= \"x\"", ""),
    ] {
        assert_eq!(literals(text), expect, "{text}");
    }
}

#[test]
fn matches_hold_their_literals() {
    for (pattern, line) in [
        ("status=(404|503)", "x status=503 y"),
        ("(?i)erR", "ERR"),
        ("a(bc)+d{2}e*f", "abcbcddf"),
        ("(a|b)(c|d)x", "adx"),
        ("x(?i)y", "xY"),
        ("a[kK]b", "akb"),
        ("^a$|bc", "a"),
        ("日志?", "日"),
    ] {
        let regex = regex::Regex::new(&crate::syntax::translate(pattern).unwrap()).unwrap();
        assert!(regex.is_match(line), "{pattern}");
        for list in regex_literals(pattern) {
            let holds = |literal: &Literal| match literal.any_case {
                true => line.to_ascii_lowercase().contains(&literal.text.to_ascii_lowercase()),
                false => line.contains(&literal.text),
            };
            assert!(list.iter().any(holds), "{pattern}: {list:?}");
        }
    }
}

#[test]
fn metric_queries_need_few_labels() {
    for (text, expect) in [
        ("sum by (status) (count_over_time({a=\"b\"} | logfmt | level=\"x\" [1m]))", Some("level status")),
        ("sum(rate({a=\"b\"} | json | unwrap latency | __error__=\"\" [1m]))", Some("__error__ latency")),
        ("avg_over_time({a=\"b\"} | json | unwrap x [1m]) by (y)", Some("x y")),
        ("count(count_over_time({a=\"b\"} | json [1m]))", None),
        ("topk(2, sum by (x) (rate({a=\"b\"} | json [1m])))", Some("x")),
        ("sum without (x) (rate({a=\"b\"} | json [1m]))", None),
        ("sum by (x) (rate({a=\"b\"} | json | label_format x=`{{.y}}` [1m])) / vector(2)", Some("x y")),
        ("rate({a=\"b\"}[1m])", None),
        ("{a=\"b\"} | json", None),
    ] {
        let found = needs(&parse(text).unwrap()).map(|names| names.into_iter().collect::<Vec<_>>().join(" "));
        assert_eq!(found.as_deref(), expect, "{text}");
    }
}

#[test]
fn plans_are_cheaper_and_mean_the_same() {
    for (text, expect) in [("1 + 2 * 3", "7"), ("vector(1) * (2 ^ 3)", "(vector(1) * 8)"), ("1 / 0", "(1 / 0)"), ("1 > 2", "(1 > 2)")] {
        assert_eq!(fold(parse(text).unwrap()).to_string(), expect);
    }
    let mut ordered = log("|~ \"a.b\" != \"c\" |= \"d\" |= \"long\" | json |~ \"x\" |= \"y\"");
    order_line_filters(&mut ordered);
    assert_eq!(ordered.to_string(), "{a=\"b\"} |= \"long\" |= \"d\" != \"c\" |~ \"a.b\" | json |= \"y\" |~ \"x\"");
    let back = max_lookback(&parse("sum(rate({a=\"b\"}[5m] offset 1h)) / sum(rate({a=\"b\"}[2m]))").unwrap());
    assert_eq!(back, 65 * 60 * 1_000_000_000);
    assert!(!needs_text(&log("| x=\"y\" | line_format \"{{.x}}\"")) && needs_text(&log("| line_format \"{{__line__}}\"")));
}
