//! What is on the PCI buses, from `/sys/bus/pci/devices`.

use crate::{
    collectors::prelude::*,
    source::pci::{Device, Identity},
};
use std::{collections::HashMap, fs, path::PathBuf};

metrics! {
    INFO: Gauge "node_pcidevice_info" ["bus", "class_id", "class_name", "device", "device_id", "device_name", "function", "parent_bus", "parent_device", "parent_function", "parent_segment", "revision", "segment", "subsystem_device_id", "subsystem_device_name", "subsystem_vendor_id", "subsystem_vendor_name", "vendor_id", "vendor_name"], "1 for each PCI device, with where and what it is; its names only if the config asks for them.";
    POWER_STATE: Gauge "node_pcidevice_power_state" ["segment", "bus", "device", "function", "state"], "1 for the power state that the device is in, 0 for the others.";

    |it: &Device<'_>| ["segment", "bus", "device", "function"];
    Gauge "node_pcidevice_current_link_transfers_per_second" = it.current_link_speed, "Speed of the device's link now, in transfers per second and lane; -1 if the kernel does not know it.";
    Gauge "node_pcidevice_current_link_width" = it.current_link_width, "Lanes of the device's link that are in use; -1 if the kernel does not know.";
    Gauge "node_pcidevice_d3cold_allowed" = is_set(it, "d3cold_allowed"), "1 if the device may be cut from power.";
    Gauge "node_pcidevice_max_link_transfers_per_second" = it.max_link_speed, "Highest speed of the device's link, in transfers per second and lane; -1 if the kernel does not know it.";
    Gauge "node_pcidevice_max_link_width" = it.max_link_width, "Lanes of the device's link; -1 if the kernel does not know.";
    Gauge "node_pcidevice_numa_node" = it.numa_node, "NUMA node that the device is near to.";
    Gauge "node_pcidevice_sriov_drivers_autoprobe" = is_set(it, "sriov_drivers_autoprobe"), "1 if drivers are bound to new virtual functions of the device.";
    Gauge "node_pcidevice_sriov_numvfs" = it.attributes.number("sriov_numvfs"), "Virtual functions of the device that are enabled.";
    Gauge "node_pcidevice_sriov_totalvfs" = it.attributes.number("sriov_totalvfs"), "Virtual functions that the device can have.";
    Gauge "node_pcidevice_sriov_vf_total_msix" = it.attributes.number("sriov_vf_total_msix"), "MSI-X vectors that the device can share out to its virtual functions.";
}

section! {
    pub(super) struct Config {
        /// Adds the names of vendor, device and class to the device's labels.
        names: bool = false,
        /// File that the names are read from; unset: pci.ids in /usr/share/misc or /usr/share/hwdata.
        idsfile: String = "",
    }
}

const ID_FILES: [&str; 2] = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"];
const POWER_STATES: [&str; 7] = ["D0", "D1", "D2", "D3hot", "D3cold", "unknown", "error"];

pub(super) struct Pcidevice {
    devices: PathBuf,
    names: Option<Names>,
}

impl Spec for Pcidevice {
    const SUMMARY: &'static str = "PCI devices, their links and power states, from /sys/bus/pci/devices.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let files = match config.idsfile.as_str() {
            "" => ID_FILES.map(PathBuf::from).to_vec(),
            file => vec![PathBuf::from(file)],
        };
        let names = config.names.then(|| Names { files, known: HashMap::new() });
        Ok(Self { devices: host.sys("bus/pci/devices"), names })
    }
}

impl Collector for Pcidevice {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(devices) = Folder::open(&self.devices)? else {
            return Err(Error::Absent(format!("{} does not exist", self.devices.display())));
        };
        let mut ids_text = None;
        let pushed = devices.for_each_folder(
            |_| true,
            |_, folder| {
                let device = Device::read(folder)?;
                let names = self.names.as_mut().map(|names| names.of(&device.identity, &mut ids_text));
                push_info(&device, names, out);
                let place = device.place.each_ref().map(String::as_str);
                push_rows(&device, place, out);
                push_power_state(&device, place, out);
                device.attributes.end()
            },
        );
        Ok(pushed?)
    }
}

fn is_set(device: &Device<'_>, file: &str) -> Option<bool> {
    device.attributes.number(file).map(|it| it != 0)
}

