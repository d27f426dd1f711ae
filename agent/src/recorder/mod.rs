//! The flight recorder: what the host did in the last quarter of an hour, a point a second, for the page at `/`. It runs
//! a few collectors alone, while somebody looks and some minutes longer, or always where the config says so.

mod charts;
mod groups;
mod latency;
mod line;
mod tape;
mod told;
mod wanted;

pub use groups::{Group, GroupKind, groups};
pub use told::{Drawn, Kind, Recorded, Told};

use crate::{
    config::Recording,
    scrape::{Registry, Selection},
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use tape::Tape;
use tokio::time::{MissedTickBehavior, interval};
use wanted::WANTED;

/// From one point to the next.
const STEP: Duration = Duration::from_secs(1);

/// How many points are kept.
pub const N_POINTS: usize = 900;

/// After the last look it goes on for so long.
const LINGER: Duration = Duration::from_secs(300);

/// So long it waits for collectors. Much less would have them called late, of which scrapes would hear.
const LONGEST: Duration = Duration::from_secs(10);

/// Records while somebody looks.
pub struct Recorder {
    when: Recording,
    state: Mutex<State>,
}

/// `tape` is there while it records.
struct State {
    looked: Instant,
    tape: Option<Tape>,
}

impl Recorder {
    #[must_use]
    pub fn new(when: Recording) -> Arc<Self> {
        Arc::new(Self { when, state: Mutex::new(State { looked: Instant::now(), tape: None }) })
    }

    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.when != Recording::Never
    }

    /// Begins to record if the config wants it from the start. To be called inside of a runtime.
    pub fn start(self: &Arc<Self>, registry: impl Fn() -> Arc<Registry> + Send + 'static) {
        if self.when == Recording::Always {
            self.begin(registry);
        }
    }

    /// What was recorded after `since` (Unix time in milliseconds). Begins to record, or goes on. `registry`
    /// gives the collectors that answer at the time. To be called inside of a runtime.
    pub fn look(
        self: &Arc<Self>,
        since: u64,
        registry: impl Fn() -> Arc<Registry> + Send + 'static,
    ) -> Recorded {
        self.state().looked = Instant::now();
        if self.is_allowed() {
            self.begin(registry);
        }
        match &self.state().tape {
            Some(tape) => tape.told(since),
            None => Tape::default().told(since),
        }
    }

    fn begin(self: &Arc<Self>, registry: impl Fn() -> Arc<Registry> + Send + 'static) {
        let mut state = self.state();
        if state.tape.is_none() {
            state.tape = Some(Tape::default());
            tokio::spawn(Arc::clone(self).record(registry));
        }
    }

    async fn record(self: Arc<Self>, registry: impl Fn() -> Arc<Registry>) {
        let mut ticks = interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while self.goes_on() {
            ticks.tick().await;
            let registry = registry();
            let names = WANTED.iter().map(|it| it.collector).filter(|name| registry.has(name));
            let selection = Selection::Only(names.map(str::to_owned).collect());
            let recorder = Arc::clone(&self);
            let read = registry.scrape(&selection, Instant::now() + LONGEST, move |parts| {
                if let Some(tape) = &mut recorder.state().tape {
                    tape.record(parts, Instant::now(), SystemTime::now());
                }
            });
            // Without a turn in all that time there is no point.
            drop(read.await);
        }
    }

    /// Whether somebody still wants it; if nobody does, its memory is given back.
    fn goes_on(&self) -> bool {
        let mut state = self.state();
        let is_wanted = self.when == Recording::Always || state.looked.elapsed() < LINGER;
        if !is_wanted {
            state.tape = None;
        }
        is_wanted
    }

    /// No code that holds the lock can panic half way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
