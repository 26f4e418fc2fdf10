//! What is kept of lines until the windows are known to be complete: per series and bucket one small sum, or, where a
//! function needs them all, the samples.

use super::{samples::SampleFn, windows::Windows};
use crate::engine::{EngineError, scan::Pace};

/// One line as a range function sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub at: i64,
    pub stream: u64,
    pub ordinal: u16,
    pub value: f64,
}

impl Sample {
    fn rank(&self) -> (i64, u64, u16) {
        (self.at, self.stream, self.ordinal)
    }
}

/// What a series keeps.
pub(super) trait Kept: Default + Send {
    /// Adds a line; within a part they come in order. True if it takes more room now.
    fn add(&mut self, bucket: u64, sample: Sample) -> bool;

    fn merge(&mut self, other: Self);

    /// A value for each step whose window holds a line.
    ///
    /// # Errors
    /// If the query shall end.
    fn finish(self, windows: &Windows, done: &Finish, pace: &mut Pace<'_>) -> Result<Vec<(u32, f64)>, EngineError>;
}

/// How kept things become values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finish {
    /// Values are divided by it (seconds of the range for rates, else 1).
    pub divisor: f64,
    pub func: SampleFn,
}

/// A number that takes in others.
pub(super) trait Fold: Copy + Send {
    fn of(sample: &Sample) -> Self;
    fn fold(&mut self, other: &Self);
    /// Takes out what was folded in; `None` where that cannot be done exactly.
    fn unfold(self, _other: &Self) -> Option<Self> {
        None
    }
    fn value(&self) -> f64;
}

/// Buckets in order, without the empty ones.
pub(super) struct Buckets<F>(Vec<(u64, F)>);

impl<F> Default for Buckets<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<F: Fold> Buckets<F> {
    fn put(&mut self, bucket: u64, fold: &F) -> bool {
        match self.0.last_mut() {
            Some((last, into)) if *last == bucket => {
                into.fold(fold);
                false
            }
            _ => {
                self.0.push((bucket, *fold));
                true
            }
        }
    }
}

impl<F: Fold> Kept for Buckets<F> {
    fn add(&mut self, bucket: u64, sample: Sample) -> bool {
        self.put(bucket, &F::of(&sample))
    }

    fn merge(&mut self, other: Self) {
        let Some(&(first, _)) = other.0.first() else { return };
        if self.0.last().is_none_or(|&(last, _)| last <= first) {
            for (bucket, fold) in &other.0 {
                self.put(*bucket, fold);
            }
            return;
        }
        let mut merged = Self(Vec::with_capacity(self.0.len() + other.0.len()));
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a.0 <= b.0 => left.next(),
                (_, Some(_)) => right.next(),
                _ => left.next(),
            };
            let Some((bucket, fold)) = next else { break };
            merged.put(*bucket, fold);
        }
        *self = merged;
    }

    fn finish(self, windows: &Windows, done: &Finish, pace: &mut Pace<'_>) -> Result<Vec<(u32, f64)>, EngineError> {
        let all = self.0;
        let mut points = Vec::new();
        // Of `all`, those in the window: `[low, high)`; `sum` of those, where it can be carried along.
        let (mut low, mut high) = (0, 0);
        let mut sum: Option<F> = None;
        let mut step = 0;
        while step < windows.count {
            pace.spend(1)?;
            let (from, to) = windows.buckets(step);
            while low < high && all[low].0 < from {
                sum = sum.and_then(|sum| sum.unfold(&all[low].1));
                low += 1;
            }
            if low == high {
                sum = None;
                while low < all.len() && all[low].0 < from {
                    low += 1;
                }
                high = low;
                let Some(&(next, _)) = all.get(low) else { break };
                if next >= to {
                    step = windows.first_step(next).max(step + 1);
                    continue;
                }
            }
            let begins = low == high;
            while high < all.len() && all[high].0 < to {
                match &mut sum {
                    Some(sum) => sum.fold(&all[high].1),
                    None if high == low && begins => sum = Some(all[high].1),
                    None => {}
                }
                high += 1;
            }
            if sum.is_none() {
                pace.spend(high - low)?;
            }
            let total = *sum.get_or_insert_with(|| {
                let mut total = all[low].1;
                all[low + 1..high].iter().for_each(|(_, fold)| total.fold(fold));
                total
            });
            if let Ok(index) = u32::try_from(step) {
                points.push((index, total.value() / done.divisor));
            }
            step += 1;
        }
        Ok(points)
    }
}

