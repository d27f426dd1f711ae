//! What each NFS mount did, from `/proc/self/mountstats`; the server's address from `/proc/self/mountinfo`, which lists
//! the same mounts in the same order. Mounts that share export, protocol and address are one in the kernel, too.

use crate::{
    collectors::prelude::*,
    source::{
        lines,
        proc::{
            mountinfo,
            mountstats::{self, NfsMount},
        },
    },
};
use std::collections::HashSet;

/// Above it, a float holds no odd number. node_exporter shows times modulo this one.
const MAX_WHOLE: u64 = 1 << 53;

metrics! {
    MOUNT_POINT: Gauge "node_mountstats_nfs_mountpoint_info" ["export", "protocol", "mountaddr", "mountpoint"], "1, with the place at which an NFS export is mounted.";
    BINDS: Counter "node_mountstats_nfs_transport_bind_total" ["export", "protocol", "mountaddr", "transport"], "Times that the client had to bind a port for the server.";
    CONNECTS: Counter "node_mountstats_nfs_transport_connect_total" ["export", "protocol", "mountaddr", "transport"], "Times that the client connected to the server by TCP.";
    IDLE: Gauge "node_mountstats_nfs_transport_idle_time_seconds" ["export", "protocol", "mountaddr", "transport"], "Seconds since the mount last sent or received a request.";
    SENDS: Counter "node_mountstats_nfs_transport_sends_total" ["export", "protocol", "mountaddr", "transport"], "Requests sent to the server.";
    RECEIVES: Counter "node_mountstats_nfs_transport_receives_total" ["export", "protocol", "mountaddr", "transport"], "Replies received from the server.";
    BAD_IDS: Counter "node_mountstats_nfs_transport_bad_transaction_ids_total" ["export", "protocol", "mountaddr", "transport"], "Replies to no request that the client knows of.";
    BACKLOG: Counter "node_mountstats_nfs_transport_backlog_queue_total" ["export", "protocol", "mountaddr", "transport"], "Length of the backlog queue, summed up at each request.";
    MAX_SLOTS: Gauge "node_mountstats_nfs_transport_maximum_rpc_slots" ["export", "protocol", "mountaddr", "transport"], "Greatest number of requests that were ever in flight at once.";
    SENDING: Counter "node_mountstats_nfs_transport_sending_queue_total" ["export", "protocol", "mountaddr", "transport"], "Length of the sending queue, summed up at each request.";
    PENDING: Counter "node_mountstats_nfs_transport_pending_queue_total" ["export", "protocol", "mountaddr", "transport"], "Length of the queue of requests without a reply, summed up at each request.";
    REQUESTS: Counter "node_mountstats_nfs_operations_requests_total" ["export", "protocol", "mountaddr", "operation"], "Requests made, by operation.";
    TRANSMISSIONS: Counter "node_mountstats_nfs_operations_transmissions_total" ["export", "protocol", "mountaddr", "operation"], "Requests sent, those that were sent again included, by operation.";
    TIMEOUTS: Counter "node_mountstats_nfs_operations_major_timeouts_total" ["export", "protocol", "mountaddr", "operation"], "Requests that had no reply for a whole series of retries, by operation.";
    SENT: Counter "node_mountstats_nfs_operations_sent_bytes_total" ["export", "protocol", "mountaddr", "operation"], "Bytes sent, headers included, by operation.";
    RECEIVED: Counter "node_mountstats_nfs_operations_received_bytes_total" ["export", "protocol", "mountaddr", "operation"], "Bytes received, headers included, by operation.";
    QUEUED: Counter "node_mountstats_nfs_operations_queue_time_seconds_total" ["export", "protocol", "mountaddr", "operation"], "Seconds that requests waited to be sent, by operation.";
    RESPONDED: Counter "node_mountstats_nfs_operations_response_time_seconds_total" ["export", "protocol", "mountaddr", "operation"], "Seconds from the sending of requests to their replies, by operation.";
    TOOK: Counter "node_mountstats_nfs_operations_request_time_seconds_total" ["export", "protocol", "mountaddr", "operation"], "Seconds that requests took in all, by operation.";

    |it: &NfsMount<'_>| ["export", "protocol", "mountaddr"];
    Counter "node_mountstats_nfs_age_seconds_total" = it.age_seconds, "Seconds since the mount was made.";
    Counter "node_mountstats_nfs_read_bytes_total" = it.bytes[0], "Bytes that programs read with read(2).";
    Counter "node_mountstats_nfs_write_bytes_total" = it.bytes[1], "Bytes that programs wrote with write(2).";
    Counter "node_mountstats_nfs_direct_read_bytes_total" = it.bytes[2], "Bytes that programs read with O_DIRECT.";
    Counter "node_mountstats_nfs_direct_write_bytes_total" = it.bytes[3], "Bytes that programs wrote with O_DIRECT.";
    Counter "node_mountstats_nfs_total_read_bytes_total" = it.bytes[4], "Bytes read from the server.";
    Counter "node_mountstats_nfs_total_write_bytes_total" = it.bytes[5], "Bytes written to the server.";
    Counter "node_mountstats_nfs_read_pages_total" = it.bytes[6], "Pages read from the server.";
    Counter "node_mountstats_nfs_write_pages_total" = it.bytes[7], "Pages written to the server.";
    Counter "node_mountstats_nfs_event_inode_revalidate_total" = it.events[0], "Times that cached attributes of a file were looked at again.";
    Counter "node_mountstats_nfs_event_dnode_revalidate_total" = it.events[1], "Times that cached names were looked at again.";
    Counter "node_mountstats_nfs_event_data_invalidate_total" = it.events[2], "Times that the cached data of a file were dropped.";
    Counter "node_mountstats_nfs_event_attribute_invalidate_total" = it.events[3], "Times that cached attributes of a file were dropped.";
    Counter "node_mountstats_nfs_event_vfs_open_total" = it.events[4], "Files and folders opened.";
    Counter "node_mountstats_nfs_event_vfs_lookup_total" = it.events[5], "Names looked up in folders.";
    Counter "node_mountstats_nfs_event_vfs_access_total" = it.events[6], "Permissions checked.";
    Counter "node_mountstats_nfs_event_vfs_update_page_total" = it.events[7], "Pages changed, which may have to be written.";
    Counter "node_mountstats_nfs_event_vfs_read_page_total" = it.events[8], "Times that a page was read.";
    Counter "node_mountstats_nfs_event_vfs_read_pages_total" = it.events[9], "Times that several pages were read at once.";
    Counter "node_mountstats_nfs_event_vfs_write_page_total" = it.events[10], "Times that a page was written.";
    Counter "node_mountstats_nfs_event_vfs_write_pages_total" = it.events[11], "Times that several pages were written at once.";
    Counter "node_mountstats_nfs_event_vfs_getdents_total" = it.events[12], "Times that a folder was listed.";
    Counter "node_mountstats_nfs_event_vfs_setattr_total" = it.events[13], "Times that attributes of a file were set.";
    Counter "node_mountstats_nfs_event_vfs_flush_total" = it.events[14], "Times that changes were flushed to the server.";
    Counter "node_mountstats_nfs_event_vfs_fsync_total" = it.events[15], "Times that fsync(2) was called on files and folders.";
    Counter "node_mountstats_nfs_event_vfs_lock_total" = it.events[16], "Times that a file was to be locked.";
    Counter "node_mountstats_nfs_event_vfs_file_release_total" = it.events[17], "Files closed.";
    Counter "node_mountstats_nfs_event_truncation_total" = it.events[19], "Files truncated.";
    Counter "node_mountstats_nfs_event_write_extension_total" = it.events[20], "Files that grew by a write beyond their end.";
    Counter "node_mountstats_nfs_event_silly_rename_total" = it.events[21], "Files that were removed while they were open.";
    Counter "node_mountstats_nfs_event_short_read_total" = it.events[22], "Reads for which the server gave less than was asked for.";
    Counter "node_mountstats_nfs_event_short_write_total" = it.events[23], "Writes of which the server took less than was given.";
    Counter "node_mountstats_nfs_event_jukebox_delay_total" = it.events[24], "Times that the server asked to try again later (EJUKEBOX).";
    Counter "node_mountstats_nfs_event_pnfs_read_total" = it.events[25], "Reads by pNFS.";
    Counter "node_mountstats_nfs_event_pnfs_write_total" = it.events[26], "Writes by pNFS.";
}

