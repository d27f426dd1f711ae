//! `/sys/class/powercap`: energy that parts of the processor used, by Intel's RAPL and AMD's. See
//! Documentation/power/powercap/powercap.rst.

use crate::{collectors::prelude::*, metric::legal_name};
use std::{collections::HashMap, io::ErrorKind, path::PathBuf};

metrics! {
    ZONE: Counter "node_rapl_*_joules_total" ["index", "path"], "Energy that the part of the processor in the metric's name used, in joules; it begins anew at a limit that the hardware sets.";
    ANY_ZONE: Counter "node_rapl_joules_total" ["index", "path", "rapl_zone"], "Energy that each part of the processor used, in joules; it begins anew at a limit that the hardware sets.";
}

section! {
    pub(super) struct Config {
        /// Names the zone in the label rapl_zone instead of the metric's name.
        enable_zone_label: bool = false,
    }
}

pub(super) struct Rapl {
    class: PathBuf,
    enable_zone_label: bool,
    /// What the class held when `zones` was made.
    names: Vec<String>,
    zones: Vec<Zone>,
}

/// A zone's files but for its energy never change.
struct Zone {
    name: String,
    metric_part: String,
    /// Tells zones of one name apart.
    index: i64,
    path: String,
    energy: File,
}

impl Spec for Rapl {
    const SUMMARY: &'static str =
        "Energy used by processor packages, cores and memory, from /sys/class/powercap.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let class = host.sys("class/powercap");
        let enable_zone_label = config.enable_zone_label;
        let mut rapl = Self { class, enable_zone_label, names: Vec::new(), zones: Vec::new() };
        // Energies are root's to open, and privileges are dropped soon. What goes wrong does so again at a scrape.
        rapl.find_zones().ok();
        rapl.zones.iter_mut().for_each(|it| drop(it.microjoules()));
        Ok(rapl)
    }
}

impl Collector for Rapl {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        self.find_zones()?;
        let mut outcome = Ok(());
        for zone in &mut self.zones {
            let joules = match zone.microjoules() {
                Ok(microjoules) => microjoules as f64 / 1e6,
                Err(error) => {
                    outcome = outcome.and(error.unless_no_value());
                    continue;
                }
            };
            if self.enable_zone_label {
                out.push(ANY_ZONE, (zone.index, &zone.path, &zone.name), joules);
            } else {
                out.push_named(ZONE, &zone.metric_part, (zone.index, &zone.path), joules);
            }
        }
        outcome.map_err(absent_if_denied)
    }
}

impl Rapl {
    /// Lists the zones, unless they are those of last time.
    fn find_zones(&mut self) -> Result<(), Error> {
        let Some(class) = Folder::open(&self.class).map_err(absent_if_denied)? else {
            return Err(Error::Absent(format!("{} does not exist", self.class.display())));
        };
        let names = class.names()?;
        if names != self.names {
            self.zones = open_zones(&class, &names)?;
            self.names = names;
        }
        Ok(())
    }
}

impl Zone {
    fn microjoules(&mut self) -> Result<u64, source::Error> {
        let number = source::number(self.energy.read()?.trim_ascii());
        number.ok_or_else(|| self.energy.parse_error(1, "expected a number"))
    }
}

/// Since Linux 5.10 only root may read energies, which tell what others compute (CVE-2020-8694).
fn absent_if_denied(error: source::Error) -> Error {
    match error.io_kind() {
        Some(ErrorKind::PermissionDenied) => Error::Absent(error.to_string()),
        _ => error.into(),
    }
}

fn open_zones(class: &Folder, names: &[String]) -> Result<Vec<Zone>, Error> {
    let mut zones = Vec::new();
    let mut n_of_name = HashMap::new();
    for entry in names {
        let Some(folder) = class.folder(entry)? else { continue };
        // The control types (`intel-rapl`) have no name, their zones (`intel-rapl:0`) do.
        let Some(name) = folder.value("name").ok().flatten().filter(|it| !it.is_empty()) else { continue };
        let (name, index) = split_index(&name.to_text(), &n_of_name);
        n_of_name.insert(name.clone(), index + 1);
        zones.push(Zone {
            metric_part: legal_name(&name),
            path: folder.path().to_string_lossy().into_owned(),
            energy: File::new(folder.path().join("energy_uj")),
            name,
            index,
        });
    }
    Ok(zones)
}

