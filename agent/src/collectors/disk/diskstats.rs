//! Block devices: counts from `/proc/diskstats`, identity from udev and sysfs.

use crate::{
    collectors::prelude::*,
    source::{
        disk_facts::DiskFacts,
        proc::diskstats::{Counts, Disk, parse_line},
        udev::Udev,
    },
};
use std::time::{Duration, Instant};

metrics! {
    INFO: Gauge "node_disk_info" ["device", "major", "minor", "path", "wwn", "model", "serial", "revision", "rotational"], "What udev and sysfs know of a block device; always 1.";
    FILESYSTEM: Gauge "node_disk_filesystem_info" ["device", "type", "usage", "uuid", "version"], "The file system that udev found on a block device; always 1.";
    MAPPER: Gauge "node_disk_device_mapper_info" ["device", "name", "uuid", "vg_name", "lv_name", "lv_layer"], "What udev knows of a device-mapper device; always 1.";
    ATA_CACHE: Gauge "node_disk_ata_write_cache" ["device"], "Whether an ATA disk has a write cache.";
    ATA_CACHE_ON: Gauge "node_disk_ata_write_cache_enabled" ["device"], "Whether an ATA disk's write cache is switched on.";
    ATA_ROTATION: Gauge "node_disk_ata_rotation_rate_rpm" ["device"], "Revolutions per minute of an ATA disk; 0 for a solid-state disk.";

    |it: &Counts| ["device"];
    Counter "node_disk_reads_completed_total" = it.count(0), "Reads completed.";
    Counter "node_disk_reads_merged_total" = it.count(1), "Reads merged into a neighbouring one before they were issued.";
    Counter "node_disk_read_bytes_total" = it.bytes(2), "Bytes read.";
    Counter "node_disk_read_time_seconds_total" = it.seconds(3), "Seconds that all reads took, added up.";
    Counter "node_disk_writes_completed_total" = it.count(4), "Writes completed.";
    Counter "node_disk_writes_merged_total" = it.count(5), "Writes merged into a neighbouring one before they were issued.";
    Counter "node_disk_written_bytes_total" = it.bytes(6), "Bytes written.";
    Counter "node_disk_write_time_seconds_total" = it.seconds(7), "Seconds that all writes took, added up.";
    Gauge "node_disk_io_now" = it.count(8), "Requests issued to the device and not completed yet.";
    Counter "node_disk_io_time_seconds_total" = it.seconds(9), "Seconds in which the device had requests in flight.";
    Counter "node_disk_io_time_weighted_seconds_total" = it.seconds(10), "Seconds in which the device had requests in flight, times their number.";
    Counter "node_disk_discards_completed_total" = it.count(11), "Discards completed.";
    Counter "node_disk_discards_merged_total" = it.count(12), "Discards merged into a neighbouring one before they were issued.";
    Counter "node_disk_discarded_sectors_total" = it.count(13), "Sectors of 512 bytes discarded.";
    Counter "node_disk_discard_time_seconds_total" = it.seconds(14), "Seconds that all discards took, added up.";
    Counter "node_disk_flush_requests_total" = it.count(15), "Flushes completed.";
    Counter "node_disk_flush_requests_time_seconds_total" = it.seconds(16), "Seconds that all flushes took, added up.";
}

section! {
    pub(super) struct Config {
        /// Devices to leave out; by default partitions and RAM, loop and floppy disks.
        device_exclude: Option<Pattern> = DISKS_LEFT_OUT,
        /// Devices to show, in place of `device_exclude`.
        device_include: Option<Pattern> = "",
    }
}

pub(super) struct Diskstats {
    file: File,
    filter: Filter,
    udev: Udev,
    /// None where sysfs is not mounted.
    sys_block: Option<Folder>,
    /// One for each line of the file, as far as the last scrape came.
    devices: Vec<Device>,
    facts_read: Instant,
}

/// udev tells when a fact changes, but not when somebody writes to sysfs by hand.
const FACTS_LAST: Duration = Duration::from_secs(300);

impl Spec for Diskstats {
    const SUMMARY: &'static str =
        "Requests, bytes and time of block devices, from /proc/diskstats; their identity from udev.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self {
            file: host.proc("diskstats"),
            filter: Filter::either(config.device_include, config.device_exclude, DISKS_LEFT_OUT)?,
            udev: Udev::new(host.udev_data().to_owned()),
            sys_block: Folder::open(host.sys("block"))?,
            devices: Vec::new(),
            facts_read: Instant::now(),
        })
    }
}

