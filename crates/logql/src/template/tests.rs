use proptest::prelude::*;

use super::*;

fn get<'a>(name: &str) -> Option<Cow<'a, str>> {
    let value = match name {
        "level" => "warn",
        "msg" => "rate limited",
        "order_id" => "o-00004",
        "n" => "00008",
        "took" => "1.5s",
        "size" => "2KB",
        "list" => r#"[{"query":"a"},{"query":"b"}]"#,
        _ => return None,
    };
    Some(Cow::Borrowed(value))
}

fn render(text: &str) -> String {
    let cx = Context { line: "a line", at_ns: 1_795_365_384_791_664_298, now_ns: 1_795_365_400_000_000_000, get: &get };
    let mut out = String::new();
    match Template::parse(text, "line") {
        Err(error) => error.to_string(),
        Ok(template) => template.render(&cx, &mut out).map_or_else(|error| error.to_string(), |()| out),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expect) in cases {
        assert_eq!(render(text), *expect, "{text}");
    }
}

#[test]
fn functions_of_texts() {
    check(&[
        (r#"{{.level | ToUpper}} {{ printf "%-14s" .msg }}|{{ __line__ | len }}"#, "WARN rate limited  |6"),
        (r#"{{ default "none" .coupon }}{{ .level | default "x" }}"#, "nonewarn"),
        (r#"{{ .order_id | trimPrefix "o-" | int | add 1 }} {{ .n | int }}"#, "5 8"),
        (r#"{{ regexReplaceAll "[aeiou]" .msg "_" }} {{ regexReplaceAll "(a*)bc" "aabc" "${1}a" }}"#, "r_t_ l_m_t_d aaa"),
        (r#"{{ regexReplaceAllLiteral "(ts=)" "ts=1" "$1" }}"#, "$11"),
        (r#"{{ substr 0 3 .msg }} {{ trunc 5 "hello world" }} {{ trunc -5 "hello world" }}"#, "rat hello world"),
        (r#"{{ alignLeft 5 "hi" }}|{{ alignRight 5 "hi" }}|{{ alignRight 5 "hello world" }}"#, "hi   |   hi|world"),
        (r#"{{ replace " " "_" .msg | upper }} {{ title "hello world" }} {{ repeat 3 "ab" }}"#, "RATE_LIMITED Hello World ababab"),
        (r#"{{ trimAll "$" "$5.00" }} {{ trim "  a " }} {{ trimSuffix "-" "a-" }}"#, "5.00 a a"),
        (r#"{{ b64enc "foob" }} {{ b64dec "Zm9vYg==" }} {{ urlencode "a b&" }} {{ urldecode "a+b%26" }}"#, "Zm9vYg== foob a+b%26 a b&"),
        (r#"{{ count "a|b" "abab" }} {{ contains "he" "hello" }} {{ hasSuffix "x" "hello" }}"#, "4 true false"),
        ("{{ indent 2 \"a\\nb\" }}{{ nindent 1 \"c\" }}", "  a\n  b\n c"),
        (r#"{{ printf "%05d|%x|%6.2f|%q|%v|%s" 42 255 3.14159 "a" true 1 }}"#, "00042|ff|  3.14|\"a\"|true|%!s(int=1)"),
        (r#"{{ printf "%-5.5s|%d" "abcdefg" }}"#, "abcde|%!d(MISSING)"),
    ]);
}

#[test]
fn functions_of_numbers() {
    check(&[
        ("{{ add 3 2 5 }} {{ sub 5 2 }} {{ mul 5 2 3 }} {{ div 10 3 }} {{ mod 10 3 }}", "10 3 30 3 1"),
        ("{{ addf 3.5 2 5 }} {{ subf 5.5 2 1.5 }} {{ mulf 5.5 2 2.5 }} {{ divf 10 2 4 }}", "10.5 2 27.5 1.25"),
        ("{{ max 1 2 3 }} {{ minf 1 2.5 3 }} {{ ceil 123.001 }} {{ floor 123.9 }}", "3 1 124 123"),
        ("{{ round 123.555555 3 }} {{ round 123.88571428571 5 .2 }}", "123.556 123.88572"),
        (r#"{{ "3.5" | float64 }} {{ .took | duration }} {{ bytes .size }} {{ mulf 1e21 10 }}"#, "3.5 1.5 2000 1e+22"),
        ("{{ div 1 0 }}", r#"template: line:1:3: executing "line" at <div 1 0>: error calling div: runtime error: integer divide by zero"#),
    ]);
}

#[test]
fn functions_of_times() {
    check(&[
        (
            r#"{{ __timestamp__ | date "15:04" | len }} {{ __timestamp__ | date "2006-01-02T15:04:05.00Z-07:00" }}"#,
            "5 2026-11-22T16:36:24.79Z+00:00",
        ),
        ("{{ __timestamp__ }}", "2026-11-22 16:36:24.791664298 +0000 UTC"),
        (r#"{{ date "Mon Jan _2 3:04PM 06" (unixToTime "1679577215") }}"#, "Thu Mar 23 1:13PM 23"),
        ("{{ unixEpoch now }} {{ now | unixEpochMillis }}", "1795365400 1795365400000"),
        (r#"{{ toDate "2006-01-02" "2021-11-02" | unixEpoch }}"#, "1635811200"),
        (r#"{{ "2021-11-02T10:11:12.5+02:00" | toDateInZone "2006-01-02T15:04:05Z07:00" "UTC" | unixEpochNanos }}"#, "1635840672500000000"),
        (r#"{{ toDate "2006-01-02" "2021-02-30" }}"#, "0001-01-01 00:00:00 +0000 UTC"),
    ]);
}

#[test]
fn control() {
    check(&[
        (r#"{{ if eq .level "error" }}E{{ else if eq .level "warn" }}W{{ else }}-{{ end }}"#, "W"),
        (r#"{{ if and (contains "he" "hello") (not .nosuch) }} yes {{end}}"#, " yes "),
        ("{{ range $q := fromJson .list }}{{ $q.query }},{{ end }}", "a,b,"),
        ("{{ range $i, $q := fromJson .list }}{{ $i }}{{ .query }}{{ if eq $i 0 }}{{ continue }}{{ end }}!{{ end }}", "0a1b!"),
        ("{{ range fromJson .msg }}x{{ else }}none{{ end }}", "none"),
        ("{{ with $x := .level }}{{ $x }}{{ . }}{{ $.msg }}{{ else }}-{{ end }}", "warnwarnrate limited"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        ("a {{- /* no */ -}} b {{- \" c\" -}} d", "ab cd"),
        (r#"{{ fromJson "{\"foo\": 55, \"a\": [1, null]}" }}"#, "map[a:[1 <nil>] foo:55]"),
        (r#"{{ index . "level" }}{{ (fromJson .list | len) }}{{ print 1 2 "a" }}{{ html "<a>" }}"#, "warn21 2a&lt;a&gt;"),
        ("{{ or .nosuch .level }}{{ lt 1 2 }}{{ ne .level \"a\" }}", "warntruetrue"),
    ]);
}

#[test]
fn wrong_templates_are_refused_in_go_s_words() {
    check(&[
        ("{{.x", "template: line:1: unclosed action"),
        ("{{ .status | nosuchfn }}", "template: line:1: function \"nosuchfn\" not defined"),
        ("\n{{ if .x }}", "template: line:2: unexpected EOF"),
        ("{{ end }}", "template: line:1: unexpected {{end}}"),
        ("{{ }}", "template: line:1: missing value for command"),
        ("{{ $x }}", "template: line:1: undefined variable \"$x\""),
        ("{{ \"a }}", "template: line:1: unterminated quoted string"),
        ("{{ (.a }}", "template: line:1: unclosed left paren"),
        ("{{ trunc .n }}", r#"template: line:1:3: executing "line" at <trunc .n>: wrong number of args for trunc: want 2 got 1"#),
        (
            "{{ trunc .n .msg }}",
            r#"template: line:1:3: executing "line" at <trunc .n .msg>: wrong type for value; expected int; got string"#,
        ),
        ("{{ .level.x }}", r#"template: line:1:3: executing "line" at <.level.x>: can't evaluate field x in type string"#),
        ("{{ eq 1 \"a\" }}", r#"template: line:1:3: executing "line" at <eq 1 "a">: error calling eq: incompatible types for comparison"#),
    ]);
}

#[test]
fn what_a_template_looks_at_is_known() {
    let labels = |text: &str| Template::parse(text, "x").unwrap().labels().map(|labels| labels.iter().cloned().collect::<Vec<_>>());
    assert_eq!(labels("{{ .a }}{{ if eq .b $.c }}{{ end }}"), Some(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
    assert_eq!(labels("{{ index . \"a\" }}"), None);
    assert!(Template::parse("{{ __line__ }}", "x").unwrap().uses_line());
}

#[test]
fn output_and_depth_are_bounded() {
    assert!(render("{{ repeat 1000000000 \"ab\" }}").contains("longer than"));
    assert!(render(&"{{ repeat 1000000 \"a\" }}".repeat(3)).contains("longer than"));
    assert!(render(&format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000))).contains("nest deeper"));
    assert!(render(&"{{ if true }}".repeat(5000)).contains("nest deeper"));
    assert!(render("{{ printf \"%999999999d\" 1 }}").len() < 2 * MAX_OUTPUT_BYTES);
}

proptest! {
    #[test]
    fn no_template_panics(text in "\\PC{0,40}|(\\{\\{|\\}\\}|[.$|()\"`:=, -]|a|if|else|end|range|with|printf|date|trunc|substr|\"%5.2x\"|[0-9]|now|eq){0,30}") {
        render(&text);
    }

    #[test]
    fn no_layout_panics(layout in "\\PC{0,20}|(2006|01|Jan|_2|15|\\.000|\\.999|Z07:00|PM|MST|-|:){0,8}", text in "\\PC{0,20}|[0-9TZ:+ -]{0,20}") {
        time::parse(&layout, &text);
        time::format(&layout, 1_795_365_384_791_664_298);
        let _ = format::printf(&layout, &[value::Value::Int(1)]);
    }
}
