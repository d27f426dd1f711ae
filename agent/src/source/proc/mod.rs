//! Parsers of procfs files that the `procfs` crate lacks, or from which it loses something; each says which.

pub mod cpuinfo;
pub mod diskstats;
pub(crate) mod ip_vs;
pub mod kstat;
pub mod mdstat;
pub mod mountinfo;
pub(crate) mod mountstats;
pub(crate) mod net_dev;
pub(crate) mod rpc;
pub mod stat;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{source::lines, testing::fuzz};
    use std::hint::black_box;

    const MOUNTS: &[u8] = b"23 30 0:21 / /proc rw,nosuid shared:14 - proc proc rw\n\
        31 30 8:1 /a\\040b /mnt/with\\011tab\\134 ro,relatime - ext4 /dev/sda1 ro,errors=remount-ro\n\
        40 30 0:38 / /n rw master:3 propagate_from:2 - nfs4 host:/x rw,addr=::1\n";
    const MDSTAT: &[u8] = b"Personalities : [raid1] [raid6] [raid5] [raid4]\n\
        md3 : active raid6 sda1[8] sdh1[7](F) sdg1[6](S) sdc1[2]\n      5853468288 blocks super 1.2 level 6, 64k \
        chunk, algorithm 2 [8/7] [UUUUUUU_]\n      [=>...]  recovery = 16.7% (325709/1953511936) finish=2.1min \
        speed=1K/sec\n      bitmap: 0/30 pages [0KB], 65536KB chunk\n\nmd127 : inactive sdb1[0](S)\n      9 blocks \
        super external:imsm\n\nmd9 : active (read-only) raid1 a[1] b[0]\n  523968 blocks [4/4] [UUUU]\n  \
        resync=PENDING\n\nunused devices: <none>\n";

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_mountinfo() {
        fuzz(&[MOUNTS], |text| {
            for (_, line) in lines(text) {
                let Some(mount) = mountinfo::parse_line(line) else { continue };
                black_box(mount.is_readonly());
                black_box((mountinfo::unescape_label(line), mountinfo::unescape_path(line)));
            }
        });
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_mdstat() {
        fuzz(&[MDSTAT], |text| drop(mdstat::parse(text)));
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_proc_files() {
        let stat = b"cpu  1 2 3 4 5 6 7 8 9 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 7 1 0\nctxt 5\nbtime 9\n\
            processes 3\nprocs_running 1\nprocs_blocked 0\nsoftirq 10 1 2 3 4 5 6 7 8 9 10\n";
        let cpuinfo = b"processor\t: 0\nvendor_id\t: x\ncpu MHz\t\t: 800.0\nphysical id\t: 0\ncore id\t: 1\n\
            flags\t: a b\n\nprocessor : 1\n";
        let disks = b"   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n   7 1 loop1 0 0 0 0 0 0 0 0 0 0 0\n";
        let ipvs = b"   Total Incoming Outgoing         Incoming         Outgoing\n 16AA370 E33656E5 0 51D8C8883AB3 0\n\n\
            \n Conns/s   Pkts/s\n";
        let services = b"IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> \
            RemoteAddress:Port Forward Weight ActiveConn InActConn\nTCP  C0A80016:0CEA wlc\n  -> C0A85216:0CEA \
            Tunnel  100    248        2\nFWM  10001000 wlc\n  -> [2620:0:1]:1 Route 0 0 1\n";
        let dev =
            b"Inter-|   Receive\n face |bytes\n  lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth0:1:2 1\n";
        fuzz(&[stat, cpuinfo, disks, ipvs, services, dev], |text| {
            stat::CpuTimes::default().advance(text).ok();
            stat::Stat::default().add(text).ok();
            cpuinfo::CpuInfos::default().add(text).ok();
            ip_vs::parse_totals(text, &mut ip_vs::Totals::default()).ok();
            ip_vs::parse_backends(text, |_, _| {}).ok();
            for (_, line) in lines(text) {
                black_box(net_dev::parse_line(line));
                if let Ok(Some(disk)) = diskstats::parse_line(line) {
                    (0..20).for_each(|column| {
                        black_box((disk.counts.bytes(column), disk.counts.seconds(column)));
                    });
                }
            }
        });
    }
}
