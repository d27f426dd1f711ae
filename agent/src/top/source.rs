//! Where the numbers come from: an agent that runs, asked over HTTP, or this process itself.

use crate::{
    http::{App, Status, Target},
    recorder::{Group, Recorded, groups},
};
use axum::body::{Body, to_bytes};
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use hyper::{
    Request, StatusCode, Uri,
    body::Incoming,
    client::conn::http1,
    header::{AUTHORIZATION, CONNECTION, HOST},
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::{io, net::ToSocketAddrs as _, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

/// So long an answer may take.
const LONGEST: Duration = Duration::from_secs(5);

/// No answer is longer.
const MAX_BODY: usize = 64 << 20;

pub(super) enum Source {
    Agent(Agent),
    Own(Arc<App>),
}

/// An agent that runs.
pub(super) struct Agent {
    target: Target,
    /// As the request names it.
    host: String,
    /// Before the paths of the API.
    folder: String,
    authorization: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("`{0}` is no address that top can ask: write http://HOST:PORT or unix:/PATH")]
    Address(String),
    #[error("top speaks no TLS: run `hostlens top` on that host, where it reads the host itself")]
    Tls,
    #[error("connect to {host}: {cause}; `systemctl status hostlens` tells whether it runs")]
    Connect { host: String, cause: io::Error },
    #[error("{host} wants a password: write http://USER:PASSWORD@HOST:PORT")]
    Password { host: String },
    #[error(
        "{host} answers {path} with {status}: it is no hostlens of this version, or `enable_ui` in [web] is off"
    )]
    Foreign { host: String, path: String, status: StatusCode },
    #[error("ask {host}: {problem}")]
    Broken { host: String, problem: String },
}

impl Source {
    pub(super) async fn status(&self) -> Result<Status, Error> {
        match self {
            Self::Agent(agent) => agent.get("status").await,
            Self::Own(app) => {
                app.run_once(LONGEST).await;
                Ok(app.status())
            }
        }
    }

    pub(super) async fn recorded(&self, since: u64) -> Result<Recorded, Error> {
        match self {
            Self::Agent(agent) => agent.get(&format!("recorder?since={since}")).await,
            Self::Own(app) => Ok(app.recorded(since)),
        }
    }

    pub(super) async fn groups(&self) -> Result<Vec<Group>, Error> {
        match self {
            Self::Agent(agent) => agent.get("groups").await,
            Self::Own(app) => Ok(groups(&app.registry()).await),
        }
    }
}

impl Agent {
    pub(super) fn at(target: Target) -> Self {
        let host = match &target {
            Target::Tcp(address) => address.to_string(),
            Target::Unix(_) => "localhost".to_owned(),
        };
        Self { target, host, folder: String::new(), authorization: None }
    }

    /// `http://user:password@host:9100/folder` with what of it is needed, or `unix:/path`.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let wrong = || Error::Address(url.to_owned());
        if let Some(path) = url.strip_prefix("unix:") {
            return Ok(Self::at(Target::Unix(PathBuf::from(path.trim_start_matches("//")))));
        }
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = with_scheme.parse().map_err(|_| wrong())?;
        if uri.scheme_str() == Some("https") {
            return Err(Error::Tls);
        }
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(wrong)?;
        let user = authority.as_str().rsplit_once('@').map(|it| it.0);
        let port = authority.port_u16().unwrap_or(80);
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        let host = format!("{}:{port}", authority.host());
        let addresses = (name, port).to_socket_addrs();
        let addresses = addresses.map_err(|cause| Error::Connect { host: host.clone(), cause })?;
        let address = addresses.min_by_key(|it| it.is_ipv6()).ok_or_else(wrong)?;
        Ok(Self {
            target: Target::Tcp(address),
            host,
            folder: uri.path().trim_end_matches('/').to_owned(),
            authorization: user.map(|it| format!("Basic {}", BASE64.encode(it))),
        })
    }

    async fn get<T: DeserializeOwned>(&self, what: &str) -> Result<T, Error> {
        let host = || self.host.clone();
        let broken = |problem: String| Error::Broken { host: host(), problem };
        let asked = async {
            let connect = |cause| Error::Connect { host: host(), cause };
            match &self.target {
                Target::Tcp(address) => {
                    self.ask(TcpStream::connect(address).await.map_err(connect)?, what).await
                }
                Target::Unix(path) => self.ask(UnixStream::connect(path).await.map_err(connect)?, what).await,
            }
        };
        let body = timeout(LONGEST, asked).await.map_err(|_| broken("no answer in time".to_owned()))??;
        serde_json::from_slice(&body).map_err(|error| broken(error.to_string()))
    }

    async fn ask<S>(&self, stream: S, what: &str) -> Result<Vec<u8>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let host = || self.host.clone();
        let broken = |error: hyper::Error| Error::Broken { host: host(), problem: error.to_string() };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with the answer; what goes wrong with it is told where the answer is awaited.
        let connection = tokio::spawn(connection);
        let path = format!("{}/api/v1/{what}", self.folder);
        let mut request = Request::get(&path).header(HOST, &self.host).header(CONNECTION, "close");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Body::empty()).map_err(|_| Error::Address(path.clone()))?;
        let answer: hyper::Response<Incoming> = sender.send_request(request).await.map_err(broken)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(Error::Password { host: host() }),
            status => return Err(Error::Foreign { host: host(), path, status }),
        }
        let body = to_bytes(Body::new(answer.into_body()), MAX_BODY).await;
        connection.abort();
        body.map(Into::into).map_err(|error| Error::Broken { host: host(), problem: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_as_people_write_them() {
        let written = |url: &str| {
            let it = Agent::parse(url).unwrap();
            format!("{:?} {} {} {}", it.target, it.host, it.folder, it.authorization.unwrap_or_default())
        };
        assert_eq!(written("127.0.0.1:9100"), "Tcp(127.0.0.1:9100) 127.0.0.1:9100  ");
        assert_eq!(written("http://[::1]:9100/a/"), "Tcp([::1]:9100) [::1]:9100 /a ");
        assert_eq!(
            written("http://user:pass@127.0.0.1"),
            "Tcp(127.0.0.1:80) 127.0.0.1:80  Basic dXNlcjpwYXNz"
        );
        assert_eq!(written("user:passw@127.0.0.1"), "Tcp(127.0.0.1:80) 127.0.0.1:80  Basic dXNlcjpwYXNzdw==");
        assert_eq!(written("unix:/run/a.sock"), "Unix(\"/run/a.sock\") localhost  ");
        assert!(matches!(Agent::parse("https://127.0.0.1"), Err(Error::Tls)));
        for wrong in ["ftp://127.0.0.1", "http://", "http://a b"] {
            assert!(matches!(Agent::parse(wrong), Err(Error::Address(_))), "{wrong}");
        }
    }
}
