//! CPUs and the scheduler.
super::collectors! { "cpu": cpu::Cpu, loadavg::Loadavg, runqueue::Runqueue }
