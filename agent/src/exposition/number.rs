//! Numbers as Go's `strconv.FormatFloat(v, 'g', -1, 64)` writes them, which is what node_exporter's users compare with.

/// Appends the shortest decimal that reads back as `value`: plain from 1e-4 up to 1e6, else with an exponent of at
/// least two digits (`1e+06`, `1.5e-05`). Both zeros are `0`; `NaN`, `+Inf` and `-Inf` are spelled so.
pub(super) fn write(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
    if value == 0.0 {
        return out.push(b'0');
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let value = value.abs();
    // Whole numbers below 2^53 are most of what a host counts, and their digits are the shortest already.
    if value < (1_u64 << 53) as f64 && value.trunc() == value {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(value as u64).as_bytes();
        if value < 1e6 {
            return out.extend_from_slice(digits);
        }
        return write_scientific(digits.trim_ascii_end_zeros(), digits.len() as i32 - 1, out);
    }
    write_fraction(value, out);
}

fn write_fraction(value: f64, out: &mut Vec<u8>) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    if (1e-4..1e6).contains(&value) && !text.contains(&b'e') {
        return out.extend_from_slice(text);
    }
    // ryu writes `1234567.5`, `1e-5` or `1.5e16`: collect the digits and the place of the point.
    let (mantissa, exponent) = match text.iter().position(|&byte| byte == b'e') {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])),
        None => (text, 0),
    };
    let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let mut digits = [0; 32];
    let mut n_digits = 0;
    for &byte in mantissa.iter().filter(|&&byte| byte != b'.') {
        digits[n_digits] = byte;
        n_digits += 1;
    }
    let leading_zeros = digits[..n_digits].iter().take_while(|&&digit| digit == b'0').count();
    let digits = digits[leading_zeros..n_digits].trim_ascii_end_zeros();
    let exponent = exponent + point as i32 - 1 - leading_zeros as i32;
    if !(-4..6).contains(&exponent) {
        return write_scientific(digits, exponent, out);
    }
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', -exponent as usize - 1));
        return out.extend_from_slice(digits);
    }
    let whole = exponent as usize + 1;
    out.extend_from_slice(&digits[..whole.min(digits.len())]);
    out.extend(std::iter::repeat_n(b'0', whole.saturating_sub(digits.len())));
    if digits.len() > whole {
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

fn write_scientific(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    let exponent = exponent.unsigned_abs();
    if exponent < 10 {
        out.push(b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

fn parse_exponent(text: &[u8]) -> i32 {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        digits => (1, digits),
    };
    sign * digits.iter().fold(0, |value, &digit| value * 10 + i32::from(digit - b'0'))
}

trait TrimEndZeros {
    fn trim_ascii_end_zeros(&self) -> &Self;
}

impl TrimEndZeros for [u8] {
    fn trim_ascii_end_zeros(&self) -> &Self {
        let end = self.iter().rposition(|&byte| byte != b'0').map_or(0, |last| last + 1);
        &self[..end]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    fn written(value: f64) -> String {
        let mut out = Vec::new();
        super::write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_what_go_writes() {
        // The right side is what Go 1.24 prints for FormatFloat(v, 'g', -1, 64); zeros as client_golang does.
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (123_456.0, "123456"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (-12_500_000.0, "-1.25e+07"),
            (9_007_199_254_740_991.0, "9.007199254740991e+15"),
            (18_446_744_073_709_551_615.0, "1.8446744073709552e+19"),
            (0.21, "0.21"),
            (0.0001, "0.0001"),
            (0.00012, "0.00012"),
            (0.00001, "1e-05"),
            (1.5e-5, "1.5e-05"),
            (123_456.75, "123456.75"),
            (999_999.5, "999999.5"),
            (1_000_000.5, "1.0000005e+06"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (2.5e17, "2.5e+17"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    proptest! {
        #[test]
        fn reads_back_as_the_same_number(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite() && value != 0.0);
            prop_assert_eq!(written(value).parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn is_as_short_as_the_standard_library(mantissa in 0_u64..1 << 56, exponent in -30_i32..30) {
            let value = mantissa as f64 * 10_f64.powi(exponent);
            prop_assume!(value != 0.0);
            let digits = |text: &str| {
                let mantissa: String = text.split('e').next().unwrap().replace('.', "");
                mantissa.trim_start_matches('0').trim_end_matches('0').to_owned()
            };
            // Of two that are equally near, Go and ryu take the even one, the standard library any.
            prop_assert_eq!(digits(&written(value)).len(), digits(&format!("{value:e}")).len());
        }
    }
}
