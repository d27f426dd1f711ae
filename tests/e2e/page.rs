//! The page at `/` and the flight recorder behind its charts, as far as it needs no browser: `cargo xtask page` drives it
//! in one.

use hostlens_tests::{Agent, agent::Response};
use rustix::process::Signal;
use std::{fs, thread, time::Duration};

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

/// The points of a line of a chart.
fn points<'a>(recorded: &'a serde_json::Value, title: &str, line: &str) -> &'a Vec<serde_json::Value> {
    let named = |list: &'a serde_json::Value, key: &str, name: &str| {
        list.as_array()
            .unwrap()
            .iter()
            .find(|it| it[key] == name)
            .unwrap_or_else(|| panic!("no {name}: {list}"))
    };
    named(&named(&recorded["charts"], "title", title)["lines"], "name", line)["points"].as_array().unwrap()
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
fn what_has_not_run_is_not_said_to_be_well() {
    let agent =
        Agent::start("", &[NO_PROBES, "--collector.disable-defaults", "--collector.loadavg"]).unwrap();
    let before = page(&agent).text();
    let known = "<h2>Not known yet</h2><p>1 collector has not run yet: no scrape has asked for it.</p>";
    assert!(before.contains(known) && !before.contains("Nothing is wrong"), "{before}");
    assert!(before.contains("<td>not run yet<td"), "{before}");
    let state = |agent: &Agent| {
        let body = agent.get("/api/v1/collectors", &[]).unwrap().body;
        let collectors: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let loadavg = collectors.as_array().unwrap().iter().find(|it| it["name"] == "loadavg").unwrap();
        loadavg["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&agent), "not_run");
    agent.scrape().unwrap();
    assert_eq!(state(&agent), "running");
    let after = page(&agent).text();
    assert!(after.contains("<h2>Nothing is wrong</h2>") && after.contains("<td>running<td"), "{after}");
}

#[test]
fn what_a_collector_left_out_is_told_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.prom");
    fs::write(&file, "good 1\nbad one\n").unwrap();
    let directory = format!("--collector.textfile.directory={}", folder.path().display());
    let args = [NO_PROBES, "--collector.disable-defaults", "--collector.textfile", &directory];
    let agent = Agent::start("", &args).unwrap();
    agent.scrape().unwrap();
    let html = page(&agent).text();
    let what = format!("<b>textfile left out {}, line 2</b>: ", file.display());
    assert!(html.contains(&what), "{html}");
    fs::write(&file, "good 1\n").unwrap();
    agent.scrape().unwrap();
    assert!(page(&agent).text().contains("Nothing is wrong"));

    for it in 0..9 {
        fs::write(folder.path().join(format!("{it}.prom")), "bad one\n").unwrap();
    }
    agent.scrape().unwrap();
    let html = page(&agent).text();
    assert_eq!(html.matches("textfile left out").count(), 5, "{html}");
    assert!(html.contains("; and 4 more, see the log."), "{html}");
}

#[test]
fn what_one_format_refuses_is_told_once_for_scrapers_of_two() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.prom");
    let put = |quantile: &str| {
        let text =
            format!("# TYPE wait summary\nwait{{quantile=\"{quantile}\"}} 1\nwait_sum 1\nwait_count 1\n");
        fs::write(&file, text).unwrap();
    };
    put("2");
    let directory = format!("--collector.textfile.directory={}", folder.path().display());
    let args = [NO_PROBES, "--collector.disable-defaults", "--collector.textfile", &directory];
    let agent = Agent::start("[web]\nformats = ['openmetrics2', 'text']\n", &args).unwrap();
    let scrape_in_turns = || {
        for media_type in ["application/openmetrics-text;version=2.0.0", "text/plain"].repeat(3) {
            agent.get("/metrics", &[("accept", media_type)]).unwrap();
        }
    };
    scrape_in_turns();
    assert_eq!(agent.log().matches("samples are left out: a quantile").count(), 1, "{}", agent.log());
    assert!(page(&agent).text().contains("wait lacks samples"));

    put("0.5");
    scrape_in_turns();
    assert_eq!(agent.log().matches("no samples are left out any more").count(), 1, "{}", agent.log());
    assert!(page(&agent).text().contains("Nothing is wrong"));
}

#[test]
fn without_a_script_the_page_tells_what_is_wrong_and_what_would_help() {
    let agent = Agent::start("[collector.runqueue]\nenabled = true\n", &[NO_PROBES]).unwrap();
    agent.scrape().unwrap();
    let html = page(&agent).text();
    let wrong = between(&html, "<section id=\"wrong\">", "</section>");
    assert!(wrong.contains("<li class=\"unavailable\"><b>runqueue is unavailable</b>: "), "{wrong}");
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
    let user = points(&all, "CPU", "user");
    assert_eq!(user.len(), times(&all).len());
    assert!(user[0].is_null(), "a rate needs two readings");
    assert!((0.0..=1.0).contains(&user[1].as_f64().unwrap()), "{user:?}");
    let parts = ["used", "can be freed", "free"].map(|it| points(&all, "Memory", it)[0].as_f64().unwrap());
    let total: f64 = parts.iter().sum();
    let scraped = agent.scrape().unwrap().value("node_memory_MemTotal_bytes", &[]).unwrap();
    assert!((total / scraped - 1.0).abs() < 0.001, "{total} {scraped}");
    let missing =
        all["charts"].as_array().unwrap().iter().find(|it| it["title"] == "Wait for a CPU").unwrap();
    assert!(missing["missing"].as_str().unwrap().contains("What helps: "), "{missing}");
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

#[test]
fn the_page_tells_of_a_web_config_file_that_cannot_be_used() {
    let agent = Agent::start_prepared("", &["--web.config.file=web.yml", NO_PROBES], |folder, _| {
        fs::write(folder.join("web.yml"), "http_server_config: {http2: false}\n").unwrap();
    })
    .unwrap();
    let told = "<b>the changed web config has errors; hostlens keeps using the previous one</b>";
    let tells = |is_told: bool| {
        let waited = agent.wait_until("the page tells of the web config", || {
            thread::sleep(Duration::from_millis(500));
            Ok(page(&agent).text().contains(told) == is_told)
        });
        waited.unwrap();
    };
    tells(false);
    fs::write(agent.path("web.yml"), "http_server_confg: {}\n").unwrap();
    tells(true);
    fs::write(agent.path("web.yml"), "http_server_config: {http2: true}\n").unwrap();
    tells(false);
}

#[test]
fn the_api_tells_what_the_page_begins_with() {
    let agent = Agent::start("[collector.cgroup_usage]\nenabled = true\n", &[NO_PROBES]).unwrap();
    let json = |path: &str| -> serde_json::Value {
        let answer = agent.get(path, &[]).unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        serde_json::from_slice(&answer.body).unwrap()
    };
    let status = json("/api/v1/status");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(status["host"], host.trim());
    let uptime: f64 = fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((status["uptime_seconds"].as_f64().unwrap() - uptime).abs() < 5.0, "{status} {uptime}");
    let groups = json("/api/v1/groups");
    let uses = |it: &serde_json::Value| it["kind"] == "cgroup" && it["memory_bytes"].as_f64() > Some(0.0);
    assert!(groups.as_array().unwrap().iter().any(uses), "{groups}");
}
