//! What each CPU does and is: `/proc/stat`, `/sys/devices/system/cpu` and, when asked for, `/proc/cpuinfo`. See
//! proc_stat(5) and Documentation/ABI/testing/sysfs-devices-system-cpu of the kernel.

use crate::{
    collectors::prelude::*,
    source::{
        cpus::{self, CpuFiles, Isolated},
        proc::{
            cpuinfo::{CpuInfo, CpuInfos},
            stat::{CpuTimes, GUEST_MODES, MODES, start},
        },
    },
};

metrics! {
    BUG: Gauge "node_cpu_bug_info" ["bug"], "1 for each hardware bug that the first CPU is known to have.";
    CORE_THROTTLES: Counter "node_cpu_core_throttles_total" ["package", "core"], "Times that a core was slowed down because of its heat.";
    FLAG: Gauge "node_cpu_flag_info" ["flag"], "1 for each feature that the first CPU has.";
    GUEST: Counter "node_cpu_guest_seconds_total" ["cpu", "mode"], "Seconds each CPU ran virtual machines, which node_cpu_seconds_total counts as user and nice too.";
    INFO: Gauge "node_cpu_info" ["package", "core", "cpu", "vendor", "family", "model", "model_name", "microcode", "stepping", "cachesize"], "1 for each CPU, with what /proc/cpuinfo says of it.";
    ISOLATED: Gauge "node_cpu_isolated" ["cpu"], "1 for each CPU that the scheduler leaves alone.";
    ONLINE: Gauge "node_cpu_online" ["cpu"], "1 if the CPU is in use, 0 if it was switched off.";
    PACKAGE_THROTTLES: Counter "node_cpu_package_throttles_total" ["package"], "Times that a package of cores was slowed down because of its heat.";
    SECONDS: Counter "node_cpu_seconds_total" ["cpu", "mode"], "Seconds each CPU spent in each mode.";
    &CPU_FREQUENCY as FREQUENCY ["package", "core", "cpu"];
}

section! {
    pub(super) struct Config {
        /// Shows the time spent in virtual machines, node_cpu_guest_seconds_total.
        guest: bool = true,
        /// Shows node_cpu_info, from /proc/cpuinfo.
        info: bool = false,
        /// With info, shows node_cpu_frequency_hertz too; the default is false where `cpufreq` is off.
        info_frequency: bool = true,
        /// Regex over the CPU's features: those to show as node_cpu_flag_info. Implies info.
        info_flags_include: Option<Pattern> = "" => "collector.cpu.info.flags-include",
        /// Regex over the CPU's bugs: those to show as node_cpu_bug_info. Implies info.
        info_bugs_include: Option<Pattern> = "" => "collector.cpu.info.bugs-include",
    }
}

pub(super) struct Cpu {
    config: Config,
    stat: File,
    cpuinfo: Option<File>,
    sysfs: Option<Folder>,
    isolated: Isolated,
    times: CpuTimes,
    /// `None` until they were looked for among the CPUs that are online now.
    files: Option<CpuFiles>,
}

impl Spec for Cpu {
    const SUMMARY: &'static str =
        "Time each CPU spent in each mode, and throttling, from /proc/stat and sysfs.";
    const ENABLED: bool = true;
    const START: Start = Start::Boot;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let lists = config.info_flags_include.is_some() || config.info_bugs_include.is_some();
        Ok(Self {
            cpuinfo: (config.info || lists).then(|| host.proc("cpuinfo")),
            config,
            stat: host.proc("stat"),
            sysfs: Folder::open(host.sys("devices/system/cpu"))?,
            isolated: Isolated::new(host),
            times: CpuTimes::default(),
            files: None,
        })
    }
}

impl Collector for Cpu {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let errors = FirstError::default();
        errors.ok(self.push_times(out));
        errors.ok(self.push_info(out));
        for cpu in errors.ok(self.isolated.cpus()).into_iter().flatten() {
            out.push(ISOLATED, [cpu], true);
        }
        errors.ok(self.push_files(out));
        Ok(errors.end()?)
    }
}

