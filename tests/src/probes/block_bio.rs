//! What the probe counts of I/O from its submission, against the application's own clock.

use std::{
    os::unix::fs::FileExt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Instant,
};

use anyhow::{Result, ensure};

use super::{
    Check,
    block_io::{MIB, REQUESTS, SUBMITTED, agent, count, seconds},
};
use crate::loop_device::{Loop, aligned, buffer};

pub(super) const CHECKS: &[Check] = &[Check {
    collector: "block_bio",
    claim: "waiting for a free request is in the time from submission",
    run: |_| waits_for_a_request(),
}];

/// Many readers of a device with few requests wait for one of them, which only the time from submission has.
fn waits_for_a_request() -> Result<String> {
    const READERS: u64 = 24;
    let agent = agent()?;
    let device = Loop::of_size(64 * MIB)?;
    device.set("nr_requests", "4")?;
    let spent = AtomicU64::new(0);
    let n_reads = AtomicU64::new(0);
    thread::scope(|scope| {
        let read = |reader: u64| -> Result<()> {
            let file = device.open()?;
            let mut buffer = buffer(64 << 10);
            for idx in 0..100 {
                let begin = Instant::now();
                file.read_exact_at(aligned(&mut buffer), (reader + idx * 7) % 64 * MIB as u64)?;
                spent.fetch_add(begin.elapsed().as_nanos() as u64, Relaxed);
                n_reads.fetch_add(1, Relaxed);
            }
            Ok(())
        };
        let readers: Vec<_> = (0..READERS).map(|it| scope.spawn(move || read(it))).collect();
        readers.into_iter().try_for_each(|it| it.join().expect("a reader does not panic"))
    })?;
    let page = agent.scrape()?;
    let own = spent.into_inner() as f64 / 1e9;
    let n_reads = n_reads.into_inner() as f64;
    ensure!(count(&page, SUBMITTED, &device.name, "read") == n_reads, "not all of {n_reads} reads");
    let request = seconds(&page, REQUESTS, &device.name)? / own;
    let submitted = seconds(&page, SUBMITTED, &device.name)? / own;
    let figures =
        format!("of {own:.3} s in {n_reads} reads {request:.3} are requests, {submitted:.3} from submission");
    // The rest is what readers wait for a CPU.
    ensure!(submitted > 0.6 && submitted <= 1.0, "not what the readers waited: {figures}");
    ensure!(request < submitted / 2.0, "waiting for a request is in the request's time: {figures}");
    Ok(figures)
}
