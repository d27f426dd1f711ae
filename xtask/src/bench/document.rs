//! The figures of a bench in `agent/docs/performance.md`.

use std::fs::{read_to_string, write as write_file};

use anyhow::{Context, Result};

use super::report::Figures;
use crate::process::workspace;

const DOCUMENT: &str = "agent/docs/performance.md";
const BEGIN: &str = "<!-- begin: cargo xtask bench scrape --write -->\n";
const END: &str = "<!-- end -->\n";

/// Replaces what stands between the marks. `method`: how they were measured.
pub(super) fn write(figures: &[Figures], method: &str) -> Result<()> {
    let path = workspace().join(DOCUMENT);
    let text = read_to_string(&path).with_context(|| format!("read {DOCUMENT}"))?;
    let table = format!("{}, {method}:\n\n{}", machine()?, table(figures));
    let text = replaced(&text, &table).with_context(|| format!("{DOCUMENT} has no place for figures"))?;
    write_file(&path, text).with_context(|| format!("write {DOCUMENT}"))
}

fn replaced(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

fn machine() -> Result<String> {
    let cpus = read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    let n_cpus = cpus.lines().filter(|it| it.starts_with("processor")).count();
    let model = cpus.lines().find_map(|it| it.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("of an unknown model", |(_, it)| it);
    let kernel = read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's release")?;
    Ok(format!("{n_cpus} CPUs ({model}), Linux {}", kernel.trim_end()))
}

/// What a table says of an exporter.
type Cell<'a> = &'a dyn Fn(&Figures) -> String;

/// A column for each exporter.
fn table(figures: &[Figures]) -> String {
    let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
    let cells = |of: Cell<'_>| figures.iter().map(of).collect::<Vec<_>>().join(" | ");
    let base = figures.first();
    let ratio = |it: &Figures| base.map_or(f64::NAN, |base| it.cpu_p50 / base.cpu_p50);
    let rows: [(&str, Cell<'_>); 16] = [
        ("CPU a scrape, median (ms)", &|it| format!("{:.2}", it.cpu_p50)),
        ("to the first", &|it| format!("{:.3}", ratio(it))),
        ("CPU a scrape, mean (ms)", &|it| format!("{:.2}", it.cpu_mean)),
        ("CPU in a second without a scrape (ms)", &|it| format!("{:.2}", it.cpu_idle)),
        ("time of a scrape, median (ms)", &|it| format!("{:.2}", it.wall_p50)),
        ("time of a scrape, 99th percentile (ms)", &|it| format!("{:.2}", it.wall_p99)),
        ("voluntary context switches a scrape", &|it| format!("{:.1}", it.switches)),
        ("samples", &|it| it.n_samples.to_string()),
        ("bytes on the wire", &|it| it.wire_bytes.to_string()),
        ("bytes on the wire a sample", &|it| format!("{:.1}", it.wire_bytes as f64 / it.n_samples as f64)),
        ("resident (MiB)", &|it| mib(it.memory.resident)),
        ("of it anonymous (MiB)", &|it| mib(it.memory.anonymous)),
        ("resident, shared pages divided (MiB)", &|it| mib(it.memory.proportional)),
        ("resident at the peak (MiB)", &|it| mib(it.memory.peak)),
        ("threads", &|it| it.memory.n_threads.to_string()),
        ("from the start to the first answer (ms)", &|it| format!("{:.0}", it.first_answer)),
    ];
    let mut text =
        format!("| | {} |\n|---|{}\n", cells(&|it| it.name.clone()), "---:|".repeat(figures.len()));
    for (name, of) in rows {
        text += &format!("| {name} | {} |\n", cells(of));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_what_stands_between_the_marks() {
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(replaced(&text, "new\n").unwrap(), format!("before\n{BEGIN}new\n{END}after\n"));
        assert_eq!(replaced("before\n", "new\n"), None);
    }

    #[test]
    fn has_a_column_for_each_exporter() {
        let of = |name: &str, cpu_p50| Figures {
            name: name.to_owned(),
            cpu_p50,
            n_samples: 4,
            wire_bytes: 10,
            ..Figures::default()
        };
        let text = table(&[of("base", 8.0), of("ours", 1.0)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["| | base | ours |", "|---|---:|---:|"]);
        assert!(lines.contains(&"| to the first | 1.000 | 0.125 |"), "{text}");
        assert!(lines.contains(&"| bytes on the wire a sample | 2.5 | 2.5 |"), "{text}");
    }
}
