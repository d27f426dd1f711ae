//! How many answers there may be at once: those that are made, and those that clients have yet to take. So what
//! clients can make the agent hold is bounded, however slowly they read.
//!
//! While somebody waits for a place, whoever takes nothing of an answer loses it and the connection with it. A place
//! goes to the connection that has the fewest, so that one with many requests at once keeps no other out.

use super::connections::Use;
use axum::{body::Body, extract::FromRequestParts};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use prometheus_client::metrics::gauge::Gauge;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, time::timeout};

/// The first piece of an answer goes to the buffers of the system at once, unless the client has forbidden it.
const NOTHING: Duration = Duration::from_millis(250);

/// How long a client that has taken some of its answer may pause. The more wait, the shorter, down to `NOTHING`.
const PAUSE: Duration = Duration::from_secs(1);

/// From then on the slowest client loses its answer, even if it takes some of it all the time.
const SLOW: Duration = Duration::from_secs(2);

/// Fewer bytes taken are no progress.
const PIECE: usize = 4 << 10;

pub(super) struct Tickets(Arc<Shared>);

struct Shared {
    /// `None` for no limit.
    max: Option<usize>,
    n_taken: Gauge,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    n_out: usize,
    next_id: u64,
    /// Answers that wait for their clients.
    untaken: BTreeMap<u64, Untaken>,
    /// In the order in which they came.
    queue: Vec<Waiter>,
}

struct Untaken {
    client: Arc<Use>,
    since: Instant,
    n_bytes: usize,
    /// When the last of these bytes went.
    progress: Instant,
    is_evicted: bool,
}

struct Waiter {
    client: Option<Arc<Use>>,
    turn: oneshot::Sender<Place>,
}

/// One of those that there may be at once; free again when it is dropped.
struct Place {
    /// `None` for a place that was not taken after all.
    shared: Option<Arc<Shared>>,
    client: Option<Arc<Use>>,
}

/// The right to an answer, until its client has taken it.
pub(super) struct Ticket {
    shared: Arc<Shared>,
    /// Of the answer that is waiting, and whom it waits for.
    untaken: Option<(u64, Arc<Use>)>,
    place: Place,
}

/// The connection that a request came by; tests that have none go without.
pub(super) struct Client(pub(super) Option<Arc<Use>>);

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().cloned()))
    }
}

impl Tickets {
    /// `n_taken` counts those that are out; at most `max` are.
    pub(super) fn new(max: Option<usize>, n_taken: Gauge) -> Self {
        Self(Arc::new(Shared { max, n_taken, places: Mutex::default() }))
    }

    /// Waits its turn for up to `patience`; `None` when it does not come.
    pub(super) async fn take(&self, client: Client, patience: Duration) -> Option<Ticket> {
        let place = self.place(client.0, patience).await?;
        let shared = Arc::clone(&self.0);
        shared.n_taken.inc();
        Some(Ticket { shared, untaken: None, place })
    }

    async fn place(&self, client: Option<Arc<Use>>, patience: Duration) -> Option<Place> {
        /// How often to look for clients that take nothing.
        const LOOK: Duration = Duration::from_millis(50);
        let deadline = Instant::now() + patience;
        let mut turn = pin!(self.0.line_up(client));
        loop {
            if let Ok(place) = timeout(LOOK.min(patience), turn.as_mut()).await {
                return place.ok();
            }
            if Instant::now() >= deadline {
                return None;
            }
            self.0.make_room();
        }
    }
}

impl Shared {
    fn places(&self) -> MutexGuard<'_, Places> {
        // No code that holds the lock can panic half way.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is returned has the place when its turn has come.
    fn line_up(self: &Arc<Self>, client: Option<Arc<Use>>) -> oneshot::Receiver<Place> {
        let (turn, place) = oneshot::channel();
        let mut places = self.places();
        places.queue.push(Waiter { client, turn });
        self.hand_out(&mut places);
        place
    }

