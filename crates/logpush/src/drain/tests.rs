use super::*;

/// Trains with the lines and compares the patterns with their numbers of lines.
fn check(lines: &[&str], expect: &[(&str, u64)]) {
    let mut drain = Drain::new(Config::default());
    lines.iter().for_each(|line| drain.train(line, 0));
    let got: Vec<_> = drain.patterns().into_iter().map(|pattern| (pattern.pattern, pattern.lines)).collect();
    let got: Vec<_> = got.iter().map(|(pattern, lines)| (pattern.as_str(), *lines)).collect();
    assert_eq!(got, expect);
}

#[test]
fn lines_of_a_shape_become_a_pattern() {
    check(
        &[
            "heartbeat from worker-0 ok, uptime 3600s, rss 86586 kB",
            "heartbeat from worker-2 ok, uptime 3630s, rss 30257 kB",
            "connected to db-1.internal:5432 (attempt 1)",
        ],
        &[("heartbeat from <_> ok, uptime <_>, rss <_> kB", 2), ("connected to db-1.internal:5432 (attempt 1)", 1)],
    );
    check(
        &[
            r#"{"level":"info","msg":"order o-00001 placed for user 2 in 250 ms","x":1}"#,
            r#"{"level":"info","msg":"order o-00002 placed for user 3 in 8 ms","x":2}"#,
        ],
        &[("<_>order <_> placed for user <_> in <_> ms<_>", 2)],
    );
    check(
        &[
            r#"level=info ts=1 method=GET path=/api/1 status=200 msg="request done""#,
            r#"level=info ts=2 method=GET path=/api/2 status=204 msg="request done""#,
            r#"level=info ts=3 method=POST path=/api/3 status=200 msg="request done""#,
        ],
        &[
            (r#"level=info ts=<_> method=GET path=<_> status=<_> msg="request done""#, 2),
            (r#"level=info ts=3 method=POST path=/api/3 status=200 msg="request done""#, 1),
        ],
    );
    check(&["", "   "], &[]);
}

#[test]
fn memory_is_bounded_and_the_oldest_go() {
    let mut drain = Drain::new(Config { max_clusters: 4, depth: 3, max_steps: 2, ..Config::default() });
    for n in 0..2_000i64 {
        let word: String = format!("{n:x}").bytes().map(|byte| (byte % 20 + b'a') as char).collect();
        drain.train(&format!("the {word} came {word} and {word} went"), n * 10_000_000_000);
        drain.train("always the same 1", n * 10_000_000_000);
    }
    let patterns = drain.patterns();
    assert_eq!((patterns.len(), patterns[0].lines, patterns[0].steps.len()), (4, 2_000, 2));
    assert!(drain.nodes.len() <= 4 * 4 * 4 + 8, "{}", drain.nodes.len());
}

proptest::proptest! {
    #[test]
    fn any_lines_are_taken(lines in proptest::collection::vec("\\PC{0,30}|[a-c1 =\",{}:msgé]{0,30}", 0..20)) {
        let mut drain = Drain::new(Config { max_clusters: 3, ..Config::default() });
        lines.iter().enumerate().for_each(|(at, line)| drain.train(line, at as i64));
        proptest::prop_assert!(drain.patterns().len() <= 3);
    }
}
