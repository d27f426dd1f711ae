//! `/sys/class/thermal`: zones have a temperature in m°C, cooling devices a throttle state. See
//! Documentation/driver-api/thermal/sysfs-api.rst.

use crate::{collectors::prelude::*, source::numbered};
use std::path::PathBuf;

metrics! {
    TEMPERATURE: Gauge "node_thermal_zone_temp" ["zone", "type"], "Temperature of the zone in degrees Celsius.";
    CURRENT: Gauge "node_cooling_device_cur_state" ["name", "type"], "State that the cooling device is in; higher cools more.";
    MAXIMUM: Gauge "node_cooling_device_max_state" ["name", "type"], "Highest state of the cooling device.";
}

pub(super) struct ThermalZone {
    class: PathBuf,
}

impl Spec for ThermalZone {
    const SUMMARY: &'static str =
        "Temperatures of thermal zones and states of cooling devices, from /sys/class/thermal.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { class: host.sys("class/thermal") })
    }
}

impl Collector for ThermalZone {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(class) = Folder::open(&self.class)? else { return Ok(()) };
        let zones = class.for_each_folder(
            |name| numbered(name, "thermal_zone").is_some(),
            |name, folder| push_zone(folder, &name["thermal_zone".len()..], out),
        );
        let devices = class.for_each_folder(
            |name| numbered(name, "cooling_device").is_some(),
            |name, folder| push_cooling_device(folder, &name["cooling_device".len()..], out),
        );
        Ok(zones.and(devices)?)
    }
}

fn push_zone(folder: &Folder, zone: &str, out: &mut Families) -> Result<(), source::Error> {
    let files = folder.unlisted_attributes();
    let kind = files.value("type");
    // A zone whose sensor sleeps, is gone or broken answers with all sorts of errors: it has no temperature.
    let millidegrees: Option<i64> = folder.number("temp").ok().flatten();
    let temperature = millidegrees.map(|it| it as f64 / 1000.0);
    out.push(TEMPERATURE, (zone, kind.as_deref().unwrap_or_default()), temperature);
    files.end()
}

fn push_cooling_device(folder: &Folder, device: &str, out: &mut Families) -> Result<(), source::Error> {
    let files = folder.unlisted_attributes();
    let kind = files.value("type");
    let labels = (device, kind.as_deref().unwrap_or_default());
    out.push(CURRENT, labels, files.number("cur_state"));
    out.push(MAXIMUM, labels, files.number("max_state"));
    files.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check_errno;
    use rustix::io::Errno;

    const HOST: &[(&str, &str)] = &[
        ("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n"),
        ("sys/class/thermal/thermal_zone0/temp", "44500\n"),
        ("sys/class/thermal/thermal_zone10/type", "acpitz\n"),
        ("sys/class/thermal/thermal_zone10/temp", "-273200\n"),
        ("sys/class/thermal/cooling_device0/type", "intel_powerclamp\n"),
        ("sys/class/thermal/cooling_device0/cur_state", "-1\n"),
        ("sys/class/thermal/cooling_device0/max_state", "50\n"),
    ];

    #[test]
    fn reads_zones_and_cooling_devices() {
        check::<ThermalZone>(
            "",
            HOST,
            expect![[r##"
            # HELP node_cooling_device_cur_state State that the cooling device is in; higher cools more.
            # TYPE node_cooling_device_cur_state gauge
            node_cooling_device_cur_state{name="0",type="intel_powerclamp"} -1
            # HELP node_cooling_device_max_state Highest state of the cooling device.
            # TYPE node_cooling_device_max_state gauge
            node_cooling_device_max_state{name="0",type="intel_powerclamp"} 50
            # HELP node_thermal_zone_temp Temperature of the zone in degrees Celsius.
            # TYPE node_thermal_zone_temp gauge
            node_thermal_zone_temp{type="acpitz",zone="10"} -273.2
            node_thermal_zone_temp{type="x86_pkg_temp",zone="0"} 44.5
        "##]],
        );
    }

    #[test]
    fn a_zone_that_cannot_tell_has_no_temperature() {
        let files = &[
            ("sys/class/thermal/thermal_zone0/type", "iwlwifi_1\n"),
            ("sys/class/thermal/cooling_device0/type", "gone\n"),
            ("sys/class/thermal/thermal_zone1/temp", "45000\n"),
        ];
        check::<ThermalZone>(
            "",
            files,
            expect![[r##"
                # HELP node_thermal_zone_temp Temperature of the zone in degrees Celsius.
                # TYPE node_thermal_zone_temp gauge
                node_thermal_zone_temp{type="",zone="1"} 45
            "##]],
        );
    }

    #[test]
    fn refuses_a_state_that_is_no_number() {
        let mut files = HOST.to_vec();
        files[5].1 = "high\n";
        check_error::<ThermalZone>(
            "",
            &files[4..],
            expect![[r##"
            # HELP node_cooling_device_max_state Highest state of the cooling device.
            # TYPE node_cooling_device_max_state gauge
            node_cooling_device_max_state{name="0",type="intel_powerclamp"} 50
            parse sys/class/thermal/cooling_device0/cur_state, line 1: expected a number, found `high`"##]],
        );
    }

    #[test]
    fn a_host_without_the_class_gives_no_samples() {
        check::<ThermalZone>("", &[], expect![[""]]);
    }

    #[test]
    fn a_sensor_that_answers_with_an_error_is_no_failure() {
        check_errno::<ThermalZone>(
            &HOST[..4],
            ("sys/class/thermal/thermal_zone0/temp", Errno::INVAL),
            expect![[r##"
                # HELP node_thermal_zone_temp Temperature of the zone in degrees Celsius.
                # TYPE node_thermal_zone_temp gauge
                node_thermal_zone_temp{type="acpitz",zone="10"} -273.2
            "##]],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<ThermalZone>("", HOST);
    }
}
