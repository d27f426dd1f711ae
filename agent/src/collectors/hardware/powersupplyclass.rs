//! `/sys/class/power_supply`: batteries, mains and USB supplies. See Documentation/ABI/testing/sysfs-class-power: volts,
//! amperes, watts and their hours are in millionths, temperatures in tenths of a degree.

use crate::{collectors::prelude::*, source::Attributes};
use std::path::PathBuf;

metrics! {
    INFO: Gauge "node_power_supply_info" ["capacity_level", "charge_type", "health", "manufacturer", "model_name", "power_supply", "scope", "serial_number", "status", "technology", "type", "usb_type"], "1 for each power supply, labelled with what its driver says about it.";

    |it: &Supply<'_>| ["power_supply"];
    Gauge "node_power_supply_authentic" = it.plain("authentic"), "1 if the supply has proven to be the one that the host expects.";
    Gauge "node_power_supply_calibrate" = it.plain("calibrate"), "1 while the battery is being calibrated.";
    Gauge "node_power_supply_capacity" = it.plain("capacity"), "Charge of the battery, in percent.";
    Gauge "node_power_supply_capacity_alert_max" = it.plain("capacity_alert_max"), "Charge above which the battery raises an alert, in percent.";
    Gauge "node_power_supply_capacity_alert_min" = it.plain("capacity_alert_min"), "Charge below which the battery raises an alert, in percent.";
    Gauge "node_power_supply_charge_ampere" = it.millionths("charge_now"), "Charge of the battery, in ampere-hours.";
    Gauge "node_power_supply_charge_control_limit" = it.millionths("charge_control_limit"), "Limit on the charging current, in amperes.";
    Gauge "node_power_supply_charge_control_limit_max" = it.millionths("charge_control_limit_max"), "Highest limit that the charging current may get, in amperes.";
    Gauge "node_power_supply_charge_counter" = it.millionths("charge_counter"), "Charge that went into the battery since the driver began to count, in ampere-hours; may be negative.";
    Gauge "node_power_supply_charge_empty" = it.millionths("charge_empty"), "Charge at which the battery last counted as empty, in ampere-hours.";
    Gauge "node_power_supply_charge_empty_design" = it.millionths("charge_empty_design"), "Charge at which the battery counts as empty by design, in ampere-hours.";
    Gauge "node_power_supply_charge_full" = it.millionths("charge_full"), "Charge at which the battery last counted as full, in ampere-hours.";
    Gauge "node_power_supply_charge_full_design" = it.millionths("charge_full_design"), "Charge at which the battery counts as full by design, in ampere-hours.";
    Gauge "node_power_supply_charge_term_current" = it.millionths("charge_term_current"), "Charging current at which the battery counts as full, in amperes.";
    Gauge "node_power_supply_constant_charge_current" = it.millionths("constant_charge_current"), "Charging current that is kept, in amperes.";
    Gauge "node_power_supply_constant_charge_current_max" = it.millionths("constant_charge_current_max"), "Highest charging current that may be kept, in amperes.";
    Gauge "node_power_supply_constant_charge_voltage" = it.millionths("constant_charge_voltage"), "Charging voltage that is kept, in volts.";
    Gauge "node_power_supply_constant_charge_voltage_max" = it.millionths("constant_charge_voltage_max"), "Highest charging voltage that may be kept, in volts.";
    Gauge "node_power_supply_current_ampere" = it.millionths("current_now"), "Current through the supply, in amperes; the sign tells drivers' ideas of charging.";
    Gauge "node_power_supply_current_boot" = it.millionths("current_boot"), "Current through the supply at boot, in amperes.";
    Gauge "node_power_supply_current_max" = it.millionths("current_max"), "Highest current that the supply can give, in amperes.";
    Gauge "node_power_supply_cyclecount" = it.plain("cycle_count"), "Full cycles of charge and discharge of the battery.";
    Gauge "node_power_supply_energy_empty" = it.millionths("energy_empty"), "Energy at which the battery last counted as empty, in watt-hours.";
    Gauge "node_power_supply_energy_empty_design" = it.millionths("energy_empty_design"), "Energy at which the battery counts as empty by design, in watt-hours.";
    Gauge "node_power_supply_energy_full" = it.millionths("energy_full"), "Energy at which the battery last counted as full, in watt-hours.";
    Gauge "node_power_supply_energy_full_design" = it.millionths("energy_full_design"), "Energy at which the battery counts as full by design, in watt-hours.";
    Gauge "node_power_supply_energy_watthour" = it.millionths("energy_now"), "Energy in the battery, in watt-hours.";
    Gauge "node_power_supply_input_current_limit" = it.millionths("input_current_limit"), "Limit on the current that is drawn from the supply, in amperes.";
    Gauge "node_power_supply_online" = it.plain("online"), "1 if the supply gives power now; 2 if a USB supply does so at a voltage that the host chose.";
    Gauge "node_power_supply_power_watt" = it.millionths("power_now"), "Power through the supply, in watts.";
    Gauge "node_power_supply_precharge_current" = it.millionths("precharge_current"), "Charging current for an empty battery, in amperes.";
    Gauge "node_power_supply_present" = it.plain("present"), "1 if the battery is there.";
    Gauge "node_power_supply_temp_alert_max_celsius" = it.tenths("temp_alert_max"), "Temperature above which the supply raises an alert, in degrees Celsius.";
    Gauge "node_power_supply_temp_alert_min_celsius" = it.tenths("temp_alert_min"), "Temperature below which the supply raises an alert, in degrees Celsius.";
    Gauge "node_power_supply_temp_ambient_celsius" = it.tenths("temp_ambient"), "Temperature around the supply, in degrees Celsius.";
    Gauge "node_power_supply_temp_ambient_max_celsius" = it.tenths("temp_ambient_max"), "Temperature around the supply above which it raises an alert, in degrees Celsius.";
    Gauge "node_power_supply_temp_ambient_min_celsius" = it.tenths("temp_ambient_min"), "Temperature around the supply below which it raises an alert, in degrees Celsius.";
    Gauge "node_power_supply_temp_celsius" = it.tenths("temp"), "Temperature of the supply, in degrees Celsius.";
    Gauge "node_power_supply_temp_max_celsius" = it.tenths("temp_max"), "Highest temperature at which the supply may work, in degrees Celsius.";
    Gauge "node_power_supply_temp_min_celsius" = it.tenths("temp_min"), "Lowest temperature at which the supply may work, in degrees Celsius.";
    Gauge "node_power_supply_time_to_empty_seconds" = it.plain("time_to_empty_now"), "Time until the battery is empty at the present load, in seconds.";
    Gauge "node_power_supply_time_to_full_seconds" = it.plain("time_to_full_now"), "Time until the battery is full at the present rate of charging, in seconds.";
    Gauge "node_power_supply_voltage_boot" = it.millionths("voltage_boot"), "Voltage of the supply at boot, in volts.";
    Gauge "node_power_supply_voltage_max" = it.millionths("voltage_max"), "Highest voltage of the supply, in volts.";
    Gauge "node_power_supply_voltage_max_design" = it.millionths("voltage_max_design"), "Highest voltage of the supply by design, in volts.";
    Gauge "node_power_supply_voltage_min" = it.millionths("voltage_min"), "Lowest voltage of the supply, in volts.";
    Gauge "node_power_supply_voltage_min_design" = it.millionths("voltage_min_design"), "Lowest voltage of the supply by design, in volts.";
    Gauge "node_power_supply_voltage_ocv" = it.millionths("voltage_ocv"), "Voltage of the battery without load, in volts.";
    Gauge "node_power_supply_voltage_volt" = it.millionths("voltage_now"), "Voltage of the supply, in volts.";
}

