//! Whom the server lets in, and how. The words of problems are those of Prometheus' exporter-toolkit.

use crate::source::errno;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct AccessError {
    problem: String,
    /// The key that it is about, by its full path; empty where there is none.
    pub(in crate::http) key: &'static str,
    /// What would help.
    pub(in crate::http) remedy: &'static str,
}

impl AccessError {
    pub(super) fn wrong(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), key: "", remedy: "" }
    }

    pub(super) fn open(path: &Path, cause: &io::Error) -> Self {
        Self::wrong(format!("open {}: {}", path.display(), errno::words_of(cause)))
    }

    pub(super) fn about(self, key: &'static str, remedy: &'static str) -> Self {
        Self { key, remedy, ..self }
    }
}

#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) tls: Option<TlsSettings>,
    pub(super) has_http2: bool,
    pub(super) headers: BTreeMap<String, String>,
    /// Names and bcrypt hashes.
    pub(super) users: BTreeMap<String, String>,
    pub(super) exempt: Vec<String>,
    pub(super) rate: Rate,
    /// Whether they come from a file without a word.
    pub(super) is_empty: bool,
    /// Whether they say that there are no users, rather than nothing of them.
    pub(super) lets_everybody_in: bool,
    /// What was left out of them, with file and line.
    pub(super) warnings: Vec<String>,
    /// What they were read from, and so has to be watched.
    pub(super) files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    /// 0 for no limit.
    pub(super) interval: Duration,
    pub(super) burst: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TlsSettings {
    pub(super) cert: Pem,
    pub(super) key: Pem,
    pub(super) client_ca: Pem,
    pub(super) client_auth_type: String,
    pub(super) client_allowed_sans: Vec<String>,
    pub(super) min_version: String,
    pub(super) max_version: String,
    pub(super) cipher_suites: Vec<String>,
    pub(super) curve_preferences: Vec<String>,
    pub(super) ignores_client_order: bool,
}

/// Where a PEM text stands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Pem {
    #[default]
    Unset,
    Inline(String),
    File(PathBuf),
}

impl Pem {
    /// A file, unless its name is empty.
    pub(super) fn file(path: PathBuf) -> Self {
        if path.as_os_str().is_empty() { Self::Unset } else { Self::File(path) }
    }

    /// Its text; `what` it is for an error.
    pub(super) fn read(&self, what: &'static str) -> Result<Vec<u8>, AccessError> {
        match self {
            Self::Unset => Ok(Vec::new()),
            Self::Inline(text) => Ok(text.clone().into_bytes()),
            Self::File(path) => fs::read(path).map_err(|cause| {
                let AccessError { problem, .. } = AccessError::open(path, &cause);
                AccessError::wrong(format!("failed to read {what} ({}): {problem}", path.display()))
            }),
        }
    }

    /// Its certificates, one at least; `what` it is for an error.
    pub(super) fn certificates(
        &self,
        what: &'static str,
    ) -> Result<Vec<CertificateDer<'static>>, AccessError> {
        let text = self.read(what)?;
        let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        match chain {
            Ok(chain) if !chain.is_empty() => Ok(chain),
            Ok(_) => Err(AccessError::wrong(format!("{what} holds no PEM certificate"))),
            Err(error) => Err(AccessError::wrong(format!("{what}: {error}"))),
        }
    }

    pub(super) fn is_set(&self) -> bool {
        *self != Self::Unset
    }
}

impl TlsSettings {
    /// Whether clients are asked for certificates.
    pub(super) fn knows_clients(&self) -> bool {
        !["", "NoClientCert"].contains(&self.client_auth_type.as_str())
    }

    /// TLS is on as soon as one of its settings says something.
    pub(super) fn is_wanted(&self) -> bool {
        self.cert.is_set()
            || self.key.is_set()
            || self.client_ca.is_set()
            || !self.client_auth_type.is_empty()
    }
}
