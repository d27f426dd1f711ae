//! Where the settings of access control come from: `[web…]` of the config, or a web config file.

use super::{
    settings::{AccessError, Pem, Rate, Settings, TlsSettings},
    yaml,
};
use crate::config::{ClientAuth, Config, Web, WebAuth, WebRateLimit, WebTls};
use std::{
    fs,
    path::{Path, PathBuf},
};

const HASH_REMEDY: &str = "`hostlens hash-password` prints the hash to write here";
const FILE_REMEDY: &str =
    "name a file with a line `user:hash` for each user; `hostlens hash-password` prints hashes";

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

    /// # Errors
    /// The first fault.
    pub(super) fn read(&self) -> Result<Settings, AccessError> {
        let mut faults = Vec::new();
        let settings = self.read_all(&mut faults);
        faults.into_iter().next().map_or(Ok(settings), Err)
    }

    /// Adds all that is wrong to `faults`.
    pub(super) fn read_all(&self, faults: &mut Vec<AccessError>) -> Settings {
        let mut settings = match self {
            Self::WebConfigFile { path, exempt } => {
                let settings = of_web_config_file(path);
                let settings = settings.map_err(|error| faults.push(error)).unwrap_or_default();
                faults.extend(settings.users.values().filter_map(|hash| check_hash(hash).err()));
                Settings { exempt: exempt.clone(), ..settings }
            }
            Self::Sections { web, tls, auth, rate_limit } => {
                let mut settings = of_sections(web, tls, auth, rate_limit);
                for (user, hash) in &settings.users {
                    faults.extend(check_our_hash(hash).err().map(|problem| {
                        let error = AccessError::wrong(format!("the password of `{user}`: {problem}"));
                        error.about("web.auth.basic_auth_users", HASH_REMEDY)
                    }));
                }
                if !rate_limit.interval.is_zero() && rate_limit.burst == 0 {
                    let error = AccessError::wrong("with a `burst` of 0 no request passes");
                    faults.push(error.about("web.rate_limit.interval", "set `burst` to 1 or more, too"));
                }
                let path = &auth.users_file;
                if !path.as_os_str().is_empty() {
                    let mut wrong = Vec::new();
                    settings.users.extend(of_users_file(path, &mut wrong));
                    settings.files.push(path.clone());
                    let about = |error: AccessError| error.about("web.auth.users_file", FILE_REMEDY);
                    faults.extend(wrong.into_iter().map(about));
                }
                settings
            }
        };
        let about = |error: AccessError| error.about("web.headers", "see `hostlens config sample`");
        faults.extend(settings.headers.iter().filter_map(check_header).map(about));
        for pem in settings.tls.iter().flat_map(|it| [&it.cert, &it.key, &it.client_ca]) {
            if let Pem::File(path) = pem {
                settings.files.push(path.clone());
            }
        }
        settings
    }
}

fn of_web_config_file(path: &Path) -> Result<Settings, AccessError> {
    let text = fs::read_to_string(path).map_err(|cause| AccessError::open(path, &cause))?;
    let mut settings = yaml::parse(&text, path.parent().unwrap_or(Path::new("")))?;
    for warning in &mut settings.warnings {
        *warning = format!("{}:{warning}", path.display());
    }
    Ok(Settings { files: vec![path.to_owned()], ..settings })
}

/// What needs no other file.
fn of_sections(web: &Web, tls: &WebTls, auth: &WebAuth, rate: &WebRateLimit) -> Settings {
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
    Settings {
        tls: tls.is_wanted().then_some(tls),
        has_http2: web.http2,
        headers: web.headers.clone(),
        users: auth.basic_auth_users.clone(),
        exempt: auth.exempt.clone(),
        rate: Rate { interval: rate.interval, burst: rate.burst },
        ..Settings::default()
    }
}

/// The users of an htpasswd file; adds all that is wrong with it to `faults`.
fn of_users_file(path: &Path, faults: &mut Vec<AccessError>) -> Vec<(String, String)> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) => {
            faults.push(AccessError::open(path, &cause));
            return Vec::new();
        }
    };
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut users = Vec::new();
    for (number, line) in lines {
        let user = line.split_once(':').ok_or("expected user:hash");
        let user = user.map(|(user, hash)| (user, hash.trim()));
        let user = user.and_then(|it| check_our_hash(it.1).map(|()| it));
        match user {
            Ok((user, hash)) => users.push((user.to_owned(), hash.to_owned())),
            Err(problem) => {
                faults.push(AccessError::wrong(format!("{}:{number}: {problem}", path.display())));
            }
        }
    }
    // No user would mean no password.
    if users.is_empty() && faults.is_empty() {
        faults.push(AccessError::wrong("the users file holds no user"));
    }
    users
}

fn check_header((name, value): (&String, &String)) -> Option<AccessError> {
    const ALLOWED: [(&str, &[&str]); 5] = [
        ("Strict-Transport-Security", &[]),
        ("X-Content-Type-Options", &["nosniff"]),
        ("X-Frame-Options", &["deny", "sameorigin"]),
        ("X-XSS-Protection", &[]),
        ("Content-Security-Policy", &[]),
    ];
    let Some((_, values)) = ALLOWED.iter().find(|(allowed, _)| allowed == name) else {
        return Some(AccessError::wrong(format!("HTTP header {name:?} can not be configured")));
    };
    let is_allowed = values.is_empty() || values.contains(&value.as_str());
    (!is_allowed).then(|| {
        let quoted: Vec<_> = values.iter().map(|it| format!("{it:?}")).collect();
        let quoted = quoted.join(" ");
        AccessError::wrong(format!(
            "invalid value for {name}. Expected one of: [{quoted}], but got: {value:?}"
        ))
    })
}

/// For who wrote our own settings: what a hash looks like is said better by the remedy than by bcrypt.
fn check_our_hash(hash: &str) -> Result<(), &'static str> {
    check_hash(hash).map_err(|_| "not a bcrypt hash")
}

/// Go's words, as the web config file of Prometheus' exporters has them.
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
