//! Collectors that ask a server on the host, which the unit's sandbox has to let them reach: ntp by UDP, supervisord by
//! TCP and by a Unix socket. The servers are the test's own, with one answer each: RFC 5905, and XML-RPC over HTTP.

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Read, Write},
    net::{TcpListener, UdpSocket},
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    thread,
    time::SystemTime,
};

use anyhow::{Context, Result, ensure};

use super::service::Service;

const STRATUM: u8 = 7;
const START: u32 = 1_700_000_000;
const SOCKET: &str = "/srv/supervisor.sock";
const FLAGS: &str = "--collector.ntp --collector.supervisord";

pub(super) fn shows_servers(it: &Service) -> Result<String> {
    // debootstrap leaves it to the installer.
    it.container().write("/etc/hosts", "127.0.0.1 localhost\n")?;
    let (clock, by_tcp) = it
        .container()
        .in_its_network(|| Ok((UdpSocket::bind("127.0.0.1:123")?, TcpListener::bind("127.0.0.1:9001")?)))?;
    let path = it.container().path(SOCKET);
    let by_file = UnixListener::bind(&path).with_context(|| format!("bind {}", path.display()))?;
    // As supervisord's own is by `chmod=0777`.
    fs::set_permissions(path, Permissions::from_mode(0o777))?;
    thread::spawn(move || tell_time(&clock));
    thread::spawn(move || by_tcp.incoming().flatten().try_for_each(|it| tell_processes(it, "by-tcp")));
    thread::spawn(move || by_file.incoming().flatten().try_for_each(|it| tell_processes(it, "by-file")));

    let start =
        |name: &str| format!("node_supervisord_start_time_seconds{{group=\"{name}\",name=\"{name}\"}}");
    it.restart("", &format!("ARGS=\"{FLAGS}\"\n"))?;
    let page = it.scrape()?;
    ensure!(page.get("node_ntp_stratum")? == f64::from(STRATUM), "the stratum is another's");
    ensure!(page.get("node_ntp_sanity")? == 1.0, "a server with the host's own clock is not relied on");
    ensure!(page.get(&start("by-tcp"))? == f64::from(START), "the start is another's");

    it.restart("", &format!("ARGS=\"{FLAGS} --collector.supervisord.url=unix://{SOCKET}\"\n"))?;
    ensure!(it.scrape()?.get(&start("by-file"))? == f64::from(START), "the start is another's");
    it.restart("", "")?;
    Ok("ntp by UDP, supervisord by TCP and by a Unix socket".to_owned())
}

/// Answers each question with the host's own time.
fn tell_time(socket: &UdpSocket) -> Result<()> {
    /// From 1900 to 1970, in seconds.
    const UNIX_EPOCH: u64 = 2_208_988_800;
    loop {
        let mut packet = [0; 48];
        let (_, client) = socket.recv_from(&mut packet)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
        let now = ((now.as_secs() + UNIX_EPOCH) << 32 | fraction).to_be_bytes();
        // A server's answer, in the version of the question; the time that it was sent at comes back.
        packet[0] = packet[0] & 0b11_1000 | 4;
        packet[1] = STRATUM;
        packet.copy_within(40..48, 24);
        for at in [16, 32, 40] {
            packet[at..at + 8].copy_from_slice(&now);
        }
        socket.send_to(&packet, client)?;
    }
}

/// Answers one question with a process of this name, which runs.
fn tell_processes(mut stream: impl Read + Write, name: &str) -> Result<()> {
    let mut reader = BufReader::new(&mut stream);
    let mut request = Vec::new();
    while !request.ends_with(b"</methodCall>") {
        ensure!(reader.read_until(b'>', &mut request)? > 0, "half a request");
    }
    let member =
        |name: &str, value: &str| format!("<member><name>{name}</name><value>{value}</value></member>");
    let number = |name: &str, value: u32| member(name, &format!("<int>{value}</int>"));
    let process = [
        member("name", name),
        member("group", name),
        number("state", 20),
        number("exitstatus", 0),
        number("start", START),
    ];
    let body = format!(
        "<methodResponse><params><param><value><array><data><value><struct>{}</struct></value></data></array></value>\
         </param></params></methodResponse>",
        process.concat()
    );
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}
