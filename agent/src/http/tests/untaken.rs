//! A client of HTTP/2 that asks for much and takes nothing: RFC 9113, by hand.

use super::*;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use std::fs;
use tokio_rustls::{TlsConnector, client::TlsStream};

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
/// Both ends of a request: nothing follows.
const END: u8 = 0x5;

type Stream = TlsStream<TcpStream>;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET path` in HPACK without a table: method and scheme by their numbers, path and authority as they are.
fn request(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x04, path.len() as u8];
    block.extend(path.as_bytes());
    block.extend([0x01, 1, b'a']);
    frame(HEADERS, END, stream, &block)
}

/// The kind of the next frame that the server sends.
async fn next_frame(stream: &mut Stream) -> std::io::Result<u8> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    stream.read_exact(&mut vec![0; len as usize]).await?;
    Ok(head[3])
}

#[tokio::test]
async fn who_takes_no_answers_gets_few_and_makes_room() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("cert"), cert.pem()).unwrap();
    fs::write(path("key"), signing_key.serialize_pem()).unwrap();
    let server = start(
        &[
            ("web.tls.cert_file", path("cert").to_str().unwrap().into()),
            ("web.tls.key_file", path("key").to_str().unwrap().into()),
            ("web.max_requests", 2.into()),
        ],
        LIMITS,
    );
    let connect = async |protocols: &[&[u8]]| {
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        let stream = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    };

    let mut greedy = connect(&[b"h2"]).await;
    let mut asked = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    asked.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for stream in (1..16).step_by(2) {
        asked.extend(request(stream, "/metrics?exclude[]=x"));
    }
    greedy.write_all(&asked).await.unwrap();
    let mut n_answers = 0;
    while n_answers < 2 {
        n_answers += u32::from(next_frame(&mut greedy).await.unwrap() == HEADERS);
    }
    let more = tokio::time::timeout(Duration::from_millis(300), async {
        while next_frame(&mut greedy).await.unwrap() != HEADERS {}
    });
    assert!(more.await.is_err(), "no more than `max_requests` are made");

    let mut other = connect(&[]).await;
    let request = b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    other.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    other.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(status(&answer), "200");
    let in_flight =
        answer.lines().find_map(|it| it.strip_prefix("promhttp_metric_handler_requests_in_flight "));
    assert!(["1", "2"].contains(&in_flight.unwrap()), "{in_flight:?}");
    while next_frame(&mut greedy).await.is_ok() {}
}
