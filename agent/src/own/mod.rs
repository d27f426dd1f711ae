//! What hostlens says of itself: prometheus-client metrics in a registry, which join the answer as families.

mod bridge;
mod process;

pub(crate) use process::FAMILIES as PROCESS;

use crate::metric::Families;
use bridge::Bridge;
use process::Process;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::{Duration, SystemTime},
};

/// The version of this hostlens.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What it was built from, where the packager says so.
pub const REVISION: &str = match option_env!("HOSTLENS_REVISION") {
    Some(revision) => revision,
    None => "",
};

/// The branch it was built from, where the packager says so.
pub const BRANCH: &str = match option_env!("HOSTLENS_BRANCH") {
    Some(branch) => branch,
    None => "",
};

type Label = [(&'static str, &'static str); 1];

/// The metrics, updated where things happen.
pub struct Own {
    /// What runs; in every answer.
    always: Registry,
    /// Left out with `disable_exporter_metrics`.
    exporter: Registry,
    bridge: Mutex<Bridge>,
    process: Mutex<Process>,
    requests: Family<Label, Counter>,
    pub(crate) in_flight: Gauge,
    errors: Family<Label, Counter>,
    seconds: Counter<f64, AtomicU64>,
    bytes: Family<Label, Counter>,
    /// When the process began, in seconds after the boot.
    start: Option<f64>,
    /// What is read again, and how that went.
    reloads: Vec<(String, Reloads)>,
}

/// How the last attempt to read something again went.
#[derive(Clone, Debug, Default)]
pub struct Reloads {
    is_good: Gauge,
    last_good: Gauge<f64, AtomicU64>,
    /// Why what was read last cannot be used.
    problem: Arc<Mutex<Option<String>>>,
}

impl Reloads {
    pub fn succeeded(&self) {
        *self.problem() = None;
        self.is_good.set(1);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.last_good.set(now.unwrap_or_default().as_secs_f64());
    }

    pub fn failed(&self, problem: String) {
        *self.problem() = Some(problem);
        self.is_good.set(0);
    }

    fn problem(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn are_good(&self) -> bool {
        self.is_good.get() == 1
    }
}

impl Default for Own {
    fn default() -> Self {
        Self::new()
    }
}

impl Own {
    #[must_use]
    pub fn new() -> Self {
        let mut always = Registry::default();
        register_build_info(&mut always);
        let mut exporter = Registry::default();
        let requests = Family::<Label, Counter>::default();
        exporter.register(
            "promhttp_metric_handler_requests",
            "Scrapes answered, by status code",
            requests.clone(),
        );
        let in_flight = Gauge::default();
        exporter.register(
            "promhttp_metric_handler_requests_in_flight",
            "Scrapes being answered now",
            in_flight.clone(),
        );
        let errors = Family::<Label, Counter>::default();
        exporter.register(
            "promhttp_metric_handler_errors",
            "Scrapes whose answer lacks something, by cause: two collectors that contradict each other (gathering), \
             or an answer that could not be compressed (encoding)",
            errors.clone(),
        );
        let seconds = Counter::default();
        exporter.register(
            "hostlens_scrape_seconds",
            "Time from scrape requests to their answers",
            seconds.clone(),
        );
        let bytes = Family::<Label, Counter>::default();
        exporter.register(
            "hostlens_scrape_bytes",
            "Size of answers to scrapes, by content coding",
            bytes.clone(),
        );
        for code in ["200", "500", "503"] {
            drop(requests.get_or_create(&[("code", code)]));
        }
        for cause in ["encoding", "gathering"] {
            drop(errors.get_or_create(&[("cause", cause)]));
        }
        let start = process::start();
        Self {
            always,
            exporter,
            bridge: Mutex::default(),
            process: Mutex::new(Process::new()),
            requests,
            in_flight,
            errors,
            seconds,
            bytes,
            start,
            reloads: Vec::new(),
        }
    }

    /// Adds `hostlens_<what>_last_reload_…`.
    #[must_use]
    pub fn reloads(&mut self, what: &str) -> Reloads {
        let it = Reloads::default();
        it.succeeded();
        self.exporter.register(
            format!("hostlens_{what}_last_reload_successful"),
            "1 if the last reload succeeded, 0 if it failed and what was read before is still in use",
            it.is_good.clone(),
        );
        self.exporter.register(
            format!("hostlens_{what}_last_reload_success_timestamp_seconds"),
            "Unix time of the last successful reload",
            it.last_good.clone(),
        );
        self.reloads.push((what.replace('_', " "), it.clone()));
        it
    }

