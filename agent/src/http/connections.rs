//! How many connections are open, and which of them has to go when there are too many.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::Notify;

/// The open connections.
pub(super) struct Connections {
    max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next_id: u64,
    by_id: BTreeMap<u64, Arc<Use>>,
}

/// What one connection is doing.
pub(super) struct Use {
    state: Mutex<UseState>,
    evicted: Notify,
}

struct UseState {
    n_requests: usize,
    /// Since when it has been waiting for a request, or for its client to take the answer.
    idle_since: Instant,
    is_evicted: bool,
}

impl Connections {
    pub(super) fn new(max: usize) -> Self {
        Self { max, open: Mutex::default() }
    }

    /// Counts a new connection, until what is returned is dropped. At the limit the connection that has been idle
    /// for the longest is closed; `None` when all are at work. So those who open connections and say nothing cannot
    /// keep others out.
    pub(super) fn enter(&self) -> Option<Entered<'_>> {
        let mut open = lock(&self.open);
        let n_staying = open.by_id.values().filter(|it| !lock(&it.state).is_evicted).count();
        if n_staying >= self.max {
            let idle = open.by_id.values().filter_map(|it| Some((lock(&it.state).idle_since()?, it)));
            let (_, longest) = idle.min_by_key(|(since, _)| *since)?;
            lock(&longest.state).is_evicted = true;
            longest.evicted.notify_one();
        }
        let id = open.next_id;
        open.next_id += 1;
        let state = UseState { n_requests: 0, idle_since: Instant::now(), is_evicted: false };
        let it = Arc::new(Use { state: Mutex::new(state), evicted: Notify::new() });
        open.by_id.insert(id, Arc::clone(&it));
        Some(Entered { connections: self, id, it })
    }
}

impl UseState {
    fn idle_since(&self) -> Option<Instant> {
        (self.n_requests == 0 && !self.is_evicted).then_some(self.idle_since)
    }
}

impl Use {
    /// A request is at work until what is returned is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        lock(&self.state).n_requests += 1;
        Busy(Arc::clone(self))
    }

    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

pub(super) struct Busy(Arc<Use>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.n_requests -= 1;
        state.idle_since = Instant::now();
    }
}

pub(super) struct Entered<'a> {
    connections: &'a Connections,
    id: u64,
    pub(super) it: Arc<Use>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        lock(&self.connections.open).by_id.remove(&self.id);
    }
}

/// No code that holds these locks can panic half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::Connections;

    #[tokio::test]
    async fn the_longest_idle_makes_room_and_none_at_work_does() {
        let connections = Connections::new(2);
        let first = connections.enter().unwrap();
        let second = connections.enter().unwrap();
        let busy = first.it.busy();
        let third = connections.enter().expect("the second is idle");
        second.it.evicted().await;
        drop(second);
        let _busy = third.it.busy();
        assert!(connections.enter().is_none(), "both are at work");
        drop(busy);
        assert!(connections.enter().is_some(), "the first is idle again");
        first.it.evicted().await;
    }
}
