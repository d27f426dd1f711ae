//! Loads that make the kernel run through its hooks as often as it can.
//!
//! The threads of a load stay on one CPU: what they do is the same each time, and a hook that runs in an interrupt takes
//! its time from one of them. One load does so on every CPU at once: there CPUs are in each other's way if programs
//! write what they share.

use std::{
    fs::{self, File, OpenOptions},
    hint::{black_box, spin_loop},
    io::{ErrorKind, Read, Write, pipe},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::{
        fs::{FileExt, OpenOptionsExt},
        process::parent_id,
    },
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use nix::time::ClockId;
use rustix::{
    fs::OFlags,
    process::setpriority_process,
    thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity, sched_yield},
};
use socket2::SockRef;
use tempfile::NamedTempFile;

use crate::process::{self, workspace};

/// Bytes of one direct request: a multiple of any disk's logical block.
const BLOCK: usize = 4096;
const FILE_BLOCKS: u64 = 16 * 1024;
/// So many that one of them runs while the others wait for the disk.
const DISK_THREADS: u64 = 4;
const MESSAGE: usize = 64;
const CHUNK: usize = 64 * 1024;
/// Of one connection of the stream.
const CHUNKS: u64 = 512;
const WINDOW: usize = 128 * 1024;

/// What a load does, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Switch,
    Fresh,
    Stale,
    Storm,
    Disk,
    Syscall,
    Connect,
    Stream,
}

/// What a load has done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) n_ops: u64,
    /// CPU time of its threads, user and system.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

/// Where loads run.
pub(crate) struct Place {
    cpu: usize,
    cpus: Vec<usize>,
    file: NamedTempFile,
}

/// What a thread of a load does; it returns how many operations it has done, if it is the one that counts them.
type Worker<'a> = Box<dyn FnOnce() -> Result<u64> + Send + 'a>;

impl Load {
    pub(crate) const ALL: [Self; 8] = [
        Self::Switch,
        Self::Fresh,
        Self::Stale,
        Self::Storm,
        Self::Disk,
        Self::Syscall,
        Self::Connect,
        Self::Stream,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Storm => "storm",
            Self::Disk => "disk",
            Self::Syscall => "syscall",
            Self::Connect => "connect",
            Self::Stream => "stream",
        }
    }

    /// What one operation is.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Switch => "a byte to another thread and back, through pipes: 2 context switches",
            Self::Fresh => {
                "the same, from threads whose wake-ups preempt none: the run queue's clock is fresh"
            }
            Self::Stale => {
                "sched_yield(2) of two threads: a context switch at which the clock must be read again"
            }
            Self::Storm => "the same as `switch`, on every CPU at once",
            Self::Disk => "a direct read or write of 4 KiB, from 4 threads",
            Self::Syscall => "getppid(2)",
            Self::Connect => "a TCP connection over loopback: 64 bytes there, 64 back, closed",
            Self::Stream => "64 KiB through a TCP connection over loopback",
        }
    }

    /// Runs it for this long.
    pub(crate) fn run(self, place: &Place, time: Duration) -> Result<Work> {
        let workers = match self {
            Self::Switch => ping_pong(time),
            Self::Fresh => ping_pong(time).map(|it| it.into_iter().map(in_batches).collect()),
            Self::Stale => Ok(vec![yields(time), yields(time)]),
            Self::Storm => return place.run_everywhere(|| ping_pong(time)).context("run the load `storm`"),
            Self::Disk => direct_io(place, time),
            Self::Syscall => Ok(vec![syscalls(time)]),
            Self::Connect => connections(time),
            Self::Stream => stream(time),
        };
        // The others keep their CPU busy.
        let may_idle = self == Self::Disk;
        workers
            .and_then(|it| place.run(place.cpu, it, may_idle))
            .with_context(|| format!("run the load `{}`", self.name()))
    }
}

impl Work {
    /// CPU time of one operation, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.n_ops as f64
    }

    pub(crate) fn ops_per_s(&self) -> f64 {
        self.n_ops as f64 / self.wall.as_secs_f64()
    }
}

impl Place {
    /// The last CPU that is allowed, as interrupts prefer the first ones; and a file below the target directory.
    pub(crate) fn find() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
        let folder = workspace().join("target");
        fs::create_dir_all(&folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        for _ in 0..FILE_BLOCKS {
            file.write_all(&[1; BLOCK])?;
        }
        file.as_file().sync_all()?;
        Ok(Self { cpu: *cpus.last().context("find a CPU to run on")?, cpus, file })
    }

