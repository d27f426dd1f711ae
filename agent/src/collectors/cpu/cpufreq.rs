//! `/sys/devices/system/cpu/cpu*/cpufreq`: see Documentation/admin-guide/pm/cpufreq.rst of the kernel. The files have
//! kHz; we push hertz.

use crate::{collectors::prelude::*, source::cpus};

metrics! {
    GOVERNOR: Gauge "node_cpu_scaling_governor" ["cpu", "governor"], "1 for the governor that chooses each CPU's frequency, 0 for the others that could.";
    &CPU_FREQUENCY as CURRENT ["cpu"];
    |it: &Frequencies| ["cpu"];
    Gauge "node_cpu_frequency_avg_hertz" = it.average, "Frequency of each CPU averaged over the last ticks, as the hardware counts it, in hertz.";
    Gauge "node_cpu_frequency_max_hertz" = it.max, "Highest frequency that each CPU can run at, in hertz.";
    Gauge "node_cpu_frequency_min_hertz" = it.min, "Lowest frequency that each CPU can run at, in hertz.";
    Gauge "node_cpu_scaling_frequency_hertz" = it.scaling, "Frequency of each CPU as the kernel knows or estimates it, in hertz.";
    Gauge "node_cpu_scaling_frequency_max_hertz" = it.scaling_max, "Highest frequency that the governor may choose, in hertz.";
    Gauge "node_cpu_scaling_frequency_min_hertz" = it.scaling_min, "Lowest frequency that the governor may choose, in hertz.";
}

/// In hertz.
struct Frequencies {
    average: Option<f64>,
    current: Option<f64>,
    max: Option<f64>,
    min: Option<f64>,
    scaling: Option<f64>,
    scaling_max: Option<f64>,
    scaling_min: Option<f64>,
}

pub(super) struct Cpufreq {
    cpus: Option<Folder>,
    offline: File,
}

impl Spec for Cpufreq {
    const SUMMARY: &'static str = "CPU frequencies, their limits and governors, from sysfs.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let folder = host.sys("devices/system/cpu");
        Ok(Self { offline: File::new(folder.join("offline")), cpus: Folder::open(folder)? })
    }
}

impl Collector for Cpufreq {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let errors = FirstError::default();
        let offline = self.offline.read_if_present().map(|set| cpus::parse_set(set.unwrap_or_default()));
        let offline = match errors.ok(offline) {
            Some(None) => {
                errors.note(self.offline.parse_error(1, "expected a set of CPUs"));
                Vec::new()
            }
            offline => offline.flatten().unwrap_or_default(),
        };
        let Some(cpus) = &self.cpus else { return Ok(errors.end()?) };
        for folder in cpus::folders(cpus)? {
            let Some(cpu) = cpus::number_of(&folder) else { continue };
            let is_offline = cpu.parse().is_ok_and(|cpu| offline.contains(&cpu));
            // A CPU may go offline now, and takes its folder along.
            if !is_offline && let Some(files) = errors.value(cpus.folder(&format!("{folder}/cpufreq"))) {
                let frequencies = Frequencies::read(&files, &errors);
                out.push(CURRENT, [cpu], frequencies.current);
                push_rows(&frequencies, [cpu], out);
                push_governors(&files, cpu, &errors, out);
            }
        }
        Ok(errors.end()?)
    }
}

impl Frequencies {
    fn read(files: &Folder, errors: &FirstError) -> Self {
        let hertz = |name| hertz(files, name, errors);
        Self {
            average: hertz("cpuinfo_avg_freq"),
            current: hertz("cpuinfo_cur_freq"),
            max: hertz("cpuinfo_max_freq"),
            min: hertz("cpuinfo_min_freq"),
            scaling: hertz("scaling_cur_freq"),
            scaling_max: hertz("scaling_max_freq"),
            scaling_min: hertz("scaling_min_freq"),
        }
    }
}

/// `None` when the file is not there, is root's alone, or the driver does not know now.
fn hertz(files: &Folder, name: &str, errors: &FirstError) -> Option<f64> {
    let value = files.value(name).ok()??;
    let kilohertz = source::number::<u64>(&value);
    if kilohertz.is_none() && *value != *b"<unknown>" {
        errors.note(files.unexpected(name, "a number of kHz", &value));
    }
    kilohertz.map(|it| it as f64 * 1000.0)
}

