//! Range functions that look at every sample of a window.

use super::fold::Sample;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum SampleFn {
    Quantile(f64),
    Stddev,
    Stdvar,
    RateCounter,
}

impl SampleFn {
    /// `samples` are in order and not empty, within `window` `(from, to]`. `None`: no value for this window.
    pub fn run(self, samples: &[Sample], window: (i64, i64), scratch: &mut Vec<f64>) -> Option<f64> {
        match self {
            Self::Quantile(q) => {
                scratch.clear();
                scratch.extend(samples.iter().map(|sample| sample.value));
                Some(quantile(q, scratch))
            }
            Self::Stddev => Some(variance(samples.iter().map(|sample| sample.value)).sqrt()),
            Self::Stdvar => Some(variance(samples.iter().map(|sample| sample.value))),
            Self::RateCounter => rate_counter(samples, window),
        }
    }
}

/// The population's variance (Welford's recurrence).
pub(super) fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

/// Between the two nearest values in proportion, as Prometheus documents `quantile_over_time`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index within the list")]
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let ascending = |a: &f64, b: &f64| super::vector::ascending(*a, *b);
    let rank = q * (values.len() as f64 - 1.0);
    let low = (rank.floor() as usize).min(values.len() - 1);
    let weight = rank - rank.floor();
    let (_, &mut value, above) = values.select_nth_unstable_by(low, ascending);
    let next = above.iter().copied().min_by(ascending).unwrap_or(value);
    value * (1.0 - weight) + next * weight
}

/// Growth per second of a counter that may start again from 0, extrapolated to the window's edges where the samples come
/// near them (Prometheus' `rate`). Needs two samples.
#[expect(clippy::cast_precision_loss, reason = "durations in seconds")]
fn rate_counter(samples: &[Sample], (from, to): (i64, i64)) -> Option<f64> {
    let (first, last) = (samples.first()?, samples.last()?);
    if samples.len() < 2 || last.at == first.at {
        return None;
    }
    let resets: f64 = samples.windows(2).filter(|pair| pair[1].value < pair[0].value).map(|pair| pair[0].value).sum();
    let grown = last.value - first.value + resets;
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let sampled = seconds(last.at.abs_diff(first.at));
    let between = sampled / (samples.len() as f64 - 1.0);
    let mut to_start = seconds(first.at.abs_diff(from));
    let to_end = seconds(to.abs_diff(last.at));
    if grown > 0.0 && first.value >= 0.0 {
        // A counter was not below 0.
        to_start = to_start.min(sampled * (first.value / grown));
    }
    let edge = |gap: f64| if gap < between * 1.1 { gap } else { between / 2.0 };
    let covered = sampled + edge(to_start) + edge(to_end);
    Some(grown * (covered / sampled) / seconds(to.abs_diff(from)))
}
