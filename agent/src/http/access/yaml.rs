//! The web config file of Prometheus' exporters, read strictly: what is unknown or of another type is an error, and
//! all of them are said at once, with their lines.
//! <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>

use super::{
    settings::{AccessError, Pem, Rate, Settings, TlsSettings},
    tls,
};
use crate::config::{Problem, Setting};
use saphyr::{LoadableYamlNode as _, MarkedYaml, YamlData};
use std::{collections::BTreeMap, path::Path, time::Duration};

/// Paths in the file are relative to `folder`.
pub(super) fn parse(text: &str, folder: &Path) -> Result<Settings, AccessError> {
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        AccessError::wrong(format!("yaml: line {}: {}", error.marker().line(), error.info()))
    })?;
    let mut reader = Reader { folder, problems: Vec::new(), warnings: Vec::new() };
    let mut settings = Settings { has_http2: true, ..Settings::default() };
    match documents.first() {
        Some(document) if !document.data.is_null() => reader.document(document, &mut settings),
        _ => settings.is_empty = true,
    }
    settings.warnings = reader.warnings;
    match reader.problems[..] {
        [] => Ok(settings),
        _ => Err(AccessError::wrong(format!("yaml: unmarshal errors:\n  {}", reader.problems.join("\n  ")))),
    }
}

/// `{}`, which somebody has written; a key without a value may be one that is being written.
fn is_empty_map(node: &MarkedYaml<'_>) -> bool {
    matches!(&node.data, YamlData::Mapping(map) if map.is_empty())
}

