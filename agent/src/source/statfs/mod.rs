//! How full file systems are, by statfs(2), without waiting long for one that does not answer.
//!
//! A file system whose answer comes from a server or a daemon may hold its asker for ever. Such ones are asked on the
//! threads of a [`pool`]: one thread asks for all mounts of a file system in turn, so that a hung one holds one
//! thread, once. It is asked no more until that thread comes back.

mod pool;

use pool::{Job, Pool};
use rustix::{fs::StatVfsMountFlags, io::Errno};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{CStr, CString},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a round waits for the file systems that may hang. Until one has had its time, what it answered last stands.
const PATIENCE: Duration = Duration::from_millis(500);

/// What statfs(2) gives; sizes in blocks of `block_size` bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub block_size: u64,
    pub blocks: u64,
    pub free: u64,
    /// Of the free ones, those that users without privileges may fill.
    pub available: u64,
    pub files: u64,
    pub files_free: u64,
    /// The mount or its file system is.
    pub is_readonly: bool,
}

pub type Answer = Result<Usage, Errno>;

/// The way to ask. Only tests know another one than [`statfs`].
pub type Ask = fn(&CStr) -> Answer;

/// Asks the kernel; blocks as long as the file system does.
///
/// # Errors
/// What the file system, or the walk to `path`, says.
pub fn statfs(path: &CStr) -> Answer {
    let it = rustix::io::retry_on_intr(|| rustix::fs::statfs(path))?;
    Ok(Usage {
        block_size: it.f_bsize as u64,
        blocks: it.f_blocks,
        free: it.f_bfree,
        available: it.f_bavail,
        files: it.f_files,
        files_free: it.f_ffree,
        is_readonly: it.f_flags as u64 & StatVfsMountFlags::RDONLY.bits() != 0,
    })
}

/// Number of the device, or of the pseudo device, that a file system is.
pub type Device = (u32, u32);

/// A mount to ask.
#[derive(Debug)]
pub struct Target {
    pub device: Device,
    pub path: CString,
    /// Whether its answer may never come.
    pub may_hang: bool,
}

/// How long to wait for whom.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a file system that may hang has before it counts as hung.
    pub timeout: Duration,
    /// How long one that answered late is left alone, when it failed or was late before.
    pub backoff: Duration,
    /// How many file systems that may hang are asked at once, hung ones not counted.
    pub n_workers: usize,
}

/// Asks mounts in rounds, and remembers which of them hang.
#[derive(Debug)]
pub struct Asker {
    ask: Ask,
    limits: Limits,
    pool: Pool,
    targets: Vec<Target>,
    /// The file systems that may hang.
    watched: BTreeMap<Device, Watch>,
    /// Those that nobody suspected until they took too long.
    slow: BTreeSet<Device>,
    answers: Vec<Option<Answer>>,
}

impl Asker {
    #[must_use]
    pub fn new(limits: Limits, ask: Ask) -> Self {
        Self {
            ask,
            limits,
            pool: Pool::new(limits.n_workers, ask),
            targets: Vec::new(),
            watched: BTreeMap::new(),
            slow: BTreeSet::new(),
            answers: Vec::new(),
        }
    }

    /// Replaces the mounts to ask. What hangs is remembered.
    pub fn set_targets(&mut self, targets: Vec<Target>) {
        self.targets = targets;
        self.group();
    }

    /// The answers of the last round.
    #[must_use]
    pub fn answers(&self) -> &[Option<Answer>] {
        &self.answers
    }

    /// One round. The answers stand in the order of the targets; `None` did not come in time.
    pub fn ask_all(&mut self) -> &[Option<Answer>] {
        let start = Instant::now();
        self.answers.clear();
        self.answers.resize(self.targets.len(), None);
        let jobs: Vec<_> = self
            .watched
            .values_mut()
            .filter_map(|it| it.start(&self.targets, start, self.limits.backoff))
            .collect();
        let n_slow = self.slow.len();
        self.pool.run(&jobs, start + self.limits.timeout.min(PATIENCE), || {
            for (target, answer) in self.targets.iter().zip(&mut self.answers) {
                if !self.watched.contains_key(&target.device) {
                    let asked = Instant::now();
                    *answer = Some((self.ask)(&target.path));
                    if asked.elapsed() > self.limits.timeout {
                        self.slow.insert(target.device);
                    }
                }
            }
        });
        let now = Instant::now();
        for watch in self.watched.values_mut() {
            watch.finish(&mut self.answers, now, self.limits);
        }
        if self.slow.len() > n_slow {
            self.group();
        }
        &self.answers
    }

