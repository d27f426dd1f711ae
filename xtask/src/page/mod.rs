//! `cargo xtask page`: the agent's page in a real browser.

mod browser;

use std::{
    fs,
    hint::black_box,
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::process::{cargo, run as run_command, workspace};
use browser::Browser;

pub(crate) const SUMMARY: &str =
    "drive the agent's page in Chromium: views, search, keyboard, contrast; pictures";
pub(crate) const HELP: &str = "\
usage: cargo xtask page

Needs Chromium (apt-get install chromium). Leaves pictures of the page in target/page, at 1280 and 390 pixels, light and
dark: look at them. Takes half a minute.
";

/// The contrast of each colour of text with both grounds, and of lines with that of charts (WCAG 2.2: 4.5 and 3).
const CONTRAST: &str = r##"(() => {
  const style = getComputedStyle(document.documentElement);
  const light = name => {
    const hex = style.getPropertyValue("--" + name).trim().slice(1);
    const full = hex.length === 3 ? [...hex].map(it => it + it).join("") : hex;
    const part = at => { const v = parseInt(full.slice(at, at + 2), 16) / 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
    return .2126 * part(0) + .7152 * part(2) + .0722 * part(4);
  };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + .05) / (Math.min(x, y) + .05); };
  const texts = ["fg", "dim", "link", "bad", "warn", "good"].flatMap(it => [[it, "bg", 4.5], [it, "card", 4.5]]);
  const lines = Array.from({ length: 8 }, (_, i) => ["c" + i, "card", 3]);
  return [...texts, ...lines].filter(([a, b, least]) => ratio(a, b) < least).map(([a, b]) => a + " on " + b + ": " + ratio(a, b).toFixed(2));
})()"##;

pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "page takes no arguments");
    run_command(cargo().args(["build", "--package", "hostlens"]))?;
    let pictures = workspace().join("target/page");
    fs::create_dir_all(&pictures)?;
    let agent = Agent::start()?;
    let mut browser = Browser::start()?;
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.screen(width, scheme)?;
        browser.ask("Page.navigate", &json!({"url": agent.url}))?;
        wait(&mut browser, "document.readyState === 'complete' && !!document.querySelector('figure li')")?;
        sleep(Duration::from_secs(5));
        browser.picture(&pictures.join(format!("{width}-{scheme}.png")))?;
        let width_of_page = browser.evaluate("document.documentElement.scrollWidth")?;
        ensure!(width_of_page == json!(width), "the page is {width_of_page} pixels wide on {width}");
        let faint = browser.evaluate(CONTRAST)?;
        ensure!(faint == json!([]), "too little contrast in {scheme}: {faint}");
    }
    browser.screen(1280, "light")?;
    charts(&mut browser)?;
    search(&mut browser)?;
    let foreign = "performance.getEntriesByType('resource').map(it => it.name).filter(it => !it.startsWith(location.origin))";
    let foreign = browser.evaluate(foreign)?;
    ensure!(foreign == json!([]), "the page asked others: {foreign}");
    // Every fifteen seconds it renews what it says of collectors.
    browser.evaluate("document.querySelector('#collectors table').id = 'old'")?;
    wait(&mut browser, "!document.getElementById('old')")?;
    ensure!(browser.said.is_empty(), "the console has {}", browser.said.join("\n"));
    println!("the page works; pictures are in {}", pictures.display());
    Ok(())
}

/// An amount of memory as the page shows it.
fn gib(text: &Value) -> Result<f64> {
    let shown = || text.as_str()?.split_once(' ');
    let (number, unit) = shown().with_context(|| format!("the page shows {text}"))?;
    let units = match unit {
        "MiB" => 1024.0,
        "GiB" => 1.0,
        _ => bail!("the page shows {text}"),
    };
    Ok(number.parse::<f64>()? / units)
}

/// Views, the cursor by keyboard, and what a load does to a line.
fn charts(browser: &mut Browser) -> Result<()> {
    browser.evaluate("document.querySelector('[data-minutes=\"1\"]').click()")?;
    let pressed =
        browser.evaluate("document.querySelector('[data-minutes][aria-pressed=true]').textContent")?;
    ensure!(pressed == json!("1 min"), "the view is of {pressed}");
    browser.evaluate("document.querySelector('canvas').focus()")?;
    for _ in 0..3 {
        browser.press("ArrowLeft")?;
    }
    let told = browser.evaluate("document.getElementById('told').textContent")?;
    ensure!(told.as_str().is_some_and(|it| it.contains(':')), "the cursor's time is {told}");
    browser.press("Escape")?;

    let used = "[...document.querySelectorAll('figure li')].find(it => it.textContent.startsWith('used: ')).textContent.slice(6)";
    let drawn = "document.querySelectorAll('canvas')[1].toDataURL()";
    let (before, drawn_before) = (gib(&browser.evaluate(used)?)?, browser.evaluate(drawn)?);
    let load = black_box(vec![1_u8; 2 << 30]);
    sleep(Duration::from_secs(4));
    let (after, drawn_after) = (gib(&browser.evaluate(used)?)?, browser.evaluate(drawn)?);
    drop(load);
    ensure!(after - before > 1.0, "memory used was {before} and is {after} GiB after 2 GiB more");
    ensure!(drawn_before != drawn_after, "the chart of memory does not move");
    Ok(())
}

/// Finds families by keyboard, with their values, and says why one is missing.
fn search(browser: &mut Browser) -> Result<()> {
    for key in "/disk written bytes".chars() {
        browser.press(&key.to_string())?;
    }
    let query = browser.evaluate("document.getElementById('query').value")?;
    ensure!(query == json!("disk written bytes"), "the search holds {query}");
    let found = "document.getElementById('found').textContent";
    ensure!(
        browser.evaluate(found)?.as_str().is_some_and(|it| it.contains("node_disk_written_bytes_total")),
        "not found"
    );
    let mut look_up = |name: &str, expected: &str| -> Result<()> {
        browser.evaluate(&format!(
            "(() => {{ const it = document.getElementById('query'); it.value = '{name}'; it.dispatchEvent(new Event('input')); }})()"
        ))?;
        wait(browser, &format!("{found}.includes({})", json!(expected)))
            .with_context(|| format!("look up {name}"))
    };
    look_up("node_memory_MemTotal_bytes", "node_memory_MemTotal_bytes")?;
    look_up("node_slabinfo_objects", "Missing: the collector slabinfo is not enabled. What helps: ")
}

/// Waits until an expression is true.
fn wait(browser: &mut Browser, expression: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while browser.evaluate(expression)? != json!(true) {
        ensure!(Instant::now() < deadline, "{expression} does not come true");
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// On a free port, ended on drop.
struct Agent {
    child: Child,
    url: String,
}

impl Agent {
    fn start() -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(workspace().join("target/debug/hostlens"));
        command.arg(format!("--web.listen-address={address}")).stdout(Stdio::null()).stderr(Stdio::null());
        let mut agent =
            Self { child: command.spawn().context("start hostlens")?, url: format!("http://{address}/") };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            if let Some(status) = agent.child.try_wait()? {
                bail!("hostlens ended: {status}");
            }
            ensure!(Instant::now() < deadline, "hostlens does not listen");
            sleep(Duration::from_millis(50));
        }
        Ok(agent)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
