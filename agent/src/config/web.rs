//! `[web…]`: the HTTP server. The keys of the tables mean what the same words mean in the web config file of
//! Prometheus' exporters.

use super::{Problem, Setting, choice, section};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use toml::{Table, Value};

section! {
    /// HTTP server
    pub struct Web = "web" {
        /// Addresses to serve on: `:9100` (all, IPv4 and IPv6), `127.0.0.1:9100`, `[::1]:9100`, `localhost:http-alt`,
        /// `unix:/run/hostlens/hostlens.sock`, `vsock://:9100`.
        listen_address: Vec<String> = vec![":9100".to_owned()],
        /// Serves on the sockets that systemd hands over (`LISTEN_FDS`) instead of `listen_address`.
        systemd_socket: bool = false,
        /// Path of the metrics.
        telemetry_path: UrlPath = "/metrics",
        /// Scrapes that may be under way at once, including answers that slow clients have not read yet. Others wait for
        /// half of their time and are then answered with 503. 0: no limit.
        max_requests: i64 = 40,
        /// Leaves out what hostlens says of itself: `process_*`, `promhttp_*`, `hostlens_scrape_*`,
        /// `hostlens_*_last_reload_*` and `hostlens_sandbox`. Which version runs and how collectors fare stays.
        disable_exporter_metrics: bool = false,
        /// A web config file of Prometheus' exporters (TLS, passwords, headers, rate limit); it takes the place of
        /// [web.tls], [web.auth] and [web.rate_limit].
        config_file: PathBuf = "" => "web.config.file",
        /// Lets `POST /-/reload` read the config files again.
        enable_lifecycle: bool = false,
        /// The page at `/` and what it shows as JSON: `/api/v1/status`, `/api/v1/collectors`, `/api/v1/recorder` and
        /// `/api/v1/groups`. When off, `/` only says that hostlens runs.
        enable_ui: bool = true,
        /// When the last 15 minutes are recorded for the charts of the page, a point a second. on-demand: while the
        /// page or `hostlens top` is open, and five minutes longer. always, or never.
        recorder: Recording = "on-demand",
        /// Compresses answers with gzip or zstd for clients that accept it.
        compression: bool = true,
        /// Formats offered besides text 0.0.4: protobuf; openmetrics (1.0); openmetrics2 (2.0, a release
        /// candidate that may yet change, for scrapers that ask for `version=2.0.0`). protobuf and openmetrics2 carry
        /// native histograms and the start times of counters. node_exporter never gives OpenMetrics, in whose first version
        /// `le="1"` is `le="1.0"`: another series.
        formats: Vec<WebFormat> = vec!["protobuf"],
        /// Sends classic buckets with native histograms in protobuf and OpenMetrics 2.0: for a Prometheus that is told to
        /// scrape protobuf and to keep classic histograms.
        classic_histograms: bool = false,
        /// Adds a sample `…_created` to each counter and histogram in OpenMetrics 1.0: a series more for each.
        created_samples: bool = false,
        /// HTTP/2 for clients that ask for it; over TLS only.
        http2: bool = true,
        /// Headers of every answer: Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options,
        /// X-XSS-Protection and Content-Security-Policy can be set.
        headers: BTreeMap<String, String> = Table::new(),
        /// Connections that may be open at once, and at most a quarter of the descriptors; beyond it the one that is
        /// idle for the longest is closed.
        max_connections: u64 = 512,
        /// How long a connection may take to send its next request.
        idle_timeout: Duration = "90s",
    }
}

section! {
    /// TLS of the HTTP server; on when a certificate is set
    pub struct WebTls = "web.tls" {
        /// Certificate chain (PEM). Read again when it changes.
        cert_file: PathBuf = "",
        /// Its private key (PEM).
        key_file: PathBuf = "",
        /// Certificates that sign those of clients (PEM).
        client_ca_file: PathBuf = "",
        /// Whether clients show a certificate, and whether it is verified.
        client_auth_type: ClientAuth = "NoClientCert",
        /// One of the client's names (DNS, e-mail, IP address, URI) must be among these; empty: any will do.
        client_allowed_sans: Vec<String> = Value::Array(Vec::new()),
        /// The oldest version: TLS12 or TLS13.
        min_version: TlsVersion = "TLS12",
        /// The newest version: TLS12 or TLS13.
        max_version: TlsVersion = "TLS13",
        /// Cipher suites of TLS 1.2, named as in Go; empty: all that are supported.
        cipher_suites: Vec<CipherSuite> = Value::Array(Vec::new()),
        /// Key exchange groups, best first: X25519, CurveP256, CurveP384; empty: all.
        curve_preferences: Vec<Curve> = Value::Array(Vec::new()),
        /// Takes the first of hostlens' cipher suites that the client knows, not the first of the client's.
        prefer_server_cipher_suites: bool = true,
    }
}

