//! The page at `/` and the flight recorder behind its charts, as far as it needs no browser: `cargo xtask page` drives it
//! in one.

use hostlens_tests::{Agent, agent::Response};
use rustix::process::Signal;
use std::{thread, time::Duration};

const NO_PROBES: &str = "--ebpf.enabled=never";

/// A page is never larger, whatever it shows.
const MAX_BYTES: usize = 80_000;

fn page(agent: &Agent) -> Response {
    let answer = agent.get("/", &[]).unwrap();
    assert_eq!(answer.status, 200);
    answer
}

fn recorded(agent: &Agent, since: u64) -> serde_json::Value {
    let answer = agent.get(&format!("/api/v1/recorder?since={since}"), &[]).unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    serde_json::from_slice(&answer.body).unwrap()
}

fn times(recorded: &serde_json::Value) -> Vec<u64> {
    recorded["times"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect()
}

/// The text between `before` and the next `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} after {before:?}")).0
}

#[test]
fn the_page_holds_all_that_it_needs_and_lets_nothing_else_in() {
    let agent = Agent::start("", &["--preset=all-safe"]).unwrap();
    agent.scrape().unwrap();
    let answer = page(&agent);
    let policy = answer.header("content-security-policy").unwrap();
    let nonce = between(policy, "script-src 'nonce-", "'");
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    let html = answer.text();
    assert!(html.len() <= MAX_BYTES, "{} bytes", html.len());
    assert_eq!(html.matches(&format!(" nonce=\"{nonce}\">")).count(), 2);
    let again = page(&agent);
    assert_ne!(between(again.header("content-security-policy").unwrap(), "'nonce-", "'"), nonce);
    for foreign in ["://", "src=", "@import", "url(", " style=", " onclick", "innerHTML", "eval("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
}

#[test]
fn without_a_script_the_page_tells_what_is_wrong_and_what_would_help() {
    let agent = Agent::start("[collector.runqueue]\nenabled = true\n", &[NO_PROBES]).unwrap();
    agent.scrape().unwrap();
    let html = page(&agent).text();
    let wrong = between(&html, "<section id=\"wrong\">", "</section>");
    assert!(wrong.contains("<li class=\"unavailable\"><b>runqueue</b> unavailable: "), "{wrong}");
    assert!(wrong.contains("What helps: "), "{wrong}");
    let table = between(&html, "<section id=\"collectors\">", "</table>");
    assert!(
        table.contains("<tr class=\"running\"><th scope=\"row\">meminfo<td>running<td class=\"n\">"),
        "{table}"
    );
    assert!(html.contains("<noscript>") && html.contains("<dt>slabinfo<dd>Object caches"), "{html}");

    agent.configure("[web]\nmax_request = 1\n").unwrap();
    agent.signal(Signal::HUP).unwrap();
    agent
        .wait_until("the page tells of the config", || {
            Ok(page(&agent).text().contains("error: unknown key `max_request` in [web]\n  --&gt; "))
        })
        .unwrap();
}

#[test]
fn records_while_somebody_looks() {
    let agent = Agent::start("", &[NO_PROBES]).unwrap();
    assert_eq!(times(&recorded(&agent, 0)), [0; 0]);
    agent.wait_until("there are three points", || Ok(times(&recorded(&agent, 0)).len() >= 3)).unwrap();
    let all = recorded(&agent, 0);
    let idle = all["lines"]["node_cpu_seconds_total"]["idle"].as_array().unwrap();
    assert_eq!(idle.len(), times(&all).len());
    assert!(idle[0].is_null(), "a rate needs two readings");
    let n_cpus = thread::available_parallelism().unwrap().get() as f64;
    assert!((0.0..n_cpus * 1.2).contains(&idle[1].as_f64().unwrap()), "{idle:?}");
    let total = &all["lines"]["node_memory_MemTotal_bytes"][""][0];
    let scraped = agent.scrape().unwrap().value("node_memory_MemTotal_bytes", &[]).unwrap();
    assert!((total.as_f64().unwrap() / scraped - 1.0).abs() < 0.001, "{total} {scraped}");
    let since = times(&all)[1];
    assert!(times(&recorded(&agent, since)).iter().all(|time| *time > since));
    assert_eq!(times(&recorded(&agent, u64::MAX)), [0; 0]);
}

#[test]
fn records_at_no_time_or_always_where_the_config_says_so() {
    let agent = Agent::start("[web]\nrecorder = \"never\"\n", &[NO_PROBES]).unwrap();
    assert!(!page(&agent).text().contains("id=\"charts\""));
    recorded(&agent, 0);
    let always = Agent::start("[web]\nrecorder = \"always\"\n", &[NO_PROBES]).unwrap();
    thread::sleep(Duration::from_millis(2500));
    assert_eq!(times(&recorded(&agent, 0)), [0; 0]);
    assert!(times(&recorded(&always, 0)).len() >= 2);
}
