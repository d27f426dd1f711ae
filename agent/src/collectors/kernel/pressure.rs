//! `/proc/pressure`: see Documentation/accounting/psi.rst of the kernel. Linux 4.20 and newer; `irq` 6.1 and newer.
//! Read by hand: the procfs crate refuses `irq`, and the `cpu` of kernels before 5.13.

use crate::{collectors::prelude::*, metric::Desc};
use std::io::ErrorKind;

metrics! {
    CPU_WAITING: Counter "node_pressure_cpu_waiting_seconds_total" [], "Seconds in which at least one task waited for a CPU.";
    IO_STALLED: Counter "node_pressure_io_stalled_seconds_total" [], "Seconds in which all tasks that had work waited for a disk.";
    IO_WAITING: Counter "node_pressure_io_waiting_seconds_total" [], "Seconds in which at least one task waited for a disk.";
    IRQ_STALLED: Counter "node_pressure_irq_stalled_seconds_total" [], "Seconds in which all tasks that had work waited for interrupts to be served.";
    MEMORY_STALLED: Counter "node_pressure_memory_stalled_seconds_total" [], "Seconds in which all tasks that had work waited for memory.";
    MEMORY_WAITING: Counter "node_pressure_memory_waiting_seconds_total" [], "Seconds in which at least one task waited for memory.";
}

/// What the `some` line and the `full` line of each file become, where the kernel has them.
const RESOURCES: [(&str, Option<Desc<0>>, Option<Desc<0>>); 4] = [
    ("cpu", Some(CPU_WAITING), None),
    ("io", Some(IO_WAITING), Some(IO_STALLED)),
    ("memory", Some(MEMORY_WAITING), Some(MEMORY_STALLED)),
    ("irq", None, Some(IRQ_STALLED)),
];

pub(super) struct Pressure([File; 4]);

impl Spec for Pressure {
    const SUMMARY: &'static str =
        "Time that tasks waited for CPU, memory and disks (PSI), from /proc/pressure.";
    const ENABLED: bool = true;
    const START: Start = Start::Boot;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(RESOURCES.map(|(resource, ..)| host.proc(&format!("pressure/{resource}")))))
    }
}

