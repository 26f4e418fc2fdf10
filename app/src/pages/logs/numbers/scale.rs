//! From numbers to places, and numbers for people to read.

/// The lowest and the highest value shown, and lines between them at round numbers. Zero is on the scale unless that would press
/// everything against one edge.
pub fn scale(low: f64, high: f64) -> (f64, f64, Vec<f64>) {
    let (mut low, mut high) = if low.is_finite() && high.is_finite() && low <= high { (low, high) } else { (0.0, 1.0) };
    if low > 0.0 && (low < high * 0.9 || low == high) {
        low = 0.0;
    }
    if high < 0.0 {
        high = 0.0;
    }
    if low == high {
        high = low + 1.0;
    }
    let rough = (high - low) / 4.0;
    let magnitude = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|round| round * magnitude).find(|step| *step >= rough).unwrap_or(rough);
    let (first, last) = ((low / step).floor(), (high / step).ceil());
    // At most a dozen, whatever rounding makes of tiny differences between huge numbers.
    let lines: Vec<f64> = (0..=((last - first) as usize).min(12)).map(|n| (first + n as f64) * step).collect();
    (first * step, last * step, lines)
}

/// Three digits that count, and `k`, `M`, `G` for large numbers.
pub fn short(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        return format!("{value:.2e}");
    }
    let (unit, sign) = match size {
        1e12.. => (1e12, " T"),
        1e9.. => (1e9, " G"),
        1e6.. => (1e6, " M"),
        1e4.. => (1e3, " k"),
        _ => (1.0, ""),
    };
    let shown = value / unit;
    let digits = match shown.abs() {
        100.0.. => 1,
        10.0.. => 2,
        1.0.. => 3,
        0.1.. => 4,
        _ => 5,
    };
    let text = format!("{shown:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    [if text == "-0" { "0" } else { text }, sign].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_begin_and_end_at_round_numbers() {
        for ((low, high), expect) in [
            ((0.0, 1.0), &[0.0, 0.25, 0.5, 0.75, 1.0][..]),
            ((3.0, 17.0), &[0.0, 5.0, 10.0, 15.0, 20.0]),
            ((-3.0, 4.0), &[-4.0, -2.0, 0.0, 2.0, 4.0]),
            ((7.0, 7.0), &[0.0, 2.0, 4.0, 6.0, 8.0]),
            ((0.0, 0.0), &[0.0, 0.25, 0.5, 0.75, 1.0]),
            ((f64::INFINITY, f64::NEG_INFINITY), &[0.0, 0.25, 0.5, 0.75, 1.0]),
        ] {
            let (least, most, lines) = scale(low, high);
            assert_eq!(lines, expect, "{low} {high}");
            assert_eq!((Some(&least), Some(&most)), (lines.first(), lines.last()));
        }
        let (least, most, lines) = scale(1e300, 1e300 + 1.0);
        assert!(least < most && lines.len() <= 13);
    }

    #[test]
    fn numbers_are_short() {
        for (value, expect) in [
            (0.0, "0"),
            (-0.0, "0"),
            (12.0, "12"),
            (0.033_333_3, "0.03333"),
            (1.5, "1.5"),
            (1_284.0, "1284"),
            (12_840.0, "12.84 k"),
            (3_200_000.0, "3.2 M"),
            (-7.25, "-7.25"),
            (1e-9, "1.00e-9"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(short(value), expect);
        }
    }
}
