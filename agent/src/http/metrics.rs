//! The metrics themselves: which collectors a request asks for, in which form, and by when.

use super::{
    App, Running,
    access::refusal,
    answer::Answer,
    request,
    tickets::{Client, Ticket},
};
use crate::{
    config::Scrape,
    exposition::{Coding, Encoder, Format},
    metric::Conflict,
    scrape::{Registry, SHORTEST, Selection},
};
use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};
use tracing::{error, info, warn};

/// However long a scraper would wait, a scrape ends by then.
const LONGEST: Duration = Duration::from_secs(300);

/// What a query asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    collect: Vec<String>,
    exclude: Vec<String>,
    /// Families.
    name: Vec<String>,
}

impl Query {
    fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for (key, value) in request::pairs(text) {
            match &*key {
                "collect[]" => query.collect.push(value),
                "exclude[]" => query.exclude.push(value),
                "name[]" => query.name.push(value),
                _ => {}
            }
        }
        query
    }

    /// The collectors to run, or node_exporter's words for why not. As there, leaving out every collector that is
    /// enabled leaves out none.
    fn selection(&self, registry: &Registry) -> Result<Selection, String> {
        match (&self.collect[..], &self.exclude[..]) {
            ([], []) => Ok(Selection::All),
            ([], excluded) if registry.names().all(|name| excluded.iter().any(|it| it == name)) => {
                Ok(Selection::All)
            }
            ([], excluded) => Ok(Selection::Except(excluded.to_vec())),
            (wanted, []) => match wanted.iter().find(|name| !registry.has(name)) {
                None => Ok(Selection::Only(wanted.to_vec())),
                Some(name) => {
                    let problem = if registry.knows(name) { "disabled" } else { "missing" };
                    Err(format!(
                        "Couldn't create filtered metrics handler: couldn't create collector: {problem} collector: {}",
                        shortened(name)
                    ))
                }
            },
            _ => Err("Combined collect and exclude queries are not allowed.".to_owned()),
        }
    }

    /// Whether it names collectors.
    fn is_filtered(&self) -> bool {
        !self.collect.is_empty() || !self.exclude.is_empty()
    }
}

pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    client: Client,
) -> Response {
    let start = Instant::now();
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let Running { registry, scrape, .. } = app.running();
    let selection = match query.selection(&registry) {
        Ok(selection) => selection,
        Err(problem) => {
            let mut response = refusal(StatusCode::BAD_REQUEST, problem);
            response.headers_mut().remove(header::X_CONTENT_TYPE_OPTIONS);
            return response;
        }
    };
    let is_filtered = query.is_filtered();
    let limit = time_limit(&headers, &scrape);
    let Some(ticket) = app.scrapes.take(client, limit / 2).await else {
        app.answers.own.count_answer("503", start.elapsed());
        let max = app.web.max_requests;
        let text = format!("Limit of concurrent requests reached ({max}), try again later.\n");
        return refusal(StatusCode::SERVICE_UNAVAILABLE, text);
    };
    let encoder = Encoder {
        format: Format::negotiate(&joined(&headers, header::ACCEPT), &app.offers),
        histograms: app.histograms,
        epoch: app.epoch.unix(),
        created: app.created,
        names: query.name,
    };
    let coding =
        app.web.compression.then(|| Coding::negotiate(&joined(&headers, header::ACCEPT_ENCODING))).flatten();
    let deadline = start + limit;
    let format = encoder.format;
    let content_type = format.content_type();

    let at_work = Arc::clone(&app);
    let write = move |parts: &[&_]| at_work.answers.write(parts, &encoder, coding);
    let at_work = Arc::clone(&app);
    let own = &app.answers.own;
    // A task of its own: a client that goes away must not leave a scrape half done, nor uncounted.
    let scrape = tokio::spawn(async move {
        let (answered, code) = match registry.scrape(&selection, deadline, write).await {
            Ok(answer) => {
                at_work.note(&answer, format, is_filtered);
                (response(answer, ticket, &content_type), "200")
            }
            Err(busy) => (refusal(StatusCode::SERVICE_UNAVAILABLE, format!("{busy}\n")), "503"),
        };
        at_work.answers.own.count_answer(code, start.elapsed());
        answered
    });
    scrape.await.unwrap_or_else(|error| {
        error!(%error, "a scrape broke");
        own.count_answer("500", start.elapsed());
        refusal(StatusCode::INTERNAL_SERVER_ERROR, "The scrape broke, see the log.\n")
    })
}

fn response(answer: Answer, ticket: Ticket, content_type: &str) -> Response {
    let mut response = Response::new(ticket.answer(answer.body));
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_str(content_type).expect("content types are of our own making");
    headers.insert(header::CONTENT_TYPE, content_type);
    if let Some(coding) = answer.coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    }
    response
}

impl App {
    /// Counts the answer, and logs what had to be left out of it when that changes.
    fn note(&self, answer: &Answer, format: Format, is_filtered: bool) {
        let own = &self.answers.own;
        own.count_bytes(answer.coding.map_or("identity", Coding::as_str), answer.body.as_ref().len());
        if let Some(error) = &answer.compression_error {
            own.count_error("encoding");
            error!(%error, "answer could not be compressed");
        }
        if !answer.conflicts.is_empty() {
            own.count_error("gathering");
        }
        // A filtered scrape sees some of the conflicts only: it would seem to end the others.
        if !is_filtered {
            let mut known = self.conflicts.lock().unwrap_or_else(PoisonError::into_inner);
            known.put(format, &answer.conflicts);
        }
    }
}

/// No collector has a longer name, and whoever asks is not to be given back what they sent.
fn shortened(name: &str) -> String {
    const LONG: usize = 64;
    name.chars().take(LONG).collect()
}

/// What was left out of the last answer in each format: they do not refuse the same, and are asked for in turns.
#[derive(Default)]
pub(super) struct Conflicts {
    by_format: Vec<(Format, Vec<Conflict>)>,
}

impl Conflicts {
    pub(super) fn all(&self) -> Vec<Conflict> {
        let mut all: Vec<Conflict> = Vec::new();
        for it in self.by_format.iter().flat_map(|(_, conflicts)| conflicts) {
            if !all.contains(it) {
                all.push(it.clone());
            }
        }
        all
    }

    /// Logs what is new, and that nothing is left out in any format.
    fn put(&mut self, format: Format, now: &[Conflict]) {
        let known = self.by_format.iter().find(|(it, _)| *it == format);
        if known.map_or(&[][..], |(_, conflicts)| conflicts) == now {
            return;
        }
        let before = self.all();
        for it in now.iter().filter(|it| !before.contains(it)) {
            warn!(family = it.family, "samples are left out: {}", it.why);
        }
        self.by_format.retain(|(it, _)| *it != format);
        if !now.is_empty() {
            self.by_format.push((format, now.to_vec()));
        } else if self.by_format.is_empty() {
            info!("no samples are left out any more");
        }
    }
}

/// All of a header's lines as the one list that they are.
fn joined(headers: &HeaderMap, name: HeaderName) -> String {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    lines.join(",")
}

/// How long the scrape may take: the scraper's own timeout, which Prometheus sends, less a margin.
pub(super) fn time_limit(headers: &HeaderMap, scrape: &Scrape) -> Duration {
    let timeout = headers
        .get("x-prometheus-scrape-timeout-seconds")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    // A margin that leaves nothing would be worse than none.
    let limit = timeout
        .map_or(scrape.default_timeout, |limit| limit.saturating_sub(scrape.deadline_offset.min(limit / 4)));
    limit.clamp(SHORTEST, LONGEST)
}
