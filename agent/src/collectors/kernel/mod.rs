//! The kernel as a whole: counters, time, identity.

mod cgroups;
mod entropy;
mod filefd;
mod kernel_hung;
mod lock_contention;
mod os;
mod pressure;
mod process_events;
mod process_top;
mod processes;
mod selinux;
mod signals;
mod stat;
mod syscall_latency;
mod syscalls;
mod sysctl;
mod time;
mod timer_handlers;
mod timex;
mod uname;
mod workqueues;

super::register! {
    "kernel":
    cgroups::Cgroups,
    entropy::Entropy,
    filefd::Filefd,
    kernel_hung::KernelHung,
    lock_contention::LockContention,
    os::Os,
    pressure::Pressure,
    process_events::ProcessEvents,
    process_top::ProcessTop,
    processes::Processes,
    selinux::Selinux,
    signals::Signals,
    stat::Stat,
    syscall_latency::SyscallLatency,
    syscalls::Syscalls,
    sysctl::Sysctl,
    time::Time,
    timer_handlers::TimerHandlers,
    timex::Timex,
    uname::Uname,
    workqueues::Workqueues,
}
