//! Tells that a text is certainly not in a block, without reading the block: a bitmap of the hashes of all runs of four
//! bytes, ASCII letters lower-cased. Needles are substrings, not words, so a filter of words could not leave out a block
//! for `|= "4bf92f35…"` (the digits might stand inside a longer word); runs of four can, and those of random hexadecimal
//! ids saturate at 65,536 where words would grow with every id.

use logql::read::{Literal, Prefilter};

/// Bytes in a run.
pub const GRAM: usize = 4;
const FULL_BITS: u32 = 20;
const LEAST_BITS: u32 = 9;
/// A bitmap is halved as long as at most this share of its bits is set: of a needle with n runs that is absent, about
/// `share^n` of the blocks are read in vain. 16 KiB for a mebibyte of typical logs.
const MAX_FILL_PERCENT: u32 = 60;

/// Where a run's bit lies in a bitmap of `1 << bits` bits. The lower bits decide, so that halving is an `or` of halves.
fn spot(gram: u32, bits: u32) -> u32 {
    (gram.wrapping_mul(0x9e37_79b1) ^ gram.wrapping_mul(0x85eb_ca6b).rotate_left(15)) & ((1 << bits) - 1)
}

/// Builds filters, one after another, in one buffer.
pub struct FilterBuilder {
    words: Vec<u64>,
}

impl Default for FilterBuilder {
    fn default() -> Self {
        Self { words: vec![0; 1 << (FULL_BITS - 6)] }
    }
}

impl FilterBuilder {
    pub fn add(&mut self, line: &[u8]) {
        let Some((first, rest)) = line.split_first_chunk::<3>() else { return };
        let mut gram = first.iter().fold(0_u32, |gram, byte| gram << 8 | u32::from(byte.to_ascii_lowercase()));
        let words: &mut [u64; 1 << (FULL_BITS - 6)] = self.words.as_mut_slice().try_into().expect("its fixed size");
        for byte in rest {
            gram = gram << 8 | u32::from(byte.to_ascii_lowercase());
            let spot = spot(gram, FULL_BITS);
            words[(spot / 64) as usize] |= 1 << (spot % 64);
        }
    }

    /// The filter's bytes, a power of two of them; leaves the builder empty.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut bits = FULL_BITS;
        while bits > LEAST_BITS {
            let half = 1_usize << (bits - 1 - 6);
            let (low, high) = self.words[..half * 2].split_at_mut(half);
            let set: u32 = low.iter().zip(&*high).map(|(low, high)| (low | high).count_ones()).sum();
            if u64::from(set) * 100 > u64::from(MAX_FILL_PERCENT) << (bits - 1) {
                break;
            }
            low.iter_mut().zip(&*high).for_each(|(low, high)| *low |= high);
            high.fill(0);
            bits -= 1;
        }
        let words = &mut self.words[..1 << (bits - 6)];
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        words.fill(0);
        bytes
    }
}

/// Whether a block with this filter may hold what `prefilter` asks for. True for bytes that are no filter.
pub fn may_hold(filter: &[u8], prefilter: &Prefilter) -> bool {
    if !filter.len().is_power_of_two() || filter.len() > 1 << 28 {
        return true;
    }
    prefilter.all.iter().all(|any| any.is_empty() || any.iter().any(|literal| may_hold_one(filter, literal)))
}

fn may_hold_one(filter: &[u8], literal: &Literal) -> bool {
    let bits = filter.len().trailing_zeros() + 3;
    literal.text.as_bytes().windows(GRAM).all(|window| {
        let gram = window.iter().fold(0_u32, |gram, byte| gram << 8 | u32::from(byte.to_ascii_lowercase()));
        let spot = spot(gram, bits);
        filter[(spot / 8) as usize] >> (spot % 8) & 1 == 1
    })
}

/// Whether a filter could say no at all.
pub fn is_worth_asking(prefilter: &Prefilter) -> bool {
    prefilter.all.iter().any(|any| !any.is_empty() && any.iter().all(|literal| literal.text.len() >= GRAM))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Prefilter {
        Prefilter { all: vec![vec![Literal { text: text.into(), any_case: false }]] }
    }

    #[test]
    fn what_is_absent_is_mostly_told_and_what_is_there_never_denied() {
        let mut builder = FilterBuilder::default();
        builder.add(b"GET /checkout 200 trace=4bf92f3577b34da6");
        let filter = builder.finish();
        for (needle, expect) in
            [("checkout", true), ("CHECKOUT", true), ("f3577b", true), ("4bf92f3577b34da7", false), ("refund", false), ("out", true)]
        {
            assert_eq!(may_hold(&filter, &one(needle)), expect, "{needle}");
        }
        assert!(!may_hold(&builder.finish(), &one("checkout")), "finish empties the builder");
        assert!(may_hold(&filter, &Prefilter::default()));
    }

    proptest! {
        #[test]
        fn no_part_of_a_line_is_denied(lines in proptest::collection::vec("\\PC{0,40}", 1..50), pick: prop::sample::Index, from: prop::sample::Index, upper: bool) {
            let mut builder = FilterBuilder::default();
            lines.iter().for_each(|line| builder.add(line.as_bytes()));
            let filter = builder.finish();
            let line: Vec<char> = lines[pick.index(lines.len())].chars().collect();
            let mut part: String = line[from.index(line.len() + 1)..].iter().collect();
            if upper {
                part.make_ascii_uppercase();
            }
            prop_assert!(may_hold(&filter, &one(&part)));
        }
    }
}
