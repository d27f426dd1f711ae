//! CPUs and the scheduler.
super::collectors! { "cpu": cpu::Cpu, cpufreq::Cpufreq, loadavg::Loadavg, schedstat::Schedstat }
