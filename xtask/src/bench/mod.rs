//! `cargo xtask bench`: what the agent costs, beside others on the same machine at the same time.

mod document;
mod ebpf;
pub(crate) mod exporter;
mod report;
mod scrape;
pub(crate) mod usage;

use anyhow::{Result, bail};

pub(crate) const SUMMARY: &str =
    "measure what a scrape costs, beside node_exporter, and what the probes cost";
pub(crate) const HELP: &str = "\
usage: cargo xtask bench scrape [options]
       cargo xtask bench ebpf [options]

Both:
  --hostlens FILE       the agent to measure (default: target/release/hostlens, built first)
  --json FILE           write the figures here as well
  --args 'FLAGS'        further flags for the agent, separated by spaces

scrape:
  --node-exporter FILE  what to compare with (default: the first found of node_exporter and
                        prometheus-node-exporter in the PATH, target/peers/node_exporter as
                        `cargo xtask peers` fetches it, ~/.cache/hostlens-peers/node_exporter)
  --alone               compare with nothing
  --twice               run the base of the ratios twice: what they differ by is noise
  -n N                  scrapes of each (default: 200)
  --gap MS              rest after each scrape; CPU that is spent in it counts (default: 20)
  --gzip                ask for gzip, as Prometheus does
  --write               write the table into agent/docs/performance.md as well

ebpf (needs root and a kernel with BTF):
  --rounds N            rounds of each load (default: 7)
  --seconds S           how long a load runs at a time (default: 1)
  --only LOAD           this load alone: switch, fresh, stale, storm, disk, syscall, connect or
                        stream; may be repeated
  --tools               beside tools of libbpf-tools, too
  --check               fail when a figure is missed

Each round scrapes every exporter once, or runs a load beside everything once, in an order that rotates: drift of the
machine falls on all alike.
";

pub(crate) fn run(args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((what, rest)) if what == "scrape" => scrape::run(rest),
        Some((what, rest)) if what == "ebpf" => ebpf::run(rest),
        _ => bail!("what to measure? `cargo xtask bench scrape` or `cargo xtask bench ebpf`"),
    }
}
