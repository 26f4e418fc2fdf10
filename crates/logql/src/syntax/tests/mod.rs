use proptest::prelude::*;

use super::*;
use crate::ast::*;

mod recorded;
mod trees;

fn message(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn every_query_that_loki_answers_is_understood_and_printed_back() {
    for text in recorded::GOOD {
        let tree = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let printed = tree.to_string();
        assert_eq!(parse(&printed).as_ref(), Ok(&tree), "{text} → {printed}");
        assert_eq!(parse(&pretty(&tree)).as_ref(), Ok(&tree), "{text}");
    }
}

#[test]
fn wrong_queries_are_refused_in_loki_s_words() {
    for (text, expect) in recorded::BAD {
        assert_eq!(message(text), *expect, "{text}");
    }
}

#[test]
fn more_wrong_queries() {
    for (text, expect) in [
        ("{", "parse error at line 1, col 2: syntax error: unexpected $end, expecting IDENTIFIER or }"),
        ("{a", "parse error at line 1, col 3: syntax error: unexpected $end, expecting = or =~ or !~ or !="),
        ("{a=\"b\",}", "parse error at line 1, col 8: syntax error: unexpected }, expecting IDENTIFIER"),
        ("{a=\"b\n\"}", "parse error at line 1, col 4: literal not terminated"),
        ("{a=\"b\"}\n| line_format", "parse error at line 2, col 14: syntax error: unexpected $end, expecting STRING"),
        ("rate({a=\"b\"}[5m)", "parse error at line 0, col 13: missing closing ']' in duration"),
        ("topk(rate({a=\"b\"}[5m]))", "parse error : parameter required for operation topk"),
        ("topk(1.2, rate({a=\"b\"}[5m]))", "parse error : invalid parameter topk(1.2,"),
        ("sum(3, rate({a=\"b\"}[5m]))", "parse error : unsupported parameter for operation sum(3,"),
        ("count_over_time({a=\"b\"} | unwrap x [5m])", "parse error : invalid aggregation count_over_time with unwrap"),
        (
            "{a=\"b\"} | label_format x=y,x=z",
            "parse error : stage '| label_format x=y,x=z' : multiple label name 'x' not allowed in a single format operation",
        ),
        ("{a=\"b\"} | pattern \"<a><b>\"", "parse error : invalid pattern parser: found consecutive capture '<a><b>': invalid expression"),
    ] {
        assert_eq!(message(text), expect, "{text}");
    }
    assert_eq!(message(&format!("{{a=\"{}\"}}", "x".repeat(MAX_QUERY_BYTES))), "parse error : input size too long (131078 > 131072)");
}

#[test]
fn deep_and_long_queries_are_refused_and_not_fatal() {
    for text in [
        format!("{}1{}", "(".repeat(60_000), ")".repeat(60_000)),
        format!("1{}", "+1".repeat(60_000)),
        format!("1{}", "^1".repeat(60_000)),
        format!("{{a=\"b\"}} | {}x=1", "(".repeat(60_000)),
        format!("{{a=\"b\"}} | x=1{}", " or x=1".repeat(15_000)),
        format!("{{a=\"b\"}} | x=1{}", ",x=1".repeat(30_000)),
        format!("rate({}", "(".repeat(60_000)),
        "sum(".repeat(30_000),
    ] {
        assert!(parse(&text).is_err());
        let _ = (tolerant(&text), complete(&text, text.len()));
    }
}

#[test]
fn a_query_has_a_limited_number_of_patterns_and_matchers() {
    let regexes = "parse error : query has more than 128 regular expressions";
    let templates = "parse error : query has more than 128 regular expressions in templates";
    let matchers = "parse error : selector has more than 128 matchers";
    let selector = |matcher: &str, times: usize| format!("{{{}}}", vec![matcher; times].join(", "));
    let line = |stage: &str, times: usize| format!("{{a=\"b\"}}{}", stage.repeat(times));
    let legs = |leg: &str, times: usize| vec![leg; times].join(" + ");
    let counts = |calls: usize| "{{ count `x` .y }}".repeat(calls);
    for (fits, one_more, error) in [
        (selector("a=\"b\"", 128), selector("a=\"b\"", 129), matchers),
        (selector("a=~\"b\"", 128), selector("a=~\"b\"", 129), matchers),
        (line(" |~ \"x\"", 128), line(" |~ \"x\"", 129), regexes),
        (line(" !~ \"x\" or \"y\"", 64), line(" !~ \"x\" or \"y\"", 65), regexes),
        (line(" | x=~\"y\"", 128), line(" | x!~\"y\"", 129), regexes),
        (line(" | drop x=~\"y\"", 128), line(" | keep x=~\"y\"", 129), regexes),
        (line(" | regexp \"(?P<x>y)\"", 128), line(" | regexp \"(?P<x>y)\"", 129), regexes),
        (line(" | x=\"y\" |= \"z\"", 500), line(" | x=\"y\" |= \"z\" |~ \"x\"", 500), regexes),
        (
            legs("rate({a=~\"b\", c=~\"d\"} |~ \"e\" [1m])", 42),
            legs("label_replace(rate({a=~\"b\", c=~\"d\"} [1m]), \"a\", \"b\", \"c\", \"d\")", 43),
            regexes,
        ),
        (
            line(&format!(" | line_format \"{}\" | label_format x=\"{}\"", counts(32), counts(32)), 2),
            line(&format!(" | line_format \"{}\" | label_format x=\"{}\"", counts(32), counts(33)), 2),
            templates,
        ),
    ] {
        assert!(parse(&fits).is_ok(), "{fits}");
        assert_eq!(message(&one_more), error, "{one_more}");
    }
    assert_eq!(parse_selector(&selector("a=\"b\"", 129)).unwrap_err().to_string(), matchers);
    assert!(tolerant(&selector("a=~\"b\"", 129)).1.iter().any(|diagnostic| diagnostic.message == matchers));
}

#[test]
fn a_selector_alone_may_be_empty_but_nothing_else() {
    assert_eq!(parse_selector("{}").unwrap().matchers.len(), 0);
    assert_eq!(parse_selector("{a=\"b\", c!~\"d\"}").unwrap().to_string(), "{a=\"b\", c!~\"d\"}");
    assert_eq!(
        parse_selector("{app=").unwrap_err().to_string(),
        "parse error at line 1, col 6: syntax error: unexpected $end, expecting STRING"
    );
    for text in ["{a=\"b\"} |= \"x\"", "vector(1)"] {
        assert_eq!(parse_selector(text).unwrap_err().to_string(), "only label matchers are supported");
    }
}

#[test]
fn distinct_is_for_log_queries_only() {
    assert!(parse(r#"{a="b"} | json | distinct c"#).is_ok());
    for (text, name) in [
        (r#"count_over_time({a="b"} | json | distinct c [1m])"#, "count_over_time"),
        (r#"sum(rate({a="b"} | distinct c, d | json [1m])) > 1"#, "rate"),
        (r#"avg_over_time({a="b"} | logfmt | distinct c | unwrap d [1m]) by (a)"#, "avg_over_time"),
    ] {
        let expect = format!("parse error : distinct not allowed for {name} aggregation: it is for log queries only");
        assert_eq!(parse(text).unwrap_err().to_string(), expect);
    }
}

#[test]
fn label_filters_have_their_ranks() {
    for (text, expect) in [
        ("a=1 or b=2 and c=3", "( a==1 or ( b==2 , c==3 ) )"),
        ("(a=1 or b=2) and c=\"x\", d<10s", "( ( a==1 or b==2 ) , ( c=\"x\" , d<10s ) )"),
        ("a=1 b=2", "( a==1 , b==2 )"),
        ("a>=2MiB or json=\"x\"", "( a>=2MiB or json=\"x\" )"),
    ] {
        let text = format!("{{x=\"y\"}} | {text}");
        assert_eq!(parse(&text).unwrap().to_string(), format!("{{x=\"y\"}} | {expect}"));
    }
}

#[test]
fn arithmetic_has_its_ranks() {
    for (text, expect) in [
        ("1 + 2 * 3 ^ 2 % 4", "(1 + ((2 * (3 ^ 2)) % 4))"),
        ("2 ^ 3 ^ 2", "(2 ^ (3 ^ 2))"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("vector(1) or vector(2) and vector(3) > bool 1", "(vector(1) or (vector(2) and (vector(3) > bool 1)))"),
        ("-1 + +2", "(-1 + 2)"),
    ] {
        assert_eq!(parse(text).unwrap().to_string(), expect);
    }
}

#[test]
fn long_queries_are_broken_up() {
    let short = "sum by(app)(rate({app=\"checkout\"}|json|status>=500[5m]))";
    assert_eq!(pretty(&parse(short).unwrap()), "sum by (app)(rate({app=\"checkout\"} | json | status>=500[5m]))");
    let long = format!("sum by(app)(rate({{app=\"checkout\"}} |= \"{}\" | json | status>=500[5m])) / 2", "x".repeat(60));
    let expect = format!(
        "(\n  sum by (app)(\n    rate(\n      {{app=\"checkout\"}}\n        |= \"{}\"\n        | json\n        | status>=500 [5m]\n    )\n  )\n/\n  2\n)",
        "x".repeat(60)
    );
    assert_eq!(pretty(&parse(&long).unwrap()), expect);
}

#[test]
fn an_editor_gets_words_and_places() {
    let text = "sum by (app) (rate({app=\"x\"} | json | level=\"error\" # why\n [5m]";
    let (tokens, diagnostics) = tolerant(text);
    let of = |word: &str| {
        let at = text.find(word).unwrap() as u32;
        tokens.iter().find(|token| token.span.start == at).unwrap().kind
    };
    assert_eq!(of("sum"), TokenKind::Function);
    assert_eq!(of("by"), TokenKind::Keyword);
    assert_eq!(of("json"), TokenKind::Stage);
    assert_eq!(of("level"), TokenKind::Label);
    assert_eq!(of("\"error\""), TokenKind::Text);
    assert_eq!(of("# why"), TokenKind::Comment);
    assert_eq!(of("[5m]"), TokenKind::Unit);
    assert_eq!(diagnostics[0].message, "parse error at line 2, col 6: syntax error: unexpected $end, expecting )");
    assert_eq!(diagnostics[0].span.start as usize, text.len());
}

#[test]
fn an_editor_is_told_what_may_come() {
    let value = |label: &str, quoted| Expect::LabelValue { label: label.into(), quoted };
    // The cursor is at `‸`.
    for (marked, expect) in [
        ("{‸", Expect::LabelName),
        ("{a=\"b\", ‸", Expect::LabelName),
        ("{ap‸", Expect::LabelName),
        ("{app‸=\"x\"}", Expect::LabelName),
        ("{app =‸", value("app", false)),
        ("{app=\"ch‸\"}", value("app", true)),
        ("{app=\"ch‸", value("app", true)),
        ("{app=\"x\"} | ‸", Expect::Field),
        ("{app=\"x\"} | json | lev‸", Expect::Field),
        ("{app=\"x\"} | json | level=\"‸", value("level", true)),
        ("{app=\"x\"} |= ‸", Expect::Text { quoted: false }),
        ("{app=\"x\"} |= \"‸\"", Expect::Text { quoted: true }),
        ("rate(‸", Expect::Selector),
        ("rate({app=\"x\"} ‸", Expect::Duration { brackets: true }),
        ("rate({app=\"x\"}[‸", Expect::Duration { brackets: false }),
        ("rate({app=\"x\"}[5m] offset ‸", Expect::Duration { brackets: false }),
        ("sum by (‸", Expect::Field),
        ("sum(rate({app=\"x\"}[5m])) ‸", Expect::Grouping),
        ("sum_over_time({app=\"x\"} | json | unwrap ‸", Expect::Field),
        ("topk(‸", Expect::Number),
        ("‸", Expect::Selector),
    ] {
        let cursor = marked.find('‸').unwrap();
        let completion = complete(&marked.replace('‸', ""), cursor);
        assert!(completion.expects.contains(&expect), "{marked}: {completion:?}");
    }
    let completion = complete("{app=\"check\"}", 8);
    assert_eq!((completion.span.start, completion.span.end), (6, 11));
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed_back(tree in trees::expr()) {
        let printed = tree.to_string();
        prop_assert_eq!(parse_unchecked(&printed).map_err(|error| format!("{printed}: {error}")), Ok(tree.clone()));
        let lines = pretty(&tree);
        prop_assert_eq!(parse_unchecked(&lines).map_err(|error| format!("{lines}: {error}")), Ok(tree));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}|([{}()\\[\\]|=!~<>,\"`#+*/^%-]|[a-c]| |5m|1|rate|sum|by|json|unwrap|or|and|offset|bool|on|ip|\"x\"){0,40}", cursor in 0_usize..80) {
        let _ = (parse(&text), parse_selector(&text), tolerant(&text), complete(&text, cursor));
        if let Ok(tree) = parse_unchecked(&text) {
            prop_assert_eq!(parse_unchecked(&tree.to_string()), Ok(tree));
        }
    }

    #[test]
    fn no_cut_query_panics(at in 0_usize..1000, cut in 0_usize..200) {
        let text = recorded::GOOD[at % recorded::GOOD.len()];
        let cut = (0..=cut.min(text.len())).rev().find(|cut| text.is_char_boundary(*cut)).unwrap_or(0);
        let _ = (parse(&text[..cut]), tolerant(&text[..cut]), complete(text, cut));
    }
}

#[test]
fn what_is_as_deep_as_may_be_can_be_printed_and_read_again() {
    // With the stack of a thread that answers requests.
    let of = |text: String| {
        std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
            parse_unchecked(&text).map(|tree| {
                assert_eq!(parse_unchecked(&tree.to_string()).as_ref(), Ok(&tree), "{tree}");
                assert_eq!(parse_unchecked(&pretty(&tree)).as_ref(), Ok(&tree), "{tree}");
            })
        })
    };
    let outcome = |text: String| of(text).unwrap().join().unwrap();
    let chain = |op: &str, times: usize| vec!["1"; times + 1].join(op);
    let sums = |times: usize| format!("{}vector(1){}", "sum(vector(1) + ".repeat(times), ")".repeat(times));
    let filters = |join: &str, times: usize| format!("{{a=\"b\"}} | {}", vec!["c=1"; times].join(join));
    for (deepest, too_deep) in [
        (chain("+", 99), chain("+", 100)),
        (chain("%", 99), chain("*", 400)),
        (chain("^", 99), chain("^", 100)),
        (sums(49), sums(50)),
        (format!("{}1{}", "(".repeat(250), ")".repeat(250)), format!("{}1{}", "(".repeat(300), ")".repeat(300))),
        (filters(" or ", 99), filters(" or ", 120)),
        (filters(" , ", 99), filters(" , ", 120)),
    ] {
        match outcome(deepest.clone()) {
            Ok(()) => {}
            Err(error) => panic!("{error} of {deepest}"),
        }
        let error = outcome(too_deep.clone()).expect_err(&too_deep);
        assert!(error.to_string().contains("nests deeper than 100 levels"), "{error}");
    }
}
