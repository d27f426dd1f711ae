//! The kernel as a whole: counters, time, identity.
super::collectors! { "kernel": stat::Stat }