impl Collector for Diskstats {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        if self.udev.has_changed() || self.facts_read.elapsed() > FACTS_LAST {
            self.devices.clear();
            self.facts_read = Instant::now();
        }
        let Self { file, filter, udev, sys_block, devices, .. } = self;
        let mut n_devices = 0;
        let mut wrong = None;
        for (number, line) in source::lines(file.read()?) {
            let disk = match parse_line(line) {
                Ok(Some(disk)) => disk,
                Ok(None) => continue,
                Err(problem) => {
                    wrong = wrong.or(Some((number, problem)));
                    continue;
                }
            };
            if !disk.is_whole {
                wrong = wrong.or(Some((number, "expected a count")));
            }
            if devices.get(n_devices).is_none_or(|known| !known.is(&disk)) {
                let facts = filter.keeps(disk.name).then(|| DiskFacts::read(&disk, udev, sys_block.as_ref()));
                devices.truncate(n_devices);
                devices.push(Device {
                    major: disk.major,
                    minor: disk.minor,
                    name: disk.name.to_owned(),
                    facts,
                });
            }
            devices[n_devices].push(&disk.counts, out);
            n_devices += 1;
        }
        wrong.map_or(Ok(()), |(number, problem)| Err(file.parse_error(number, problem).into()))
    }
}

/// What does not change from scrape to scrape.
struct Device {
    major: u32,
    minor: u32,
    name: Vec<u8>,
    /// None when the device is not wanted.
    facts: Option<DiskFacts>,
}

impl Device {
    fn is(&self, disk: &Disk<'_>) -> bool {
        (self.major, self.minor, &*self.name) == (disk.major, disk.minor, disk.name)
    }

