//! Hosts on which no probe can run: each collector that needs one says why and what would help, all others work.

use std::{fs, os::unix::fs::PermissionsExt, panic::resume_unwind, thread};

use anyhow::{Context, Result, ensure};
use hostlens_tests::{
    Agent,
    agent::{program, program_for_everybody},
    truth,
};
use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

/// Collectors of which each has a probe.
const WITH_PROBES: [&str; 2] = ["block_io", "runqueue"];

/// What the agent says of the collectors that need eBPF, and that it serves the others, and ends well.
fn says(agent: Agent, reason: &str, remedy: &str) -> Result<()> {
    let page = agent.scrape()?;
    let states = truth::states(&page)?;
    let (unavailable, others): (Vec<_>, Vec<_>) = states.iter().partition(|it| it.state == "unavailable");
    for name in WITH_PROBES {
        let state = unavailable.iter().find(|it| it.collector == name);
        let state = state.with_context(|| format!("{name} is not unavailable: {states:?}"))?;
        ensure!(state.reason == reason, "{name} is unavailable because {:?}, not {reason:?}", state.reason);
        ensure!(state.remedy == remedy, "{name}'s remedy is {:?}, not {remedy:?}", state.remedy);
        ensure!(
            page.value("node_scrape_collector_success", &[("collector", name)])? == 0.0,
            "{name} succeeds"
        );
    }
    let bad: Vec<_> =
        others.iter().filter(|it| !["running", "absent"].contains(&it.state.as_str())).collect();
    ensure!(bad.is_empty(), "{bad:?}");
    ensure!(page.value("node_memory_MemTotal_bytes", &[])? > 0.0, "no memory");
    ensure!(page.value("node_load1", &[])? >= 0.0, "no load");
    ensure!(page.sum("node_cpu_seconds_total", &[])? > 0.0, "no CPU");
    ensure!(agent.stop()?.success(), "the agent did not end well");
    Ok(())
}

/// Runs it on a thread of its own, which may give up what it has; what it starts inherits that.
fn on_a_thread(start: impl FnOnce() -> Result<Agent> + Send) -> Result<Agent> {
    thread::scope(|scope| scope.spawn(start).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

#[test]
fn probes_that_are_switched_off_say_so() -> Result<()> {
    let named = WITH_PROBES.map(|it| format!("[collector.{it}]\nenabled = true\n")).concat();
    let agent = Agent::start(&format!("[ebpf]\nenabled = 'never'\n{named}"), &[])?;
    // The others are off with their probes, which is no fault.
    let states = truth::states(&agent.scrape()?)?;
    let n_unavailable = states.iter().filter(|it| it.state == "unavailable").count();
    ensure!(n_unavailable == WITH_PROBES.len(), "{states:?}");
    says(agent, "probes are switched off", "set `enabled = \"auto\"` in [ebpf]")
}

#[test]
fn a_kernel_without_types_is_told_with_the_file_that_is_missing() -> Result<()> {
    let agent = Agent::start("[ebpf]\nbtf_path = \"/nonexistent/vmlinux\"\n", &[])?;
    let reason = "read the kernel's types from /nonexistent/vmlinux: No such file or directory (os error 2)";
    says(agent, reason, "use a kernel built with CONFIG_DEBUG_INFO_BTF, or name a file with its BTF")
}

#[test]
fn types_that_are_none_are_told() -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), b"\x7fELF and so on")?;
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644))?;
    let path = file.path().display();
    let agent = Agent::start(&format!("[ebpf]\nbtf_path = \"{path}\"\n"), &[])?;
    let reason = truth::states(&agent.scrape()?)?;
    let reason = &reason.iter().find(|it| it.collector == "runqueue").context("no runqueue")?.reason;
    ensure!(reason.starts_with(&format!("read the kernel's types from {path}: ")), "{reason}");
    says(agent, &reason.clone(), "name a file with the BTF of the running kernel")
}

#[test]
#[ignore = "becomes another user: needs root and BTF"]
fn a_user_without_capabilities_is_told_which_are_missing() -> Result<()> {
    let (_folder, program) = program_for_everybody()?;
    let agent = on_a_thread(|| {
        let (nobody, nogroup) = (Uid::from_raw(65534), Gid::from_raw(65534));
        set_thread_groups(&[])?;
        set_thread_res_gid(nogroup, nogroup, nogroup)?;
        // Capabilities go with it: capabilities(7), "Effect of user ID changes on capabilities".
        set_thread_res_uid(nobody, nobody, nobody)?;
        Agent::start_program(&program, "", &[])
    })?;
    let reason = "bpf(2) is not permitted: the agent lacks CAP_BPF and CAP_PERFMON";
    let remedy = "give the agent CAP_BPF and CAP_PERFMON (before Linux 5.8 CAP_SYS_ADMIN), or run it as root";
    says(agent, reason, remedy)
}

#[test]
#[ignore = "holds back bpf(2) from root: needs root and BTF"]
fn a_seccomp_filter_is_told_from_a_lack_of_capabilities() -> Result<()> {
    let program = program()?;
    let agent = on_a_thread(|| {
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        let forbidden = SeccompAction::Errno(rustix::io::Errno::PERM.raw_os_error().unsigned_abs());
        let rules = [(libc::SYS_bpf, Vec::new())].into();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, forbidden, arch)?;
        apply_filter(&BpfProgram::try_from(filter)?)?;
        Agent::start_program(program, "", &[])
    })?;
    let remedy = "let the seccomp profile pass bpf(2): container runtimes do if CAP_BPF is added";
    says(agent, "bpf(2) is not permitted: a seccomp filter is in force", remedy)
}
