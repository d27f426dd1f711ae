//! `/proc/sys/kernel/hung_task_detect_count`, Linux 6.13 and newer: see Documentation/admin-guide/sysctl/kernel.rst of
//! the kernel.

use crate::collectors::prelude::*;

metrics! {
    HUNG_TASKS: Counter "node_kernel_hung_tasks_total" [], "Hung tasks that the kernel has reported since boot.";
}

pub(super) struct KernelHung(File);

impl Spec for KernelHung {
    const SUMMARY: &'static str = "Tasks that the kernel found hanging, from /proc/sys/kernel.";
    const ENABLED: bool = true;
    const START: Start = Start::Boot;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.proc("sys/kernel/hung_task_detect_count").small()))
    }
}

impl Collector for KernelHung {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(text) = self.0.read_if_present()? else {
            return Err(Error::Absent("the count of hung tasks, which needs Linux 6.13".to_owned()));
        };
        let count = source::number::<u64>(text.trim_ascii());
        out.push(HUNG_TASKS, (), count.ok_or_else(|| self.0.parse_error(1, "expected a number"))?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "proc/sys/kernel/hung_task_detect_count";

    #[test]
    fn gives_the_count() {
        check::<KernelHung>(
            "",
            &[(PATH, "42\n")],
            expect![[r#"
            # HELP node_kernel_hung_tasks_total Hung tasks that the kernel has reported since boot.
            # TYPE node_kernel_hung_tasks_total counter
            node_kernel_hung_tasks_total 42
        "#]],
        );
    }

    #[test]
    fn refuses_what_is_no_number() {
        check_error::<KernelHung>(
            "",
            &[(PATH, "many\n")],
            expect!["parse proc/sys/kernel/hung_task_detect_count, line 1: expected a number"],
        );
    }

    #[test]
    fn says_that_the_kernel_lacks_it() {
        check_error::<KernelHung>(
            "",
            &[],
            expect!["not on this host: the count of hung tasks, which needs Linux 6.13"],
        );
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        never_panics::<KernelHung>("", &[(PATH, "42\n")]);
    }
}
