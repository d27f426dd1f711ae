//! What a doctor says of process 1, against what a probe of ours sees of it.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use anyhow::{Context, Result, anyhow, ensure};
use hostlens::ebpf::Sight;
use hostlens_tests::{agent::program, first_process, truth};

pub(crate) fn is_told() -> Result<()> {
    let watch = first_process::watch()?;
    let told = beside_orphans(|| truth::doctor_of_process_1(program()?))?;
    let sight = watch.sight(first_process::LIMIT)?;
    println!("{:?}: {sight:?}; {told}", watch.switches()?);
    let words = match sight {
        Sight::Open => "what happens while it has a CPU is seen",
        Sight::Barred => "this kernel runs no probe while process 1 has a CPU",
        Sight::Unknown => return Err(anyhow!("process 1 does not run")),
    };
    ensure!(told.contains(words), "{told}");
    Ok(())
}

/// Runs `check` while children without a parent end, each of which wakes process 1 up.
fn beside_orphans<T>(check: impl FnOnce() -> Result<T>) -> Result<T> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let orphans = scope.spawn(|| {
            while !is_over.load(Relaxed) {
                Command::new("sh").args(["-c", "sleep 0.01 &"]).status().context("start sh")?;
            }
            anyhow::Ok(())
        });
        let outcome = check();
        is_over.store(true, Relaxed);
        orphans.join().map_err(|_| anyhow!("the thread that makes orphans panicked"))??;
        outcome
    })
}
