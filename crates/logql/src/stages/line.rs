//! Line filters: `|= "a" or "b"`, `!=`, `|~`, `!~`, `|>`, `!>`, with texts or addresses.

use memchr::{memchr2_iter, memmem::Finder};
use regex::Regex;

use super::{ip::IpRange, patterns::Form, re2};
use crate::ast::{LineFilter as Ast, LineOp, Needle};

/// A line filter, ready to run.
#[derive(Clone, Debug)]
pub struct LineFilter {
    tests: Vec<Test>,
    negative: bool,
}

#[derive(Clone, Debug)]
enum Test {
    /// The empty text is in every line.
    Always,
    Text(Box<Finder<'static>>),
    AnyCase(AnyCase),
    Regex(Regex),
    Form(Form),
    Ip(IpRange),
}

impl LineFilter {
    /// # Errors
    /// A text for the client.
    pub fn compile(filter: &Ast) -> Result<Self, String> {
        let negative = matches!(filter.op, LineOp::NotContains | LineOp::NotRegex | LineOp::NotPattern);
        let tests = filter.needles.iter().map(|needle| Test::compile(filter.op, needle)).collect::<Result<_, _>>()?;
        Ok(Self { tests, negative })
    }

    pub fn takes(&self, line: &str) -> bool {
        self.tests.iter().any(|test| test.takes(line)) != self.negative
    }
}

impl Test {
    fn compile(op: LineOp, needle: &Needle) -> Result<Self, String> {
        let text = match needle {
            Needle::Ip(pattern) => return IpRange::parse(pattern).map(Self::Ip),
            Needle::Text(text) => text.as_str(),
        };
        match op {
            LineOp::Pattern | LineOp::NotPattern => Form::compile(text).map(Self::Form),
            LineOp::Contains | LineOp::NotContains => Ok(Self::text(text)),
            LineOp::Regex | LineOp::NotRegex => Self::regex(text),
        }
    }

    fn text(text: &str) -> Self {
        if text.is_empty() { Self::Always } else { Self::Text(Box::new(Finder::new(text).into_owned())) }
    }

    fn regex(pattern: &str) -> Result<Self, String> {
        let regex = re2::compile(pattern)?;
        let (bare, any_case) = match pattern.strip_prefix("(?i)") {
            Some(bare) => (bare, true),
            None => (pattern, false),
        };
        let bare = without_dot_stars(bare);
        if bare.contains(['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$']) {
            return Ok(Self::Regex(regex));
        }
        Ok(match any_case {
            false => Self::text(bare),
            true if bare.is_ascii() && !bare.is_empty() => Self::AnyCase(AnyCase::new(bare, regex)),
            true => Self::Regex(regex),
        })
    }

    fn takes(&self, line: &str) -> bool {
        match self {
            Self::Always => true,
            Self::Text(finder) => finder.find(line.as_bytes()).is_some(),
            Self::AnyCase(needle) => needle.found_in(line),
            Self::Regex(regex) => regex.is_match(line),
            Self::Form(form) => form.matches(line),
            Self::Ip(range) => range.found_in(line),
        }
    }
}

/// `.*x.*` asks for no more than `x`. Whether `x` is plain is the caller's to see.
fn without_dot_stars(pattern: &str) -> &str {
    let pattern = pattern.strip_prefix(".*").unwrap_or(pattern);
    // What is left of `\.*` ends in a backslash, which is no plain text.
    pattern.strip_suffix(".*").unwrap_or(pattern)
}

/// An ASCII text in upper or lower case.
#[derive(Clone, Debug)]
struct AnyCase {
    /// Lower case.
    needle: Vec<u8>,
    /// The place of the byte that is rarest in texts, and its two forms.
    rare_at: usize,
    rare: (u8, u8),
    /// Folding takes `k` and `s` beyond ASCII (the Kelvin sign, the long s): where such a line could matter, this decides.
    beyond_ascii: Option<Regex>,
}

impl AnyCase {
    fn new(needle: &str, regex: Regex) -> Self {
        let needle = needle.to_ascii_lowercase().into_bytes();
        let rank = |byte: u8| b" etaoinsrhldcumfpgwybvkxjqz".iter().position(|&other| other == byte).unwrap_or(13);
        let rare_at = (0..needle.len()).max_by_key(|&at| rank(needle[at])).unwrap_or_default();
        let rare = needle.get(rare_at).copied().unwrap_or_default();
        let folds_wide = needle.iter().any(|byte| matches!(byte, b'k' | b's'));
        Self { rare: (rare, rare.to_ascii_uppercase()), rare_at, needle, beyond_ascii: folds_wide.then_some(regex) }
    }

    fn found_in(&self, line: &str) -> bool {
        let bytes = line.as_bytes();
        let Some(tail) = bytes.get(self.rare_at..) else { return false };
        let found = memchr2_iter(self.rare.0, self.rare.1, tail)
            .any(|at| bytes.get(at..at + self.needle.len()).is_some_and(|part| part.eq_ignore_ascii_case(&self.needle)));
        found || self.beyond_ascii.as_ref().is_some_and(|regex| !line.is_ascii() && regex.is_match(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(op: LineOp, needles: &[&str], line: &str) -> bool {
        let needles = needles
            .iter()
            .map(|text| match text.strip_prefix("ip:") {
                Some(ip) => Needle::Ip(ip.into()),
                None => Needle::Text((*text).into()),
            })
            .collect();
        LineFilter::compile(&Ast { op, needles }).unwrap().takes(line)
    }

    #[test]
    fn a_filter_takes_a_line_with_one_of_its_needles() {
        use LineOp::*;
        for (op, needles, line, expect) in [
            (Contains, &["b"][..], "abc", true),
            (Contains, &["x", "c"], "abc", true),
            (Contains, &[""], "", true),
            (NotContains, &["x", "c"], "abc", false),
            (NotContains, &["x"], "abc", true),
            (NotContains, &[""], "abc", false),
            (Contains, &["日志"], "CJK 日志", true),
            (Contains, &["ip:10.0.0.0/8"], "from 10.1.2.3", true),
            (NotContains, &["ip:10.0.0.0/8"], "from 10.1.2.3", false),
            (Regex, &["a.c"], "xabc", true),
            (Regex, &[".*bc.*"], "xabc", true),
            (Regex, &[".*"], "", true),
            (Regex, &[r"b\.*"], "ab", true),
            (Regex, &["(?i)ERROR"], "an Error", true),
            (Regex, &["(?i)error"], "an erro", false),
            (Regex, &["(?i)kelvin"], "300 \u{212a}elvin", true),
            (Regex, &["(?i)größe"], "GRÖSSE GRÖßE", true),
            (Regex, &["(?i)info|warn"], "WARN", true),
            (NotRegex, &["(?i)info|warn"], "WARN", false),
            (NotRegex, &["b", "z"], "xyz", false),
            (Pattern, &["<_>=<_>"], "a=b", true),
            (NotPattern, &["<_>=<_>"], "a=b", false),
        ] {
            assert_eq!(takes(op, needles, line), expect, "{op:?} {needles:?} on {line:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_case_agrees_with_the_expression(needle in "[a-zA-Z ]{1,5}", line in "[a-eA-EkKsS ]{0,20}\u{212a}?") {
            let expect = re2::compile(&format!("(?i){needle}")).unwrap().is_match(&line);
            proptest::prop_assert_eq!(takes(LineOp::Regex, &[&format!("(?i){needle}")], &line), expect);
        }
    }
}
