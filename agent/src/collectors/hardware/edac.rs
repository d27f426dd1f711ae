//! `/sys/devices/system/edac/mc`: memory errors that the memory controllers saw. See Documentation/driver-api/edac.rst
//! and Documentation/admin-guide/ras.rst.

use crate::{collectors::prelude::*, source::numbered};
use std::{collections::BTreeSet, path::PathBuf};

metrics! {
    CORRECTABLE: Counter "node_edac_correctable_errors_total" ["controller"], "Memory errors of the controller that were corrected.";
    UNCORRECTABLE: Counter "node_edac_uncorrectable_errors_total" ["controller"], "Memory errors of the controller that could not be corrected.";
    ROW_CORRECTABLE: Counter "node_edac_csrow_correctable_errors_total" ["controller", "csrow"], "Memory errors of the chip-select row that were corrected; those of unknown rows have csrow unknown.";
    ROW_UNCORRECTABLE: Counter "node_edac_csrow_uncorrectable_errors_total" ["controller", "csrow"], "Memory errors of the chip-select row that could not be corrected; those of unknown rows have csrow unknown.";
    CHANNEL_CORRECTABLE: Counter "node_edac_channel_correctable_errors_total" ["controller", "csrow", "channel", "dimm_label"], "Memory errors of the channel in its chip-select row that were corrected.";
    CHANNEL_UNCORRECTABLE: Counter "node_edac_channel_uncorrectable_errors_total" ["controller", "csrow", "channel", "dimm_label"], "Memory errors of the channel in its chip-select row that could not be corrected.";
}

pub(super) struct Edac {
    controllers: PathBuf,
}

impl Spec for Edac {
    const SUMMARY: &'static str = "Corrected and uncorrected memory errors, from /sys/devices/system/edac.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { controllers: host.sys("devices/system/edac/mc") })
    }
}

impl Collector for Edac {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(folder) = Folder::open(&self.controllers)? else { return Ok(()) };
        let pushed = folder.for_each_folder(
            |name| numbered(name, "mc").is_some(),
            |name, folder| push_controller(folder, &name["mc".len()..], out),
        );
        Ok(pushed?)
    }
}

fn push_controller(folder: &Folder, controller: &str, out: &mut Families) -> Result<(), source::Error> {
    let files = folder.unlisted_attributes();
    out.push(CORRECTABLE, [controller], files.unsigned("ce_count"));
    out.push(ROW_CORRECTABLE, [controller, "unknown"], files.unsigned("ce_noinfo_count"));
    out.push(UNCORRECTABLE, [controller], files.unsigned("ue_count"));
    out.push(ROW_UNCORRECTABLE, [controller, "unknown"], files.unsigned("ue_noinfo_count"));
    let rows = folder.for_each_folder(
        |name| numbered(name, "csrow").is_some(),
        |name, folder| push_row(folder, controller, &name["csrow".len()..], out),
    );
    files.end().and(rows)
}

fn push_row(folder: &Folder, controller: &str, row: &str, out: &mut Families) -> Result<(), source::Error> {
    let files = folder.unlisted_attributes();
    out.push(ROW_CORRECTABLE, [controller, row], files.unsigned("ce_count"));
    out.push(ROW_UNCORRECTABLE, [controller, row], files.unsigned("ue_count"));
    let names = folder.names()?;
    let channels: BTreeSet<_> = names.iter().filter_map(|name| channel_of(name)).collect();
    for channel in channels {
        let label = files.value(&format!("ch{channel}_dimm_label"));
        let label = label.map_or_else(|| "unknown".to_owned(), |it| dimm_label(&it.to_text()));
        let labels = [controller, row, channel, &label];
        out.push(CHANNEL_CORRECTABLE, labels, files.unsigned(&format!("ch{channel}_ce_count")));
        out.push(CHANNEL_UNCORRECTABLE, labels, files.unsigned(&format!("ch{channel}_ue_count")));
    }
    files.end()
}

/// The `1` of `ch1_ce_count` and of `ch1_ue_count`.
fn channel_of(name: &str) -> Option<&str> {
    let rest = numbered(name, "ch")?;
    rest.strip_suffix("_ce_count").or_else(|| rest.strip_suffix("_ue_count"))
}

