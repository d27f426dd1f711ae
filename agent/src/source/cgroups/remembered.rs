//! What is known for a while after it is gone.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// A group's figures may be asked for after it went: what was killed as it ended, or waited until then.
const GRACE: Duration = Duration::from_mins(10);

#[derive(Clone, Debug)]
pub(super) struct Remembered<K, V> {
    by_key: HashMap<K, Entry<V>>,
}

#[derive(Clone, Debug)]
struct Entry<V> {
    value: V,
    /// Since when it is no longer there.
    gone: Option<Instant>,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self { by_key: HashMap::new() }
    }
}

impl<K: Eq + Hash, V> Remembered<K, V> {
    /// Takes all for gone, and forgets what is so for long. What is there is inserted anew.
    pub(super) fn begin(&mut self) {
        let now = Instant::now();
        self.by_key.retain(|_, it| now.duration_since(*it.gone.get_or_insert(now)) < GRACE);
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.by_key.insert(key, Entry { value, gone: None });
    }

    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.by_key.get(key).map(|it| &it.value)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}
