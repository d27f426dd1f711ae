//! Threads that ask, and may not come back.

use super::{Answer, Ask};
use crate::source::sys::descriptors;
use rustix::io::Errno;
use std::{
    collections::VecDeque,
    ffi::CString,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tracing::{debug, warn};

/// Enough for a dead server's worth of mounts, and little enough for any host.
const MAX_THREADS: usize = 64;

/// A round in which nobody takes the next job for so long gets more threads.
const PATIENCE: Duration = Duration::from_millis(20);

/// The mounts of one file system, to be asked in turn.
#[derive(Debug)]
pub(super) struct Job {
    paths: Vec<CString>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    is_started: bool,
    /// As many as came, in the order of the paths.
    answers: Vec<Answer>,
}

impl Job {
    pub(super) fn new(paths: impl Iterator<Item = CString>) -> Arc<Self> {
        Arc::new(Self { paths: paths.collect(), progress: Mutex::default() })
    }

    pub(super) fn is_started(&self) -> bool {
        lock(&self.progress).is_started
    }

    pub(super) fn is_done(&self) -> bool {
        self.paths.len() == lock(&self.progress).answers.len()
    }

    pub(super) fn answers(&self) -> Vec<Answer> {
        lock(&self.progress).answers.clone()
    }

    pub(super) fn first_error(&self) -> Option<Errno> {
        lock(&self.progress).answers.iter().find_map(|it| it.err())
    }
}

/// Threads that live as long as there is work for them; `n_kept` of them wait for more.
#[derive(Debug)]
pub(super) struct Pool {
    ask: Ask,
    n_kept: usize,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<PoolState>,
    has_work: Condvar,
    has_answers: Condvar,
}

#[derive(Debug, Default)]
struct PoolState {
    queue: VecDeque<Arc<Job>>,
    n_threads: usize,
    n_idle: usize,
    is_closed: bool,
}

impl Pool {
    pub(super) fn new(n_kept: usize, ask: Ask) -> Self {
        Self { ask, n_kept: n_kept.max(1), shared: Arc::default() }
    }

    /// Lets threads do `jobs` while it does `meanwhile`, then waits for them until `deadline`. What no thread began
    /// by then is not begun later.
    pub(super) fn run(&self, jobs: &[Arc<Job>], deadline: Instant, meanwhile: impl FnOnce()) {
        let mut state = lock(&self.shared.state);
        if !jobs.is_empty() && (state.n_idle > 0 || state.n_threads < MAX_THREADS) {
            state.queue.extend(jobs.iter().cloned());
            self.add_threads(&mut state);
            for _ in 0..state.n_idle.min(jobs.len()) {
                self.shared.has_work.notify_one();
            }
        }
        drop(state);
        meanwhile();
        self.wait(jobs, deadline);
    }

    fn wait(&self, jobs: &[Arc<Job>], deadline: Instant) {
        let mut state = lock(&self.shared.state);
        let is_open = |job: &Arc<Job>, state: &PoolState| {
            !job.is_done() && (job.is_started() || !state.queue.is_empty())
        };
        // Without a thread there is nobody to wait for.
        while state.n_threads > 0 && jobs.iter().any(|job| is_open(job, &state)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let n_queued = state.queue.len();
            let waited = self.shared.has_answers.wait_timeout(state, left.min(PATIENCE));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if n_queued > 0 && state.queue.len() == n_queued {
                self.add_threads(&mut state);
            }
        }
        state.queue.clear();
    }

    /// Up to `n_kept` more, if there is work for them.
    fn add_threads(&self, state: &mut PoolState) {
        let wanted = state.queue.len().min(self.n_kept).saturating_sub(state.n_idle);
        for _ in 0..wanted.min(MAX_THREADS - state.n_threads) {
            let (shared, ask, n_kept) = (Arc::clone(&self.shared), self.ask, self.n_kept);
            let thread = thread::Builder::new().name("statfs".to_owned()).stack_size(64 * 1024);
            match thread.spawn(move || work(&shared, ask, n_kept)) {
                Ok(_) => state.n_threads += 1,
                Err(error) => return warn!(%error, "cannot start a thread to ask file systems"),
            }
        }
    }
}

/// Threads that wait end at once, those that hang when they come back.
impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.shared.state).is_closed = true;
        self.shared.has_work.notify_all();
    }
}

fn work(shared: &Shared, ask: Ask, n_kept: usize) {
    if let Err(error) = descriptors::let_go() {
        debug!(%error, "a hung mount will keep the agent's sockets open beyond its end");
    }
    let mut state = lock(&shared.state);
    loop {
        if let Some(job) = state.queue.pop_front() {
            lock(&job.progress).is_started = true;
            drop(state);
            for path in &job.paths {
                let answer = ask(path);
                lock(&job.progress).answers.push(answer);
            }
            state = lock(&shared.state);
            shared.has_answers.notify_one();
        } else if state.is_closed || state.n_idle >= n_kept {
            state.n_threads -= 1;
            return;
        } else {
            state.n_idle += 1;
            state = shared.has_work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.n_idle -= 1;
        }
    }
}

/// A thread that panicked leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
