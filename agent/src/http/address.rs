//! Listen addresses in all the spellings that Go's `net.Listen` takes, and `unix:` and `vsock:`.

use crate::config::{Config, Web};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs as _},
    path::{PathBuf, absolute},
};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// All addresses of both families.
    Any {
        port: u16,
    },
    Ip(SocketAddr),
    Unix(PathBuf),
    Vsock {
        cid: u32,
        port: u32,
    },
}

/// Where a server of this host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Where the agent of this `config` is reached from its own host.
///
/// # Errors
/// When that cannot be told, with why.
pub fn reached(config: &Config) -> Result<Target, String> {
    let web = config.section::<Web>();
    if web.systemd_socket {
        return Err("systemd has its sockets: say where with --url".to_owned());
    }
    let first = web.listen_address.first().ok_or("it serves nowhere")?;
    match Address::parse(first)? {
        Address::Any { port } => Ok(Target::Tcp((Ipv4Addr::LOCALHOST, port).into())),
        Address::Ip(it) if it.ip().is_unspecified() => {
            Ok(Target::Tcp((Ipv4Addr::LOCALHOST, it.port()).into()))
        }
        Address::Ip(it) => Ok(Target::Tcp(it)),
        Address::Unix(path) => Ok(Target::Unix(path)),
        Address::Vsock { .. } => Err("it serves virtual machines: say where with --url".to_owned()),
    }
}

/// Any context id: `VMADDR_CID_ANY` of vsock(7).
const ANY_CID: u32 = u32::MAX;

impl Address {
    /// # Errors
    /// In Go's words where Go has some.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("unix: path is missing".to_owned())
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        if let Some(rest) = text.strip_prefix("vsock:") {
            return parse_vsock(rest.strip_prefix("//").unwrap_or(rest));
        }
        let (host, port) = split_host_port(text).map_err(|problem| format!("address {text}: {problem}"))?;
        let port = parse_port(port)?;
        if host.is_empty() {
            return Ok(Self::Any { port });
        }
        let (host, zone) = host.split_once('%').map_or((host, None), |(host, zone)| (host, Some(zone)));
        match host.parse() {
            Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => Ok(Self::Any { port }),
            Ok(IpAddr::V6(ip)) => {
                Ok(Self::Ip(SocketAddrV6::new(ip, port, 0, zone.map_or(Ok(0), scope_id)?).into()))
            }
            Ok(ip) => Ok(Self::Ip((ip, port).into())),
            Err(_) => resolve(host, port),
        }
    }
}

/// `:1234`, `3:1234`
fn parse_vsock(text: &str) -> Result<Address, String> {
    let parsed = text.rsplit_once(':').and_then(|(cid, port)| {
        let cid = if cid.is_empty() { ANY_CID } else { cid.parse().ok()? };
        Some(Address::Vsock { cid, port: port.parse().ok()? })
    });
    parsed.ok_or_else(|| format!("vsock address `{text}` is not CID:PORT or :PORT"))
}

/// The host without its brackets, which may also stand around IPv4 addresses and names.
fn split_host_port(text: &str) -> Result<(&str, &str), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("missing ']' in address")?;
        return match port.strip_prefix(':') {
            Some(port) if !port.contains(':') => Ok((host, port)),
            Some(_) => Err("too many colons in address"),
            None => Err("missing port in address"),
        };
    }
    let (host, port) = text.rsplit_once(':').ok_or("missing port in address")?;
    if host.contains(':') { Err("too many colons in address") } else { Ok((host, port)) }
}

/// A number, or a name of services(5); without that file the two that every system has.
fn parse_port(port: &str) -> Result<u16, String> {
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        return port.parse().map_err(|_| format!("address {port}: invalid port"));
    }
    let services =
        fs::read_to_string("/etc/services").unwrap_or_else(|_| "http 80/tcp\nhttps 443/tcp".to_owned());
    let named = services.lines().find_map(|line| {
        let line = line.split('#').next()?;
        let mut words = line.split_ascii_whitespace();
        let (name, number) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        (name == port || words.any(|alias| alias == port)).then(|| number.parse().ok())?
    });
    named.ok_or_else(|| format!("lookup tcp/{port}: unknown port"))
}

fn scope_id(zone: &str) -> Result<u32, String> {
    let by_name = || fs::read_to_string(format!("/sys/class/net/{zone}/ifindex")).ok()?.trim().parse().ok();
    zone.parse().ok().or_else(by_name).ok_or_else(|| format!("no interface {zone}"))
}