    /// What was read again and cannot be used, with all that is wrong with it.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&str, String)> {
        self.reloads.iter().filter_map(|(what, it)| Some((&**what, it.problem().clone()?)))
    }

    /// Adds how many lines of the log are lost for each of these causes.
    pub fn log_lines<const N: usize>(&mut self, causes: [&'static str; N]) -> [Counter; N] {
        let family = Family::<Label, Counter>::default();
        let help = "Lines of the log that were not written: nobody reads it (unread), or the same line was repeated too often (repeated)";
        self.exporter.register("hostlens_log_lines_dropped", help, family.clone());
        causes.map(|cause| family.get_or_create(&[("cause", cause)]).clone())
    }

    /// Adds `hostlens_sandbox`.
    pub fn sandbox(&mut self, levels: [(&'static str, u32); 2]) {
        let family = Family::<Label, Gauge>::default();
        for (layer, level) in levels {
            family.get_or_create(&[("layer", layer)]).set(level.into());
        }
        let help = "How much of the agent's sandbox is in force: the version of Landlock's ABI, 1 for the filter of \
                    system calls; 0 for none";
        self.exporter.register("hostlens_sandbox", help, family);
    }

    pub(crate) fn count_answer(&self, code: &'static str, took: Duration) {
        self.requests.get_or_create(&[("code", code)]).inc();
        self.seconds.inc_by(took.as_secs_f64());
    }

    pub(crate) fn count_error(&self, cause: &'static str) {
        self.errors.get_or_create(&[("cause", cause)]).inc();
    }

    pub(crate) fn count_bytes(&self, coding: &'static str, n_bytes: usize) {
        self.bytes.get_or_create(&[("coding", coding)]).inc_by(n_bytes as u64);
    }

    /// With a sample of each family that it can have, but for those of the process, which are declared.
    pub(crate) fn sample() -> Families {
        let mut own = Self::new();
        for what in ["config", "web_config"] {
            drop(own.reloads(what));
        }
        own.log_lines(["unread", "repeated"]);
        own.sandbox([("landlock", 0), ("seccomp", 0)]);
        own.count_bytes("gzip", 0);
        let mut out = Families::new(&[]);
        let mut bridge = own.bridge.lock().unwrap_or_else(PoisonError::into_inner);
        bridge.push(&own.always, &mut out);
        bridge.push(&own.exporter, &mut out);
        drop(bridge);
        out
    }

    /// A sink for [`push`](Self::push).
    pub(crate) fn families(&self) -> Families {
        Families::new(process::FAMILIES).starting(self.start)
    }

    /// Pushes what every answer holds, and with [`Part::All`] the rest.
    pub(crate) fn push(&self, part: Part, out: &mut Families) {
        let mut bridge = self.bridge.lock().unwrap_or_else(PoisonError::into_inner);
        bridge.push(&self.always, out);
        if part == Part::All {
            bridge.push(&self.exporter, out);
            self.process.lock().unwrap_or_else(PoisonError::into_inner).push(out);
        }
    }
}

/// How much an answer holds of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Always,
    All,
}

fn register_build_info(registry: &mut Registry) {
    /// What Go calls the architecture.
    const ARCH: &str = if cfg!(target_arch = "x86_64") {
        "amd64"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        std::env::consts::ARCH
    };
    let ours = [("branch", BRANCH), ("revision", REVISION), ("version", VERSION)];
    let info = Family::<[(&str, &str); 3], Gauge>::default();
    info.get_or_create(&ours).set(1);
    registry.register("hostlens_build_info", "Always 1; the labels tell the running version", info);
    let compatible = [
        ("branch", BRANCH),
        ("goarch", ARCH),
        ("goos", "linux"),
        ("goversion", ""),
        ("revision", REVISION),
        ("tags", "hostlens"),
        ("version", VERSION),
    ];
    let info = Family::<[(&str, &str); 7], Gauge>::default();
    info.get_or_create(&compatible).set(1);
    let help = "Always 1; the labels tell the running version of hostlens, for dashboards that look for node_exporter";
    registry.register("node_exporter_build_info", help, info);
}
