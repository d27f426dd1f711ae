//! CPUs and the scheduler.
super::collectors! {
    "cpu":
    cpu::Cpu,
    cpu_vulnerabilities::CpuVulnerabilities,
    interrupts::Interrupts,
    loadavg::Loadavg,
    runqueue::Runqueue,
    softirqs::Softirqs,
}