impl Cpu {
    fn push_info(&mut self, out: &mut Families) -> Result<(), source::Error> {
        let Some(file) = &mut self.cpuinfo else { return Ok(()) };
        file.parse("a processor, or a field of one", |text| {
            let mut infos = CpuInfos::default();
            let added = infos.add(text);
            push_cpuinfo(&infos.cpus, &self.config, out);
            added
        })
    }

    fn push_times(&mut self, out: &mut Families) -> Result<(), source::Error> {
        let Self { stat, times, files, config, .. } = self;
        stat.parse("`cpu`, its number and its times", |text| {
            let advanced = times.advance(text);
            files.take_if(|_| times.others_are_online);
            for (cpu, ticks) in times.iter() {
                let seconds = |place: usize| ticks[place].map(|ticks| ticks as f64 / 100.0);
                for (mode, place) in MODES {
                    out.push_since(SECONDS, (cpu, mode), seconds(place), start(mode));
                }
                for (mode, place) in GUEST_MODES.into_iter().filter(|_| config.guest) {
                    out.push(GUEST, (cpu, mode), seconds(place));
                }
            }
            advanced
        })
    }

    fn push_files(&mut self, out: &mut Families) -> Result<(), source::Error> {
        let Some(sysfs) = &self.sysfs else { return Ok(()) };
        let files = match &mut self.files {
            Some(known) => known,
            unknown => unknown.insert(CpuFiles::find(sysfs)?),
        };
        // A CPU that goes offline takes its files along; the next scrape knows.
        let counts = sysfs.unlisted_attributes();
        for ((package, core), file) in &files.core_throttles {
            out.push(CORE_THROTTLES, [package, core], counts.unsigned(file));
        }
        for (package, file) in &files.package_throttles {
            out.push(PACKAGE_THROTTLES, [package], counts.unsigned(file));
        }
        let online = if files.tell_online { cpus::online(sysfs)? } else { Vec::new() };
        for (cpu, is_online) in online {
            out.push(ONLINE, [cpu], is_online);
        }
        counts.end()
    }
}

