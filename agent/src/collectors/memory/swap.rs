//! `/proc/swaps`: see proc_swaps(5). The file's sizes are KiB; we push bytes. Read by hand: the procfs crate does not.

use crate::collectors::prelude::*;

metrics! {
    |it: [Option<f64>; 3]| ["device", "swap_type"];
    Gauge "node_swap_priority" = it[2], "Priority of the swap area: higher ones are used first.";
    Gauge "node_swap_size_bytes" = it[0].map(|it| it * 1024.0), "Size of the swap area, in bytes.";
    Gauge "node_swap_used_bytes" = it[1].map(|it| it * 1024.0), "Memory that is swapped out to the area, in bytes.";
}

pub(super) struct Swap(File);

impl Spec for Swap {
    const SUMMARY: &'static str = "Size and use of each swap area, from /proc/swaps.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.proc("swaps")))
    }
}

impl Collector for Swap {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        Ok(self.0.parse_lines("file, type, size, use and priority", |_, line| {
            if line.starts_with(b"Filename") {
                return Some(());
            }
            let mut words = source::words(line);
            let labels = [words.next()?, words.next()?];
            let mut is_whole = true;
            let numbers = std::array::from_fn(|_| {
                let number = words.next().and_then(source::number::<i64>);
                is_whole &= number.is_some();
                number.map(|it| it as f64)
            });
            push_rows(numbers, labels, out);
            is_whole.then_some(())
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/dm-1                               partition\t16777212\t1024\t\t-2\n/swap\\040file                           file\t\t1048572\t0\t\t10\n";

    #[test]
    fn gives_sizes_in_bytes() {
        check::<Swap>(
            "",
            &[("proc/swaps", TEXT)],
            expect![[r##"
            # HELP node_swap_priority Priority of the swap area: higher ones are used first.
            # TYPE node_swap_priority gauge
            node_swap_priority{device="/dev/dm-1",swap_type="partition"} -2
            node_swap_priority{device="/swap\\040file",swap_type="file"} 10
            # HELP node_swap_size_bytes Size of the swap area, in bytes.
            # TYPE node_swap_size_bytes gauge
            node_swap_size_bytes{device="/dev/dm-1",swap_type="partition"} 1.7179865088e+10
            node_swap_size_bytes{device="/swap\\040file",swap_type="file"} 1.073737728e+09
            # HELP node_swap_used_bytes Memory that is swapped out to the area, in bytes.
            # TYPE node_swap_used_bytes gauge
            node_swap_used_bytes{device="/dev/dm-1",swap_type="partition"} 1.048576e+06
            node_swap_used_bytes{device="/swap\\040file",swap_type="file"} 0
        "##]],
        );
    }

    #[test]
    fn a_host_without_swap_gives_no_samples() {
        check::<Swap>("", &[("proc/swaps", "Filename Type Size Used Priority\n")], expect![[""]]);
    }

    #[test]
    fn a_line_that_is_cut_costs_what_it_lacks() {
        check_error::<Swap>(
            "",
            &[("proc/swaps", "Filename\n/dev/dm-1 partition 16777212\n")],
            expect![[r##"
                # HELP node_swap_size_bytes Size of the swap area, in bytes.
                # TYPE node_swap_size_bytes gauge
                node_swap_size_bytes{device="/dev/dm-1",swap_type="partition"} 1.7179865088e+10
                parse proc/swaps, line 2: expected file, type, size, use and priority"##]],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Swap>("", &[], expect!["read proc/swaps: No such file or directory (os error 2)"]);
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Swap>("", &[("proc/swaps", TEXT)]);
    }
}
