//! `cargo xtask test`: all tests that this machine can run, and a loud word on those that it cannot.

use std::{env, fs, iter, path::Path};

use anyhow::{Context as _, Result, ensure};
use lexopt::{Arg, Parser};

use crate::{
    peers,
    process::{cargo, run as run_command},
    vm,
};

pub(crate) const SUMMARY: &str = "run the tests; as root on a kernel with BTF also those that load probes";
pub(crate) const HELP: &str = "\
usage: cargo xtask test [options]

  --live    fail when the tests that load probes cannot run, instead of leaving them out
  --vm      first boot the agent on other kernels, as `cargo xtask vm` does
";

/// The kernel's own types, by which probes find their fields.
const BTF: &str = "/sys/kernel/btf/vmlinux";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut wants_live, mut wants_vm) = (false, false);
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("live") => wants_live = true,
            Arg::Long("vm") => wants_vm = true,
            _ => return Err(arg.unexpected().into()),
        }
    }
    let obstacle = obstacle();
    ensure!(!wants_live || obstacle.is_none(), "the live tests cannot run: {}", obstacle.unwrap_or_default());
    if wants_vm {
        vm::run(&[])?;
    } else {
        left_out("the agent on other kernels", "it takes a minute and QEMU: `cargo xtask test --vm`");
    }
    // The runners' own summaries come last: what reads them need not know this program.
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--no-fail-fast"]);
    match obstacle {
        None => {
            // One holds all flags of node_exporter against ours.
            let peer = peers::get("node_exporter")?;
            let folder = peer.parent().context("a peer is in a folder")?.to_owned();
            let path = env::var_os("PATH").unwrap_or_default();
            tests.env("PATH", env::join_paths(iter::once(folder).chain(env::split_paths(&path)))?);
            run_command(tests.args(["--", "--include-ignored"]))
        }
        Some(why) => {
            left_out("the live tests, which load probes", &why);
            run_command(&mut tests)
        }
    }
}

fn left_out(what: &str, why: &str) {
    eprintln!("xtask: NOT RUN: {what}: {why}");
}

/// Why the live tests cannot run here.
fn obstacle() -> Option<String> {
    if !Path::new(BTF).exists() {
        return Some(format!("this kernel has no {BTF}"));
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    (!may_load(&status)).then(|| "they need root: `sudo -E env PATH=$PATH cargo xtask test`".to_owned())
}

/// Whether a process with this /proc/self/status is root and may load probes: see capabilities(7).
fn may_load(status: &str) -> bool {
    const SYS_ADMIN: u32 = 21;
    const PERFMON: u32 = 38;
    const BPF: u32 = 39;
    let field = |key: &str| status.lines().find_map(|it| it.strip_prefix(key)).map(str::trim);
    let is_root = field("Uid:").and_then(|it| it.split_ascii_whitespace().nth(1)) == Some("0");
    let effective = field("CapEff:").and_then(|it| u64::from_str_radix(it, 16).ok()).unwrap_or(0);
    let has = |capability: u32| effective >> capability & 1 == 1;
    is_root && (has(SYS_ADMIN) || has(BPF) && has(PERFMON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_who_may_load_probes() {
        let status =
            |uid: u32, capabilities: u64| format!("Uid:\t{uid}\t{uid}\t0\t0\nCapEff:\t{capabilities:016x}\n");
        assert!(may_load(&status(0, 1 << 21)));
        assert!(may_load(&status(0, 1 << 38 | 1 << 39)));
        assert!(!may_load(&status(0, 1 << 39)));
        assert!(!may_load(&status(1000, u64::MAX)));
        assert!(!may_load(""));
    }
}
