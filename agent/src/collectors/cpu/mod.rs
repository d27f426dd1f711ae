//! CPUs and the scheduler.
super::collectors! { "cpu": loadavg::Loadavg, runqueue::Runqueue }
