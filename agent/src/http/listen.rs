//! Sockets to serve on: bound here, or handed over by systemd.

use super::{
    address::Address,
    port_holder::{self, Holder},
};
use crate::{config::Web, source::errno};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::{fd::OwnedFd, unix::fs::FileTypeExt as _},
    path::{Path, PathBuf},
};
use tokio::{io::unix::AsyncFd, net::TcpStream};
use tracing::warn;

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("listen tcp: {0}")]
    Address(String),
    /// Go's words, and what is known besides.
    #[error("listen {network} {address}: {call}: {}{}", errno::words_of(cause), hint.as_ref().map_or(String::new(), |it| format!("; {it}")))]
    Bind { network: &'static str, address: String, call: &'static str, cause: io::Error, hint: Option<Hint> },
    #[error("no socket activation file descriptors found")]
    NoneInherited,
    #[error("socket {index} of socket activation: {cause}")]
    Inherited { index: usize, cause: io::Error },
}

/// What is known of a port that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Hint {
    #[error("held by {0}")]
    Held(Holder),
    #[error("ports below 1024 need CAP_NET_BIND_SERVICE, see net.ipv4.ip_unprivileged_port_start")]
    Privileged,
}

/// A bound socket of any family, nonblocking.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// As the config has it.
    pub name: String,
    /// The file of a Unix socket, removed in the end.
    path: Option<PathBuf>,
}

impl Listener {
    /// Binds all that `web` asks for, before anything is served on one of them.
    ///
    /// # Errors
    /// At the first that cannot be had.
    pub fn open_all(web: &Web) -> Result<Vec<Self>, ListenError> {
        if web.systemd_socket {
            return inherited();
        }
        web.listen_address.iter().map(|text| Self::bind(text)).collect()
    }

    pub(super) fn bind(text: &str) -> Result<Self, ListenError> {
        let address = Address::parse(text).map_err(ListenError::Address)?;
        let network = match &address {
            Address::Any { .. } | Address::Ip(_) => "tcp",
            Address::Unix(_) => "unix",
            Address::Vsock { .. } => "vsock",
        };
        let socket = open(&address).map_err(|(call, cause)| ListenError::Bind {
            network,
            address: text.to_owned(),
            call,
            hint: address.tcp_port().and_then(|port| hint(port, cause.kind())),
            cause,
        })?;
        let path = if let Address::Unix(path) = address { Some(path) } else { None };
        Ok(Self { socket, name: text.to_owned(), path })
    }

    /// The address that the system gave, where port 0 was asked for.
    #[cfg(test)]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }

    /// The file of a Unix socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// # Errors
    /// Outside of a runtime.
    pub(super) fn into_acceptor(self) -> io::Result<Acceptor> {
        #[expect(
            deprecated,
            reason = "wrong only for types that do not own their descriptor, which a Socket does"
        )]
        let socket = AsyncFd::new(self.socket)?;
        Ok(Acceptor { socket, path: self.path })
    }
}

fn hint(port: u16, kind: io::ErrorKind) -> Option<Hint> {
    match kind {
        io::ErrorKind::AddrInUse => port_holder::find(port).map(Hint::Held),
        io::ErrorKind::PermissionDenied if port < 1024 => Some(Hint::Privileged),
        _ => None,
    }
}

/// A listener at work.
pub(super) struct Acceptor {
    socket: AsyncFd<Socket>,
    path: Option<PathBuf>,
}

impl Acceptor {
    /// The next connection. Of whatever family it is, reading and writing are the same calls, so that one type of
    /// stream does for all.
    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        loop {
            let mut ready = self.socket.readable().await?;
            let Ok(accepted) = ready.try_io(|it| it.get_ref().accept()) else { continue };
            let (socket, peer) = accepted?;
            socket.set_nonblocking(true)?;
            if peer.is_ipv4() || peer.is_ipv6() {
                prepare_tcp(&socket)?;
            }
            return TcpStream::from_std(socket.into());
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = std::fs::remove_file(path)
        {
            warn!(path = %path.display(), %error, "remove the socket");
        }
    }
}

fn prepare_tcp(socket: &Socket) -> io::Result<()> {
    /// A client that takes nothing for so long is gone.
    const UNSENT: std::time::Duration = std::time::Duration::from_secs(30);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(UNSENT))
}

/// A listening socket, or the name of the call that failed.
fn open(address: &Address) -> Result<Socket, (&'static str, io::Error)> {
    match address {
        Address::Ip(ip) => open_tcp(*ip),
        Address::Any { port } => match open_tcp((Ipv6Addr::UNSPECIFIED, *port).into()) {
            Err((_, error)) if lacks_ipv6(&error) => open_tcp((Ipv4Addr::UNSPECIFIED, *port).into()),
            opened => opened,
        },
        Address::Unix(path) => {
            remove_stale(path).map_err(|error| ("bind", error))?;
            let to = SockAddr::unix(path).map_err(|error| ("bind", error))?;
            listen(Domain::UNIX, None, &to)
        }
        Address::Vsock { cid, port } => listen(Domain::VSOCK, None, &SockAddr::vsock(*cid, *port)),
    }
}

