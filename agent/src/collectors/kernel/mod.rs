//! The kernel as a whole: counters, time, identity.
super::collectors! { "kernel":
    entropy::Entropy, filefd::Filefd, kernel_hung::KernelHung, pressure::Pressure, stat::Stat, uname::Uname,
}