    /// Gives what is free to those that wait.
    fn hand_out(self: &Arc<Self>, places: &mut Places) {
        places.queue.retain(|it| !it.turn.is_closed());
        while self.max.is_none_or(|max| places.n_out < max)
            && let Some(Waiter { client, turn }) = places.next()
        {
            if let Some(client) = &client {
                client.gets_place();
            }
            places.n_out += 1;
            if let Err(mut place) = turn.send(Place { shared: Some(Arc::clone(self)), client }) {
                // It went away just now.
                place.shared = None;
                place.give_back(places);
            }
        }
    }

    /// Ends the connections of all that take nothing, or else that of the slowest.
    fn make_room(&self) {
        let mut places = self.places();
        places.queue.retain(|it| !it.turn.is_closed());
        let crowd = places.queue.len().div_ceil(self.max.unwrap_or(1).max(1));
        let pause = (PAUSE / u32::try_from(crowd.max(1)).unwrap_or(u32::MAX)).max(NOTHING);
        let mut is_any_going = false;
        for it in places.untaken.values_mut() {
            it.is_evicted |= it.progress.elapsed() >= if it.n_bytes == 0 { NOTHING } else { pause };
            if it.is_evicted {
                it.client.evict();
                is_any_going = true;
            }
        }
        if !is_any_going {
            let slow = places.untaken.values_mut().filter(|it| it.since.elapsed() >= SLOW);
            if let Some(slowest) = slow.min_by(|a, b| a.speed().total_cmp(&b.speed())) {
                slowest.is_evicted = true;
                slowest.client.evict();
            }
        }
    }
}

impl Places {
    fn next(&mut self) -> Option<Waiter> {
        let n_places = |it: &Waiter| it.client.as_ref().map_or(0, |client| client.n_places());
        // The first of those that have the fewest.
        let (index, _) = self.queue.iter().enumerate().min_by_key(|(_, it)| n_places(it))?;
        Some(self.queue.remove(index))
    }
}

impl Untaken {
    /// In bytes a second.
    fn speed(&self) -> f64 {
        self.n_bytes as f64 / self.since.elapsed().as_secs_f64()
    }
}

impl Place {
    fn give_back(&self, places: &mut Places) {
        places.n_out -= 1;
        if let Some(client) = &self.client {
            client.loses_place();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            let mut places = shared.places();
            self.give_back(&mut places);
            shared.hand_out(&mut places);
        }
    }
}

impl Ticket {
    /// An answer of these `bytes`, which takes the ticket with it.
    pub(super) fn answer(mut self, bytes: impl AsRef<[u8]> + Send + 'static) -> Body {
        if let Some(client) = &self.place.client {
            client.begins_to_take();
            let mut places = self.shared.places();
            let id = places.next_id;
            places.next_id += 1;
            let now = Instant::now();
            self.untaken = Some((id, Arc::clone(client)));
            let client = Arc::clone(client);
            let it = Untaken { client, since: now, n_bytes: 0, progress: now, is_evicted: false };
            places.untaken.insert(id, it);
        }
        let (shared, id) = (Arc::clone(&self.shared), self.untaken.as_ref().map(|(id, _)| *id));
        Body::new(Pieces { rest: Bytes::from_owner(Ticketed { bytes, _ticket: self }), shared, id })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.n_taken.dec();
        if let Some((id, client)) = &self.untaken {
            self.shared.places().untaken.remove(id);
            client.has_taken();
        }
    }
}

