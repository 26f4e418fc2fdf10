//! Names of parsed labels: how a field's name becomes a label's, and which ones a query wants.

use crate::labelset::{ERROR, ERROR_DETAILS, EXTRACTED, LabelSet};

/// Which labels a parser is to find. Whoever wants one row's labels whole wants all.
#[derive(Clone, Debug)]
pub enum Wanted {
    All,
    Only {
        names: Vec<String>,
        /// Whether a parser may end at the last wanted label. An error behind it then stays unseen, as in Loki's metric
        /// queries; never set where the query looks at `__error__`.
        ends_early: bool,
    },
}

impl Wanted {
    /// Wanted are `names`; `__error__` among them rules out ending early.
    pub fn only(names: Vec<String>) -> Self {
        let ends_early = !names.iter().any(|name| name == ERROR || name == ERROR_DETAILS);
        Self::Only { names, ends_early }
    }

    /// The same names, but every line is read to its end.
    pub fn whole_lines(names: Vec<String>) -> Self {
        Self::Only { names, ends_early: false }
    }

    /// Whether a field may become a wanted label, suffix or not.
    pub fn may_take(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only { names, .. } => names.iter().any(|wanted| {
                wanted == name || (wanted.len() == name.len() + EXTRACTED.len() && wanted.starts_with(name) && wanted.ends_with(EXTRACTED))
            }),
        }
    }

    /// Whether fields below `prefix` (without its last `_`) may become wanted labels.
    pub fn may_take_below(&self, prefix: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only { names, .. } => names
                .iter()
                .any(|wanted| wanted.len() > prefix.len() && wanted.starts_with(prefix) && wanted.as_bytes()[prefix.len()] == b'_'),
        }
    }

    /// How many wanted labels the row lacks; `None` where the parser must read all of the line.
    pub fn missing(&self, labels: &LabelSet) -> Option<usize> {
        match self {
            Self::Only { names, ends_early: true } => Some(names.iter().filter(|name| labels.get(name).is_none()).count()),
            Self::All | Self::Only { .. } => None,
        }
    }

    /// Takes a label if it is wanted; says whether the row has one more now.
    pub fn take(&self, labels: &mut LabelSet, name: &str, value: &str) -> bool {
        match self {
            Self::All => labels.extract(name, value),
            Self::Only { names, .. } => {
                let taken = labels.is_taken(name);
                let wanted = |wanted: &String| if taken { wanted.strip_suffix(EXTRACTED) == Some(name) } else { wanted == name };
                names.iter().any(wanted) && labels.extract(name, value)
            }
        }
    }
}

/// Whether a name needs no change to be a label's.
pub fn is_clean(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|first| !first.is_ascii_digit()) && bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Appends `name` with every character that no label may have as `_`, and a `_` before a digit at the start of `out`.
pub fn sanitize(name: &str, out: &mut String) {
    let name = name.trim();
    if out.is_empty() && name.starts_with(|first: char| first.is_ascii_digit()) {
        out.push('_');
    }
    out.extend(name.chars().map(|char| if char.is_ascii_alphanumeric() || char == '_' { char } else { '_' }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_label_names() {
        for (name, expect) in [
            ("plain_1", "plain_1"),
            ("a.b", "a_b"),
            ("1st", "_1st"),
            ("with space", "with_space"),
            ("ünïcode", "_n_code"),
            (" trim ", "trim"),
            ("", ""),
        ] {
            let mut out = String::new();
            sanitize(name, &mut out);
            assert_eq!(out, expect);
            assert_eq!(is_clean(name), name == expect && !name.is_empty());
        }
    }

    #[test]
    fn wanted_takes_a_name_with_its_suffix_and_prefixes() {
        let wanted = Wanted::only(vec!["user_id".into(), "app_extracted".into()]);
        for (name, takes, below) in
            [("user_id", true, false), ("app", true, true), ("user", false, true), ("id", false, false), ("us", false, false)]
        {
            assert_eq!((wanted.may_take(name), wanted.may_take_below(name)), (takes, below), "{name}");
        }
    }
}
