//! Numbers as Prometheus and Loki print them.

/// Shortest decimal text that reads back the same, never with an exponent: Go's `strconv.FormatFloat(v, 'f', -1, 64)`,
/// which Prometheus' `SampleValue` prints into matrices and vectors. `NaN`, `+Inf`, `-Inf`.
pub fn format_value(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_go_prints_them() {
        for (value, expect) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1_234_000.0, "1234000"),
            (0.016_666_666_666_666_666, "0.016666666666666666"),
            (1.265_599_999_999_999_8, "1.2655999999999998"),
            (0.000_000_1, "0.0000001"),
            (1e21, "1000000000000000000000"),
            (1e25, "10000000000000000000000000"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(format_value(value), expect);
        }
    }
}