section! {
    pub(super) struct Config {
        /// Regex over names of power supplies to leave out.
        ignored_supplies: Pattern = "^$" => "collector.powersupply.ignored-supplies",
    }
}

pub(super) struct Powersupplyclass {
    class: PathBuf,
    ignored_supplies: Pattern,
}

impl Spec for Powersupplyclass {
    const SUMMARY: &'static str = "Batteries and other power supplies, from /sys/class/power_supply.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self { class: host.sys("class/power_supply"), ignored_supplies: config.ignored_supplies })
    }
}

impl Collector for Powersupplyclass {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(class) = Folder::open(&self.class)? else {
            return Err(Error::Absent(format!("{} does not exist", self.class.display())));
        };
        let pushed = class.for_each_folder(
            |name| !self.ignored_supplies.is_match(name),
            |name, folder| {
                let supply = Supply(folder.attributes()?);
                push_rows(&supply, [name], out);
                supply.push_info(name, out);
                supply.0.end()
            },
        );
        Ok(pushed?)
    }
}

struct Supply<'a>(Attributes<'a>);

impl Supply<'_> {
    fn plain(&self, file: &str) -> Option<i64> {
        self.0.number(file)
    }

    fn millionths(&self, file: &str) -> Option<f64> {
        Some(self.0.number(file)? as f64 / 1e6)
    }

    fn tenths(&self, file: &str) -> Option<f64> {
        Some(self.0.number(file)? as f64 / 10.0)
    }

    /// With the labels that this supply has a text for.
    fn push_info(&self, name: &str, out: &mut Families) {
        let text_of = |label| match label {
            "power_supply" => Some(name.to_owned()),
            file => self.0.value(file).map(|text| label_text(&text)),
        };
        let labels = METRICS[0].labels.iter().filter_map(|&label| Some((label, text_of(label)?)));
        let labels: Vec<_> = labels.filter(|(_, text)| !text.is_empty()).collect();
        let labels: Vec<_> = labels.iter().map(|(label, text)| (*label, text.as_str())).collect();
        out.push_labelled(INFO, &labels, 1_u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check_errno;
    use rustix::io::Errno;

    const HOST: &[(&str, &str)] = &[
        ("sys/class/power_supply/AC/online", "1\n"),
        ("sys/class/power_supply/AC/type", "Mains\n"),
        ("sys/class/power_supply/BAT0/alarm", "2369000\n"),
        ("sys/class/power_supply/BAT0/capacity", "81\n"),
        ("sys/class/power_supply/BAT0/capacity_level", "Normal\n"),
        ("sys/class/power_supply/BAT0/current_now", "-1250000\n"),
        ("sys/class/power_supply/BAT0/energy_now", "36580000\n"),
        ("sys/class/power_supply/BAT0/manufacturer", "\n"),
        ("sys/class/power_supply/BAT0/power/control", "auto\n"),
        ("sys/class/power_supply/BAT0/temp", "305\n"),
        ("sys/class/power_supply/BAT0/type", "Battery\n"),
        ("sys/class/power_supply/BAT0/voltage_now", "12229000\n"),
    ];

    #[test]
    fn reads_what_each_driver_offers() {
        check::<Powersupplyclass>(
            "",
            HOST,
            expect![[r##"
            # HELP node_power_supply_capacity Charge of the battery, in percent.
            # TYPE node_power_supply_capacity gauge
            node_power_supply_capacity{power_supply="BAT0"} 81
            # HELP node_power_supply_current_ampere Current through the supply, in amperes; the sign tells drivers' ideas of charging.
            # TYPE node_power_supply_current_ampere gauge
            node_power_supply_current_ampere{power_supply="BAT0"} -1.25
            # HELP node_power_supply_energy_watthour Energy in the battery, in watt-hours.
            # TYPE node_power_supply_energy_watthour gauge
            node_power_supply_energy_watthour{power_supply="BAT0"} 36.58
            # HELP node_power_supply_info 1 for each power supply, labelled with what its driver says about it.
            # TYPE node_power_supply_info gauge
            node_power_supply_info{power_supply="AC",type="Mains"} 1
            node_power_supply_info{capacity_level="Normal",power_supply="BAT0",type="Battery"} 1
            # HELP node_power_supply_online 1 if the supply gives power now; 2 if a USB supply does so at a voltage that the host chose.
            # TYPE node_power_supply_online gauge
            node_power_supply_online{power_supply="AC"} 1
            # HELP node_power_supply_temp_celsius Temperature of the supply, in degrees Celsius.
            # TYPE node_power_supply_temp_celsius gauge
            node_power_supply_temp_celsius{power_supply="BAT0"} 30.5
            # HELP node_power_supply_voltage_volt Voltage of the supply, in volts.
            # TYPE node_power_supply_voltage_volt gauge
            node_power_supply_voltage_volt{power_supply="BAT0"} 12.229
        "##]],
        );
    }

    #[test]
    fn leaves_out_what_is_ignored() {
        check::<Powersupplyclass>(
            "ignored_supplies = \"^BAT\"",
            HOST,
            expect![[r##"
            # HELP node_power_supply_info 1 for each power supply, labelled with what its driver says about it.
            # TYPE node_power_supply_info gauge
            node_power_supply_info{power_supply="AC",type="Mains"} 1
            # HELP node_power_supply_online 1 if the supply gives power now; 2 if a USB supply does so at a voltage that the host chose.
            # TYPE node_power_supply_online gauge
            node_power_supply_online{power_supply="AC"} 1
        "##]],
        );
    }

    #[test]
    fn refuses_a_capacity_that_is_no_number() {
        check_error::<Powersupplyclass>(
            "",
            &[("sys/class/power_supply/BAT0/capacity", "full\n")],
            expect![[r##"
            # HELP node_power_supply_info 1 for each power supply, labelled with what its driver says about it.
            # TYPE node_power_supply_info gauge
            node_power_supply_info{power_supply="BAT0"} 1
            parse sys/class/power_supply/BAT0/capacity, line 1: expected a number, found `full`"##]],
        );
    }

    #[test]
    fn an_empty_class_gives_no_samples() {
        check::<Powersupplyclass>("", &[("sys/class/power_supply/", "")], expect![[""]]);
    }

    #[test]
    fn a_host_without_the_class_has_none() {
        check_error::<Powersupplyclass>(
            "",
            &[],
            expect!["not on this host: sys/class/power_supply does not exist"],
        );
    }

    #[test]
    fn a_battery_that_does_not_answer_costs_what_it_was_asked() {
        check_errno::<Powersupplyclass>(
            &HOST[..4],
            ("sys/class/power_supply/BAT0/capacity", Errno::INVAL),
            expect![[r##"
                # HELP node_power_supply_info 1 for each power supply, labelled with what its driver says about it.
                # TYPE node_power_supply_info gauge
                node_power_supply_info{power_supply="BAT0"} 1
                node_power_supply_info{power_supply="AC",type="Mains"} 1
                # HELP node_power_supply_online 1 if the supply gives power now; 2 if a USB supply does so at a voltage that the host chose.
                # TYPE node_power_supply_online gauge
                node_power_supply_online{power_supply="AC"} 1
            "##]],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Powersupplyclass>("", HOST);
    }
}
