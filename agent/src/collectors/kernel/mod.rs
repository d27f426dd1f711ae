//! The kernel as a whole: counters, time, identity.
super::collectors! {
    "kernel":
    cgroups::Cgroups,
    entropy::Entropy,
    filefd::Filefd,
    kernel_hung::KernelHung,
    pressure::Pressure,
    processes::Processes,
    stat::Stat,
    sysctl::Sysctl,
    uname::Uname,
}
