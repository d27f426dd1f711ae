//! What the agent's probes count on this machine, against what its kernel counts elsewhere. They load probes, so they
//! need root (or CAP_BPF and CAP_PERFMON) and a kernel with BTF; `cargo xtask test` runs them where it can.
//!
//! And what it says where no probe can run: that some of the reasons are there takes no privilege.

mod budget;
mod counters;
mod descriptors;
mod first_process;
mod links;
mod network;
mod reasons;
mod starts;

use std::{
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, ensure};
use hostlens_tests::{Agent, KernelObjects, agent::program, containers, probes, truth};
use rustix::process::Signal;

/// The collector of waits for a CPU.
const WAITS: &str = "runqueue";

/// One test at a time: each counts what happens on the whole machine.
fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn every_probe_counts_what_its_judge_counts() -> Result<()> {
    let _alone = alone();
    // What others do on the machine is in a probe's cost, too: none is detached for it.
    let config = probes::config() + "[ebpf.budget]\non_exceed = 'warn'\n";
    probes::run_all(&Agent::start(&config, &[])?, |collector| collector != WAITS)
}

/// Of what a switch takes, the judge and its probe have the whole to themselves: each program before them holds them up.
#[test]
#[ignore = "loads probes: needs root and BTF"]
fn waits_for_a_cpu_are_those_that_a_judge_sees() -> Result<()> {
    let _alone = alone();
    let agent = Agent::start("collector.disable_defaults = true\n", &[])?;
    probes::run_all(&agent, |collector| collector == WAITS)
}

/// No collector reads a probe whose numbers nobody checks.
#[test]
fn every_collector_with_a_probe_is_checked() {
    let checked = |name: &str| probes::ALL.iter().copied().flatten().any(|it| it.collector == name);
    let unchecked: Vec<_> = hostlens::all_collectors()
        .filter(|entry| !entry.probes.is_empty() && !checked(entry.name))
        .map(|entry| entry.name)
        .collect();
    assert_eq!(unchecked, [""; 0]);
}

/// Of what a host has many of, each costs its share: those beyond a disk and two interfaces are not counted.
#[test]
#[ignore = "loads probes: needs root and BTF"]
fn a_scrape_with_all_defaults_is_small() -> Result<()> {
    let _alone = alone();
    let agent = Agent::start("", &[])?;
    let text = agent.get("/metrics", &[])?.text();
    let is_counted = |line: &&str| {
        let device = line.split_once("device=\"").and_then(|(_, it)| it.split('"').next());
        device.is_none_or(|it| ["lo", "eth0", "vda", "sda", "nvme0n1"].contains(&it))
    };
    let lines = || text.lines().filter(is_counted);
    let n_series = lines().filter(|it| !it.starts_with('#')).count();
    let n_bytes: usize = lines().map(|it| it.len() + 1).sum();
    println!("{n_series} series, {n_bytes} bytes");
    ensure!(n_series > 400, "{n_series} series: probes or collectors are missing");
    ensure!(n_series <= 900 && n_bytes <= 100_000, "{n_series} series, {n_bytes} bytes");
    Ok(())
}

#[test]
#[ignore = "makes a cgroup: needs root"]
fn tells_what_a_cgroup_uses() -> Result<()> {
    let _alone = alone();
    let agent = Agent::start(&format!("collector.disable_defaults = true\n{}", containers::CONFIG), &[])?;
    println!("{}", containers::memory_is_told(&agent, 32 << 20)?.inside()?);
    Ok(())
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn leaves_nothing_in_the_kernel_when_it_is_killed() -> Result<()> {
    let _alone = alone();
    let agent = Agent::start("", &[])?;
    agent.scrape()?;
    let held = KernelObjects::held_by(agent.pid())?;
    ensure!(held.programs.len() >= 2 && held.maps.len() >= 2 && held.links.len() >= 2, "it holds but {held}");
    agent.signal(Signal::KILL)?;
    held.wait_until_gone(Duration::from_secs(1))?;
    Ok(())
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn a_probe_that_is_loaded_anew_counts_since_then() -> Result<()> {
    let _alone = alone();
    starts::begin_with_the_probe()
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn a_doctor_tells_whether_probes_see_process_1() -> Result<()> {
    let _alone = alone();
    first_process::is_told()
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn what_costs_more_than_the_budget_is_detached_and_comes_back() -> Result<()> {
    let _alone = alone();
    let agent = Agent::start(budget::CONFIG, &[])?;
    budget::is_kept(&agent)?;
    ensure!(agent.stop()?.success(), "the agent did not end well");
    Ok(())
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn what_began_before_a_probe_was_detached_is_forgotten() -> Result<()> {
    let _alone = alone();
    budget::forgets_what_began_before(&Agent::start(budget::WITH_STARTS, &[])?)
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn few_descriptors_are_enough_for_all_collectors() -> Result<()> {
    let _alone = alone();
    descriptors::are_enough()
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn with_few_descriptors_probes_count_and_go() -> Result<()> {
    let _alone = alone();
    descriptors::probes_count_and_go()
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn too_few_descriptors_cost_probes_and_nothing_else() -> Result<()> {
    let _alone = alone();
    descriptors::too_few_are_told()
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn no_collector_fails() -> Result<()> {
    let _alone = alone();
    let agent = Agent::start("", &[])?;
    let states = truth::states(&agent.scrape()?)?;
    let bad: Vec<_> =
        states.iter().filter(|it| !["running", "absent"].contains(&it.state.as_str())).collect();
    ensure!(bad.is_empty(), "{bad:?}");
    ensure!(agent.stop()?.success(), "the agent did not end well");
    Ok(())
}

#[test]
#[ignore = "makes network namespaces: needs root, iproute2 and ethtool"]
fn a_network_of_its_own_is_as_its_tools_say() -> Result<()> {
    network::of_its_own_is_as_its_tools_say()
}

#[test]
#[ignore = "makes network namespaces: needs root, iproute2 and ethtool"]
fn a_network_of_the_host_is_shown_from_another() -> Result<()> {
    network::of_the_host_is_shown_from_another()
}

#[test]
#[ignore = "counts events of all CPUs: needs root"]
fn counters_of_cpus_are_those_of_the_kernel() -> Result<()> {
    let _alone = alone();
    counters::are_those_of_the_kernel()
}

#[test]
#[ignore = "loads probes and makes network namespaces: needs root, BTF, tc and sch_tbf"]
fn connections_over_a_slow_link_take_as_long_as_for_the_application() -> Result<()> {
    let _alone = alone();
    links::take_as_long_as_for_the_application()
}

#[test]
#[ignore = "loads probes and makes network namespaces: needs root, BTF and iptables"]
fn packets_that_a_firewall_refuses_are_counted() -> Result<()> {
    let _alone = alone();
    links::refused_by_a_firewall_are_counted()
}

#[test]
#[ignore = "reads what drivers count by queue: needs virtio_net or another that tells, from Linux 6.9 on"]
fn queues_of_interfaces_are_those_of_the_kernel() -> Result<()> {
    network::queues_are_those_of_the_kernel()
}

#[test]
#[ignore = "loads probes: needs root and BTF"]
fn a_doctor_tells_what_hooks_at_system_calls_cost() -> Result<()> {
    let _alone = alone();
    let told = |flags: &[&str]| -> Result<bool> {
        let doctor = Command::new(program()?).arg("doctor").args(flags).output()?;
        Ok(String::from_utf8(doctor.stdout)?.contains("takes some 140 ns longer"))
    };
    ensure!(told(&["--collector.syscalls"])?, "it does not tell");
    ensure!(!told(&[])?, "it tells of what is off");
    Ok(())
}
