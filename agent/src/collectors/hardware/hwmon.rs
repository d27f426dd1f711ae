//! Sensors of monitoring chips: temperatures, fans, voltages, currents, power. Files hold thousandths or millionths
//! (Documentation/hwmon/sysfs-interface.rst); metrics hold base units, under the names that node_exporter gives them.

use crate::{
    collectors::prelude::*,
    metric::Desc,
    source::hwmon::{self, Chip, Reading, clean_name},
};
use std::path::PathBuf;

metrics! {
    CHIP_NAMES: Gauge "node_hwmon_chip_names" ["chip", "chip_name"], "1 for each chip, with the name that its driver gives it.";
    SENSOR_LABEL: Gauge "node_hwmon_sensor_label" ["chip", "sensor", "label"], "1 for each sensor that has a name, such as the part of the board that it measures.";
    BEEP_ENABLED: Gauge "node_hwmon_beep_enabled" ["chip", "sensor"], "1 if the chip may beep on alarms.";
    REGULATOR: Gauge "node_hwmon_voltage_regulator_version" ["chip", "sensor"], "Version of the specification that the voltage regulator follows, times ten.";
    UPDATE_INTERVAL: Gauge "node_hwmon_update_interval_seconds" ["chip", "sensor"], "Time between two readings of the chip, in seconds.";
    ENABLED: Gauge "node_hwmon_*_enabled" ["chip", "sensor"], "1 if the sensor beeps on an alarm.";
    VOLTS: Gauge "node_hwmon_*_volts" ["chip", "sensor"], "Voltage or its limit, in volts.";
    CELSIUS: Gauge "node_hwmon_*_celsius" ["chip", "sensor"], "Temperature or its limit, in degrees Celsius; alarms are 0.001 when raised.";
    AMPERES: Gauge "node_hwmon_*_amps" ["chip", "sensor"], "Current or its limit, in amperes.";
    JOULES: Counter "node_hwmon_*_joule_total" ["chip", "sensor"], "Energy used, in joules.";
    SECONDS: Gauge "node_hwmon_*_seconds" ["chip", "sensor"], "Time over which power is averaged, in seconds.";
    WATTS: Gauge "node_hwmon_*_watt" ["chip", "sensor"], "Power or its limit, in watts.";
    RPM: Gauge "node_hwmon_*_rpm" ["chip", "sensor"], "Speed of the fan or its limit, in revolutions per minute.";
    MEGAHERTZ: Gauge "node_hwmon_*_freq_mhz" ["chip", "sensor"], "Clock frequency, in megahertz.";
    OTHER: Gauge "node_hwmon_*" ["chip", "sensor"], "What the sensor's file of this name holds; humidity and accuracy as ratios.";
}

section! {
    pub(super) struct Config {
        /// Regex over the chips to show.
        chip_include: Option<Pattern> = "",
        /// Regex over the chips to leave out.
        chip_exclude: Option<Pattern> = "",
        /// Regex over the sensors to show, as `chip;sensor`.
        sensor_include: Option<Pattern> = "",
        /// Regex over the sensors to leave out, as `chip;sensor`.
        sensor_exclude: Option<Pattern> = "",
    }
}

pub(super) struct Hwmon {
    class: PathBuf,
    chips: Filter,
    sensors: Filter,
    readings: Vec<Reading>,
}

impl Spec for Hwmon {
    const SUMMARY: &'static str =
        "Temperatures, fans, voltages and power of monitoring chips, from /sys/class/hwmon.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self {
            class: host.sys("class/hwmon"),
            chips: Filter::new(config.chip_include, config.chip_exclude),
            sensors: Filter::new(config.sensor_include, config.sensor_exclude),
            readings: Vec::new(),
        })
    }
}

impl Collector for Hwmon {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(class) = Folder::open(&self.class)? else {
            return Err(Error::Absent(format!("{} does not exist", self.class.display())));
        };
        let errors = FirstError::default();
        for chip in hwmon::chips(&class)?.iter().filter(|chip| self.chips.keeps(&chip.name)) {
            errors.ok(chip.read(&mut self.readings));
            self.push_chip(chip, &errors, out);
        }
        Ok(errors.end()?)
    }
}

