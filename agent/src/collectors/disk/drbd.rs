//! `/proc/drbd` of DRBD 8: a few lines of `key:value` for each device; see its users' guide, "The /proc/drbd status file".
//! Sizes are KiB. DRBD 9 shows no devices there.

use crate::{
    collectors::prelude::*,
    metric::Desc,
    source::{count, words},
};

metrics! {
    CONNECTED: Gauge "node_drbd_connected" ["device"], "Whether the device is connected to its peer.";
    IS_PRIMARY: Gauge "node_drbd_node_role_is_primary" ["device", "node"], "Whether the node has the primary role.";
    IS_UP_TO_DATE: Gauge "node_drbd_disk_state_is_up_to_date" ["device", "node"], "Whether the node's disk is up to date.";
    SENT: Counter "node_drbd_network_sent_bytes_total" ["device"], "Bytes sent to the peer.";
    RECEIVED: Counter "node_drbd_network_received_bytes_total" ["device"], "KiB received from the peer: node_exporter shows them so, whatever the name says.";
    WRITTEN: Counter "node_drbd_disk_written_bytes_total" ["device"], "Bytes written to the local disk.";
    READ: Counter "node_drbd_disk_read_bytes_total" ["device"], "Bytes read from the local disk.";
    ACTIVITY_LOG: Counter "node_drbd_activitylog_writes_total" ["device"], "Updates of the activity log.";
    BITMAP: Counter "node_drbd_bitmap_writes_total" ["device"], "Updates of the bitmap.";
    LOCAL_PENDING: Gauge "node_drbd_local_pending" ["device"], "Requests to the local disk that are open.";
    REMOTE_PENDING: Gauge "node_drbd_remote_pending" ["device"], "Requests sent to the peer that it has not answered.";
    UNACKNOWLEDGED: Gauge "node_drbd_remote_unacknowledged" ["device"], "Requests received from the peer that are not answered.";
    APPLICATION_PENDING: Gauge "node_drbd_application_pending" ["device"], "Requests of programs that are not answered.";
    EPOCHS: Gauge "node_drbd_epochs" ["device"], "Epochs under way.";
    OUT_OF_SYNC: Gauge "node_drbd_out_of_sync_bytes" ["device"], "Bytes that differ from the peer's.";
}

const KIB: u64 = 1024;

const NUMBERS: [(&[u8], Desc<1>, u64); 12] = [
    (b"ns", SENT, KIB),
    (b"nr", RECEIVED, 1),
    (b"dw", WRITTEN, KIB),
    (b"dr", READ, KIB),
    (b"al", ACTIVITY_LOG, 1),
    (b"bm", BITMAP, 1),
    (b"lo", LOCAL_PENDING, 1),
    (b"pe", REMOTE_PENDING, 1),
    (b"ua", UNACKNOWLEDGED, 1),
    (b"ap", APPLICATION_PENDING, 1),
    (b"ep", EPOCHS, 1),
    (b"oos", OUT_OF_SYNC, KIB),
];

pub(super) struct Drbd(File);

impl Spec for Drbd {
    const SUMMARY: &'static str = "Replicated block devices of DRBD 8, from /proc/drbd.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.proc("drbd")))
    }
}

impl Collector for Drbd {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let mut device = None;
        let parsed = self.0.parse_lines("a device, or what it counts", |_, line| {
            let (first, is_indented) = (words(line).next().unwrap_or_default(), line.starts_with(b"    "));
            if !is_indented {
                let number = first.strip_suffix(b":").and_then(count).flatten();
                device = number.map(|it| format!("drbd{it}"));
                // What comes before the devices tells of the driver.
                let is_device = line.starts_with(b" ");
                return if is_device { push_words(device.as_deref()?, line, out) } else { Some(()) };
            }
            device.as_deref().map_or(Some(()), |device| push_words(device, line, out))
        });
        match parsed {
            Err(error) if error.is_not_found() => Err(Error::Absent(error.to_string())),
            parsed => Ok(parsed?),
        }
    }
}

/// Pushes what the words of a line say; a wrong one costs itself.
fn push_words(device: &str, line: &[u8], out: &mut Families) -> Option<()> {
    let mut pushed = Some(());
    for word in words(line) {
        if push_word(device, word, out).is_none() {
            pushed = None;
        }
    }
    pushed
}