section! {
    /// Passwords of the HTTP server
    pub struct WebAuth = "web.auth" {
        /// Users and the bcrypt hashes of their passwords.
        basic_auth_users: BTreeMap<String, String> = Table::new(),
        /// A file with a `user:hash` a line, as htpasswd(1) writes it. Read again when it changes.
        users_file: PathBuf = "",
        /// Paths that need no password, such as /-/healthy and /-/ready.
        exempt: Vec<String> = Value::Array(Vec::new()),
    }
}

section! {
    /// How often the HTTP server may be asked
    pub struct WebRateLimit = "web.rate_limit" {
        /// One request is admitted in each interval; 0: no limit. Those beyond it are answered with 429.
        interval: Duration = "0",
        /// Requests that may come at once after a pause.
        burst: u64 = 1,
    }
}

choice! {
    /// When the flight recorder runs.
    pub enum Recording { OnDemand = "on-demand", Always = "always", Never = "never" }
}

choice! {
    /// A format of answers.
    pub enum WebFormat { Protobuf = "protobuf", OpenMetrics = "openmetrics", OpenMetrics2 = "openmetrics2", Text = "text" }
}

choice! {
    /// A version of TLS.
    pub enum TlsVersion { Tls12 = "TLS12", Tls13 = "TLS13" }
}

choice! {
    /// What is asked of a client's certificate, by the names of Go's `crypto/tls`.
    pub enum ClientAuth {
        None = "NoClientCert",
        Request = "RequestClientCert",
        RequireAny = "RequireAnyClientCert",
        VerifyIfGiven = "VerifyClientCertIfGiven",
        RequireAndVerify = "RequireAndVerifyClientCert",
    }
}

choice! {
    /// A group for the exchange of keys, by its name in Go's `crypto/tls`.
    pub enum Curve { X25519 = "X25519", P256 = "CurveP256", P384 = "CurveP384" }
}

choice! {
    /// A cipher suite, by its name in Go's `crypto/tls`.
    pub enum CipherSuite {
        Aes128 = "TLS_AES_128_GCM_SHA256",
        Aes256 = "TLS_AES_256_GCM_SHA384",
        ChaCha = "TLS_CHACHA20_POLY1305_SHA256",
        EcdsaAes128 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        EcdsaAes256 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        EcdsaChaCha = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        RsaAes128 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        RsaAes256 = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        RsaChaCha = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    }
}

/// A path that requests can have, and none of hostlens' own.
#[derive(Clone, Debug)]
pub struct UrlPath(pub String);

impl Setting for UrlPath {
    const KIND: &'static str = "URL path";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        let path = String::from_value(value)?;
        if !path.starts_with('/') {
            return Err(Problem::new(format!("the path `{path}` does not begin with `/`")));
        }
        if let Some(odd) = path.chars().find(|c| c.is_control() || " {}?#*".contains(*c)) {
            return Err(Problem::new(format!("the path `{path}` holds {odd:?}")));
        }
        if path.starts_with("/-/") || path.starts_with("/api/") {
            return Err(Problem::new(format!("hostlens itself uses the path `{path}`")));
        }
        Ok(Self(path))
    }
}

impl Setting for BTreeMap<String, String> {
    const KIND: &'static str = "table of strings";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        let problem =
            || Problem::new(format!("expected a table of strings, found {} `{value}`", value.type_str()));
        let table = value.as_table().ok_or_else(problem)?;
        table.iter().map(|(key, value)| Ok((key.clone(), String::from_value(value)?))).collect()
    }
}
