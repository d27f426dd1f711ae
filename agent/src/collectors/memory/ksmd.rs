//! `/sys/kernel/mm/ksm`: merging of equal pages. See Documentation/admin-guide/mm/ksm.rst.

use crate::{collectors::prelude::*, source::Attributes};
use std::path::PathBuf;

metrics! {
    |it: &Attributes<'_>| [];
    Counter "node_ksmd_full_scans_total" = it.number("full_scans"), "Times that all mergeable memory has been scanned.";
    Gauge "node_ksmd_general_profit_bytes" = it.number("general_profit"), "Memory saved by merging less what its bookkeeping takes, in bytes.";
    Gauge "node_ksmd_merge_across_nodes" = it.number("merge_across_nodes"), "1 if pages of different NUMA nodes are merged.";
    Gauge "node_ksmd_pages_shared" = it.number("pages_shared"), "Merged pages in use.";
    Gauge "node_ksmd_pages_sharing" = it.number("pages_sharing"), "Pages that were replaced by merged ones: the pages saved.";
    Gauge "node_ksmd_pages_to_scan" = it.number("pages_to_scan"), "Pages that are scanned before each pause.";
    Gauge "node_ksmd_pages_unshared" = it.number("pages_unshared"), "Pages that are checked again and again without an equal.";
    Gauge "node_ksmd_pages_volatile" = it.number("pages_volatile"), "Pages that change too fast to be merged.";
    Gauge "node_ksmd_run" = it.number("run"), "0 if merging is off, 1 if it runs, 2 if it is off and merged pages are split.";
    Gauge "node_ksmd_sleep_seconds" = it.number("sleep_millisecs").map(|it| it as f64 / 1000.0), "Pause between two scans, in seconds.";
}

pub(super) struct Ksmd {
    folder: PathBuf,
}

impl Spec for Ksmd {
    const SUMMARY: &'static str = "Merging of equal pages of memory, from /sys/kernel/mm/ksm.";
    const ENABLED: bool = false;
    const START: Start = Start::Boot;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { folder: host.sys("kernel/mm/ksm") })
    }
}

impl Collector for Ksmd {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(folder) = Folder::open(&self.folder)? else { return Ok(()) };
        let attributes = folder.attributes()?;
        push_rows(&attributes, (), out);
        Ok(attributes.end()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[(&str, &str)] = &[
        ("sys/kernel/mm/ksm/full_scans", "323\n"),
        ("sys/kernel/mm/ksm/general_profit", "-4096\n"),
        ("sys/kernel/mm/ksm/max_page_sharing", "256\n"),
        ("sys/kernel/mm/ksm/run", "1\n"),
        ("sys/kernel/mm/ksm/sleep_millisecs", "20\n"),
    ];

    #[test]
    fn reads_what_the_kernel_has() {
        check::<Ksmd>(
            "",
            HOST,
            expect![[r#"
            # HELP node_ksmd_full_scans_total Times that all mergeable memory has been scanned.
            # TYPE node_ksmd_full_scans_total counter
            node_ksmd_full_scans_total 323
            # HELP node_ksmd_general_profit_bytes Memory saved by merging less what its bookkeeping takes, in bytes.
            # TYPE node_ksmd_general_profit_bytes gauge
            node_ksmd_general_profit_bytes -4096
            # HELP node_ksmd_run 0 if merging is off, 1 if it runs, 2 if it is off and merged pages are split.
            # TYPE node_ksmd_run gauge
            node_ksmd_run 1
            # HELP node_ksmd_sleep_seconds Pause between two scans, in seconds.
            # TYPE node_ksmd_sleep_seconds gauge
            node_ksmd_sleep_seconds 0.02
        "#]],
        );
    }

    #[test]
    fn refuses_a_value_that_is_no_number() {
        check_error::<Ksmd>(
            "",
            &[("sys/kernel/mm/ksm/run", "yes\n")],
            expect!["parse sys/kernel/mm/ksm/run, line 1: expected a number, found `yes`"],
        );
    }

    #[test]
    fn a_kernel_without_merging_gives_no_samples() {
        check::<Ksmd>("", &[], expect![[""]]);
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Ksmd>("", HOST);
    }
}
