//! How many connections are open, and which of them has to go when there are too many.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Notify, time::timeout};

/// How long a new connection may be silent before it may have to make room. Who means to ask does so at once.
const FIRST_BYTE: Duration = Duration::from_millis(50);

/// How long a new connection has for its first request, handshake included.
const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// How long a client may take nothing of an answer before its connection may have to make room.
const TAKING: Duration = Duration::from_secs(1);

/// The open connections.
pub(super) struct Connections {
    max: usize,
    open: Mutex<Open>,
    /// Told whenever one of them ends, or has nothing to do.
    changed: Notify,
}

#[derive(Default)]
struct Open {
    next_id: u64,
    by_id: BTreeMap<u64, Arc<Use>>,
    /// Newcomers that wait for room.
    n_waiting: usize,
}

/// What one connection is doing.
pub(super) struct Use {
    /// `None` but for TCP.
    pub(super) peer: Option<IpAddr>,
    state: Mutex<UseState>,
    evicted: Notify,
}

struct UseState {
    n_requests: usize,
    /// Answers that the client has not taken yet.
    n_untaken: usize,
    /// Those, and the ones that are being made.
    n_places: usize,
    has_spoken: bool,
    has_asked: bool,
    /// Its last request was not let in.
    is_refused: bool,
    /// Since when it has been waiting for a request, or for its client to take the answer.
    idle_since: Instant,
    is_evicted: bool,
}

impl Connections {
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), open: Mutex::default(), changed: Notify::new() }
    }

    /// Counts a new connection, until what is returned is dropped. At the limit it waits, and the connection that has
    /// been idle for the longest is closed, one that was refused before all others. So those who open connections and
    /// say nothing, and those who never stop asking, cannot keep others out.
    pub(super) async fn enter(self: &Arc<Self>, peer: Option<IpAddr>) -> Entered {
        /// At the latest then somebody may have become idle for long enough.
        const LOOK: Duration = Duration::from_millis(50);
        let _waiting = Waiting::new(self);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From now on, so that nothing is missed between the look and the wait.
            changed.as_mut().enable();
            let entered = lock(&self.open).enter(self.max, peer);
            if let Some((id, it)) = entered {
                return Entered { connections: Arc::clone(self), id, it };
            }
            // Whether it was told or has waited long enough, it looks again.
            timeout(LOOK, changed).await.ok();
        }
    }

    /// Waits for up to `pause` for a connection to end, and tells one to: a newcomer could not be accepted.
    pub(super) async fn make_room(&self, pause: Duration) {
        let _waiting = Waiting::new(self);
        let mut changed = std::pin::pin!(self.changed.notified());
        changed.as_mut().enable();
        lock(&self.open).make_room();
        // Whether one has ended or not, it is time to try again.
        timeout(pause, changed).await.ok();
    }
}

impl Open {
    /// The new connection, or `None` when there is no room yet; then somebody has been told to go, if anybody can.
    fn enter(&mut self, max: usize, peer: Option<IpAddr>) -> Option<(u64, Arc<Use>)> {
        if self.by_id.len() < max {
            let id = self.next_id;
            self.next_id += 1;
            let it = Arc::new(Use::new(peer));
            self.by_id.insert(id, Arc::clone(&it));
            return Some((id, it));
        }
        self.make_room();
        None
    }

    /// Tells one to go for each newcomer that waits.
    fn make_room(&self) {
        let n_going = self.by_id.values().filter(|it| lock(&it.state).is_evicted).count();
        if n_going < self.n_waiting {
            let idle = self.by_id.values().filter_map(|it| Some((lock(&it.state).may_go_since()?, it)));
            if let Some((_, first)) = idle.min_by_key(|(rank, _)| *rank) {
                first.evict();
            }
        }
    }
}

/// A newcomer that waits, counted.
struct Waiting<'a>(&'a Connections);

impl<'a> Waiting<'a> {
    fn new(connections: &'a Connections) -> Self {
        lock(&connections.open).n_waiting += 1;
        Self(connections)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.0.open).n_waiting -= 1;
    }
}

impl UseState {
    /// Whether it was let in at its last request, and since when it could make room for another: the least goes first.
    /// `None` when it cannot.
    fn may_go_since(&self) -> Option<(bool, Instant)> {
        let time = match self {
            Self { n_requests: 1.., .. } | Self { is_evicted: true, .. } => return None,
            Self { n_untaken: 1.., .. } => TAKING,
            Self { has_asked: true, .. } => Duration::ZERO,
            Self { has_spoken: true, .. } => FIRST_REQUEST,
            _ => FIRST_BYTE,
        };
        (self.idle_since.elapsed() >= time).then_some((!self.is_refused, self.idle_since))
    }
}

impl Use {
    pub(super) fn new(peer: Option<IpAddr>) -> Self {
        let state = UseState {
            n_requests: 0,
            n_untaken: 0,
            n_places: 0,
            has_spoken: false,
            has_asked: false,
            is_refused: false,
            idle_since: Instant::now(),
            is_evicted: false,
        };
        Self { peer, state: Mutex::new(state), evicted: Notify::new() }
    }

    /// Its client begins to take an answer, until it [has taken](Self::has_taken) it.
    pub(super) fn begins_to_take(&self) {
        lock(&self.state).n_untaken += 1;
    }

    pub(super) fn has_taken(&self) {
        let mut state = lock(&self.state);
        state.n_untaken -= 1;
        state.idle_since = Instant::now();
    }