    /// Finds the file systems to watch among the targets.
    fn group(&mut self) {
        self.watched.values_mut().for_each(Watch::forget_targets);
        for (index, target) in self.targets.iter().enumerate() {
            if target.may_hang || self.slow.contains(&target.device) {
                self.watched.entry(target.device).or_default().targets.push(index);
            }
        }
        self.watched.retain(|_, it| !it.targets.is_empty());
    }
}

/// A file system that may hang.
#[derive(Debug, Default)]
struct Watch {
    /// Its mounts, as indices into the targets.
    targets: Vec<usize>,
    state: State,
    /// The answers of the last round that had all of them.
    last: Vec<Answer>,
    last_hang: Option<Instant>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ready,
    /// It was asked in this round, or in an earlier one whose patience ended before its time did.
    Asked { job: Arc<Job>, since: Instant },
    /// It was asked in an earlier round, and not all answers were there at the round's end.
    Hung { job: Arc<Job>, since: Instant, again: bool },
    /// It came back from hanging, and is left alone.
    Resting { until: Instant, error: Option<Errno> },
}

impl Watch {
    /// The job to do in this round, if it can be asked.
    fn start(&mut self, targets: &[Target], now: Instant, backoff: Duration) -> Option<Arc<Job>> {
        if let State::Hung { job, since, again } = &self.state {
            if !job.is_done() {
                return None;
            }
            // A late success is a server that came back. A late failure, or a second hang soon after the first, will
            // likely come again: each would cost a scrape the whole timeout.
            let error = job.first_error();
            let rests = *again || error.is_some();
            self.state = if rests { State::Resting { until: *since + backoff, error } } else { State::Ready };
        }
        match &self.state {
            State::Resting { until, .. } if now < *until => return None,
            State::Asked { job, .. } if !job.is_done() => return None,
            _ => {}
        }
        let job = Job::new(self.targets.iter().map(|&index| targets[index].path.clone()));
        self.state = State::Asked { job: Arc::clone(&job), since: now };
        Some(job)
    }

    /// Puts down what is known of its mounts at the round's end.
    fn finish(&mut self, answers: &mut [Option<Answer>], now: Instant, limits: Limits) {
        match &self.state {
            State::Ready | State::Hung { .. } => {}
            State::Resting { error, .. } => {
                self.targets.iter().for_each(|&index| answers[index] = error.map(Err));
            }
            State::Asked { job, since } => {
                let known = self.last.iter().copied().map(Some).chain(std::iter::repeat(None));
                self.targets.iter().zip(known).for_each(|(&index, it)| answers[index] = it);
                let fresh = job.answers();
                self.targets.iter().zip(&fresh).for_each(|(&index, it)| answers[index] = Some(*it));
                if job.is_done() || !job.is_started() {
                    self.last = fresh;
                    self.state = State::Ready;
                } else if now.duration_since(*since) >= limits.timeout {
                    let again = self.last_hang.replace(now).is_some_and(|last| now - last < limits.backoff);
                    self.targets.iter().skip(fresh.len()).for_each(|&index| answers[index] = None);
                    self.state = State::Hung { job: Arc::clone(job), since: now, again };
                }
            }
        }
    }

    /// What was known belongs to the targets as they were.
    fn forget_targets(&mut self) {
        self.targets.clear();
        self.last.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    const ANSWER: Answer = Ok(Usage {
        block_size: 0,
        blocks: 0,
        free: 0,
        available: 0,
        files: 0,
        files_free: 0,
        is_readonly: false,
    });

    fn asker(ask: Ask, timeout: Duration, backoff: Duration, targets: impl Iterator<Item = Target>) -> Asker {
        let mut asker = Asker::new(Limits { timeout, backoff, n_workers: 2 }, ask);
        asker.set_targets(targets.collect());
        asker
    }

    fn target(minor: u32, path: &str, may_hang: bool) -> Target {
        Target { device: (0, minor), path: CString::new(path).unwrap(), may_hang }
    }

    /// Holds those who come until it is opened.
    struct Gate(Mutex<bool>, Condvar, AtomicUsize);

    impl Gate {
        const fn new() -> Self {
            Self(Mutex::new(false), Condvar::new(), AtomicUsize::new(0))
        }

        fn pass(&self) {
            self.2.fetch_add(1, SeqCst);
            drop(self.1.wait_while(self.0.lock().unwrap(), |is_open| !*is_open).unwrap());
        }

        fn open(&self) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }

        fn n_came(&self) -> usize {
            self.2.load(SeqCst)
        }
    }