impl Hwmon {
    fn push_chip(&self, chip: &Chip, errors: &FirstError, out: &mut Families) {
        let chip_name = chip.name.as_str();
        if let Some(driver_name) = &chip.driver_name {
            out.push(CHIP_NAMES, [chip_name, driver_name], 1_u64);
        }
        for sensor in self.readings.chunk_by(Reading::is_of_sensor) {
            let key = format!("{chip_name};{}{}", sensor[0].kind, sensor[0].number);
            if self.sensors.keeps(&key) {
                push_sensor(sensor, [chip_name, &key[chip_name.len() + 1..]], errors, out);
            }
        }
    }
}

/// Pushes the files of one sensor.
fn push_sensor(readings: &[Reading], labels: [&str; 2], errors: &FirstError, out: &mut Families) {
    let find = |element: &str| readings.iter().find(|it| it.element == element);
    let label = find("label").map(Reading::text);
    if let Some(label) = label {
        out.push(SENSOR_LABEL, (labels[0], labels[1], label), 1_u64);
    }
    let bare = find("");
    let bare_number = || bare?.number(errors);
    let kind = readings[0].kind;
    match kind {
        "beep_enable" => return out.push(BEEP_ENABLED, labels, bare_number().map(|it| it == 1.0)),
        "vrm" => return out.push(REGULATOR, labels, bare_number()),
        "update_interval" => return out.push(UPDATE_INTERVAL, labels, bare_number().map(thousandths)),
        _ => {}
    }
    let mut part = String::new();
    for reading in readings.iter().filter(|reading| reading.element != "label") {
        let Some(number) = reading.number(errors) else { continue };
        part.clear();
        part.push_str(kind);
        let is_the_value = reading.element.is_empty() || (reading.element == "input" && bare.is_none());
        if !is_the_value {
            part.push('_');
            part.push_str(&clean_name(reading.element.as_bytes()));
        }
        if (kind, reading.element.as_str()) == ("freq", "input") {
            let label = label.map(clean_name);
            let labels = label.as_deref().map(|label| [labels[0], label]);
            out.push_named(MEGAHERTZ, &part, labels.unwrap_or_default(), labels.map(|_| millionths(number)));
            continue;
        }
        let (family, scale) = family(kind, &reading.element);
        out.push_named(family, &part, labels, scale(number));
    }
}

/// The family of a sensor's file, and how its number becomes the family's.
fn family(kind: &str, element: &str) -> (Desc<2>, fn(f64) -> f64) {
    match (kind, element) {
        (_, "fault" | "alarm") | ("temp", "type") => (OTHER, whole),
        (_, "beep") => (ENABLED, whole),
        ("in" | "cpu", _) => (VOLTS, thousandths),
        // Alarms of single limits too (`temp1_crit_alarm`): that is the name under which alerts know them.
        ("temp", _) => (CELSIUS, thousandths),
        ("curr", _) => (AMPERES, thousandths),
        ("energy", _) => (JOULES, millionths),
        ("power", "accuracy") => (OTHER, millionths),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
            (SECONDS, thousandths)
        }
        ("power", _) => (WATTS, millionths),
        ("humidity", _) => (OTHER, millionths),
        ("fan", "input" | "min" | "max" | "target") => (RPM, whole),
        _ => (OTHER, whole),
    }
}

fn whole(number: f64) -> f64 {
    number
}

fn thousandths(number: f64) -> f64 {
    number * 0.001
}

