//! How many answers there may be at once: those that are made, and those that clients have yet to take. So what
//! clients can make the agent hold is bounded, however slowly they read.

use super::connections::Use;
use axum::extract::FromRequestParts;
use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// A client that has not taken an answer for so long loses it when another waits.
const SLOW: Duration = Duration::from_secs(2);

pub(super) struct Tickets {
    /// `None` for no limit.
    free: Option<Arc<Semaphore>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    n_taken: Gauge,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    next_id: u64,
    /// Since when answers are waiting for which clients.
    by_id: BTreeMap<u64, (Instant, Arc<Use>)>,
}

/// The right to an answer, until its client has taken it.
pub(super) struct Ticket {
    shared: Arc<Shared>,
    /// Of the answer that is waiting.
    id: Option<u64>,
    client: Option<Arc<Use>>,
    _permit: Option<OwnedSemaphorePermit>,
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
        let free = max.map(|max| Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))));
        Self { free, shared: Arc::new(Shared { n_taken, held: Mutex::default() }) }
    }

    /// Waits its turn for up to `patience`; `None` when it does not come.
    pub(super) async fn take(&self, client: Client, patience: Duration) -> Option<Ticket> {
        let permit = match &self.free {
            None => None,
            Some(free) => Some(self.wait(Arc::clone(free), patience).await?),
        };
        self.shared.n_taken.inc();
        Some(Ticket { shared: Arc::clone(&self.shared), id: None, client: client.0, _permit: permit })
    }

    async fn wait(&self, free: Arc<Semaphore>, patience: Duration) -> Option<OwnedSemaphorePermit> {
        /// How often to look for a client that is slow.
        const LOOK: Duration = Duration::from_millis(100);
        let deadline = Instant::now() + patience;
        let mut turn = pin!(free.acquire_owned());
        loop {
            if let Ok(permit) = timeout(LOOK.min(patience), turn.as_mut()).await {
                return permit.ok();
            }
            if Instant::now() >= deadline {
                return None;
            }
            self.shared.evict_slowest();
        }
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        // No code that holds the lock can panic half way.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn evict_slowest(&self) {
        // The smallest number is that of the answer that has been waiting for the longest.
        if let Some((since, client)) = self.held().by_id.values().next()
            && since.elapsed() >= SLOW
        {
            client.evict();
        }
    }
}

impl Ticket {
    /// An answer of these `bytes`, which takes the ticket with it.
    pub(super) fn answer(mut self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        if let Some(client) = &self.client {
            client.begins_to_take();
            let mut held = self.shared.held();
            let id = held.next_id;
            held.next_id += 1;
            held.by_id.insert(id, (Instant::now(), Arc::clone(client)));
            self.id = Some(id);
        }
        Bytes::from_owner(Ticketed { bytes, _ticket: self })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.n_taken.dec();
        if let (Some(id), Some(client)) = (self.id, &self.client) {
            self.shared.held().by_id.remove(&id);
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
