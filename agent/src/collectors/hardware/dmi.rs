//! `/sys/class/dmi/id`: what the firmware says about the machine (SMBIOS). It does not change before the next boot, so
//! it is read once.

use crate::collectors::prelude::*;
use tracing::debug;

metrics! {
    INFO: Gauge "node_dmi_info" ["bios_date", "bios_release", "bios_vendor", "bios_version", "board_asset_tag", "board_name", "board_serial", "board_vendor", "board_version", "chassis_asset_tag", "chassis_serial", "chassis_vendor", "chassis_version", "product_family", "product_name", "product_serial", "product_sku", "product_uuid", "product_version", "system_vendor"], "1, labelled with what the firmware says about the machine; serial numbers are for root.";
}

/// The labels with a value. An attribute that cannot be read makes none.
pub(super) struct Dmi(Vec<(&'static str, String)>);

impl Spec for Dmi {
    const SUMMARY: &'static str =
        "Vendor, model, serial numbers and firmware version of the machine, from /sys/class/dmi/id.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let path = host.sys("class/dmi/id");
        let Some(folder) = Folder::open(&path)? else {
            return Err(Error::Absent(format!("{} does not exist", path.display())));
        };
        let mut labels = Vec::new();
        for &label in METRICS[0].labels {
            let file = if label == "system_vendor" { "sys_vendor" } else { label };
            match folder.value(file) {
                Ok(Some(value)) => labels.push((label, label_text(&value))),
                Ok(None) => {}
                // The serial numbers and the UUID are root's.
                Err(error) => debug!(%error, "one label less"),
            }
        }
        if labels.is_empty() {
            return Err(Error::Absent(format!("{} holds nothing that can be read", path.display())));
        }
        Ok(Self(labels))
    }
}

impl Collector for Dmi {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let labels: Vec<_> = self.0.iter().map(|(label, text)| (*label, text.as_str())).collect();
        out.push_labelled(INFO, &labels, 1_u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[(&str, &str)] = &[
        ("sys/class/dmi/id/bios_vendor", "SeaBIOS\n"),
        ("sys/class/dmi/id/chassis_serial", " \n"),
        ("sys/class/dmi/id/chassis_type", "1\n"),
        ("sys/class/dmi/id/modalias", "dmi:bvnSeaBIOS:\n"),
        ("sys/class/dmi/id/product_name", "Standard PC (Q35 + ICH9, 2009)\n"),
        ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
    ];

    #[test]
    fn labels_what_the_firmware_tells() {
        check::<Dmi>(
            "",
            HOST,
            expect![[r##"
            # HELP node_dmi_info 1, labelled with what the firmware says about the machine; serial numbers are for root.
            # TYPE node_dmi_info gauge
            node_dmi_info{bios_vendor="SeaBIOS",chassis_serial="",product_name="Standard PC (Q35 + ICH9, 2009)",system_vendor="QEMU"} 1
        "##]],
        );
    }

    #[test]
    fn a_text_that_cannot_be_read_costs_its_label() {
        let files = [("sys/class/dmi/id/sys_vendor", "QEMU\n"), ("sys/class/dmi/id/product_uuid/", "")];
        check::<Dmi>(
            "",
            &files,
            expect![[r##"
            # HELP node_dmi_info 1, labelled with what the firmware says about the machine; serial numbers are for root.
            # TYPE node_dmi_info gauge
            node_dmi_info{system_vendor="QEMU"} 1
        "##]],
        );
    }

    #[test]
    fn a_host_without_firmware_tables_has_none() {
        check_error::<Dmi>("", &[], expect!["not on this host: sys/class/dmi/id does not exist"]);
        check_error::<Dmi>(
            "",
            &[("sys/class/dmi/id/uevent", "")],
            expect!["not on this host: sys/class/dmi/id holds nothing that can be read"],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Dmi>("", HOST);
    }
}