    /// Rounds until the answers satisfy, as scrapes go on while a call comes back.
    fn rounds_until(asker: &mut Asker, is_enough: impl Fn(&[Option<Answer>]) -> bool) {
        assert!((0..1_000_000).any(|_| is_enough(asker.ask_all())), "it never came to that");
    }

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn those_that_hang_do_not_use_up_the_threads_of_the_others() {
        static GATE: Gate = Gate::new();
        fn ask(path: &CStr) -> Answer {
            if path == c"hung" {
                GATE.pass();
            }
            ANSWER
        }
        let hung = (0..10).map(|minor| target(minor, "hung", true));
        let well = (10..20).map(|minor| target(minor, "well", true));
        let mut asker = asker(ask, Duration::from_secs(2), LONG, hung.chain(well));
        let mut expected = vec![None; 10];
        expected.resize(20, Some(ANSWER));
        assert_eq!(asker.ask_all(), expected);
        assert_eq!(asker.ask_all(), expected);
        assert_eq!(GATE.n_came(), 10);
        GATE.open();
        rounds_until(&mut asker, |answers| answers == [Some(ANSWER); 20]);
    }

    #[test]
    fn takes_no_more_threads_than_it_may() {
        static GATE: Gate = Gate::new();
        fn ask(_: &CStr) -> Answer {
            GATE.pass();
            ANSWER
        }
        let mut asker = asker(ask, Duration::from_secs(2), LONG, (0..100).map(|it| target(it, "hung", true)));
        for _ in 0..3 {
            assert_eq!(asker.ask_all(), [None; 100]);
        }
        assert_eq!(GATE.n_came(), 64);
        GATE.open();
        rounds_until(&mut asker, |answers| answers == [Some(ANSWER); 100]);
    }

    #[test]
    fn a_late_failure_is_not_asked_again_soon() {
        static GATE: Gate = Gate::new();
        fn ask(_: &CStr) -> Answer {
            GATE.pass();
            Err(Errno::TIMEDOUT)
        }
        let mut asker = asker(ask, SHORT, LONG, [target(1, "dead", true)].into_iter());
        assert_eq!(asker.ask_all(), [None]);
        GATE.open();
        rounds_until(&mut asker, |answers| answers == [Some(Err(Errno::TIMEDOUT))]);
        assert_eq!(asker.ask_all(), [Some(Err(Errno::TIMEDOUT))]);
        assert_eq!(GATE.n_came(), 1);
    }

    #[test]
    fn one_that_is_late_twice_is_left_alone() {
        static GATES: [Gate; 2] = [Gate::new(), Gate::new()];
        fn ask(_: &CStr) -> Answer {
            GATES.iter().find(|it| it.n_came() == 0).map(Gate::pass);
            ANSWER
        }
        let mut asker = asker(ask, SHORT, LONG, [target(1, "slow", true)].into_iter());
        assert_eq!(asker.ask_all(), [None]);
        GATES[0].open();
        rounds_until(&mut asker, |_| GATES[1].n_came() == 1);
        GATES[1].open();
        assert!((0..1000).all(|_| asker.ask_all() == [None]), "it rests although it would answer now");
    }

    #[test]
    fn one_that_nobody_suspected_is_watched_once_it_was_slow() {
        fn ask(path: &CStr) -> Answer {
            let asked = Instant::now();
            while path == c"slow" && asked.elapsed() < SHORT {
                std::thread::yield_now();
            }
            ANSWER
        }
        let mut asker =
            asker(ask, SHORT / 2, LONG, [target(1, "slow", false), target(2, "quick", false)].into_iter());
        assert_eq!(asker.ask_all(), [Some(ANSWER), Some(ANSWER)]);
        assert_eq!(asker.ask_all(), [None, Some(ANSWER)]);
    }
}
