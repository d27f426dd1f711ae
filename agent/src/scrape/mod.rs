//! Runs collectors: each at most once at a time, all within a deadline, whatever they do.

mod outcome;
mod probe;
mod reopen;
mod round;
mod slot;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use outcome::FAMILIES;
pub use probe::ProbeSummary;
pub use reopen::Changes;
pub use slot::Summary;
pub use state::State;

use crate::{collector::Entry, config::Config, metric::Families, source::Host};
use outcome::Outcomes;
use round::{Ending, Place, Round};
use slot::Slot;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, time::timeout_at};

/// The least time that a collector is given, whatever a scraper says: with less, whoever asks could have any of them
/// called late.
pub const SHORTEST: Duration = Duration::from_millis(100);

/// The enabled collectors, opened. A clone has the same ones.
#[derive(Clone)]
pub struct Registry {
    slots: Vec<Arc<Slot>>,
    known: Vec<&'static Entry>,
    /// Collectors are run for one scrape at a time, so that many scrapers cost no more threads than one.
    turn: Arc<tokio::sync::Mutex<()>>,
    outcomes: Arc<Mutex<Outcomes>>,
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
        let known: Vec<_> = entries.into_iter().collect();
        let enabled = known.iter().filter(|entry| entry.is_enabled(config));
        host.announce(enabled.clone().flat_map(|entry| entry.probes));
        let slots: Vec<_> = enabled.map(|entry| Arc::new(Slot::open(entry, config, host))).collect();
        let mut outcomes = Outcomes::default();
        for slot in slots.iter().filter(|slot| !slot.is_open()) {
            outcomes.note(slot.entry.name, &slot.summary().state);
        }
        Self { slots, known, turn: Arc::default(), outcomes: Arc::new(Mutex::new(outcomes)) }
    }

    /// The names of the enabled collectors.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.slots.iter().map(|slot| slot.entry.name)
    }

    /// Whether there is a collector of this name, and it is enabled.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|it| it == name)
    }

    /// Whether there is a collector of this name, enabled or not.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.known.iter().any(|entry| entry.name == name)
    }

    /// Every collector there is, with how it fared last if it is enabled.
    pub fn collectors(&self) -> impl Iterator<Item = (&'static Entry, Option<Summary>)> {
        self.known.iter().map(|&entry| {
            let slot = self.slots.iter().find(|slot| slot.entry.name == entry.name);
            (entry, slot.map(|slot| slot.summary()))
        })
    }

    /// Runs the selected collectors and hands what they pushed, and how each of them fared, to `encode`, on the thread
    /// that ran the last of them. To be awaited to its end: a scrape that is given up leaves collectors running.
    ///
    /// # Errors
    /// [`Busy`] when an earlier scrape did not end before `deadline`.
    pub async fn scrape<T: Send + 'static>(
        &self,
        selection: &Selection,
        deadline: Instant,
        encode: impl FnOnce(&[&Families]) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let asked = Instant::now();
        let turn = Arc::clone(&self.turn).lock_owned();
        let turn = timeout_at(deadline.into(), turn).await.map_err(|_| Busy)?;
        let selected =
            self.slots.iter().filter(|slot| selection.includes(slot.entry.name)).cloned().collect();
        let outcomes = Arc::clone(&self.outcomes);
        let (sender, answer) = oneshot::channel();
        let finish = move |slots: &[Arc<Slot>], places: Vec<Place>| {
            let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            outcomes.clear();
            for (slot, place) in slots.iter().zip(&places) {
                outcomes.record(slot, place);
            }
            let collected = places.iter().filter_map(|place| Some(&place.run()?.families));
            let encoded = encode(&collected.chain([outcomes.families()]).collect::<Vec<_>>());
            // Their memory is for the next scrape, which may come at once.
            drop(places);
            // Nobody waits for it any more when the runtime ends.
            sender.send(encoded).ok();
        };
        let round =
            Arc::new(Round::new(selected, asked, Ending { turn: Some(turn), finish: Box::new(finish) }));
        Ok(round.run(deadline, answer).await.expect("encoding does not panic and is not cancelled"))
    }
}
