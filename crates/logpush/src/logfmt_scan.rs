//! The pairs of a logfmt line (brandur.org/logfmt; go-logfmt's rules for what is wrong), in place.

use std::borrow::Cow;

/// `key=value`, `key="quoted value"` or `key`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair<'a> {
    pub key: &'a str,
    /// With its quotes, where quoted.
    pub raw: &'a str,
}

/// Gives the pairs of a line. A pair that is wrong is left out; [`Pairs::stumbled`] then tells.
#[derive(Clone, Debug)]
pub(crate) struct Pairs<'a> {
    line: &'a str,
    at: usize,
    /// Whether something was wrong so far.
    pub stumbled: bool,
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        Self { line, at: 0, stumbled: false }
    }

    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    /// A wrong pair ends at the next space.
    fn stumble(&mut self) {
        self.stumbled = true;
        self.skip_while(|byte| byte > b' ');
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.at += 1;
        loop {
            let Some(step) = memchr::memchr2(b'"', b'\\', self.line.as_bytes().get(self.at..).unwrap_or_default()) else {
                self.at = self.line.len();
                self.stumbled = true;
                return None;
            };
            self.at += step;
            if self.peek() == Some(b'"') {
                self.at += 1;
                return self.line.get(start..self.at);
            }
            self.at += 2;
        }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        loop {
            self.skip_while(|byte| byte <= b' ');
            self.peek()?;
            let start = self.at;
            self.skip_while(|byte| byte > b' ' && byte != b'=' && byte != b'"');
            let key = &self.line[start..self.at];
            match self.peek() {
                Some(b'=') if !key.is_empty() => self.at += 1,
                Some(b'=' | b'"') => {
                    self.stumble();
                    continue;
                }
                _ => return Some(Pair { key, raw: "" }),
            }
            let start = self.at;
            if self.peek() == Some(b'"') {
                if let Some(raw) = self.quoted() {
                    return Some(Pair { key, raw });
                }
                continue;
            }
            self.skip_while(|byte| byte > b' ' && byte != b'=' && byte != b'"');
            if matches!(self.peek(), Some(b'=' | b'"')) {
                self.stumble();
                continue;
            }
            return Some(Pair { key, raw: &self.line[start..self.at] });
        }
    }
}

impl<'a> Pair<'a> {
    /// The value without quotes and escapes.
    pub(crate) fn value(&self) -> Cow<'a, str> {
        crate::json_scan::unquoted(self.raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &[(&str, &str)], stumbled: bool) {
        let mut pairs = Pairs::new(line);
        let got: Vec<_> = pairs.by_ref().map(|pair| (pair.key.to_owned(), pair.value().into_owned())).collect();
        let got: Vec<_> = got.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!((&got[..], pairs.stumbled), (expect, stumbled), "{line}");
    }

    #[test]
    fn pairs_come_in_order_and_wrong_ones_are_left_out() {
        check(
            r#"level=info bare key= empty="" dup=1"#,
            &[("level", "info"), ("bare", ""), ("key", ""), ("empty", ""), ("dup", "1")],
            false,
        );
        check(r#"ua="curl (x; \"y\")""#, &[("ua", r#"curl (x; "y")"#)], false);
        check(r#"=novalue status=200 q=a=b x"y z=1"#, &[("status", "200"), ("z", "1")], true);
        check(r#"level=info msg="no closing path=/x"#, &[("level", "info")], true);
        check("µ=é 日志", &[("µ", "é"), ("日志", "")], false);
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends(line in "[=\"\\\\a-c1é ]{0,40}") {
            Pairs::new(&line).for_each(|pair| drop(pair.value()));
        }
    }
}