struct Reader<'a> {
    folder: &'a Path,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn document(&mut self, node: &MarkedYaml<'_>, to: &mut Settings) {
        to.lets_everybody_in = is_empty_map(node);
        let mut tls = TlsSettings {
            min_version: "TLS12".to_owned(),
            max_version: "TLS13".to_owned(),
            ignores_client_order: true,
            ..TlsSettings::default()
        };
        self.fields(node, "web.Config", |reader, key, value| {
            match key {
                "tls_server_config" => reader.tls(value, &mut tls),
                "http_server_config" => reader.http(value, to),
                "basic_auth_users" => {
                    to.users = reader.map(value, "map[string]config.Secret");
                    to.lets_everybody_in = is_empty_map(value);
                }
                "rate_limit" => reader.rate(value, &mut to.rate),
                _ => return false,
            }
            true
        });
        to.tls = tls.is_wanted().then_some(tls);
    }

    fn tls(&mut self, node: &MarkedYaml<'_>, to: &mut TlsSettings) {
        self.fields(node, "web.TLSConfig", |reader, key, value| {
            match key {
                "cert" => to.cert = Pem::Inline(reader.string(value)),
                "key" => to.key = Pem::Inline(reader.string(value)),
                "client_ca" => to.client_ca = Pem::Inline(reader.string(value)),
                // Between a text and a file the text wins, wherever it stands.
                "cert_file" => reader.file(value, &mut to.cert),
                "key_file" => reader.file(value, &mut to.key),
                "client_ca_file" => reader.file(value, &mut to.client_ca),
                "client_auth_type" => to.client_auth_type = reader.string(value),
                "client_allowed_sans" => to.client_allowed_sans = reader.strings(value),
                "min_version" => to.min_version = reader.min_version(value),
                "max_version" => to.max_version = reader.string(value),
                "cipher_suites" => to.cipher_suites = reader.offered(value, &tls::NOT_OFFERED_SUITES),
                "curve_preferences" => to.curve_preferences = reader.offered(value, &tls::NOT_OFFERED_CURVES),
                "prefer_server_cipher_suites" => to.ignores_client_order = reader.bool(value),
                _ => return false,
            }
            true
        });
    }

    fn http(&mut self, node: &MarkedYaml<'_>, to: &mut Settings) {
        self.fields(node, "web.HTTPConfig", |reader, key, value| {
            match key {
                "http2" => to.has_http2 = reader.bool(value),
                "headers" => to.headers = reader.map(value, "map[string]string"),
                _ => return false,
            }
            true
        });
    }

    fn rate(&mut self, node: &MarkedYaml<'_>, to: &mut Rate) {
        self.fields(node, "web.RateLimiterConfig", |reader, key, value| {
            match key {
                "interval" => to.interval = reader.duration(value),
                "burst" => match value.data.as_integer().and_then(|it| it.try_into().ok()) {
                    Some(burst) => to.burst = burst,
                    None => reader.mismatch(value, "int"),
                },
                _ => return false,
            }
            true
        });
    }

    /// Calls `field` with each key and value of a mapping; it returns false for a key that it does not know.
    fn fields(
        &mut self,
        node: &MarkedYaml<'_>,
        type_name: &str,
        mut field: impl FnMut(&mut Self, &str, &MarkedYaml<'_>) -> bool,
    ) {
        let YamlData::Mapping(mapping) = &node.data else {
            if !node.data.is_null() {
                self.mismatch(node, type_name);
            }
            return;
        };
        for (key, value) in mapping {
            let name = text_of(key);
            if !field(self, &name, value) {
                let line = key.span.start.line();
                self.problems.push(format!("line {line}: field {name} not found in type {type_name}"));
            }
        }
    }

    fn string(&mut self, node: &MarkedYaml<'_>) -> String {
        if matches!(node.data, YamlData::Mapping(_) | YamlData::Sequence(_)) {
            self.mismatch(node, "string");
        }
        text_of(node)
    }

    fn file(&mut self, node: &MarkedYaml<'_>, to: &mut Pem) {
        let path = self.string(node);
        if !matches!(to, Pem::Inline(_)) && !path.is_empty() {
            *to = Pem::file(self.folder.join(path));
        }
    }

    fn strings(&mut self, node: &MarkedYaml<'_>) -> Vec<String> {
        match &node.data {
            YamlData::Sequence(items) => items.iter().map(|item| self.string(item)).collect(),
            it if it.is_null() => Vec::new(),
            _ => {
                self.mismatch(node, "[]string");
                Vec::new()
            }
        }
    }

    /// Whoever allows an older version allows the oldest that there is, too.
    fn min_version(&mut self, node: &MarkedYaml<'_>) -> String {
        let version = self.string(node);
        if !["TLS10", "TLS11"].contains(&version.as_str()) {
            return version;
        }
        let line = node.span.start.line();
        self.warnings.push(format!("{line}: min_version {version} is not offered, TLS12 takes its place"));
        "TLS12".to_owned()
    }

    /// Names without those that node_exporter offers and hostlens does not, as long as others are left.
    fn offered(&mut self, node: &MarkedYaml<'_>, not_offered: &[&str]) -> Vec<String> {
        let names = self.strings(node);
        let is_offered = |name: &String| !not_offered.contains(&name.as_str());
        if !names.iter().any(is_offered) {
            return names;
        }
        if let YamlData::Sequence(items) = &node.data {
            for item in items.iter().filter(|item| !is_offered(&text_of(item))) {
                let line = item.span.start.line();
                self.warnings.push(format!("{line}: {} is not offered and left out", text_of(item)));
            }
        }
        names.into_iter().filter(is_offered).collect()
    }

    fn map(&mut self, node: &MarkedYaml<'_>, type_name: &str) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        self.fields(node, type_name, |reader, key, value| {
            map.insert(key.to_owned(), reader.string(value));
            true
        });
        map
    }

    fn bool(&mut self, node: &MarkedYaml<'_>) -> bool {
        node.data.as_bool().unwrap_or_else(|| {
            self.mismatch(node, "bool");
            false
        })
    }

    /// Go's spelling; a number alone is nanoseconds.
    fn duration(&mut self, node: &MarkedYaml<'_>) -> Duration {
        if let Some(nanoseconds) = node.data.as_integer() {
            return Duration::from_nanos(nanoseconds.max(0).cast_unsigned());
        }
        Duration::from_value(&text_of(node).into()).unwrap_or_else(|_: Problem| {
            self.mismatch(node, "time.Duration");
            Duration::ZERO
        })
    }

    fn mismatch(&mut self, node: &MarkedYaml<'_>, type_name: &str) {
        let tag = match &node.data {
            YamlData::Mapping(_) => "!!map".to_owned(),
            YamlData::Sequence(_) => "!!seq".to_owned(),
            it if it.is_boolean() => format!("!!bool `{}`", text_of(node)),
            it if it.is_integer() => format!("!!int `{}`", text_of(node)),
            it if it.is_floating_point() => format!("!!float `{}`", text_of(node)),
            _ => format!("!!str `{}`", text_of(node)),
        };
        let line = node.span.start.line();
        self.problems.push(format!("line {line}: cannot unmarshal {tag} into {type_name}"));
    }
}

