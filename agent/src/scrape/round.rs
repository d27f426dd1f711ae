//! One scrape under way: the queue that worker threads pull from, and what they have delivered so far.

use super::slot::{Asked, Run, Slot, Waiter};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedMutexGuard, oneshot},
    task::spawn_blocking,
    time::timeout_at,
};

/// How long one collector may keep the others of a scrape waiting before a second thread goes on with them.
const PATIENCE: Duration = Duration::from_millis(50);

/// The right to run collectors.
pub(super) type Turn = OwnedMutexGuard<()>;

pub(super) struct Round {
    pub(super) slots: Vec<Arc<Slot>>,
    /// What was run since then is fresh enough.
    asked: Instant,
    next: AtomicUsize,
    delivered: Mutex<Delivered>,
}

struct Delivered {
    places: Vec<Place>,
    n_open: usize,
    /// Taken by whoever ends the round.
    ending: Option<Ending>,
}

pub(super) type Finish = Box<dyn FnOnce(&[Arc<Slot>], Vec<Place>) + Send>;

/// What is done with what was delivered.
pub(super) struct Ending {
    pub(super) finish: Finish,
    /// Given back when all is done, or earlier.
    pub(super) turn: Option<Turn>,
}

/// What a scrape has of a collector.
pub(super) enum Place {
    /// Nothing: it waits for its turn, or has only just begun.
    Open,
    Filled(Arc<Run>),
    /// The collector had its time and did not end.
    Late,
}

impl Place {
    pub(super) fn run(&self) -> Option<&Run> {
        if let Self::Filled(run) = self { Some(run) } else { None }
    }
}

impl Round {
    pub(super) fn new(slots: Vec<Arc<Slot>>, asked: Instant, ending: Ending) -> Self {
        let places = slots.iter().map(|_| Place::Open).collect();
        let delivered = Delivered { places, n_open: slots.len(), ending: Some(ending) };
        Self { slots, asked, next: AtomicUsize::new(0), delivered: Mutex::new(delivered) }
    }

    /// Returns the `answer` that the ending sends: when all have ended, or hang, or after the deadline. One thread does
    /// it all, the ending too, unless a collector keeps it waiting; once only such collectors are left, the next scrape
    /// may take its turn.
    pub(super) async fn run<T>(
        self: &Arc<Self>,
        deadline: Instant,
        mut answer: oneshot::Receiver<T>,
    ) -> Result<T, oneshot::error::RecvError> {
        let mut n_open_before = self.slots.len();
        if n_open_before > 0 {
            self.spawn_worker();
        }
        while n_open_before > 0 {
            let patience = (Instant::now() + PATIENCE).min(deadline);
            if let Ok(answer) = timeout_at(patience.into(), &mut answer).await {
                return answer;
            }
            if Instant::now() >= deadline || self.only_overdue() {
                break;
            }
            let mut delivered = self.delivered();
            if self.next.load(Ordering::Relaxed) >= self.slots.len() {
                drop(delivered.ending.as_mut().and_then(|ending| ending.turn.take()));
            } else if delivered.n_open == n_open_before {
                self.spawn_worker();
            }
            n_open_before = delivered.n_open;
        }
        self.end();
        answer.await
    }

    /// Goes without what is still awaited, unless the round has ended.
    fn end(self: &Arc<Self>) {
        let mut delivered = self.delivered();
        if delivered.ending.is_none() {
            return;
        }
        for (slot, place) in self.slots.iter().zip(&mut delivered.places) {
            if matches!(place, Place::Open) && slot.give_up() {
                *place = Place::Late;
            }
        }
        drop(delivered);
        let round = Arc::clone(self);
        spawn_blocking(move || round.finish());
    }

    /// Does what is to be done with what has been delivered, once. What comes later is lost.
    fn finish(&self) {
        let mut delivered = self.delivered();
        let Some(ending) = delivered.ending.take() else { return };
        let places = std::mem::take(&mut delivered.places);
        drop(delivered);
        (ending.finish)(&self.slots, places);
        drop(ending.turn);
    }

    /// Whether it was the last that was awaited.
    fn fill(&self, index: usize, with: Place) -> bool {
        let mut delivered = self.delivered();
        if let Some(place) = delivered.places.get_mut(index) {
            *place = with;
        }
        delivered.n_open -= 1;
        delivered.n_open == 0
    }

    /// Whether each collector that is still awaited has had the time that its own limit allows.
    fn only_overdue(&self) -> bool {
        if self.next.load(Ordering::Relaxed) < self.slots.len() {
            return false;
        }
        self.open(&self.delivered()).all(|slot| slot.is_overdue())
    }

    /// The collectors that are still awaited.
    fn open<'a>(&'a self, delivered: &'a Delivered) -> impl Iterator<Item = &'a Arc<Slot>> {
        let places = self.slots.iter().zip(&delivered.places);
        places.filter(|(_, place)| matches!(place, Place::Open)).map(|(slot, _)| slot)
    }

    fn spawn_worker(self: &Arc<Self>) {
        let round = Arc::clone(self);
        spawn_blocking(move || round.work());
    }

    fn work(self: &Arc<Self>) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = self.slots.get(index) else { return };
            let waiter = || -> Waiter {
                let round = Arc::clone(self);
                // Another round's thread, which has its own to go on with.
                Box::new(move |run| {
                    if round.fill(index, Place::Filled(run)) {
                        spawn_blocking(move || round.finish());
                    }
                })
            };
            let place = match slot.answer(self.asked, waiter) {
                Asked::Answered(run) | Asked::Ran(run) => Place::Filled(run),
                Asked::Late => Place::Late,
                Asked::Awaited => continue,
            };
            if self.fill(index, place) {
                self.finish();
            }
        }
    }

    /// No code that holds the lock can panic.
    fn delivered(&self) -> MutexGuard<'_, Delivered> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
