//! What a doctor says of process 1, against what a probe of ours sees of it.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use hostlens::ebpf::{FirstProcess, Kernel, Sight};
use hostlens_tests::{agent::program, truth};

/// Longer than process 1 of a host sleeps.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn watch() -> Result<FirstProcess> {
    let watch = FirstProcess::watch(&Kernel::new(None), Path::new("/proc"));
    watch.map_err(|error| anyhow!("watch process 1: {}", error.reason()))
}

/// Whether process 1 had a CPU since `watch` began, and this kernel runs no program then.
pub(crate) fn may_have_missed(watch: &FirstProcess) -> Result<bool> {
    Ok(watch.switches()?.counted > 0 && watch.sight(LIMIT)? == Sight::Barred)
}

pub(crate) fn is_told() -> Result<()> {
    let watch = watch()?;
    let told = truth::doctor_of_process_1(program()?)?;
    make_orphans()?;
    let sight = watch.sight(LIMIT)?;
    println!("{:?}: {sight:?}; {told}", watch.switches()?);
    let words = match sight {
        Sight::Open => "what happens while it has a CPU is seen",
        Sight::Barred => "this kernel runs no probe while process 1 has a CPU",
        Sight::Unknown => return Err(anyhow!("process 1 does not run")),
    };
    ensure!(told.contains(words) || told.contains("not known, as it did not run"), "{told}");
    Ok(())
}

/// Whose ends wake process 1 up.
fn make_orphans() -> Result<()> {
    for _ in 0..20 {
        Command::new("sh").args(["-c", "sleep 0.01 &"]).status().context("start sh")?;
    }
    Ok(())
}
