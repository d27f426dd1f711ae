//! `/proc/interrupts`: see proc_interrupts(5). A column a CPU that is online, a row an interrupt, then what it is for.
//! Read by hand: the procfs crate does not.

use crate::collectors::prelude::*;

metrics! {
    COUNT: Counter "node_interrupts_total" ["cpu", "type", "info", "devices"], "Interrupts that each CPU has handled; CPUs are counted from 0 in the order of the file.";
}

section! {
    pub(super) struct Config {
        /// Regex over the interrupts to show, as `type;info;devices`.
        name_include: Option<Pattern> = "",
        /// Regex over the interrupts to leave out, as `type;info;devices`.
        name_exclude: Option<Pattern> = "",
        /// Shows the interrupts that a CPU never had, too.
        include_zeros: bool = true,
    }
}

pub(super) struct Interrupts {
    file: File,
    rows: Rows,
}

/// What to show, and room to put names together in.
struct Rows {
    filter: Filter,
    include_zeros: bool,
    info: Vec<u8>,
    devices: Vec<u8>,
    key: Vec<u8>,
}

impl Spec for Interrupts {
    const SUMMARY: &'static str = "Interrupts by CPU and source, from /proc/interrupts.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let filter = Filter::new(config.name_include, config.name_exclude);
        let [info, devices, key] = [const { Vec::new() }; 3];
        let rows = Rows { filter, include_zeros: config.include_zeros, info, devices, key };
        Ok(Self { file: host.proc("interrupts"), rows })
    }
}

impl Collector for Interrupts {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let expected = "the names of the CPUs, then rows with a count for each";
        Ok(self.file.parse(expected, |text| self.rows.push(text, out))?)
    }
}

impl Rows {
    fn push(&mut self, text: &[u8], out: &mut Families) -> Result<(), usize> {
        let mut lines = source::lines(text);
        let (_, header) = lines.next().ok_or(1_usize)?;
        let n_cpus = source::words(header).count();
        // Without the names of the CPUs nobody knows where the counts end.
        if !source::words(header).all(|word| word.starts_with(b"CPU")) {
            return Err(1);
        }
        source::for_each_line(lines, |_, line| {
            // Some architectures leave no blank between the colon and the first count.
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { return Some(()) };
            let (name, counts) = (line[..colon].trim_ascii_start(), &line[colon + 1..]);
            // `ERR` and `MIS` are one count for the machine.
            if source::words(counts).nth(n_cpus).is_none() {
                return Some(());
            }
            self.describe(name, source::words(counts).skip(n_cpus));
            if !self.filter.keeps(&self.key) {
                return Some(());
            }
            let mut is_whole = true;
            for (cpu, count) in source::words(counts).take(n_cpus).map(source::count).enumerate() {
                is_whole &= count.is_some();
                let shown = count.flatten().filter(|&count| self.include_zeros || count != 0);
                out.push(COUNT, (cpu, name, &self.info, &self.devices), shown);
            }
            is_whole.then_some(())
        })
    }

    /// Splits what stands after the counts: a numbered interrupt has the name of its controller, then of its devices.
    fn describe<'a>(&mut self, name: &[u8], mut words: impl Iterator<Item = &'a [u8]>) {
        self.info.clear();
        self.devices.clear();
        if source::number::<i64>(name).is_some() {
            self.info.extend(words.next().unwrap_or_default());
            join(words, &mut self.devices);
        } else {
            join(words, &mut self.info);
        }
        self.key.clear();
        join_by(b';', [name, &self.info, &self.devices], &mut self.key);
    }
}

fn join<'a>(words: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    join_by(b' ', words, out);
}

