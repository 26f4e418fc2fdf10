//! Texts that a match of a pattern certainly holds.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::{read::Literal, syntax::translate};

/// An alternation of more is not worth looking for.
const MAX_ALTERNATIVES: usize = 32;

/// Of each inner list, every match holds at least one. Empty where nothing is certain.
pub fn regex_literals(pattern: &str) -> Vec<Vec<Literal>> {
    let Some(hir) = translate(pattern).ok().and_then(|pattern| regex_syntax::Parser::new().parse(&pattern).ok()) else {
        return Vec::new();
    };
    required(&hir)
}

fn required(hir: &Hir) -> Vec<Vec<Literal>> {
    let mut walk = Walk::default();
    walk.visit(hir);
    walk.flush();
    walk.found
}

/// One list out of several of which one holds: of each the most telling.
pub fn any_of(each: impl Iterator<Item = Vec<Vec<Literal>>>) -> Option<Vec<Literal>> {
    let mut union: Vec<Literal> = Vec::new();
    for lists in each {
        let best = lists.into_iter().max_by_key(|list| list.iter().map(|literal| literal.text.len()).min().unwrap_or(0))?;
        for literal in best {
            if !union.contains(&literal) {
                union.push(literal);
            }
        }
        if union.len() > MAX_ALTERNATIVES {
            return None;
        }
    }
    (!union.is_empty()).then_some(union)
}

/// Goes along what must be matched one after the other, and collects what is constant.
#[derive(Default)]
struct Walk {
    found: Vec<Vec<Literal>>,
    run: String,
    any_case: bool,
}

impl Walk {
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.run);
        let any_case = std::mem::take(&mut self.any_case);
        if !text.is_empty() {
            self.found.push(vec![Literal { text, any_case }]);
        }
    }

    fn visit(&mut self, hir: &Hir) {
        match hir.kind() {
            // Nothing lies between what stands before and behind them.
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
                Ok(text) => self.run.push_str(text),
                Err(_) => self.flush(),
            },
            HirKind::Class(class) => match letter(class) {
                Some(letter) => {
                    self.run.push(letter);
                    self.any_case = true;
                }
                None => self.flush(),
            },
            HirKind::Capture(capture) => self.visit(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.visit(part)),
            HirKind::Repetition(repetition) => {
                if repetition.min > 0 {
                    // The first time comes right behind what stands before.
                    self.visit(&repetition.sub);
                }
                if !(repetition.min == 1 && repetition.max == Some(1)) {
                    self.flush();
                }
            }
            HirKind::Alternation(branches) => {
                self.flush();
                self.found.extend(any_of(branches.iter().map(required)));
            }
        }
    }
}

/// The letter of `[aA]`. With `k` and `s`, Unicode folds signs that are not ASCII: those classes have three members, and
/// are none of ours.
fn letter(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let [upper, lower] = class.ranges() else { return None };
    let single = upper.start() == upper.end() && lower.start() == lower.end();
    let pair = upper.start().is_ascii_uppercase() && upper.start().to_ascii_lowercase() == lower.start();
    (single && pair).then(|| lower.start())
}
