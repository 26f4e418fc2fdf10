//! The little language of `json a="user.items[0][\"sku\"]"`.

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Field(String),
    Index(usize),
}

/// The steps of an expression.
///
/// # Errors
/// In Loki's words, like `syntax error: unexpected DOT, expecting FIELD`.
pub fn json_path(text: &str) -> Result<Vec<Step>, String> {
    let mut words = words(text).into_iter().peekable();
    let mut steps = Vec::new();
    let unexpected = |word: &Word, expected: &str| {
        let expected = if expected.is_empty() { String::new() } else { format!(", expecting {expected}") };
        Err(format!("syntax error: unexpected {}{expected}", word.name()))
    };
    let mut after_dot = true;
    loop {
        let word = words.next().unwrap_or(Word::End);
        match word {
            Word::Field(name) if after_dot => steps.push(Step::Field(name)),
            Word::Open if !after_dot || steps.is_empty() => {
                match words.next().unwrap_or(Word::End) {
                    Word::Text(name) => steps.push(Step::Field(name)),
                    Word::Index(index) => steps.push(Step::Index(index)),
                    other => return unexpected(&other, "STRING or INDEX"),
                }
                match words.next().unwrap_or(Word::End) {
                    Word::Close => {}
                    other => return unexpected(&other, "RSB"),
                }
            }
            Word::Dot if !after_dot => {
                after_dot = true;
                continue;
            }
            Word::End if !after_dot => return Ok(steps),
            other if steps.is_empty() => return unexpected(&other, "LSB or FIELD"),
            other if after_dot => return unexpected(&other, "FIELD"),
            other => return unexpected(&other, "DOT or LSB"),
        }
        after_dot = false;
    }
}

#[derive(Debug, PartialEq)]
enum Word {
    Dot,
    Open,
    Close,
    Field(String),
    Text(String),
    Index(usize),
    Odd,
    End,
}

impl Word {
    fn name(&self) -> &'static str {
        match self {
            Self::Dot => "DOT",
            Self::Open => "LSB",
            Self::Close => "RSB",
            Self::Field(_) => "FIELD",
            Self::Text(_) => "STRING",
            Self::Index(_) => "INDEX",
            Self::Odd => "$unk",
            Self::End => "$end",
        }
    }
}

fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, len) = match first {
            '.' => (Word::Dot, 1),
            '[' => (Word::Open, 1),
            ']' => (Word::Close, 1),
            '"' => {
                let mut escaped = false;
                let end = rest.char_indices().skip(1).find(|(_, c)| {
                    let end = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    end
                });
                match end.and_then(|(at, _)| super::unquote(&rest[..=at]).map(|text| (text, at + 1))) {
                    Some((text, len)) => (Word::Text(text), len),
                    None => (Word::Odd, rest.len()),
                }
            }
            '0'..='9' => {
                let len = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                (rest[..len].parse().map_or(Word::Odd, Word::Index), len)
            }
            c if c == '_' || c.is_alphabetic() => {
                let len = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
                (Word::Field(rest[..len].to_owned()), len)
            }
            c => (Word::Odd, c.len_utf8()),
        };
        words.push(word);
        rest = rest[len..].trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_or_refused() {
        let field = |name: &str| Step::Field(name.into());
        for (text, expect) in [
            ("status", vec![field("status")]),
            ("user.plan", vec![field("user"), field("plan")]),
            ("items[0].sku", vec![field("items"), Step::Index(0), field("sku")]),
            (r#"items[0]["n"]"#, vec![field("items"), Step::Index(0), field("n")]),
            (r#"["a.b"][1]"#, vec![field("a.b"), Step::Index(1)]),
        ] {
            assert_eq!(json_path(text), Ok(expect), "{text}");
        }
        for (text, expect) in [
            ("b..c", "syntax error: unexpected DOT, expecting FIELD"),
            ("a.", "syntax error: unexpected $end, expecting FIELD"),
            ("a[", "syntax error: unexpected $end, expecting STRING or INDEX"),
            ("a[0", "syntax error: unexpected $end, expecting RSB"),
            ("", "syntax error: unexpected $end, expecting LSB or FIELD"),
        ] {
            assert_eq!(json_path(text).unwrap_err(), expect, "{text}");
        }
    }
}
