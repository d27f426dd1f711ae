//! Reads the config again while the agent runs: on SIGHUP, when a file changed, or when asked. A bad config changes
//! nothing; a good one takes effect at once, for what can change without a restart.

mod report;
mod watch;

use crate::{
    collectors,
    config::{self, Config, Log, Schema, Severity, Sources, Top, diagnostic},
    log, opening,
    sandbox::Sandbox,
    scrape::Registry,
    source::Host,
};
use anstream::adapter::strip_str;
use report::Report;
use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::Signal,
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tracing::{error, warn};
use watch::{LOOK_EVERY, Watch};

/// Asks for a reload.
#[derive(Clone, Debug)]
pub struct Handle(mpsc::Sender<Request>);

/// What was asked for.
#[derive(Debug)]
pub struct Requests(mpsc::Receiver<Request>);

#[derive(Debug)]
struct Request(oneshot::Sender<Answer>);

/// What came of a reload: what changed, or all that is wrong with the config.
pub type Answer = Result<String, String>;

/// A handle and where its requests arrive.
#[must_use]
pub fn channel() -> (Handle, Requests) {
    let (sender, receiver) = mpsc::channel(1);
    (Handle(sender), Requests(receiver))
}

impl Handle {
    /// Reloads and says what came of it; `None` when the agent is about to end.
    pub async fn reload(&self) -> Option<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.0.send(Request(sender)).await.ok()?;
        receiver.await.ok()
    }
}

/// What others need to know of a reload.
pub enum Outcome {
    /// Serve these collectors from now on.
    Good(Registry, Arc<Config>),
    /// Go on. This is all that is wrong with the config.
    Bad(String),
}

/// All that a reload reads and changes.
pub struct Reloader {
    pub schema: Schema,
    pub sources: Sources,
    /// The files that `config` was read from.
    pub watched: Vec<PathBuf>,
    /// What is in force, and was opened on `host`.
    pub config: Arc<Config>,
    pub registry: Registry,
    pub host: Host,
    pub sandbox: Sandbox,
    pub log: log::Control,
    /// Is told of each reload.
    pub tell: Box<dyn FnMut(Outcome) + Send>,
}

impl Reloader {
    /// Reloads whenever it is asked for, on `hangup` and when a file changes. Ends when there are no more handles.
    pub async fn run(mut self, mut requests: Requests, mut hangup: Signal) {
        let mut watch = Watch::new(&self.watched);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // When a change that was seen is read.
        let mut due = None;
        loop {
            let request = tokio::select! {
                request = requests.0.recv() => match request {
                    Some(request) => Some(request),
                    None => return,
                },
                _ = hangup.recv() => None,
                _ = looks.tick(), if self.config.section::<Top>().auto_reload => {
                    let (looked, is_changed) = blocking(move || {
                        let is_changed = watch.is_changed();
                        (watch, is_changed)
                    })
                    .await;
                    watch = looked;
                    if !is_changed {
                        due = None;
                        continue;
                    }
                    let jitter = self.config.section::<Top>().jitter;
                    if !is_due(&mut due, jitter) {
                        continue;
                    }
                    None
                }
            };
            let (reloaded, answer);
            (reloaded, answer, watch) = blocking(move || {
                // From before they are read, so that a change meanwhile is noticed.
                let watch = Watch::new(&self.watched);
                let answer = self.reload_or_go_on();
                let watch = watch.turn_to(&self.watched);
                (self, answer, watch)
            })
            .await;
            self = reloaded;
            due = None;
            if let Some(Request(asker)) = request {
                // Who asked may have gone away meanwhile; the log has it all.
                drop(asker.send(answer));
            }
        }
    }

    /// Whatever goes wrong, the next reload may go better.
    fn reload_or_go_on(&mut self) -> Answer {
        catch_unwind(AssertUnwindSafe(|| self.reload())).unwrap_or_else(|_| {
            error!("the reload broke off, the config before is still in use");
            let problem = "the reload broke off, see the log\n".to_owned();
            (self.tell)(Outcome::Bad(problem.clone()));
            Err(problem)
        })
    }

    /// Reads the config and puts it in force.
    fn reload(&mut self) -> Answer {
        let mut loaded = config::load(&self.schema, &self.sources);
        if loaded.is_usable() {
            loaded.diagnostics.extend(collectors::faults(&loaded.config));
        }
        self.watched.clone_from(&loaded.watched);
        if !loaded.is_usable() {
            for it in loaded.diagnostics.iter().filter(|it| it.severity == Severity::Error) {
                let place = it.place.as_ref().map(ToString::to_string).unwrap_or_default();
                error!(place, error = it.message, help = it.help, "the config cannot be used");
            }
            warn!("the config was not reloaded, the one before is still in use");
            // Nobody reads it on a terminal.
            let problems = strip_str(&diagnostic::render(&loaded.diagnostics)).to_string();
            (self.tell)(Outcome::Bad(problems.clone()));
            return Err(problems);
        }
        let after = Arc::new(loaded.config);
        let mut report = Report::new(&self.schema, &self.config, &after);
        report.warnings.extend(loaded.diagnostics.iter().map(|it| it.message.clone()));
        self.log.change(&after.section::<Log>());
        self.reopen(&after, &mut report);
        self.config = after;
        (self.tell)(Outcome::Good(self.registry.clone(), Arc::clone(&self.config)));
        report.log();
        Ok(report.to_string())
    }

    /// Opens what `after` wants beside what runs.
    fn reopen(&mut self, after: &Config, report: &mut Report) {
        let is_same_host = !report.is_host_changed();
        if !is_same_host {
            self.host = self.host.renewed(after.section(), after.section());
        }
        let configs = (&*self.config, after);
        let (registry, changes, errors) = opening::again(&self.registry, configs, &self.host, is_same_host);
        report.warnings.extend(errors.iter().map(ToString::to_string));
        if !self.sandbox.connects {
            let cannot = |name| {
                format!("`{name}` connects to a server, which the sandbox allows from the next start on")
            };
            report.warnings.extend(collectors::connecting(after).map(cannot));
        }
        self.registry = registry;
        report.take(changes);
    }
}

/// Whether the time of `due` has come; the first to ask sets it, within `jitter` from now.
fn is_due(due: &mut Option<Instant>, jitter: Duration) -> bool {
    let due = *due.get_or_insert_with(|| Instant::now() + by_chance(jitter));
    // Later than what was just set: without a jitter it is time at once.
    Instant::now() >= due
}

/// A part of `limit`, another one each time and on each host.
#[must_use]
pub fn by_chance(limit: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() >> 32;
    limit.mul_f64(random as f64 / f64::from(u32::MAX))
}

/// Runs what may block on a thread for that.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.expect("reloading does not panic and is not cancelled")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_waits_for_the_jitter_alone() {
        assert!(is_due(&mut None, Duration::ZERO));
        let mut due = Some(Instant::now() + Duration::from_secs(60));
        assert!(!is_due(&mut due, Duration::ZERO), "it has been set");
    }

    #[test]
    fn hosts_wait_for_different_times_within_the_limit() {
        let limit = Duration::from_secs(60);
        let waits: Vec<Duration> = (0..1000).map(|_| by_chance(limit)).collect();
        assert!(waits.iter().all(|it| *it <= limit));
        let n_early = waits.iter().filter(|it| **it < limit / 2).count();
        assert!((300..700).contains(&n_early), "{n_early} of 1000 in the first half");
        assert_eq!(by_chance(Duration::ZERO), Duration::ZERO);
    }
}
