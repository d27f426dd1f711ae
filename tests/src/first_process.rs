//! Checks of exact counts, on kernels that run no tracing program while process 1 has a CPU.

use std::{path::Path, time::Duration};

use anyhow::{Result, anyhow};
use hostlens::ebpf::{FirstProcess, Kernel, Sight};

/// Longer than process 1 of a host sleeps.
pub const LIMIT: Duration = Duration::from_secs(30);

pub fn watch() -> Result<FirstProcess> {
    let watch = FirstProcess::watch(&Kernel::new(None), Path::new("/proc"));
    watch.map_err(|error| anyhow!("watch process 1: {}", error.reason()))
}

/// Whether process 1 had a CPU since `watch` began, and this kernel runs no program then.
pub fn may_have_missed(watch: &FirstProcess) -> Result<bool> {
    Ok(watch.switches()?.counted > 0 && watch.sight(LIMIT)? == Sight::Barred)
}

/// Runs a check again if it fails while process 1 ran, on kernels that run no program for what interrupts it, as the end
/// of a request may.
pub fn undisturbed<T>(check: impl Fn() -> Result<T>) -> Result<T> {
    const TRIES: usize = 5;
    for _ in 1..TRIES {
        let watch = watch()?;
        match check() {
            Err(error) if may_have_missed(&watch)? => {
                println!("again, as process 1 ran: {error:#}");
            }
            outcome => return outcome,
        }
    }
    check()
}
