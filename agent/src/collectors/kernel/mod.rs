//! The kernel as a whole: counters, time, identity.

mod cgroups;
mod entropy;
mod filefd;
mod kernel_hung;
mod os;
mod pressure;
mod processes;
mod selinux;
mod stat;
mod sysctl;
mod time;
mod timex;
mod uname;

super::register! {
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
