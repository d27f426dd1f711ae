//! What a doctor says of process 1, against what a probe of ours sees of it.

use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use hostlens::ebpf::Sight;
use hostlens_tests::{agent::program, first_process, truth};

pub(crate) fn is_told() -> Result<()> {
    let watch = first_process::watch()?;
    let told = truth::doctor_of_process_1(program()?)?;
    make_orphans()?;
    let sight = watch.sight(first_process::LIMIT)?;
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
