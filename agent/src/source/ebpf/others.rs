//! What the programs of others cost: the kernel counts the runs and the time of all programs of the host while
//! somebody holds `BPF_ENABLE_STATS` (bpf(2), from Linux 5.8).
//!
//! That takes two readings of the clock a run, 20 to 50 ns, of every program there is. So a thread holds it for a
//! short time only, again and again, and what is counted then stands for the whole. A process that dies lets go of it.
//! Listing programs and holding the statistics both need `CAP_SYS_ADMIN`.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use aya::{
    programs::{ProgramError, loaded_programs},
    sys::{Stats, enable_stats},
};

use super::{Probes, loaded::lock};

/// Programs of one name and type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// The kernel keeps 15 bytes of it.
    pub name: String,
    /// As `cgroup_skb`.
    pub program_type: String,
}

impl Kind {
    pub fn other() -> Self {
        Self { name: "~other".to_owned(), program_type: String::new() }
    }
}

/// What the programs of a kind have cost since the first sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    pub runs: f64,
    pub time: Duration,
    /// Programs that are loaded now.
    pub loaded: u64,
}

/// How samples are taken.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// How long the kernel counts,
    pub on: Duration,
    /// of this time.
    pub every: Duration,
    /// How many kinds are told apart. Those that come later are counted as [`Kind::other`].
    pub max_kinds: usize,
}

/// Samples what the programs of others cost until it is dropped.
#[derive(Debug)]
pub struct OtherPrograms {
    totals: Arc<Mutex<Totals>>,
    /// Closed, the thread ends.
    _end: Sender<()>,
}

#[derive(Debug, Default)]
struct Totals {
    spent: BTreeMap<Kind, Spent>,
    /// Why the last sample could not be taken.
    error: Option<io::Error>,
}

/// The counters of each program that is loaded, by number.
type Reading = HashMap<u32, (Kind, u64, Duration)>;

impl OtherPrograms {
    /// Starts to sample, on a thread with the capabilities of this one. `ours` are left out.
    pub fn sample(sampling: Sampling, ours: Probes) -> io::Result<Self> {
        let totals = Arc::<Mutex<Totals>>::default();
        let (_end, ended) = channel();
        let filled = Arc::clone(&totals);
        let run = move || while step(sampling, &ours, &filled, &ended) {};
        thread::Builder::new().name("bpf-stats".to_owned()).spawn(run)?;
        Ok(Self { totals, _end })
    }

    /// Whether this thread may sample.
    pub fn check() -> io::Result<()> {
        enable_stats(Stats::RunTime).map_err(|it| it.io_error)?;
        read(&Probes::default()).map(drop)
    }

    /// What was spent so far, by kind; an error if the last sample could not be taken.
    pub fn spent(&self) -> io::Result<BTreeMap<Kind, Spent>> {
        let totals = lock(&self.totals);
        match &totals.error {
            // It stands until a sample can be taken.
            Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
            None => Ok(totals.spent.clone()),
        }
    }
}

/// Takes one sample and waits for the next; false at the end.
fn step(sampling: Sampling, ours: &Probes, totals: &Mutex<Totals>, ended: &Receiver<()>) -> bool {
    let goes_on = |time| matches!(ended.recv_timeout(time), Err(RecvTimeoutError::Timeout));
    let sample = || -> io::Result<Option<(Reading, Reading)>> {
        let before = read(ours)?;
        let _counting = enable_stats(Stats::RunTime).map_err(|it| it.io_error)?;
        if !goes_on(sampling.on) {
            return Ok(None);
        }
        Ok(Some((before, read(ours)?)))
    };
    match sample() {
        Ok(None) => return false,
        Ok(Some((before, after))) => {
            let mut totals = lock(totals);
            totals.error = None;
            add(&mut totals.spent, &before, after, sampling);
        }
        Err(error) => lock(totals).error = Some(error),
    }
    goes_on(sampling.every.saturating_sub(sampling.on))
}

