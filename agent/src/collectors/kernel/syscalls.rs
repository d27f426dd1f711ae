//! System calls and how they end, counted by the probe `ebpf-probes/src/probes/syscalls.rs` at the end of each.

use crate::{
    collectors::prelude::*,
    metric::Desc,
    source::{
        ebpf::{
            Counters, Probe, Settings, Use,
            declared::syscalls::{self, NUMBERS},
        },
        errno,
    },
};
use ::syscalls::Sysno;
use rustix::io::Errno;
use std::sync::Arc;

metrics! {
    CALLS: Counter "node_syscalls_total" ["syscall"], "System calls that have returned, by name. ~other is those of 32-bit programs, and numbers that are none of a system call. Calls that do not return (exit, a successful execve by another name) are not counted.";
    FAILURES: Counter "node_syscall_failures_total" ["syscall"], "System calls that returned an error, by name.";
    ERRORS: Counter "node_syscall_errors_total" ["error"], "Errors that system calls returned; ~other is calls that a signal interrupted and that go on by themselves.";
}

pub(super) struct Syscalls {
    probe: Arc<Probe>,
    calls: Counters,
    failures: Counters,
    errors: Counters,
}

impl Spec for Syscalls {
    const SUMMARY: &'static str =
        "System calls by name, and how many failed with which error, by eBPF at the end of each.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] = &[Use::of(&syscalls::SPEC)];
    const COST: &'static str = "some 35 ns at each system call, and 140 ns more because the kernel uses its slow entry path while any program is attached";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let probe = host.kernel()?.probe(&syscalls::SPEC, &[], &Settings::default())?;
        Ok(Self {
            calls: probe.counters(syscalls::CALLS)?,
            failures: probe.counters(syscalls::FAILURES)?,
            errors: probe.counters(syscalls::ERRORS)?,
            probe,
        })
    }
}

impl Collector for Syscalls {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        push(out, CALLS, &self.calls);
        push(out, FAILURES, &self.failures);
        for (number, n_errors) in self.errors.rows().enumerate().filter(|it| it.1 != 0) {
            match number {
                255 => out.push(ERRORS, ["~other"], n_errors),
                number => {
                    let error = errno::words(Errno::from_raw_os_error(number as i32));
                    out.push(ERRORS, [&*error], n_errors);
                }
            }
        }
        Ok(())
    }

    fn probes(&self) -> Vec<&Probe> {
        vec![&self.probe]
    }
}

/// Counts by name; numbers without one are added up.
fn push(out: &mut Families, family: Desc<1>, counts: &Counters) {
    let mut n_others = 0;
    for (number, n_calls) in counts.rows().enumerate().filter(|it| it.1 != 0) {
        match Sysno::new(number).filter(|_| number < NUMBERS) {
            Some(name) => out.push(family, [name.name()], n_calls),
            None => n_others += n_calls,
        }
    }
    if n_others != 0 {
        out.push(family, ["~other"], n_others);
    }
}
