//! `/proc/cgroups`: see cgroups(7).

use crate::collectors::prelude::*;

metrics! {
    CGROUPS: Gauge "node_cgroups_cgroups" ["subsys_name"], "Control groups that use the controller.";
    ENABLED: Gauge "node_cgroups_enabled" ["subsys_name"], "1 if the controller is enabled, 0 if it was disabled at boot.";
}

pub(super) struct Cgroups(File);

impl Spec for Cgroups {
    const SUMMARY: &'static str = "Numbers of control groups by controller, from /proc/cgroups.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.proc("cgroups")))
    }
}

impl Collector for Cgroups {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        Ok(self.0.parse_lines("a name and three numbers", |_, line| {
            if line.starts_with(b"#") {
                return Some(());
            }
            let words: Vec<_> = source::words(line).collect();
            let [name, _hierarchy, n_cgroups, enabled, ..] = words[..] else { return None };
            let (n_cgroups, enabled) = (source::decimal(n_cgroups), source::decimal(enabled));
            out.push(CGROUPS, [name], n_cgroups);
            out.push(ENABLED, [name], enabled);
            n_cgroups.and(enabled).map(drop)
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t0\t93\t1\nmemory\t0\t93\t0\n";

    #[test]
    fn counts_by_controller() {
        check::<Cgroups>(
            "",
            &[("proc/cgroups", TEXT)],
            expect![[r##"
            # HELP node_cgroups_cgroups Control groups that use the controller.
            # TYPE node_cgroups_cgroups gauge
            node_cgroups_cgroups{subsys_name="cpuset"} 93
            node_cgroups_cgroups{subsys_name="memory"} 93
            # HELP node_cgroups_enabled 1 if the controller is enabled, 0 if it was disabled at boot.
            # TYPE node_cgroups_enabled gauge
            node_cgroups_enabled{subsys_name="cpuset"} 1
            node_cgroups_enabled{subsys_name="memory"} 0
        "##]],
        );
    }

    #[test]
    fn an_empty_file_gives_no_samples() {
        check::<Cgroups>("", &[("proc/cgroups", "")], expect![[""]]);
    }

    #[test]
    fn refuses_a_count_that_is_no_number() {
        check_error::<Cgroups>(
            "",
            &[("proc/cgroups", "cpu\t1\t2\t1\nmemory\t1\tmany\t1\n")],
            expect![[r##"
                # HELP node_cgroups_cgroups Control groups that use the controller.
                # TYPE node_cgroups_cgroups gauge
                node_cgroups_cgroups{subsys_name="cpu"} 2
                # HELP node_cgroups_enabled 1 if the controller is enabled, 0 if it was disabled at boot.
                # TYPE node_cgroups_enabled gauge
                node_cgroups_enabled{subsys_name="cpu"} 1
                node_cgroups_enabled{subsys_name="memory"} 1
                parse proc/cgroups, line 2: expected a name and three numbers"##]],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Cgroups>("", &[], expect!["read proc/cgroups: No such file or directory (os error 2)"]);
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Cgroups>("", &[("proc/cgroups", TEXT)]);
    }
}
