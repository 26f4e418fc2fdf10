//! Columns of whole numbers, packed in frames of 128: each frame has its own smallest value and width.

use crate::bytes::{Cursor, put_varint};

const FRAME: usize = 128;

/// Appends `values`: per frame a varint (the smallest value), a byte (the width in bits) and the packed differences.
pub fn pack(values: &[u64], out: &mut Vec<u8>) {
    for frame in values.chunks(FRAME) {
        let least = frame.iter().copied().min().unwrap_or(0);
        let spread = frame.iter().copied().max().unwrap_or(0) - least;
        let width = 64 - spread.leading_zeros();
        put_varint(out, least);
        out.push(width as u8);
        let (mut pending, mut bits) = (0_u128, 0_u32);
        for value in frame {
            pending |= u128::from(value - least) << bits;
            bits += width;
            while bits >= 8 {
                out.push(pending as u8);
                pending >>= 8;
                bits -= 8;
            }
        }
        if bits > 0 {
            out.push(pending as u8);
        }
    }
}

/// Reads `rows` values and hands each to `each`. `None` where the bytes are not what [`pack`] writes.
pub fn unpack(bytes: &[u8], rows: usize, mut each: impl FnMut(u64)) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    let mut padded = [0_u8; FRAME * 8 + 16];
    let mut left = rows;
    while left > 0 {
        let count = left.min(FRAME);
        left -= count;
        let least = cursor.varint()?;
        let width = usize::from(cursor.u8()?);
        if width > 64 {
            return None;
        }
        if width == 0 {
            (0..count).for_each(|_| each(least));
            continue;
        }
        let packed = cursor.take((count * width).div_ceil(8))?;
        padded[..packed.len()].copy_from_slice(packed);
        let mask = u64::MAX >> (64 - width);
        if width <= 56 {
            for row in 0..count {
                let bit = row * width;
                let word = u64::from_le_bytes(padded[bit / 8..bit / 8 + 8].try_into().expect("eight bytes"));
                each(least.wrapping_add((word >> (bit % 8)) & mask));
            }
        } else {
            for row in 0..count {
                let bit = row * width;
                let word = u128::from_le_bytes(padded[bit / 8..bit / 8 + 16].try_into().expect("sixteen bytes"));
                each(least.wrapping_add((word >> (bit % 8)) as u64 & mask));
            }
        }
    }
    cursor.is_empty().then_some(())
}

/// Ascending times: the first, a common divisor of the steps, and the packed steps.
pub fn pack_times(times: &[i64], out: &mut Vec<u8>) {
    let first = times.first().copied().unwrap_or(0);
    let mut steps: Vec<u64> = times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as u64).collect();
    let divisor = steps.iter().copied().fold(0, |divisor, step| if divisor == 1 { 1 } else { greatest_divisor(divisor, step) }).max(1);
    if divisor > 1 {
        steps.iter_mut().for_each(|step| *step /= divisor);
    }
    out.extend_from_slice(&first.to_le_bytes());
    put_varint(out, divisor);
    pack(&steps, out);
}

/// Fills `times` with `rows` times. `None` where the bytes are not what [`pack_times`] writes.
pub fn unpack_times(bytes: &[u8], rows: usize, times: &mut Vec<i64>) -> Option<()> {
    times.clear();
    if rows == 0 {
        return Some(());
    }
    let mut cursor = Cursor::new(bytes);
    let mut at = cursor.i64()?;
    let divisor = cursor.varint()?;
    times.reserve(rows);
    times.push(at);
    unpack(cursor.rest(), rows - 1, |step| {
        at = at.wrapping_add(step.wrapping_mul(divisor) as i64);
        times.push(at);
    })?;
    times.is_sorted().then_some(())
}

fn greatest_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(values: &[u64]) {
        let mut out = Vec::new();
        pack(values, &mut out);
        let mut back = Vec::new();
        assert_eq!(unpack(&out, values.len(), |value| back.push(value)), Some(()));
        assert_eq!(back, values);
    }

    #[test]
    fn every_width_survives() {
        for width in 0..=64_u32 {
            let top = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
            check(&(0..300_u64).map(|i| if i % 3 == 0 { top } else { i.wrapping_mul(0x9e37_79b9_7f4a_7c15) & top }).collect::<Vec<_>>());
        }
        check(&[]);
        check(&[u64::MAX]);
    }

    proptest! {
        #[test]
        fn times_survive(mut times in proptest::collection::vec(any::<i64>(), 0..400), step in prop_oneof![Just(1), Just(1_000_000)]) {
            times.iter_mut().for_each(|at| *at = *at / step * step);
            times.sort_unstable();
            let mut out = Vec::new();
            pack_times(&times, &mut out);
            let mut back = Vec::new();
            prop_assert_eq!(unpack_times(&out, times.len(), &mut back), Some(()));
            prop_assert_eq!(back, times);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), rows in 0..1000_usize) {
            let mut times = Vec::new();
            let _ = unpack_times(&bytes, rows, &mut times);
            let _ = unpack(&bytes, rows, |_| {});
        }
    }
}
