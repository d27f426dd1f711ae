//! The name that was meant.

/// A word of the command line that was meant: the nearest of `names`, or the only one that begins like this. There are
/// few, so that one slip counts in two letters, too.
pub(crate) fn nearest_word<'a>(word: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let begun = || {
        let mut begun = names.clone().filter(|name| word.len() > 1 && name.starts_with(word));
        begun.next().filter(|_| begun.next().is_none())
    };
    let short = || names.clone().find(|name| word.len() == 2 && strsim::damerau_levenshtein(word, name) == 1);
    nearest(word, names.clone()).or_else(begun).or_else(short)
}

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
    use super::{nearest, nearest_word};

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
    fn finds_a_word_that_was_begun() {
        let words = ["top", "check-config", "config", "collectors", "completion", "convert"];
        let meant = |word| nearest_word(word, words.into_iter());
        assert_eq!(meant("compl"), Some("completion"));
        assert_eq!(meant("tp"), Some("top"));
        assert_eq!(meant("cofnig"), Some("config"));
        assert_eq!((meant("co"), meant("c"), meant("")), (None, None, None), "it may be any");
    }

    #[test]
    fn does_not_guess_from_two_letters() {
        assert_eq!(nearest("os", ["xfs", "zfs", "nfs"]), None);
    }
}
