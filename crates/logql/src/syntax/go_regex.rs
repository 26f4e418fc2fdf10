//! Go's regular expressions, as the `regex` crate wants them: the two differ in what `\d` means, where `{` is a brace,
//! and in how they say that something is wrong.

use std::{fmt::Write as _, iter::Peekable, str::CharIndices};

/// The text is Go's (`error parsing regexp: missing closing ): `…``).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {what}: `{part}`")]
pub struct GoRegexError {
    pub what: &'static str,
    pub part: String,
}

/// Groups within groups: below the limit of the `regex` crate.
const MAX_DEPTH: usize = 200;

/// The same pattern for the `regex` crate: ASCII `\d \s \w \b`, literal braces, `\Q…\E`, octal escapes.
///
/// # Errors
/// Where Go would refuse it, in Go's words.
pub fn translate(pattern: &str) -> Result<String, GoRegexError> {
    let mut translation = Translation {
        pattern,
        chars: pattern.char_indices().peekable(),
        out: String::with_capacity(pattern.len() + 8),
        last: Last::Nothing,
    };
    translation.run()?;
    Ok(translation.out)
}

/// What stands in front of a repetition.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    Atom,
    /// A repetition that begins there.
    Repetition(usize),
}

struct Translation<'a> {
    pattern: &'a str,
    chars: Peekable<CharIndices<'a>>,
    out: String,
    last: Last,
}

type Result2 = Result<(), GoRegexError>;

fn wrong<T>(what: &'static str, part: &str) -> Result<T, GoRegexError> {
    Err(GoRegexError { what, part: part.to_owned() })
}

impl<'a> Translation<'a> {
    fn run(&mut self) -> Result2 {
        let mut depth = 0_usize;
        let mut names: Vec<&str> = Vec::new();
        while let Some((at, c)) = self.chars.next() {
            match c {
                '\\' => self.escape(at, false)?,
                '[' => self.class(at)?,
                '(' => {
                    depth += usize::from(self.open(at, &mut names)?);
                    if depth > MAX_DEPTH {
                        return wrong("expression nests too deeply", self.pattern);
                    }
                }
                ')' => {
                    depth = match depth.checked_sub(1) {
                        Some(depth) => depth,
                        None => return wrong("unexpected )", self.pattern),
                    };
                    self.atom(")");
                }
                '|' => {
                    self.out.push('|');
                    self.last = Last::Nothing;
                }
                '*' | '+' | '?' => self.repeat(at, &c.to_string())?,
                '{' => match self.counted(at)? {
                    Some(repetition) => self.repeat(at, &repetition)?,
                    None => self.atom("\\{"),
                },
                '}' => self.atom("\\}"),
                ']' => self.atom("\\]"),
                c => self.atom(c.encode_utf8(&mut [0; 4])),
            }
        }
        if depth > 0 { wrong("missing closing )", self.pattern) } else { Ok(()) }
    }

    fn atom(&mut self, text: &str) {
        self.out.push_str(text);
        self.last = Last::Atom;
    }

