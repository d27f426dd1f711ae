//! `/proc/loadavg`: see proc_loadavg(5). Read by hand: the procfs crate rounds the averages to 32 bits.

use crate::collectors::prelude::*;

metrics! {
    |it: [Option<f64>; 3]| [];
    Gauge "node_load1" = it[0], "Tasks running, or waiting for a CPU or a disk, averaged over 1 minute.";
    Gauge "node_load15" = it[2], "Tasks running, or waiting for a CPU or a disk, averaged over 15 minutes.";
    Gauge "node_load5" = it[1], "Tasks running, or waiting for a CPU or a disk, averaged over 5 minutes.";
}

pub(super) struct Loadavg(File);

impl Spec for Loadavg {
    const SUMMARY: &'static str = "Load averages, from /proc/loadavg.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.proc("loadavg")))
    }
}

impl Collector for Loadavg {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        Ok(self.0.parse("three numbers", |text| {
            let mut numbers = source::words(text).map(source::decimal).chain(std::iter::repeat(None));
            let averages = std::array::from_fn(|_| numbers.next().flatten());
            push_rows(averages, (), out);
            averages.iter().all(Option::is_some).then_some(()).ok_or(1)
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_three_averages() {
        check::<Loadavg>(
            "",
            &[("proc/loadavg", "0.21 0.37 0.39 1/719 19737\n")],
            expect![[r#"
                # HELP node_load1 Tasks running, or waiting for a CPU or a disk, averaged over 1 minute.
                # TYPE node_load1 gauge
                node_load1 0.21
                # HELP node_load15 Tasks running, or waiting for a CPU or a disk, averaged over 15 minutes.
                # TYPE node_load15 gauge
                node_load15 0.39
                # HELP node_load5 Tasks running, or waiting for a CPU or a disk, averaged over 5 minutes.
                # TYPE node_load5 gauge
                node_load5 0.37
            "#]],
        );
    }

    #[test]
    fn refuses_a_file_without_three_numbers() {
        check_error::<Loadavg>(
            "",
            &[("proc/loadavg", "0.21 0.37\n")],
            expect![[r#"
                # HELP node_load1 Tasks running, or waiting for a CPU or a disk, averaged over 1 minute.
                # TYPE node_load1 gauge
                node_load1 0.21
                # HELP node_load5 Tasks running, or waiting for a CPU or a disk, averaged over 5 minutes.
                # TYPE node_load5 gauge
                node_load5 0.37
                parse proc/loadavg, line 1: expected three numbers"#]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Loadavg>("", &[("proc/loadavg", "0.21 0.37 0.39 1/719 19737\n")]);
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Loadavg>("", &[], expect!["read proc/loadavg: No such file or directory (os error 2)"]);
    }
}
