//! `cargo xtask vm`: the agent on other kernels, each booted in QEMU with the loads and checks of
//! `tests/src/bin/guest.rs` as its init.

mod aarch64;
mod boot;
pub(crate) mod initramfs;
pub(crate) mod kernels;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use lexopt::{Arg, Parser, ValueExt};

use self::{
    boot::{Boot, Checks, Lockdown, Outcome, boot, console},
    initramfs::{Entry, archive},
    kernels::{Cache, Kernel, MODULES, NEWEST},
};
use crate::{
    guest,
    process::{require, workspace},
    table::Table,
};

pub(crate) const SUMMARY: &str =
    "boot the agent on Debian's kernels in QEMU and hold its figures against theirs";
pub(crate) const HELP: &str = "\
usage: cargo xtask vm [options]

  --kernel NAME   6.1, 7.2, … or `newest`; may be repeated (default: 6.1 and newest)
  --all           every supported series: 5.10, 6.1, 6.12, 6.18 and newest
  --lockdown      boot each once more with lockdown=confidentiality
  --agent FILE    a statically linked hostlens, instead of one built here
  --jobs N        guests at a time (default: as many as CPUs, at most 4)
  --checks all    also the checks that are not yet known to hold on emulated CPUs
  --timeout S     seconds that a guest may take (default: 900)
  --update        fetch the kernels anew
  --list          list the kernels and what is cached
  --arch aarch64  instead, the binary that `cargo xtask dist` makes for aarch64 (or that of --agent FILE behind it) on
                  Debian's newest kernel for that, beside node_exporter
";

/// Characters of a check's detail in the table.
const DETAIL: usize = 28;
/// Kernels that fit beside each other on a screen.
const COLUMNS: usize = 5;
/// The oldest kernel lacks some hooks: only there may a collector be unavailable.
const OLDEST: &str = "5.10";

struct Options {
    kernels: Vec<String>,
    modes: &'static [Lockdown],
    checks: Checks,
    agent: Option<PathBuf>,
    jobs: usize,
    limit: Duration,
    cache: Cache,
}

/// What is booted.
struct Guest<'a> {
    kernel: &'a Kernel,
    initramfs: &'a Path,
    lockdown: Lockdown,
}

/// One boot, under the name of its column.
struct Report {
    label: String,
    series: String,
    boot: Boot,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    if let [arch, name, rest @ ..] = args
        && (arch.as_str(), name.as_str()) == ("--arch", "aarch64")
    {
        return aarch64::run(rest);
    }
    let Some(options) = parse(args)? else {
        list();
        return Ok(());
    };
    require("qemu-system-x86_64", "qemu-system-x86")?;
    let kernels: Vec<Kernel> =
        options.kernels.iter().map(|it| kernels::get(it, options.cache)).collect::<Result<_>>()?;
    let programs = programs(options.agent.as_deref())?;
    let initramfs: Vec<PathBuf> = kernels.iter().map(|it| pack(it, &programs)).collect::<Result<_>>()?;
    let guests = options.modes.iter().flat_map(|mode| {
        kernels.iter().zip(&initramfs).map(move |(kernel, initramfs)| Guest {
            kernel,
            initramfs,
            lockdown: *mode,
        })
    });
    let guests: Vec<Guest<'_>> = guests.collect();
    let mut reports = Vec::new();
    for some in guests.chunks(options.jobs) {
        reports.extend(boot_together(some, options.checks, options.limit)?);
    }
    for some in reports.chunks(COLUMNS) {
        print!("\n{}", table(some).render());
    }
    let faults: Vec<String> = reports.iter().flat_map(faults).collect();
    ensure!(faults.is_empty(), "{} faults\n  {}", faults.len(), faults.join("\n  "));
    Ok(())
}

/// Each guest takes one of this machine's CPUs.
fn boot_together(guests: &[Guest<'_>], checks: Checks, limit: Duration) -> Result<Vec<Report>> {
    let report = |&Guest { kernel, initramfs, lockdown }: &Guest<'_>| {
        let label = match lockdown {
            Lockdown::None => kernel.series.clone(),
            Lockdown::Confidentiality => format!("{}-lockdown", kernel.series),
        };
        println!("booting {label}");
        let boot = boot(&label, kernel, initramfs, lockdown, checks, limit)?;
        Ok(Report { label, series: kernel.series.clone(), boot })
    };
    thread::scope(|scope| {
        let report = &report;
        let running: Vec<_> = guests.iter().map(|it| scope.spawn(move || report(it))).collect();
        let joined =
            running.into_iter().map(|it| it.join().map_err(|_| anyhow!("a thread that boots panicked"))?);
        joined.collect()
    })
}