impl Collector for Pressure {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let errors = FirstError::default();
        let mut why_absent = Some("pressure, which needs Linux 4.20 built with CONFIG_PSI");
        for (file, (_, waiting, stalled)) in self.0.iter_mut().zip(RESOURCES) {
            let parsed = file.parse_lines("three averages and `total=` in us", |_, line| {
                let mut words = source::words(line);
                let family = match words.next() {
                    Some(b"some") => waiting,
                    Some(b"full") => stalled,
                    _ => return Some(()),
                };
                let total = words.nth(3)?.strip_prefix(b"total=").and_then(source::number::<u64>)?;
                if let Some(family) = family {
                    out.push(family, (), total as f64 / 1000.0 / 1000.0);
                }
                Some(())
            });
            match parsed {
                Err(error) if error.is_not_found() => {}
                Err(error) if error.io_kind() == Some(ErrorKind::Unsupported) => {
                    why_absent = why_absent.map(|_| "pressure, unless the kernel is booted with psi=1");
                }
                parsed => {
                    why_absent = None;
                    errors.ok(parsed);
                }
            }
        }
        match why_absent {
            Some(why) => Err(Error::Absent(why.to_owned())),
            None => Ok(errors.end()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: &str = "some avg10=5.36 avg60=12.75 avg300=7.46 total=57167958\n\
        full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
    const IO: &str = "some avg10=1.19 avg60=0.98 avg300=0.74 total=9543176\n\
        full avg10=1.18 avg60=0.89 avg300=0.63 total=8164087\n";
    const MEMORY: &str = "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n\
        full avg10=0.00 avg60=0.00 avg300=0.00 total=3\n";
    const IRQ: &str = "full avg10=0.00 avg60=0.00 avg300=0.00 total=8494";

    #[test]
    fn gives_seconds_of_each_resource() {
        let files = [
            ("proc/pressure/cpu", CPU),
            ("proc/pressure/io", IO),
            ("proc/pressure/memory", MEMORY),
            ("proc/pressure/irq", IRQ),
        ];
        check::<Pressure>(
            "",
            &files,
            expect![[r#"
            # HELP node_pressure_cpu_waiting_seconds_total Seconds in which at least one task waited for a CPU.
            # TYPE node_pressure_cpu_waiting_seconds_total counter
            node_pressure_cpu_waiting_seconds_total 57.167958
            # HELP node_pressure_io_stalled_seconds_total Seconds in which all tasks that had work waited for a disk.
            # TYPE node_pressure_io_stalled_seconds_total counter
            node_pressure_io_stalled_seconds_total 8.164087
            # HELP node_pressure_io_waiting_seconds_total Seconds in which at least one task waited for a disk.
            # TYPE node_pressure_io_waiting_seconds_total counter
            node_pressure_io_waiting_seconds_total 9.543175999999999
            # HELP node_pressure_irq_stalled_seconds_total Seconds in which all tasks that had work waited for interrupts to be served.
            # TYPE node_pressure_irq_stalled_seconds_total counter
            node_pressure_irq_stalled_seconds_total 0.008494
            # HELP node_pressure_memory_stalled_seconds_total Seconds in which all tasks that had work waited for memory.
            # TYPE node_pressure_memory_stalled_seconds_total counter
            node_pressure_memory_stalled_seconds_total 3e-06
            # HELP node_pressure_memory_waiting_seconds_total Seconds in which at least one task waited for memory.
            # TYPE node_pressure_memory_waiting_seconds_total counter
            node_pressure_memory_waiting_seconds_total 7e-06
        "#]],
        );
    }

    #[test]
    fn takes_what_kernels_before_6_1_have() {
        let cpu = "some avg10=5.36 avg60=12.75 avg300=7.46 total=57167958\nnew in=1\n";
        check::<Pressure>(
            "",
            &[("proc/pressure/cpu", cpu)],
            expect![[r#"
            # HELP node_pressure_cpu_waiting_seconds_total Seconds in which at least one task waited for a CPU.
            # TYPE node_pressure_cpu_waiting_seconds_total counter
            node_pressure_cpu_waiting_seconds_total 57.167958
        "#]],
        );
    }

    #[test]
    fn says_that_the_kernel_lacks_it() {
        check_error::<Pressure>(
            "",
            &[],
            expect!["not on this host: pressure, which needs Linux 4.20 built with CONFIG_PSI"],
        );
    }

    #[test]
    fn a_broken_line_costs_itself() {
        let io = "some avg10=0.00 avg60=0.00 avg300=0.00 total=x\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
        check_error::<Pressure>(
            "",
            &[("proc/pressure/io", io), ("proc/pressure/memory", MEMORY)],
            expect![[r#"
                # HELP node_pressure_io_stalled_seconds_total Seconds in which all tasks that had work waited for a disk.
                # TYPE node_pressure_io_stalled_seconds_total counter
                node_pressure_io_stalled_seconds_total 5e-06
                # HELP node_pressure_memory_stalled_seconds_total Seconds in which all tasks that had work waited for memory.
                # TYPE node_pressure_memory_stalled_seconds_total counter
                node_pressure_memory_stalled_seconds_total 3e-06
                # HELP node_pressure_memory_waiting_seconds_total Seconds in which at least one task waited for memory.
                # TYPE node_pressure_memory_waiting_seconds_total counter
                node_pressure_memory_waiting_seconds_total 7e-06
                parse proc/pressure/io, line 1: expected three averages and `total=` in us"#]],
        );
    }

    #[test]
    fn refuses_a_line_without_its_total() {
        for text in ["some 1\n", "some a b c total=x\n", "some a b c 5\n", "full a b c total=-1\n"] {
            let broken =
                expect!["parse proc/pressure/cpu, line 1: expected three averages and `total=` in us"];
            check_error::<Pressure>("", &[("proc/pressure/cpu", text)], broken);
        }
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        never_panics::<Pressure>("", &[("proc/pressure/cpu", CPU), ("proc/pressure/irq", IRQ)]);
    }
}
