//! hostlens.service in a container, as its administrator sees it.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::container::{Answer, Container};

pub(crate) const BINARY: &str = "/usr/bin/hostlens";
pub(crate) const CONFIG: &str = "/etc/hostlens/hostlens.toml";
const ARGS: &str = "/etc/default/hostlens";
/// For what is to come about by itself.
const LIMIT: Duration = Duration::from_secs(15);

/// The service's container.
pub(crate) struct Service(Container);

impl Service {
    pub(crate) fn new(container: Container) -> Self {
        Self(container)
    }

    pub(crate) fn container(&self) -> &Container {
        &self.0
    }

    /// Starts the service anew with this config and these flags.
    pub(crate) fn restart(&self, config: &str, args: &str) -> Result<()> {
        self.configure(config)?;
        self.0.write(ARGS, args)?;
        self.0.output(&["systemctl", "restart", "hostlens.service"]).map(drop)
    }

    pub(crate) fn configure(&self, config: &str) -> Result<()> {
        self.0.write(CONFIG, config)
    }

    /// `systemctl VERB UNIT`, whatever comes of it.
    pub(crate) fn systemctl(&self, verb: &str, unit: &str) -> Result<Answer> {
        self.0.run(&["systemctl", verb, unit])
    }

    /// A property of the service: systemctl(1), `show`.
    pub(crate) fn property(&self, name: &str) -> Result<String> {
        self.0.output(&["systemctl", "show", "--value", "--property", name, "hostlens.service"])
    }

    /// Adds settings to the service until the container ends.
    pub(crate) fn drop_in(&self, name: &str, settings: &str) -> Result<()> {
        let path = format!("/etc/systemd/system/hostlens.service.d/{name}.conf");
        self.0.write(&path, &format!("[Service]\n{settings}\n"))?;
        self.0.output(&["systemctl", "daemon-reload"]).map(drop)
    }

    /// Takes them away again.
    pub(crate) fn no_drop_in(&self) -> Result<()> {
        self.0.output(&["rm", "--recursive", "/etc/systemd/system/hostlens.service.d"])?;
        self.0.output(&["systemctl", "daemon-reload"]).map(drop)
    }

    pub(crate) fn scrape(&self) -> Result<Page> {
        self.page("localhost:9100")
    }

    /// What an exporter in the container shows.
    pub(crate) fn page(&self, address: &str) -> Result<Page> {
        let url = format!("{address}/metrics");
        let page = self.0.output(&["curl", "--silent", "--show-error", "--fail", &url])?;
        let samples = page.lines().filter(|it| !it.starts_with('#')).filter_map(|it| it.rsplit_once(' '));
        let number = |(series, value): (&str, &str)| Some((series.to_owned(), value.parse().ok()?));
        Ok(Page(samples.filter_map(number).collect()))
    }

    /// Waits until `is_so`; how long that took.
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> Result<bool>) -> Result<Duration> {
        let started = Instant::now();
        while !is_so(self)? {
            ensure!(started.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(started.elapsed())
    }

    /// All that was written since the container booted.
    pub(crate) fn journal(&self) -> Result<String> {
        self.0.output(&["journalctl", "--no-pager", "--quiet", "--boot"])
    }
}

/// The samples of one answer.
pub(crate) struct Page(BTreeMap<String, f64>);

impl Page {
    /// The value of a series, written as the page has it.
    pub(crate) fn get(&self, series: &str) -> Result<f64> {
        self.0.get(series).copied().with_context(|| format!("the page has no {series}"))
    }

    /// The one collector's state, and its reason where that is a problem.
    pub(crate) fn state(&self, collector: &str) -> Option<(&str, &str)> {
        let label = |family: &str, name: &str| {
            let start = format!("{family}{{collector=\"{collector}\",");
            let series = self.0.keys().find(|it| it.starts_with(&start))?;
            let at = series.find(&format!("{name}=\""))? + name.len() + 2;
            series[at..].split('"').next()
        };
        let reason = label("hostlens_collector_problem", "reason").unwrap_or_default();
        Some((label("hostlens_collector_state", "state")?, reason))
    }

    /// All series.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
