//! Numbers as people read them: `12 %`, `3.4 MiB/s`, `1.2 ms`.

const BYTES: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const RATES: [&str; 5] = ["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"];
const EACH: [&str; 3] = ["/s", "k/s", "M/s"];

/// `unit` is one of a chart's.
pub(super) fn written(unit: &str, value: Option<f32>) -> String {
    let Some(value) = value.map(f64::from) else { return "–".to_owned() };
    match unit {
        "percent" => format!("{} %", digits(value * 100.0)),
        "bytes" => scaled(value, 1024.0, &BYTES),
        "rate" => scaled(value, 1024.0, &RATES),
        "each" => scaled(value, 1000.0, &EACH),
        "seconds" if value >= 1.0 => format!("{} s", digits(value)),
        "seconds" if value >= 1e-3 => format!("{} ms", digits(value * 1e3)),
        "seconds" => format!("{} µs", digits(value * 1e6)),
        unit => format!("{} {unit}", digits(value)),
    }
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut at = 0;
    while value.abs() >= step && at + 1 < units.len() {
        value /= step;
        at += 1;
    }
    format!("{} {}", digits(value), units[at])
}

fn digits(value: f64) -> String {
    match value.abs() {
        ..0.005 => "0".to_owned(),
        ..1.0 => format!("{value:.2}"),
        ..10.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (unit, value, text) in [
            ("percent", 0.1234, "12 %"),
            ("percent", 0.001, "0.10 %"),
            ("bytes", 3.5 * 1024.0 * 1024.0, "3.5 MiB"),
            ("rate", 12.0, "12 B/s"),
            ("each", 12_300.0, "12 k/s"),
            ("seconds", 0.0012, "1.2 ms"),
            ("seconds", 0.000_012, "12 µs"),
            ("seconds", 2.0, "2.0 s"),
        ] {
            assert_eq!(written(unit, Some(value)), text);
        }
        assert_eq!(written("bytes", None), "–");
    }
}
