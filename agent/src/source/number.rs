//! Whole numbers as kernel files spell them.

/// A number whose prefix tells its base, as strtoll(3) with base 0 reads it: `0x1f`, `017`, `-1`, `15`. Drivers
/// print attributes in any of these. `None` when `text` is anything else or does not fit.
pub(crate) fn prefixed_number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // The standard library would take a second sign.
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), base).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_base_from_the_prefix() {
        for (text, number) in [
            ("0", Some(0)),
            ("15", Some(15)),
            ("-15", Some(-15)),
            ("+15", Some(15)),
            ("017", Some(15)),
            ("0x1F", Some(31)),
            ("-0X1f", Some(-31)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("0x7fffffffffffffff", Some(i64::MAX)),
            ("0x8000000000000000", None),
            ("18446744073709551615", None),
            ("", None),
            ("-", None),
            ("0x", None),
            ("0x-1", None),
            ("--1", None),
            ("08", None),
            ("1f", None),
            (" 1", None),
            ("N/A", None),
        ] {
            assert_eq!(prefixed_number(text.as_bytes()), number, "{text}");
        }
    }
}