struct Ticketed<T> {
    bytes: T,
    _ticket: Ticket,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Ticketed<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// A body in pieces, each of which tells that it has been taken.
struct Pieces {
    rest: Bytes,
    shared: Arc<Shared>,
    id: Option<u64>,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let n_bytes = self.rest.len().min(PIECE);
        if n_bytes == 0 {
            return Poll::Ready(None);
        }
        // Of what has been split off wholly nothing is left here: the ticket goes with the last piece.
        let bytes = self.rest.split_to(n_bytes);
        let piece = match self.id {
            None => bytes,
            Some(id) => Bytes::from_owner(Piece { bytes, shared: Arc::clone(&self.shared), id }),
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

struct Piece {
    bytes: Bytes,
    shared: Arc<Shared>,
    id: u64,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(it) = self.shared.places().untaken.get_mut(&self.id) {
            it.n_bytes += self.bytes.len();
            it.progress = Instant::now();
            it.client.takes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Body as _;
    use std::task::Waker;

    async fn answer(tickets: &Tickets) -> (Body, Arc<Use>) {
        let client = Arc::new(Use::new(None));
        let ticket = tickets.take(Client(Some(Arc::clone(&client))), Duration::ZERO).await.unwrap();
        (ticket.answer([b'a'; 4 * PIECE]), client)
    }

    fn take_piece(body: &mut Body) -> usize {
        let frame = Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("a piece is ready at any time") };
        frame.into_data().unwrap().len()
    }

    /// As if all that was done up to now had been done so much earlier.
    fn age(tickets: &Tickets, by: Duration) {
        for it in tickets.0.places().untaken.values_mut() {
            it.since -= by;
            it.progress -= by;
        }
    }

    async fn is_evicted(client: &Use) -> bool {
        timeout(Duration::ZERO, client.evicted()).await.is_ok()
    }

    #[tokio::test]
    async fn all_that_take_nothing_go_at_once_and_those_that_take_some_stay() {
        let tickets = Tickets::new(Some(3), Gauge::default());
        let (mut slow_body, slow) = answer(&tickets).await;
        let (_body, idle) = answer(&tickets).await;
        let (_body, other) = answer(&tickets).await;
        assert_eq!(take_piece(&mut slow_body), PIECE);
        age(&tickets, NOTHING);
        tickets.0.make_room();
        assert!(is_evicted(&idle).await && is_evicted(&other).await && !is_evicted(&slow).await);
        age(&tickets, PAUSE - NOTHING);
        take_piece(&mut slow_body);
        tickets.0.make_room();
        assert!(!is_evicted(&slow).await, "it goes on");
    }

    #[tokio::test]
    async fn of_those_that_take_some_the_slowest_makes_room() {
        let tickets = Tickets::new(Some(2), Gauge::default());
        let (mut fast_body, fast) = answer(&tickets).await;
        let (mut slow_body, slow) = answer(&tickets).await;
        take_piece(&mut fast_body);
        age(&tickets, SLOW);
        take_piece(&mut fast_body);
        take_piece(&mut slow_body);
        tickets.0.make_room();
        assert!(is_evicted(&slow).await && !is_evicted(&fast).await);
    }

    #[tokio::test]
    async fn a_place_goes_to_who_has_the_fewest() {
        let tickets = Tickets::new(Some(2), Gauge::default());
        let (_body, greedy) = answer(&tickets).await;
        let second = tickets.take(Client(Some(Arc::clone(&greedy))), Duration::ZERO).await;
        let mut third = tickets.0.line_up(Some(greedy));
        let mut newcomer = tickets.0.line_up(None);
        drop(second);
        assert!(third.try_recv().is_err(), "it came first, and has one");
        drop(newcomer.try_recv().unwrap());
        assert!(third.try_recv().is_ok());
    }

    #[tokio::test]
    async fn whoever_gives_up_waiting_leaves_no_place_taken() {
        let tickets = Tickets::new(Some(1), Gauge::default());
        let (body, _client) = answer(&tickets).await;
        assert!(tickets.take(Client(None), Duration::ZERO).await.is_none());
        let given_up = tickets.0.line_up(None);
        drop(body);
        // It was given the place, and never looked.
        drop(given_up);
        assert!(tickets.take(Client(None), Duration::ZERO).await.is_some());
    }
}
