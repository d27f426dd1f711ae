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
    use crate::{
        source::{cpus, os_release::OsRelease, pci::Identity},
        testing::fuzz,
    };
    use std::hint::black_box;

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

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_sysfs_values() {
        let os =
            b"PRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID='12'\nSUPPORT_END=2028-06-30\n# x\nA=\\\"b\n";
        let ids = b"8086  Intel\n\t1237  440FX\n\t\t1af4 1100  Virtual\nC 06  Bridge\n\t04  PCI\n\t\t01  Subtractive\n";
        let identity = Identity {
            vendor: "8086".to_owned(),
            device: "1237".to_owned(),
            subsystem_vendor: "1af4".to_owned(),
            subsystem_device: "1100".to_owned(),
            class: "060401".to_owned(),
        };
        fuzz(&[b"0-3,8,10-11\n", b"0x1f\n", b"-12\n", b"1 2 3\n", os, ids], |text| {
            black_box((prefixed_number(text), cpus::parse_set(text), identity.names(text)));
            let (release, _) = OsRelease::parse(text);
            black_box((release.major_minor(), release.support_end().ok()));
        });
    }
}
