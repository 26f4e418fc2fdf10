//! `| regexp "job (?P<job>\\d+)"`: named groups become labels. A line that does not match gives none.

use regex::{CaptureLocations, Regex};

use super::{names, names::Wanted, re2};
use crate::labelset::LabelSet;

/// The stage.
#[derive(Clone, Debug)]
pub struct Regexp {
    regex: Regex,
    /// Group number and label.
    groups: Vec<(usize, String)>,
    found: CaptureLocations,
    wanted: Wanted,
}

impl Regexp {
    /// # Errors
    /// A text for the client.
    pub fn compile(pattern: &str, wanted: Wanted) -> Result<Self, String> {
        let regex = re2::compile(pattern)?;
        let named: Vec<(usize, &str)> = regex.capture_names().enumerate().filter_map(|(at, name)| Some((at, name?))).collect();
        if named.is_empty() {
            return Err("invalid regexp parser: at least one named capture must be supplied".into());
        }
        if let Some((_, name)) = named.iter().find(|(_, name)| !names::is_clean(name)) {
            return Err(format!("invalid extracted label name '{name}'"));
        }
        let groups = named.into_iter().filter(|(_, name)| wanted.may_take(name)).map(|(at, name)| (at, name.to_owned())).collect();
        Ok(Self { found: regex.capture_locations(), regex, groups, wanted })
    }

    pub fn run(&mut self, line: &str, labels: &mut LabelSet) {
        if self.groups.is_empty() || self.regex.captures_read(&mut self.found, line).is_none() {
            return;
        }
        for (at, name) in &self.groups {
            let value = self.found.get(*at).and_then(|(start, end)| line.get(start..end)).unwrap_or_default();
            self.wanted.take(labels, name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_groups_become_labels() {
        for (pattern, line, expect) in [
            (r"job (?P<job>\d+) failed: (?P<why>\w+)", "ERROR job 1002 failed: timeout after 21s", "job=1002 why=timeout"),
            (r"zzz(?P<a>\d)", "nothing", ""),
            (r"(?P<a>x)?(?<b>y)(z)", "yz", "a= b=y"),
        ] {
            let mut labels = LabelSet::default();
            Regexp::compile(pattern, Wanted::All).unwrap().run(line, &mut labels);
            let found: Vec<_> = labels.parsed().iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(found.join(" "), expect);
        }
        for wrong in ["abc", "(a)", "(?P<a>"] {
            assert!(Regexp::compile(wrong, Wanted::All).is_err(), "{wrong}");
        }
    }
}