/// node_exporter's spelling: `CPU#0csrow#1channel#2` is `CPU0_csrow1_channel2`.
fn dimm_label(text: &str) -> String {
    text.replace('#', "").replace("csrow", "_csrow").replace("channel", "_channel")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[(&str, &str)] = &[
        ("sys/devices/system/edac/mc/mc0/ce_count", "7\n"),
        ("sys/devices/system/edac/mc/mc0/ce_noinfo_count", "1\n"),
        ("sys/devices/system/edac/mc/mc0/ue_count", "3\n"),
        ("sys/devices/system/edac/mc/mc0/ue_noinfo_count", "2\n"),
        ("sys/devices/system/edac/mc/mc0/csrow0/ce_count", "6\n"),
        ("sys/devices/system/edac/mc/mc0/csrow0/ue_count", "1\n"),
        ("sys/devices/system/edac/mc/mc0/csrow0/ch0_ce_count", "4\n"),
        ("sys/devices/system/edac/mc/mc0/csrow0/ch0_ue_count", "1\n"),
        ("sys/devices/system/edac/mc/mc0/csrow0/ch0_dimm_label", "mc#0csrow#0channel#0\n"),
        ("sys/devices/system/edac/mc/mc0/csrow0/ch1_ce_count", "2\n"),
    ];

    #[test]
    fn counts_by_controller_row_and_channel() {
        check::<Edac>(
            "",
            HOST,
            expect![[r##"
            # HELP node_edac_channel_correctable_errors_total Memory errors of the channel in its chip-select row that were corrected.
            # TYPE node_edac_channel_correctable_errors_total counter
            node_edac_channel_correctable_errors_total{channel="0",controller="0",csrow="0",dimm_label="mc0_csrow0_channel0"} 4
            node_edac_channel_correctable_errors_total{channel="1",controller="0",csrow="0",dimm_label="unknown"} 2
            # HELP node_edac_channel_uncorrectable_errors_total Memory errors of the channel in its chip-select row that could not be corrected.
            # TYPE node_edac_channel_uncorrectable_errors_total counter
            node_edac_channel_uncorrectable_errors_total{channel="0",controller="0",csrow="0",dimm_label="mc0_csrow0_channel0"} 1
            # HELP node_edac_correctable_errors_total Memory errors of the controller that were corrected.
            # TYPE node_edac_correctable_errors_total counter
            node_edac_correctable_errors_total{controller="0"} 7
            # HELP node_edac_csrow_correctable_errors_total Memory errors of the chip-select row that were corrected; those of unknown rows have csrow unknown.
            # TYPE node_edac_csrow_correctable_errors_total counter
            node_edac_csrow_correctable_errors_total{controller="0",csrow="0"} 6
            node_edac_csrow_correctable_errors_total{controller="0",csrow="unknown"} 1
            # HELP node_edac_csrow_uncorrectable_errors_total Memory errors of the chip-select row that could not be corrected; those of unknown rows have csrow unknown.
            # TYPE node_edac_csrow_uncorrectable_errors_total counter
            node_edac_csrow_uncorrectable_errors_total{controller="0",csrow="0"} 1
            node_edac_csrow_uncorrectable_errors_total{controller="0",csrow="unknown"} 2
            # HELP node_edac_uncorrectable_errors_total Memory errors of the controller that could not be corrected.
            # TYPE node_edac_uncorrectable_errors_total counter
            node_edac_uncorrectable_errors_total{controller="0"} 3
        "##]],
        );
    }

    #[test]
    fn a_driver_may_lack_a_count() {
        check::<Edac>(
            "",
            &HOST[..3],
            expect![[r##"
                # HELP node_edac_correctable_errors_total Memory errors of the controller that were corrected.
                # TYPE node_edac_correctable_errors_total counter
                node_edac_correctable_errors_total{controller="0"} 7
                # HELP node_edac_csrow_correctable_errors_total Memory errors of the chip-select row that were corrected; those of unknown rows have csrow unknown.
                # TYPE node_edac_csrow_correctable_errors_total counter
                node_edac_csrow_correctable_errors_total{controller="0",csrow="unknown"} 1
                # HELP node_edac_uncorrectable_errors_total Memory errors of the controller that could not be corrected.
                # TYPE node_edac_uncorrectable_errors_total counter
                node_edac_uncorrectable_errors_total{controller="0"} 3
            "##]],
        );
    }

    #[test]
    fn refuses_a_count_that_is_no_number() {
        let mut files = HOST.to_vec();
        files[4].1 = "many\n";
        check_error::<Edac>(
            "",
            &files[..5],
            expect![[r##"
            # HELP node_edac_correctable_errors_total Memory errors of the controller that were corrected.
            # TYPE node_edac_correctable_errors_total counter
            node_edac_correctable_errors_total{controller="0"} 7
            # HELP node_edac_csrow_correctable_errors_total Memory errors of the chip-select row that were corrected; those of unknown rows have csrow unknown.
            # TYPE node_edac_csrow_correctable_errors_total counter
            node_edac_csrow_correctable_errors_total{controller="0",csrow="unknown"} 1
            # HELP node_edac_csrow_uncorrectable_errors_total Memory errors of the chip-select row that could not be corrected; those of unknown rows have csrow unknown.
            # TYPE node_edac_csrow_uncorrectable_errors_total counter
            node_edac_csrow_uncorrectable_errors_total{controller="0",csrow="unknown"} 2
            # HELP node_edac_uncorrectable_errors_total Memory errors of the controller that could not be corrected.
            # TYPE node_edac_uncorrectable_errors_total counter
            node_edac_uncorrectable_errors_total{controller="0"} 3
            parse sys/devices/system/edac/mc/mc0/csrow0/ce_count, line 1: expected a number, found `many`"##]],
        );
    }

    #[test]
    fn a_host_without_controllers_gives_no_samples() {
        check::<Edac>("", &[], expect![[""]]);
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Edac>("", HOST);
    }
}
