//! Known loads: each does a stated amount of work on this machine, over loopback or on a path it is given.

use std::{
    fs::{OpenOptions, read_to_string},
    io::{Read, Write, pipe},
    net::{Ipv4Addr, TcpListener, TcpStream},
    ops::Range,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::{
    fs::OFlags,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// What one thread of a load does.
pub type Work<'a> = Box<dyn FnOnce() -> Result<()> + Send + 'a>;

/// Bytes of one direct request: a multiple of any disk's logical block.
pub const BLOCK: usize = 4096;

/// Runs each of `works` on its own thread, all on one CPU, then `then` while the threads still exist:
/// `/proc/<pid>/task` forgets what a thread has waited as soon as it ends.
pub fn on_one_cpu<R>(works: Vec<Work<'_>>, then: impl FnOnce() -> Result<R>) -> Result<R> {
    let cpu = first_cpu()?;
    let n_works = works.len();
    let (done, results) = mpsc::channel();
    let stay = Mutex::new(());
    thread::scope(|scope| {
        let leave = stay.lock().unwrap_or_else(PoisonError::into_inner);
        for work in works {
            let (done, stay) = (done.clone(), &stay);
            scope.spawn(move || {
                let result = pin(cpu).and_then(|()| work());
                // The receiver is gone only when another thread's work has already been an error.
                done.send(result).ok();
                drop(done);
                drop(stay.lock().unwrap_or_else(PoisonError::into_inner));
            });
        }
        drop(done);
        let outcomes: Vec<Result<()>> = results.iter().take(n_works).collect();
        ensure!(outcomes.len() == n_works, "a thread of the load panicked");
        outcomes.into_iter().collect::<Result<()>>()?;
        let answer = then();
        drop(leave);
        answer
    })
}

/// Two threads that send a byte to and fro: on one CPU at least two context switches a round.
pub fn ping_pong(rounds: u32) -> Result<Vec<Work<'static>>> {
    let (mut ping_in, mut pong_out) = pipe()?;
    let (mut pong_in, mut ping_out) = pipe()?;
    let ping = move || {
        for _ in 0..rounds {
            ping_out.write_all(&[0])?;
            ping_in.read_exact(&mut [0])?;
        }
        Ok(())
    };
    let pong = move || {
        for _ in 0..rounds {
            pong_in.read_exact(&mut [0])?;
            pong_out.write_all(&[0])?;
        }
        Ok(())
    };
    Ok(vec![Box::new(ping), Box::new(pong)])
}

/// `n_threads` that compute for `time`: on one CPU they wait for it `n_threads - 1` times as long as they run.
pub fn crowd(n_threads: usize, time: Duration) -> Vec<Work<'static>> {
    let work = move || {
        compute(time);
        Ok(())
    };
    (0..n_threads).map(|_| Box::new(work) as Work<'static>).collect()
}

/// `n_threads` that sleep again and again, on any CPU: short and long times within `time`, `n_waits` in all. Each time one
/// wakes up it waits for a CPU, most often for an idle one.
pub fn sleepers(n_threads: u64, time: Range<Duration>, n_waits: u64) -> Result<()> {
    let spread = (time.end - time.start).as_nanos() as u64;
    on_any_cpu(n_threads, |seed| {
        let mut draw = seed;
        for _ in 0..n_waits / n_threads {
            // Knuth's MMIX; the high bits are the good ones.
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            thread::sleep(time.start + Duration::from_nanos((draw >> 20) % spread));
        }
    })
}

/// `n_threads` that compute and sleep in turn, each for as long, on any CPU.
pub fn on_and_off(n_threads: u64, phase: Duration, time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    on_any_cpu(n_threads, |_| {
        while Instant::now() < end {
            compute(phase);
            thread::sleep(phase);
        }
    })
}

/// `n_tasks` that begin at once, compute for `time` and end, on any CPU: the kernel moves them about while they wait.
pub fn forks(n_tasks: u64, time: Duration) -> Result<()> {
    on_any_cpu(n_tasks, |_| compute(time))
}

/// `n_threads` that read the clock all the time, on any CPU: for how long they could not, all together. Interrupts of the
/// usual length do not count.
pub fn stops(n_threads: u64, time: Duration) -> Result<Duration> {
    const INTERRUPT: Duration = Duration::from_micros(100);
    let total = Mutex::new(Duration::ZERO);
    let begin = Instant::now();
    on_any_cpu(n_threads, |_| {
        // That it was long in coming counts as well.
        let (mut stopped, mut last) = (Duration::ZERO, begin);
        while last.duration_since(begin) < time {
            let now = Instant::now();
            let gap = now - last;
            if gap > INTERRUPT {
                stopped += gap;
            }
            last = now;
        }
        *total.lock().unwrap_or_else(PoisonError::into_inner) += stopped;
    })?;
    Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Runs `work` on so many threads, each of which is handed its number.
fn on_any_cpu(n_threads: u64, work: impl Fn(u64) + Sync) -> Result<()> {
    thread::scope(|scope| {
        let work = &work;
        for idx in 0..n_threads {
            let thread = thread::Builder::new().stack_size(64 << 10);
            thread.spawn_scoped(scope, move || work(idx)).context("start a thread of the load")?;
        }
        Ok(())
    })
}

/// Computes for so long.
pub fn compute(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Seconds that this thread had a CPU so far.
pub fn used() -> Result<f64> {
    schedstat(0)
}

/// Seconds that this thread waited in run queues so far.
pub fn waited() -> Result<f64> {
    schedstat(1)
}

/// A time of this thread, in seconds: Documentation/scheduler/sched-stats.rst.
fn schedstat(index: usize) -> Result<f64> {
    let text = read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').nth(index).context("a short schedstat")?.parse::<f64>()? / 1e9)
}

/// Reads `n_requests` blocks of the file or disk at `path`, each as a request of its own, past the page cache.
pub fn direct_reads(path: &Path, n_requests: u64) -> Result<()> {
    let file = OpenOptions::new().read(true).custom_flags(direct()).open(path);
    let file = file.with_context(|| format!("open {} past the cache", path.display()))?;
    let mut block = Box::new(Block([0; BLOCK]));
    for idx in 0..n_requests {
        file.read_exact_at(&mut block.0, offset(idx)).context("read past the cache")?;
    }
    Ok(())
}

/// Overwrites `n_requests` blocks of the file or disk at `path`, each as a request of its own, past the page cache.
pub fn direct_writes(path: &Path, n_requests: u64) -> Result<()> {
    let file = OpenOptions::new().write(true).custom_flags(direct()).open(path);
    let file = file.with_context(|| format!("open {} past the cache", path.display()))?;
    let block = Box::new(Block([0xA5; BLOCK]));
    for idx in 0..n_requests {
        file.write_all_at(&block.0, offset(idx)).context("write past the cache")?;
    }
    Ok(())
}

/// Sends `n_bytes` through one TCP connection over loopback; returns when all have been received.
pub fn loopback_tcp(n_bytes: usize) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    let received = thread::spawn(move || std::io::copy(&mut receiver, &mut std::io::sink()));
    let chunk = [0; 16 * 1024];
    let mut left = n_bytes;
    while left > 0 {
        let n = left.min(chunk.len());
        sender.write_all(&chunk[..n])?;
        left -= n;
    }
    drop(sender);
    let received = received.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))??;
    ensure!(received == n_bytes as u64, "received {received} of {n_bytes} bytes");
    Ok(())
}

