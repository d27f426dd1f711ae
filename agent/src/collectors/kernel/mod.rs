//! The kernel as a whole: counters, time, identity.
super::collectors! {
    "kernel":
    cgroups::Cgroups,
    pressure::Pressure,
    processes::Processes,
    stat::Stat,
    sysctl::Sysctl,
    uname::Uname,
}
