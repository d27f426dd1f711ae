//! `/proc/vmstat`: see proc_vmstat(5).
//! Read by hand: the procfs crate refuses the whole file when one counter is above 2^63, as one that underflowed is.

use crate::collectors::prelude::*;

metrics! {
    FIELD: Untyped "node_vmstat_*" [], "The field of this name in /proc/vmstat.";
}

section! {
    pub(super) struct Config {
        /// Regex over the file's fields: those to show.
        fields: Pattern = "^(oom_kill|pgpg|pswp|pg.*fault).*",
    }
}

pub(super) struct Vmstat {
    file: File,
    fields: Pattern,
    /// The fields in the kernel's order, which stays the same, and whether each is shown: the regex is asked once a field.
    known: Vec<(Box<str>, bool)>,
}

impl Spec for Vmstat {
    const SUMMARY: &'static str = "Paging, faults, swapping and OOM kills, from /proc/vmstat.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self { file: host.proc("vmstat"), fields: config.fields, known: Vec::new() })
    }
}

impl Collector for Vmstat {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { file, fields, known } = self;
        Ok(file.parse_lines("`name number`", |number, line| {
            let (name, value) = parse_line(line)?;
            let idx = number - 1;
            if known.get(idx).is_none_or(|(it, _)| **it != *name) {
                // Lines that could not be parsed have none.
                known.resize(idx, (Box::default(), false));
                known.push((name.into(), fields.is_match(name)));
            }
            if known[idx].1 {
                out.push_named(FIELD, name, (), value);
            }
            Some(())
        })?)
    }
}

fn parse_line(line: &[u8]) -> Option<(&str, Option<u64>)> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    Some((name, source::count(value.as_bytes())?)).filter(|_| is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "nr_free_pages 2322278\npgpgin 705\npgpgout 18446744073709551615\npswpin 0\npgfault 25\n\
        pgmajfault 5\noom_kill 1\nthp_fault_alloc 9\n";

    #[test]
    fn gives_the_fields_that_dashboards_show() {
        check::<Vmstat>(
            "",
            &[("proc/vmstat", TEXT)],
            expect![[r#"
            # HELP node_vmstat_oom_kill The field of this name in /proc/vmstat.
            # TYPE node_vmstat_oom_kill untyped
            node_vmstat_oom_kill 1
            # HELP node_vmstat_pgfault The field of this name in /proc/vmstat.
            # TYPE node_vmstat_pgfault untyped
            node_vmstat_pgfault 25
            # HELP node_vmstat_pgmajfault The field of this name in /proc/vmstat.
            # TYPE node_vmstat_pgmajfault untyped
            node_vmstat_pgmajfault 5
            # HELP node_vmstat_pgpgin The field of this name in /proc/vmstat.
            # TYPE node_vmstat_pgpgin untyped
            node_vmstat_pgpgin 705
            # HELP node_vmstat_pgpgout The field of this name in /proc/vmstat.
            # TYPE node_vmstat_pgpgout untyped
            node_vmstat_pgpgout 1.8446744073709552e+19
            # HELP node_vmstat_pswpin The field of this name in /proc/vmstat.
            # TYPE node_vmstat_pswpin untyped
            node_vmstat_pswpin 0
        "#]],
        );
    }

    #[test]
    fn gives_the_fields_that_are_asked_for() {
        check::<Vmstat>(
            "fields = 'free|^thp'",
            &[("proc/vmstat", TEXT)],
            expect![[r#"
            # HELP node_vmstat_nr_free_pages The field of this name in /proc/vmstat.
            # TYPE node_vmstat_nr_free_pages untyped
            node_vmstat_nr_free_pages 2.322278e+06
            # HELP node_vmstat_thp_fault_alloc The field of this name in /proc/vmstat.
            # TYPE node_vmstat_thp_fault_alloc untyped
            node_vmstat_thp_fault_alloc 9
        "#]],
        );
    }

    #[test]
    fn an_empty_file_gives_no_samples() {
        check::<Vmstat>("", &[("proc/vmstat", "")], expect![[""]]);
    }

    #[test]
    fn refuses_a_broken_line_even_of_a_field_not_asked_for() {
        for text in ["pgpgin 1\nnr_free_pages\n", "pgpgin 1\nnr_free_pages many\n", "pgpgin 1\nnr{} 2\n"] {
            let broken = expect!["parse proc/vmstat, line 2: expected `name number`"];
            check_error::<Vmstat>("fields = 'none'", &[("proc/vmstat", text)], broken);
        }
    }

    #[test]
    fn a_broken_line_costs_itself() {
        let text = "pgpgin many\npgpgout -1\npgfault 25\n";
        check_error::<Vmstat>(
            "",
            &[("proc/vmstat", text)],
            expect![[r#"
            # HELP node_vmstat_pgfault The field of this name in /proc/vmstat.
            # TYPE node_vmstat_pgfault untyped
            node_vmstat_pgfault 25
            parse proc/vmstat, line 1: expected `name number`"#]],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Vmstat>("", &[], expect!["read proc/vmstat: No such file or directory (os error 2)"]);
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        never_panics::<Vmstat>("fields = '.'", &[("proc/vmstat", TEXT)]);
    }
}
