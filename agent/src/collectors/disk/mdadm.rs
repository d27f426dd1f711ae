//! Software RAID: `/proc/mdstat`, and `/sys/block/md*/md`, which Documentation/admin-guide/md.rst describes.

use crate::{
    collectors::prelude::*,
    source::proc::mdstat::{self, Activity, Array},
};
use std::path::{Path, PathBuf};

metrics! {
    STATE: Gauge "node_md_state" ["device", "state"], "Whether an array is in a state: active, inactive, recovering, resync or check.";
    DISKS: Gauge "node_md_disks" ["device", "state"], "Disks of an array by state: active, failed or spare.";
    REQUIRED: Gauge "node_md_disks_required" ["device"], "Disks that an array has when it is whole.";
    BLOCKS: Gauge "node_md_blocks" ["device"], "Size of an array in blocks of 1 KiB.";
    SYNCED: Gauge "node_md_blocks_synced" ["device"], "Blocks of 1 KiB that are in sync; all when nothing is being synced.";
    RAID_DISKS: Gauge "node_md_raid_disks" ["device"], "Disks that an array is meant to have, spares aside.";
    DEGRADED: Gauge "node_md_degraded" ["device"], "Disks that a redundant array lacks.";
}

pub(super) struct Mdadm {
    mdstat: File,
    sys_block: PathBuf,
}

impl Spec for Mdadm {
    const SUMMARY: &'static str = "State of software RAID, from /proc/mdstat and /sys/block/md*.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { mdstat: host.proc("mdstat"), sys_block: host.sys("block") })
    }
}

impl Collector for Mdadm {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let attributes = push_all_attributes(&self.sys_block, out);
        let Some(text) = self.mdstat.read_if_present()? else {
            return Err(Error::Absent(format!("{} does not exist", self.mdstat.path().display())));
        };
        let (arrays, wrong) = mdstat::parse(text);
        arrays.iter().for_each(|it| push(it, out));
        if let Some(line) = wrong {
            return Err(self.mdstat.parse_error(line, "not as md(4) has it").into());
        }
        Ok(attributes?)
    }
}

fn push(array: &Array<'_>, out: &mut Families) {
    let device = array.name;
    let states = [
        ("active", Activity::Active),
        ("inactive", Activity::Inactive),
        ("recovering", Activity::Recovering),
        ("resync", Activity::Resyncing),
        ("check", Activity::Checking),
    ];
    for (word, state) in states {
        out.push(STATE, (device, word), array.activity == state);
    }
    out.push(DISKS, (device, "active"), array.n_active);
    out.push(DISKS, (device, "failed"), array.n_failed);
    out.push(DISKS, (device, "spare"), array.n_spare);
    out.push(REQUIRED, [device], array.n_required);
    out.push(BLOCKS, [device], array.n_blocks);
    out.push(SYNCED, [device], array.n_synced);
}

fn push_all_attributes(sys_block: &Path, out: &mut Families) -> Result<(), source::Error> {
    let Some(sys_block) = Folder::open(sys_block)? else { return Ok(()) };
    sys_block.for_each_folder(
        |name| name.starts_with("md"),
        |device, folder| match folder.folder("md")? {
            Some(array) => push_attributes(device, &array, out),
            None => Ok(()),
        },
    )
}