/// `package-1` is the package of index 1. Of names without a number the first is 0, the next 1.
fn split_index(name: &str, n_of_name: &HashMap<String, i64>) -> (String, i64) {
    if let [name, index] = name.split('-').collect::<Vec<_>>()[..]
        && let Ok(index) = index.parse()
    {
        return (name.to_owned(), index);
    }
    (name.to_owned(), n_of_name.get(name).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check_errno;
    use rustix::io::Errno;

    const HOST: &[(&str, &str)] = &[
        ("sys/class/powercap/intel-rapl/enabled", "1\n"),
        ("sys/class/powercap/intel-rapl:0/name", "package-1\n"),
        ("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850\n"),
        ("sys/class/powercap/intel-rapl:0/energy_uj", "240422366267\n"),
        ("sys/class/powercap/intel-rapl:0:0/name", "dram\n"),
        ("sys/class/powercap/intel-rapl:0:0/max_energy_range_uj", "262143328850\n"),
        ("sys/class/powercap/intel-rapl:0:0/energy_uj", "1\n"),
        ("sys/class/powercap/intel-rapl:1:0/name", "dram\n"),
        ("sys/class/powercap/intel-rapl:1:0/max_energy_range_uj", "262143328850\n"),
        ("sys/class/powercap/intel-rapl:1:0/energy_uj", "2\n"),
    ];

    #[test]
    fn names_the_zone_in_the_metric() {
        check::<Rapl>(
            "",
            HOST,
            expect![[r##"
            # HELP node_rapl_dram_joules_total Energy that the part of the processor in the metric's name used, in joules; it begins anew at a limit that the hardware sets.
            # TYPE node_rapl_dram_joules_total counter
            node_rapl_dram_joules_total{index="0",path="sys/class/powercap/intel-rapl:0:0"} 1e-06
            node_rapl_dram_joules_total{index="1",path="sys/class/powercap/intel-rapl:1:0"} 2e-06
            # HELP node_rapl_package_joules_total Energy that the part of the processor in the metric's name used, in joules; it begins anew at a limit that the hardware sets.
            # TYPE node_rapl_package_joules_total counter
            node_rapl_package_joules_total{index="1",path="sys/class/powercap/intel-rapl:0"} 240422.366267
        "##]],
        );
    }

    #[test]
    fn names_the_zone_in_a_label() {
        check::<Rapl>(
            "enable_zone_label = true",
            &HOST[..4],
            expect![[r##"
            # HELP node_rapl_joules_total Energy that each part of the processor used, in joules; it begins anew at a limit that the hardware sets.
            # TYPE node_rapl_joules_total counter
            node_rapl_joules_total{index="1",path="sys/class/powercap/intel-rapl:0",rapl_zone="package"} 240422.366267
        "##]],
        );
    }

    #[test]
    fn keeps_the_part_of_a_name_that_is_no_index() {
        let mut files = HOST[1..4].to_vec();
        files[0].1 = "package-0-die-1\n";
        check::<Rapl>(
            "",
            &files,
            expect![[r##"
            # HELP node_rapl_package_0_die_1_joules_total Energy that the part of the processor in the metric's name used, in joules; it begins anew at a limit that the hardware sets.
            # TYPE node_rapl_package_0_die_1_joules_total counter
            node_rapl_package_0_die_1_joules_total{index="0",path="sys/class/powercap/intel-rapl:0"} 240422.366267
        "##]],
        );
    }

    #[test]
    fn notices_a_new_zone() {
        let host = crate::testing::TestHost::new(&HOST[..4]);
        let mut rapl: Rapl = host.open("").unwrap();
        let mut out = Families::new(METRICS);
        rapl.collect(&mut out).unwrap();
        for (path, content) in &HOST[4..7] {
            host.write(path, content);
        }
        out.clear();
        rapl.collect(&mut out).unwrap();
        assert_eq!(out.n_samples(), 2);
    }

    #[test]
    fn refuses_energy_that_is_no_number() {
        let mut files = HOST[1..4].to_vec();
        files[2].1 = "-5\n";
        check_error::<Rapl>(
            "",
            &files,
            expect!["parse sys/class/powercap/intel-rapl:0/energy_uj, line 1: expected a number"],
        );
    }

    #[test]
    fn a_host_without_energy_counters_has_none() {
        check_error::<Rapl>("", &[], expect!["not on this host: sys/class/powercap does not exist"]);
    }

    #[test]
    fn a_zone_may_lack_its_range_or_its_energy() {
        let files = [HOST[1], HOST[3], HOST[4], HOST[5]];
        check::<Rapl>(
            "",
            &files,
            expect![[r##"
            # HELP node_rapl_package_joules_total Energy that the part of the processor in the metric's name used, in joules; it begins anew at a limit that the hardware sets.
            # TYPE node_rapl_package_joules_total counter
            node_rapl_package_joules_total{index="1",path="sys/class/powercap/intel-rapl:0"} 240422.366267
        "##]],
        );
    }

    #[test]
    fn a_zone_that_cannot_be_read_costs_itself() {
        check_errno::<Rapl>(
            &HOST[1..7],
            ("sys/class/powercap/intel-rapl:0/energy_uj", Errno::NODATA),
            expect![[r##"
                # HELP node_rapl_dram_joules_total Energy that the part of the processor in the metric's name used, in joules; it begins anew at a limit that the hardware sets.
                # TYPE node_rapl_dram_joules_total counter
                node_rapl_dram_joules_total{index="0",path="sys/class/powercap/intel-rapl:0:0"} 1e-06
            "##]],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Rapl>("", HOST);
    }
}