pub(super) struct Mountstats {
    stats: File,
    info: File,
}

impl Spec for Mountstats {
    const SUMMARY: &'static str = "Requests, bytes and events of each NFS mount, from /proc/self/mountstats.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { stats: host.proc("self/mountstats"), info: host.proc("self/mountinfo") })
    }
}

impl Collector for Mountstats {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let errors = FirstError::default();
        let info = errors.ok(self.info.read()).unwrap_or_default();
        let parsed = self.stats.parse("a mount and what it counts", |text| {
            let (mut mounts, mut places) = (HashSet::new(), HashSet::new());
            mountstats::parse(text, |mount| {
                let address = address(mount, info);
                for transport in &mount.transports {
                    let labels = [mount.export, transport.protocol, address];
                    let [export, protocol, address] = labels;
                    if places.insert((labels, mount.mount_point)) {
                        out.push(MOUNT_POINT, [export, protocol, address, mount.mount_point], 1u64);
                    }
                    if !mounts.insert(labels) {
                        break;
                    }
                    push_mount(mount, labels, out);
                }
            })
        });
        errors.ok(parsed);
        Ok(errors.end()?)
    }
}

/// The server's address, by a row of mountinfo with the same export or the same place: best the one that stands where
/// the mount does.
fn address<'a>(mount: &NfsMount<'_>, info: &'a [u8]) -> &'a [u8] {
    let rows = lines(info).filter_map(|(number, line)| Some((number, mountinfo::parse_line(line)?)));
    let best = rows
        .map(|(number, row)| {
            let (is_other, is_elsewhere) = (row.source != mount.export, row.mount_point != mount.mount_point);
            ((number != mount.index + 1, is_other, is_elsewhere), row)
        })
        .filter(|((_, is_other, is_elsewhere), _)| !(*is_other && *is_elsewhere))
        .min_by_key(|it| it.0);
    best.and_then(|(_, row)| row.super_option(b"addr")).unwrap_or_default()
}