    /// The same on every CPU.
    fn run_everywhere<'a>(&self, workers: impl Fn() -> Result<Vec<Worker<'a>>>) -> Result<Work> {
        let teams: Vec<_> = self.cpus.iter().map(|cpu| Ok((*cpu, workers()?))).collect::<Result<_>>()?;
        thread::scope(|scope| {
            let run = |(cpu, workers)| scope.spawn(move || self.run(cpu, workers, false));
            let threads: Vec<_> = teams.into_iter().map(run).collect();
            let mut all = Work { n_ops: 0, cpu: Duration::ZERO, wall: Duration::ZERO };
            for thread in threads {
                let work = thread.join().map_err(|_| anyhow!("a thread panicked"))??;
                all.n_ops += work.n_ops;
                all.cpu += work.cpu;
                all.wall = all.wall.max(work.wall);
            }
            Ok(all)
        })
    }

    fn run(&self, cpu: usize, workers: Vec<Worker<'_>>, may_idle: bool) -> Result<Work> {
        let started = Instant::now();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let awake = may_idle.then(|| scope.spawn(|| keep_awake(cpu, &stop)));
            let threads: Vec<_> =
                workers.into_iter().map(|it| scope.spawn(move || on_cpu(cpu, it))).collect();
            // All of them, also after an error: it ends the others.
            let results: Vec<_> = threads.into_iter().map(ScopedJoinHandle::join).collect();
            let mut work = Work { n_ops: 0, cpu: Duration::ZERO, wall: started.elapsed() };
            stop.store(true, Ordering::Relaxed);
            let panicked = |_| anyhow!("a thread panicked");
            if let Some(awake) = awake {
                awake.join().map_err(panicked)??;
            }
            for result in results {
                let (n_ops, cpu) = result.map_err(panicked)??;
                work.n_ops += n_ops;
                work.cpu += cpu;
            }
            Ok(work)
        })
    }
}

/// Keeps the CPU awake at the lowest priority: to wake it takes a time of its own, more so in a virtual machine.
fn keep_awake(cpu: usize, stop: &AtomicBool) -> Result<()> {
    stay_on(cpu)?;
    // Of this thread alone; see the notes in setpriority(2).
    setpriority_process(None, 19)?;
    while !stop.load(Ordering::Relaxed) {
        spin_loop();
    }
    Ok(())
}

fn on_cpu(cpu: usize, worker: Worker<'_>) -> Result<(u64, Duration)> {
    stay_on(cpu)?;
    // What getrusage(2) says of a thread, without its rounding.
    let spent = || -> Result<Duration> { Ok(ClockId::CLOCK_THREAD_CPUTIME_ID.now()?.into()) };
    let before = spent()?;
    let n_ops = worker()?;
    Ok((n_ops, spent()?.saturating_sub(before)))
}

fn stay_on(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).context("stay on one CPU")
}

/// Repeats an operation, and looks at the clock after every `batch` of them.
fn repeat(time: Duration, batch: u64, mut operation: impl FnMut() -> Result<()>) -> Result<u64> {
    let until = Instant::now() + time;
    let mut n_ops = 0;
    while Instant::now() < until {
        for _ in 0..batch {
            operation()?;
        }
        n_ops += batch;
    }
    Ok(n_ops)
}

fn ping_pong(time: Duration) -> Result<Vec<Worker<'static>>> {
    let (mut ping_in, mut pong_out) = pipe()?;
    let (mut pong_in, mut ping_out) = pipe()?;
    let ping = move || {
        repeat(time, 64, || {
            ping_out.write_all(&[0])?;
            ping_in.read_exact(&mut [0])?;
            Ok(())
        })
    };
    let pong = move || {
        while pong_in.read(&mut [0])? == 1 {
            pong_out.write_all(&[0])?;
        }
        Ok(0)
    };
    Ok(vec![Box::new(ping), Box::new(pong)])
}

/// A thread that wakes another and goes on until it waits itself: the kernel calls that a batch job.
fn in_batches(worker: Worker<'_>) -> Worker<'_> {
    Box::new(move || {
        let thread = gettid().to_string();
        process::run(Command::new("chrt").args(["--batch", "--pid", "0", &thread]))?;
        worker()
    })
}

fn yields(time: Duration) -> Worker<'static> {
    Box::new(move || {
        repeat(time, 64, || {
            sched_yield();
            Ok(())
        })
    })
}

fn syscalls(time: Duration) -> Worker<'static> {
    Box::new(move || {
        repeat(time, 512, || {
            black_box(parent_id());
            Ok(())
        })
    })
}