/// The alignment that direct I/O asks for.
#[repr(align(4096))]
struct Block([u8; BLOCK]);

/// Every second block, so that no two requests touch and merge.
fn offset(idx: u64) -> u64 {
    2 * idx * BLOCK as u64
}

fn direct() -> i32 {
    OFlags::DIRECT.bits().cast_signed()
}

fn first_cpu() -> Result<usize> {
    let allowed = sched_getaffinity(None)?;
    (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).context("find a CPU to run on")
}

fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).context("stay on one CPU")
}

#[cfg(test)]
mod tests {
    use rustix::thread::gettid;

    use super::*;

    #[test]
    fn keeps_the_threads_until_the_reader_is_done() {
        let (tell, told) = mpsc::channel();
        let tell_id: Work<'_> = Box::new(move || Ok(tell.send(gettid())?));
        let exists = on_one_cpu(vec![tell_id], || {
            let id = told.recv()?.as_raw_nonzero();
            Ok(Path::new(&format!("/proc/self/task/{id}")).exists())
        });
        assert!(exists.unwrap());
    }

    #[test]
    fn hands_back_the_error_of_a_thread() {
        let works: Vec<Work<'_>> = vec![Box::new(|| Ok(())), Box::new(|| anyhow::bail!("no disk"))];
        assert_eq!(on_one_cpu(works, || Ok(())).unwrap_err().to_string(), "no disk");
    }

    #[test]
    fn sends_every_byte() {
        loopback_tcp(100_000).unwrap();
    }
}
