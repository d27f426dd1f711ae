//! Numbers as bcache and bcachefs write them for people.

/// A number by bcache's `bch_hprint` (drivers/md/bcache/util.c), rounded down. What stands after the point counts
/// 100/1024: 1.1M is 1 + 100/1024 MiB, and up to `.10` may follow.
#[must_use]
pub(crate) fn bcache_number(text: &[u8]) -> Option<u64> {
    let (scale, digits) = split_unit(text)?;
    let number = match scale {
        None => super::decimal(digits)?,
        Some(scale) => {
            let mut parts = digits.split(|&it| it == b'.');
            let whole = super::decimal(parts.next()?)?;
            let parts = parts.next().map_or(Some(0.0), super::decimal)?;
            (whole + parts / 10.24) * scale
        }
    };
    whole(number)
}

/// A number by bcachefs's `prt_human_readable_u64`, rounded down: `2.05G` is 2.05 GiB.
#[must_use]
pub(crate) fn bcachefs_number(text: &[u8]) -> Option<u64> {
    match split_unit(text)? {
        // All digits of a count that is written out, which may exceed what a float holds.
        (None, digits) => super::number(digits).or_else(|| whole(super::decimal(digits)?)),
        (Some(scale), digits) => whole(super::decimal(digits)? * scale),
    }
}

fn whole(number: f64) -> Option<u64> {
    // 2⁶⁴, which is a float, too.
    (0.0..u64::MAX as f64).contains(&number).then_some(number as u64)
}

/// The unit's scale, if there is a unit, and the digits before it.
fn split_unit(text: &[u8]) -> Option<(Option<f64>, &[u8])> {
    let (last, digits) = text.split_last()?;
    if last.is_ascii_digit() {
        return Some((None, text));
    }
    let power = b"kMGTPEZY".iter().position(|unit| unit.eq_ignore_ascii_case(last))?;
    Some((Some(1024_f64.powi(power as i32 + 1)), digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_bcache_writes() {
        let numbers =
            [&b"512"[..], b"1.1M", b"20.4G", b"427.5k", b"0", b"-1.5k", b"12.5Z", b"5x", b"k", b"", b"1e400"]
                .map(bcache_number);
        let expected = [512, 1_150_976, 21_894_266_880, 437_748, 0];
        assert_eq!(numbers[..5], expected.map(Some));
        assert_eq!(numbers[5..], [None; 6]);
    }

    #[test]
    fn reads_what_bcachefs_writes() {
        let numbers = [&b"1260"[..], b"1.26k", b"2.05G", b"10.8T", b"11299659571772285102", b"1.2x"]
            .map(bcachefs_number);
        let expected = [1260, 1290, 2_201_170_739, 11_874_725_579_980, 11_299_659_571_772_285_102];
        assert_eq!(numbers[..5], expected.map(Some));
        assert_eq!(numbers[5], None);
    }
}
