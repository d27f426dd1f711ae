//! One enabled collector: opened once, run by at most one thread at a time, its last run shared by all who ask.

use super::{ProbeSummary, SHORTEST, State};
use crate::{
    collector::{Collector, Entry, Error, LeftOut},
    config::{CollectorLimits, Config},
    metric::{Families, Start, uptime},
    source::{
        Host,
        ebpf::{Loaded, Standing},
    },
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

/// How long a collector that has found nothing is not asked again: what appears on a host is shown by then.
pub(super) const ABSENT_FOR: Duration = Duration::from_secs(30);

pub(super) struct Slot {
    pub(super) entry: &'static Entry,
    pub(super) limits: CollectorLimits,
    /// Held while it runs. `None` when it could not be opened, or panicked: then the last run is for ever.
    collector: Mutex<Option<Box<dyn Collector>>>,
    /// What of it is in the kernel: the probes that it reads.
    probes: Vec<Weak<Loaded>>,
    /// Since when it counts, and since when this slot does, in seconds after the boot.
    start: Option<f64>,
    pub(super) opened: f64,
    /// Whether it could not be opened because the config forbids it.
    pub(super) is_forbidden: bool,
    progress: Mutex<Progress>,
}

struct Progress {
    /// `None` while its memory is used by the run that follows it.
    last: Option<Arc<Run>>,
    summary: Summary,
    running: Option<Running>,
    is_over: bool,
    n_dropped: u64,
}

struct Running {
    since: Instant,
    /// A scrape's deadline passed while it ran: no other waits for it.
    is_late: bool,
    /// The scrapes that wait for it beside the one that began it.
    waiters: Vec<Waiter>,
}

/// Is told of a run when it has ended.
pub(super) type Waiter = Box<dyn FnOnce(Arc<Run>) + Send>;

/// What one run of the collector gave.
pub(super) struct Run {
    pub(super) families: Families,
    pub(super) started: Instant,
    pub(super) state: State,
    pub(super) duration: Duration,
    left_out: Vec<LeftOut>,
}

/// A run without its samples.
#[derive(Clone, Debug)]
pub struct Summary {
    pub state: State,
    /// `None` before the first run.
    pub started: Option<Instant>,
    pub duration: Duration,
    pub n_series: usize,
    pub left_out: Vec<LeftOut>,
    /// Of those that it reads and that are loaded.
    pub probes: Vec<ProbeSummary>,
}

/// What a scrape gets that asks for a collector.
pub(super) enum Asked {
    /// This run will do.
    Answered(Arc<Run>),
    /// Another scrape is running it, and will deliver.
    Awaited,
    /// It hangs.
    Late,
    /// It was this thread's to run, and has been delivered to all who asked.
    Ran(Arc<Run>),
}

impl Run {
    fn new(families: Families, started: Instant) -> Self {
        Self { families, started, state: State::Running, duration: Duration::ZERO, left_out: Vec::new() }
    }
}

impl Slot {
    pub(super) fn open(entry: &'static Entry, config: &Config, host: &Host) -> Self {
        let opened = uptime();
        let result = catch_unwind(|| (entry.open)(config, host));
        let is_forbidden = matches!(result, Ok(Err(Error::Forbidden { .. })));
        let (collector, state) = match result {
            Ok(Ok(collector)) => (Some(collector), State::Running),
            Ok(Err(error)) => (None, State::of_open_error(error)),
            Err(panic) => (None, State::panicked(panic_reason(&*panic))),
        };
        let is_over = collector.is_none();
        let probes: Vec<_> =
            collector.iter().flat_map(|it| it.probes()).map(|it| Arc::clone(it.loaded())).collect();
        let start = match entry.start {
            Start::Unknown => None,
            Start::Boot => Some(0.0),
            // Others may have had its probe attached before.
            Start::Opened => probes.iter().map(|it| it.start()).reduce(f64::min).or(Some(opened)),
        };
        let summary = Summary {
            state: if is_over { state.clone() } else { State::NotRun },
            started: None,
            duration: Duration::ZERO,
            n_series: 0,
            left_out: Vec::new(),
            probes: Vec::new(),
        };
        let started = Instant::now();
        let families = Families::new(entry.metrics);
        let last = is_over.then(|| Arc::new(Run { state, ..Run::new(families, started) }));
        Self {
            entry,
            limits: config.of_collector(entry.name),
            collector: Mutex::new(collector),
            probes: probes.iter().map(Arc::downgrade).collect(),
            start,
            opened,
            is_forbidden,
            progress: Mutex::new(Progress { last, summary, running: None, is_over, n_dropped: 0 }),
        }
    }

    /// Whether it could be opened, and has not panicked since.
    pub(super) fn is_open(&self) -> bool {
        !self.progress().is_over
    }

    pub(super) fn summary(&self) -> Summary {
        let probes = self.loaded().map(|it| ProbeSummary::of(&it)).collect();
        let progress = self.progress();
        let mut summary = Summary { probes, ..progress.summary.clone() };
        if progress.running.as_ref().is_some_and(|running| running.is_late) {
            summary.state = State::Late;
        }
        summary
    }

    /// Series that `max_series` has cost.
    pub(super) fn n_dropped(&self) -> u64 {
        self.progress().n_dropped
    }

    /// Runs the collector, unless something else will do for a scrape that was `asked` for then: an earlier run, or one
    /// that is under way, which the scrape's `waiter` is told of.
    pub(super) fn answer(&self, asked: Instant, waiter: impl FnOnce() -> Waiter) -> Asked {
        let mut progress = self.progress();
        if let Some(run) = &progress.last
            && (progress.is_over || run.started >= asked || run.started.elapsed() < self.interval(run))
        {
            return Asked::Answered(Arc::clone(run));
        }
        if let Some(running) = &mut progress.running {
            if running.is_late || self.is_too_long(running) {
                return Asked::Late;
            }
            running.waiters.push(waiter());
            return Asked::Awaited;
        }
        let started = Instant::now();
        progress.running = Some(Running { since: started, is_late: false, waiters: Vec::new() });
        let before = progress.last.take();
        drop(progress);

        let (run, is_over, n_dropped) = self.run(before, started);
        let mut progress = self.progress();
        progress.summary = Summary {
            state: run.state.clone(),
            started: Some(run.started),
            duration: run.duration,
            n_series: run.families.n_samples(),
            left_out: run.left_out.clone(),
            probes: Vec::new(),
        };
        progress.n_dropped += n_dropped;
        progress.is_over = is_over;
        progress.last = Some(Arc::clone(&run));
        let waiters = progress.running.take().map(|running| running.waiters);
        drop(progress);
        for tell in waiters.into_iter().flatten() {
            tell(Arc::clone(&run));
        }
        Asked::Ran(run)
    }

    /// For how long the run will do.
    fn interval(&self, run: &Run) -> Duration {
        let found_nothing = match run.state {
            State::Absent { .. } => true,
            State::Running => self.is_of_devices() && run.families.n_samples() == 0,
            _ => false,
        };
        if found_nothing { self.limits.min_interval.max(ABSENT_FOR) } else { self.limits.min_interval }
    }

    /// Whether it shows nothing only where there is no such device. Of a network and of what probes count there may just
    /// have been nothing yet.
    fn is_of_devices(&self) -> bool {
        self.entry.probes.is_empty() && self.entry.group != "network"
    }

    /// As if its last run had been that much earlier.
    #[cfg(test)]
    pub(super) fn ages(&self, by: Duration) {
        let mut progress = self.progress();
        let run = progress.last.as_mut().and_then(Arc::get_mut).expect("it ran, and nobody reads that");
        run.started = run.started.checked_sub(by).expect("the machine is up for longer");
    }

    /// Uses the memory of the run `before` if nobody reads it any more.
    fn run(&self, before: Option<Arc<Run>>, started: Instant) -> (Arc<Run>, bool, u64) {
        let fresh = || {
            let families = Families::new(self.entry.metrics).starting(self.start);
            Arc::new(Run::new(families, started))
        };
        let mut shared = before.unwrap_or_else(fresh);
        if Arc::get_mut(&mut shared).is_none() {
            shared = fresh();
        }
        let run = Arc::get_mut(&mut shared).expect("nobody else has it");
        // Only the thread that marked it as running gets here.
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        run.families.clear();
        run.left_out.clear();
        run.started = started;
        let mut collect = |collector: &mut dyn Collector| {
            let result = collector.collect(&mut run.families);
            run.left_out = collector.left_out();
            result
        };
        let result = match &mut *collector {
            Some(collector) => catch_unwind(AssertUnwindSafe(|| collect(&mut **collector))),
            None => Ok(Ok(())),
        };
        run.duration = started.elapsed();
        run.state = match result {
            Ok(Ok(())) if self.is_counting() => State::Running,
            Ok(Ok(())) => State::OverBudget,
            Ok(Err(Error::Absent(reason))) => State::Absent { reason },
            Ok(Err(error)) => State::failed(&error),
            Err(panic) => {
                // Its state may be half changed, so it is never called again.
                *collector = None;
                run.families.clear();
                State::panicked(panic_reason(&*panic))
            }
        };
        let is_over = collector.is_none();
        let n_dropped = match usize::try_from(self.limits.max_series) {
            Ok(max @ 1..) => run.families.keep(max) as u64,
            _ => 0,
        };
        (shared, is_over, n_dropped)
    }

    /// Whether what it reads is kept up to date: a probe that costs too much is not.
    fn is_counting(&self) -> bool {
        self.loaded().all(|it| it.standing() == Standing::Attached)
    }

    fn loaded(&self) -> impl Iterator<Item = Arc<Loaded>> {
        self.probes.iter().filter_map(Weak::upgrade)
    }

    /// Whether the run that is under way has had its time.
    pub(super) fn is_overdue(&self) -> bool {
        self.progress().running.as_ref().is_some_and(|running| running.is_late || self.is_too_long(running))
    }

    fn is_too_long(&self, running: &Running) -> bool {
        !self.limits.timeout.is_zero() && running.since.elapsed() >= self.limits.timeout
    }

    /// A scrape goes without it; returns whether it is late. It is not if it has only just begun: then it is the
    /// scrape that had too little time, and the others go on waiting for it.
    pub(super) fn give_up(&self) -> bool {
        self.progress().running.as_mut().is_some_and(|running| {
            running.is_late |= running.since.elapsed() >= SHORTEST || self.is_too_long(running);
            running.is_late
        })
    }

    /// Collectors' panics are caught, and no other code that holds the lock can panic half way.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn panic_reason(panic: &(dyn std::any::Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "panicked: {}; it stays off until hostlens is restarted or reloaded",
        message.unwrap_or("no message")
    )
}