fn push_info(device: &Device<'_>, names: Option<&Identity>, out: &mut Families) {
    let Device { place, parent, identity: ids, revision, .. } = device;
    let above = |index: usize| parent.as_ref().map_or("*", |parent| &parent[index]).to_owned();
    let id = |number: &str| (!number.is_empty()).then(|| format!("0x{number}"));
    let name = |of: fn(&Identity) -> &String| names.map(|names| of(names).clone());
    let labels = [
        ("bus", Some(place[1].clone())),
        ("class_id", id(&ids.class)),
        ("class_name", name(|it| &it.class)),
        ("device", Some(place[2].clone())),
        ("device_id", id(&ids.device)),
        ("device_name", name(|it| &it.device)),
        ("function", Some(place[3].clone())),
        ("parent_bus", Some(above(1))),
        ("parent_device", Some(above(2))),
        ("parent_function", Some(above(3))),
        ("parent_segment", Some(above(0))),
        ("revision", id(revision)),
        ("segment", Some(place[0].clone())),
        ("subsystem_device_id", id(&ids.subsystem_device)),
        ("subsystem_device_name", name(|it| &it.subsystem_device)),
        ("subsystem_vendor_id", id(&ids.subsystem_vendor)),
        ("subsystem_vendor_name", name(|it| &it.subsystem_vendor)),
        ("vendor_id", id(&ids.vendor)),
        ("vendor_name", name(|it| &it.vendor)),
    ];
    let labels = labels.iter().filter_map(|(label, text)| Some((*label, text.as_deref()?)));
    out.push_labelled(INFO, &labels.collect::<Vec<_>>(), 1_u64);
}

fn push_power_state(device: &Device<'_>, place: [&str; 4], out: &mut Families) {
    let now = device.attributes.parsed("power_state", "a power state such as `D0`", |text| {
        POWER_STATES.into_iter().find(|it| text == it.as_bytes())
    });
    let Some(now) = now else { return };
    let [segment, bus, slot, function] = place;
    for state in POWER_STATES {
        out.push(POWER_STATE, [segment, bus, slot, function, state], now == state);
    }
}

/// The names of the devices seen so far.
struct Names {
    /// Where to look, in this order.
    files: Vec<PathBuf>,
    known: HashMap<Identity, Identity>,
}

