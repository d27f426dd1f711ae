//! Which format and which compression an answer gets: RFC 9110 preferences with q-values, read as `client_golang`'s
//! `expfmt` and `promhttp` read them.

use super::names::Escaping;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub(super) syntax: Syntax,
    pub(super) escaping: Escaping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Version 0.0.4. What 1.0.0 adds, quoted names, 0.0.4 has too for scrapers that ask for `escaping=allow-utf-8`.
    Text,
    OpenMetrics(OpenMetricsVersion),
    Protobuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenMetricsVersion {
    V0_0_1,
    V1_0_0,
    V2_0_0,
}

/// A format that may be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    Protobuf,
    OpenMetrics,
    OpenMetrics2,
}

impl Default for Format {
    fn default() -> Self {
        Self { syntax: Syntax::Text, escaping: Escaping::default() }
    }
}

impl Format {
    /// The best of `offers` for an `Accept` header; text is always on offer, and what the header does not ask for is
    /// answered in it. The escaping that any entry up to the chosen one names holds.
    #[must_use]
    pub fn negotiate(accept: &str, offers: &[Offer]) -> Self {
        let mut escaping = Escaping::default();
        for entry in preferences(accept) {
            if let Some(named) = entry.parameter("escaping").and_then(Escaping::named) {
                escaping = named;
            }
            if let Some(syntax) = Syntax::of_media_type(&entry)
                && syntax.offer().is_none_or(|offer| offers.contains(&offer))
            {
                return Self { syntax, escaping };
            }
        }
        Self { escaping, ..Self::default() }
    }

    /// The value of the answer's `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> String {
        let media_type = match self.syntax {
            Syntax::Text => "text/plain; version=0.0.4; charset=utf-8",
            Syntax::OpenMetrics(OpenMetricsVersion::V0_0_1) => {
                "application/openmetrics-text; version=0.0.1; charset=utf-8"
            }
            Syntax::OpenMetrics(OpenMetricsVersion::V1_0_0) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
            Syntax::OpenMetrics(OpenMetricsVersion::V2_0_0) => {
                "application/openmetrics-text; version=2.0.0; charset=utf-8"
            }
            Syntax::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        };
        format!("{media_type}; escaping={}", self.escaping.as_str())
    }
}

impl Syntax {
    fn of_media_type(entry: &Preference<'_>) -> Option<Self> {
        let version = entry.parameter("version").unwrap_or_default();
        match (entry.value.to_ascii_lowercase().as_str(), version) {
            ("text/plain", "" | "0.0.4") => Some(Self::Text),
            ("application/openmetrics-text", "" | "0.0.1") => {
                Some(Self::OpenMetrics(OpenMetricsVersion::V0_0_1))
            }
            ("application/openmetrics-text", "1.0.0") => Some(Self::OpenMetrics(OpenMetricsVersion::V1_0_0)),
            ("application/openmetrics-text", "2.0.0") => Some(Self::OpenMetrics(OpenMetricsVersion::V2_0_0)),
            ("application/vnd.google.protobuf", _) => {
                let is_ours = entry.parameter("proto") == Some("io.prometheus.client.MetricFamily")
                    && entry.parameter("encoding") == Some("delimited");
                is_ours.then_some(Self::Protobuf)
            }
            _ => None,
        }
    }

    fn offer(self) -> Option<Offer> {
        match self {
            Self::Text => None,
            Self::OpenMetrics(OpenMetricsVersion::V2_0_0) => Some(Offer::OpenMetrics2),
            Self::OpenMetrics(_) => Some(Offer::OpenMetrics),
            Self::Protobuf => Some(Offer::Protobuf),
        }
    }
}

/// How an answer's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Zstd,
}

impl Coding {
    /// The best coding for an `Accept-Encoding` header, `None` for none. Of equals zstd wins: it takes less time and
    /// room. `*` asks for nothing in particular and gets nothing.
    #[must_use]
    pub fn negotiate(accept_encoding: &str) -> Option<Self> {
        let codings = preferences(accept_encoding).into_iter().filter_map(|entry| {
            let coding = match entry.value.to_ascii_lowercase().as_str() {
                "zstd" => Some(Self::Zstd),
                "gzip" | "x-gzip" => Some(Self::Gzip),
                "identity" => None,
                _ => return None,
            };
            Some((entry.q, coding))
        });
        let rank = |coding| match coding {
            Some(Self::Zstd) => 2,
            Some(Self::Gzip) => 1,
            None => 0,
        };
        codings.max_by(|(q, a), (r, b)| q.total_cmp(r).then(rank(*a).cmp(&rank(*b))))?.1
    }

