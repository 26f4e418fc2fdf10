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
    let all = || vec![("level", "warn"), ("msg", "rate limited"), ("n", "00008")];
    let (at_ns, now_ns) = (1_795_365_384_791_664_298, 1_795_365_400_000_000_000);
    let cx = Context { line: "a line", at_ns, now_ns, get: &get, all: &all, map: OnceCell::new(), steps: Cell::new(0) };
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
fn the_dot_is_the_map_of_labels() {
    check(&[
        (
            "{{ . }}|{{ $ }}|{{ print . }}",
            "map[level:warn msg:rate limited n:00008]|map[level:warn msg:rate limited n:00008]|map[level:warn msg:rate limited n:00008]",
        ),
        (
            r#"{{ range $k, $v := . }}{{ $k }}={{ $v }},{{ end }}{{ range . }}{{ . }};{{ end }}"#,
            "level=warn,msg=rate limited,n=00008,warn;rate limited;00008;",
        ),
        (
            r#"{{ len . }} {{ if . }}yes{{ end }} {{ not . }} {{ printf "%T %v" . . }}"#,
            "3 yes false map[string]string map[level:warn msg:rate limited n:00008]",
        ),
        (r#"{{ with . }}{{ .level }}{{ .nosuch }}{{ end }}{{ $x := . }}{{ $x.n }}"#, "warn00008"),
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
    let text = "xxxxxxxxxxxxxxxx".repeat(64);
    let endless = format!("{{{{ range fromJson \"[1,1]\" }}}}{text}{{{{ end }}}}");
    assert!(render(&endless).len() == 2048);
    let ranges = |inner: &str| {
        let list = r#"{{ $l := repeat 2000 "1," | printf "[%s1]" | fromJson }}"#;
        format!("{list}{{{{ range $l }}}}{{{{ range $l }}}}{inner}{{{{ end }}}}{{{{ end }}}}")
    };
    assert!(render(&ranges(&text)).contains("output is longer than 1048576 bytes"));
    assert!(render(&ranges("")).contains("takes more than 250000 steps"), "an item is a step");
}

#[test]
fn no_text_grows_without_end() {
    let longer = "text is longer than 1048576 bytes";
    let either = |out: &str| out.contains(longer) || out.contains("takes more than 250000 steps");
    for grow in [
        "{{ $x = print $x $x }}",
        "{{ $x = println $x $x }}",
        "{{ $x = html $x \"&\" $x }}",
        "{{ $x = js $x \"'\" $x }}",
        "{{ $x = urlquery $x \"%\" $x }}",
        "{{ $x = printf \"%s%s\" $x $x }}",
        "{{ $x = printf \"%s\" $x $x }}",
        "{{ $x = b64enc $x }}",
        "{{ $x = print $x $x | urlencode }}",
        "{{ $x = print $x \"a\" | replace \"a\" \"aaa\" }}",
        "{{ $x = Replace $x \"\" $x -1 }}",
        "{{ $x = regexReplaceAll \"(?s)^(.*)$\" $x \"$0$1\" }}",
        "{{ $x = print $x \"$0${0}\" }}{{ $x = regexReplaceAll \"(?s)^.*$\" $x $x }}",
    ] {
        let out = render(&format!("{{{{ $x := \"%\" }}}}{}", grow.repeat(60)));
        assert!(either(&out), "{grow}: {}", &out[out.len().saturating_sub(200)..]);
    }
    let piped = format!("{{{{ \"'\" {} }}}}", "| js ".repeat(100));
    assert!(render(&piped).contains(longer));
    // Each is within bounds; all together are not.
    let many: String = (0..1000).map(|n| format!("{{{{ $x{n} := repeat 1000000 \"a\" }}}}")).collect();
    assert!(render(&many).contains("takes more than 250000 steps"));
    let patterns: String = (0..40).map(|n| format!("{{{{ count (print \"a{n}\") \"a\" }}}}")).collect();
    assert!(render(&patterns).contains("takes more than 250000 steps"), "patterns that are not the template's are dear");
    assert_eq!(render("{{ range fromJson \"[1,2,3]\" }}{{ count $.level \"warn\" }}{{ end }}"), "111", "but the same one only once");
}

#[test]
fn a_bounded_text_is_made_as_before() {
    check(&[
        (r#"{{ regexReplaceAll "(?P<first>a)(b)" "ab" "$2${first}$$x${nosuch}$9-${first$0}$" }}"#, "ba$x-$"),
        (r#"{{ js "<'=>\"&" }} {{ urlquery "ü<" }} {{ printf "%x %X" "ü" "ü" }}"#, r#"\u003C\'\u003D\u003E\"\u0026 %C3%BC%3C c3bc C3BC"#),
        (r#"{{ trimAll "üba" "abxüüyba" }} {{ Replace "aaa" "a" "b" 2 }}"#, "xüüy bba"),
    ]);
    let long = "a".repeat(2000);
    assert_eq!(render(&format!("{{{{ printf \"%.1500s\" \"{long}\" | len }}}}")), "1500", "a precision of texts counts characters");
}

#[test]
fn absurd_widths_are_cut() {
    for (layout, args, length) in [
        ("%70000.70000d", "1", 70_000),
        ("%.70000f", "1.5", 1_002),
        ("%.70000e", "1.5", 1_006),
        ("%.70000g", "1.5", 3),
        ("%*.*d", "70000 70000 1", 70_000),
        ("%99999999999999999999.99999999999999999999f", "1.5", 1),
    ] {
        assert_eq!(render(&format!("{{{{ printf \"{layout}\" {args} | len }}}}")), length.to_string(), "{layout}");
    }
}

#[test]
fn the_templates_of_a_line_share_their_steps() {
    let template = Template::parse("{{ $x := repeat 1000000 \"a\" }}{{ len $x }}", "line").unwrap();
    let cx = Context { line: "", at_ns: 0, now_ns: 0, get: &get, all: &Vec::new, map: OnceCell::new(), steps: Cell::new(0) };
    let failed = (0..100).find_map(|_| template.render(&cx, &mut String::new()).err());
    assert!(failed.is_some_and(|error| error.message.contains("takes more than")));
}

#[test]
fn a_template_has_a_limited_number_of_patterns() {
    assert_eq!(Template::parse(&"{{ count \"a\" .x }}".repeat(128), "x").unwrap().regexes(), 128);
    assert_eq!(render(&"{{ count \"a\" .x }}".repeat(129)), "template: line:1: template has more than 128 regular expressions");
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

    #[test]
    fn no_format_panics(
        layout in "(%[-+# 0]{0,3}([0-9]{0,6}|\\*)(\\.([0-9]{0,6}|\\*))?[vsqxXtTcUdboeEfFgG%]){1,4}",
        width in prop_oneof![Just(0_i64), 60_000_i64..80_000, any::<i64>()],
        number in any::<f64>(),
    ) {
        use value::Value::{Float, Int};
        let _ = format::printf(&layout, &[Int(width), Int(width), Float(number), Int(width), Float(number), Int(width), Int(width)]);
        let _ = format::printf(&layout, &[Float(number), value::Value::text("ü"), Float(number), Float(-number)]);
        let _ = format::printf(&format!("%*.*d%*.*f{layout}"), &[Int(width), Int(width), Int(1), Int(width), Int(width), Float(number)]);
    }
}
