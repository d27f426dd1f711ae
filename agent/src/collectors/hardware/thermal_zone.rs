//! `/sys/class/thermal`: zones have a temperature in m°C, cooling devices a throttle state. See
//! Documentation/driver-api/thermal/sysfs-api.rst.

use crate::{collectors::prelude::*, source::numbered};
use std::{io::ErrorKind, path::PathBuf};

metrics! {
    TEMPERATURE: Gauge "node_thermal_zone_temp" ["zone", "type"], "Temperature of the zone in degrees Celsius; 0 when the zone cannot tell.";
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
        let names = class.names()?;
        for name in &names {
            if let Some(zone) = numbered(name, "thermal_zone") {
                push_zone(&class, name, zone, out)?;
            }
        }
        for name in &names {
            if let Some(device) = numbered(name, "cooling_device") {
                push_cooling_device(&class, name, device, out)?;
            }
        }
        Ok(())
    }
}

fn push_zone(class: &Folder, name: &str, zone: &str, out: &mut Families) -> Result<(), Error> {
    let Some(folder) = class.folder(name)? else { return Ok(()) };
    // A zone whose sensor sleeps or is gone cannot be read. node_exporter shows it as 0 rather than not at all.
    let kind = folder.value("type").ok().flatten();
    let millidegrees: Option<i64> = folder.number("temp").ok().flatten();
    let kind = kind.as_deref().unwrap_or_default();
    out.push(TEMPERATURE, (zone, kind), millidegrees.unwrap_or(0) as f64 / 1000.0);
    Ok(())
}

fn is_skipped(error: &source::Error) -> bool {
    error.is_no_value() || error.io_kind() == Some(ErrorKind::PermissionDenied)
}

fn push_cooling_device(class: &Folder, name: &str, device: &str, out: &mut Families) -> Result<(), Error> {
    let Some(folder) = class.folder(name)? else { return Ok(()) };
    let read = || {
        let states: (Option<i64>, Option<i64>) = (folder.number("cur_state")?, folder.number("max_state")?);
        Ok((folder.value("type")?, states))
    };
    match read() {
        Ok((Some(kind), (Some(current), Some(maximum)))) => {
            out.push(CURRENT, (device, &*kind), current);
            out.push(MAXIMUM, (device, &*kind), maximum);
        }
        Ok(_) => {}
        Err(error) if is_skipped(&error) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            # HELP node_thermal_zone_temp Temperature of the zone in degrees Celsius; 0 when the zone cannot tell.
            # TYPE node_thermal_zone_temp gauge
            node_thermal_zone_temp{type="acpitz",zone="10"} -273.2
            node_thermal_zone_temp{type="x86_pkg_temp",zone="0"} 44.5
        "##]],
        );
    }

    #[test]
    fn shows_a_zone_that_cannot_tell_as_0() {
        let files = &[
            ("sys/class/thermal/thermal_zone0/type", "iwlwifi_1\n"),
            ("sys/class/thermal/cooling_device0/type", "gone\n"),
        ];
        check::<ThermalZone>(
            "",
            files,
            expect![[r##"
            # HELP node_thermal_zone_temp Temperature of the zone in degrees Celsius; 0 when the zone cannot tell.
            # TYPE node_thermal_zone_temp gauge
            node_thermal_zone_temp{type="iwlwifi_1",zone="0"} 0
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
            expect![
                "parse sys/class/thermal/cooling_device0/cur_state, line 1: expected a number, found `high`"
            ],
        );
    }

    #[test]
    fn a_host_without_the_class_gives_no_samples() {
        check::<ThermalZone>("", &[], expect![[""]]);
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<ThermalZone>("", HOST);
    }
}
