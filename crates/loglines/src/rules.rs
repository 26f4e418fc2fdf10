//! How a line's level is found: one table, tried from the top, the first that applies wins. The documentation and the
//! tests read the same rows.

use model::{Level, log::Fields};

use crate::{
    fields::Shape,
    formats,
    head::{self, Evidence, Found},
    level::{self, Scale},
};

/// A row: a kind of evidence, what it looks like, and lines that show it.
pub struct Rule {
    pub name: &'static str,
    /// One sentence for the people who read the table.
    pub matches: &'static str,
    /// Lines this rule decides, with the level it gives them.
    pub examples: &'static [(Level, &'static str)],
    find: Find,
}

/// Asks a line, and what was found at its head, for one kind of evidence.
type Find = fn(&Line<'_>, Option<Found>) -> Option<Level>;

/// A line without colours and runtime prefix, with its fields.
pub(crate) struct Line<'a> {
    pub text: &'a str,
    pub shape: Shape,
    pub fields: &'a Fields,
}

/// The level of a line by the first rule that applies.
pub(crate) fn level_of(line: &Line<'_>) -> Level {
    rule_of(line).map_or(Level::Unknown, |(_, level)| level)
}

fn rule_of(line: &Line<'_>) -> Option<(&'static Rule, Level)> {
    // What stands at the head of the line is asked by several rules and looked for once.
    let head = if line.shape == Shape::Plain { head::find(line.text) } else { None };
    RULES.iter().find_map(|rule| (rule.find)(line, head).map(|level| (rule, level)))
}

fn by(wanted: Evidence, found: Option<Found>) -> Option<Level> {
    found.filter(|(evidence, _)| *evidence == wanted).map(|(_, level)| level)
}

