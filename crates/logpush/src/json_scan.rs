//! The members of a JSON object, one after the other, in place: no tree, no copies. What is stepped over is not checked
//! further than its brackets and quotes.

use std::borrow::Cow;

use memchr::memchr2;

/// `"key": value`
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Member<'a> {
    /// As written between the quotes, escapes and all.
    pub key: &'a str,
    pub value: &'a str,
}

/// Containers within containers: deeper ones end the scan.
const MAX_DEPTH: usize = 64;

/// Gives the members of the object that `text` begins with. Ends at the closing brace, or where the text goes wrong; then
/// `broken` is set.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a> {
    text: &'a str,
    at: usize,
    first: bool,
    pub broken: bool,
    done: bool,
}

impl<'a> Members<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut members = Self { text, at: 0, first: true, broken: false, done: false };
        members.spaces();
        if members.eat(b'{').is_none() {
            members.broken = true;
        }
        members
    }

    fn step(&mut self) -> Option<Option<Member<'a>>> {
        self.spaces();
        if self.eat(b'}').is_some() {
            self.done = true;
            return Some(None);
        }
        if !self.first {
            self.eat(b',')?;
            self.spaces();
        }
        self.first = false;
        let key = self.string()?;
        self.spaces();
        self.eat(b':')?;
        self.spaces();
        let start = self.at;
        self.value()?;
        Some(Some(Member { key: key.get(1..key.len() - 1)?, value: self.text.get(start..self.at)? }))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// With its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.eat(b'"')?;
        loop {
            self.at += memchr2(b'"', b'\\', self.text.as_bytes().get(self.at..)?)?;
            if self.peek() == Some(b'"') {
                self.at += 1;
                return self.text.get(start..self.at);
            }
            self.at += 2;
        }
    }

    fn value(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    if depth > MAX_DEPTH {
                        return None;
                    }
                    continue;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth > 0 => self.at += 1,
                b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                    while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')) {
                        self.at += 1;
                    }
                }
                _ => return None,
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        if self.broken || self.done {
            return None;
        }
        let step = self.step();
        self.broken = step.is_none();
        step.flatten()
    }
}

/// A string's value without its quotes; other JSON as it is.
pub(crate) fn unquoted(raw: &str) -> Cow<'_, str> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        None => Cow::Borrowed(raw),
        Some(inside) if memchr::memchr(b'\\', inside.as_bytes()).is_none() => Cow::Borrowed(inside),
        Some(inside) => serde_json::from_str(raw).map_or(Cow::Borrowed(inside), Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(&str, &str)], broken: bool) {
        let mut members = Members::new(text);
        let got: Vec<_> = members.by_ref().map(|member| (member.key, member.value)).collect();
        assert_eq!((&got[..], members.broken), (expect, broken), "{text}");
    }

    #[test]
    fn members_come_in_order_until_the_text_breaks() {
        check("{}", &[], false);
        check(
            r#" { "a" : "x\"y" , "b":{"c":[1,"}"]},"d":-1.5e3,"e":null } tail"#,
            &[("a", r#""x\"y""#), ("b", r#"{"c":[1,"}"]}"#), ("d", "-1.5e3"), ("e", "null")],
            false,
        );
        check(r#"{"level":"info","msg":"trunc"#, &[("level", r#""info""#)], true);
        check("[1]", &[], true);
        check(r#"{"a":}"#, &[], true);
        check(r#"{"a":"x\"#, &[], true);
        check(&format!(r#"{{"a":{}"#, "[".repeat(100)), &[], true);
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends(text in "[{}\\[\\]\":,\\\\a-c1é ]{0,40}") {
            Members::new(&text).for_each(|member| drop(unquoted(member.value)));
        }
    }
}
