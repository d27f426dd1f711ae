//! Lines on their way to stderr. Where nobody reads they are dropped and counted; nobody waits for them.

use prometheus_client::metrics::counter::Counter;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{
    io::{self, Write},
    mem,
    os::fd::AsFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait: what an agent says in days, or a thousand lines.
const MAX: usize = 256 << 10;

/// What a pipe takes without waiting if it takes anything: `PIPE_BUF` of pipe(7).
const AT_ONCE: usize = 4096;

pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    n_dropped: Counter,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Whether a thread writes. Without one, who logs does.
    has_thread: bool,
    /// Whether the thread has taken something that it has not written yet.
    is_writing: bool,
}

impl Queue {
    pub(super) fn new(n_dropped: Counter) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), n_dropped }
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > MAX {
            self.n_dropped.inc();
            return;
        }
        state.waiting.extend_from_slice(line);
        if state.has_thread {
            drop(state);
            self.changed.notify_all();
        } else {
            write_within(&mut state.waiting, Duration::ZERO);
        }
    }

    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start(self: Arc<Self>) -> io::Result<()> {
        let queue = Arc::clone(&self);
        thread::Builder::new().name("log".to_owned()).stack_size(64 << 10).spawn(move || queue.run())?;
        self.lock().has_thread = true;
        Ok(())
    }

    fn run(&self) {
        let mut taken = Vec::new();
        loop {
            let mut state = self.lock();
            state.is_writing = false;
            self.changed.notify_all();
            while state.waiting.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            mem::swap(&mut state.waiting, &mut taken);
            state.is_writing = true;
            drop(state);
            // There is nobody to be told that stderr is closed.
            io::stderr().write_all(&taken).ok();
            taken.clear();
        }
    }

    /// Waits until all is written, for `limit` at most.
    pub(super) fn drain(&self, limit: Duration) {
        let is_left = |state: &mut State| state.has_thread && (state.is_writing || !state.waiting.is_empty());
        // Whether it was written or not, the time is over.
        drop(self.changed.wait_timeout_while(self.lock(), limit, is_left));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes as much of `waiting` to stderr as goes without waiting longer than `patience` for a reader.
pub(super) fn write_within(waiting: &mut Vec<u8>, patience: Duration) {
    let stderr = io::stderr();
    let mut n_written = 0;
    while n_written < waiting.len() && is_ready(&stderr, patience) {
        let end = waiting.len().min(n_written + AT_ONCE);
        match rustix::io::write(&stderr, &waiting[n_written..end]) {
            Ok(n_bytes) => n_written += n_bytes,
            Err(Errno::INTR | Errno::AGAIN) => {}
            // It is closed.
            Err(_) => n_written = waiting.len(),
        }
    }
    waiting.drain(..n_written);
}

fn is_ready(file: &impl AsFd, patience: Duration) -> bool {
    let patience = Timespec::try_from(patience).expect("it is a second at most");
    let mut one = [PollFd::new(file, PollFlags::OUT)];
    poll(&mut one, Some(&patience)).is_ok_and(|n_ready| n_ready > 0)
}

/// A line as a whole is one write of the formatter's.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = &'a Queue;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_is_dropped_and_counted() {
        let queue = Queue::new(Counter::default());
        // As if the thread were stuck.
        queue.lock().has_thread = true;
        let line = [b'x'; 1024];
        (0..300).for_each(|_| queue.push(&line));
        assert_eq!(queue.lock().waiting.len(), MAX);
        assert_eq!(queue.n_dropped.get(), 300 - 256);
        queue.drain(Duration::from_millis(10));
    }
}
