//! CPUs and the scheduler.

#[expect(clippy::module_inception, reason = "a collector's file is named as the collector")]
mod cpu;
mod cpu_vulnerabilities;
mod cpufreq;
mod interrupts;
mod loadavg;
mod perf;
mod runqueue;
mod schedstat;
mod softirqs;

super::register! {
    "cpu":
    cpu::Cpu,
    cpu_vulnerabilities::CpuVulnerabilities,
    cpufreq::Cpufreq,
    interrupts::Interrupts,
    loadavg::Loadavg,
    perf::Perf,
    runqueue::Runqueue,
    schedstat::Schedstat,
    softirqs::Softirqs,
}
