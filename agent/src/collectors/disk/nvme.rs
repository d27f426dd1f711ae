//! `/sys/class/nvme`: controllers and their namespaces. See `nvme_dev_attrs` in the kernel's drivers/nvme/host/sysfs.c.

use crate::collectors::prelude::*;
use std::path::PathBuf;

metrics! {
    INFO: Gauge "node_nvme_info" ["device", "firmware_revision", "model", "serial", "state", "cntlid"], "What an NVMe controller says of itself; always 1.";
    NAMESPACE: Gauge "node_nvme_namespace_info" ["device", "nsid", "ana_state"], "An NVMe namespace and how it is reached (asymmetric namespace access); always 1.";

    |it: &Namespace| ["device", "nsid"];
    Gauge "node_nvme_namespace_capacity_bytes" = it.in_blocks(it.size), "Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.";
    Gauge "node_nvme_namespace_size_bytes" = it.in_blocks(it.size), "Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.";
    Gauge "node_nvme_namespace_used_bytes" = it.in_blocks(it.used), "Bytes of an NVMe namespace that are in use.";
    Gauge "node_nvme_namespace_logical_block_size_bytes" = it.block, "Bytes of a logical block of an NVMe namespace.";
}

/// Sizes as sysfs gives them: `used` is in logical blocks, `size` in sectors.
struct Namespace {
    /// Since Linux 6.8.
    used: Option<u64>,
    size: Option<u64>,
    block: Option<u64>,
}

impl Namespace {
    fn in_blocks(&self, n_blocks: Option<u64>) -> Option<u64> {
        Some(n_blocks?.wrapping_mul(self.block?))
    }
}

pub(super) struct Nvme(PathBuf);

impl Spec for Nvme {
    const SUMMARY: &'static str = "NVMe controllers and namespaces, from /sys/class/nvme.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.sys("class/nvme")))
    }
}

impl Collector for Nvme {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(class) = Folder::open(&self.0)? else {
            return Err(Error::Absent(format!("{} does not exist", self.0.display())));
        };
        Ok(class.for_each_folder(|_| true, |device, controller| push_controller(device, controller, out))?)
    }
}

/// What a controller does not say stays empty.
fn push_controller(device: &str, controller: &Folder, out: &mut Families) -> Result<(), source::Error> {
    let files = controller.unlisted_attributes();
    let text = |name| files.value(name).map(|it| label_text(&it)).unwrap_or_default();
    let (firmware, model, serial) = (text("firmware_rev"), text("model"), text("serial"));
    out.push(INFO, [device, &firmware, &model, &serial, &text("state"), &text("cntlid")], 1);
    let namespaces = controller.for_each_folder(
        |name| namespace_id(name).is_some(),
        |name, folder| push_namespace(device, namespace_id(name).unwrap_or_default(), folder, out),
    );
    files.end().and(namespaces)
}

fn push_namespace(
    device: &str,
    nsid: &str,
    folder: &Folder,
    out: &mut Families,
) -> Result<(), source::Error> {
    let files = folder.unlisted_attributes();
    let ana_state = files.value("ana_state").map_or_else(|| "unknown".to_owned(), |it| label_text(&it));
    let namespace = Namespace {
        used: files.unsigned("nuse"),
        size: files.unsigned("size"),
        block: files.unsigned("queue/logical_block_size"),
    };
    out.push(NAMESPACE, [device, nsid, &ana_state], 1);
    push_rows(&namespace, [device, nsid], out);
    files.end()
}

