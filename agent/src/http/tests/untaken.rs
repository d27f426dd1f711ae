//! A client of HTTP/2 that asks for much and takes nothing: RFC 9113, by hand.

use super::*;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use std::fs;
use tokio::{sync::mpsc, task::JoinSet};
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

/// What a client sends that wants all its streams at once and takes no byte of any.
fn greedy(path: &str) -> Vec<u8> {
    let mut asked = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    asked.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for stream in (1..16).step_by(2) {
        asked.extend(request(stream, path));
    }
    asked
}

/// A server with TLS that makes a few answers at once.
struct Secure {
    server: Server,
    certificate: CertificateDer<'static>,
    _folder: tempfile::TempDir,
}

impl Secure {
    fn start(max_requests: i64) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("cert"), cert.pem()).unwrap();
        fs::write(path("key"), signing_key.serialize_pem()).unwrap();
        let server = start(
            &[
                ("web.tls.cert_file", path("cert").to_str().unwrap().into()),
                ("web.tls.key_file", path("key").to_str().unwrap().into()),
                ("web.max_requests", max_requests.into()),
            ],
            LIMITS,
        );
        Self { server, certificate: cert.der().clone(), _folder: folder }
    }

    /// A connection that speaks one of `protocols`.
    fn connect(&self, protocols: &[&[u8]]) -> impl Future<Output = std::io::Result<Stream>> + use<> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        let address = self.server.address;
        async move {
            let name = ServerName::try_from("localhost").unwrap();
            let stream = TcpStream::connect(address).await?;
            TlsConnector::from(Arc::new(config)).connect(name, stream).await
        }
    }

    async fn scrape(&self) -> String {
        let mut stream = self.connect(&[]).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
            X-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn who_takes_no_answers_gets_few_and_makes_room() {
    let secure = Secure::start(2);
    let mut client = secure.connect(&[b"h2"]).await.unwrap();
    client.write_all(&greedy("/metrics?exclude[]=x")).await.unwrap();
    let mut n_answers = 0;
    while n_answers < 2 {
        n_answers += u32::from(next_frame(&mut client).await.unwrap() == HEADERS);
    }
    // Its own requests wait, too, so that it loses its connection before it gets another answer.
    while let Ok(kind) = next_frame(&mut client).await {
        assert_ne!(kind, HEADERS, "no more than `max_requests` are made");
    }
    let answer = secure.scrape().await;
    assert_eq!(status(&answer), "200");
    let in_flight =
        answer.lines().find_map(|it| it.strip_prefix("promhttp_metric_handler_requests_in_flight "));
    assert_eq!(in_flight, Some("1"));
}

/// Each asks for as much as it can, takes nothing and comes again at once when its connection is closed.
#[tokio::test]
async fn a_crowd_that_takes_nothing_shuts_nobody_out() {
    const N_GREEDY: usize = 16;
    let secure = Secure::start(4);
    let mut crowd = JoinSet::new();
    let (came, mut is_here) = mpsc::channel(N_GREEDY);
    for _ in 0..N_GREEDY {
        let came = came.clone();
        let connecting: Vec<_> = (0..1000).map(|_| secure.connect(&[b"h2"])).collect();
        crowd.spawn(async move {
            for connecting in connecting {
                // It may have to make room before it has said all.
                let Ok(mut stream) = connecting.await else { continue };
                stream.write_all(&greedy("/metrics?exclude[]=x")).await.ok();
                came.try_send(()).ok();
                while next_frame(&mut stream).await.is_ok() {}
            }
        });
    }
    for _ in 0..N_GREEDY {
        is_here.recv().await.unwrap();
    }
    for round in 0..8 {
        assert_eq!(status(&secure.scrape().await), "200", "round {round}");
    }
    assert!(crowd.try_join_next().is_none(), "they are still at it");
}
