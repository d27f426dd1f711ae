//! CPUs and the scheduler.

#[expect(clippy::module_inception, reason = "a collector's file is named as the collector")]
mod cpu;
mod cpu_vulnerabilities;
mod cpufreq;
mod interrupts;
mod irq_time;
mod loadavg;
mod offcpu;
mod perf;
mod runqueue;
mod sched_blame;
mod sched_turns;
mod schedstat;
mod softirq_latency;
mod softirq_time;
mod softirqs;
mod tlb_flushes;

super::register! {
    "cpu":
    cpu::Cpu,
    cpu_vulnerabilities::CpuVulnerabilities,
    cpufreq::Cpufreq,
    interrupts::Interrupts,
    irq_time::IrqTime,
    loadavg::Loadavg,
    perf::Perf,
    offcpu::Offcpu,
    runqueue::Runqueue,
    sched_blame::SchedBlame,
    sched_turns::SchedTurns,
    schedstat::Schedstat,
    softirq_latency::SoftirqLatency,
    softirq_time::SoftirqTime,
    softirqs::Softirqs,
    tlb_flushes::TlbFlushes,
}
