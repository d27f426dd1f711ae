//! The kernel as a whole: counters, time, identity.
super::collectors! {
    "kernel":
    cgroups::Cgroups,
    entropy::Entropy,
    filefd::Filefd,
    kernel_hung::KernelHung,
    os::Os,
    pressure::Pressure,
    processes::Processes,
    selinux::Selinux,
    stat::Stat,
    sysctl::Sysctl,
    time::Time,
    timex::Timex,
    uname::Uname,
}
