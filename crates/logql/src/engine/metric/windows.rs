//! Time cut for ranges that overlap. The windows `(T−R, T]` of all steps begin and end at 2n times; between two of these
//! all lines fall into the same windows, so they may share a bucket.

/// The times a query is evaluated at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    pub start: i64,
    /// Greater than 0.
    pub step: i64,
    pub count: usize,
}

impl Steps {
    pub fn at(&self, index: u32) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(i64::from(index)))
    }
}

/// The windows of a range aggregation and the buckets they are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    /// Windows begin behind this time, nanoseconds.
    base: i128,
    step: i128,
    range: i128,
    pub count: usize,
}

/// Remembers the bucket of the last line: the next one is most often in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    /// `(from, to]`
    from: i64,
    to: i64,
    bucket: Option<u64>,
}

impl Cursor {
    pub fn new() -> Self {
        Self { from: i64::MAX, to: i64::MIN, bucket: None }
    }

    /// The bucket of a time; `None` outside all windows.
    pub fn bucket(&mut self, at: i64, windows: &Windows) -> Option<u64> {
        if at <= self.from || at > self.to {
            *self = windows.find(at);
        }
        self.bucket
    }
}

impl Windows {
    pub fn new(steps: &Steps, range_ns: i64, offset_ns: i64) -> Self {
        let range = i128::from(range_ns.max(1));
        let base = i128::from(steps.start) - i128::from(offset_ns) - range;
        // At a single step any width will do; the range itself makes one bucket.
        let step = if steps.count == 1 { range } else { i128::from(steps.step) };
        Self { base, step, range, count: steps.count }
    }

    /// `[start, end)` of all windows together, nanoseconds.
    pub fn bounds(&self) -> (i64, i64) {
        let last = self.base + self.step * (self.count.max(1) as i128 - 1) + self.range;
        (clamp(self.base + 1), clamp(last + 1))
    }

    /// The window of a step: `(from, to]`.
    pub fn window(&self, step: usize) -> (i64, i64) {
        let from = self.base + self.step * step as i128;
        (clamp(from), clamp(from + self.range))
    }

    /// Where both ends of a span are in the same bucket, that.
    pub fn one_bucket(&self, first: i64, last: i64) -> Option<u64> {
        let cursor = self.find(first);
        cursor.bucket.filter(|_| last <= cursor.to && last >= first)
    }

    /// The buckets of a step, `[from, to)`.
    pub fn buckets(&self, step: usize) -> (u64, u64) {
        let (per_step, extra) = if self.range % self.step == 0 { (1, 0) } else { (2, 1) };
        let from = per_step * step as u64;
        let width = u64::try_from(self.range / self.step).unwrap_or(u64::MAX / 4);
        (from, from + per_step * width + extra)
    }

    /// The first step whose window holds the bucket or begins behind it.
    pub fn first_step(&self, bucket: u64) -> usize {
        let (_, to) = self.buckets(0);
        let per_step = if self.range % self.step == 0 { 1 } else { 2 };
        if bucket < to { 0 } else { usize::try_from((bucket - to) / per_step + 1).unwrap_or(usize::MAX) }
    }

    fn find(&self, at: i64) -> Cursor {
        let behind = i128::from(at) - self.base - 1;
        let (start, end) = self.bounds();
        if at < start {
            return Cursor { from: i64::MIN, to: start.saturating_sub(1), bucket: None };
        }
        if at >= end {
            return Cursor { from: end.saturating_sub(1), to: i64::MAX, bucket: None };
        }
        let (index, rest) = (behind / self.step, behind % self.step);
        let phase = self.range % self.step;
        let begin = self.base + index * self.step;
        let (from, to, bucket) = if phase == 0 {
            (begin, begin + self.step, index)
        } else if rest < phase {
            (begin, begin + phase, index * 2)
        } else {
            (begin + phase, begin + self.step, index * 2 + 1)
        };
        let gap = phase != 0 && rest >= phase && self.range < self.step;
        Cursor { from: clamp(from), to: clamp(to), bucket: if gap { None } else { u64::try_from(bucket).ok() } }
    }
}

fn clamp(time: i128) -> i64 {
    i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_bucket_is_in_a_window_if_and_only_if_its_lines_are(
            start in -50_i64..50, step in 1_i64..20, count in 1_usize..12, range in 1_i64..70, offset in -20_i64..20, at in -200_i64..300,
        ) {
            let windows = Windows::new(&Steps { start, step, count }, range, offset);
            let bucket = Cursor::new().bucket(at, &windows);
            let mut any = false;
            for index in 0..count {
                let time = start + step * index as i64 - offset;
                let inside = at > time - range && at <= time;
                let (from, to) = windows.buckets(index);
                proptest::prop_assert_eq!(bucket.is_some_and(|bucket| bucket >= from && bucket < to), inside);
                proptest::prop_assert_eq!(windows.window(index), (time - range, time));
                if let Some(bucket) = bucket && inside {
                    proptest::prop_assert!(windows.first_step(bucket) <= index);
                }
                any |= inside;
            }
            proptest::prop_assert_eq!(bucket.is_some(), any);
        }
    }
}