    /// The value of the answer's `Content-Encoding`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// One entry of an `Accept…` header.
struct Preference<'a> {
    value: &'a str,
    parameters: &'a str,
    q: f64,
}

impl<'a> Preference<'a> {
    fn parse(entry: &'a str) -> Self {
        let (value, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let mut it = Self { value: value.trim(), parameters, q: 1.0 };
        if let Some(q) = it.parameter("q") {
            it.q = q.parse().unwrap_or(0.0);
        }
        it
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut parameters = self.parameters.split(';').filter_map(|parameter| parameter.split_once('='));
        let (_, value) = parameters.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
        Some(value.trim().trim_matches('"'))
    }
}

/// The entries that are wanted at all, best first; of equals the earlier.
fn preferences(header: &str) -> Vec<Preference<'_>> {
    let mut entries: Vec<_> =
        header.split(',').map(Preference::parse).filter(|entry| entry.q > 0.0).collect();
    entries.sort_by(|a, b| b.q.total_cmp(&a.q));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fuzz;
    use std::hint::black_box;

    const ALL: &[Offer] = &[Offer::Protobuf, Offer::OpenMetrics, Offer::OpenMetrics2];
    const PROTOBUF: &str =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

    #[test]
    fn answers_as_client_golang_does() {
        for (accept, content_type) in [
            ("", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
            ("*/*", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
            ("image/png", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
            ("text/plain;version=0.0.5", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
            ("text/plain;escaping=dots", "text/plain; version=0.0.4; charset=utf-8; escaping=dots"),
            ("text/plain;escaping=odd", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
            (
                "text/plain;version=1.0.0;escaping=allow-utf-8",
                "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
            ),
            (
                "application/openmetrics-text",
                "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores",
            ),
            (
                "text/plain;q=0.3, application/openmetrics-text; version=\"1.0.0\"; q=0.6; escaping=values",
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values",
            ),
            (
                "application/openmetrics-text;version=2.0.0,text/plain;q=0.5",
                "application/openmetrics-text; version=2.0.0; charset=utf-8; escaping=underscores",
            ),
            (
                "application/openmetrics-text;q=0",
                "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            ),
            (
                PROTOBUF,
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited; escaping=underscores",
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
                "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            ),
        ] {
            assert_eq!(Format::negotiate(accept, ALL).content_type(), content_type, "{accept}");
        }
    }

    #[test]
    fn the_escaping_of_an_entry_that_is_not_served_holds_for_the_next() {
        let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.5";
        assert_eq!(
            Format::negotiate(accept, &[]).content_type(),
            "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8"
        );
    }

    #[test]
    fn a_version_of_openmetrics_is_one_offer() {
        let accept =
            "application/openmetrics-text;version=2.0.0,application/openmetrics-text;version=1.0.0;q=0.9";
        for (offers, version) in [
            (&[Offer::OpenMetrics2, Offer::OpenMetrics][..], "; version=2.0.0;"),
            (&[Offer::OpenMetrics], "; version=1.0.0;"),
            (&[Offer::OpenMetrics2], "; version=2.0.0;"),
            (&[], "; version=0.0.4;"),
        ] {
            let content_type = Format::negotiate(accept, offers).content_type();
            assert!(content_type.contains(version), "{content_type}");
        }
        let older = Format::negotiate("application/openmetrics-text", &[Offer::OpenMetrics2]);
        assert!(older.content_type().starts_with("text/plain;"));
    }

    #[test]
    fn compresses_as_the_client_prefers() {
        for (accept_encoding, coding) in [
            ("", None),
            ("*", None),
            ("deflate, br", None),
            ("gzip", Some(Coding::Gzip)),
            ("zstd", Some(Coding::Zstd)),
            ("gzip, deflate, zstd", Some(Coding::Zstd)),
            ("zstd;q=0.5, gzip;q=0.8", Some(Coding::Gzip)),
            ("zstd;q=0, gzip;q=0.1", Some(Coding::Gzip)),
            ("gzip;q=0", None),
            ("identity;q=1, gzip;q=0.5", None),
            ("identity, gzip", Some(Coding::Gzip)),
            ("gzip;q=nonsense", None),
        ] {
            assert_eq!(Coding::negotiate(accept_encoding), coding, "{accept_encoding}");
        }
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_accept() {
        let prometheus = b"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
            q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2";
        fuzz(&[prometheus, b"gzip;q=1.0, zstd;q=0.5, *;q=0, identity", b"text/*;q=\"1\""], |header| {
            let header = String::from_utf8_lossy(header);
            black_box(Format::negotiate(&header, ALL).content_type());
            black_box(Coding::negotiate(&header));
        });
    }
}
