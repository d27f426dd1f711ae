//! The name that was meant.

/// The nearest of `names` to `word`, if one is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = normalized(word);
    let allowed = match wanted.len() {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    };
    let n_chars = wanted.chars().count();
    names
        .into_iter()
        .map(|name| (normalized(name), name))
        // As far apart as their lengths they are at least, which is known without looking at each letter of a long one.
        .filter(|(it, _)| it.chars().count().abs_diff(n_chars) <= allowed)
        .map(|(it, name)| (strsim::damerau_levenshtein(&wanted, &it), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Without what people mix up: case, `-`, `_` and `.`.
fn normalized(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_a_slip_of_the_hand() {
        let names = ["device_include", "device_exclude", "netlink"];
        assert_eq!(nearest("device_exlude", names), Some("device_exclude"));
        assert_eq!(nearest("device-exclude", names), Some("device_exclude"));
        assert_eq!(nearest("netlnk", names), Some("netlink"));
        assert_eq!(nearest("something", names), None);
    }

    #[test]
    fn a_long_word_takes_no_time() {
        let word = "device_exclude".repeat(20_000);
        let start = std::time::Instant::now();
        assert_eq!(nearest(&word, ["device_exclude"; 1000]), None);
        assert!(start.elapsed().as_secs() < 5);
    }

    #[test]
    fn does_not_guess_from_two_letters() {
        assert_eq!(nearest("os", ["xfs", "zfs", "nfs"]), None);
    }
}
