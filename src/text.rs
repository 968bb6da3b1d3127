//! Numbers as people read them, one function for each way.

/// 1234567 as `1_234_567`, the way a spec writes it.
pub fn grouped(number: u64) -> String {
    separated(number, '_')
}

/// 1234567 as `1 234 567`.
pub fn spaced(number: u64) -> String {
    separated(number, ' ')
}

fn separated(number: u64, separator: char) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// A fraction as `64.32 %`.
pub fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

/// Seconds as `4.2 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// A number to this many significant digits: without those that only floats have.
pub fn rounded(number: f64, digits: usize) -> f64 {
    let places = digits.saturating_sub(1);
    format!("{number:.places$e}").parse().unwrap_or(number)
}

/// The shortest text that reads back as the same 32-bit number, small ones with an exponent.
pub fn shortest(value: f32) -> String {
    if value != 0.0 && value.abs() < 1e-2 { format!("{value:e}") } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1_000", "1_234_567"]);
        assert_eq!(spaced(1_234_567), "1 234 567");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(duration(4.24), "4.2 s");
        assert_eq!(duration(59.97), "1 min 0 s");
        assert_eq!(duration(7_500.0), "2 h 5 min");
    }

    #[test]
    fn digits_that_only_floats_have_go() {
        assert_eq!(rounded(0.1 * 3.0, 3), 0.3);
        assert_eq!(rounded(0.1 * 0.1f64.powf(1.0), 6), 0.01);
        assert_eq!(rounded(123_456.0, 2), 120_000.0);
        assert!(rounded(f64::NAN, 3).is_nan());
    }

    #[test]
    fn small_numbers_have_an_exponent() {
        assert_eq!([0.0, 1e-5, 0.9, 0.01, 0.1f32 + 0.2].map(shortest), ["0", "1e-5", "0.9", "0.01", "0.3"]);
        for value in [1.0e-3f32, 0.1, 0.997, 1.0 / 3.0] {
            assert_eq!(shortest(value).parse::<f32>(), Ok(value));
        }
    }
}