fn push_governors(files: &Folder, cpu: &str, errors: &FirstError, out: &mut Families) {
    let Some(chosen) = errors.value(files.value("scaling_governor")) else { return };
    let Some(available) = errors.value(files.value("scaling_available_governors")) else { return };
    if !source::words(&available).any(|governor| *governor == *chosen) {
        return errors.note(files.unexpected("scaling_governor", "one that is available", &chosen));
    }
    for governor in source::words(&available) {
        out.push(GOVERNOR, (cpu, governor), *governor == *chosen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU0: &str = "sys/devices/system/cpu/cpu0/cpufreq";

    #[test]
    fn gives_frequencies_and_governors() {
        let files = [
            ("sys/devices/system/cpu/offline", "1,10-11\n"),
            (&format!("{CPU0}/cpuinfo_avg_freq"), "1700001\n"),
            (&format!("{CPU0}/cpuinfo_cur_freq"), "1700000\n"),
            (&format!("{CPU0}/cpuinfo_max_freq"), "3700000\n"),
            (&format!("{CPU0}/cpuinfo_min_freq"), "800000\n"),
            (&format!("{CPU0}/scaling_cur_freq"), "1699981\n"),
            (&format!("{CPU0}/scaling_max_freq"), "3600000\n"),
            (&format!("{CPU0}/scaling_min_freq"), "900000\n"),
            (&format!("{CPU0}/scaling_available_governors"), "performance powersave \n"),
            (&format!("{CPU0}/scaling_governor"), "powersave\n"),
            // Offline: not read.
            (&CPU0.replace("cpu0", "cpu1"), "a file"),
            (&(CPU0.replace("cpu0", "cpu10") + "/scaling_cur_freq"), "what?\n"),
            // Has no driver.
            ("sys/devices/system/cpu/cpu2/uevent", ""),
            // Tells little.
            (&(CPU0.replace("cpu0", "cpu3") + "/scaling_cur_freq"), "<unknown>\n"),
            (&(CPU0.replace("cpu0", "cpu3") + "/scaling_min_freq"), "700000\n"),
            (&(CPU0.replace("cpu0", "cpu3") + "/scaling_governor"), "userspace\n"),
        ];
        check::<Cpufreq>(
            "",
            &files,
            expect![[r##"
            # HELP node_cpu_frequency_avg_hertz Frequency of each CPU averaged over the last ticks, as the hardware counts it, in hertz.
            # TYPE node_cpu_frequency_avg_hertz gauge
            node_cpu_frequency_avg_hertz{cpu="0"} 1.700001e+09
            # HELP node_cpu_frequency_hertz Clock frequency of each CPU as the hardware or /proc/cpuinfo tells it, in hertz.
            # TYPE node_cpu_frequency_hertz gauge
            node_cpu_frequency_hertz{cpu="0"} 1.7e+09
            # HELP node_cpu_frequency_max_hertz Highest frequency that each CPU can run at, in hertz.
            # TYPE node_cpu_frequency_max_hertz gauge
            node_cpu_frequency_max_hertz{cpu="0"} 3.7e+09
            # HELP node_cpu_frequency_min_hertz Lowest frequency that each CPU can run at, in hertz.
            # TYPE node_cpu_frequency_min_hertz gauge
            node_cpu_frequency_min_hertz{cpu="0"} 8e+08
            # HELP node_cpu_scaling_frequency_hertz Frequency of each CPU as the kernel knows or estimates it, in hertz.
            # TYPE node_cpu_scaling_frequency_hertz gauge
            node_cpu_scaling_frequency_hertz{cpu="0"} 1.699981e+09
            # HELP node_cpu_scaling_frequency_max_hertz Highest frequency that the governor may choose, in hertz.
            # TYPE node_cpu_scaling_frequency_max_hertz gauge
            node_cpu_scaling_frequency_max_hertz{cpu="0"} 3.6e+09
            # HELP node_cpu_scaling_frequency_min_hertz Lowest frequency that the governor may choose, in hertz.
            # TYPE node_cpu_scaling_frequency_min_hertz gauge
            node_cpu_scaling_frequency_min_hertz{cpu="0"} 9e+08
            node_cpu_scaling_frequency_min_hertz{cpu="3"} 7e+08
            # HELP node_cpu_scaling_governor 1 for the governor that chooses each CPU's frequency, 0 for the others that could.
            # TYPE node_cpu_scaling_governor gauge
            node_cpu_scaling_governor{cpu="0",governor="performance"} 0
            node_cpu_scaling_governor{cpu="0",governor="powersave"} 1
        "##]],
        );
    }

    #[test]
    fn a_host_without_drivers_gives_no_samples() {
        let files = [("sys/devices/system/cpu/offline", "\n"), ("sys/devices/system/cpu/cpu0/", "")];
        check::<Cpufreq>("", &files, expect![""]);
    }

    #[test]
    fn refuses_what_is_no_frequency() {
        let files = [
            (&*format!("{CPU0}/scaling_cur_freq"), "fast\n"),
            (&format!("{CPU0}/scaling_min_freq"), "800000\n"),
        ];
        check_error::<Cpufreq>(
            "",
            &files,
            expect![[r##"
                # HELP node_cpu_scaling_frequency_min_hertz Lowest frequency that the governor may choose, in hertz.
                # TYPE node_cpu_scaling_frequency_min_hertz gauge
                node_cpu_scaling_frequency_min_hertz{cpu="0"} 8e+08
                parse sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq, line 1: expected a number of kHz, found `fast`"##]],
        );
    }

    #[test]
    fn the_list_of_those_that_are_off_may_be_missing_or_broken() {
        let files = [(&*format!("{CPU0}/scaling_min_freq"), "800000\n")];
        check::<Cpufreq>(
            "",
            &files,
            expect![[r##"
            # HELP node_cpu_scaling_frequency_min_hertz Lowest frequency that the governor may choose, in hertz.
            # TYPE node_cpu_scaling_frequency_min_hertz gauge
            node_cpu_scaling_frequency_min_hertz{cpu="0"} 8e+08
        "##]],
        );
        let broken = ("sys/devices/system/cpu/offline", "none\n");
        check_error::<Cpufreq>(
            "",
            &[broken, files[0]],
            expect![[r##"
                # HELP node_cpu_scaling_frequency_min_hertz Lowest frequency that the governor may choose, in hertz.
                # TYPE node_cpu_scaling_frequency_min_hertz gauge
                node_cpu_scaling_frequency_min_hertz{cpu="0"} 8e+08
                parse sys/devices/system/cpu/offline, line 1: expected a set of CPUs"##]],
        );
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        let files = [
            ("sys/devices/system/cpu/offline", "1-3,5\n"),
            (&format!("{CPU0}/scaling_cur_freq"), "1699981\n"),
            (&format!("{CPU0}/scaling_available_governors"), "performance powersave\n"),
            (&format!("{CPU0}/scaling_governor"), "powersave\n"),
        ];
        never_panics::<Cpufreq>("", &files);
    }
}
