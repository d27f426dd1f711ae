//! Names that are not `[a-zA-Z_:][a-zA-Z0-9_:]*`: files of the textfile collector may hold them, and a scraper says
//! with the `escaping` parameter how it wants to read them. The schemes are those of Prometheus' `common/model`.

use std::io::Write as _;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Escaping {
    #[default]
    Underscores,
    AllowUtf8,
    Dots,
    Values,
}

impl Escaping {
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Underscores, Self::AllowUtf8, Self::Dots, Self::Values]
            .into_iter()
            .find(|escaping| escaping.as_str() == name)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Underscores => "underscores",
            Self::AllowUtf8 => "allow-utf-8",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// Appends `name` so that it is valid in this scheme.
    pub(super) fn write(self, name: &str, out: &mut Vec<u8>) {
        if is_legacy(name) || self == Self::AllowUtf8 {
            return out.extend_from_slice(name.as_bytes());
        }
        if self == Self::Values {
            out.extend_from_slice(b"U__");
        }
        for (at, c) in name.char_indices() {
            match (self, c) {
                (Self::Dots | Self::Values, '_') => out.extend_from_slice(b"__"),
                (Self::Dots, '.') => out.extend_from_slice(b"_dot_"),
                _ if c.is_ascii() && is_legacy_byte(at, c as u8) => out.push(c as u8),
                (Self::Dots, _) => out.extend_from_slice(b"__"),
                (Self::Values, _) => write!(out, "_{:x}_", u32::from(c)).expect("a Vec takes any bytes"),
                (Self::Underscores | Self::AllowUtf8, _) => out.push(b'_'),
            }
        }
    }
}

/// Whether every reader takes the name as it is.
pub(super) fn is_legacy(name: &str) -> bool {
    !name.is_empty() && name.bytes().enumerate().all(|(at, byte)| is_legacy_byte(at, byte))
}

fn is_legacy_byte(at: usize, byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b':' || (at > 0 && byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::Escaping;

    #[test]
    fn escapes_as_prometheus_common_does() {
        for (name, underscores, dots, values) in [
            ("node_load1", "node_load1", "node_load1", "node_load1"),
            ("http.status:sum", "http_status:sum", "http_dot_status:sum", "U__http_2e_status:sum"),
            (
                "mysystem.prod.west_a",
                "mysystem_prod_west_a",
                "mysystem_dot_prod_dot_west__a",
                "U__mysystem_2e_prod_2e_west__a",
            ),
            ("1größe", "_gr__e", "__gr____e", "U___31_gr_f6__df_e"),
        ] {
            for (scheme, expected) in
                [("underscores", underscores), ("dots", dots), ("values", values), ("allow-utf-8", name)]
            {
                let mut out = Vec::new();
                Escaping::named(scheme).unwrap().write(name, &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{scheme}");
            }
        }
    }
}
