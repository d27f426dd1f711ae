//! CPUs and the scheduler.
super::collectors! {
    "cpu":
    cpu::Cpu,
    cpu_vulnerabilities::CpuVulnerabilities,
    cpufreq::Cpufreq,
    interrupts::Interrupts,
    loadavg::Loadavg,
    runqueue::Runqueue,
    schedstat::Schedstat,
    softirqs::Softirqs,
}
