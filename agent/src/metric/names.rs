//! Parts of names that the kernel gives.

/// `text` as a part of a metric's name: each run of characters that names cannot hold, with the underscores around
/// it, becomes one underscore (`net.ipv4` → `net_ipv4`), as node_exporter does.
pub(crate) fn legal_name(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c| !is_word(c)) {
        name.push_str(rest[..at].trim_end_matches('_'));
        name.push('_');
        rest = rest[at..].trim_start_matches(|c| !is_word(c)).trim_start_matches('_');
    }
    name.push_str(rest);
    name
}

#[cfg(test)]
mod tests {
    use super::legal_name;

    #[test]
    fn joins_what_is_illegal_with_its_underscores() {
        for (text, name) in [
            ("package_0", "package_0"),
            ("package-0-die-1", "package_0_die_1"),
            ("a_--_b", "a_b"),
            ("a__b", "a__b"),
            ("a_--_-b", "a__b"),
            ("-a-", "_a_"),
            ("größe", "gr_e"),
            ("", ""),
        ] {
            assert_eq!(legal_name(text), name, "{text}");
        }
    }
}
