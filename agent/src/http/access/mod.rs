//! Access control: TLS, passwords, the rate limit, and the headers that every answer carries. What files say is
//! read again when they change; an edit that is broken leaves the last good settings in force.

mod clients;
mod keys;
mod origin;
mod passwords;
mod rate;
mod settings;
mod tls;
mod yaml;

pub use origin::Origin;
pub use settings::AccessError;

use crate::own::Reloads;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use passwords::{Passwords, TooMany};
use rate::RateLimit;
use rustls::ServerConfig;
use settings::{Settings, TlsSettings};
use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

/// No request has a body that is read.
const MAX_BODY: u64 = 64 << 10;

/// Of a file that is empty and was not.
const NOTHING: &str =
    "the web config file is empty; for no TLS and no passwords write {} to it, or restart hostlens";

/// Of one that no longer has users.
const NO_USERS: &str = "the web config file has no basic_auth_users any more; to let everybody in write basic_auth_users: {} \
                        to it, or restart hostlens";

/// Of one that no longer asks clients for certificates.
const NO_CERTIFICATES: &str = "the web config file has no client_auth_type any more; to let clients in without a certificate \
                               write client_auth_type: NoClientCert to it, or restart hostlens";

/// How long a change may go unseen.
const FRESH: Duration = Duration::from_secs(1);

/// Access control of the server.
pub struct Access {
    origin: Origin,
    policy: Mutex<Arc<Policy>>,
    watched: Mutex<Watched>,
    passwords: Passwords,
    /// Its settings hold from start to end: what has been used up is not given again by touching a file.
    rate: Option<RateLimit>,
    reloads: Reloads,
}

/// The settings in force.
struct Policy {
    tls: Option<Arc<ServerConfig>>,
    users: BTreeMap<String, String>,
    headers: HeaderMap,
    exempt: Vec<String>,
    /// Whether they come from a file without a word.
    is_empty: bool,
    /// Whether clients have certificates.
    knows_clients: bool,
}

/// The files as they were when they were last looked at.
struct Watched {
    looked: Instant,
    /// As they were before they were read.
    files: Vec<(PathBuf, Stamp)>,
    /// As they were at the last look, if that was not the same.
    changed: Option<Vec<(PathBuf, Stamp)>>,
}

/// Device, inode, size and time of change: a file's content does not change without one of them.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let it = fs::metadata(path).ok()?;
    Some((it.dev(), it.ino(), it.size(), it.ctime(), it.ctime_nsec()))
}

fn stamps(files: &[PathBuf]) -> Vec<(PathBuf, Stamp)> {
    files.iter().map(|path| (path.clone(), stamp(path))).collect()
}

/// Everything that is wrong with what `origin` says now.
pub(super) fn faults(origin: &Origin) -> Vec<AccessError> {
    let mut faults = Vec::new();
    let settings = origin.read_all(&mut faults);
    faults.extend(Policy::new(&settings).err());
    faults
}

/// What is left out of what `origin` says now; nothing when it cannot be used.
pub(super) fn warnings(origin: &Origin) -> Vec<String> {
    origin.read_all(&mut Vec::new()).warnings
}

fn warn_of(warnings: &[String]) {
    for warning in warnings {
        warn!("{warning}");
    }
}

impl Access {
    /// # Errors
    /// When the settings cannot be used.
    pub fn open(origin: Origin, reloads: Reloads) -> Result<Arc<Self>, AccessError> {
        let settings = origin.read()?;
        let files = stamps(&settings.files);
        let policy = Policy::new(&settings)?;
        warn_of(&settings.warnings);
        reloads.succeeded();
        Ok(Arc::new(Self {
            origin,
            policy: Mutex::new(Arc::new(policy)),
            watched: Mutex::new(Watched { looked: Instant::now(), files, changed: None }),
            passwords: Passwords::new()
                .map_err(|_| AccessError::wrong("the kernel gives no random numbers"))?,
            rate: RateLimit::new(settings.rate),
            reloads,
        }))
    }

    #[must_use]
    pub fn has_tls(&self) -> bool {
        lock(&self.policy).tls.is_some()
    }

    /// What the next handshake is to use; `None` for plain HTTP.
    pub(super) async fn tls(self: &Arc<Self>) -> Option<Arc<ServerConfig>> {
        self.policy().await.tls.clone()
    }

