//! What was found damaged and set aside: kept for whoever looks.

use std::sync::{Mutex, PoisonError};

/// More are counted, not kept.
const KEPT: usize = 100;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// The first hundred, in words.
    pub found: Vec<String>,
    pub count: u64,
    /// Lines in the blocks set aside.
    pub lines: u64,
}

#[derive(Default)]
pub struct DamageLog {
    damage: Mutex<Damage>,
}

impl DamageLog {
    pub fn note(&self, text: String, lines: u64) {
        let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        damage.count += 1;
        damage.lines += lines;
        if damage.found.len() < KEPT {
            damage.found.push(text);
        }
    }

    pub fn all(&self) -> Damage {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
