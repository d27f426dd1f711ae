//! One enabled collector: opened once, run when asked, and asked by several threads at most one of which gets it.

use super::State;
use crate::{
    collector::{Collector, Entry},
    config::Config,
    metric::Families,
    source::Host,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, MutexGuard, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub(super) struct Slot {
    pub(super) name: &'static str,
    /// How many scrapes have asked for it.
    asked: AtomicU64,
    run: Mutex<Run>,
}

/// The collector and its last run.
pub(super) struct Run {
    /// `None` when it could not be opened, or panicked: then `state` is for ever.
    collector: Option<Box<dyn Collector>>,
    /// The scrape that it last ran for.
    answers: u64,
    pub(super) families: Families,
    pub(super) state: State,
    pub(super) duration: Duration,
}

impl Slot {
    pub(super) fn open(entry: &'static Entry, config: &Config, host: &Host) -> Self {
        let opened = catch_unwind(|| (entry.open)(config, host));
        let (collector, state) = match opened {
            Ok(Ok(collector)) => (Some(collector), State::Running),
            Ok(Err(error)) => (None, State::of_error(error)),
            Err(panic) => (None, State::Failed { reason: panic_reason(&*panic) }),
        };
        let families = Families::new(entry.metrics);
        let run = Run { collector, answers: 0, families, state, duration: Duration::ZERO };
        Self { name: entry.name, asked: AtomicU64::new(0), run: Mutex::new(run) }
    }

    /// Whether it could be opened and did not panic since.
    pub(super) fn is_open(&self) -> bool {
        // What is locked runs.
        self.try_lock().is_none_or(|run| run.collector.is_some())
    }

    /// Begins a scrape: what ran before answers an earlier one.
    pub(super) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs the collector for the scrape that asked last. Does nothing while an earlier run has not ended.
    pub(super) fn run(&self) {
        let asked = self.asked.load(Ordering::Relaxed);
        let Some(mut run) = self.try_lock() else { return };
        let Run { collector, answers, families, state, duration } = &mut *run;
        *answers = asked;
        families.clear();
        let Some(running) = collector else { return };
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| running.collect(families)));
        *duration = start.elapsed();
        *state = match result {
            Ok(Ok(())) => State::Running,
            Ok(Err(error)) => State::of_error(error),
            Err(panic) => {
                // Its state may be half changed, so it is never called again.
                *collector = None;
                families.clear();
                State::Failed { reason: panic_reason(&*panic) }
            }
        };
    }

    /// The run for the scrape that asked last, if it has ended.
    pub(super) fn finished_run(&self) -> Option<MutexGuard<'_, Run>> {
        self.try_lock().filter(|run| run.answers == self.asked.load(Ordering::Relaxed))
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Run>> {
        match self.run.try_lock() {
            Ok(run) => Some(run),
            Err(TryLockError::WouldBlock) => None,
            // Collectors' panics are caught inside the lock, so the data behind it is whole.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        }
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