fn join_by<'a>(separator: u8, parts: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            out.push(separator);
        }
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "           CPU0       CPU1\n  9:     398553          0  IR-IO-APIC-fasteoi   acpi\n 16:          0         12  IR-IO-APIC   16-fasteoi   ehci_hcd:usb1, mmc0\nLOC:   17448311   17485932   Local timer interrupts\nERR:          0\nMIS:          0\n";

    #[test]
    fn splits_controller_and_devices() {
        check::<Interrupts>(
            "",
            &[("proc/interrupts", TEXT)],
            expect![[r##"
            # HELP node_interrupts_total Interrupts that each CPU has handled; CPUs are counted from 0 in the order of the file.
            # TYPE node_interrupts_total counter
            node_interrupts_total{cpu="0",devices="",info="Local timer interrupts",type="LOC"} 1.7448311e+07
            node_interrupts_total{cpu="0",devices="16-fasteoi ehci_hcd:usb1, mmc0",info="IR-IO-APIC",type="16"} 0
            node_interrupts_total{cpu="0",devices="acpi",info="IR-IO-APIC-fasteoi",type="9"} 398553
            node_interrupts_total{cpu="1",devices="",info="Local timer interrupts",type="LOC"} 1.7485932e+07
            node_interrupts_total{cpu="1",devices="16-fasteoi ehci_hcd:usb1, mmc0",info="IR-IO-APIC",type="16"} 12
            node_interrupts_total{cpu="1",devices="acpi",info="IR-IO-APIC-fasteoi",type="9"} 0
        "##]],
        );
    }

    #[test]
    fn reads_rows_without_a_blank_after_the_colon() {
        let text =
            "  CPU0 CPU1\n30:123456789 0 GICv3 30 Level arch_timer\nIPI0:7 8 Rescheduling interrupts\n";
        check::<Interrupts>(
            "",
            &[("proc/interrupts", text)],
            expect![[r##"
            # HELP node_interrupts_total Interrupts that each CPU has handled; CPUs are counted from 0 in the order of the file.
            # TYPE node_interrupts_total counter
            node_interrupts_total{cpu="0",devices="",info="Rescheduling interrupts",type="IPI0"} 7
            node_interrupts_total{cpu="0",devices="30 Level arch_timer",info="GICv3",type="30"} 1.23456789e+08
            node_interrupts_total{cpu="1",devices="",info="Rescheduling interrupts",type="IPI0"} 8
            node_interrupts_total{cpu="1",devices="30 Level arch_timer",info="GICv3",type="30"} 0
        "##]],
        );
    }

    #[test]
    fn leaves_out_zeros_and_names() {
        let section = "include_zeros = false\nname_exclude = \";acpi$\"\nname_include = \"^[0-9]\"";
        check::<Interrupts>(
            section,
            &[("proc/interrupts", TEXT)],
            expect![[r##"
            # HELP node_interrupts_total Interrupts that each CPU has handled; CPUs are counted from 0 in the order of the file.
            # TYPE node_interrupts_total counter
            node_interrupts_total{cpu="1",devices="16-fasteoi ehci_hcd:usb1, mmc0",info="IR-IO-APIC",type="16"} 12
        "##]],
        );
    }

    #[test]
    fn refuses_a_count_that_is_no_number() {
        let text = " CPU0 CPU1\n LOC: many 7 Local timer interrupts\n RES: -3 8 Rescheduling interrupts\n";
        check_error::<Interrupts>(
            "",
            &[("proc/interrupts", text)],
            expect![[r##"
                # HELP node_interrupts_total Interrupts that each CPU has handled; CPUs are counted from 0 in the order of the file.
                # TYPE node_interrupts_total counter
                node_interrupts_total{cpu="1",devices="",info="Local timer interrupts",type="LOC"} 7
                node_interrupts_total{cpu="1",devices="",info="Rescheduling interrupts",type="RES"} 8
                parse proc/interrupts, line 2: expected the names of the CPUs, then rows with a count for each"##]],
        );
    }

    #[test]
    fn refuses_counts_of_nobody_knows_which_cpus() {
        check_error::<Interrupts>(
            "",
            &[("proc/interrupts", " LOC: 7 8 Local timer interrupts\n RES: 8 9 Rescheduling interrupts\n")],
            expect![
                "parse proc/interrupts, line 1: expected the names of the CPUs, then rows with a count for each"
            ],
        );
    }

    #[test]
    fn refuses_an_empty_file() {
        check_error::<Interrupts>(
            "",
            &[("proc/interrupts", "")],
            expect![
                "parse proc/interrupts, line 1: expected the names of the CPUs, then rows with a count for each"
            ],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Interrupts>(
            "",
            &[],
            expect!["read proc/interrupts: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Interrupts>("", &[("proc/interrupts", TEXT)]);
    }
}
