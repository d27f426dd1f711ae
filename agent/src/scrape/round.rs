//! One scrape under way: the queue that worker threads pull from, and what they have delivered so far.

use super::slot::{Asked, Run, Slot, Waiter};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, OwnedMutexGuard},
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
    ended: Notify,
}

struct Delivered {
    places: Vec<Place>,
    n_open: usize,
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
    pub(super) fn new(slots: Vec<Arc<Slot>>, asked: Instant) -> Self {
        let places = slots.iter().map(|_| Place::Open).collect();
        let delivered = Delivered { places, n_open: slots.len() };
        Self {
            slots,
            asked,
            next: AtomicUsize::new(0),
            delivered: Mutex::new(delivered),
            ended: Notify::new(),
        }
    }

    /// Returns when all have ended, or hang, or at the deadline. One thread does it all unless a collector keeps it
    /// waiting; once only such collectors are left, the next scrape may take its turn: then `turn` is not returned.
    pub(super) async fn run(self: &Arc<Self>, deadline: Instant, turn: Turn) -> Option<Turn> {
        let mut turn = Some(turn);
        if self.slots.is_empty() {
            return turn;
        }
        self.spawn_worker();
        let mut n_open_before = self.slots.len();
        loop {
            let patience = (Instant::now() + PATIENCE).min(deadline);
            let all_ended = timeout_at(patience.into(), self.ended.notified()).await.is_ok();
            if all_ended || Instant::now() >= deadline || self.only_overdue() {
                break;
            }
            let n_open = self.delivered().n_open;
            if self.next.load(Ordering::Relaxed) >= self.slots.len() {
                drop(turn.take());
            } else if n_open == n_open_before {
                self.spawn_worker();
            }
            n_open_before = n_open;
        }
        let mut delivered = self.delivered();
        for (slot, place) in self.slots.iter().zip(&mut delivered.places) {
            if matches!(place, Place::Open) && slot.give_up() {
                *place = Place::Late;
            }
        }
        turn
    }

    /// What has been delivered up to now, by place. What comes later is lost.
    pub(super) fn places(&self) -> Vec<Place> {
        std::mem::take(&mut self.delivered().places)
    }

    fn deliver(&self, index: usize, run: Arc<Run>) {
        self.fill(index, Place::Filled(run));
    }

    fn fill(&self, index: usize, with: Place) {
        let mut delivered = self.delivered();
        if let Some(place) = delivered.places.get_mut(index) {
            *place = with;
        }
        delivered.n_open -= 1;
        if delivered.n_open == 0 {
            self.ended.notify_one();
        }
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
                Box::new(move |run| round.deliver(index, run))
            };
            match slot.answer(self.asked, waiter) {
                Asked::Answered(run) | Asked::Ran(run) => self.deliver(index, run),
                Asked::Late => self.fill(index, Place::Late),
                Asked::Awaited => {}
            }
        }
    }

    /// No code that holds the lock can panic.
    fn delivered(&self) -> std::sync::MutexGuard<'_, Delivered> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