impl Names {
    /// Reads the file into `text` when a device is new; without a file its numbers stand for its names.
    fn of(&mut self, ids: &Identity, text: &mut Option<Vec<u8>>) -> &Identity {
        let Self { files, known } = self;
        known.entry(ids.clone()).or_insert_with(|| {
            let read = || files.iter().find_map(|file| fs::read(file).ok()).unwrap_or_default();
            ids.names(text.get_or_insert_with(read))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;
    use crate::testing::check_errno;
    use rustix::io::Errno;

    const HOST: &[(&str, &str)] = &[
        ("sys/bus/pci/devices/0000:00:02.1", "-> ../../../devices/pci0000:00/0000:00:02.1"),
        ("sys/devices/pci0000:00/0000:00:02.1/class", "0x060400\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/vendor", "0x1022\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/device", "0x1634\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/subsystem_vendor", "0x0000\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/subsystem_device", "0x0000\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/revision", "0x0f\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/numa_node", "-1\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/max_link_speed", "8.0 GT/s PCIe\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/max_link_width", "8\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/current_link_speed", "Unknown\n"),
        ("sys/bus/pci/devices/0000:01:00.0", "-> ../../../devices/pci0000:00/0000:00:02.1/0000:01:00.0"),
        ("sys/devices/pci0000:00/0000:00:02.1/0000:01:00.0/class", "0x010802\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/0000:01:00.0/vendor", "0xc0a9\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/0000:01:00.0/device", "0x540a\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/0000:01:00.0/subsystem_vendor", "0xc0a9\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/0000:01:00.0/subsystem_device", "0x5021\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/0000:01:00.0/revision", "0x01\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/0000:01:00.0/numa_node", "0\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/0000:01:00.0/power_state", "D3hot\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/0000:01:00.0/d3cold_allowed", "1\n"),
        ("sys/devices/pci0000:00/0000:00:02.1/0000:01:00.0/sriov_totalvfs", "7\n"),
    ];

    #[test]
    fn tells_where_and_what_each_device_is() {
        check::<Pcidevice>(
            "",
            HOST,
            expect![[r##"
                # HELP node_pcidevice_current_link_transfers_per_second Speed of the device's link now, in transfers per second and lane; -1 if the kernel does not know it.
                # TYPE node_pcidevice_current_link_transfers_per_second gauge
                node_pcidevice_current_link_transfers_per_second{bus="00",device="02",function="1",segment="0000"} -1
                # HELP node_pcidevice_d3cold_allowed 1 if the device may be cut from power.
                # TYPE node_pcidevice_d3cold_allowed gauge
                node_pcidevice_d3cold_allowed{bus="01",device="00",function="0",segment="0000"} 1
                # HELP node_pcidevice_info 1 for each PCI device, with where and what it is; its names only if the config asks for them.
                # TYPE node_pcidevice_info gauge
                node_pcidevice_info{bus="00",class_id="0x060400",device="02",device_id="0x1634",function="1",parent_bus="*",parent_device="*",parent_function="*",parent_segment="*",revision="0x0f",segment="0000",subsystem_device_id="0x0000",subsystem_vendor_id="0x0000",vendor_id="0x1022"} 1
                node_pcidevice_info{bus="01",class_id="0x010802",device="00",device_id="0x540a",function="0",parent_bus="00",parent_device="02",parent_function="1",parent_segment="0000",revision="0x01",segment="0000",subsystem_device_id="0x5021",subsystem_vendor_id="0xc0a9",vendor_id="0xc0a9"} 1
                # HELP node_pcidevice_max_link_transfers_per_second Highest speed of the device's link, in transfers per second and lane; -1 if the kernel does not know it.
                # TYPE node_pcidevice_max_link_transfers_per_second gauge
                node_pcidevice_max_link_transfers_per_second{bus="00",device="02",function="1",segment="0000"} 8e+09
                # HELP node_pcidevice_max_link_width Lanes of the device's link; -1 if the kernel does not know.
                # TYPE node_pcidevice_max_link_width gauge
                node_pcidevice_max_link_width{bus="00",device="02",function="1",segment="0000"} 8
                # HELP node_pcidevice_numa_node NUMA node that the device is near to.
                # TYPE node_pcidevice_numa_node gauge
                node_pcidevice_numa_node{bus="01",device="00",function="0",segment="0000"} 0
                # HELP node_pcidevice_power_state 1 for the power state that the device is in, 0 for the others.
                # TYPE node_pcidevice_power_state gauge
                node_pcidevice_power_state{bus="01",device="00",function="0",segment="0000",state="D0"} 0
                node_pcidevice_power_state{bus="01",device="00",function="0",segment="0000",state="D1"} 0
                node_pcidevice_power_state{bus="01",device="00",function="0",segment="0000",state="D2"} 0
                node_pcidevice_power_state{bus="01",device="00",function="0",segment="0000",state="D3cold"} 0
                node_pcidevice_power_state{bus="01",device="00",function="0",segment="0000",state="D3hot"} 1
                node_pcidevice_power_state{bus="01",device="00",function="0",segment="0000",state="error"} 0
                node_pcidevice_power_state{bus="01",device="00",function="0",segment="0000",state="unknown"} 0
                # HELP node_pcidevice_sriov_totalvfs Virtual functions that the device can have.
                # TYPE node_pcidevice_sriov_totalvfs gauge
                node_pcidevice_sriov_totalvfs{bus="01",device="00",function="0",segment="0000"} 7
            "##]],
        );
    }

    #[test]
    fn adds_names_if_told() {
        let mut files = HOST[..11].to_vec();
        files.push(("pci.ids", "1022  Advanced Micro Devices\nC 06  Bridge\n\t04  PCI bridge\n"));
        let host = TestHost::new(&files);
        let section = format!("names = true\nidsfile = \"{}/pci.ids\"", host.path().display());
        let mut out = Families::new(METRICS);
        host.open::<Pcidevice>(&section).unwrap().collect(&mut out).unwrap();
        let text = host.render(&out);
        let info = text.lines().find(|line| line.starts_with("node_pcidevice_info{"));
        expect![[r#"node_pcidevice_info{bus="00",class_id="0x060400",class_name="PCI bridge",device="02",device_id="0x1634",device_name="1634",function="1",parent_bus="*",parent_device="*",parent_function="*",parent_segment="*",revision="0x0f",segment="0000",subsystem_device_id="0x0000",subsystem_device_name="0000",subsystem_vendor_id="0x0000",subsystem_vendor_name="0000",vendor_id="0x1022",vendor_name="Advanced Micro Devices"} 1"#]].assert_eq(info.unwrap());
    }

    #[test]
    fn keeps_numbers_without_a_file_of_names() {
        let host = TestHost::new(&HOST[..11]);
        let mut out = Families::new(METRICS);
        host.open::<Pcidevice>("names = true\nidsfile = \"/nowhere\"").unwrap().collect(&mut out).unwrap();
        assert!(host.render(&out).contains("class_name=\"Unknown class (060400)\""));
    }

    #[test]
    fn shows_what_a_device_has() {
        check::<Pcidevice>(
            "",
            &[HOST[0], HOST[1], ("sys/devices/pci0000:00/0000:00:02.1/max_link_speed", "8 GT/s\n")],
            expect![[r##"
                # HELP node_pcidevice_info 1 for each PCI device, with where and what it is; its names only if the config asks for them.
                # TYPE node_pcidevice_info gauge
                node_pcidevice_info{bus="00",class_id="0x060400",device="02",function="1",parent_bus="*",parent_device="*",parent_function="*",parent_segment="*",segment="0000"} 1
                # HELP node_pcidevice_max_link_transfers_per_second Highest speed of the device's link, in transfers per second and lane; -1 if the kernel does not know it.
                # TYPE node_pcidevice_max_link_transfers_per_second gauge
                node_pcidevice_max_link_transfers_per_second{bus="00",device="02",function="1",segment="0000"} 8e+09
            "##]],
        );
    }

    #[test]
    fn refuses_a_speed_in_another_unit() {
        let mut files = HOST[..11].to_vec();
        files[8].1 = "8.0 Mbit\n";
        check_error::<Pcidevice>(
            "",
            &files,
            expect![[r##"
            # HELP node_pcidevice_current_link_transfers_per_second Speed of the device's link now, in transfers per second and lane; -1 if the kernel does not know it.
            # TYPE node_pcidevice_current_link_transfers_per_second gauge
            node_pcidevice_current_link_transfers_per_second{bus="00",device="02",function="1",segment="0000"} -1
            # HELP node_pcidevice_info 1 for each PCI device, with where and what it is; its names only if the config asks for them.
            # TYPE node_pcidevice_info gauge
            node_pcidevice_info{bus="00",class_id="0x060400",device="02",device_id="0x1634",function="1",parent_bus="*",parent_device="*",parent_function="*",parent_segment="*",revision="0x0f",segment="0000",subsystem_device_id="0x0000",subsystem_vendor_id="0x0000",vendor_id="0x1022"} 1
            # HELP node_pcidevice_max_link_width Lanes of the device's link; -1 if the kernel does not know.
            # TYPE node_pcidevice_max_link_width gauge
            node_pcidevice_max_link_width{bus="00",device="02",function="1",segment="0000"} 8
            parse sys/bus/pci/devices/0000:00:02.1/max_link_speed, line 1: expected a speed such as `8.0 GT/s PCIe`, found `8.0 Mbit`"##]],
        );
    }

    #[test]
    fn refuses_a_device_that_is_nowhere() {
        let mut files = HOST[1..7].to_vec();
        files.push((
            "sys/bus/pci/devices/0000:00:02.1",
            "-> ../../../devices/pci0000:00/0000:00:02.1/../0000:00:02.1/..",
        ));
        check_error::<Pcidevice>(
            "",
            &files,
            expect![
                "parse sys/bus/pci/devices/0000:00:02.1, line 1: expected a link to `…/0000:00:00.0`, found `../../../devices/pci0000:00/0000:00:02.1/../0000:00:02.1/..`"
            ],
        );
    }

    #[test]
    fn a_host_without_the_bus_has_none() {
        check_error::<Pcidevice>("", &[], expect!["not on this host: sys/bus/pci/devices does not exist"]);
    }

    #[test]
    fn a_device_that_does_not_answer_costs_what_it_was_asked() {
        check_errno::<Pcidevice>(
            &[HOST[0], HOST[1], ("sys/devices/pci0000:00/0000:00:02.1/max_link_speed", "8 GT/s\n")],
            ("sys/devices/pci0000:00/0000:00:02.1/max_link_speed", Errno::INVAL),
            expect![[r##"
                # HELP node_pcidevice_info 1 for each PCI device, with where and what it is; its names only if the config asks for them.
                # TYPE node_pcidevice_info gauge
                node_pcidevice_info{bus="00",class_id="0x060400",device="02",function="1",parent_bus="*",parent_device="*",parent_function="*",parent_segment="*",segment="0000"} 1
            "##]],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Pcidevice>("", HOST);
    }
}