fn millionths(number: f64) -> f64 {
    number / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check_errno, costs};
    use rustix::io::Errno;

    /// A chip as a driver of today makes it, and a device with two chips.
    const HOST: &[(&str, &str)] = &[
        ("sys/class/hwmon/hwmon0", "-> ../../devices/platform/coretemp.0/hwmon/hwmon0"),
        ("sys/devices/platform/coretemp.0/hwmon/hwmon0/device", "-> ../.."),
        ("sys/devices/platform/coretemp.0/hwmon/hwmon0/name", "coretemp\n"),
        ("sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_label", "Package id 0\n"),
        ("sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_input", "53000\n"),
        ("sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_crit_alarm", "1\n"),
        ("sys/class/hwmon/hwmon1", "-> ../../devices/platform/asus-nb-wmi/hwmon/hwmon1"),
        ("sys/devices/platform/asus-nb-wmi/hwmon/hwmon1/device", "-> ../.."),
        ("sys/devices/platform/asus-nb-wmi/hwmon/hwmon1/name", "asus\n"),
        ("sys/devices/platform/asus-nb-wmi/hwmon/hwmon1/pwm1_enable", "2\n"),
        ("sys/class/hwmon/hwmon2", "-> ../../devices/platform/asus-nb-wmi/hwmon/hwmon2"),
        ("sys/devices/platform/asus-nb-wmi/hwmon/hwmon2/device", "-> ../.."),
        ("sys/devices/platform/asus-nb-wmi/hwmon/hwmon2/name", "asus_wmi_sensors\n"),
        ("sys/devices/platform/asus-nb-wmi/hwmon/hwmon2/pwm1_enable", "0\n"),
    ];

    #[test]
    fn names_chips_after_their_devices() {
        check::<Hwmon>(
            "",
            HOST,
            expect![[r##"
            # HELP node_hwmon_chip_names 1 for each chip, with the name that its driver gives it.
            # TYPE node_hwmon_chip_names gauge
            node_hwmon_chip_names{chip="platform_asus_nb_wmi_asus",chip_name="asus"} 1
            node_hwmon_chip_names{chip="platform_asus_nb_wmi_asus_wmi_sensors",chip_name="asus_wmi_sensors"} 1
            node_hwmon_chip_names{chip="platform_coretemp_0",chip_name="coretemp"} 1
            # HELP node_hwmon_pwm_enable What the sensor's file of this name holds; humidity and accuracy as ratios.
            # TYPE node_hwmon_pwm_enable gauge
            node_hwmon_pwm_enable{chip="platform_asus_nb_wmi_asus",sensor="pwm1"} 2
            node_hwmon_pwm_enable{chip="platform_asus_nb_wmi_asus_wmi_sensors",sensor="pwm1"} 0
            # HELP node_hwmon_sensor_label 1 for each sensor that has a name, such as the part of the board that it measures.
            # TYPE node_hwmon_sensor_label gauge
            node_hwmon_sensor_label{chip="platform_coretemp_0",label="Package id 0",sensor="temp1"} 1
            # HELP node_hwmon_temp_celsius Temperature or its limit, in degrees Celsius; alarms are 0.001 when raised.
            # TYPE node_hwmon_temp_celsius gauge
            node_hwmon_temp_celsius{chip="platform_coretemp_0",sensor="temp1"} 53
            # HELP node_hwmon_temp_crit_alarm_celsius Temperature or its limit, in degrees Celsius; alarms are 0.001 when raised.
            # TYPE node_hwmon_temp_crit_alarm_celsius gauge
            node_hwmon_temp_crit_alarm_celsius{chip="platform_coretemp_0",sensor="temp1"} 0.001
        "##]],
        );
    }

    #[test]
    fn leaves_out_chips_and_sensors() {
        let section = "chip_exclude = \"_asus_wmi_sensors$\"\nsensor_include = \"^platform_asus.*;pwm\"";
        check::<Hwmon>(
            section,
            HOST,
            expect![[r##"
            # HELP node_hwmon_chip_names 1 for each chip, with the name that its driver gives it.
            # TYPE node_hwmon_chip_names gauge
            node_hwmon_chip_names{chip="platform_asus_nb_wmi_asus",chip_name="asus"} 1
            node_hwmon_chip_names{chip="platform_coretemp_0",chip_name="coretemp"} 1
            # HELP node_hwmon_pwm_enable What the sensor's file of this name holds; humidity and accuracy as ratios.
            # TYPE node_hwmon_pwm_enable gauge
            node_hwmon_pwm_enable{chip="platform_asus_nb_wmi_asus",sensor="pwm1"} 2
        "##]],
        );
    }

    #[test]
    fn numbers_the_chips_of_a_device_that_share_a_name() {
        let mut files = HOST.to_vec();
        files[12].1 = "asus\n";
        check::<Hwmon>(
            "chip_include = \"asus\"",
            &files,
            expect![[r##"
            # HELP node_hwmon_chip_names 1 for each chip, with the name that its driver gives it.
            # TYPE node_hwmon_chip_names gauge
            node_hwmon_chip_names{chip="platform_asus_nb_wmi_hwmon1",chip_name="asus"} 1
            node_hwmon_chip_names{chip="platform_asus_nb_wmi_hwmon2",chip_name="asus"} 1
            # HELP node_hwmon_pwm_enable What the sensor's file of this name holds; humidity and accuracy as ratios.
            # TYPE node_hwmon_pwm_enable gauge
            node_hwmon_pwm_enable{chip="platform_asus_nb_wmi_hwmon1",sensor="pwm1"} 2
            node_hwmon_pwm_enable{chip="platform_asus_nb_wmi_hwmon2",sensor="pwm1"} 0
        "##]],
        );
    }

    #[test]
    fn gives_each_kind_of_sensor_its_unit() {
        check::<Hwmon>(
            "",
            &[
                ("sys/class/hwmon/hwmon0/name", "Some Chip\n"),
                ("sys/class/hwmon/hwmon0/beep_enable", "1\n"),
                ("sys/class/hwmon/hwmon0/vrm", "90\n"),
                ("sys/class/hwmon/hwmon0/update_interval", "1500\n"),
                ("sys/class/hwmon/hwmon0/in0_input", "1100\n"),
                ("sys/class/hwmon/hwmon0/in0_alarm", "0\n"),
                ("sys/class/hwmon/hwmon0/in0_beep", "1\n"),
                ("sys/class/hwmon/hwmon0/cpu0_vid", "1450\n"),
                ("sys/class/hwmon/hwmon0/temp2_input", "-5500\n"),
                ("sys/class/hwmon/hwmon0/temp2_type", "4\n"),
                ("sys/class/hwmon/hwmon0/temp2_fault", "0\n"),
                ("sys/class/hwmon/hwmon0/temp2_max_hyst", "80000\n"),
                ("sys/class/hwmon/hwmon0/fan1_input", "1234\n"),
                ("sys/class/hwmon/hwmon0/fan1_div", "8\n"),
                ("sys/class/hwmon/hwmon0/pwm1", "127\n"),
                ("sys/class/hwmon/hwmon0/pwm1_input", "126\n"),
                ("sys/class/hwmon/hwmon0/curr1_input", "250\n"),
                ("sys/class/hwmon/hwmon0/power1_average", "15500000\n"),
                ("sys/class/hwmon/hwmon0/power1_accuracy", "950000\n"),
                ("sys/class/hwmon/hwmon0/power1_average_interval", "1000\n"),
                ("sys/class/hwmon/hwmon0/energy1_input", "123456789\n"),
                ("sys/class/hwmon/hwmon0/humidity1_input", "45000\n"),
                ("sys/class/hwmon/hwmon0/intrusion0_alarm", "1\n"),
                ("sys/class/hwmon/hwmon0/freq1_input", "700000000\n"),
                ("sys/class/hwmon/hwmon0/freq1_label", "sclk\n"),
                ("sys/class/hwmon/hwmon0/freq2_input", "800000000\n"),
            ],
            expect![[r##"
                # HELP node_hwmon_beep_enabled 1 if the chip may beep on alarms.
                # TYPE node_hwmon_beep_enabled gauge
                node_hwmon_beep_enabled{chip="some_chip",sensor="beep_enable0"} 1
                # HELP node_hwmon_chip_names 1 for each chip, with the name that its driver gives it.
                # TYPE node_hwmon_chip_names gauge
                node_hwmon_chip_names{chip="some_chip",chip_name="some_chip"} 1
                # HELP node_hwmon_cpu_vid_volts Voltage or its limit, in volts.
                # TYPE node_hwmon_cpu_vid_volts gauge
                node_hwmon_cpu_vid_volts{chip="some_chip",sensor="cpu0"} 1.45
                # HELP node_hwmon_curr_amps Current or its limit, in amperes.
                # TYPE node_hwmon_curr_amps gauge
                node_hwmon_curr_amps{chip="some_chip",sensor="curr1"} 0.25
                # HELP node_hwmon_energy_joule_total Energy used, in joules.
                # TYPE node_hwmon_energy_joule_total counter
                node_hwmon_energy_joule_total{chip="some_chip",sensor="energy1"} 123.456789
                # HELP node_hwmon_fan_div What the sensor's file of this name holds; humidity and accuracy as ratios.
                # TYPE node_hwmon_fan_div gauge
                node_hwmon_fan_div{chip="some_chip",sensor="fan1"} 8
                # HELP node_hwmon_fan_rpm Speed of the fan or its limit, in revolutions per minute.
                # TYPE node_hwmon_fan_rpm gauge
                node_hwmon_fan_rpm{chip="some_chip",sensor="fan1"} 1234
                # HELP node_hwmon_freq_freq_mhz Clock frequency, in megahertz.
                # TYPE node_hwmon_freq_freq_mhz gauge
                node_hwmon_freq_freq_mhz{chip="some_chip",sensor="sclk"} 700
                # HELP node_hwmon_humidity What the sensor's file of this name holds; humidity and accuracy as ratios.
                # TYPE node_hwmon_humidity gauge
                node_hwmon_humidity{chip="some_chip",sensor="humidity1"} 0.045
                # HELP node_hwmon_in_alarm What the sensor's file of this name holds; humidity and accuracy as ratios.
                # TYPE node_hwmon_in_alarm gauge
                node_hwmon_in_alarm{chip="some_chip",sensor="in0"} 0
                # HELP node_hwmon_in_beep_enabled 1 if the sensor beeps on an alarm.
                # TYPE node_hwmon_in_beep_enabled gauge
                node_hwmon_in_beep_enabled{chip="some_chip",sensor="in0"} 1
                # HELP node_hwmon_in_volts Voltage or its limit, in volts.
                # TYPE node_hwmon_in_volts gauge
                node_hwmon_in_volts{chip="some_chip",sensor="in0"} 1.1
                # HELP node_hwmon_intrusion_alarm What the sensor's file of this name holds; humidity and accuracy as ratios.
                # TYPE node_hwmon_intrusion_alarm gauge
                node_hwmon_intrusion_alarm{chip="some_chip",sensor="intrusion0"} 1
                # HELP node_hwmon_power_accuracy What the sensor's file of this name holds; humidity and accuracy as ratios.
                # TYPE node_hwmon_power_accuracy gauge
                node_hwmon_power_accuracy{chip="some_chip",sensor="power1"} 0.95
                # HELP node_hwmon_power_average_interval_seconds Time over which power is averaged, in seconds.
                # TYPE node_hwmon_power_average_interval_seconds gauge
                node_hwmon_power_average_interval_seconds{chip="some_chip",sensor="power1"} 1
                # HELP node_hwmon_power_average_watt Power or its limit, in watts.
                # TYPE node_hwmon_power_average_watt gauge
                node_hwmon_power_average_watt{chip="some_chip",sensor="power1"} 15.5
                # HELP node_hwmon_pwm What the sensor's file of this name holds; humidity and accuracy as ratios.
                # TYPE node_hwmon_pwm gauge
                node_hwmon_pwm{chip="some_chip",sensor="pwm1"} 127
                # HELP node_hwmon_pwm_input What the sensor's file of this name holds; humidity and accuracy as ratios.
                # TYPE node_hwmon_pwm_input gauge
                node_hwmon_pwm_input{chip="some_chip",sensor="pwm1"} 126
                # HELP node_hwmon_sensor_label 1 for each sensor that has a name, such as the part of the board that it measures.
                # TYPE node_hwmon_sensor_label gauge
                node_hwmon_sensor_label{chip="some_chip",label="sclk",sensor="freq1"} 1
                # HELP node_hwmon_temp_celsius Temperature or its limit, in degrees Celsius; alarms are 0.001 when raised.
                # TYPE node_hwmon_temp_celsius gauge
                node_hwmon_temp_celsius{chip="some_chip",sensor="temp2"} -5.5
                # HELP node_hwmon_temp_fault What the sensor's file of this name holds; humidity and accuracy as ratios.
                # TYPE node_hwmon_temp_fault gauge
                node_hwmon_temp_fault{chip="some_chip",sensor="temp2"} 0
                # HELP node_hwmon_temp_max_hyst_celsius Temperature or its limit, in degrees Celsius; alarms are 0.001 when raised.
                # TYPE node_hwmon_temp_max_hyst_celsius gauge
                node_hwmon_temp_max_hyst_celsius{chip="some_chip",sensor="temp2"} 80
                # HELP node_hwmon_temp_type What the sensor's file of this name holds; humidity and accuracy as ratios.
                # TYPE node_hwmon_temp_type gauge
                node_hwmon_temp_type{chip="some_chip",sensor="temp2"} 4
                # HELP node_hwmon_update_interval_seconds Time between two readings of the chip, in seconds.
                # TYPE node_hwmon_update_interval_seconds gauge
                node_hwmon_update_interval_seconds{chip="some_chip",sensor="update_interval0"} 1.5
                # HELP node_hwmon_voltage_regulator_version Version of the specification that the voltage regulator follows, times ten.
                # TYPE node_hwmon_voltage_regulator_version gauge
                node_hwmon_voltage_regulator_version{chip="some_chip",sensor="vrm0"} 90
            "##]],
        );
    }

    #[test]
    fn takes_files_of_the_device_and_skips_what_is_no_number() {
        check::<Hwmon>(
            "",
            &[
                ("sys/class/hwmon/hwmon7", "-> ../../devices/pci0000:00/0000:00:18.3/hwmon/hwmon7"),
                ("sys/devices/pci0000:00/0000:00:18.3/hwmon/hwmon7/device", "-> ../.."),
                ("sys/devices/pci0000:00/0000:00:18.3/hwmon/hwmon7/fan1_input", "N/A\n"),
                ("sys/devices/pci0000:00/0000:00:18.3/name", "k10temp\n"),
                ("sys/devices/pci0000:00/0000:00:18.3/power/control", "auto\n"),
                ("sys/devices/pci0000:00/0000:00:18.3/temp1_input", "41125\n"),
                ("sys/class/hwmon/hwmon8", "-> nowhere"),
                ("sys/class/hwmon/README", "no chip"),
            ],
            expect![[r##"
                # HELP node_hwmon_temp_celsius Temperature or its limit, in degrees Celsius; alarms are 0.001 when raised.
                # TYPE node_hwmon_temp_celsius gauge
                node_hwmon_temp_celsius{chip="pci0000:00_0000:00:18_3",sensor="temp1"} 41.125
            "##]],
        );
    }

    #[test]
    fn names_what_is_there_in_place_of_a_number() {
        for text in ["?garbage?", "1e400", "inf", "nan", "0x10"] {
            let input = ("sys/class/hwmon/hwmon0/in0_input", "3300\n");
            assert!(!costs::<Hwmon>(
                "",
                input,
                ("3300", text),
                "node_hwmon_in_volts{chip=\"hwmon0\",sensor=\"in0\"} 3.3000000000000003"
            ));
        }
        check_error::<Hwmon>(
            "",
            &[("sys/class/hwmon/hwmon0/in0_input", "1e400\n"), ("sys/class/hwmon/hwmon0/vrm", "90\n")],
            expect![[r##"
                # HELP node_hwmon_voltage_regulator_version Version of the specification that the voltage regulator follows, times ten.
                # TYPE node_hwmon_voltage_regulator_version gauge
                node_hwmon_voltage_regulator_version{chip="hwmon0",sensor="vrm0"} 90
                parse sys/class/hwmon/hwmon0/in0_input, line 1: expected a number, found `1e400`"##]],
        );
    }

    #[test]
    fn a_file_that_is_empty_or_in_words_is_no_failure() {
        check::<Hwmon>(
            "",
            &[
                ("sys/class/hwmon/hwmon0/power1_accuracy", "98.5%\n"),
                ("sys/class/hwmon/hwmon0/power1_model_number", "R740\n"),
                ("sys/class/hwmon/hwmon0/temp1_input", "\n"),
                ("sys/class/hwmon/hwmon0/temp2_input", "N/A\n"),
            ],
            expect![""],
        );
    }

    #[test]
    fn an_empty_class_gives_no_samples() {
        check::<Hwmon>("", &[("sys/class/hwmon/", "")], expect![[""]]);
    }

    #[test]
    fn a_host_without_the_class_has_none() {
        check_error::<Hwmon>("", &[], expect!["not on this host: sys/class/hwmon does not exist"]);
    }

    #[test]
    fn a_sensor_that_is_gone_costs_itself() {
        check_errno::<Hwmon>(
            &HOST[..6],
            ("sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_input", Errno::IO),
            expect![[r##"
                # HELP node_hwmon_chip_names 1 for each chip, with the name that its driver gives it.
                # TYPE node_hwmon_chip_names gauge
                node_hwmon_chip_names{chip="platform_coretemp_0",chip_name="coretemp"} 1
                # HELP node_hwmon_sensor_label 1 for each sensor that has a name, such as the part of the board that it measures.
                # TYPE node_hwmon_sensor_label gauge
                node_hwmon_sensor_label{chip="platform_coretemp_0",label="Package id 0",sensor="temp1"} 1
                # HELP node_hwmon_temp_crit_alarm_celsius Temperature or its limit, in degrees Celsius; alarms are 0.001 when raised.
                # TYPE node_hwmon_temp_crit_alarm_celsius gauge
                node_hwmon_temp_crit_alarm_celsius{chip="platform_coretemp_0",sensor="temp1"} 0.001
            "##]],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Hwmon>("", HOST);
    }
}