    /// Its client has taken a part of an answer.
    pub(super) fn takes(&self) {
        lock(&self.state).idle_since = Instant::now();
    }

    /// How many answers are being made for it, or wait for its client.
    pub(super) fn n_places(&self) -> usize {
        lock(&self.state).n_places
    }

    pub(super) fn gets_place(&self) {
        lock(&self.state).n_places += 1;
    }

    pub(super) fn loses_place(&self) {
        lock(&self.state).n_places -= 1;
    }

    /// Whether its request was let in.
    pub(super) fn admitted(&self, is_admitted: bool) {
        lock(&self.state).is_refused = !is_admitted;
    }

    /// Its first bytes have come.
    pub(super) fn has_spoken(&self) {
        lock(&self.state).has_spoken = true;
    }

    pub(super) fn has_asked(&self) -> bool {
        lock(&self.state).has_asked
    }

    /// Whether a request is at work, and the client has taken all that was answered before.
    pub(super) fn is_answering(&self) -> bool {
        let state = lock(&self.state);
        state.n_requests > 0 && state.n_untaken == 0
    }

    /// Whether the client has yet to take an answer.
    pub(super) fn has_untaken(&self) -> bool {
        lock(&self.state).n_untaken > 0
    }

    /// Tells it to end.
    pub(super) fn evict(&self) {
        lock(&self.state).is_evicted = true;
        self.evicted.notify_one();
    }

    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

/// A request at work, until it is dropped.
pub(super) struct Busy {
    it: Arc<Use>,
    connections: Arc<Connections>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = lock(&self.it.state);
        state.n_requests -= 1;
        state.idle_since = Instant::now();
        drop(state);
        self.connections.changed.notify_waiters();
    }
}

/// A connection that was counted.
pub(super) struct Entered {
    connections: Arc<Connections>,
    id: u64,
    pub(super) it: Arc<Use>,
}

impl Entered {
    /// A request is at work until what is returned is dropped.
    pub(super) fn busy(&self) -> Busy {
        let mut state = lock(&self.it.state);
        state.n_requests += 1;
        state.has_asked = true;
        drop(state);
        Busy { it: Arc::clone(&self.it), connections: Arc::clone(&self.connections) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        lock(&self.connections.open).by_id.remove(&self.id);
        self.connections.changed.notify_waiters();
    }
}

/// No code that holds these locks can panic half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Connections, FIRST_REQUEST, lock};
    use std::{sync::Arc, time::Duration};
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_millis(150);
    const EVER: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_longest_idle_makes_room_and_none_at_work_does() {
        let connections = Arc::new(Connections::new(2));
        let first = connections.enter(None).await;
        let second = connections.enter(None).await;
        let busy = first.busy();
        drop(second.busy());
        let newcomer = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.enter(None).await }
        });
        second.it.evicted().await;
        drop(second);
        let third = newcomer.await.unwrap();
        let _busy = third.busy();
        assert!(timeout(SOON, connections.enter(None)).await.is_err(), "both are at work");
        drop(busy);
        let (_, ()) =
            tokio::join!(async { drop(timeout(EVER, connections.enter(None)).await.unwrap()) }, async {
                first.it.evicted().await;
                drop(first);
            });
    }

    #[tokio::test]
    async fn a_newcomer_has_time_for_its_first_request_and_no_more() {
        let connections = Arc::new(Connections::new(1));
        let first = connections.enter(None).await;
        first.it.has_spoken();
        let evicted = timeout(SOON, async {
            tokio::select! { _ = connections.enter(None) => {}, () = first.it.evicted() => {} }
        });
        assert!(evicted.await.is_err(), "it has only just come");
        lock(&first.it.state).idle_since -= FIRST_REQUEST;
        tokio::select! { _ = connections.enter(None) => panic!("no room"), () = first.it.evicted() => {} }
    }

    #[tokio::test]
    async fn who_says_nothing_goes_long_before_who_has_begun_to_ask() {
        let connections = Arc::new(Connections::new(2));
        let asking = connections.enter(None).await;
        asking.it.has_spoken();
        let silent = connections.enter(None).await;
        assert!(timeout(SOON, connections.enter(None)).await.is_err(), "nobody has gone yet");
        let going = [&asking, &silent].map(|it| lock(&it.it.state).is_evicted);
        assert_eq!(going, [false, true]);
    }

    #[tokio::test]
    async fn who_was_refused_goes_before_those_that_are_idle_for_longer() {
        let connections = Arc::new(Connections::new(2));
        let silent = connections.enter(None).await;
        let guesser = connections.enter(None).await;
        lock(&silent.it.state).idle_since -= FIRST_REQUEST;
        guesser.it.admitted(false);
        drop(guesser.busy());
        assert!(timeout(SOON, connections.enter(None)).await.is_err(), "nobody has gone yet");
        let going = [&silent, &guesser].map(|it| lock(&it.it.state).is_evicted);
        assert_eq!(going, [false, true]);
    }

    #[tokio::test]
    async fn one_goes_for_each_that_comes() {
        let connections = Arc::new(Connections::new(2));
        let both = [connections.enter(None).await, connections.enter(None).await];
        both.iter().for_each(|it| drop(it.busy()));
        assert!(timeout(SOON, connections.enter(None)).await.is_err(), "nobody has gone yet");
        let going = both.iter().filter(|it| lock(&it.it.state).is_evicted);
        assert_eq!(going.count(), 1);
    }
}