    fn rest(&mut self) -> &'a str {
        let at = self.chars.peek().map_or(self.pattern.len(), |(at, _)| *at);
        &self.pattern[at..]
    }

    fn skip(&mut self, bytes: usize) {
        let end = self.pattern.len() - self.rest().len() + bytes;
        while self.chars.peek().is_some_and(|(at, _)| *at < end) {
            self.chars.next();
        }
    }

    fn repeat(&mut self, at: usize, operator: &str) -> Result2 {
        let lazy = self.rest().starts_with('?');
        let end = at + operator.len() + usize::from(lazy);
        match self.last {
            Last::Nothing => return wrong("missing argument to repetition operator", &self.pattern[at..end]),
            Last::Repetition(start) => return wrong("invalid nested repetition operator", &self.pattern[start..end]),
            Last::Atom => {}
        }
        if lazy {
            self.chars.next();
        }
        self.out.push_str(operator);
        self.out.push_str(if lazy { "?" } else { "" });
        self.last = Last::Repetition(at);
        Ok(())
    }

    /// `{2,5}` behind its brace; `None` where the brace is only a brace.
    fn counted(&mut self, at: usize) -> Result<Option<String>, GoRegexError> {
        let Some(end) = self.pattern[at..].find('}') else { return Ok(None) };
        let whole = &self.pattern[at..=at + end];
        let inside = &whole[1..whole.len() - 1];
        let (low, high) = inside.split_once(',').map_or((inside, None), |(low, high)| (low, Some(high)));
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !number(low) || !high.is_none_or(|high| high.is_empty() || number(high)) {
            return Ok(None);
        }
        let low: usize = low.parse().unwrap_or(usize::MAX);
        let high: usize = high.map_or(low, |high| if high.is_empty() { low } else { high.parse().unwrap_or(usize::MAX) });
        if low > 1000 || high > 1000 || low > high {
            return wrong("invalid repeat count", whole);
        }
        self.skip(whole.len() - 1);
        Ok(Some(whole.to_owned()))
    }

    /// What follows `(`; whether it opened a group.
    fn open(&mut self, at: usize, names: &mut Vec<&'a str>) -> Result<bool, GoRegexError> {
        self.last = Last::Nothing;
        let Some(rest) = self.rest().strip_prefix('?') else {
            self.out.push('(');
            return Ok(true);
        };
        if let Some(named) = rest.strip_prefix("P<").or_else(|| rest.strip_prefix('<')) {
            let Some((name, _)) = named.split_once('>') else { return wrong("invalid named capture", &self.pattern[at..]) };
            let head = 1 + 1 + (rest.len() - named.len()) + name.len() + 1;
            let valid = !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
            if !valid {
                return wrong("invalid named capture", &self.pattern[at..at + head]);
            }
            if names.contains(&name) {
                return wrong("duplicate capture group name", name);
            }
            names.push(name);
            let _ = write!(self.out, "(?P<{name}>");
            self.skip(head - 1);
            return Ok(true);
        }
        let (mut minus, mut any) = (false, false);
        for (offset, flag) in rest.char_indices() {
            match flag {
                'i' | 'm' | 's' | 'U' => any = true,
                '-' if !minus => (minus, any) = (true, false),
                ':' | ')' if any || !minus => {
                    let head = &self.pattern[at..at + 2 + offset + 1];
                    self.skip(offset + 2);
                    // Empty flags are fine in Go; the crate wants something in front of `)`.
                    self.out.push_str(if head == "(?)" { "(?:)" } else { head });
                    return Ok(flag == ':');
                }
                flag => return wrong("invalid or unsupported Perl syntax", &self.pattern[at..at + 2 + offset + flag.len_utf8()]),
            }
        }
        wrong("missing closing )", self.pattern)
    }

    /// Behind a backslash, in a class or out of it.
    fn escape(&mut self, at: usize, in_class: bool) -> Result2 {
        let Some((_, c)) = self.chars.next() else { return wrong("trailing backslash at end of expression", "") };
        let text = &self.pattern[at..at + 1 + c.len_utf8()];
        match c {
            'Q' if !in_class => {
                let rest = self.rest();
                let literal = rest.split_once("\\E").map_or(rest, |(literal, _)| literal);
                literal.chars().for_each(|c| self.literal(c));
                self.skip((literal.len() + 2).min(rest.len()));
            }
            'E' if !in_class => {}
            'd' => self.atom(if in_class { "0-9" } else { "[0-9]" }),
            'w' => self.atom(if in_class { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
            's' => self.atom(if in_class { "\\t\\n\\x0C\\r " } else { "[\\t\\n\\x0C\\r ]" }),
            'D' => self.atom("[^0-9]"),
            'W' => self.atom("[^0-9A-Za-z_]"),
            'S' => self.atom("[^\\t\\n\\x0C\\r ]"),
            'b' if !in_class => self.atom("(?-u:\\b)"),
            'B' if !in_class => self.atom("(?-u:\\B)"),
            'A' | 'z' if !in_class => self.atom(text),
            'a' | 'f' | 't' | 'n' | 'r' | 'v' => self.atom(text),
            'p' | 'P' => {
                let rest = self.rest();
                let len = if rest.starts_with('{') { rest.find('}').map(|end| end + 1) } else { rest.chars().next().map(char::len_utf8) };
                let Some(len) = len else { return wrong("invalid character class range", &self.pattern[at..]) };
                let name = rest[..len].trim_start_matches('{').trim_end_matches('}');
                let negated = (c == 'P') != name.starts_with('^');
                let _ = write!(self.out, "\\{}{{{}}}", if negated { 'P' } else { 'p' }, name.trim_start_matches('^'));
                self.last = Last::Atom;
                self.skip(len);
            }
            'x' => {
                let rest = self.rest();
                let (digits, len) = match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
                    Some((digits, _)) => (digits, digits.len() + 2),
                    None => (rest.get(..2).unwrap_or(""), 2),
                };
                let code = u32::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
                let Some(c) = code.and_then(char::from_u32) else {
                    let end = (at + 2 + len).min(self.pattern.len());
                    return wrong("invalid escape sequence", self.pattern.get(at..end).unwrap_or(text));
                };
                self.skip(len);
                self.literal(c);
            }
            '0'..='7' => {
                let octal = self.rest().bytes().take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                if c != '0' && octal == 0 {
                    return wrong("invalid escape sequence", text);
                }
                let digits = &self.pattern[at + 1..at + 2 + octal.min(2)];
                let code = u32::from_str_radix(digits, 8).unwrap_or(0);
                self.skip(octal.min(2));
                self.literal(char::from_u32(code).unwrap_or('\0'));
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => self.literal(c),
            _ => return wrong("invalid escape sequence", text),
        }
        Ok(())
    }

    fn literal(&mut self, c: char) {
        // `\<` would be the start of a word there.
        if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
            self.out.push('\\');
        }
        self.out.push(c);
        self.last = Last::Atom;
    }

    /// `[…]`
    fn class(&mut self, at: usize) -> Result2 {
        let unclosed = |pattern: &str| wrong("missing closing ]", &pattern[at..]);
        self.out.push('[');
        if self.rest().starts_with('^') {
            self.chars.next();
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return unclosed(self.pattern);
            }
            if rest.starts_with(']') && !first {
                self.chars.next();
                self.atom("]");
                return Ok(());
            }
            first = false;
            if let Some(named) = rest.strip_prefix("[:")
                && let Some((name, _)) = named.split_once(":]")
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'^')
            {
                let whole = &rest[..name.len() + 4];
                const NAMES: [&str; 14] = [
                    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
                    "xdigit",
                ];
                if !NAMES.contains(&name.trim_start_matches('^')) {
                    return wrong("invalid character class range", whole);
                }
                self.out.push_str(whole);
                self.skip(whole.len());
                continue;
            }
            let start = self.pattern.len() - rest.len();
            let Some(low) = self.member(start)? else { continue };
            let after = self.rest();
            let mut ahead = after.chars();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']') {
                self.chars.next();
                let from = self.pattern.len() - self.rest().len();
                self.out.push('-');
                let high = self.member(from)?;
                if high.is_none_or(|high| high < low) {
                    let end = self.pattern.len() - self.rest().len();
                    return wrong("invalid character class range", &self.pattern[start..end]);
                }
            }
        }
    }

    /// One member of a class; `None` where it stands for several characters.
    fn member(&mut self, start: usize) -> Result<Option<char>, GoRegexError> {
        let Some((_, c)) = self.chars.next() else { return wrong("missing closing ]", &self.pattern[start..]) };
        if c != '\\' {
            self.literal(c);
            return Ok(Some(c));
        }
        let next = self.chars.peek().map(|(_, c)| *c);
        let before = self.out.len();
        self.escape(start, true)?;
        let single = match next {
            Some('d' | 'D' | 'w' | 'W' | 's' | 'S' | 'p' | 'P') => None,
            Some('a') => Some('\u{7}'),
            Some('f') => Some('\u{c}'),
            Some('t') => Some('\t'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('v') => Some('\u{b}'),
            _ => self.out[before..].chars().last(),
        };
        Ok(single)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, expect: Result<&str, &str>) {
        let translated = translate(pattern);
        let found = translated.as_deref().map_err(ToString::to_string);
        assert_eq!(found, expect.map_err(ToOwned::to_owned), "{pattern}");
        if let Ok(translated) = &translated {
            regex::Regex::new(translated).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        }
    }

    #[test]
    fn what_go_takes_is_translated() {
        for (pattern, expect) in [
            (r"status=(404|503)", r"status=(404|503)"),
            (r"\d+", "[0-9]+"),
            (r"(?i)a.b", "(?i)a.b"),
            (r"user={.*}", r"user=\{.*\}"),
            (r"{", r"\{"),
            (r"a{2,3}b{,2}", r"a{2,3}b\{,2\}"),
            (r"\Qa.b\E+", r"a\.b+"),
            (r"[[a&&b~~c-]", r"[\[a\&\&b\~\~c\-]"),
            (r"[\w.-]", r"[0-9A-Za-z_\.\-]"),
            (r"[^]a]", r"[^\]a]"),
            (r"[[:alpha:]\d]", "[[:alpha:]0-9]"),
            (r"\bx\B", r"(?-u:\b)x(?-u:\B)"),
            (r"\<a\>", "<a>"),
            (r"(?P<job>\d)(?<n>x)", "(?P<job>[0-9])(?P<n>x)"),
            (r"\x41\x{42}\101", "ABA"),
            (r"]", r"\]"),
            (r"a*?b", "a*?b"),
            (r"日志+", "日志+"),
            ("", ""),
        ] {
            check(pattern, Ok(expect));
        }
    }

    #[test]
    fn what_go_refuses_is_refused_in_its_words() {
        for (pattern, expect) in [
            ("(", "missing closing ): `(`"),
            ("a)", "unexpected ): `a)`"),
            ("a[b", "missing closing ]: `[b`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            (r"\y", r"invalid escape sequence: `\y`"),
            (r"\1", r"invalid escape sequence: `\1`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a\\", "trailing backslash at end of expression: ``"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?P<n", "invalid named capture: `(?P<n`"),
            ("(?P<n!>a)", "invalid named capture: `(?P<n!>`"),
        ] {
            check(pattern, Err(&format!("error parsing regexp: {expect}")));
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "\\PC{0,20}|[\\\\\\[\\](){}?*+|^$.a-cdwsbQExpP0-9<>:,-]{0,20}") {
            let _ = translate(&pattern);
        }
    }
}
