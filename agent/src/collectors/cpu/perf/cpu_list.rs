//! CPUs as node_exporter's perf collector is given them.

use std::collections::BTreeSet;

/// `0-10:5,12`: 0, 5, 10 and 12.
pub(super) fn parse(text: &str) -> Option<BTreeSet<u32>> {
    let number = |text: &str| text.parse::<u16>().map(u32::from).ok();
    let mut cpus = BTreeSet::new();
    for part in text.split(',') {
        let (range, stride) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let stride = number(stride)?.max(1);
        cpus.extend((number(first)?..=number(last)?).step_by(stride as usize));
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn cpus_are_spelled_as_for_node_exporter() {
        for (text, expected) in [
            ("0", &[0][..]),
            ("1-3", &[1, 2, 3]),
            ("1-10:5", &[1, 6]),
            ("0-10:5,12,0", &[0, 5, 10, 12]),
            ("3-1", &[]),
        ] {
            assert_eq!(parse(text).unwrap().into_iter().collect::<Vec<_>>(), expected, "{text}");
        }
        for text in ["x", "1-", "-1", "1-2-3", "1,", "1-2:x", "99999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
