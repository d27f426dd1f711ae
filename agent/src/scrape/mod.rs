//! Runs collectors: each at most once at a time, all within a deadline, whatever they do.

mod outcome;
mod reopen;
mod slot;
#[cfg(test)]
mod tests;

pub use outcome::{FAMILIES, State};
pub use reopen::Changes;

use crate::{collector::Entry, config::Config, metric::Families, source::Host};
use outcome::Outcomes;
use slot::Slot;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Notify, task::spawn_blocking, time::timeout_at};

/// How long one collector may keep the others of a scrape waiting before a second thread goes on with them.
const PATIENCE: Duration = Duration::from_millis(50);

/// The enabled collectors, opened. A clone has the same ones.
#[derive(Clone)]
pub struct Registry {
    slots: Vec<Arc<Slot>>,
    /// One scrape at a time: collectors keep state, and so a locked slot means a hung collector.
    scraping: Arc<tokio::sync::Mutex<Outcomes>>,
}

/// Which collectors a scrape asks for.
#[derive(Clone, Debug, Default)]
pub enum Selection {
    #[default]
    All,
    Only(Vec<String>),
    Except(Vec<String>),
}

impl Selection {
    fn includes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|it| it == name),
            Self::Except(names) => !names.iter().any(|it| it == name),
        }
    }
}

/// An earlier scrape was still under way at the deadline.
#[derive(Debug, thiserror::Error)]
#[error("an earlier scrape was still under way at the deadline")]
pub struct Busy;

impl Registry {
    /// Opens every enabled collector of `entries`. One that cannot open is kept with its reason.
    pub fn open(entries: impl IntoIterator<Item = &'static Entry>, config: &Config, host: &Host) -> Self {
        let enabled = entries.into_iter().filter(|entry| config.enables(entry.name, entry.enabled));
        let slots = enabled.map(|entry| Arc::new(Slot::open(entry, config, host))).collect();
        Self { slots, scraping: Arc::default() }
    }

    /// The names of the enabled collectors.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.slots.iter().map(|slot| slot.name)
    }

    /// Runs the selected collectors and hands what they pushed, and how each of them fared, to `encode`, which runs
    /// on a blocking thread. To be awaited to its end: a scrape that is given up leaves collectors running.
    ///
    /// # Errors
    /// [`Busy`] when an earlier scrape did not end before `deadline`.
    pub async fn scrape<T: Send + 'static>(
        &self,
        selection: &Selection,
        deadline: Instant,
        encode: impl FnOnce(&[&Families]) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let deadline = deadline.into();
        let lock = Arc::clone(&self.scraping).lock_owned();
        let mut outcomes = timeout_at(deadline, lock).await.map_err(|_| Busy)?;
        let selected = self.slots.iter().filter(|slot| selection.includes(slot.name)).cloned().collect();
        let round = Arc::new(Round::new(selected));
        round.run(deadline).await;
        let answer = spawn_blocking(move || {
            let runs: Vec<_> = round.slots.iter().map(|slot| slot.finished_run()).collect();
            outcomes.clear();
            for (slot, run) in round.slots.iter().zip(&runs) {
                outcomes.record(slot, run.as_deref());
            }
            let collected = runs.iter().flatten().map(|run| &run.families);
            encode(&collected.chain([outcomes.families()]).collect::<Vec<_>>())
        });
        Ok(answer.await.expect("encoding does not panic and is not cancelled"))
    }
}

/// One scrape under way: the queue that worker threads pull from.
struct Round {
    slots: Vec<Arc<Slot>>,
    next: AtomicUsize,
    n_ended: AtomicUsize,
    ended: Notify,
}

impl Round {
    fn new(slots: Vec<Arc<Slot>>) -> Self {
        Self { slots, next: AtomicUsize::new(0), n_ended: AtomicUsize::new(0), ended: Notify::new() }
    }

    /// Returns when all have ended or at the deadline. One thread does it all unless a collector keeps it waiting.
    async fn run(self: &Arc<Self>, deadline: tokio::time::Instant) {
        if self.slots.is_empty() {
            return;
        }
        self.slots.iter().for_each(|slot| slot.ask());
        self.spawn_worker();
        let mut seen = 0;
        loop {
            let patience = tokio::time::Instant::now() + PATIENCE;
            let all_ended = timeout_at(patience.min(deadline), self.ended.notified()).await.is_ok();
            if all_ended || tokio::time::Instant::now() >= deadline {
                return;
            }
            let n_ended = self.n_ended.load(Ordering::Acquire);
            if n_ended == seen && self.next.load(Ordering::Relaxed) < self.slots.len() {
                self.spawn_worker();
            }
            seen = n_ended;
        }
    }

    fn spawn_worker(self: &Arc<Self>) {
        let round = Arc::clone(self);
        spawn_blocking(move || round.work());
    }

    fn work(&self) {
        while let Some(slot) = self.slots.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            slot.run();
            if self.n_ended.fetch_add(1, Ordering::AcqRel) + 1 == self.slots.len() {
                self.ended.notify_one();
            }
        }
    }
}
