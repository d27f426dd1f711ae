//! The HTTP server: listeners and connections, access control (TLS, passwords), routes, answers.

mod access;
mod address;
mod answer;
mod api;
mod check;
mod connections;
mod listen;
mod metrics;
mod page;
mod port_holder;
mod refused;
mod request;
mod serve;
mod status;
mod tickets;

pub use access::{Access, Origin};
pub use address::{Target, reached};
pub use check::{faults, of_access, remarks};
pub use listen::{Hint, ListenError, Listener};
pub use serve::{Limits, Shutdown, serve};
pub use status::{Status, duration};

use crate::{
    config::{Config, Scrape, Web, WebFormat},
    exposition::{Created, Histograms, Offer},
    metric::Epoch,
    own::{Own, Part},
    recorder::Recorder,
    reload,
    scrape::Registry,
};
use answer::Answers;
use axum::{
    Router,
    body::Body,
    extract::{RawQuery, State},
    http::{Method, StatusCode, header},
    middleware::from_fn,
    response::{IntoResponse as _, Response},
    routing::any,
};
use prometheus_client::metrics::gauge::Gauge;
use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};
use tickets::{Client, Tickets};

/// How many answers that are no scrapes there may be at once.
const MAX_VIEWS: usize = 8;

/// What the routes need.
pub struct App {
    /// Replaced as a whole when the config is read again.
    running: RwLock<Running>,
    web: Web,
    offers: Vec<Offer>,
    histograms: Histograms,
    created: Created,
    epoch: Epoch,
    /// For scrapes.
    scrapes: Tickets,
    /// For what people look at.
    views: Tickets,
    answers: Answers,
    conflicts: Mutex<metrics::Conflicts>,
    recorder: Arc<Recorder>,
    started: Instant,
    shutdown: Shutdown,
    reload: reload::Handle,
}

/// The collectors and the config that they were opened with.
#[derive(Clone)]
struct Running {
    registry: Arc<Registry>,
    config: Arc<Config>,
    scrape: Arc<Scrape>,
}

impl Running {
    fn new(registry: Registry, config: Arc<Config>) -> Self {
        Self { registry: Arc::new(registry), scrape: Arc::new(config.section()), config }
    }
}

impl App {
    /// `config` is what `registry` was opened with.
    #[must_use]
    pub fn new(
        registry: Registry,
        config: Arc<Config>,
        own: Arc<Own>,
        shutdown: Shutdown,
        reload: reload::Handle,
    ) -> Arc<Self> {
        let web = config.section::<Web>();
        let offers = web.formats.iter().filter_map(|format| match format {
            WebFormat::Protobuf => Some(Offer::Protobuf),
            WebFormat::OpenMetrics => Some(Offer::OpenMetrics),
            WebFormat::OpenMetrics2 => Some(Offer::OpenMetrics2),
            WebFormat::Text => None,
        });
        let part = if web.disable_exporter_metrics { Part::Always } else { Part::All };
        let max_scrapes = usize::try_from(web.max_requests).ok().filter(|max| *max > 0);
        let in_flight = own.in_flight.clone();
        Arc::new(Self {
            offers: offers.collect(),
            histograms: if web.classic_histograms {
                Histograms::NativeAndClassic
            } else {
                Histograms::Native
            },
            created: if web.created_samples { Created::Sampled } else { Created::LeftOut },
            epoch: Epoch::default(),
            scrapes: Tickets::new(max_scrapes, in_flight),
            views: Tickets::new(Some(MAX_VIEWS), Gauge::default()),
            answers: Answers::new(own, part),
            conflicts: Mutex::default(),
            recorder: Recorder::new(web.recorder),
            started: Instant::now(),
            running: RwLock::new(Running::new(registry, config)),
            web,
            shutdown,
            reload,
        })
    }

    /// Answers with other collectors from now on. Scrapes under way end with those they began with.
    pub fn replace(&self, registry: Registry, config: Arc<Config>) {
        let mut running = self.running.write().unwrap_or_else(PoisonError::into_inner);
        *running = Running::new(registry, config);
    }

    /// Begins what goes on without anybody asking. To be called inside of a runtime.
    pub fn begin(self: &Arc<Self>) {
        let app = Arc::clone(self);
        self.recorder.start(move || app.registry());
    }

    /// The collectors that answer now.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.running().registry
    }

    /// An answer for people, whose number is bounded as that of scrapes is.
    async fn view(&self, client: Client, make: impl FnOnce(&Self) -> Vec<u8>) -> Response {
        const PATIENCE: Duration = Duration::from_secs(1);
        match self.views.take(client, PATIENCE).await {
            Some(ticket) => ticket.answer(make(self)).into_response(),
            None => access::refusal(StatusCode::SERVICE_UNAVAILABLE, "Too many requests, try again later.\n"),
        }
    }

    fn running(&self) -> Running {
        self.running.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The routes of `app`. With the metrics at `/` every path that is not ours holds them, as with node_exporter, and at
/// `/m/` every path below.
pub fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/-/healthy", any(async || plain_text("hostlens is healthy.\n")))
        .route("/-/ready", any(ready))
        .route("/-/reload", any(reload_config));
    if app.web.enable_ui {
        router = router
            .route("/api/v1/collectors", any(api::collectors))
            .route("/api/v1/status", any(api::status))
            .route("/api/v1/recorder", any(api::recorder))
            .route("/api/v1/groups", any(api::groups_now));
    }
    let path = request::route(&app.web.telemetry_path.0);
    router = match path.strip_suffix('/') {
        Some("") => router.fallback(metrics::metrics),
        below => {
            if let Some(folder) = below {
                let target = path.clone();
                let to_folder = async move |method: Method, RawQuery(query): RawQuery| {
                    request::moved(&method, &target, query.as_deref())
                };
                router = router
                    .route(folder, any(to_folder))
                    .route(&format!("{path}{{*below}}"), any(metrics::metrics));
            }
            router.route(&path, any(metrics::metrics)).route("/", any(page::page)).fallback(not_found)
        }
    };
    // Around a router: what is inside of one is reached by a path that is known already.
    Router::new().fallback_service(router.with_state(Arc::clone(app))).layer(from_fn(request::normalize))
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.shutdown.has_begun() {
        return access::refusal(StatusCode::SERVICE_UNAVAILABLE, "hostlens is about to end.\n");
    }
    plain_text("hostlens is ready.\n")
}

/// As Prometheus' own: POST or PUT, where the config allows it.
async fn reload_config(State(app): State<Arc<App>>, method: Method) -> Response {
    if method != Method::POST && method != Method::PUT {
        return access::refusal(StatusCode::METHOD_NOT_ALLOWED, "Only POST or PUT requests allowed.\n");
    }
    if !app.web.enable_lifecycle {
        return access::refusal(
            StatusCode::FORBIDDEN,
            "Reloading by HTTP is off: see web.enable_lifecycle.\n",
        );
    }
    match app.reload.reload().await {
        Some(Ok(changes)) => plain_text(changes),
        Some(Err(problems)) => access::refusal(StatusCode::BAD_REQUEST, problems),
        None => access::refusal(StatusCode::SERVICE_UNAVAILABLE, "hostlens is about to end.\n"),
    }
}

async fn not_found() -> Response {
    access::refusal(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn plain_text(text: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text.into()).into_response()
}

#[cfg(test)]
mod tests;
