//! XML-RPC without arguments, over HTTP/1.0 by TCP or a Unix socket: one call, one connection.

use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use percent_encoding::percent_decode_str;
use roxmltree::{Document, Node};
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    io::{self, Read as _, Write as _},
    net::ToSocketAddrs as _,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Larger answers are refused.
const MAX_BYTES: usize = 32 << 20;
const LIMIT: Duration = Duration::from_secs(5);

/// Where a server is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    place: Place,
    /// The value of the Host header.
    host: String,
    path: String,
    /// `user:password`.
    credentials: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Unix(PathBuf),
    Tcp(String, u16),
}

impl Endpoint {
    /// From `http://user:password@host:port/path` or `unix:///path/of/a/socket`.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let place = Place::Unix(path.into());
            let (host, path) = ("unix".to_owned(), "/RPC2".to_owned());
            return Some(Self { place, host, path, credentials: None });
        }
        let (scheme, rest) = url.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (credentials, host) = match authority.rsplit_once('@') {
            // Escaped, so that a password may hold any letter.
            Some((credentials, host)) => (Some(percent_decode_str(credentials).collect()), host),
            None => (None, authority),
        };
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
            _ => (host, 80),
        };
        let name = name.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(name);
        let place = Place::Tcp(name.to_owned(), port);
        Some(Self { place, host: host.to_owned(), path: path.to_owned(), credentials })
    }

    /// Calls `method`; the text of the answer.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn call(&self, method: &str) -> Result<String, String> {
        let deadline = Instant::now() + LIMIT;
        let body =
            format!("<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName></methodCall>");
        let (path, host, length) = (&self.path, &self.host, body.len());
        let credentials = self
            .credentials
            .as_ref()
            .map_or_else(String::new, |it| format!("Authorization: Basic {}\r\n", BASE64.encode(it)));
        let request = format!(
            "POST {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\
             {credentials}\r\n{body}"
        );
        let answer = self.exchange(request.as_bytes(), deadline).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("no answer within {} s", LIMIT.as_secs())
            }
            _ => error.to_string(),
        })?;
        let answer = String::from_utf8(answer).map_err(|_| "the answer is not UTF-8".to_owned())?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer is not HTTP")?;
        let status = head.lines().next().unwrap_or_default();
        match status.split(' ').nth(1) {
            Some("200") => Ok(body.to_owned()),
            _ => Err(format!("the answer is `{status}`")),
        }
    }

    fn exchange(&self, request: &[u8], deadline: Instant) -> io::Result<Vec<u8>> {
        let socket = self.connect(deadline)?;
        socket.set_write_timeout(Some(left(deadline)?))?;
        (&socket).write_all(request)?;
        let (mut answer, mut buffer) = (Vec::new(), [0; 8 << 10]);
        // The server closes when it has said all.
        loop {
            socket.set_read_timeout(Some(left(deadline)?))?;
            match (&socket).read(&mut buffer)? {
                0 => return Ok(answer),
                n_read => answer.extend_from_slice(&buffer[..n_read]),
            }
            if answer.len() > MAX_BYTES {
                return Err(io::Error::other("the answer is too large"));
            }
        }
    }

    fn connect(&self, deadline: Instant) -> io::Result<Socket> {
        match &self.place {
            Place::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.set_write_timeout(Some(left(deadline)?))?;
                socket.connect(&SockAddr::unix(path)?)?;
                Ok(socket)
            }
            Place::Tcp(host, port) => {
                let mut result = Err(io::Error::other("the host has no address"));
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
                    result = socket.connect_timeout(&address.into(), left(deadline)?).map(|()| socket);
                    if result.is_ok() {
                        break;
                    }
                }
                result
            }
        }
    }
}

/// The structs of an answer that is an array of them: the text of each member by its name.
///
/// # Errors
/// When the answer is something else, or a fault: what it says.
pub(crate) fn each_struct(
    answer: &str,
    mut each: impl FnMut(&dyn Fn(&str) -> Option<String>),
) -> Result<(), String> {
    let document = Document::parse(answer).map_err(|error| format!("the answer is not XML: {error}"))?;
    let root = document.root_element();
    if let Some(fault) = child(root, "fault") {
        let words: Vec<_> =
            fault.descendants().filter(Node::is_text).filter_map(|it| it.text()).map(str::trim).collect();
        return Err(words.join(" "));
    }
    let path = ["params", "param", "value", "array", "data"];
    let values = path.iter().try_fold(root, |node, name| child(node, name));
    let values = values.ok_or("the answer is no array")?;
    for members in values.children().filter_map(|it| child(it, "struct")) {
        each(&|name| {
            let mut members = members.children().filter(|it| it.has_tag_name("member"));
            let member = members.find(|it| child(*it, "name").and_then(|it| it.text()) == Some(name))?;
            let value = child(member, "value")?;
            // Without a type it is a string.
            let typed = value.first_element_child().unwrap_or(value);
            Some(typed.text().unwrap_or_default().to_owned())
        });
    }
    Ok(())
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|it| it.has_tag_name(name))
}

/// What is left of the time.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.checked_duration_since(Instant::now()).filter(|it| !it.is_zero());
    left.ok_or_else(|| io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fuzz;
    use std::hint::black_box;

    #[test]
    fn takes_urls_apart() {
        let tcp = |host: &str, port| Place::Tcp(host.to_owned(), port);
        let parse = |url| Endpoint::parse(url).map(|it| (it.place, it.host, it.path, it.credentials));
        let all = |place, host: &str, path: &str, credentials: Option<&str>| {
            Some((place, host.to_owned(), path.to_owned(), credentials.map(Into::into)))
        };
        let expected = all(tcp("localhost", 9001), "localhost:9001", "/RPC2", None);
        assert_eq!(parse("http://localhost:9001/RPC2"), expected);
        assert_eq!(parse("http://u:p@x"), all(tcp("x", 80), "x", "/", Some("u:p")));
        assert_eq!(parse("HTTP://u:p%40s%2f@x"), all(tcp("x", 80), "x", "/", Some("u:p@s/")));
        assert_eq!(parse("http://[::1]:1/a/b"), all(tcp("::1", 1), "[::1]:1", "/a/b", None));
        assert_eq!(parse("http://[::1]"), all(tcp("::1", 80), "[::1]", "/", None));
        let socket = all(Place::Unix("/run/s.sock".into()), "unix", "/RPC2", None);
        assert_eq!(parse("unix:///run/s.sock"), socket);
        for url in ["https://x", "x:9001", "", "http://x:y/"] {
            assert_eq!(parse(url), None, "{url}");
        }
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_answers_of_supervisord() {
        let array = b"<?xml version='1.0'?>\n<methodResponse><params><param><value><array><data>\n\
            <value><struct><member><name>name</name><value><string>a &amp; b</string></value></member>\n\
            <member><name>pid</name><value><int>7</int></value></member></struct></value>\n\
            </data></array></value></param></params></methodResponse>";
        let seed = std::str::from_utf8(array).unwrap();
        assert!(each_struct(seed, |member| assert_eq!(member("pid").as_deref(), Some("7"))).is_ok());
        let fault = b"<methodResponse><fault><value>x</value></fault></methodResponse>";
        fuzz(&[array, fault], |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let read = each_struct(&text, |member| drop(black_box((member("name"), member("pid")))));
            black_box((read.is_ok(), Endpoint::parse(&text)));
        });
    }
}
