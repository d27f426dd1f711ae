//! `/sys/class/scsi_tape/st*/stats`: see Documentation/scsi/st.rst. Times are in nanoseconds.

use crate::{collectors::prelude::*, source::Attributes};
use std::path::PathBuf;

metrics! {
    |it: &Stats<'_>| ["device"];
    Gauge "node_tape_io_now" = it.count("in_flight"), "Requests issued to a tape drive and not completed yet.";
    Counter "node_tape_io_time_seconds_total" = it.seconds("io_ns"), "Seconds that all requests took, added up; waiting for the drive included.";
    Counter "node_tape_io_others_total" = it.count("other_cnt"), "Requests that neither read nor write, such as rewinding.";
    Counter "node_tape_read_bytes_total" = it.count("read_byte_cnt"), "Bytes read from tape.";
    Counter "node_tape_reads_completed_total" = it.count("read_cnt"), "Reads completed.";
    Counter "node_tape_read_time_seconds_total" = it.seconds("read_ns"), "Seconds that all reads took, added up.";
    Counter "node_tape_written_bytes_total" = it.count("write_byte_cnt"), "Bytes written to tape.";
    Counter "node_tape_writes_completed_total" = it.count("write_cnt"), "Writes completed.";
    Counter "node_tape_write_time_seconds_total" = it.seconds("write_ns"), "Seconds that all writes took, added up.";
    Counter "node_tape_residual_total" = it.count("resid_cnt"), "Requests that moved fewer bytes than they were to.";
}

section! {
    pub(super) struct Config {
        /// Tape drives to leave out.
        ignored_devices: Option<Pattern> = "^$",
    }
}

pub(super) struct Tapestats {
    class: PathBuf,
    filter: Filter,
}

impl Spec for Tapestats {
    const SUMMARY: &'static str = "Requests, bytes and time of tape drives, from /sys/class/scsi_tape.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let filter = Filter::new(None, config.ignored_devices);
        Ok(Self { class: host.sys("class/scsi_tape"), filter })
    }
}

impl Collector for Tapestats {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(class) = Folder::open(&self.class)? else {
            return Err(Error::Absent(format!("{} does not exist", self.class.display())));
        };
        let pushed = class.for_each_folder(
            |name| is_drive(name) && self.filter.keeps(name),
            |device, folder| match folder.folder("stats")? {
                Some(stats) => push_stats(device, &stats, out),
                None => Ok(()),
            },
        );
        Ok(pushed?)
    }
}

fn push_stats(device: &str, folder: &Folder, out: &mut Families) -> Result<(), source::Error> {
    let stats = Stats(folder.attributes()?);
    push_rows(&stats, [device], out);
    stats.0.end()
}

/// `nst0` is the same drive without rewinding, `st0l` and the like are other modes.
fn is_drive(name: &str) -> bool {
    name.strip_prefix("st").is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
}

struct Stats<'a>(Attributes<'a>);