/// Whole numbers: lines or bytes.
#[derive(Clone, Copy)]
pub(super) struct Count(u64);

impl Fold for Count {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1, or the length of a line")]
    fn of(sample: &Sample) -> Self {
        Self(sample.value as u64)
    }

    fn fold(&mut self, other: &Self) {
        self.0 = self.0.saturating_add(other.0);
    }

    fn unfold(self, other: &Self) -> Option<Self> {
        Some(Self(self.0.saturating_sub(other.0)))
    }

    #[expect(clippy::cast_precision_loss, reason = "values are floats on the wire")]
    fn value(&self) -> f64 {
        self.0 as f64
    }
}

#[derive(Clone, Copy)]
pub(super) struct Sum(f64);

impl Fold for Sum {
    fn of(sample: &Sample) -> Self {
        Self(sample.value)
    }

    fn fold(&mut self, other: &Self) {
        self.0 += other.0;
    }

    fn value(&self) -> f64 {
        self.0
    }
}

#[derive(Clone, Copy)]
pub(super) struct Avg {
    sum: f64,
    count: f64,
}

impl Fold for Avg {
    fn of(sample: &Sample) -> Self {
        Self { sum: sample.value, count: 1.0 }
    }

    fn fold(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    fn value(&self) -> f64 {
        self.sum / self.count
    }
}

/// NaN gives way to any number.
#[derive(Clone, Copy)]
pub(super) struct Min(f64);

impl Fold for Min {
    fn of(sample: &Sample) -> Self {
        Self(sample.value)
    }

    fn fold(&mut self, other: &Self) {
        self.0 = self.0.min(other.0);
    }

    fn value(&self) -> f64 {
        self.0
    }
}

/// NaN gives way to any number.
#[derive(Clone, Copy)]
pub(super) struct Max(f64);

impl Fold for Max {
    fn of(sample: &Sample) -> Self {
        Self(sample.value)
    }

    fn fold(&mut self, other: &Self) {
        self.0 = self.0.max(other.0);
    }

    fn value(&self) -> f64 {
        self.0
    }
}

#[derive(Clone, Copy)]
pub(super) struct First(Sample);

impl Fold for First {
    fn of(sample: &Sample) -> Self {
        Self(*sample)
    }

    fn fold(&mut self, other: &Self) {
        if other.0.rank() < self.0.rank() {
            self.0 = other.0;
        }
    }

    fn value(&self) -> f64 {
        self.0.value
    }
}

#[derive(Clone, Copy)]
pub(super) struct Last(Sample);

impl Fold for Last {
    fn of(sample: &Sample) -> Self {
        Self(*sample)
    }

    fn fold(&mut self, other: &Self) {
        if other.0.rank() > self.0.rank() {
            self.0 = other.0;
        }
    }

    fn value(&self) -> f64 {
        self.0.value
    }
}

/// All samples, for functions that need each.
#[derive(Default)]
pub(super) struct Samples(Vec<Sample>);

impl Kept for Samples {
    fn add(&mut self, _bucket: u64, sample: Sample) -> bool {
        self.0.push(sample);
        true
    }

    fn merge(&mut self, mut other: Self) {
        if self.0.is_empty() {
            *self = other;
        } else {
            self.0.append(&mut other.0);
        }
    }

    fn finish(mut self, windows: &Windows, done: &Finish, pace: &mut Pace<'_>) -> Result<Vec<(u32, f64)>, EngineError> {
        pace.spend(self.0.len())?;
        self.0.sort_by_key(Sample::rank);
        let mut points = Vec::new();
        let mut scratch = Vec::new();
        let (mut low, mut high) = (0, 0);
        for step in 0..windows.count {
            let (from, to) = windows.window(step);
            while low < self.0.len() && self.0[low].at <= from {
                low += 1;
            }
            high = high.max(low);
            while high < self.0.len() && self.0[high].at <= to {
                high += 1;
            }
            pace.spend(1 + high - low)?;
            if low < high
                && let Some(value) = done.func.run(&self.0[low..high], (from, to), &mut scratch)
                && let Ok(index) = u32::try_from(step)
            {
                points.push((index, value / done.divisor));
            }
        }
        Ok(points)
    }
}
