//! Where the settings of access control come from: `[web…]` of the config, or a web config file.

use super::{
    settings::{AccessError, Pem, Rate, Settings, TlsSettings},
    yaml,
};
use crate::config::{ClientAuth, Config, Web, WebAuth, WebRateLimit, WebTls};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const USERS_REMEDY: &str = "`hostlens hash-password` prints the hash to write here";

/// Where settings come from; read again when a file changes.
#[derive(Debug)]
pub enum Origin {
    WebConfigFile { path: PathBuf, exempt: Vec<String> },
    Sections { web: Box<Web>, tls: Box<WebTls>, auth: Box<WebAuth>, rate_limit: WebRateLimit },
}

impl Origin {
    /// The web config file takes the place of the sections.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (web, auth) = (config.section::<Web>(), config.section::<WebAuth>());
        let (tls, rate_limit) = (config.section(), config.section());
        if web.config_file.as_os_str().is_empty() {
            Self::Sections { web: web.into(), tls: Box::new(tls), auth: auth.into(), rate_limit }
        } else {
            Self::WebConfigFile { path: web.config_file, exempt: auth.exempt }
        }
    }

    pub(super) fn read(&self) -> Result<Settings, AccessError> {
        let mut settings = match self {
            Self::WebConfigFile { path, exempt } => {
                let text = fs::read_to_string(path).map_err(|cause| AccessError::open(path, &cause))?;
                let folder = path.parent().unwrap_or(Path::new(""));
                let mut settings = yaml::parse(&text, folder)?;
                settings.exempt.clone_from(exempt);
                settings.files.push(path.clone());
                settings
            }
            Self::Sections { web, tls, auth, rate_limit } => of_sections(web, tls, auth, rate_limit)?,
        };
        check_headers(&settings.headers)
            .map_err(|error| error.about("web.headers", "see `hostlens config sample`"))?;
        for (user, hash) in &settings.users {
            check_hash(hash).map_err(|error| {
                // Only the web config file of the exporters has its words to keep.
                let about = match self {
                    Self::WebConfigFile { .. } => error,
                    Self::Sections { .. } => AccessError::wrong(format!("the password of `{user}`: {error}")),
                };
                about.about("web.auth.basic_auth_users", USERS_REMEDY)
            })?;
        }
        for pem in settings.tls.iter().flat_map(|it| [&it.cert, &it.key, &it.client_ca]) {
            if let Pem::File(path) = pem {
                settings.files.push(path.clone());
            }
        }
        Ok(settings)
    }
}

fn of_sections(
    web: &Web,
    tls: &WebTls,
    auth: &WebAuth,
    rate: &WebRateLimit,
) -> Result<Settings, AccessError> {
    let tls = TlsSettings {
        cert: Pem::file(tls.cert_file.clone()),
        key: Pem::file(tls.key_file.clone()),
        client_ca: Pem::file(tls.client_ca_file.clone()),
        client_auth_type: match tls.client_auth_type {
            ClientAuth::None => String::new(),
            some => some.as_str().to_owned(),
        },
        client_allowed_sans: tls.client_allowed_sans.clone(),
        min_version: tls.min_version.as_str().to_owned(),
        max_version: tls.max_version.as_str().to_owned(),
        cipher_suites: tls.cipher_suites.iter().map(|it| it.as_str().to_owned()).collect(),
        curve_preferences: tls.curve_preferences.iter().map(|it| it.as_str().to_owned()).collect(),
        ignores_client_order: tls.prefer_server_cipher_suites,
    };
    let mut settings = Settings {
        tls: tls.is_wanted().then_some(tls),
        has_http2: web.http2,
        headers: web.headers.clone(),
        users: auth.basic_auth_users.clone(),
        exempt: auth.exempt.clone(),
        rate: Rate { interval: rate.interval, burst: rate.burst },
        ..Settings::default()
    };
    if !auth.users_file.as_os_str().is_empty() {
        let path = &auth.users_file;
        let about = |error: AccessError| error.about("web.auth.users_file", USERS_REMEDY);
        let text = fs::read_to_string(path).map_err(|cause| about(AccessError::open(path, &cause)))?;
        settings.users.extend(parse_users(&text).map_err(about)?);
        settings.files.push(path.clone());
    }
    Ok(settings)
}

/// The lines of an htpasswd file.
fn parse_users(text: &str) -> Result<Vec<(String, String)>, AccessError> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let user = |(number, line): (usize, &str)| match line.split_once(':') {
        Some((user, hash)) => Ok((user.to_owned(), hash.trim().to_owned())),
        None => Err(AccessError::wrong(format!("users file, line {number}: expected user:hash"))),
    };
    let users: Vec<_> = lines.map(user).collect::<Result<_, _>>()?;
    // No user would mean no password.
    if users.is_empty() { Err(AccessError::wrong("the users file holds no user")) } else { Ok(users) }
}

fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), AccessError> {
    const ALLOWED: [(&str, &[&str]); 5] = [
        ("Strict-Transport-Security", &[]),
        ("X-Content-Type-Options", &["nosniff"]),
        ("X-Frame-Options", &["deny", "sameorigin"]),
        ("X-XSS-Protection", &[]),
        ("Content-Security-Policy", &[]),
    ];
    for (name, value) in headers {
        let Some((_, values)) = ALLOWED.iter().find(|(allowed, _)| allowed == name) else {
            return Err(AccessError::wrong(format!("HTTP header {name:?} can not be configured")));
        };
        if !values.is_empty() && !values.contains(&value.as_str()) {
            let quoted: Vec<_> = values.iter().map(|it| format!("{it:?}")).collect();
            let quoted = quoted.join(" ");
            return Err(AccessError::wrong(format!(
                "invalid value for {name}. Expected one of: [{quoted}], but got: {value:?}"
            )));
        }
    }
    Ok(())
}

fn check_hash(hash: &str) -> Result<(), AccessError> {
    const LEN: usize = 59;
    if hash.len() < LEN {
        return Err(AccessError::wrong("crypto/bcrypt: hashedSecret too short to be a bcrypted password"));
    }
    match hash.chars().next() {
        Some('$') => {}
        first => {
            let first = first.unwrap_or_default();
            return Err(AccessError::wrong(format!(
                "crypto/bcrypt: bcrypt hashes must start with '$', but hashedSecret started with '{first}'"
            )));
        }
    }
    hash.parse::<bcrypt::HashParts>()
        .map(drop)
        .map_err(|error| AccessError::wrong(format!("crypto/bcrypt: {error}")))
}