    /// Lets `request` pass, or answers it.
    pub(super) async fn admit(
        self: &Arc<Self>,
        request: &Parts,
        peer: Option<IpAddr>,
    ) -> Result<(), Response> {
        if self.rate.as_ref().is_some_and(|rate| !rate.takes_one(Instant::now())) {
            return Err(refusal(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n"));
        }
        if body_size(request) > MAX_BODY {
            return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large\n"));
        }
        let policy = self.policy().await;
        if policy.users.is_empty() || policy.exempt.iter().any(|path| path == request.uri.path()) {
            return Ok(());
        }
        let authorization = request.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let (mut response, (name, value)) = match self.passwords.fit(&policy.users, authorization, peer).await
        {
            Ok(true) => return Ok(()),
            Ok(false) => (
                refusal(StatusCode::UNAUTHORIZED, "Unauthorized\n"),
                (header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic")),
            ),
            Err(TooMany) => (
                refusal(StatusCode::TOO_MANY_REQUESTS, "Too many passwords are being checked, try again.\n"),
                (header::RETRY_AFTER, HeaderValue::from_static("1")),
            ),
        };
        response.headers_mut().insert(name, value);
        Err(response)
    }

    /// Adds the headers that every answer carries.
    pub(super) fn mark(&self, response: &mut Response) {
        let policy = Arc::clone(&lock(&self.policy));
        response
            .headers_mut()
            .extend(policy.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    async fn policy(self: &Arc<Self>) -> Arc<Policy> {
        if self.is_due() {
            let access = Arc::clone(self);
            spawn_blocking(move || access.look()).await.expect("looking does not panic and is not cancelled");
        }
        Arc::clone(&lock(&self.policy))
    }

    /// Whether it is time to look, and nobody is at it.
    fn is_due(&self) -> bool {
        let Ok(mut watched) = self.watched.try_lock() else { return false };
        let is_due = !watched.files.is_empty() && watched.looked.elapsed() >= FRESH;
        if is_due {
            watched.looked = Instant::now();
        }
        is_due
    }

    /// Reads the files again if one of them has changed and is the same at two looks: what is being written is not
    /// read half done.
    fn look(&self) {
        let mut watched = lock(&self.watched);
        let before: Vec<_> = watched.files.iter().map(|(path, _)| path.clone()).collect();
        // Before they are read, so that what changes meanwhile is seen next time.
        let now = stamps(&before);
        if now == watched.files {
            watched.changed = None;
            return;
        }
        if watched.changed.as_ref() != Some(&now) {
            watched.changed = Some(now);
            return;
        }
        watched.changed = None;
        watched.files = now;
        let read = self.origin.read().and_then(|settings| {
            lock(&self.policy).hold_against(&settings)?;
            Ok((Policy::new(&settings)?, settings))
        });
        match read {
            Ok((policy, _)) if policy.tls.is_some() != self.has_tls() => {
                const RESTART: &str = "switching TLS on or off needs a restart";
                self.reloads.failed(RESTART.to_owned());
                error!("web settings changed and are not used: {RESTART}");
            }
            Ok((policy, Settings { files, warnings, .. })) => {
                watched.files.extend(stamps(&files).into_iter().filter(|(path, _)| !before.contains(path)));
                *lock(&self.policy) = Arc::new(policy);
                self.reloads.succeeded();
                info!("web settings were read again");
                warn_of(&warnings);
            }
            Err(error) => {
                self.reloads.failed(error.to_string());
                error!(%error, "web settings changed and are not used");
            }
        }
    }
}

impl Policy {
    fn new(settings: &Settings) -> Result<Self, AccessError> {
        let tls = settings.tls.as_ref().map(|it| tls::server_config(it, settings.has_http2)).transpose()?;
        let headers = settings.headers.iter().map(|(name, value)| {
            let name = HeaderName::try_from(name).map_err(|error| AccessError::wrong(error.to_string()))?;
            let value = HeaderValue::try_from(value)
                .map_err(|error| AccessError::wrong(format!("{name}: {error}")))?;
            Ok((name, value))
        });
        Ok(Self {
            tls: tls.map(Arc::new),
            users: settings.users.clone(),
            headers: headers.collect::<Result<_, AccessError>>()?,
            exempt: settings.exempt.clone(),
            is_empty: settings.is_empty,
            knows_clients: settings.tls.as_ref().is_some_and(TlsSettings::knows_clients),
        })
    }

    /// An error where the settings that follow let more people in without saying so: an editor or a tool may have
    /// written half of the file, and be stuck.
    fn hold_against(&self, next: &Settings) -> Result<(), AccessError> {
        let loses_users = !self.users.is_empty() && next.users.is_empty();
        let says_nothing = |tls: &TlsSettings| tls.client_auth_type.is_empty();
        if next.is_empty && !self.is_empty {
            Err(AccessError::wrong(NOTHING))
        } else if loses_users && !next.lets_everybody_in {
            Err(AccessError::wrong(NO_USERS))
        } else if self.knows_clients && next.tls.as_ref().is_some_and(says_nothing) {
            Err(AccessError::wrong(NO_CERTIFICATES))
        } else {
            Ok(())
        }
    }
}

/// What the request says; a body of unknown size is never read.
fn body_size(request: &Parts) -> u64 {
    let size = request.headers.get(header::CONTENT_LENGTH);
    size.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// An answer in the form of Go's `http.Error`.
pub(super) fn refusal(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// No code that holds these locks can leave a value half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