/// `None` when a value is wrong.
fn push_word(device: &str, word: &[u8], out: &mut Families) -> Option<()> {
    let mut parts = word.split(|it| *it == b':');
    let (Some(key), Some(value), None) = (parts.next(), parts.next(), parts.next()) else { return Some(()) };
    if let Some((_, family, unit)) = NUMBERS.iter().find(|it| it.0 == key) {
        let number = count(value)?;
        out.push(*family, [device], number.map(|it| it as f64 * *unit as f64));
    }
    let (family, good) = match key {
        b"cs" => {
            out.push(CONNECTED, [device], value == b"Connected");
            return Some(());
        }
        b"ro" => (IS_PRIMARY, b"Primary" as &[u8]),
        b"ds" => (IS_UP_TO_DATE, b"UpToDate" as &[u8]),
        _ => return Some(()),
    };
    let slash = value.iter().position(|it| *it == b'/')?;
    out.push(family, [device, "local"], &value[..slash] == good);
    out.push(family, [device, "remote"], &value[slash + 1..] == good);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
version: 8.4.3 (api:1/proto:86-101)
srcversion: 1A9F77B1CA5FF92235C2213

 0: cs:Unconfigured
 1: cs:Connected ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----
    ns:17324442 nr:10961011 dw:3 dr:4 al:5 bm:6 lo:7 pe:8 ua:9 ap:10 ep:11 wo:d oos:12
        [=>..................] sync'ed:  9.7% (4568/5056)M
        finish: 0:01:02 speed: 12,345 (12,345) K/sec
";

    #[test]
    fn shows_devices() {
        check::<Drbd>(
            "",
            &[("proc/drbd", FILE)],
            expect![[r##"
            # HELP node_drbd_activitylog_writes_total Updates of the activity log.
            # TYPE node_drbd_activitylog_writes_total counter
            node_drbd_activitylog_writes_total{device="drbd1"} 5
            # HELP node_drbd_application_pending Requests of programs that are not answered.
            # TYPE node_drbd_application_pending gauge
            node_drbd_application_pending{device="drbd1"} 10
            # HELP node_drbd_bitmap_writes_total Updates of the bitmap.
            # TYPE node_drbd_bitmap_writes_total counter
            node_drbd_bitmap_writes_total{device="drbd1"} 6
            # HELP node_drbd_connected Whether the device is connected to its peer.
            # TYPE node_drbd_connected gauge
            node_drbd_connected{device="drbd0"} 0
            node_drbd_connected{device="drbd1"} 1
            # HELP node_drbd_disk_read_bytes_total Bytes read from the local disk.
            # TYPE node_drbd_disk_read_bytes_total counter
            node_drbd_disk_read_bytes_total{device="drbd1"} 4096
            # HELP node_drbd_disk_state_is_up_to_date Whether the node's disk is up to date.
            # TYPE node_drbd_disk_state_is_up_to_date gauge
            node_drbd_disk_state_is_up_to_date{device="drbd1",node="local"} 1
            node_drbd_disk_state_is_up_to_date{device="drbd1",node="remote"} 0
            # HELP node_drbd_disk_written_bytes_total Bytes written to the local disk.
            # TYPE node_drbd_disk_written_bytes_total counter
            node_drbd_disk_written_bytes_total{device="drbd1"} 3072
            # HELP node_drbd_epochs Epochs under way.
            # TYPE node_drbd_epochs gauge
            node_drbd_epochs{device="drbd1"} 11
            # HELP node_drbd_local_pending Requests to the local disk that are open.
            # TYPE node_drbd_local_pending gauge
            node_drbd_local_pending{device="drbd1"} 7
            # HELP node_drbd_network_received_bytes_total KiB received from the peer: node_exporter shows them so, whatever the name says.
            # TYPE node_drbd_network_received_bytes_total counter
            node_drbd_network_received_bytes_total{device="drbd1"} 1.0961011e+07
            # HELP node_drbd_network_sent_bytes_total Bytes sent to the peer.
            # TYPE node_drbd_network_sent_bytes_total counter
            node_drbd_network_sent_bytes_total{device="drbd1"} 1.7740228608e+10
            # HELP node_drbd_node_role_is_primary Whether the node has the primary role.
            # TYPE node_drbd_node_role_is_primary gauge
            node_drbd_node_role_is_primary{device="drbd1",node="local"} 1
            node_drbd_node_role_is_primary{device="drbd1",node="remote"} 0
            # HELP node_drbd_out_of_sync_bytes Bytes that differ from the peer's.
            # TYPE node_drbd_out_of_sync_bytes gauge
            node_drbd_out_of_sync_bytes{device="drbd1"} 12288
            # HELP node_drbd_remote_pending Requests sent to the peer that it has not answered.
            # TYPE node_drbd_remote_pending gauge
            node_drbd_remote_pending{device="drbd1"} 8
            # HELP node_drbd_remote_unacknowledged Requests received from the peer that are not answered.
            # TYPE node_drbd_remote_unacknowledged gauge
            node_drbd_remote_unacknowledged{device="drbd1"} 9
        "##]],
        );
    }

    #[test]
    fn a_host_without_drbd_is_no_fault() {
        check_error::<Drbd>(
            "",
            &[],
            expect!["not on this host: read proc/drbd: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn a_broken_value_costs_itself() {
        check_error::<Drbd>(
            "",
            &[("proc/drbd", " 1: cs:WFConnection ro:Primary ds:a/b\n    ns:x nr:2\n")],
            expect![[r##"
            # HELP node_drbd_connected Whether the device is connected to its peer.
            # TYPE node_drbd_connected gauge
            node_drbd_connected{device="drbd1"} 0
            # HELP node_drbd_disk_state_is_up_to_date Whether the node's disk is up to date.
            # TYPE node_drbd_disk_state_is_up_to_date gauge
            node_drbd_disk_state_is_up_to_date{device="drbd1",node="local"} 0
            node_drbd_disk_state_is_up_to_date{device="drbd1",node="remote"} 0
            # HELP node_drbd_network_received_bytes_total KiB received from the peer: node_exporter shows them so, whatever the name says.
            # TYPE node_drbd_network_received_bytes_total counter
            node_drbd_network_received_bytes_total{device="drbd1"} 2
            parse proc/drbd, line 1: expected a device, or what it counts"##]],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Drbd>("", &[("proc/drbd", FILE)]);
    }
}