impl Stats<'_> {
    fn count(&self, name: &str) -> Option<u64> {
        self.0.unsigned(name)
    }

    fn seconds(&self, name: &str) -> Option<f64> {
        self.count(name).map(|nanoseconds| nanoseconds as f64 * 1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check_errno;
    use rustix::io::Errno;

    const STATS: [(&str, &str); 10] = [
        ("sys/class/scsi_tape/st0/stats/in_flight", "1\n"),
        ("sys/class/scsi_tape/st0/stats/io_ns", "9247011087720\n"),
        ("sys/class/scsi_tape/st0/stats/other_cnt", "1409\n"),
        ("sys/class/scsi_tape/st0/stats/read_byte_cnt", "979383912\n"),
        ("sys/class/scsi_tape/st0/stats/read_cnt", "3741\n"),
        ("sys/class/scsi_tape/st0/stats/read_ns", "33788355744\n"),
        ("sys/class/scsi_tape/st0/stats/resid_cnt", "19\n"),
        ("sys/class/scsi_tape/st0/stats/write_byte_cnt", "1496246784000\n"),
        ("sys/class/scsi_tape/st0/stats/write_cnt", "53772916\n"),
        ("sys/class/scsi_tape/st0/stats/write_ns", "5233597394395\n"),
    ];

    #[test]
    fn shows_a_drive_once() {
        let other_modes = [
            ("sys/class/scsi_tape/nst0/stats/io_ns", "1\n"),
            ("sys/class/scsi_tape/st0l/stats/io_ns", "1\n"),
        ];
        check::<Tapestats>(
            "",
            &[&STATS[..], &other_modes].concat(),
            expect![[r##"
            # HELP node_tape_io_now Requests issued to a tape drive and not completed yet.
            # TYPE node_tape_io_now gauge
            node_tape_io_now{device="st0"} 1
            # HELP node_tape_io_others_total Requests that neither read nor write, such as rewinding.
            # TYPE node_tape_io_others_total counter
            node_tape_io_others_total{device="st0"} 1409
            # HELP node_tape_io_time_seconds_total Seconds that all requests took, added up; waiting for the drive included.
            # TYPE node_tape_io_time_seconds_total counter
            node_tape_io_time_seconds_total{device="st0"} 9247.01108772
            # HELP node_tape_read_bytes_total Bytes read from tape.
            # TYPE node_tape_read_bytes_total counter
            node_tape_read_bytes_total{device="st0"} 9.79383912e+08
            # HELP node_tape_read_time_seconds_total Seconds that all reads took, added up.
            # TYPE node_tape_read_time_seconds_total counter
            node_tape_read_time_seconds_total{device="st0"} 33.788355744
            # HELP node_tape_reads_completed_total Reads completed.
            # TYPE node_tape_reads_completed_total counter
            node_tape_reads_completed_total{device="st0"} 3741
            # HELP node_tape_residual_total Requests that moved fewer bytes than they were to.
            # TYPE node_tape_residual_total counter
            node_tape_residual_total{device="st0"} 19
            # HELP node_tape_write_time_seconds_total Seconds that all writes took, added up.
            # TYPE node_tape_write_time_seconds_total counter
            node_tape_write_time_seconds_total{device="st0"} 5233.597394395
            # HELP node_tape_writes_completed_total Writes completed.
            # TYPE node_tape_writes_completed_total counter
            node_tape_writes_completed_total{device="st0"} 5.3772916e+07
            # HELP node_tape_written_bytes_total Bytes written to tape.
            # TYPE node_tape_written_bytes_total counter
            node_tape_written_bytes_total{device="st0"} 1.496246784e+12
        "##]],
        );
    }

    #[test]
    fn leaves_out_ignored_drives() {
        check::<Tapestats>("ignored_devices = '^st0$'", &STATS, expect![""]);
    }

    #[test]
    fn a_host_without_tapes_is_no_failure() {
        check_error::<Tapestats>("", &[], expect!["not on this host: sys/class/scsi_tape does not exist"]);
    }

    #[test]
    fn refuses_a_count_that_is_no_number() {
        check_error::<Tapestats>(
            "",
            &[("sys/class/scsi_tape/st0/stats/io_ns", "x\n")],
            expect!["parse sys/class/scsi_tape/st0/stats/io_ns, line 1: expected a number, found `x`"],
        );
    }

    #[test]
    fn a_count_that_cannot_be_had_costs_itself() {
        check_errno::<Tapestats>(
            &STATS[..3],
            ("sys/class/scsi_tape/st0/stats/io_ns", Errno::INVAL),
            expect![[r##"
                # HELP node_tape_io_now Requests issued to a tape drive and not completed yet.
                # TYPE node_tape_io_now gauge
                node_tape_io_now{device="st0"} 1
                # HELP node_tape_io_others_total Requests that neither read nor write, such as rewinding.
                # TYPE node_tape_io_others_total counter
                node_tape_io_others_total{device="st0"} 1409
            "##]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Tapestats>("", &STATS);
    }
}