/// `None` asks for the list.
fn parse(args: &[String]) -> Result<Option<Options>> {
    let mut options = Options {
        kernels: Vec::new(),
        modes: &[Lockdown::None],
        checks: Checks::Known,
        agent: None,
        jobs: thread::available_parallelism().map_or(1, usize::from).min(4),
        limit: Duration::from_secs(900),
        cache: Cache::Keep,
    };
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("kernel") => options.kernels.push(parser.value()?.string()?),
            Arg::Long("all") => options.kernels.extend(kernels::ALL.iter().map(|it| (*it).to_owned())),
            Arg::Long("lockdown") => options.modes = &[Lockdown::None, Lockdown::Confidentiality],
            Arg::Long("agent") => options.agent = Some(parser.value()?.into()),
            Arg::Long("jobs") => options.jobs = parser.value()?.parse()?,
            Arg::Long("checks") => {
                let which = parser.value()?.string()?;
                ensure!(which == "all", "--checks takes `all`, not `{which}`");
                options.checks = Checks::All;
            }
            Arg::Long("timeout") => options.limit = Duration::from_secs(parser.value()?.parse()?),
            Arg::Long("update") => options.cache = Cache::Renew,
            Arg::Long("list") => return Ok(None),
            _ => return Err(arg.unexpected().into()),
        }
    }
    if options.kernels.is_empty() {
        options.kernels = kernels::DEFAULT.iter().map(|it| (*it).to_owned()).collect();
    }
    ensure!(options.jobs > 0, "--jobs 0 would boot no guest");
    for name in &options.kernels {
        let known = name == NEWEST || name.split('.').all(|it| it.parse::<u32>().is_ok());
        ensure!(known, "`{name}` is no kernel series; they look like 6.1");
    }
    Ok(Some(options))
}

fn list() {
    let mut table = Table::default();
    table.row(["name", "default", "cached"]);
    for series in kernels::ALL {
        let default = if kernels::DEFAULT.contains(series) { "yes" } else { "no" };
        table.row([(*series).to_owned(), default.to_owned(), kernels::cached(series).unwrap_or_default()]);
    }
    print!("{}", table.render());
}

/// The guest's init, the agent and the agent's unit tests, linked statically.
fn programs(agent: Option<&Path>) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let mut what = vec!["--package", "hostlens-tests", "--bin", "guest"];
    if agent.is_none() {
        what.extend(["--package", "hostlens", "--bin", "hostlens"]);
    }
    let built = guest::build(&what)?;
    let unit_tests = guest::unit_tests()?;
    let read = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));
    let init = read(&built.join("guest"))?;
    let agent = read(agent.unwrap_or(&built.join("hostlens")))?;
    let unit_tests = read(&unit_tests)?;
    Ok(vec![("init", init), ("hostlens", agent), ("unit-tests", unit_tests)])
}

/// A guest's whole root file system: these programs, and modules for its kernel.
fn pack(kernel: &Kernel, programs: &[(&str, Vec<u8>)]) -> Result<PathBuf> {
    let module = |name| Ok((name, fs::read(kernel.modules.join(name))?));
    let modules = MODULES.into_iter().map(module).collect::<Result<Vec<_>>>()?;
    let files: Vec<_> = programs.iter().chain(&modules).map(|(name, bytes)| Entry { name, bytes }).collect();
    let initramfs = workspace().join("target/vm").join(format!("{}.initramfs", kernel.series));
    fs::write(&initramfs, archive(&files))?;
    Ok(initramfs)
}

/// A row a check, a column a kernel. Collectors that run everywhere share a row.
fn table(reports: &[Report]) -> Table {
    let mut table = Table::default();
    let row = |name: &str, cell: &dyn Fn(&Report) -> String| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(reports.iter().map(cell)).collect()
    };
    table.row(row("kernel", &|it| it.label.clone()));
    table.row(row("release", &|it| it.boot.release.clone()));
    table.row(row("boot s", &|it| it.boot.boot_seconds.clone()));
    table.row(row("wall s", &|it| format!("{:.1}", it.boot.wall.as_secs_f64())));
    table.row(row("collectors", &|it| it.boot.collectors()));
    for name in check_names(reports) {
        table.row(row(name, &|it| it.boot.cell(name)));
    }
    table
}

/// In the order in which the guests ran them; a collector has a row only where it did not run somewhere.
fn check_names(reports: &[Report]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for check in reports.iter().flat_map(|it| &it.boot.checks) {
        let quiet = check.name.starts_with("collector/") && check.result == Outcome::Passed;
        if !quiet && !names.contains(&check.name.as_str()) {
            names.push(&check.name);
        }
    }
    names
}

impl Boot {
    fn collectors(&self) -> String {
        let of = |state: &str| {
            let all = self.checks.iter().filter(|it| it.name.starts_with("collector/"));
            all.filter(|it| it.result == Outcome::Passed && it.detail == state).count()
        };
        format!("{} running, {} absent", of("running"), of("absent"))
    }

    fn cell(&self, name: &str) -> String {
        match self.checks.iter().find(|it| it.name == name) {
            None => "-".to_owned(),
            // All of it is on the console.
            Some(it) if it.result == Outcome::Passed => {
                format!("ok {}", it.detail.chars().take(DETAIL).collect::<String>())
            }
            Some(it) if it.result == Outcome::Unavailable => "unavailable".to_owned(),
            Some(_) => "FAILED".to_owned(),
        }
    }
}

/// What makes the run fail, a line each.
fn faults(report: &Report) -> Vec<String> {
    let Report { label, series, boot } = report;
    let bad = boot.checks.iter().filter_map(|it| {
        let what = match it.result {
            Outcome::Passed => return None,
            Outcome::Unavailable if series == OLDEST => return None,
            Outcome::Unavailable => "unavailable: ",
            Outcome::Failed => "",
        };
        Some(format!("{label}: {}: {what}{}", it.name, it.detail))
    });
    let mut faults: Vec<String> = boot.broken.iter().map(|it| format!("{label}: {it}")).chain(bad).collect();
    if !faults.is_empty() {
        faults.push(format!("{label}: its console is in {}", console(label).display()));
    }
    faults
}
