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
        for name in folder.names()? {
            let Some(node) = numbered(&name, "node") else { continue };
            let Some(folder) = folder.folder(&name)? else { continue };
            self.parse_lines(&folder, "meminfo", |line| push_field(line, out))?;
            self.parse_lines(&folder, "numastat", |line| push_count(line, node, out))?;
        }
        Ok(())
    }
}

impl MeminfoNuma {
    fn parse_lines(
        &mut self,
        folder: &Folder,
        name: &str,
        mut each: impl FnMut(&[u8]) -> Option<()>,
    ) -> Result<(), source::Error> {
        let Some(text) = folder.text(name, &mut self.text)? else { return Err(folder.missing(name)) };
        for (number, line) in source::lines(text).filter(|(_, line)| !line.trim_ascii().is_empty()) {
            let problem = "expected a name and a number, in kB or without a unit";
            each(line).ok_or_else(|| folder.parse_error(name, number, problem))?;
        }
        Ok(())
    }
}

/// `Node 0 Active(anon):     2048 kB`
fn push_field(line: &[u8], out: &mut Families) -> Option<()> {
    let words: Vec<_> = source::words(line).collect();
    let (node, name, number, scale) = match words[..] {
        [_, node, name, number] => (node, name, number, 1.0),
        [_, node, name, number, b"kB"] => (node, name, number, 1024.0),
        _ => return None,
    };
    let number: f64 = source::number(number)?;
    let name = std::str::from_utf8(name).ok()?.trim_end_matches(':');
    let name = name.replace('(', "_").replace(')', "");
    out.push_named(FIELD, &legal_name(&name), [node], number * scale);
    Some(())
}

/// `numa_hit 193460335812`
fn push_count(line: &[u8], node: &str, out: &mut Families) -> Option<()> {
    let words: Vec<_> = source::words(line).collect();
    let [name, number] = words[..] else { return None };
    let number: f64 = source::number(number)?;
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
        ("sys/devices/system/node/node10/numastat", ""),
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
    fn refuses_a_unit_it_does_not_know() {
        let files =
            &[("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 1 kB\nNode 0 MemFree: 1 MB\n")];
        check_error::<MeminfoNuma>(
            "",
            files,
            expect![[r##"
            # HELP node_memory_numa_MemTotal The field of this name of the node's meminfo: bytes, or a count of huge pages.
            # TYPE node_memory_numa_MemTotal gauge
            node_memory_numa_MemTotal{node="0"} 1024
            parse sys/devices/system/node/node0/meminfo, line 2: expected a name and a number, in kB or without a unit"##]],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<MeminfoNuma>(
            "",
            &HOST[..2],
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
            read sys/devices/system/node/node0/numastat: No such file or directory (os error 2)"##]],
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
