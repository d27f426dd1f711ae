//! `/sys/devices/system/node/node<N>/{meminfo,numastat}`: memory of each NUMA node. See
//! Documentation/ABI/stable/sysfs-devices-node. The files' kB are KiB; we push bytes, under names without a unit, as
//! node_exporter does.

use crate::{collectors::prelude::*, metric::legal_name, source::numbered};
use std::path::PathBuf;

metrics! {
    FIELD: Gauge "node_memory_numa_*" ["node"], "The field of this name of the node's meminfo: bytes, or a count of huge pages.";
    COUNT: Counter "node_memory_numa_*_total" ["node"], "The field of this name of the node's numastat, in pages: hit, wanted here and got; miss, wanted elsewhere; foreign, wanted here and allocated elsewhere.";
}

pub(super) struct MeminfoNuma {
    folder: PathBuf,
    text: Vec<u8>,
}

impl Spec for MeminfoNuma {
    const SUMMARY: &'static str = "Memory of each NUMA node, from /sys/devices/system/node.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { folder: host.sys("devices/system/node"), text: Vec::new() })
    }
}

impl Collector for MeminfoNuma {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(folder) = Folder::open(&self.folder)? else { return Ok(()) };
        let errors = FirstError::default();
        for name in folder.names()? {
            let Some(node) = numbered(&name, "node") else { continue };
            let Some(folder) = errors.value(folder.folder(&name)) else { continue };
            errors.ok(self.parse_lines(&folder, "meminfo", |line| push_field(line, out)));
            errors.ok(self.parse_lines(&folder, "numastat", |line| push_count(line, node, out)));
        }
        Ok(errors.end()?)
    }
}

impl MeminfoNuma {
    fn parse_lines(
        &mut self,
        folder: &Folder,
        name: &str,
        mut each: impl FnMut(&[u8]) -> Option<()>,
    ) -> Result<(), source::Error> {
        let Some(text) = folder.text(name, &mut self.text)? else { return Ok(()) };
        let lines = source::lines(text).filter(|(_, line)| !line.trim_ascii().is_empty());
        let problem = "expected a name and a number, in kB or without a unit";
        source::for_each_line(lines, |_, line| each(line))
            .map_err(|number| folder.parse_error(name, number, problem))
    }
}

/// `Node 0 Active(anon):     2048 kB`
fn push_field(line: &[u8], out: &mut Families) -> Option<()> {
    let words: Vec<_> = source::words(line).collect();
    let (node, name, number, scale) = match words[..] {
        // Headings.
        [..] if words.iter().filter(|word| word.ends_with(b":")).count() > 1 => return Some(()),
        [b"Node", node, name, number] if name.starts_with(b"HugePages_") => (node, name, number, 1.0),
        [b"Node", node, name, number, b"kB"] => (node, name, number, 1024.0),
        _ => return None,
    };
    let name = std::str::from_utf8(name.strip_suffix(b":")?).ok()?;
    let name = name.replace('(', "_").replace(')', "");
    source::decimal(node)?;
    let number = source::count(number)?.filter(|number| scale == 1.0 || number.checked_mul(1024).is_some());
    out.push_named(FIELD, &legal_name(&name), [node], number.map(|number| number as f64 * scale));
    Some(())
}

/// `numa_hit 193460335812`
fn push_count(line: &[u8], node: &str, out: &mut Families) -> Option<()> {
    let words: Vec<_> = source::words(line).collect();
    let [name, number] = words[..] else { return None };
    let number = source::count(number)?;
    out.push_named(COUNT, &legal_name(std::str::from_utf8(name).ok()?), [node], number);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[(&str, &str)] = &[
        ("sys/devices/system/node/has_cpu", "0-1\n"),
        (
            "sys/devices/system/node/node0/meminfo",
            "\nNode 0 MemTotal:       134182340 kB\nNode 0 Active(anon):      40 kB\nNode 0 HugePages_Free:     3\n",
        ),
        ("sys/devices/system/node/node0/numastat", "numa_hit 193460335812\nother_node 0\n"),
        ("sys/devices/system/node/node10/meminfo", "Node 10 MemTotal: 1 kB\n"),
    ];

    #[test]
    fn reads_each_node() {
        check::<MeminfoNuma>(
            "",
            HOST,
            expect![[r##"
            # HELP node_memory_numa_Active_anon The field of this name of the node's meminfo: bytes, or a count of huge pages.
            # TYPE node_memory_numa_Active_anon gauge
            node_memory_numa_Active_anon{node="0"} 40960
            # HELP node_memory_numa_HugePages_Free The field of this name of the node's meminfo: bytes, or a count of huge pages.
            # TYPE node_memory_numa_HugePages_Free gauge
            node_memory_numa_HugePages_Free{node="0"} 3
            # HELP node_memory_numa_MemTotal The field of this name of the node's meminfo: bytes, or a count of huge pages.
            # TYPE node_memory_numa_MemTotal gauge
            node_memory_numa_MemTotal{node="0"} 1.3740271616e+11
            node_memory_numa_MemTotal{node="10"} 1024
            # HELP node_memory_numa_numa_hit_total The field of this name of the node's numastat, in pages: hit, wanted here and got; miss, wanted elsewhere; foreign, wanted here and allocated elsewhere.
            # TYPE node_memory_numa_numa_hit_total counter
            node_memory_numa_numa_hit_total{node="0"} 1.93460335812e+11
            # HELP node_memory_numa_other_node_total The field of this name of the node's numastat, in pages: hit, wanted here and got; miss, wanted elsewhere; foreign, wanted here and allocated elsewhere.
            # TYPE node_memory_numa_other_node_total counter
            node_memory_numa_other_node_total{node="0"} 0
        "##]],
        );
    }

    #[test]
    fn a_unit_it_does_not_know_costs_its_line() {
        let files = &[(
            "sys/devices/system/node/node0/meminfo",
            "Node 0 MemFree: 1 MB\nNode 0 Dirty: -4 kB\nNode 0 Cached: 18446744073709551616 kB\n\
             Node 0 total: used:\nNode 0 MemTotal: 1 kB\n",
        )];
        check_error::<MeminfoNuma>(
            "",
            files,
            expect![[r##"
            # HELP node_memory_numa_MemTotal The field of this name of the node's meminfo: bytes, or a count of huge pages.
            # TYPE node_memory_numa_MemTotal gauge
            node_memory_numa_MemTotal{node="0"} 1024
            parse sys/devices/system/node/node0/meminfo, line 1: expected a name and a number, in kB or without a unit"##]],
        );
    }

    #[test]
    fn a_kernel_without_nodes_gives_no_samples() {
        check::<MeminfoNuma>("", &[], expect![[""]]);
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<MeminfoNuma>("", HOST);
    }
}