fn push_cpuinfo(cpus: &[CpuInfo<'_>], config: &Config, out: &mut Families) {
    for it in cpus {
        let CpuInfo { package, core, cpu, vendor, family, model, model_name, microcode, .. } = *it;
        let labels =
            (package, core, cpu, vendor, family, model, model_name, microcode, it.stepping, it.cache_size);
        out.push(INFO, labels, true);
        let megahertz = it.megahertz.filter(|_| config.info_frequency);
        out.push(FREQUENCY, (package, core, cpu), megahertz.map(|it| it * 1e6));
    }
    let Some(first) = cpus.first() else { return };
    for (family, words, include) in
        [(FLAG, first.flags, &config.info_flags_include), (BUG, first.bugs, &config.info_bugs_include)]
    {
        let Some(include) = include else { continue };
        for word in source::words(words).filter(|word| include.is_match(word)) {
            out.push(family, [word], true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    const STAT: &str = "cpu  55373 0 15306 260427 1213 0 157 69 0 0\n\
        cpu0 27253 1 6915 131874 253 2 25 30 40 5\n\
        cpu2 28119 0 8390 128553 959 0 132 38 0 0\n\
        intr 735645 0 0 25\n";

    #[test]
    fn gives_the_times_of_cpus_that_are_online() {
        check::<Cpu>(
            "",
            &[("proc/stat", STAT)],
            expect![[r##"
            # HELP node_cpu_guest_seconds_total Seconds each CPU ran virtual machines, which node_cpu_seconds_total counts as user and nice too.
            # TYPE node_cpu_guest_seconds_total counter
            node_cpu_guest_seconds_total{cpu="0",mode="nice"} 0.05
            node_cpu_guest_seconds_total{cpu="0",mode="user"} 0.4
            node_cpu_guest_seconds_total{cpu="2",mode="nice"} 0
            node_cpu_guest_seconds_total{cpu="2",mode="user"} 0
            # HELP node_cpu_seconds_total Seconds each CPU spent in each mode.
            # TYPE node_cpu_seconds_total counter
            node_cpu_seconds_total{cpu="0",mode="idle"} 1318.74
            node_cpu_seconds_total{cpu="0",mode="iowait"} 2.53
            node_cpu_seconds_total{cpu="0",mode="irq"} 0.02
            node_cpu_seconds_total{cpu="0",mode="nice"} 0.01
            node_cpu_seconds_total{cpu="0",mode="softirq"} 0.25
            node_cpu_seconds_total{cpu="0",mode="steal"} 0.3
            node_cpu_seconds_total{cpu="0",mode="system"} 69.15
            node_cpu_seconds_total{cpu="0",mode="user"} 272.53
            node_cpu_seconds_total{cpu="2",mode="idle"} 1285.53
            node_cpu_seconds_total{cpu="2",mode="iowait"} 9.59
            node_cpu_seconds_total{cpu="2",mode="irq"} 0
            node_cpu_seconds_total{cpu="2",mode="nice"} 0
            node_cpu_seconds_total{cpu="2",mode="softirq"} 1.32
            node_cpu_seconds_total{cpu="2",mode="steal"} 0.38
            node_cpu_seconds_total{cpu="2",mode="system"} 83.9
            node_cpu_seconds_total{cpu="2",mode="user"} 281.19
        "##]],
        );
    }

    #[test]
    fn leaves_guests_out_when_asked_and_takes_old_kernels_short_lines() {
        check::<Cpu>(
            "guest = false",
            &[("proc/stat", "cpu0 1 2 3 400\n")],
            expect![[r##"
                # HELP node_cpu_seconds_total Seconds each CPU spent in each mode.
                # TYPE node_cpu_seconds_total counter
                node_cpu_seconds_total{cpu="0",mode="idle"} 4
                node_cpu_seconds_total{cpu="0",mode="nice"} 0.02
                node_cpu_seconds_total{cpu="0",mode="system"} 0.03
                node_cpu_seconds_total{cpu="0",mode="user"} 0.01
            "##]],
        );
    }

    #[test]
    fn counters_never_go_back_unless_the_cpu_was_off() {
        let host = TestHost::new(&[("proc/stat", "cpu0 100 0 0 1000 50 0 0 0 0 0\n")]);
        let mut cpu: Cpu = host.open("guest = false").unwrap();
        let mut answer = |stat: &str| {
            host.write("proc/stat", stat);
            let mut out = Families::new(METRICS);
            cpu.collect(&mut out).unwrap();
            let wanted = ["idle", "iowait", "user"].map(|mode| format!("mode=\"{mode}\""));
            let text = host.render(&out);
            let values = text.lines().filter(|line| wanted.iter().any(|mode| line.contains(mode)));
            values.filter_map(|line| line.split(' ').next_back().map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(answer("cpu0 100 0 0 1000 50 0 0 0 0 0\n"), ["10", "0.5", "1"]);
        assert_eq!(answer("cpu0 101 0 0 701 49 0 0 0 0 0\n"), ["10", "0.5", "1.01"]);
        assert_eq!(answer("cpu0 5 0 0 700 3 0 0 0 0 0\n"), ["7", "0.03", "0.05"]);
        // Off, then on again with the counters it had: the kernel's word holds, as for a CPU never seen.
        assert_eq!(answer("cpu1 5 0 0 700 3 0 0 0 0 0\n"), ["7", "0.03", "0.05"]);
        assert_eq!(answer("cpu0 4 0 0 699 3 0 0 0 0 0\n"), ["6.99", "0.03", "0.04"]);
    }

    #[test]
    fn gives_throttling_by_core_and_package_isolation_and_what_is_online() {
        let cpus = "sys/devices/system/cpu";
        let files = [
            ("proc/stat", ""),
            (&format!("{cpus}/isolated"), "1-2,9\n"),
            (&format!("{cpus}/cpuidle/"), ""),
            (&format!("{cpus}/cpu0/online"), "1\n"),
            (&format!("{cpus}/cpu0/topology/physical_package_id"), "0\n"),
            (&format!("{cpus}/cpu0/topology/core_id"), "0\n"),
            (&format!("{cpus}/cpu0/thermal_throttle/core_throttle_count"), "5\n"),
            (&format!("{cpus}/cpu0/thermal_throttle/package_throttle_count"), "30\n"),
            // The same core: not counted twice.
            (&format!("{cpus}/cpu1/online"), "1\n"),
            (&format!("{cpus}/cpu1/topology/physical_package_id"), "0\n"),
            (&format!("{cpus}/cpu1/topology/core_id"), "0\n"),
            (&format!("{cpus}/cpu1/thermal_throttle/core_throttle_count"), "6\n"),
            // Another core, whose package tells nothing.
            (&format!("{cpus}/cpu10/online"), "1\n"),
            (&format!("{cpus}/cpu10/topology/physical_package_id"), "1\n"),
            (&format!("{cpus}/cpu10/topology/core_id"), "7\n"),
            (&format!("{cpus}/cpu10/thermal_throttle/core_throttle_count"), "0\n"),
            // Off.
            (&format!("{cpus}/cpu2/online"), "0\n"),
            // No package on some arm64 boards.
            (&format!("{cpus}/cpu3/topology/physical_package_id"), "-1\n"),
        ];
        check::<Cpu>(
            "",
            &files,
            expect![[r##"
                # HELP node_cpu_core_throttles_total Times that a core was slowed down because of its heat.
                # TYPE node_cpu_core_throttles_total counter
                node_cpu_core_throttles_total{core="0",package="0"} 5
                node_cpu_core_throttles_total{core="7",package="1"} 0
                # HELP node_cpu_isolated 1 for each CPU that the scheduler leaves alone.
                # TYPE node_cpu_isolated gauge
                node_cpu_isolated{cpu="1"} 1
                node_cpu_isolated{cpu="2"} 1
                node_cpu_isolated{cpu="9"} 1
                # HELP node_cpu_online 1 if the CPU is in use, 0 if it was switched off.
                # TYPE node_cpu_online gauge
                node_cpu_online{cpu="0"} 1
                node_cpu_online{cpu="1"} 1
                node_cpu_online{cpu="10"} 1
                node_cpu_online{cpu="2"} 0
                # HELP node_cpu_package_throttles_total Times that a package of cores was slowed down because of its heat.
                # TYPE node_cpu_package_throttles_total counter
                node_cpu_package_throttles_total{package="0"} 30
            "##]],
        );
    }

    #[test]
    fn looks_for_throttling_anew_when_a_cpu_comes_online() {
        let host = TestHost::new(&[
            ("proc/stat", "cpu0 1 2 3 4\n"),
            ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
            ("sys/devices/system/cpu/cpu0/topology/core_id", "0\n"),
            ("sys/devices/system/cpu/cpu1/uevent", ""),
        ]);
        let mut cpu: Cpu = host.open("").unwrap();
        let mut out = Families::new(METRICS);
        cpu.collect(&mut out).unwrap();
        host.write("proc/stat", "cpu0 1 2 3 4\ncpu1 1 2 3 4\n");
        host.write("sys/devices/system/cpu/cpu1/topology/physical_package_id", "0\n");
        host.write("sys/devices/system/cpu/cpu1/topology/core_id", "1\n");
        host.write("sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "8\n");
        out.clear();
        cpu.collect(&mut out).unwrap();
        assert!(host.render(&out).contains("node_cpu_core_throttles_total{core=\"1\",package=\"0\"} 8\n"));
    }

    #[test]
    fn a_count_that_is_no_number_is_named() {
        let cpus = "sys/devices/system/cpu";
        let count = format!("{cpus}/cpu0/thermal_throttle/core_throttle_count");
        let host = TestHost::new(&[
            ("proc/stat", "cpu0 1 2 3 4\n"),
            (&format!("{cpus}/cpu0/topology/physical_package_id"), "0\n"),
            (&format!("{cpus}/cpu0/topology/core_id"), "0\n"),
            (&count, "many\n"),
            (&format!("{cpus}/cpu0/thermal_throttle/package_throttle_count"), "3\n"),
        ]);
        let mut cpu: Cpu = host.open("").unwrap();
        let mut out = Families::new(METRICS);
        let error = cpu.collect(&mut out).unwrap_err().to_string();
        assert!(error.contains(&count) && error.contains("found `many`"), "{error}");
        assert!(host.render(&out).contains("node_cpu_package_throttles_total{package=\"0\"} 3\n"));
    }

    const CPUINFO: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 142\n\
        model name\t: Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz\nstepping\t: 10\nmicrocode\t: 0xb4\n\
        cpu MHz\t\t: 799.998\ncache size\t: 8192 KB\nphysical id\t: 0\nsiblings\t: 8\ncore id\t\t: 3\n\
        flags\t\t: fpu aes avx avx2\nbugs\t\t: cpu_meltdown mds swapgs\npower management:\n\n\
        processor\t: 1\nmicrocode\t:\nflags\t\t: sse\nbugs\t\t:\n\n";

    #[test]
    fn gives_what_cpuinfo_says_when_asked() {
        let section = "info_flags_include = 'a[ev].*2?'\ninfo_bugs_include = '^mds$'";
        check::<Cpu>(
            section,
            &[("proc/stat", ""), ("proc/cpuinfo", CPUINFO)],
            expect![[r##"
            # HELP node_cpu_bug_info 1 for each hardware bug that the first CPU is known to have.
            # TYPE node_cpu_bug_info gauge
            node_cpu_bug_info{bug="mds"} 1
            # HELP node_cpu_flag_info 1 for each feature that the first CPU has.
            # TYPE node_cpu_flag_info gauge
            node_cpu_flag_info{flag="aes"} 1
            node_cpu_flag_info{flag="avx"} 1
            node_cpu_flag_info{flag="avx2"} 1
            # HELP node_cpu_frequency_hertz Clock frequency of each CPU as the hardware or /proc/cpuinfo tells it, in hertz.
            # TYPE node_cpu_frequency_hertz gauge
            node_cpu_frequency_hertz{core="3",cpu="0",package="0"} 7.99998e+08
            # HELP node_cpu_info 1 for each CPU, with what /proc/cpuinfo says of it.
            # TYPE node_cpu_info gauge
            node_cpu_info{cachesize="",core="",cpu="1",family="",microcode="",model="",model_name="",package="",stepping="",vendor=""} 1
            node_cpu_info{cachesize="8192 KB",core="3",cpu="0",family="6",microcode="0xb4",model="142",model_name="Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz",package="0",stepping="10",vendor="GenuineIntel"} 1
        "##]],
        );
    }

    #[test]
    fn knows_what_arm64_says() {
        let text = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n\n";
        let files = [("proc/stat", ""), ("proc/cpuinfo", text)];
        check::<Cpu>(
            "info_flags_include = '.'",
            &files,
            expect![[r##"
            # HELP node_cpu_flag_info 1 for each feature that the first CPU has.
            # TYPE node_cpu_flag_info gauge
            node_cpu_flag_info{flag="asimd"} 1
            node_cpu_flag_info{flag="fp"} 1
            # HELP node_cpu_info 1 for each CPU, with what /proc/cpuinfo says of it.
            # TYPE node_cpu_info gauge
            node_cpu_info{cachesize="",core="",cpu="0",family="",microcode="",model="",model_name="",package="",stepping="",vendor=""} 1
        "##]],
        );
    }

    /// The samples of `text` as cpuinfo.
    fn info(text: &str) -> String {
        let host = TestHost::new(&[("proc/stat", ""), ("proc/cpuinfo", text)]);
        let mut out = Families::new(METRICS);
        host.open::<Cpu>("info_flags_include = '.'").unwrap().collect(&mut out).unwrap();
        let text = host.render(&out);
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.to_owned() + "\n").collect()
    }

    #[test]
    fn knows_what_s390x_says() {
        let text = "vendor_id       : IBM/S390\n# processors    : 2\nbogomips per cpu: 3033.00\nmax thread id   : 0\n\
            features\t: esan3 zarch\ncache0          : level=1 type=Data scope=Private\n\
            processor 0: version = 00,  identification = 2733E8,  machine = 2964\n\
            processor 1: version = 00,  identification = 2733E8,  machine = 2964\n\n\
            cpu number      : 0\ncore id         : 3\ncpu MHz dynamic : 5000\ncpu MHz static  : 5000\n\n\
            cpu number      : 1\ncpu MHz dynamic : 4000\n";
        expect![[r#"
            node_cpu_flag_info{flag="esan3"} 1
            node_cpu_flag_info{flag="zarch"} 1
            node_cpu_frequency_hertz{core="",cpu="1",package=""} 4e+09
            node_cpu_frequency_hertz{core="3",cpu="0",package=""} 5e+09
            node_cpu_info{cachesize="",core="",cpu="1",family="",microcode="",model="",model_name="",package="",stepping="",vendor="IBM/S390"} 1
            node_cpu_info{cachesize="",core="3",cpu="0",family="",microcode="",model="",model_name="",package="",stepping="",vendor="IBM/S390"} 1
        "#]].assert_eq(&info(text));
    }

    #[test]
    fn knows_what_mips_and_loongarch_say() {
        let text = "system type\t\t: UBNT_E100\nmachine\t\t\t: Unknown\nprocessor\t\t: 0\n\
            cpu model\t\t: Cavium Octeon+ V0.1\nBogoMIPS\t\t: 1000.00\n\nprocessor\t\t: 1\n\
            CPU Family\t\t: Loongson-64bit\nModel Name\t\t: Loongson-3A5000\n";
        expect![[r#"
            node_cpu_info{cachesize="",core="",cpu="0",family="",microcode="",model="",model_name="Cavium Octeon+ V0.1",package="",stepping="",vendor="UBNT_E100"} 1
            node_cpu_info{cachesize="",core="",cpu="1",family="Loongson-64bit",microcode="",model="",model_name="Loongson-3A5000",package="",stepping="",vendor="UBNT_E100"} 1
        "#]].assert_eq(&info(text));
    }

    #[test]
    fn knows_what_old_arm_says() {
        let text = "Processor\t: ARMv7 Processor rev 3 (v7l)\nprocessor\t: 0\nBogoMIPS\t: 1.00\n\n\
            processor\t: 1\nBogoMIPS\t: 1.00\n\nFeatures\t: swp half\nCPU implementer\t: 0x41\n\nHardware\t: Odroid\n";
        expect![[r#"
            node_cpu_flag_info{flag="half"} 1
            node_cpu_flag_info{flag="swp"} 1
            node_cpu_info{cachesize="",core="",cpu="0",family="",microcode="",model="",model_name="ARMv7 Processor rev 3 (v7l)",package="",stepping="",vendor=""} 1
            node_cpu_info{cachesize="",core="",cpu="1",family="",microcode="",model="",model_name="ARMv7 Processor rev 3 (v7l)",package="",stepping="",vendor=""} 1
        "#]].assert_eq(&info(text));
        let text = "Processor\t: ARM926EJ-S rev 5 (v5l)\nBogoMIPS\t: 992.87\nFeatures\t: swp\n\nHardware\t: Kirkwood\n";
        expect![[r#"
            node_cpu_flag_info{flag="swp"} 1
            node_cpu_info{cachesize="",core="",cpu="0",family="",microcode="",model="",model_name="ARM926EJ-S rev 5 (v5l)",package="",stepping="",vendor=""} 1
        "#]].assert_eq(&info(text));
    }

    #[test]
    fn knows_what_powerpc_and_riscv_say() {
        let text = "processor\t: 0\ncpu\t\t: POWER7 (architected), altivec supported\nclock\t\t: 3000.000000MHz\n\
            revision\t: 2.1 (pvr 003f 0201)\n\ntimebase\t: 512000000\nplatform\t: pSeries\nmodel\t\t: IBM,8205-E6C\n";
        expect![[r#"
            node_cpu_frequency_hertz{core="",cpu="0",package=""} 3e+09
            node_cpu_info{cachesize="",core="",cpu="0",family="",microcode="",model="",model_name="",package="",stepping="",vendor="POWER7 (architected), altivec supported"} 1
        "#]].assert_eq(&info(text));
        let text = "processor\t: 0\nhart\t\t: 1\nisa\t\t: rv64imafdc\nmmu\t\t: sv39\n\n";
        expect![[r#"
            node_cpu_info{cachesize="",core="1",cpu="0",family="",microcode="",model="",model_name="rv64imafdc",package="",stepping="",vendor=""} 1
        "#]].assert_eq(&info(text));
    }

    #[test]
    fn one_bad_item_costs_itself() {
        let error =
            |section: &str, files: &[(&str, &str)], expect| check_error::<Cpu>(section, files, expect);
        let stat = "cpu  1 2 3 4\ncpux 1 2 3 4\ncpu0 100 x -300\n";
        error(
            "",
            &[("proc/stat", stat)],
            expect![[r##"
            # HELP node_cpu_seconds_total Seconds each CPU spent in each mode.
            # TYPE node_cpu_seconds_total counter
            node_cpu_seconds_total{cpu="0",mode="user"} 1
            parse proc/stat, line 2: expected `cpu`, its number and its times"##]],
        );
        let stat = ("proc/stat", "cpu0 100\n");
        let cpuinfo = "processor : 0\ncpu MHz : fast\nmodel : 7\n\nprocessor : one\nmodel : 8\n";
        error(
            "info = true",
            &[stat, ("proc/cpuinfo", cpuinfo)],
            expect![[r##"
            # HELP node_cpu_info 1 for each CPU, with what /proc/cpuinfo says of it.
            # TYPE node_cpu_info gauge
            node_cpu_info{cachesize="",core="",cpu="0",family="",microcode="",model="7",model_name="",package="",stepping="",vendor=""} 1
            # HELP node_cpu_seconds_total Seconds each CPU spent in each mode.
            # TYPE node_cpu_seconds_total counter
            node_cpu_seconds_total{cpu="0",mode="user"} 1
            parse proc/cpuinfo, line 2: expected a processor, or a field of one"##]],
        );
        let isolated = ("sys/devices/system/cpu/isolated", "1-\n");
        error(
            "",
            &[stat, isolated],
            expect![[r##"
            # HELP node_cpu_seconds_total Seconds each CPU spent in each mode.
            # TYPE node_cpu_seconds_total counter
            node_cpu_seconds_total{cpu="0",mode="user"} 1
            parse sys/devices/system/cpu/isolated, line 1: expected a set of CPUs such as `0-3,8`"##]],
        );
        error(
            "info = true",
            &[stat],
            expect![[r##"
            # HELP node_cpu_seconds_total Seconds each CPU spent in each mode.
            # TYPE node_cpu_seconds_total counter
            node_cpu_seconds_total{cpu="0",mode="user"} 1
            read proc/cpuinfo: No such file or directory (os error 2)"##]],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Cpu>("", &[], expect!["read proc/stat: No such file or directory (os error 2)"]);
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        let files = [
            ("proc/stat", STAT),
            ("proc/cpuinfo", CPUINFO),
            ("sys/devices/system/cpu/isolated", "1-3,5\n"),
            ("sys/devices/system/cpu/cpu0/online", "1\n"),
            ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
            ("sys/devices/system/cpu/cpu0/topology/core_id", "0\n"),
            ("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "5\n"),
        ];
        never_panics::<Cpu>("info_flags_include = '.'", &files);
    }
}