/// A name's first IPv4 address, else its first: as Go does for listeners.
fn resolve(host: &str, port: u16) -> Result<Address, String> {
    let found: Vec<_> =
        (host, port).to_socket_addrs().map_err(|error| format!("lookup {host}: {error}"))?.collect();
    let first = found.iter().find(|it| it.is_ipv4()).or(found.first());
    first.map(|it| Address::Ip(*it)).ok_or_else(|| format!("lookup {host}: no such host"))
}

impl Address {
    /// Whether the kernel gives to one of them alone what both ask for.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            // It takes IPv4 as well.
            (Self::Any { .. }, Self::Any { .. } | Self::Ip(_)) | (Self::Ip(_), Self::Any { .. }) => {
                self.tcp_port() == other.tcp_port() && self.tcp_port() != Some(0)
            }
            (Self::Ip(a), Self::Ip(b)) if a.is_ipv4() && b.is_ipv4() => {
                let is_one = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
                a.port() == b.port() && a.port() != 0 && is_one
            }
            (Self::Ip(a), Self::Ip(b)) => a == b && a.port() != 0,
            (Self::Unix(a), Self::Unix(b)) => absolute(a).ok() == absolute(b).ok(),
            _ => self == other,
        }
    }

    /// The port, where it is one that other programs can hold.
    pub(super) fn tcp_port(&self) -> Option<u16> {
        match self {
            Self::Any { port } => Some(*port),
            Self::Ip(ip) => Some(ip.port()),
            Self::Unix(_) | Self::Vsock { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Listener;

    #[test]
    fn takes_all_that_go_takes() {
        let ip = |text: &str| Ok(Address::Ip(text.parse().unwrap()));
        for (text, address) in [
            (":9100", Ok(Address::Any { port: 9100 })),
            ("[::]:9100", Ok(Address::Any { port: 9100 })),
            ("0.0.0.0:9100", ip("0.0.0.0:9100")),
            ("[0.0.0.0]:9100", ip("0.0.0.0:9100")),
            ("[::1]:9100", ip("[::1]:9100")),
            ("[fe80::1%1]:9100", ip("[fe80::1%1]:9100")),
            ("[fe80::1%lo]:9100", ip("[fe80::1%1]:9100")),
            ("localhost:9100", ip("127.0.0.1:9100")),
            ("127.0.0.1:https", ip("127.0.0.1:443")),
            ("unix:/run/a.sock", Ok(Address::Unix("/run/a.sock".into()))),
            ("unix:///run/a.sock", Ok(Address::Unix("/run/a.sock".into()))),
            ("vsock://:9100", Ok(Address::Vsock { cid: ANY_CID, port: 9100 })),
            ("vsock://3:9100", Ok(Address::Vsock { cid: 3, port: 9100 })),
            ("127.0.0.1", Err("address 127.0.0.1: missing port in address")),
            ("::1:9100", Err("address ::1:9100: too many colons in address")),
            ("[::1", Err("address [::1: missing ']' in address")),
            ("[::1]", Err("address [::1]: missing port in address")),
            (":99999", Err("address 99999: invalid port")),
            (":nosuch", Err("lookup tcp/nosuch: unknown port")),
            ("unix:", Err("unix: path is missing")),
            ("vsock://x", Err("vsock address `x` is not CID:PORT or :PORT")),
        ] {
            assert_eq!(Address::parse(text), address.map_err(str::to_owned), "{text}");
        }
    }

    /// What the kernel of this machine says, which has IPv6.
    #[test]
    fn two_addresses_exclude_each_other_where_binding_both_fails() {
        let folder = tempfile::tempdir().unwrap();
        let unix = |name: &str| format!("unix:{}", folder.path().join(name).display());
        // One that is free.
        let port = std::net::TcpListener::bind("[::]:0").unwrap().local_addr().unwrap().port();
        let tcp = ["", "0.0.0.0", "127.0.0.1", "127.0.0.2", "[::1]"].map(|ip| format!("{ip}:{port}"));
        let any_port = ["127.0.0.1:0", ":0"].map(str::to_owned);
        let texts: Vec<String> = tcp.into_iter().chain(any_port).chain([unix("a"), unix("b")]).collect();
        for first in &texts {
            for second in &texts {
                let [a, b] = [first, second].map(|it| Address::parse(it).unwrap());
                let bound = Listener::bind(first).unwrap();
                assert_eq!(a.excludes(&b), Listener::bind(second).is_err(), "{first} and {second}");
                drop(bound);
            }
        }
    }
}
