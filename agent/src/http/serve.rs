//! The accept loop: connections are bounded in number and time, and end in good order.

use super::{
    access::Access,
    connections::{Connections, Entered},
    listen::{Acceptor, Listener},
    refused::Refused,
};
use crate::{config::Web, source::sys::descriptors};
use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Semaphore, mpsc, watch},
    time::timeout,
};
use tower::ServiceExt as _;
use tracing::{debug, warn};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The size of a request's head; more is answered with 431.
const MAX_HEAD: usize = 16 << 10;

/// The lines of such a head; more are answered with 431, too. Room for as many is made for each request.
const MAX_LINES: usize = 512;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How connections are bounded.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_connections: usize,
    /// How long a connection may take to send its next request's head.
    pub idle: Duration,
    /// How long answers under way may take once the server is to end.
    pub grace: Duration,
}

impl Limits {
    /// What `web` sets as far as descriptors are to be had, and `grace`.
    #[must_use]
    pub fn new(web: &Web, grace: Duration) -> Self {
        // Collectors need descriptors, too.
        let max_connections =
            web.max_connections.min(descriptors::limit() / 4).min(descriptors::n_free() / 2);
        let max_connections = usize::try_from(max_connections).unwrap_or(usize::MAX);
        Self { max_connections, idle: web.idle_timeout, grace }
    }
}

/// Ends the server: it takes no new connection, and those at work end with the answer under way.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Sender<bool>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Shutdown {
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    async fn begun(&self) {
        self.0.subscribe().wait_for(|begun| *begun).await.expect("self holds a sender");
    }
}

/// Serves `router` behind `access` on all `listeners` until `shutdown` begins; then waits for answers under way.
///
/// # Errors
/// When a listener cannot be registered with the runtime.
pub async fn serve(
    listeners: Vec<Listener>,
    router: Router,
    access: Arc<Access>,
    limits: Limits,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let connections = Arc::new(Connections::new(limits.max_connections));
    let server = Arc::new(Server {
        router,
        access,
        limits,
        connections,
        shutdown: shutdown.clone(),
        refused: Refused::default(),
    });
    // Each connection holds a sender, so the channel closes with the last of them.
    let (alive, mut ended) = mpsc::channel::<Infallible>(1);
    let mut loops = tokio::task::JoinSet::new();
    for listener in listeners {
        loops.spawn(Arc::clone(&server).accept_all(listener.into_acceptor()?, alive.clone()));
    }
    drop(alive);
    while loops.join_next().await.is_some() {}
    if timeout(limits.grace, ended.recv()).await.is_err() {
        warn!(seconds = limits.grace.as_secs(), "answers under way did not end in time");
    }
    Ok(())
}

struct Server {
    router: Router,
    access: Arc<Access>,
    limits: Limits,
    connections: Arc<Connections>,
    shutdown: Shutdown,
    refused: Refused,
}

