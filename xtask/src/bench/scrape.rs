//! `cargo xtask bench scrape`: CPU, time, bytes and memory of a scrape.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lexopt::{Arg, Parser, ValueExt};
use serde_json::json;

use super::{
    document,
    exporter::{Exporter, find_node_exporter, hostlens},
    report::{self, Figures},
    usage::{memory, voluntary_switches},
};

const WARM_UP: usize = 20;
const IDLE: Duration = Duration::from_secs(3);

struct Options {
    hostlens: Option<PathBuf>,
    node_exporter: Option<PathBuf>,
    twice: bool,
    flags: Vec<String>,
    n_scrapes: usize,
    gap: Duration,
    encoding: &'static str,
    json: Option<PathBuf>,
    write: bool,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let mut exporters = start(&options)?;
    let figures = measure(&mut exporters, &options)?;
    let Options { n_scrapes, encoding, .. } = options;
    let gap = options.gap.as_millis();
    println!("{n_scrapes} scrapes of each in {encoding}, {gap} ms apart; times in ms, memory in MiB");
    print!("{}", report::table(&figures).render());
    if options.write {
        document::write(&figures, &format!("{n_scrapes} scrapes of each in {encoding}, {gap} ms apart"))?;
    }
    if let Some(path) = &options.json {
        let method = json!({ "scrapes": n_scrapes, "gap_ms": gap as u64, "encoding": encoding });
        let all = json!({ "method": method, "exporters": report::json(&figures) });
        fs::write(path, format!("{all:#}\n")).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        hostlens: None,
        node_exporter: find_node_exporter(),
        twice: false,
        flags: Vec::new(),
        n_scrapes: 200,
        gap: Duration::from_millis(20),
        encoding: "identity",
        json: None,
        write: false,
    };
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("hostlens") => options.hostlens = Some(parser.value()?.into()),
            Arg::Long("node-exporter") => options.node_exporter = Some(parser.value()?.into()),
            Arg::Long("alone") => options.node_exporter = None,
            Arg::Long("twice") => options.twice = true,
            Arg::Long("args") => {
                options.flags.extend(parser.value()?.string()?.split_whitespace().map(str::to_owned));
            }
            Arg::Short('n') => options.n_scrapes = parser.value()?.parse()?,
            Arg::Long("gap") => options.gap = Duration::from_millis(parser.value()?.parse()?),
            Arg::Long("gzip") => options.encoding = "gzip",
            Arg::Long("write") => options.write = true,
            Arg::Long("json") => options.json = Some(parser.value()?.into()),
            _ => return Err(arg.unexpected().into()),
        }
    }
    ensure!(options.n_scrapes > 0, "-n 0 measures nothing");
    Ok(options)
}

/// The base of the ratios first.
fn start(options: &Options) -> Result<Vec<Exporter>> {
    let hostlens = hostlens(options.hostlens.as_deref())?;
    let ours = |name| Exporter::start(name, &hostlens, &options.flags, options.encoding);
    let Some(node_exporter) = &options.node_exporter else {
        println!("no node_exporter to compare with; `cargo xtask peers` fetches one");
        let again = if options.twice { Some(ours("hostlens again")) } else { None };
        return [Some(ours("hostlens")), again].into_iter().flatten().collect();
    };
    let theirs = |name| Exporter::start_node_exporter(name, node_exporter, options.encoding);
    println!("comparing with {}", node_exporter.display());
    let again = if options.twice { Some(theirs("node_exporter again")) } else { None };
    [Some(theirs("node_exporter")), again, Some(ours("hostlens"))].into_iter().flatten().collect()
}

fn measure(exporters: &mut [Exporter], options: &Options) -> Result<Vec<Figures>> {
    let mut figures = Vec::new();
    for exporter in exporters.iter() {
        for _ in 0..WARM_UP {
            exporter.get()?;
        }
        let plain = exporter.get_as("identity")?;
        let lines = plain.split(|it| *it == b'\n');
        figures.push(Figures {
            name: exporter.name.clone(),
            first_answer: millis(exporter.first_answer),
            wire_bytes: exporter.get()?.len(),
            n_samples: lines.filter(|it| it.first().is_some_and(|it| *it != b'#')).count(),
            ..Figures::default()
        });
    }
    let totals = |exporters: &[Exporter]| -> Result<Vec<Duration>> {
        exporters.iter().map(Exporter::cpu_time).collect()
    };
    let sleeps = |exporters: &[Exporter]| -> Result<Vec<u64>> {
        exporters.iter().map(|it| voluntary_switches(it.pid())).collect()
    };

    let (idle_before, started) = (totals(exporters)?, Instant::now());
    thread::sleep(IDLE);
    let (idle_after, idle) = (totals(exporters)?, started.elapsed());

    let (cpu_before, sleeps_before) = (totals(exporters)?, sleeps(exporters)?);
    let n_exporters = exporters.len();
    for round in 0..options.n_scrapes {
        for idx in 0..n_exporters {
            exporters[(round + idx) % n_exporters].round(options.gap)?;
        }
    }
    let (cpu_after, sleeps_after) = (totals(exporters)?, sleeps(exporters)?);

    let n_scrapes = options.n_scrapes as f64;
    for (idx, (it, exporter)) in figures.iter_mut().zip(exporters).enumerate() {
        it.cpu_mean = millis(cpu_after[idx].saturating_sub(cpu_before[idx])) / n_scrapes;
        it.cpu_idle = millis(idle_after[idx].saturating_sub(idle_before[idx])) / idle.as_secs_f64();
        it.switches = sleeps_after[idx].saturating_sub(sleeps_before[idx]) as f64 / n_scrapes;
        it.cpu_p50 = percentile(&mut exporter.cpu, 50);
        it.wall_p50 = percentile(&mut exporter.wall, 50);
        it.wall_p99 = percentile(&mut exporter.wall, 99);
        it.memory = memory(exporter.pid())?;
    }
    Ok(figures)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// In milliseconds, by the nearest rank; sorts what it is given.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).map_or(f64::NAN, |it| millis(*it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_nearest_rank() {
        let mut times: Vec<Duration> = (1..=10).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut times, 50), 5.0);
        assert_eq!(percentile(&mut times, 99), 10.0);
        assert_eq!(percentile(&mut [Duration::from_millis(7)], 50), 7.0);
    }

    #[test]
    fn reads_the_agents_flags() {
        let args = ["--args", "--no-collector.cpu  --x=1", "-n", "5"].map(str::to_owned);
        let options = parse(&args).unwrap();
        assert_eq!(options.flags, ["--no-collector.cpu", "--x=1"]);
        assert_eq!(options.n_scrapes, 5);
    }
}
