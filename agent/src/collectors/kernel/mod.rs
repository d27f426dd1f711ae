//! The kernel as a whole: counters, time, identity.
super::collectors! { "kernel": pressure::Pressure, stat::Stat, uname::Uname }
