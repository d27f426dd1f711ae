//! `/`: the host, what is wrong with what would help, charts of the last minutes, and every collector. One answer:
//! nothing is loaded from elsewhere, and without a script all but the charts and the search is there.

mod html;

use super::{
    App, request,
    status::{Problem, Status, duration},
    tickets::Client,
};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use html::Html;
use ring::rand::{SystemRandom, generate};
use std::{sync::Arc, time::Duration};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const CHARTS: &str = include_str!("charts.html");

pub(super) async fn page(State(app): State<Arc<App>>, client: Client) -> Response {
    let nonce = nonce();
    let mut response = app.view(client, |app| render(app, &nonce).into_bytes()).await;
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::try_from(policy).expect("digits are visible");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// What only this answer's style and script know. Without random numbers it is nobody's.
fn nonce() -> String {
    let random = generate::<[u8; 16]>(&SystemRandom::new()).map(|it| it.expose());
    random
        .map_or_else(|_| "none".to_owned(), |bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn render(app: &App, nonce: &str) -> String {
    let mut out = Html::default();
    // Behind a proxy the agent may stand in a folder.
    let metrics = &format!(".{}", request::route(&app.web.telemetry_path.0));
    let status = Status::new(app);
    let host = &status.host;
    out.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    out.raw("<meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\"><title>");
    out.text(host);
    out.raw(" · hostlens</title><style nonce=\"").raw(nonce).raw("\">").raw(STYLE).raw("</style></head>");
    out.raw("<body data-metrics=\"").text(metrics).raw("\"><header><h1>").text(host).raw("</h1><p>Linux ");
    out.text(&status.kernel).raw(" · ").text(&status.machine);
    out.raw(" · up ").text(&duration(Duration::from_secs(status.uptime_seconds)));
    out.raw(" · hostlens ").text(&status.version).raw(", running for ");
    out.text(&duration(Duration::from_secs(status.running_seconds))).raw("</p><nav><a href=\"").text(metrics);
    out.raw("\">Metrics</a>");
    if app.web.enable_ui {
        out.raw(" <a href=\"api/v1/collectors\">Collectors as JSON</a></nav></header><main>\n");
        let collectors: Vec<_> = app.registry().collectors().map(|(entry, it)| (entry.view(), it)).collect();
        wrong(&status, &mut out);
        if app.recorder.is_allowed() {
            out.raw(CHARTS);
        }
        html::search(&mut out);
        html::collectors(&collectors, &mut out);
        out.raw("</main><script nonce=\"").raw(nonce).raw("\">").raw(SCRIPT).raw("</script>");
    } else {
        out.raw("</nav></header>");
    }
    out.raw("</body></html>\n");
    out.0
}

/// What somebody should see to, as far as it is known.
fn wrong(status: &Status, out: &mut Html) {
    if let Status { not_run: 0, problems, .. } = status
        && problems.is_empty()
    {
        out.raw("<section id=\"wrong\" class=\"well\"><h2>Nothing is wrong</h2></section>\n");
        return;
    }
    out.raw("<section id=\"wrong\"><h2>");
    out.raw(if status.problems.is_empty() { "Not known yet" } else { "What is wrong" }).raw("</h2>");
    if let Some(it) = status.unknown() {
        out.raw("<p>").text(&it).raw("</p>");
    }
    out.raw("<ul>\n");
    for Problem { state, what, reason, remedy } in &status.problems {
        out.raw("<li class=\"").text(state).raw("\"><b>").text(what).raw("</b>");
        // What a diagnostic says has lines.
        match reason.trim_end() {
            lines if lines.contains('\n') => out.raw("<pre>").text(lines).raw("</pre>"),
            reason => out.raw(": ").text(reason).raw("."),
        };
        out.raw("<p>What helps: ").text(remedy).raw(".</p>\n");
    }
    out.raw("</ul></section>\n");
}