impl Server {
    async fn accept_all(self: Arc<Self>, acceptor: Acceptor, alive: mpsc::Sender<Infallible>) {
        /// When descriptors or memory have run out, trying again at once only burns CPU.
        const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
        const LONGEST_PAUSE: Duration = Duration::from_secs(5);
        let mut pause = SHORTEST_PAUSE;
        // For so many at a time room is made; the others wait in the kernel's queue.
        let places = Arc::new(Semaphore::new((self.limits.max_connections / 8).clamp(1, 16)));
        loop {
            let accepted: io::Result<_> = tokio::select! {
                accepted = async {
                    let place = Arc::clone(&places).acquire_owned().await.expect("it is never closed");
                    Ok((acceptor.accept().await?, place))
                } => accepted,
                () = self.shutdown.begun() => return,
            };
            match accepted {
                Ok((stream, place)) => {
                    pause = SHORTEST_PAUSE;
                    let (server, alive) = (Arc::clone(&self), alive.clone());
                    tokio::spawn(async move {
                        let peer = stream.peer_addr().ok().map(|it| it.ip());
                        let entered = tokio::select! {
                            entered = server.connections.enter(peer) => entered,
                            () = server.shutdown.begun() => return,
                        };
                        drop(place);
                        server.connection(stream, Arc::new(entered)).await;
                        drop(alive);
                    });
                }
                // The peer has gone again.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    warn!(%error, seconds = pause.as_secs_f64(), "no connection can be accepted for now");
                    tokio::select! {
                        () = self.connections.make_room(pause) => {}
                        () = self.shutdown.begun() => return,
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, entered: Arc<Entered>) {
        if !self.speaks(&stream, &entered).await {
            return;
        }
        let served = match self.access.tls().await {
            None => self.http1(stream, &entered).await,
            Some(tls) => self.tls(stream, tls, &entered).await,
        };
        if let Err(error) = served {
            debug!(%error, "connection ended");
        }
    }

    /// Whether the client begins to say something before its time is over.
    async fn speaks(&self, stream: &TcpStream, entered: &Entered) -> bool {
        let mut first_byte = [0];
        let first = tokio::select! {
            biased;
            first = timeout(self.limits.idle, stream.peek(&mut first_byte)) => first,
            () = entered.it.evicted() => return false,
            () = self.shutdown.begun() => return false,
        };
        entered.it.has_spoken();
        matches!(first, Ok(Ok(1)))
    }

    async fn tls(
        &self,
        stream: TcpStream,
        config: Arc<rustls::ServerConfig>,
        entered: &Arc<Entered>,
    ) -> Result<(), Error> {
        let stream = tokio::select! {
            stream = timeout(HANDSHAKE, handshake(stream, config)) => {
                stream?.inspect_err(|error| self.refused.note(error, entered.it.peer))?
            }
            () = entered.it.evicted() => None,
        };
        let Some(stream) = stream else { return Ok(()) };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.http2(stream, entered).await
        } else {
            self.http1(stream, entered).await
        }
    }

    async fn http1(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        entered: &Arc<Entered>,
    ) -> Result<(), Error> {
        let service = service_fn(|request| {
            answer(self.router.clone(), Arc::clone(&self.access), Arc::clone(entered), request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.idle)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_LINES)
            .serve_connection(TokioIo::new(stream), service);
        self.drive(connection, entered).await
    }

    async fn http2(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        entered: &Arc<Entered>,
    ) -> Result<(), Error> {
        /// A scraper has one.
        const MAX_STREAMS: u32 = 8;
        /// Nobody reads the bodies of requests, so that they need no room.
        const WINDOW: u32 = 64 << 10;
        let service = service_fn(|request| {
            answer(self.router.clone(), Arc::clone(&self.access), Arc::clone(entered), request)
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(self.limits.idle)
            .max_concurrent_streams(MAX_STREAMS)
            .initial_connection_window_size(WINDOW)
            .initial_stream_window_size(WINDOW)
            .max_header_list_size(MAX_HEAD as u32)
            .serve_connection(TokioIo::new(stream), service);
        self.drive(connection, entered).await
    }

    /// Until its end, or that of the answer under way once the server is to end, or room is needed.
    async fn drive(
        &self,
        connection: impl GracefulConnection<Error = hyper::Error>,
        entered: &Entered,
    ) -> Result<(), Error> {
        /// For what is being sent.
        const LAST_WORD: Duration = Duration::from_millis(100);
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => Ok(ended.map(drop)?),
            () = self.shutdown.begun() => {
                connection.as_mut().graceful_shutdown();
                Ok(connection.await.map(drop)?)
            }
            () = entered.it.evicted() => {
                debug!("connection closed to make room for another");
                // Nothing more can be said to who does not take what there is, and others wait for its memory.
                if entered.it.has_untaken() {
                    return Ok(());
                }
                // What a newcomer has sent may not have been read yet.
                if !entered.it.has_asked()
                    && let Ok(ended) = timeout(LAST_WORD, connection.as_mut()).await
                {
                    return Ok(ended.map(drop)?);
                }
                connection.as_mut().graceful_shutdown();
                loop {
                    match timeout(LAST_WORD, connection.as_mut()).await {
                        Ok(ended) => return Ok(ended.map(drop)?),
                        // Its request came just then: a scraper is not to lose it.
                        Err(_) if entered.it.is_answering() => {}
                        Err(late) => return Err(late.into()),
                    }
                }
            }
        }
    }
}

async fn answer(
    router: Router,
    access: Arc<Access>,
    entered: Arc<Entered>,
    request: hyper::Request<Incoming>,
) -> Result<Response, Infallible> {
    let _busy = entered.busy();
    let (mut head, body) = request.into_parts();
    head.extensions.insert(Arc::clone(&entered.it));
    let admitted = access.admit(&head, entered.it.peer).await;
    entered.it.admitted(admitted.is_ok());
    let mut response = match admitted {
        Ok(()) => router.oneshot(Request::from_parts(head, Body::new(body))).await?,
        Err(refusal) => refusal,
    };
    access.mark(&mut response);
    Ok(response)
}

/// `None` for a client that speaks plain HTTP, which is told so.
async fn handshake(
    mut stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
) -> io::Result<Option<tokio_rustls::server::TlsStream<TcpStream>>> {
    const ANSWER: &[u8] =
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    if speaks_plain_http(&stream).await? {
        stream.write_all(ANSWER).await?;
        stream.shutdown().await?;
        return Ok(None);
    }
    tokio_rustls::TlsAcceptor::from(config).accept(stream).await.map(Some)
}

/// Whether the first bytes are those of a request and not of a handshake, by the same look as Go's.
async fn speaks_plain_http(stream: &TcpStream) -> io::Result<bool> {
    const METHODS: [&[u8]; 5] = [b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO"];
    let mut first = [0; 5];
    let n_bytes = stream.peek(&mut first).await?;
    Ok(METHODS.contains(&&first[..n_bytes]))
}
