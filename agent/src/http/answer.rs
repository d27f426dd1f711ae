//! From families to a response's body, in memory that is kept from one answer to the next.

use crate::{
    exposition::{Coding, Compressor, Encoder, Templates},
    metric::{Conflict, Families},
    own::{Own, Part},
    source::sys::memory::give_back,
};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What makes answers.
pub(super) struct Answers {
    pub(super) own: Arc<Own>,
    /// What every answer holds of `own`.
    pub(super) part: Part,
    spare: Mutex<Vec<Tools>>,
    /// Of answers that are made while another is, all are written from scratch.
    templates: Mutex<Templates>,
    buffers: Arc<Buffers>,
}

/// What one answer is made with.
#[derive(Default)]
struct Tools {
    own: Option<Families>,
    compressor: Compressor,
}

/// An answer and how it came about.
pub(super) struct Answer {
    pub(super) body: Lent,
    /// As it was sent; `None` for plain.
    pub(super) coding: Option<Coding>,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) compression_error: Option<io::Error>,
}

impl Answers {
    pub(super) fn new(own: Arc<Own>, part: Part) -> Self {
        Self { own, part, spare: Mutex::default(), templates: Mutex::default(), buffers: Arc::default() }
    }

    /// Writes `parts` and the agent's own metrics.
    pub(super) fn write(&self, parts: &[&Families], encoder: &Encoder, coding: Option<Coding>) -> Answer {
        let mut tools = lock(&self.spare).pop().unwrap_or_default();
        let own = tools.own.get_or_insert_with(|| self.own.families());
        own.clear();
        self.own.push(self.part, own);
        let mut plain = self.buffers.take();
        let all: Vec<&Families> = parts.iter().copied().chain([&*own]).collect();
        let mut kept = self.templates.try_lock().ok();
        let mut scratch = Templates::default();
        let templates = kept.as_deref_mut().unwrap_or(&mut scratch);
        let n_packed_before = templates.n_packed();
        let conflicts = templates.write(encoder, &all, &mut plain);
        let mut compression_error = None;
        let packed = coding.and_then(|coding| {
            let mut packed = self.buffers.take();
            compression_error = tools.compressor.pack(coding, &plain, templates, &mut packed).err();
            if compression_error.is_none() {
                return Some((coding, packed));
            }
            self.buffers.put(packed);
            None
        });
        if templates.n_packed() > n_packed_before {
            // It is not needed from now on.
            tools.compressor = Compressor::default();
            give_back();
        }
        let mut spare = lock(&self.spare);
        if spare.len() < Buffers::MAX {
            spare.push(tools);
        }
        drop(spare);
        let (coding, buffer) = match packed {
            Some((coding, packed)) => {
                self.buffers.put(plain);
                (Some(coding), packed)
            }
            None => (None, plain),
        };
        let body = Lent { buffer, home: Arc::clone(&self.buffers) };
        Answer { body, coding, conflicts, compression_error }
    }
}

/// Buffers that no answer uses.
#[derive(Default)]
struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// More are given back to the system: they are left of a rush.
    const MAX: usize = 4;

    fn take(&self) -> Vec<u8> {
        lock(&self.0).pop().unwrap_or_default()
    }

    fn put(&self, mut buffer: Vec<u8>) {
        let mut free = lock(&self.0);
        if free.len() < Self::MAX {
            buffer.clear();
            free.push(buffer);
        }
    }
}

/// A body that goes back to the buffers when it has been sent.
pub(super) struct Lent {
    buffer: Vec<u8>,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.buffer));
    }
}

/// No code that holds these locks can leave a value half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