    fn push(&self, counts: &Counts, out: &mut Families) {
        let Some(DiskFacts { name, serial, rotational, properties, ata }) = &self.facts else { return };
        push_rows(counts, [name], out);
        let [path, wwn, model, revision, of_disk @ ..] = properties;
        let [fs_type, usage, fs_uuid, version, mapped, uuid, group, volume, layer] = of_disk;
        let major = self.major;
        out.push(INFO, (name, major, self.minor, path, wwn, model, serial, revision, *rotational), 1);
        if !fs_type.is_empty() {
            out.push(FILESYSTEM, [name, fs_type, usage, fs_uuid, version], 1);
        }
        if !mapped.is_empty() {
            out.push(MAPPER, [name, mapped, uuid, group, volume, layer], 1);
        }
        if let Some([cache, cache_on, rotation]) = *ata {
            out.push(ATA_CACHE, [name], cache);
            out.push(ATA_CACHE_ON, [name], cache_on);
            out.push(ATA_ROTATION, [name], rotation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestHost, costs};

    #[test]
    fn shows_counts_and_what_udev_knows() {
        check::<Diskstats>(
            "",
            &[
                (
                    "proc/diskstats",
                    "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n   8       1 sda1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n",
                ),
                (
                    "udev/b8:0",
                    "S:disk/by-id/x\nE:ID_ATA=1\nE:ID_ATA_WRITE_CACHE=1\nE:ID_ATA_ROTATION_RATE_RPM=7200\nE:ID_MODEL=ST4000\nE:ID_SERIAL=ST4000_AB\nE:ID_SERIAL_SHORT=AB\nE:ID_FS_TYPE=ext4\nE:ID_FS_UUID=7e\n",
                ),
                ("sys/block/sda/queue/rotational", "1\n"),
            ],
            expect![[r##"
                # HELP node_disk_ata_rotation_rate_rpm Revolutions per minute of an ATA disk; 0 for a solid-state disk.
                # TYPE node_disk_ata_rotation_rate_rpm gauge
                node_disk_ata_rotation_rate_rpm{device="sda"} 7200
                # HELP node_disk_ata_write_cache Whether an ATA disk has a write cache.
                # TYPE node_disk_ata_write_cache gauge
                node_disk_ata_write_cache{device="sda"} 1
                # HELP node_disk_discard_time_seconds_total Seconds that all discards took, added up.
                # TYPE node_disk_discard_time_seconds_total counter
                node_disk_discard_time_seconds_total{device="sda"} 0.015
                # HELP node_disk_discarded_sectors_total Sectors of 512 bytes discarded.
                # TYPE node_disk_discarded_sectors_total counter
                node_disk_discarded_sectors_total{device="sda"} 14
                # HELP node_disk_discards_completed_total Discards completed.
                # TYPE node_disk_discards_completed_total counter
                node_disk_discards_completed_total{device="sda"} 12
                # HELP node_disk_discards_merged_total Discards merged into a neighbouring one before they were issued.
                # TYPE node_disk_discards_merged_total counter
                node_disk_discards_merged_total{device="sda"} 13
                # HELP node_disk_filesystem_info The file system that udev found on a block device; always 1.
                # TYPE node_disk_filesystem_info gauge
                node_disk_filesystem_info{device="sda",type="ext4",usage="",uuid="7e",version=""} 1
                # HELP node_disk_flush_requests_time_seconds_total Seconds that all flushes took, added up.
                # TYPE node_disk_flush_requests_time_seconds_total counter
                node_disk_flush_requests_time_seconds_total{device="sda"} 0.017
                # HELP node_disk_flush_requests_total Flushes completed.
                # TYPE node_disk_flush_requests_total counter
                node_disk_flush_requests_total{device="sda"} 16
                # HELP node_disk_info What udev and sysfs know of a block device; always 1.
                # TYPE node_disk_info gauge
                node_disk_info{device="sda",major="8",minor="0",model="ST4000",path="",revision="",rotational="1",serial="AB",wwn=""} 1
                # HELP node_disk_io_now Requests issued to the device and not completed yet.
                # TYPE node_disk_io_now gauge
                node_disk_io_now{device="sda"} 9
                # HELP node_disk_io_time_seconds_total Seconds in which the device had requests in flight.
                # TYPE node_disk_io_time_seconds_total counter
                node_disk_io_time_seconds_total{device="sda"} 0.01
                # HELP node_disk_io_time_weighted_seconds_total Seconds in which the device had requests in flight, times their number.
                # TYPE node_disk_io_time_weighted_seconds_total counter
                node_disk_io_time_weighted_seconds_total{device="sda"} 0.011
                # HELP node_disk_read_bytes_total Bytes read.
                # TYPE node_disk_read_bytes_total counter
                node_disk_read_bytes_total{device="sda"} 1536
                # HELP node_disk_read_time_seconds_total Seconds that all reads took, added up.
                # TYPE node_disk_read_time_seconds_total counter
                node_disk_read_time_seconds_total{device="sda"} 0.004
                # HELP node_disk_reads_completed_total Reads completed.
                # TYPE node_disk_reads_completed_total counter
                node_disk_reads_completed_total{device="sda"} 1
                # HELP node_disk_reads_merged_total Reads merged into a neighbouring one before they were issued.
                # TYPE node_disk_reads_merged_total counter
                node_disk_reads_merged_total{device="sda"} 2
                # HELP node_disk_write_time_seconds_total Seconds that all writes took, added up.
                # TYPE node_disk_write_time_seconds_total counter
                node_disk_write_time_seconds_total{device="sda"} 0.008
                # HELP node_disk_writes_completed_total Writes completed.
                # TYPE node_disk_writes_completed_total counter
                node_disk_writes_completed_total{device="sda"} 5
                # HELP node_disk_writes_merged_total Writes merged into a neighbouring one before they were issued.
                # TYPE node_disk_writes_merged_total counter
                node_disk_writes_merged_total{device="sda"} 6
                # HELP node_disk_written_bytes_total Bytes written.
                # TYPE node_disk_written_bytes_total counter
                node_disk_written_bytes_total{device="sda"} 3584
            "##]],
        );
    }

    #[test]
    fn a_slash_in_a_name_is_another_sign_in_sysfs() {
        let host = TestHost::new(&[
            ("proc/diskstats", " 104 0 cciss/c0d0 1 2 3 4 5 6 7 8 9 10 11\n"),
            ("sys/block/cciss!c0d0/queue/rotational", "1\n"),
        ]);
        let mut out = Families::new(METRICS);
        host.open::<Diskstats>("").unwrap().collect(&mut out).unwrap();
        let text = host.render(&out);
        let info = text.lines().find(|it| it.starts_with("node_disk_info")).unwrap();
        assert!(info.contains(r#"device="cciss/c0d0""#) && info.contains(r#"rotational="1""#), "{info}");
    }

    #[test]
    fn shows_what_a_device_mapper_device_is() {
        check::<Diskstats>(
            "",
            &[
                ("proc/diskstats", "252 0 dm-0 1 0 0 0 0 0 0 0 0 0 0\n"),
                ("udev/b252:0", "E:DM_NAME=vg-root\nE:DM_UUID=LVM-x\nE:DM_VG_NAME=vg\nE:DM_LV_NAME=root\n"),
            ],
            expect![[r##"
                # HELP node_disk_device_mapper_info What udev knows of a device-mapper device; always 1.
                # TYPE node_disk_device_mapper_info gauge
                node_disk_device_mapper_info{device="dm-0",lv_layer="",lv_name="root",name="vg-root",uuid="LVM-x",vg_name="vg"} 1
                # HELP node_disk_info What udev and sysfs know of a block device; always 1.
                # TYPE node_disk_info gauge
                node_disk_info{device="dm-0",major="252",minor="0",model="",path="",revision="",rotational="0",serial="",wwn=""} 1
                # HELP node_disk_io_now Requests issued to the device and not completed yet.
                # TYPE node_disk_io_now gauge
                node_disk_io_now{device="dm-0"} 0
                # HELP node_disk_io_time_seconds_total Seconds in which the device had requests in flight.
                # TYPE node_disk_io_time_seconds_total counter
                node_disk_io_time_seconds_total{device="dm-0"} 0
                # HELP node_disk_io_time_weighted_seconds_total Seconds in which the device had requests in flight, times their number.
                # TYPE node_disk_io_time_weighted_seconds_total counter
                node_disk_io_time_weighted_seconds_total{device="dm-0"} 0
                # HELP node_disk_read_bytes_total Bytes read.
                # TYPE node_disk_read_bytes_total counter
                node_disk_read_bytes_total{device="dm-0"} 0
                # HELP node_disk_read_time_seconds_total Seconds that all reads took, added up.
                # TYPE node_disk_read_time_seconds_total counter
                node_disk_read_time_seconds_total{device="dm-0"} 0
                # HELP node_disk_reads_completed_total Reads completed.
                # TYPE node_disk_reads_completed_total counter
                node_disk_reads_completed_total{device="dm-0"} 1
                # HELP node_disk_reads_merged_total Reads merged into a neighbouring one before they were issued.
                # TYPE node_disk_reads_merged_total counter
                node_disk_reads_merged_total{device="dm-0"} 0
                # HELP node_disk_write_time_seconds_total Seconds that all writes took, added up.
                # TYPE node_disk_write_time_seconds_total counter
                node_disk_write_time_seconds_total{device="dm-0"} 0
                # HELP node_disk_writes_completed_total Writes completed.
                # TYPE node_disk_writes_completed_total counter
                node_disk_writes_completed_total{device="dm-0"} 0
                # HELP node_disk_writes_merged_total Writes merged into a neighbouring one before they were issued.
                # TYPE node_disk_writes_merged_total counter
                node_disk_writes_merged_total{device="dm-0"} 0
                # HELP node_disk_written_bytes_total Bytes written.
                # TYPE node_disk_written_bytes_total counter
                node_disk_written_bytes_total{device="dm-0"} 0
            "##]],
        );
    }

    #[test]
    fn leaves_out_columns_that_the_kernel_does_not_have() {
        check::<Diskstats>(
            "",
            &[("proc/diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 1 sda1 1 2 3 4\n")],
            expect![[r##"
            # HELP node_disk_info What udev and sysfs know of a block device; always 1.
            # TYPE node_disk_info gauge
            node_disk_info{device="sda",major="8",minor="0",model="",path="",revision="",rotational="0",serial="",wwn=""} 1
            # HELP node_disk_io_now Requests issued to the device and not completed yet.
            # TYPE node_disk_io_now gauge
            node_disk_io_now{device="sda"} 9
            # HELP node_disk_io_time_seconds_total Seconds in which the device had requests in flight.
            # TYPE node_disk_io_time_seconds_total counter
            node_disk_io_time_seconds_total{device="sda"} 0.01
            # HELP node_disk_io_time_weighted_seconds_total Seconds in which the device had requests in flight, times their number.
            # TYPE node_disk_io_time_weighted_seconds_total counter
            node_disk_io_time_weighted_seconds_total{device="sda"} 0.011
            # HELP node_disk_read_bytes_total Bytes read.
            # TYPE node_disk_read_bytes_total counter
            node_disk_read_bytes_total{device="sda"} 1536
            # HELP node_disk_read_time_seconds_total Seconds that all reads took, added up.
            # TYPE node_disk_read_time_seconds_total counter
            node_disk_read_time_seconds_total{device="sda"} 0.004
            # HELP node_disk_reads_completed_total Reads completed.
            # TYPE node_disk_reads_completed_total counter
            node_disk_reads_completed_total{device="sda"} 1
            # HELP node_disk_reads_merged_total Reads merged into a neighbouring one before they were issued.
            # TYPE node_disk_reads_merged_total counter
            node_disk_reads_merged_total{device="sda"} 2
            # HELP node_disk_write_time_seconds_total Seconds that all writes took, added up.
            # TYPE node_disk_write_time_seconds_total counter
            node_disk_write_time_seconds_total{device="sda"} 0.008
            # HELP node_disk_writes_completed_total Writes completed.
            # TYPE node_disk_writes_completed_total counter
            node_disk_writes_completed_total{device="sda"} 5
            # HELP node_disk_writes_merged_total Writes merged into a neighbouring one before they were issued.
            # TYPE node_disk_writes_merged_total counter
            node_disk_writes_merged_total{device="sda"} 6
            # HELP node_disk_written_bytes_total Bytes written.
            # TYPE node_disk_written_bytes_total counter
            node_disk_written_bytes_total{device="sda"} 3584
        "##]],
        );
    }

    #[test]
    fn an_include_takes_the_place_of_the_default_exclude() {
        check::<Diskstats>(
            "device_include = '^sda1$'",
            &[("proc/diskstats", "8 0 sda 1 0 0 0 0 0 0 0 0 0 0\n8 1 sda1 2 0 0 0 0 0 0 0 0 0 0\n")],
            expect![[r##"
                # HELP node_disk_info What udev and sysfs know of a block device; always 1.
                # TYPE node_disk_info gauge
                node_disk_info{device="sda1",major="8",minor="1",model="",path="",revision="",rotational="0",serial="",wwn=""} 1
                # HELP node_disk_io_now Requests issued to the device and not completed yet.
                # TYPE node_disk_io_now gauge
                node_disk_io_now{device="sda1"} 0
                # HELP node_disk_io_time_seconds_total Seconds in which the device had requests in flight.
                # TYPE node_disk_io_time_seconds_total counter
                node_disk_io_time_seconds_total{device="sda1"} 0
                # HELP node_disk_io_time_weighted_seconds_total Seconds in which the device had requests in flight, times their number.
                # TYPE node_disk_io_time_weighted_seconds_total counter
                node_disk_io_time_weighted_seconds_total{device="sda1"} 0
                # HELP node_disk_read_bytes_total Bytes read.
                # TYPE node_disk_read_bytes_total counter
                node_disk_read_bytes_total{device="sda1"} 0
                # HELP node_disk_read_time_seconds_total Seconds that all reads took, added up.
                # TYPE node_disk_read_time_seconds_total counter
                node_disk_read_time_seconds_total{device="sda1"} 0
                # HELP node_disk_reads_completed_total Reads completed.
                # TYPE node_disk_reads_completed_total counter
                node_disk_reads_completed_total{device="sda1"} 2
                # HELP node_disk_reads_merged_total Reads merged into a neighbouring one before they were issued.
                # TYPE node_disk_reads_merged_total counter
                node_disk_reads_merged_total{device="sda1"} 0
                # HELP node_disk_write_time_seconds_total Seconds that all writes took, added up.
                # TYPE node_disk_write_time_seconds_total counter
                node_disk_write_time_seconds_total{device="sda1"} 0
                # HELP node_disk_writes_completed_total Writes completed.
                # TYPE node_disk_writes_completed_total counter
                node_disk_writes_completed_total{device="sda1"} 0
                # HELP node_disk_writes_merged_total Writes merged into a neighbouring one before they were issued.
                # TYPE node_disk_writes_merged_total counter
                node_disk_writes_merged_total{device="sda1"} 0
                # HELP node_disk_written_bytes_total Bytes written.
                # TYPE node_disk_written_bytes_total counter
                node_disk_written_bytes_total{device="sda1"} 0
            "##]],
        );
        check_error::<Diskstats>(
            "device_include = 'a'\ndevice_exclude = 'b'",
            &[],
            expect!["an include and an exclude pattern cannot be combined here"],
        );
    }

    #[test]
    fn a_host_without_disks_gives_no_samples() {
        check::<Diskstats>("", &[("proc/diskstats", "")], expect![""]);
    }

    #[test]
    fn forgets_a_disk_whose_number_another_one_got() {
        let host = TestHost::new(&[
            ("proc/diskstats", "8 0 sda 1 0 0 0 0 0 0 0 0 0 0\n8 16 sdb 2 0 0 0 0 0 0 0 0 0 0\n"),
            ("udev/b8:0", "E:ID_MODEL=first\n"),
            ("udev/b8:16", "E:ID_MODEL=second\n"),
        ]);
        let mut collector = host.open::<Diskstats>("").unwrap();
        let mut out = Families::new(METRICS);
        collector.collect(&mut out).unwrap();
        host.write("proc/diskstats", "8 16 sdb 3 0 0 0 0 0 0 0 0 0 0\n");
        out.clear();
        collector.collect(&mut out).unwrap();
        let text = host.render(&out);
        assert!(
            text.contains("node_disk_info{device=\"sdb\",major=\"8\",minor=\"16\",model=\"second\""),
            "{text}"
        );
        assert!(!text.contains("first"), "{text}");
    }

    #[test]
    fn reads_again_what_udev_wrote_anew() {
        let host = TestHost::new(&[
            ("proc/diskstats", "8 0 sda 1 0 0 0 0 0 0 0 0 0 0\n"),
            ("udev/b8:0", "E:ID_MODEL=old\n"),
        ]);
        let mut collector = host.open::<Diskstats>("").unwrap();
        let mut out = Families::new(METRICS);
        collector.collect(&mut out).unwrap();
        // Another inode makes the change visible whatever the clock's step is.
        std::fs::rename(host.path().join("udev"), host.path().join("udev.old")).unwrap();
        host.write("udev/b8:0", "E:ID_MODEL=new\n");
        out.clear();
        collector.collect(&mut out).unwrap();
        assert!(host.render(&out).contains("model=\"new\""));
    }

    #[test]
    fn names_the_line_of_a_word_that_is_no_count() {
        check_error::<Diskstats>(
            "",
            &[("proc/diskstats", "8 0 sda x x x x x x x x x x x\n")],
            expect![[r##"
                # HELP node_disk_info What udev and sysfs know of a block device; always 1.
                # TYPE node_disk_info gauge
                node_disk_info{device="sda",major="8",minor="0",model="",path="",revision="",rotational="0",serial="",wwn=""} 1
                parse proc/diskstats, line 1: expected a count"##]],
        );
    }

    #[test]
    fn a_word_that_is_no_count_costs_one_value() {
        let sound = "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 16 sdb 1 2 3 4 5 6 7 8 9 10 11\n";
        for (word, is_fine) in [("-9", true), ("18446744073709551616", true), ("x", false)] {
            let lost = "node_disk_io_now{device=\"sda\"} 9";
            assert_eq!(
                costs::<Diskstats>("", ("proc/diskstats", sound), ("9", word), lost),
                is_fine,
                "{word}"
            );
        }
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Diskstats>(
            "",
            &[],
            expect!["read proc/diskstats: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Diskstats>(
            "",
            &[
                (
                    "proc/diskstats",
                    "8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n252 0 dm-0 1 0 0 0 0 0 0 0 0 0 0\n",
                ),
                ("udev/b8:0", "E:ID_ATA=1\nE:ID_ATA_WRITE_CACHE=1\nE:ID_FS_TYPE=ext4\n"),
                ("sys/block/sda/queue/rotational", "1\n"),
            ],
        );
    }
}