/// Whether IPv6 is not in this kernel, or switched off.
fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

fn open_tcp(to: SocketAddr) -> Result<Socket, (&'static str, io::Error)> {
    listen(Domain::for_address(to), Some(Protocol::TCP), &to.into())
}

fn listen(
    domain: Domain,
    protocol: Option<Protocol>,
    to: &SockAddr,
) -> Result<Socket, (&'static str, io::Error)> {
    const BACKLOG: i32 = 1024;
    let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), protocol)
        .map_err(|error| ("socket", error))?;
    let set_up = || {
        if domain == Domain::IPV6 {
            socket.set_only_v6(!to.as_socket().is_some_and(|it| it.ip().is_unspecified()))?;
        }
        if protocol.is_some() { socket.set_reuse_address(true) } else { Ok(()) }
    };
    set_up().map_err(|error| ("setsockopt", error))?;
    socket.bind(to).map_err(|error| ("bind", error))?;
    socket.listen(BACKLOG).map_err(|error| ("listen", error))?;
    Ok(socket)
}

/// Removes the socket file that a process left behind; one that somebody listens on stays.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = path.symlink_metadata().is_ok_and(|it| it.file_type().is_socket());
    match is_socket.then(|| std::os::unix::net::UnixStream::connect(path)) {
        Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

/// What a socket is told that cannot accept.
const NO_LISTENER: &str = "it does not listen: a stream socket is needed, with Accept=no";

/// The sockets of sd_listen_fds(3).
fn inherited() -> Result<Vec<Listener>, ListenError> {
    let mut passed = listenfd::ListenFd::from_env();
    let listeners = (0..passed.len()).map(|index| {
        let fd: Option<OwnedFd> = match passed.take_tcp_listener(index) {
            Ok(it) => it.map(OwnedFd::from),
            Err(_) => passed
                .take_unix_listener(index)
                .map_err(|cause| ListenError::Inherited { index, cause })?
                .map(OwnedFd::from),
        };
        let fd = fd.ok_or(ListenError::NoneInherited)?;
        let socket = adopted(fd.into()).map_err(|cause| ListenError::Inherited { index, cause })?;
        Ok(Listener { socket, name: format!("socket {index} of systemd"), path: None })
    });
    let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
    if listeners.is_empty() { Err(ListenError::NoneInherited) } else { Ok(listeners) }
}

/// A socket that somebody else made, if it can be served on.
fn adopted(socket: Socket) -> io::Result<Socket> {
    if !socket.is_listener()? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, NO_LISTENER));
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        Listener::bind(text).map(|it| it.name).unwrap_err().to_string()
    }

    #[test]
    fn says_what_go_says_and_who_holds_the_port() {
        let first = Listener::bind("127.0.0.1:0").unwrap();
        let taken = first.local_address().unwrap();
        let error = error_of(&taken.to_string());
        let expected = format!("listen tcp {taken}: bind: address already in use; held by ");
        assert!(error.starts_with(&expected), "{error}");
        assert!(error.ends_with(&format!("(pid {})", std::process::id())), "{error}");
        assert_eq!(error_of("127.0.0.1"), "listen tcp: address 127.0.0.1: missing port in address");
        assert_eq!(
            error_of("192.0.2.1:9100"),
            "listen tcp 192.0.2.1:9100: bind: cannot assign requested address"
        );
    }

    #[test]
    fn replaces_a_socket_file_that_nobody_serves_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("unix:{}", folder.path().join("a.sock").display());
        let first = Listener::bind(&name).unwrap();
        assert_eq!(error_of(&name), format!("listen unix {name}: bind: address already in use"));
        drop(first);
        Listener::bind(&name).unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "kept").unwrap();
        assert!(error_of(&format!("unix:{}", file.display())).contains("address already in use"));
        assert_eq!(std::fs::read_to_string(file).unwrap(), "kept");
    }

    #[test]
    fn a_socket_that_does_not_listen_is_refused() {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        assert_eq!(adopted(socket()).unwrap_err().to_string(), NO_LISTENER);
        let (one, other) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        // As with Accept=yes.
        for connected in [one, other] {
            assert_eq!(adopted(connected).unwrap_err().to_string(), NO_LISTENER);
        }
        let datagram = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        assert_eq!(adopted(datagram).unwrap_err().to_string(), NO_LISTENER);
        let good = socket();
        good.listen(1).unwrap();
        adopted(good).unwrap();
    }

    #[test]
    fn serves_ipv4_and_ipv6_on_a_bare_port() {
        let listener = Listener::bind(":0").unwrap();
        let port = listener.local_address().unwrap().port();
        for ip in ["127.0.0.1", "::1"] {
            let ip: std::net::IpAddr = ip.parse().unwrap();
            std::net::TcpStream::connect((ip, port)).unwrap();
        }
    }
}