/// A scalar's text.
fn text_of(node: &MarkedYaml<'_>) -> String {
    match &node.data {
        it if it.is_boolean() => it.as_bool().unwrap_or_default().to_string(),
        it if it.is_integer() => it.as_integer().unwrap_or_default().to_string(),
        it if it.is_floating_point() => it.as_floating_point().unwrap_or_default().to_string(),
        it => it.as_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fuzz;

    fn error_of(text: &str) -> String {
        parse(text, Path::new("/etc")).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn says_what_the_toolkit_says() {
        for (text, error) in [
            (
                "bogus: 1\nodd: 2\n",
                "line 1: field bogus not found in type web.Config\n  line 2: field odd not found in type web.Config",
            ),
            ("tls_server_config:\n  bogus: 1\n", "line 2: field bogus not found in type web.TLSConfig"),
            ("http_server_config:\n  bogus: 1\n", "line 2: field bogus not found in type web.HTTPConfig"),
            ("rate_limit:\n  bogus: 1\n", "line 2: field bogus not found in type web.RateLimiterConfig"),
            ("rate_limit:\n  interval: abc\n", "line 2: cannot unmarshal !!str `abc` into time.Duration"),
            ("rate_limit:\n  interval: 1s\n  burst: x\n", "line 3: cannot unmarshal !!str `x` into int"),
            ("basic_auth_users: 3\n", "line 1: cannot unmarshal !!int `3` into map[string]config.Secret"),
            ("http_server_config:\n  http2: maybe\n", "line 2: cannot unmarshal !!str `maybe` into bool"),
        ] {
            assert_eq!(error_of(text), format!("yaml: unmarshal errors:\n  {error}"));
        }
        assert!(error_of("a: [\n").starts_with("yaml: line "), "{}", error_of("a: [\n"));
    }

    #[test]
    fn reads_every_key() {
        let settings = parse(
            "tls_server_config:\n  cert_file: c.pem\n  key_file: /abs/k.pem\n  client_ca: |\n    PEM\n  \
             client_ca_file: ca.pem\n  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [a, b]\n  \
             min_version: TLS13\n  max_version: TLS13\n  cipher_suites: [X]\n  curve_preferences: [Y]\n  \
             prefer_server_cipher_suites: false\nhttp_server_config:\n  http2: false\n  headers:\n    \
             X-Frame-Options: deny\nbasic_auth_users:\n  alice: $2y$10$abc\n  7: $2y\nrate_limit:\n  \
             interval: 1m30s\n  burst: 5\n",
            Path::new("/etc/hostlens"),
        )
        .unwrap();
        let strings = |items: &[&str]| items.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let expected = TlsSettings {
            cert: Pem::File("/etc/hostlens/c.pem".into()),
            key: Pem::File("/abs/k.pem".into()),
            client_ca: Pem::Inline("PEM\n".to_owned()),
            client_auth_type: "RequireAnyClientCert".to_owned(),
            client_allowed_sans: strings(&["a", "b"]),
            min_version: "TLS13".to_owned(),
            max_version: "TLS13".to_owned(),
            cipher_suites: strings(&["X"]),
            curve_preferences: strings(&["Y"]),
            ignores_client_order: false,
        };
        assert_eq!(settings.tls, Some(expected));
        assert!(!settings.has_http2);
        assert_eq!(settings.headers["X-Frame-Options"], "deny");
        assert_eq!(
            settings.users.into_iter().collect::<Vec<_>>(),
            [("7".to_owned(), "$2y".to_owned()), ("alice".to_owned(), "$2y$10$abc".to_owned()),]
        );
        assert_eq!(settings.rate, Rate { interval: Duration::from_secs(90), burst: 5 });
    }

    #[test]
    fn an_empty_file_asks_for_nothing() {
        for text in ["", "# only a comment\n", "tls_server_config:\n"] {
            let settings = parse(text, Path::new("")).unwrap();
            assert!(settings.tls.is_none() && settings.users.is_empty() && settings.has_http2);
        }
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_web_config() {
        let whole = b"tls_server_config:\n  cert_file: c.pem\n  key: |\n    PEM\n  client_allowed_sans: [a, b]\n  min_version: \
            TLS13\n  prefer_server_cipher_suites: false\nhttp_server_config:\n  http2: false\n  headers:\n    \
            X-Frame-Options: deny\nbasic_auth_users:\n  alice: $2y$10$abc\n  7: $2y\nrate_limit:\n  interval: 1m30s\n  \
            burst: 5\n";
        let odd =
            b"--- &a {x: *a, ? y : !!int '1', <<: *a}\n...\n%YAML 1.2\n---\n- >+\n  x\n- \"\\u00e9\\x41\"\n";
        fuzz(&[whole, odd, b"basic_auth_users: {a: b, a: c}\n"], |text| {
            drop(parse(&String::from_utf8_lossy(text), Path::new("/etc/hostlens")));
        });
    }
}