fn push_mount(mount: &NfsMount<'_>, labels: [&[u8]; 3], out: &mut Families) {
    push_rows(mount, labels, out);
    let [export, protocol, address] = labels;
    for (index, it) in mount.transports.iter().enumerate() {
        let labels = (export, protocol, address, index);
        out.push(BINDS, labels, it.binds);
        out.push(CONNECTS, labels, it.connects);
        out.push(IDLE, labels, it.idle_seconds.map(|it| it % MAX_WHOLE));
        out.push(SENDS, labels, it.sends);
        out.push(RECEIVES, labels, it.receives);
        out.push(BAD_IDS, labels, it.bad_ids);
        out.push(BACKLOG, labels, it.backlog);
        let [max_slots, sending, pending] = it.queues;
        out.push(MAX_SLOTS, labels, max_slots);
        out.push(SENDING, labels, sending);
        out.push(PENDING, labels, pending);
    }
    for operation in &mount.operations {
        let labels = [export, protocol, address, operation.name];
        let [requests, transmissions, timeouts, sent, received, times @ ..] = operation.counts;
        let counts = [
            (REQUESTS, requests),
            (TRANSMISSIONS, transmissions),
            (TIMEOUTS, timeouts),
            (SENT, sent),
            (RECEIVED, received),
        ];
        counts.into_iter().for_each(|(family, count)| out.push(family, labels, count));
        for (family, milliseconds) in [QUEUED, RESPONDED, TOOK].into_iter().zip(times) {
            out.push(family, labels, milliseconds.map(|it| (it % MAX_WHOLE) as f64 / 1000.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestHost, costs};

    const INFO: &str = "\
21 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
194 21 0:42 / /mnt/a rw shared:144 - nfs4 10.0.0.1:/a rw,proto=tcp,clientaddr=10.0.0.9,addr=10.0.0.1,local_lock=none
195 21 0:43 / /mnt/b rw shared:145 - nfs 10.0.0.1:/b rw,mountaddr=10.0.0.2,addr=10.0.0.3
";

    const STATS: &str = "\
no device mounted on / with fstype ext4
device 10.0.0.1:/a mounted on /mnt/a with fstype nfs4 statvers=1.1
\topts:\trw,vers=4.0
\tage:\t13968
\tevents:\t1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27
\tbytes:\t31 32 33 34 35 36 37 38
\txprt:\ttcp 832 41 42 43 44 45 46 47 48 49 50 51 52
\txprt:\ttcp 833 61 62 63 64 65 66 67 68 69 70 71 72
\tper-op statistics
\t        READ: 81 82 83 84 85 86 87 88 89
\t      ACCESS: 1 1 0 4 5 18446743919241604546 1667369447 1953587717

device 10.0.0.1:/b mounted on /mnt/b with fstype nfs statvers=1.0
\tage:\t7
\txprt:\tudp 832 91 92 93 94 95 96
";

    #[test]
    fn shows_mounts_transports_and_operations() {
        check::<Mountstats>(
            "",
            &[("proc/self/mountinfo", INFO), ("proc/self/mountstats", STATS)],
            expect![[r##"
                # HELP node_mountstats_nfs_age_seconds_total Seconds since the mount was made.
                # TYPE node_mountstats_nfs_age_seconds_total counter
                node_mountstats_nfs_age_seconds_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 13968
                node_mountstats_nfs_age_seconds_total{export="10.0.0.1:/b",mountaddr="10.0.0.3",protocol="udp"} 7
                # HELP node_mountstats_nfs_direct_read_bytes_total Bytes that programs read with O_DIRECT.
                # TYPE node_mountstats_nfs_direct_read_bytes_total counter
                node_mountstats_nfs_direct_read_bytes_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 33
                # HELP node_mountstats_nfs_direct_write_bytes_total Bytes that programs wrote with O_DIRECT.
                # TYPE node_mountstats_nfs_direct_write_bytes_total counter
                node_mountstats_nfs_direct_write_bytes_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 34
                # HELP node_mountstats_nfs_event_attribute_invalidate_total Times that cached attributes of a file were dropped.
                # TYPE node_mountstats_nfs_event_attribute_invalidate_total counter
                node_mountstats_nfs_event_attribute_invalidate_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 4
                # HELP node_mountstats_nfs_event_data_invalidate_total Times that the cached data of a file were dropped.
                # TYPE node_mountstats_nfs_event_data_invalidate_total counter
                node_mountstats_nfs_event_data_invalidate_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 3
                # HELP node_mountstats_nfs_event_dnode_revalidate_total Times that cached names were looked at again.
                # TYPE node_mountstats_nfs_event_dnode_revalidate_total counter
                node_mountstats_nfs_event_dnode_revalidate_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 2
                # HELP node_mountstats_nfs_event_inode_revalidate_total Times that cached attributes of a file were looked at again.
                # TYPE node_mountstats_nfs_event_inode_revalidate_total counter
                node_mountstats_nfs_event_inode_revalidate_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 1
                # HELP node_mountstats_nfs_event_jukebox_delay_total Times that the server asked to try again later (EJUKEBOX).
                # TYPE node_mountstats_nfs_event_jukebox_delay_total counter
                node_mountstats_nfs_event_jukebox_delay_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 25
                # HELP node_mountstats_nfs_event_pnfs_read_total Reads by pNFS.
                # TYPE node_mountstats_nfs_event_pnfs_read_total counter
                node_mountstats_nfs_event_pnfs_read_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 26
                # HELP node_mountstats_nfs_event_pnfs_write_total Writes by pNFS.
                # TYPE node_mountstats_nfs_event_pnfs_write_total counter
                node_mountstats_nfs_event_pnfs_write_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 27
                # HELP node_mountstats_nfs_event_short_read_total Reads for which the server gave less than was asked for.
                # TYPE node_mountstats_nfs_event_short_read_total counter
                node_mountstats_nfs_event_short_read_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 23
                # HELP node_mountstats_nfs_event_short_write_total Writes of which the server took less than was given.
                # TYPE node_mountstats_nfs_event_short_write_total counter
                node_mountstats_nfs_event_short_write_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 24
                # HELP node_mountstats_nfs_event_silly_rename_total Files that were removed while they were open.
                # TYPE node_mountstats_nfs_event_silly_rename_total counter
                node_mountstats_nfs_event_silly_rename_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 22
                # HELP node_mountstats_nfs_event_truncation_total Files truncated.
                # TYPE node_mountstats_nfs_event_truncation_total counter
                node_mountstats_nfs_event_truncation_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 20
                # HELP node_mountstats_nfs_event_vfs_access_total Permissions checked.
                # TYPE node_mountstats_nfs_event_vfs_access_total counter
                node_mountstats_nfs_event_vfs_access_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 7
                # HELP node_mountstats_nfs_event_vfs_file_release_total Files closed.
                # TYPE node_mountstats_nfs_event_vfs_file_release_total counter
                node_mountstats_nfs_event_vfs_file_release_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 18
                # HELP node_mountstats_nfs_event_vfs_flush_total Times that changes were flushed to the server.
                # TYPE node_mountstats_nfs_event_vfs_flush_total counter
                node_mountstats_nfs_event_vfs_flush_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 15
                # HELP node_mountstats_nfs_event_vfs_fsync_total Times that fsync(2) was called on files and folders.
                # TYPE node_mountstats_nfs_event_vfs_fsync_total counter
                node_mountstats_nfs_event_vfs_fsync_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 16
                # HELP node_mountstats_nfs_event_vfs_getdents_total Times that a folder was listed.
                # TYPE node_mountstats_nfs_event_vfs_getdents_total counter
                node_mountstats_nfs_event_vfs_getdents_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 13
                # HELP node_mountstats_nfs_event_vfs_lock_total Times that a file was to be locked.
                # TYPE node_mountstats_nfs_event_vfs_lock_total counter
                node_mountstats_nfs_event_vfs_lock_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 17
                # HELP node_mountstats_nfs_event_vfs_lookup_total Names looked up in folders.
                # TYPE node_mountstats_nfs_event_vfs_lookup_total counter
                node_mountstats_nfs_event_vfs_lookup_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 6
                # HELP node_mountstats_nfs_event_vfs_open_total Files and folders opened.
                # TYPE node_mountstats_nfs_event_vfs_open_total counter
                node_mountstats_nfs_event_vfs_open_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 5
                # HELP node_mountstats_nfs_event_vfs_read_page_total Times that a page was read.
                # TYPE node_mountstats_nfs_event_vfs_read_page_total counter
                node_mountstats_nfs_event_vfs_read_page_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 9
                # HELP node_mountstats_nfs_event_vfs_read_pages_total Times that several pages were read at once.
                # TYPE node_mountstats_nfs_event_vfs_read_pages_total counter
                node_mountstats_nfs_event_vfs_read_pages_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 10
                # HELP node_mountstats_nfs_event_vfs_setattr_total Times that attributes of a file were set.
                # TYPE node_mountstats_nfs_event_vfs_setattr_total counter
                node_mountstats_nfs_event_vfs_setattr_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 14
                # HELP node_mountstats_nfs_event_vfs_update_page_total Pages changed, which may have to be written.
                # TYPE node_mountstats_nfs_event_vfs_update_page_total counter
                node_mountstats_nfs_event_vfs_update_page_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 8
                # HELP node_mountstats_nfs_event_vfs_write_page_total Times that a page was written.
                # TYPE node_mountstats_nfs_event_vfs_write_page_total counter
                node_mountstats_nfs_event_vfs_write_page_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 11
                # HELP node_mountstats_nfs_event_vfs_write_pages_total Times that several pages were written at once.
                # TYPE node_mountstats_nfs_event_vfs_write_pages_total counter
                node_mountstats_nfs_event_vfs_write_pages_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 12
                # HELP node_mountstats_nfs_event_write_extension_total Files that grew by a write beyond their end.
                # TYPE node_mountstats_nfs_event_write_extension_total counter
                node_mountstats_nfs_event_write_extension_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 21
                # HELP node_mountstats_nfs_mountpoint_info 1, with the place at which an NFS export is mounted.
                # TYPE node_mountstats_nfs_mountpoint_info gauge
                node_mountstats_nfs_mountpoint_info{export="10.0.0.1:/a",mountaddr="10.0.0.1",mountpoint="/mnt/a",protocol="tcp"} 1
                node_mountstats_nfs_mountpoint_info{export="10.0.0.1:/b",mountaddr="10.0.0.3",mountpoint="/mnt/b",protocol="udp"} 1
                # HELP node_mountstats_nfs_operations_major_timeouts_total Requests that had no reply for a whole series of retries, by operation.
                # TYPE node_mountstats_nfs_operations_major_timeouts_total counter
                node_mountstats_nfs_operations_major_timeouts_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="ACCESS",protocol="tcp"} 0
                node_mountstats_nfs_operations_major_timeouts_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="READ",protocol="tcp"} 83
                # HELP node_mountstats_nfs_operations_queue_time_seconds_total Seconds that requests waited to be sent, by operation.
                # TYPE node_mountstats_nfs_operations_queue_time_seconds_total counter
                node_mountstats_nfs_operations_queue_time_seconds_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="ACCESS",protocol="tcp"} 9.007044786793922e+12
                node_mountstats_nfs_operations_queue_time_seconds_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="READ",protocol="tcp"} 0.086
                # HELP node_mountstats_nfs_operations_received_bytes_total Bytes received, headers included, by operation.
                # TYPE node_mountstats_nfs_operations_received_bytes_total counter
                node_mountstats_nfs_operations_received_bytes_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="ACCESS",protocol="tcp"} 5
                node_mountstats_nfs_operations_received_bytes_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="READ",protocol="tcp"} 85
                # HELP node_mountstats_nfs_operations_request_time_seconds_total Seconds that requests took in all, by operation.
                # TYPE node_mountstats_nfs_operations_request_time_seconds_total counter
                node_mountstats_nfs_operations_request_time_seconds_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="ACCESS",protocol="tcp"} 1.953587717e+06
                node_mountstats_nfs_operations_request_time_seconds_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="READ",protocol="tcp"} 0.088
                # HELP node_mountstats_nfs_operations_requests_total Requests made, by operation.
                # TYPE node_mountstats_nfs_operations_requests_total counter
                node_mountstats_nfs_operations_requests_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="ACCESS",protocol="tcp"} 1
                node_mountstats_nfs_operations_requests_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="READ",protocol="tcp"} 81
                # HELP node_mountstats_nfs_operations_response_time_seconds_total Seconds from the sending of requests to their replies, by operation.
                # TYPE node_mountstats_nfs_operations_response_time_seconds_total counter
                node_mountstats_nfs_operations_response_time_seconds_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="ACCESS",protocol="tcp"} 1.667369447e+06
                node_mountstats_nfs_operations_response_time_seconds_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="READ",protocol="tcp"} 0.087
                # HELP node_mountstats_nfs_operations_sent_bytes_total Bytes sent, headers included, by operation.
                # TYPE node_mountstats_nfs_operations_sent_bytes_total counter
                node_mountstats_nfs_operations_sent_bytes_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="ACCESS",protocol="tcp"} 4
                node_mountstats_nfs_operations_sent_bytes_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="READ",protocol="tcp"} 84
                # HELP node_mountstats_nfs_operations_transmissions_total Requests sent, those that were sent again included, by operation.
                # TYPE node_mountstats_nfs_operations_transmissions_total counter
                node_mountstats_nfs_operations_transmissions_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="ACCESS",protocol="tcp"} 1
                node_mountstats_nfs_operations_transmissions_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",operation="READ",protocol="tcp"} 82
                # HELP node_mountstats_nfs_read_bytes_total Bytes that programs read with read(2).
                # TYPE node_mountstats_nfs_read_bytes_total counter
                node_mountstats_nfs_read_bytes_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 31
                # HELP node_mountstats_nfs_read_pages_total Pages read from the server.
                # TYPE node_mountstats_nfs_read_pages_total counter
                node_mountstats_nfs_read_pages_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 37
                # HELP node_mountstats_nfs_total_read_bytes_total Bytes read from the server.
                # TYPE node_mountstats_nfs_total_read_bytes_total counter
                node_mountstats_nfs_total_read_bytes_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 35
                # HELP node_mountstats_nfs_total_write_bytes_total Bytes written to the server.
                # TYPE node_mountstats_nfs_total_write_bytes_total counter
                node_mountstats_nfs_total_write_bytes_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 36
                # HELP node_mountstats_nfs_transport_backlog_queue_total Length of the backlog queue, summed up at each request.
                # TYPE node_mountstats_nfs_transport_backlog_queue_total counter
                node_mountstats_nfs_transport_backlog_queue_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="0"} 49
                node_mountstats_nfs_transport_backlog_queue_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="1"} 69
                node_mountstats_nfs_transport_backlog_queue_total{export="10.0.0.1:/b",mountaddr="10.0.0.3",protocol="udp",transport="0"} 96
                # HELP node_mountstats_nfs_transport_bad_transaction_ids_total Replies to no request that the client knows of.
                # TYPE node_mountstats_nfs_transport_bad_transaction_ids_total counter
                node_mountstats_nfs_transport_bad_transaction_ids_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="0"} 47
                node_mountstats_nfs_transport_bad_transaction_ids_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="1"} 67
                node_mountstats_nfs_transport_bad_transaction_ids_total{export="10.0.0.1:/b",mountaddr="10.0.0.3",protocol="udp",transport="0"} 94
                # HELP node_mountstats_nfs_transport_bind_total Times that the client had to bind a port for the server.
                # TYPE node_mountstats_nfs_transport_bind_total counter
                node_mountstats_nfs_transport_bind_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="0"} 41
                node_mountstats_nfs_transport_bind_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="1"} 61
                node_mountstats_nfs_transport_bind_total{export="10.0.0.1:/b",mountaddr="10.0.0.3",protocol="udp",transport="0"} 91
                # HELP node_mountstats_nfs_transport_connect_total Times that the client connected to the server by TCP.
                # TYPE node_mountstats_nfs_transport_connect_total counter
                node_mountstats_nfs_transport_connect_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="0"} 42
                node_mountstats_nfs_transport_connect_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="1"} 62
                node_mountstats_nfs_transport_connect_total{export="10.0.0.1:/b",mountaddr="10.0.0.3",protocol="udp",transport="0"} 0
                # HELP node_mountstats_nfs_transport_idle_time_seconds Seconds since the mount last sent or received a request.
                # TYPE node_mountstats_nfs_transport_idle_time_seconds gauge
                node_mountstats_nfs_transport_idle_time_seconds{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="0"} 44
                node_mountstats_nfs_transport_idle_time_seconds{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="1"} 64
                node_mountstats_nfs_transport_idle_time_seconds{export="10.0.0.1:/b",mountaddr="10.0.0.3",protocol="udp",transport="0"} 0
                # HELP node_mountstats_nfs_transport_maximum_rpc_slots Greatest number of requests that were ever in flight at once.
                # TYPE node_mountstats_nfs_transport_maximum_rpc_slots gauge
                node_mountstats_nfs_transport_maximum_rpc_slots{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="0"} 50
                node_mountstats_nfs_transport_maximum_rpc_slots{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="1"} 70
                # HELP node_mountstats_nfs_transport_pending_queue_total Length of the queue of requests without a reply, summed up at each request.
                # TYPE node_mountstats_nfs_transport_pending_queue_total counter
                node_mountstats_nfs_transport_pending_queue_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="0"} 52
                node_mountstats_nfs_transport_pending_queue_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="1"} 72
                # HELP node_mountstats_nfs_transport_receives_total Replies received from the server.
                # TYPE node_mountstats_nfs_transport_receives_total counter
                node_mountstats_nfs_transport_receives_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="0"} 46
                node_mountstats_nfs_transport_receives_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="1"} 66
                node_mountstats_nfs_transport_receives_total{export="10.0.0.1:/b",mountaddr="10.0.0.3",protocol="udp",transport="0"} 93
                # HELP node_mountstats_nfs_transport_sending_queue_total Length of the sending queue, summed up at each request.
                # TYPE node_mountstats_nfs_transport_sending_queue_total counter
                node_mountstats_nfs_transport_sending_queue_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="0"} 51
                node_mountstats_nfs_transport_sending_queue_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="1"} 71
                # HELP node_mountstats_nfs_transport_sends_total Requests sent to the server.
                # TYPE node_mountstats_nfs_transport_sends_total counter
                node_mountstats_nfs_transport_sends_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="0"} 45
                node_mountstats_nfs_transport_sends_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp",transport="1"} 65
                node_mountstats_nfs_transport_sends_total{export="10.0.0.1:/b",mountaddr="10.0.0.3",protocol="udp",transport="0"} 92
                # HELP node_mountstats_nfs_write_bytes_total Bytes that programs wrote with write(2).
                # TYPE node_mountstats_nfs_write_bytes_total counter
                node_mountstats_nfs_write_bytes_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 32
                # HELP node_mountstats_nfs_write_pages_total Pages written to the server.
                # TYPE node_mountstats_nfs_write_pages_total counter
                node_mountstats_nfs_write_pages_total{export="10.0.0.1:/a",mountaddr="10.0.0.1",protocol="tcp"} 38
            "##]],
        );
    }

    #[test]
    fn a_mount_that_is_seen_twice_is_shown_once() {
        let stats = "device s:/a mounted on /a with fstype nfs statvers=1.1\n\tage: 1\n\txprt: tcp 1 2 3 4 5 6 7 8 9 10\n";
        let again = stats.replace("on /a", "on /b").replace("age: 1", "age: 2");
        let rdma = stats.replace("tcp", "rdma") + "\nbroken";
        let host = TestHost::new(&[
            ("proc/self/mountinfo", ""),
            ("proc/self/mountstats", &format!("{stats}\n{again}\n{rdma}")),
        ]);
        let mut out = Families::new(METRICS);
        host.open::<Mountstats>("").unwrap().collect(&mut out).unwrap();
        let text = host.render(&out);
        let chosen = ["age_seconds", "mountpoint_info", "maximum_rpc"];
        let lines =
            text.lines().filter(|it| !it.starts_with('#') && chosen.iter().any(|name| it.contains(name)));
        expect![[r#"
            node_mountstats_nfs_age_seconds_total{export="s:/a",mountaddr="",protocol="rdma"} 1
            node_mountstats_nfs_age_seconds_total{export="s:/a",mountaddr="",protocol="tcp"} 1
            node_mountstats_nfs_mountpoint_info{export="s:/a",mountaddr="",mountpoint="/a",protocol="rdma"} 1
            node_mountstats_nfs_mountpoint_info{export="s:/a",mountaddr="",mountpoint="/a",protocol="tcp"} 1
            node_mountstats_nfs_mountpoint_info{export="s:/a",mountaddr="",mountpoint="/b",protocol="tcp"} 1"#]].assert_eq(&lines.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_host_without_nfs_is_no_fault() {
        let stats = "device proc mounted on /proc with fstype proc\n";
        check::<Mountstats>(
            "",
            &[("proc/self/mountinfo", INFO), ("proc/self/mountstats", stats)],
            expect![""],
        );
    }

    #[test]
    fn names_the_line_that_it_does_not_know() {
        check_error::<Mountstats>(
            "",
            &[("proc/self/mountinfo", INFO), ("proc/self/mountstats", "device a on b\n")],
            expect!["parse proc/self/mountstats, line 1: expected a mount and what it counts"],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Mountstats>("", &[("proc/self/mountinfo", INFO), ("proc/self/mountstats", STATS)]);
    }

    #[test]
    fn a_bad_number_costs_itself() {
        let mount = "export=\"10.0.0.1:/a\",mountaddr=\"\"";
        let costs = |value: u64, family: &str, label| {
            let lost = format!("node_mountstats_nfs_{family}_total{{{mount}{label}}} {value}");
            let stats = ("proc/self/mountstats", STATS);
            assert!(!costs::<Mountstats>("", stats, (&format!(" {value} "), " x "), &lost));
        };
        costs(33, "direct_read_bytes", ",protocol=\"tcp\"");
        costs(45, "transport_sends", ",protocol=\"tcp\",transport=\"0\"");
        costs(83, "operations_major_timeouts", ",operation=\"READ\",protocol=\"tcp\"");
    }
}