/// The `1` of `nvme0n1`, or of `nvme0c0n1`, which is one path to a namespace that has several.
fn namespace_id(name: &str) -> Option<&str> {
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let (controller, id) = name.strip_prefix("nvme")?.rsplit_once('n')?;
    (controller.split('c').all(is_number) && is_number(id)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check_errno;
    use rustix::io::Errno;

    const CONTROLLER: [(&str, &str); 8] = [
        ("sys/class/nvme/nvme0/firmware_rev", "1B2QEXP7\n"),
        ("sys/class/nvme/nvme0/model", "Samsung SSD 970 PRO 512GB               \n"),
        ("sys/class/nvme/nvme0/serial", "S680HF8N190894I     \n"),
        ("sys/class/nvme/nvme0/state", "live\n"),
        ("sys/class/nvme/nvme0/cntlid", "1997\n"),
        ("sys/class/nvme/nvme0/nvme0n1/nuse", "1000\n"),
        ("sys/class/nvme/nvme0/nvme0n1/size", "4000\n"),
        ("sys/class/nvme/nvme0/nvme0n1/queue/logical_block_size", "512\n"),
    ];

    #[test]
    fn shows_a_controller_and_its_namespace() {
        check::<Nvme>(
            "",
            &[&CONTROLLER[..], &[("sys/class/nvme/nvme0/hwmon1/", "")]].concat(),
            expect![[r##"
            # HELP node_nvme_info What an NVMe controller says of itself; always 1.
            # TYPE node_nvme_info gauge
            node_nvme_info{cntlid="1997",device="nvme0",firmware_revision="1B2QEXP7",model="Samsung SSD 970 PRO 512GB",serial="S680HF8N190894I",state="live"} 1
            # HELP node_nvme_namespace_capacity_bytes Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.
            # TYPE node_nvme_namespace_capacity_bytes gauge
            node_nvme_namespace_capacity_bytes{device="nvme0",nsid="1"} 2.048e+06
            # HELP node_nvme_namespace_info An NVMe namespace and how it is reached (asymmetric namespace access); always 1.
            # TYPE node_nvme_namespace_info gauge
            node_nvme_namespace_info{ana_state="unknown",device="nvme0",nsid="1"} 1
            # HELP node_nvme_namespace_logical_block_size_bytes Bytes of a logical block of an NVMe namespace.
            # TYPE node_nvme_namespace_logical_block_size_bytes gauge
            node_nvme_namespace_logical_block_size_bytes{device="nvme0",nsid="1"} 512
            # HELP node_nvme_namespace_size_bytes Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.
            # TYPE node_nvme_namespace_size_bytes gauge
            node_nvme_namespace_size_bytes{device="nvme0",nsid="1"} 2.048e+06
            # HELP node_nvme_namespace_used_bytes Bytes of an NVMe namespace that are in use.
            # TYPE node_nvme_namespace_used_bytes gauge
            node_nvme_namespace_used_bytes{device="nvme0",nsid="1"} 512000
        "##]],
        );
    }

    #[test]
    fn tells_namespaces_from_other_folders() {
        let ids = ["nvme0n1", "nvme10c2n31", "nvme0", "nvme0n1p1", "ng0n1", "nvmen1"].map(namespace_id);
        assert_eq!(ids, [Some("1"), Some("31"), None, None, None, None]);
    }

    #[test]
    fn shows_how_a_path_is_reached() {
        check::<Nvme>(
            "",
            &[
                &CONTROLLER[..5],
                &[
                    ("sys/class/nvme/nvme0/nvme0c0n2/nuse", "1\n"),
                    ("sys/class/nvme/nvme0/nvme0c0n2/size", "2\n"),
                    ("sys/class/nvme/nvme0/nvme0c0n2/queue/logical_block_size", "4096\n"),
                    ("sys/class/nvme/nvme0/nvme0c0n2/ana_state", "optimized\n"),
                ],
            ]
            .concat(),
            expect![[r##"
                # HELP node_nvme_info What an NVMe controller says of itself; always 1.
                # TYPE node_nvme_info gauge
                node_nvme_info{cntlid="1997",device="nvme0",firmware_revision="1B2QEXP7",model="Samsung SSD 970 PRO 512GB",serial="S680HF8N190894I",state="live"} 1
                # HELP node_nvme_namespace_capacity_bytes Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.
                # TYPE node_nvme_namespace_capacity_bytes gauge
                node_nvme_namespace_capacity_bytes{device="nvme0",nsid="2"} 8192
                # HELP node_nvme_namespace_info An NVMe namespace and how it is reached (asymmetric namespace access); always 1.
                # TYPE node_nvme_namespace_info gauge
                node_nvme_namespace_info{ana_state="optimized",device="nvme0",nsid="2"} 1
                # HELP node_nvme_namespace_logical_block_size_bytes Bytes of a logical block of an NVMe namespace.
                # TYPE node_nvme_namespace_logical_block_size_bytes gauge
                node_nvme_namespace_logical_block_size_bytes{device="nvme0",nsid="2"} 4096
                # HELP node_nvme_namespace_size_bytes Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.
                # TYPE node_nvme_namespace_size_bytes gauge
                node_nvme_namespace_size_bytes{device="nvme0",nsid="2"} 8192
                # HELP node_nvme_namespace_used_bytes Bytes of an NVMe namespace that are in use.
                # TYPE node_nvme_namespace_used_bytes gauge
                node_nvme_namespace_used_bytes{device="nvme0",nsid="2"} 4096
            "##]],
        );
    }

    #[test]
    fn a_host_without_nvme_is_no_failure() {
        check_error::<Nvme>("", &[], expect!["not on this host: sys/class/nvme does not exist"]);
    }

    #[test]
    fn names_the_attribute_that_is_broken() {
        check::<Nvme>(
            "",
            &CONTROLLER[1..],
            expect![[r##"
                # HELP node_nvme_info What an NVMe controller says of itself; always 1.
                # TYPE node_nvme_info gauge
                node_nvme_info{cntlid="1997",device="nvme0",firmware_revision="",model="Samsung SSD 970 PRO 512GB",serial="S680HF8N190894I",state="live"} 1
                # HELP node_nvme_namespace_capacity_bytes Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.
                # TYPE node_nvme_namespace_capacity_bytes gauge
                node_nvme_namespace_capacity_bytes{device="nvme0",nsid="1"} 2.048e+06
                # HELP node_nvme_namespace_info An NVMe namespace and how it is reached (asymmetric namespace access); always 1.
                # TYPE node_nvme_namespace_info gauge
                node_nvme_namespace_info{ana_state="unknown",device="nvme0",nsid="1"} 1
                # HELP node_nvme_namespace_logical_block_size_bytes Bytes of a logical block of an NVMe namespace.
                # TYPE node_nvme_namespace_logical_block_size_bytes gauge
                node_nvme_namespace_logical_block_size_bytes{device="nvme0",nsid="1"} 512
                # HELP node_nvme_namespace_size_bytes Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.
                # TYPE node_nvme_namespace_size_bytes gauge
                node_nvme_namespace_size_bytes{device="nvme0",nsid="1"} 2.048e+06
                # HELP node_nvme_namespace_used_bytes Bytes of an NVMe namespace that are in use.
                # TYPE node_nvme_namespace_used_bytes gauge
                node_nvme_namespace_used_bytes{device="nvme0",nsid="1"} 512000
            "##]],
        );
        check_error::<Nvme>(
            "",
            &[&CONTROLLER[..7], &[("sys/class/nvme/nvme0/nvme0n1/queue/logical_block_size", "x\n")]].concat(),
            expect![[r##"
                # HELP node_nvme_info What an NVMe controller says of itself; always 1.
                # TYPE node_nvme_info gauge
                node_nvme_info{cntlid="1997",device="nvme0",firmware_revision="1B2QEXP7",model="Samsung SSD 970 PRO 512GB",serial="S680HF8N190894I",state="live"} 1
                # HELP node_nvme_namespace_info An NVMe namespace and how it is reached (asymmetric namespace access); always 1.
                # TYPE node_nvme_namespace_info gauge
                node_nvme_namespace_info{ana_state="unknown",device="nvme0",nsid="1"} 1
                parse sys/class/nvme/nvme0/nvme0n1/queue/logical_block_size, line 1: expected a number, found `x`"##]],
        );
    }

    #[test]
    fn controllers_and_namespaces_may_lack_files() {
        check::<Nvme>(
            "",
            &[CONTROLLER[3], CONTROLLER[6], CONTROLLER[7], ("sys/class/nvme/nvme1/nvme1n2/", "")],
            expect![[r##"
                # HELP node_nvme_info What an NVMe controller says of itself; always 1.
                # TYPE node_nvme_info gauge
                node_nvme_info{cntlid="",device="nvme0",firmware_revision="",model="",serial="",state="live"} 1
                node_nvme_info{cntlid="",device="nvme1",firmware_revision="",model="",serial="",state=""} 1
                # HELP node_nvme_namespace_capacity_bytes Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.
                # TYPE node_nvme_namespace_capacity_bytes gauge
                node_nvme_namespace_capacity_bytes{device="nvme0",nsid="1"} 2.048e+06
                # HELP node_nvme_namespace_info An NVMe namespace and how it is reached (asymmetric namespace access); always 1.
                # TYPE node_nvme_namespace_info gauge
                node_nvme_namespace_info{ana_state="unknown",device="nvme0",nsid="1"} 1
                node_nvme_namespace_info{ana_state="unknown",device="nvme1",nsid="2"} 1
                # HELP node_nvme_namespace_logical_block_size_bytes Bytes of a logical block of an NVMe namespace.
                # TYPE node_nvme_namespace_logical_block_size_bytes gauge
                node_nvme_namespace_logical_block_size_bytes{device="nvme0",nsid="1"} 512
                # HELP node_nvme_namespace_size_bytes Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.
                # TYPE node_nvme_namespace_size_bytes gauge
                node_nvme_namespace_size_bytes{device="nvme0",nsid="1"} 2.048e+06
            "##]],
        );
    }

    #[test]
    fn a_namespace_that_does_not_answer_costs_what_it_was_asked() {
        check_errno::<Nvme>(
            &CONTROLLER[3..],
            ("sys/class/nvme/nvme0/nvme0n1/nuse", Errno::IO),
            expect![[r##"
                # HELP node_nvme_info What an NVMe controller says of itself; always 1.
                # TYPE node_nvme_info gauge
                node_nvme_info{cntlid="1997",device="nvme0",firmware_revision="",model="",serial="",state="live"} 1
                # HELP node_nvme_namespace_capacity_bytes Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.
                # TYPE node_nvme_namespace_capacity_bytes gauge
                node_nvme_namespace_capacity_bytes{device="nvme0",nsid="1"} 2.048e+06
                # HELP node_nvme_namespace_info An NVMe namespace and how it is reached (asymmetric namespace access); always 1.
                # TYPE node_nvme_namespace_info gauge
                node_nvme_namespace_info{ana_state="unknown",device="nvme0",nsid="1"} 1
                # HELP node_nvme_namespace_logical_block_size_bytes Bytes of a logical block of an NVMe namespace.
                # TYPE node_nvme_namespace_logical_block_size_bytes gauge
                node_nvme_namespace_logical_block_size_bytes{device="nvme0",nsid="1"} 512
                # HELP node_nvme_namespace_size_bytes Size of an NVMe namespace as node_exporter computes it: its 512-byte sectors times its logical block size.
                # TYPE node_nvme_namespace_size_bytes gauge
                node_nvme_namespace_size_bytes{device="nvme0",nsid="1"} 2.048e+06
            "##]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Nvme>("", &CONTROLLER);
    }
}