fn direct_io(place: &Place, time: Duration) -> Result<Vec<Worker<'static>>> {
    let open = || {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .custom_flags(OFlags::DIRECT.bits().cast_signed())
            .open(place.file.path())
    };
    let worker = |idx| -> Result<Worker<'static>> {
        let file: File = open().context("open a file past the page cache")?;
        Ok(Box::new(move || random_blocks(&file, idx, time)))
    };
    (0..DISK_THREADS).map(worker).collect()
}

/// Reads and overwrites blocks in turn, where chance has it: neighbours would be merged into one request.
fn random_blocks(file: &File, seed: u64, time: Duration) -> Result<u64> {
    #[repr(align(4096))]
    struct Block([u8; BLOCK]);
    let mut block = Box::new(Block([0xA5; BLOCK]));
    let (mut random, mut writes) = (seed, false);
    repeat(time, 4, || {
        // Knuth's multiplier; the high bits are the random ones.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let offset = (random >> 33) % FILE_BLOCKS * BLOCK as u64;
        writes = !writes;
        if writes {
            file.write_all_at(&block.0, offset)?;
        } else {
            file.read_exact_at(&mut block.0, offset)?;
        }
        Ok(())
    })
}

fn connections(time: Duration) -> Result<Vec<Worker<'static>>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let client = move || {
        let exchange = || -> Result<TcpStream> {
            let mut stream = TcpStream::connect(address)?;
            let mut message = [1; MESSAGE];
            stream.write_all(&message)?;
            stream.read_exact(&mut message)?;
            Ok(stream)
        };
        let n_ops = repeat(time, 8, || {
            // Reset rather than left in TIME_WAIT, where thousands a second would use up the ports.
            Ok(SockRef::from(&exchange()?).set_linger(Some(Duration::ZERO))?)
        });
        // A connection without a word ends the server.
        drop(TcpStream::connect(address)?);
        n_ops
    };
    let server = move || {
        loop {
            let (mut stream, _) = listener.accept()?;
            let mut message = [0; MESSAGE];
            if stream.read(&mut message)? == 0 {
                return Ok(0);
            }
            stream.write_all(&message)?;
            match stream.read(&mut message) {
                Err(error) if error.kind() != ErrorKind::ConnectionReset => return Err(error.into()),
                _ => {}
            }
        }
    };
    Ok(vec![Box::new(client), Box::new(server)])
}

/// Many connections in turn: where the kernel happens to find memory for one makes a difference of some percent.
fn stream(time: Duration) -> Result<Vec<Worker<'static>>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    // Fixed, or how much is under way, and so in the caches, is a matter of chance, too.
    SockRef::from(&listener).set_recv_buffer_size(WINDOW)?;
    let address = listener.local_addr()?;
    let sender = move || {
        let n_connections = repeat(time, 1, || {
            let mut stream = TcpStream::connect(address)?;
            SockRef::from(&stream).set_send_buffer_size(WINDOW)?;
            (0..CHUNKS).try_for_each(|_| Ok(stream.write_all(&[1; CHUNK])?))
        });
        // A connection without a word ends the receiver.
        drop(TcpStream::connect(address)?);
        Ok(n_connections? * CHUNKS)
    };
    let receiver = move || {
        let mut buffer = vec![0; CHUNK];
        loop {
            let (mut stream, _) = listener.accept()?;
            let mut n_bytes = 0;
            while let n @ 1.. = stream.read(&mut buffer)? {
                n_bytes += n;
            }
            if n_bytes == 0 {
                return Ok(0);
            }
        }
    };
    Ok(vec![Box::new(sender), Box::new(receiver)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_do_something_and_end() {
        let place = Place::find().unwrap();
        // Not every file system knows direct I/O.
        for load in Load::ALL.into_iter().filter(|it| *it != Load::Disk) {
            let work = load.run(&place, Duration::from_millis(5)).unwrap();
            assert!(work.n_ops > 0 && work.cpu > Duration::ZERO, "{}: {work:?}", load.name());
        }
    }

    #[test]
    fn an_error_of_one_thread_ends_the_load() {
        let (mut from, to) = pipe().unwrap();
        let bad: Worker<'_> = Box::new(move || {
            drop(to);
            anyhow::bail!("no disk")
        });
        let other: Worker<'_> = Box::new(move || Ok(from.read(&mut [0])? as u64));
        let place = Place::find().unwrap();
        assert_eq!(place.run(place.cpu, vec![bad, other], true).unwrap_err().to_string(), "no disk");
    }
}