/// A container of arrays, whose metadata is not md's own, has no number of disks.
fn push_attributes(device: &str, array: &Folder, out: &mut Families) -> Result<(), source::Error> {
    let files = array.unlisted_attributes();
    let n_disks = files.parsed("raid_disks", "a number of disks", |text| {
        // While an array is reshaped, `6 (4)`: what it was before follows.
        source::words(text).next().and_then(source::number::<u64>)
    });
    out.push(RAID_DISKS, [device], n_disks);
    let level = files.value("level");
    let is_redundant =
        matches!(level.as_deref(), Some(b"raid1" | b"raid4" | b"raid5" | b"raid6" | b"raid10"));
    let lacks_none = level.is_some() && !is_redundant && !files.exists("degraded");
    out.push(DEGRADED, [device], files.unsigned("degraded").or(lacks_none.then_some(0)));
    files.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECOVERING: &str = "Personalities : [raid1] [raid0]\nmd6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]\n      195310144 blocks super 1.2 [2/1] [U_]\n      [=>...................]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec\n      bitmap: 0/30 pages [0KB], 65536KB chunk\n\nunused devices: <none>\n";

    #[test]
    fn shows_an_array_that_recovers() {
        check::<Mdadm>(
            "",
            &[
                ("proc/mdstat", RECOVERING),
                ("sys/block/md6/md/level", "raid1\n"),
                ("sys/block/md6/md/raid_disks", "2\n"),
                ("sys/block/md6/md/degraded", "1\n"),
                ("sys/block/sda/", ""),
            ],
            expect![[r##"
                # HELP node_md_blocks Size of an array in blocks of 1 KiB.
                # TYPE node_md_blocks gauge
                node_md_blocks{device="md6"} 1.95310144e+08
                # HELP node_md_blocks_synced Blocks of 1 KiB that are in sync; all when nothing is being synced.
                # TYPE node_md_blocks_synced gauge
                node_md_blocks_synced{device="md6"} 1.6775552e+07
                # HELP node_md_degraded Disks that a redundant array lacks.
                # TYPE node_md_degraded gauge
                node_md_degraded{device="md6"} 1
                # HELP node_md_disks Disks of an array by state: active, failed or spare.
                # TYPE node_md_disks gauge
                node_md_disks{device="md6",state="active"} 1
                node_md_disks{device="md6",state="failed"} 1
                node_md_disks{device="md6",state="spare"} 1
                # HELP node_md_disks_required Disks that an array has when it is whole.
                # TYPE node_md_disks_required gauge
                node_md_disks_required{device="md6"} 2
                # HELP node_md_raid_disks Disks that an array is meant to have, spares aside.
                # TYPE node_md_raid_disks gauge
                node_md_raid_disks{device="md6"} 2
                # HELP node_md_state Whether an array is in a state: active, inactive, recovering, resync or check.
                # TYPE node_md_state gauge
                node_md_state{device="md6",state="active"} 0
                node_md_state{device="md6",state="check"} 0
                node_md_state{device="md6",state="inactive"} 0
                node_md_state{device="md6",state="recovering"} 1
                node_md_state{device="md6",state="resync"} 0
            "##]],
        );
    }

    #[test]
    fn counts_disks_where_the_kernel_gives_no_numbers() {
        check::<Mdadm>(
            "",
            &[
                (
                    "proc/mdstat",
                    "Personalities : [raid0]\nmd0 : active raid0 sda1[0] sdb1[1]\n      314159265 blocks 64k chunks\n\nmd219 : inactive sdb[2](S) sdc[1](S)\n        7932 blocks super external:imsm\n\nunused devices: <none>\n",
                ),
                ("sys/block/md0/md/level", "raid0\n"),
                ("sys/block/md0/md/raid_disks", "2\n"),
            ],
            expect![[r##"
                # HELP node_md_blocks Size of an array in blocks of 1 KiB.
                # TYPE node_md_blocks gauge
                node_md_blocks{device="md0"} 3.14159265e+08
                node_md_blocks{device="md219"} 7932
                # HELP node_md_blocks_synced Blocks of 1 KiB that are in sync; all when nothing is being synced.
                # TYPE node_md_blocks_synced gauge
                node_md_blocks_synced{device="md0"} 3.14159265e+08
                node_md_blocks_synced{device="md219"} 7932
                # HELP node_md_degraded Disks that a redundant array lacks.
                # TYPE node_md_degraded gauge
                node_md_degraded{device="md0"} 0
                # HELP node_md_disks Disks of an array by state: active, failed or spare.
                # TYPE node_md_disks gauge
                node_md_disks{device="md0",state="active"} 2
                node_md_disks{device="md0",state="failed"} 0
                node_md_disks{device="md0",state="spare"} 0
                node_md_disks{device="md219",state="active"} 0
                node_md_disks{device="md219",state="failed"} 0
                node_md_disks{device="md219",state="spare"} 2
                # HELP node_md_disks_required Disks that an array has when it is whole.
                # TYPE node_md_disks_required gauge
                node_md_disks_required{device="md0"} 2
                node_md_disks_required{device="md219"} 0
                # HELP node_md_raid_disks Disks that an array is meant to have, spares aside.
                # TYPE node_md_raid_disks gauge
                node_md_raid_disks{device="md0"} 2
                # HELP node_md_state Whether an array is in a state: active, inactive, recovering, resync or check.
                # TYPE node_md_state gauge
                node_md_state{device="md0",state="active"} 1
                node_md_state{device="md0",state="check"} 0
                node_md_state{device="md0",state="inactive"} 0
                node_md_state{device="md0",state="recovering"} 0
                node_md_state{device="md0",state="resync"} 0
                node_md_state{device="md219",state="active"} 0
                node_md_state{device="md219",state="check"} 0
                node_md_state{device="md219",state="inactive"} 1
                node_md_state{device="md219",state="recovering"} 0
                node_md_state{device="md219",state="resync"} 0
            "##]],
        );
    }

    fn states(mdstat: &str) -> Vec<(Activity, u64)> {
        let (arrays, _) = mdstat::parse(mdstat.as_bytes());
        arrays.iter().map(|it| (it.activity, it.n_synced.unwrap())).collect()
    }

    #[test]
    fn tells_what_an_array_is_doing() {
        let array = |rest: &str| {
            format!(
                "md9 : active (auto-read-only) raid1 sda[0] sdb[1]\n      100 blocks [2/2] [UU]\n{rest}\n"
            )
        };
        assert_eq!(states(&array("      resync=DELAYED\n")), [(Activity::Resyncing, 0)]);
        assert_eq!(states(&array("      resync=REMOTE\n")), [(Activity::Resyncing, 0)]);
        assert_eq!(
            states(&array("      bitmap: 0/1 pages [0KB], 4KB chunk\n      resync=PENDING\n")),
            [(Activity::Resyncing, 0)]
        );
        assert_eq!(
            states(&array("      [>.]  check =  5.7% (57/100) finish=0.2min speed=1K/sec\n")),
            [(Activity::Checking, 57)]
        );
        assert_eq!(
            states(&array("      [>.]  reshape =  1.0% (1/100) finish=0.2min speed=1K/sec\n")),
            [(Activity::Reshaping, 1)]
        );
        assert_eq!(states(&array("")), [(Activity::Active, 100)]);
    }

    #[test]
    fn an_array_that_is_reshaped_says_how_many_disks_it_had() {
        check::<Mdadm>(
            "",
            &[
                ("proc/mdstat", "Personalities : [raid6]\nunused devices: <none>\n"),
                ("sys/block/md4/md/level", "raid6\n"),
                ("sys/block/md4/md/raid_disks", "6 (4)\n"),
                ("sys/block/md4/md/degraded", "0\n"),
                ("sys/block/md7/md/level", "raid1\n"),
                ("sys/block/md7/md/raid_disks", "2\n"),
                ("sys/block/md7/md/degraded", "1\n"),
            ],
            expect![[r##"
                # HELP node_md_degraded Disks that a redundant array lacks.
                # TYPE node_md_degraded gauge
                node_md_degraded{device="md4"} 0
                node_md_degraded{device="md7"} 1
                # HELP node_md_raid_disks Disks that an array is meant to have, spares aside.
                # TYPE node_md_raid_disks gauge
                node_md_raid_disks{device="md4"} 6
                node_md_raid_disks{device="md7"} 2
            "##]],
        );
    }

    #[test]
    fn a_container_has_no_number_of_disks() {
        for level in ["container\n", "imsm\n", "ddf\n", "\n"] {
            check::<Mdadm>(
                "",
                &[
                    ("proc/mdstat", "Personalities : [raid1]\nunused devices: <none>\n"),
                    ("sys/block/md127/md/level", level),
                    ("sys/block/md127/md/raid_disks", "\n"),
                ],
                expect![[r##"
                    # HELP node_md_degraded Disks that a redundant array lacks.
                    # TYPE node_md_degraded gauge
                    node_md_degraded{device="md127"} 0
                "##]],
            );
        }
    }

    #[test]
    fn an_array_that_lost_all_disks_has_one_line() {
        let mdstat = "Personalities : [raid5]\nmd121 : active raid5 super 1.2 level 5, 64k chunk, algorithm 2 [3/0] [___]\n\nmd122 : active raid5 sdm1[0] sdn1[1] sdo1[3]\n      20480 blocks [3/3] [UUU]\n";
        check::<Mdadm>(
            "",
            &[("proc/mdstat", mdstat)],
            expect![[r##"
            # HELP node_md_blocks Size of an array in blocks of 1 KiB.
            # TYPE node_md_blocks gauge
            node_md_blocks{device="md122"} 20480
            # HELP node_md_blocks_synced Blocks of 1 KiB that are in sync; all when nothing is being synced.
            # TYPE node_md_blocks_synced gauge
            node_md_blocks_synced{device="md122"} 20480
            # HELP node_md_disks Disks of an array by state: active, failed or spare.
            # TYPE node_md_disks gauge
            node_md_disks{device="md121",state="active"} 0
            node_md_disks{device="md121",state="failed"} 0
            node_md_disks{device="md121",state="spare"} 0
            node_md_disks{device="md122",state="active"} 3
            node_md_disks{device="md122",state="failed"} 0
            node_md_disks{device="md122",state="spare"} 0
            # HELP node_md_disks_required Disks that an array has when it is whole.
            # TYPE node_md_disks_required gauge
            node_md_disks_required{device="md121"} 3
            node_md_disks_required{device="md122"} 3
            # HELP node_md_state Whether an array is in a state: active, inactive, recovering, resync or check.
            # TYPE node_md_state gauge
            node_md_state{device="md121",state="active"} 1
            node_md_state{device="md121",state="check"} 0
            node_md_state{device="md121",state="inactive"} 0
            node_md_state{device="md121",state="recovering"} 0
            node_md_state{device="md121",state="resync"} 0
            node_md_state{device="md122",state="active"} 1
            node_md_state{device="md122",state="check"} 0
            node_md_state{device="md122",state="inactive"} 0
            node_md_state{device="md122",state="recovering"} 0
            node_md_state{device="md122",state="resync"} 0
        "##]],
        );
    }

    #[test]
    fn what_other_makers_write_is_no_failure() {
        check::<Mdadm>(
            "",
            &[(
                "proc/mdstat",
                "sbName=/boot/config/super.dat\nmdVersion=2.9.17\nmdState=STARTED\ndiskSize.0=0\n",
            )],
            expect![""],
        );
    }

    #[test]
    fn a_kernel_without_md_is_no_failure() {
        check_error::<Mdadm>("", &[], expect!["not on this host: proc/mdstat does not exist"]);
        check::<Mdadm>("", &[("proc/mdstat", "Personalities : \nunused devices: <none>\n")], expect![""]);
    }

    #[test]
    fn names_the_line_that_does_not_tell_the_size() {
        for size in ["xx blocks 64k chunks", "?garbage?", "100 ?garbage? 64k chunks"] {
            let text = format!("md0 : active raid0 sda1[0]\n      {size}\n\nunused devices: <none>\n");
            let (arrays, wrong) = mdstat::parse(text.as_bytes());
            assert_eq!((arrays[0].n_blocks, wrong), (None, Some(2)), "{size}");
        }
    }

    #[test]
    fn refuses_lines_that_are_not_documented() {
        check_error::<Mdadm>(
            "",
            &[("proc/mdstat", "Personalities : [raid1]\nmd0 : active raid1 sda[0]\n")],
            expect![[r##"
                # HELP node_md_disks Disks of an array by state: active, failed or spare.
                # TYPE node_md_disks gauge
                node_md_disks{device="md0",state="failed"} 0
                node_md_disks{device="md0",state="spare"} 0
                # HELP node_md_state Whether an array is in a state: active, inactive, recovering, resync or check.
                # TYPE node_md_state gauge
                node_md_state{device="md0",state="active"} 1
                node_md_state{device="md0",state="check"} 0
                node_md_state{device="md0",state="inactive"} 0
                node_md_state{device="md0",state="recovering"} 0
                node_md_state{device="md0",state="resync"} 0
                parse proc/mdstat, line 2: not as md(4) has it"##]],
        );
        check_error::<Mdadm>(
            "",
            &[("proc/mdstat", "md0 : active raid1 sda[0]\n      100 blocks\n")],
            expect![[r##"
                # HELP node_md_blocks Size of an array in blocks of 1 KiB.
                # TYPE node_md_blocks gauge
                node_md_blocks{device="md0"} 100
                # HELP node_md_blocks_synced Blocks of 1 KiB that are in sync; all when nothing is being synced.
                # TYPE node_md_blocks_synced gauge
                node_md_blocks_synced{device="md0"} 100
                # HELP node_md_disks Disks of an array by state: active, failed or spare.
                # TYPE node_md_disks gauge
                node_md_disks{device="md0",state="failed"} 0
                node_md_disks{device="md0",state="spare"} 0
                # HELP node_md_state Whether an array is in a state: active, inactive, recovering, resync or check.
                # TYPE node_md_state gauge
                node_md_state{device="md0",state="active"} 1
                node_md_state{device="md0",state="check"} 0
                node_md_state{device="md0",state="inactive"} 0
                node_md_state{device="md0",state="recovering"} 0
                node_md_state{device="md0",state="resync"} 0
                parse proc/mdstat, line 1: not as md(4) has it"##]],
        );
        check_error::<Mdadm>(
            "",
            &[("proc/mdstat", "unused devices: <none>\n"), ("sys/block/md0/md/raid_disks", "two\n")],
            expect!["parse sys/block/md0/md/raid_disks, line 1: expected a number of disks, found `two`"],
        );
    }

    #[test]
    fn an_array_that_makes_faults_has_all_of_its_disks() {
        check::<Mdadm>(
            "",
            &[("proc/mdstat", "md5 : active faulty sda1[0]\n      1024 blocks super 1.2 nfaults=0\n")],
            expect![[r##"
                # HELP node_md_blocks Size of an array in blocks of 1 KiB.
                # TYPE node_md_blocks gauge
                node_md_blocks{device="md5"} 1024
                # HELP node_md_blocks_synced Blocks of 1 KiB that are in sync; all when nothing is being synced.
                # TYPE node_md_blocks_synced gauge
                node_md_blocks_synced{device="md5"} 1024
                # HELP node_md_disks Disks of an array by state: active, failed or spare.
                # TYPE node_md_disks gauge
                node_md_disks{device="md5",state="active"} 1
                node_md_disks{device="md5",state="failed"} 0
                node_md_disks{device="md5",state="spare"} 0
                # HELP node_md_disks_required Disks that an array has when it is whole.
                # TYPE node_md_disks_required gauge
                node_md_disks_required{device="md5"} 1
                # HELP node_md_state Whether an array is in a state: active, inactive, recovering, resync or check.
                # TYPE node_md_state gauge
                node_md_state{device="md5",state="active"} 1
                node_md_state{device="md5",state="check"} 0
                node_md_state{device="md5",state="inactive"} 0
                node_md_state{device="md5",state="recovering"} 0
                node_md_state{device="md5",state="resync"} 0
            "##]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Mdadm>(
            "",
            &[
                ("proc/mdstat", RECOVERING),
                ("sys/block/md6/md/level", "raid1\n"),
                ("sys/block/md6/md/raid_disks", "2\n"),
                ("sys/block/md6/md/degraded", "1\n"),
            ],
        );
    }
}