/// Adds what was counted between two readings, for all the time that it stands for.
fn add(spent: &mut BTreeMap<Kind, Spent>, before: &Reading, after: Reading, sampling: Sampling) {
    let scale = sampling.every.as_secs_f64() / sampling.on.as_secs_f64();
    for it in spent.values_mut() {
        it.loaded = 0;
    }
    for (number, (kind, runs, time)) in after {
        // One that was loaded meanwhile began with nothing.
        let (runs_before, time_before) = before.get(&number).map_or_else(Default::default, |it| (it.1, it.2));
        let is_told = spent.contains_key(&kind) || spent.len() < sampling.max_kinds;
        let total = spent.entry(if is_told { kind } else { Kind::other() }).or_default();
        total.loaded += 1;
        total.runs += runs.saturating_sub(runs_before) as f64 * scale;
        total.time += time.saturating_sub(time_before).mul_f64(scale);
    }
}

fn read(ours: &Probes) -> io::Result<Reading> {
    let ours = ours.list();
    let mut reading = Reading::new();
    for program in loaded_programs() {
        let program = match program {
            Ok(program) => program,
            // It was unloaded between being listed and looked at.
            Err(ProgramError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => {
                continue;
            }
            Err(ProgramError::SyscallError(error)) => return Err(error.io_error),
            Err(error) => return Err(io::Error::other(error)),
        };
        if ours.iter().any(|it| it.has_program(program.id())) {
            continue;
        }
        let program_type = format!("{:?}", program.program_type()).to_lowercase();
        let program_type = program_type.trim_start_matches("bpf_prog_type_").to_owned();
        let name = String::from_utf8_lossy(program.name()).into_owned();
        let kind = Kind { name, program_type };
        reading.insert(program.id(), (kind, program.run_count(), program.run_time()));
    }
    Ok(reading)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> Kind {
        Kind { name: name.to_owned(), program_type: "tracing".to_owned() }
    }

    fn reading(programs: &[(u32, &str, u64, u64)]) -> Reading {
        let program = |&(number, name, runs, time): &(u32, &str, u64, u64)| {
            (number, (kind(name), runs, Duration::from_nanos(time)))
        };
        programs.iter().map(program).collect()
    }

    #[test]
    fn an_error_stands_until_the_next_sample() {
        let totals = Arc::<Mutex<Totals>>::default();
        lock(&totals).error = Some(io::ErrorKind::PermissionDenied.into());
        let programs = OtherPrograms { totals, _end: channel().0 };
        for _ in 0..2 {
            assert_eq!(programs.spent().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
        lock(&programs.totals).error = None;
        assert!(programs.spent().unwrap().is_empty());
    }

    #[test]
    fn a_sample_stands_for_the_whole_and_nothing_is_taken_back() {
        let (on, every) = (Duration::from_secs(1), Duration::from_secs(10));
        let sampling = Sampling { on, every, max_kinds: 2 };
        let mut spent = BTreeMap::new();
        let first = reading(&[(1, "a", 10, 1000), (2, "a", 5, 500), (3, "b", 7, 700)]);
        // 2 was unloaded, 4 loaded meanwhile.
        let second = reading(&[(1, "a", 20, 3000), (3, "b", 7, 700), (4, "b", 1, 100)]);
        add(&mut spent, &first, second.clone(), sampling);
        assert_eq!(spent[&kind("a")], Spent { runs: 100.0, time: Duration::from_micros(20), loaded: 1 });
        assert_eq!(spent[&kind("b")], Spent { runs: 10.0, time: Duration::from_micros(1), loaded: 2 });
        // All of them were unloaded.
        add(&mut spent, &second, Reading::new(), sampling);
        assert_eq!(spent[&kind("a")], Spent { runs: 100.0, time: Duration::from_micros(20), loaded: 0 });
        // A third kind and a fourth.
        let third = reading(&[(5, "c", 3, 300), (6, "d", 1, 100)]);
        add(&mut spent, &Reading::new(), third, sampling);
        assert_eq!(spent.len(), 3);
        assert_eq!(spent[&Kind::other()], Spent { runs: 40.0, time: Duration::from_micros(4), loaded: 2 });
    }
}