/// The rules, in the order in which they are tried.
pub const RULES: &[Rule] = &[
    Rule {
        name: "JSON",
        matches: "A JSON object with a level key at the top or one object deep; words, pino, bunyan and Monolog numbers, OpenTelemetry severity numbers, syslog priorities.",
        examples: &[
            (Level::Warn, r#"{"time":"2026-11-22T16:36:00Z","level":"WARN","msg":"slow"}"#),
            (Level::Error, r#"{"level":50,"time":1795365360000,"msg":"boom"}"#),
            (Level::Error, r#"{"log":{"level":"error"},"message":"boom"}"#),
            (Level::Info, r#"{"PRIORITY":"6","MESSAGE":"Started."}"#),
        ],
        find: |line, _| if line.shape == Shape::Json { level::of_fields(line.fields) } else { None },
    },
    Rule {
        name: "logfmt",
        matches: "A line of key=value pairs, one of them a level key.",
        examples: &[(Level::Info, r#"time=2026-11-22T16:36:00Z level=INFO msg="started" port=8080"#)],
        find: |line, _| if line.shape == Shape::Logfmt { level::of_fields(line.fields) } else { None },
    },
    Rule {
        name: "syslog priority",
        matches: "A number between angle brackets at the very start, up to 191: its remainder by 8 is the severity.",
        examples: &[(Level::Error, "<27>1 2026-11-22T16:36:00Z host app 12 - - disk failed")],
        find: |line, _| plain(line, formats::syslog_priority),
    },
    Rule {
        name: "klog and glog",
        matches: "I, W, E or F directly before month and day, then a clock time.",
        examples: &[(Level::Warn, "W1122 16:36:00.000000       1 reflector.go:424] watch closed")],
        find: |line, _| plain(line, formats::klog),
    },
    Rule {
        name: "access log",
        matches: "The common and combined format of nginx, Apache and others: status 500 and above is an error, 400 and above a warning, the rest information.",
        examples: &[(Level::Error, r#"10.0.0.1 - - [22/Nov/2026:16:36:00 +0000] "GET / HTTP/1.1" 502 157 "-" "curl/8""#)],
        find: |line, _| plain(line, formats::access_log),
    },
    Rule {
        name: "Redis and Valkey",
        matches: "Process and role, date, then one of the marks `.` `-` (debug), `*` (information), `#` (warning).",
        examples: &[(Level::Warn, "1:M 22 Nov 2026 16:36:00.123 # WARNING overcommit_memory is set to 0!")],
        find: |line, _| plain(line, formats::redis),
    },
    Rule {
        name: "PostgreSQL",
        matches: "A severity in capitals, a colon and two blanks, after the usual prefix; DETAIL, HINT, STATEMENT and CONTEXT lines are information.",
        examples: &[(Level::Fatal, "2026-11-22 16:36:00.123 UTC [61] FATAL:  password authentication failed for user \"x\"")],
        find: |line, _| plain(line, formats::postgres),
    },
    Rule {
        name: "uncaught errors",
        matches: "The first line of a stack trace: Python, Java, Go, Rust, PHP, Node.",
        examples: &[
            (Level::Error, "Traceback (most recent call last):"),
            (Level::Error, "Exception in thread \"main\" java.lang.IllegalStateException: boom"),
            (Level::Error, "thread 'main' panicked at src/main.rs:2:5:"),
            (Level::Error, "PHP Fatal error:  Uncaught Exception: boom in /app/index.php:3"),
        ],
        find: |line, _| plain(line, formats::uncaught),
    },
    Rule {
        name: "level in brackets",
        matches: "A level between brackets at the head of the line, alone or with a time, a module or a process beside it.",
        examples: &[
            (Level::Error, "2026/11/22 16:36:00 [error] 31#31: *1 open() failed"),
            (Level::Info, "[2026-11-22 16:36:00 +0000] [7] [INFO] Listening at: http://0.0.0.0:8000"),
            (Level::Warn, "[2026-11-22T16:36:00Z WARN  app::db] slow"),
        ],
        find: |_, head| by(Evidence::Bracket, head),
    },
    Rule {
        name: "level before a colon",
        matches: "A level and a colon at the start of the line, or after its time, logger or process.",
        examples: &[
            (Level::Error, "ERROR:root:failed"),
            (Level::Info, "info: Microsoft.Hosting.Lifetime[14]"),
            (Level::Error, "[2026-11-22T16:36:00+00:00] app.ERROR: boom {\"id\":1} []"),
        ],
        find: |_, head| by(Evidence::Colon, head),
    },
    Rule {
        name: "level as a word",
        matches: "A level in capitals at the start of the line, after its time, or between dashes or bars near the head.",
        examples: &[
            (Level::Info, "2026-11-22T16:36:00.000000Z  INFO app: started"),
            (Level::Error, "2026-11-22 16:36:00,123 - app.db - ERROR - failed"),
        ],
        find: |_, head| by(Evidence::Word, head),
    },
    Rule {
        name: "level pair",
        matches: "`level=` at the head of a line that is otherwise text.",
        examples: &[(Level::Warn, "level=warn the rest of this line is prose with no pairs in it at all")],
        find: |_, head| by(Evidence::Pair, head),
    },
];

fn plain(line: &Line<'_>, find: fn(&str) -> Option<Level>) -> Option<Level> {
    if line.shape == Shape::Plain { find(line.text) } else { None }
}

/// Keys of structured lines that hold a level, in any case; also one object deep (`log.level`).
pub(crate) const LEVEL_KEYS: &[(&str, Scale)] = &[
    ("level", Scale::Word),
    ("lvl", Scale::Word),
    ("severity", Scale::Word),
    ("levelname", Scale::Word),
    ("level_name", Scale::Word),
    ("loglevel", Scale::Word),
    ("log_level", Scale::Word),
    ("log.level", Scale::Word),
    ("severityText", Scale::Word),
    ("severity_text", Scale::Word),
    ("detected_level", Scale::Word),
    ("@level", Scale::Word),
    ("@l", Scale::Word),
    ("severityNumber", Scale::Otel),
    ("severity_number", Scale::Otel),
    ("levelno", Scale::Python),
    ("priority", Scale::Syslog),
    ("syslog.severity", Scale::Syslog),
    ("s", Scale::Mongo),
];

/// A name of a level and where it counts besides values, brackets and capitals before a colon.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    pub name: &'static str,
    pub level: Level,
    /// In capitals it needs no mark beside it.
    pub bare: bool,
    /// Before a colon it counts in any case.
    pub colon: bool,
}

const fn both(name: &'static str, level: Level) -> Word {
    Word { name, level, bare: true, colon: true }
}

const fn colon(name: &'static str, level: Level) -> Word {
    Word { name, level, bare: false, colon: true }
}

/// Words that mean other things as well: they need brackets, or capitals and a colon.
const fn marked(name: &'static str, level: Level) -> Word {
    Word { name, level, bare: false, colon: false }
}

/// The names of levels.
pub(crate) const WORDS: &[Word] = &[
    both("trace", Level::Trace),
    both("trc", Level::Trace),
    colon("trce", Level::Trace),
    colon("silly", Level::Trace),
    marked("verbose", Level::Trace),
    marked("vrb", Level::Trace),
    marked("finest", Level::Trace),
    marked("finer", Level::Trace),
    both("debug", Level::Debug),
    both("dbg", Level::Debug),
    colon("dbug", Level::Debug),
    marked("debu", Level::Debug),
    marked("fine", Level::Debug),
    marked("config", Level::Debug),
    both("info", Level::Info),
    both("inf", Level::Info),
    both("notice", Level::Info),
    colon("information", Level::Info),
    marked("informational", Level::Info),
    marked("note", Level::Info),
    marked("log", Level::Info),
    marked("success", Level::Info),
    both("warn", Level::Warn),
    both("warning", Level::Warn),
    both("wrn", Level::Warn),
    both("error", Level::Error),
    both("err", Level::Error),
    marked("erro", Level::Error),
    both("severe", Level::Error),
    colon("fail", Level::Error),
    both("fatal", Level::Fatal),
    both("ftl", Level::Fatal),
    marked("fata", Level::Fatal),
    both("critical", Level::Fatal),
    both("crit", Level::Fatal),
    both("panic", Level::Fatal),
    both("emerg", Level::Fatal),
    colon("emergency", Level::Fatal),
    marked("dpanic", Level::Fatal),
    marked("alert", Level::Fatal),
];

/// The level word that `name` is, in any case.
pub(crate) fn word(name: &str) -> Option<Word> {
    WORDS.iter().find(|word| word.name.eq_ignore_ascii_case(name)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ansi, fields, text};

    #[test]
    fn each_rule_decides_its_own_examples() {
        for rule in RULES {
            assert!(!rule.examples.is_empty() && rule.matches.ends_with('.'), "{}", rule.name);
            for (expect, example) in rule.examples {
                let plain = ansi::strip(example);
                let text = text::unprefixed(&plain);
                let (shape, fields) = fields::read(text);
                let found = rule_of(&Line { text, shape, fields: &fields }).map(|(rule, level)| (rule.name, level));
                assert_eq!(found, Some((rule.name, *expect)), "{example}");
            }
        }
    }

    #[test]
    fn no_name_is_in_a_table_twice() {
        let mut names: Vec<String> = WORDS.iter().map(|word| word.name.to_lowercase()).collect();
        names.extend(LEVEL_KEYS.iter().map(|(key, _)| format!("key {}", key.to_lowercase())));
        names.extend(RULES.iter().map(|rule| format!("rule {}", rule.name)));
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
