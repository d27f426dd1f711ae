//! What the systemd collector shows of a real systemd, beside a real node_exporter that asks the same one.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::service::{Page, Service};

pub(super) const JUDGE: &str = "/usr/bin/node_exporter-judge";

const N_UNITS: usize = 500;
const FLAGS: &str = "--collector.systemd --collector.logind --collector.systemd.enable-task-metrics \
                     --collector.systemd.enable-restarts-metrics --collector.systemd.enable-start-time-metrics \
                     --collector.systemd.unit-exclude=.+[.](automount|device|scope|slice)";
/// What moves while it is asked for.
const MOVES: &[&str] = &["node_systemd_unit_tasks_current{", "node_systemd_timer_last_trigger_seconds{"];
const SUCCESS: &str = "node_scrape_collector_success{collector=\"systemd\"}";
const N_SCRAPES: u32 = 10;

/// Starts many units, one that never ends starting and one that fails, and the judge.
pub(super) fn shows_units(it: &Service) -> Result<String> {
    let unit = |name: &str, text: &str| it.container().write(&format!("/etc/systemd/system/{name}"), text);
    unit("many@.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n")?;
    unit("hangs.service", "[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=sleep infinity\n")?;
    unit("fails.service", "[Service]\nExecStart=/bin/false\n")?;
    unit("listens.socket", "[Socket]\nListenStream=127.0.0.1:9300\nAccept=yes\n")?;
    unit("listens@.service", "[Service]\nExecStart=/bin/true\nStandardInput=socket\n")?;
    unit(
        "judge.service",
        &format!(
            "[Service]\nExecStart={JUDGE} --web.listen-address=127.0.0.1:9200 --collector.disable-defaults {FLAGS}\n"
        ),
    )?;
    it.container().output(&["systemctl", "daemon-reload"])?;
    let many = format!("systemctl start $(seq --format=many@%g.service {N_UNITS})");
    it.container().output(&["sh", "-c", &many])?;
    it.container().output(&["systemctl", "start", "--no-block", "hangs.service"])?;
    it.container().output(&["systemctl", "start", "listens.socket", "judge.service", "fails.service"])?;
    it.restart("", &format!("ARGS=\"{FLAGS}\"\n"))?;
    it.wait_until("the judge serves and a unit fails", |it| {
        let is_up = judge(it).is_ok();
        Ok(is_up && it.systemctl("is-failed", "fails.service")?.is_success)
    })?;
    let (ours, theirs) = (it.scrape()?, judge(it)?);
    let n_series = agree(&ours, &theirs)?;
    let state = |unit: &str, state: &str| {
        ours.get(&format!("node_systemd_unit_state{{name=\"{unit}\",state=\"{state}\",type=\"oneshot\"}}"))
    };
    ensure!(state("hangs.service", "activating")? == 1.0, "the unit that hangs is not seen");
    ensure!(state("many@500.service", "active")? == 1.0, "the last unit is not seen");
    let cost = |unit: &str, scrape: &dyn Fn() -> Result<Page>| -> Result<(f64, f64)> {
        let (before, systemd_before) = (cpu(it, unit)?, systemd_cpu(it)?);
        for _ in 0..N_SCRAPES {
            scrape()?;
        }
        let milliseconds = |spent: Duration| spent.as_secs_f64() * 1000.0 / f64::from(N_SCRAPES);
        Ok((milliseconds(cpu(it, unit)? - before), milliseconds(systemd_cpu(it)? - systemd_before)))
    };
    let (theirs, systemd_for_them) = cost("judge.service", &|| judge(it))?;
    let (ours, systemd_for_us) = cost("hostlens.service", &|| it.scrape())?;
    Ok(format!(
        "{n_series} series as node_exporter's; CPU a scrape {ours:.1} ms (all collectors) and {systemd_for_us:.0} of \
         systemd and bus, node_exporter {theirs:.1} and {systemd_for_them:.0}"
    ))
}

/// Stops systemd itself for a while.
pub(super) fn outlives_systemd(it: &Service) -> Result<String> {
    it.container().signal_init(nix::sys::signal::Signal::SIGSTOP)?;
    let started = Instant::now();
    let page = it.scrape();
    let took = started.elapsed();
    it.container().signal_init(nix::sys::signal::Signal::SIGCONT)?;
    let page = page.context("scrape while systemd stands still")?;
    ensure!(page.get(SUCCESS)? == 0.0, "the collector says that all is well");
    ensure!(page.get("node_load1").is_ok(), "other collectors suffer");
    it.wait_until("systemd answers again", |it| Ok(it.scrape()?.get(SUCCESS)? == 1.0))?;
    it.systemctl("restart", "dbus.service")?;
    it.wait_until("the bus is found again", |it| Ok(it.scrape()?.get(SUCCESS)? == 1.0))?;
    it.container().output(&[
        "systemctl",
        "stop",
        "judge.service",
        "hangs.service",
        "listens.socket",
        "many@*",
    ])?;
    it.container().output(&["systemctl", "reset-failed"])?;
    it.restart("", "")?;
    Ok(format!("a scrape of {:.1} s without systemd's series, the next one whole", took.as_secs_f64()))
}

fn judge(it: &Service) -> Result<Page> {
    it.page("127.0.0.1:9200")
}

/// How many series of both are the same, which is all.
fn agree(ours: &Page, theirs: &Page) -> Result<usize> {
    let is_of_systemd = |it: &&str| it.starts_with("node_systemd_") || it.starts_with("node_logind_");
    let names = |page: &'_ Page| -> BTreeSet<String> {
        page.names().filter(is_of_systemd).map(str::to_owned).collect()
    };
    let (our_names, their_names) = (names(ours), names(theirs));
    let missing: Vec<_> = their_names.difference(&our_names).take(10).collect();
    let more: Vec<_> = our_names.difference(&their_names).take(10).collect();
    ensure!(missing.is_empty() && more.is_empty(), "missing: {missing:#?}, too many: {more:#?}");
    for name in our_names.iter().filter(|name| !MOVES.iter().any(|it| name.starts_with(it))) {
        let (ours, theirs) = (ours.get(name)?, theirs.get(name)?);
        ensure!(ours == theirs, "{name} is {ours}, and {theirs} of node_exporter");
    }
    Ok(our_names.len())
}

/// What a service has taken.
fn cpu(it: &Service, unit: &str) -> Result<Duration> {
    let nanoseconds =
        it.container().output(&["systemctl", "show", "--value", "--property=CPUUsageNSec", unit])?;
    Ok(Duration::from_nanos(nanoseconds.parse().with_context(|| format!("CPUUsageNSec is {nanoseconds}"))?))
}

/// What systemd itself and the bus have taken, by the kernel's ticks.
fn systemd_cpu(it: &Service) -> Result<Duration> {
    const TICK: Duration = Duration::from_millis(10);
    let init = it.container().output(&["cat", "/proc/1/stat"])?;
    let ticks = init.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().skip(11).take(2);
    let ticks: Vec<u32> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    Ok(TICK * ticks.iter().sum::<u32>() + cpu(it, "dbus.service")?)
}
