//! `cargo xtask bench ebpf`: what the probes cost those who run into their hooks, and the host.

mod empty;
mod figures;
mod host;
mod load;
mod programs;
mod report;
mod rounds;
mod spread;
mod subject;
mod summary;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use lexopt::{Arg, Parser, ValueExt};
use serde_json::json;

use self::{
    empty::Factory,
    figures::Figure,
    host::{Memory, Reading},
    load::{Load, Place},
    rounds::{Bench, Beside},
    subject::{Running, Tool},
    summary::LoadSummary,
};
use super::exporter;

struct Options {
    hostlens: Option<PathBuf>,
    n_rounds: usize,
    time: Duration,
    /// Empty: all, and what the host bears without a load.
    only: Vec<Load>,
    /// Further flags for the agent.
    args: Vec<String>,
    tools: bool,
    json: Option<PathBuf>,
    check: bool,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let hostlens = exporter::hostlens(options.hostlens.as_deref())?;
    let loads = loads(&options, &hostlens)?;
    let (readings, memory) = if options.only.is_empty() {
        (host::readings(&hostlens)?, Some(host::memory(&hostlens)?))
    } else {
        (Vec::new(), None)
    };
    let figures = figures::figures(&loads, &readings, memory.as_ref());
    print(&loads, &readings, memory.as_ref(), &figures);
    if let Some(path) = &options.json {
        let method = json!({ "rounds": options.n_rounds, "seconds": options.time.as_secs_f64() });
        let all = json!({
            "method": method, "loads": loads, "readings": readings, "memory": memory, "figures": figures,
        });
        fs::write(path, format!("{all:#}\n")).with_context(|| format!("write {}", path.display()))?;
    }
    let n_missed = figures.iter().filter(|it| it.is_missed()).count();
    ensure!(!options.check || n_missed == 0, "{n_missed} figures are missed");
    Ok(())
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        hostlens: None,
        n_rounds: 7,
        time: Duration::from_secs(1),
        only: Vec::new(),
        args: Vec::new(),
        tools: false,
        json: None,
        check: false,
    };
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("hostlens") => options.hostlens = Some(parser.value()?.into()),
            Arg::Long("rounds") => options.n_rounds = parser.value()?.parse()?,
            Arg::Long("seconds") => {
                options.time = Duration::try_from_secs_f64(parser.value()?.parse()?)?;
            }
            Arg::Long("only") => options.only.push(load(&parser.value()?.string()?)?),
            Arg::Long("args") => {
                options.args = parser.value()?.string()?.split_whitespace().map(str::to_owned).collect();
            }
            Arg::Long("tools") => options.tools = true,
            Arg::Long("json") => options.json = Some(parser.value()?.into()),
            Arg::Long("check") => options.check = true,
            _ => return Err(arg.unexpected().into()),
        }
    }
    ensure!(options.n_rounds > 0 && !options.time.is_zero(), "that measures nothing");
    Ok(options)
}

fn load(name: &str) -> Result<Load> {
    let Some(load) = Load::ALL.into_iter().find(|it| it.name() == name) else {
        bail!("no load `{name}`; there are {}", Load::ALL.map(Load::name).join(", "));
    };
    Ok(load)
}

fn loads(options: &Options, hostlens: &Path) -> Result<Vec<LoadSummary>> {
    let loads = if options.only.is_empty() { &Load::ALL } else { options.only.as_slice() };
    let tools = if options.tools { Tool::usable(loads) } else { Vec::new() };
    let mut bench = Bench {
        hostlens,
        args: &options.args,
        hooks: hooks(hostlens, &options.args)?,
        place: Place::find()?,
        factory: Factory::new()?,
        time: options.time,
        n_rounds: options.n_rounds,
    };
    let mut summaries = Vec::new();
    for load in loads {
        let mut besides = vec![Beside::Nothing, Beside::Agent, Beside::Hooks, Beside::NothingAgain];
        if matches!(load, Load::Switch | Load::Fresh | Load::Stale | Load::Storm) {
            besides.push(Beside::RunQueueAlone);
        }
        besides.extend(tools.iter().filter(|it| it.load == *load).map(|it| Beside::Tool(*it)));
        println!("{}: {}, {} rounds", load.name(), load.operation(), options.n_rounds);
        summaries.push(LoadSummary::of(*load, &besides, &bench.rounds(*load, &besides)?));
    }
    Ok(summaries)
}

/// Those of the agent's programs.
fn hooks(hostlens: &Path, args: &[String]) -> Result<BTreeSet<String>> {
    let agent = Running::agent(hostlens, args)?;
    let hooks: BTreeSet<String> = agent.hooks()?.into_values().collect();
    agent.end()?;
    ensure!(!hooks.is_empty(), "the agent attaches no probe here: `hostlens doctor` says why");
    Ok(hooks)
}

fn print(loads: &[LoadSummary], readings: &[Reading], memory: Option<&Memory>, figures: &[Figure]) {
    println!(
        "\nPrograms: ns as the kernel measures them, those of an empty program on the same hook, and the net"
    );
    print!("{}", report::programs(loads).render());
    println!(
        "\nLoads: CPU time of an operation against that beside nothing in the same round, medians and quartiles"
    );
    print!("{}", report::slow_downs(loads).render());
    if !readings.is_empty() {
        println!("\nScrapes: CPU ms of one with collectors that have probes alone, and with no collector");
        print!("{}", report::readings(readings).render());
    }
    if let Some(memory) = memory {
        println!(
            "\nMemory: of the agent with its default config after some scrapes, and in the kernel for it"
        );
        print!("{}", report::memory(memory).render());
    }
    println!("\nFigures");
    print!("{}", figures::table(figures).render());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_options() {
        let options =
            parse(&["--only", "disk", "--only=switch", "--seconds", "0.5"].map(str::to_owned)).unwrap();
        assert_eq!(options.only, [Load::Disk, Load::Switch]);
        assert_eq!(options.time, Duration::from_millis(500));
        let error = parse(&["--only".to_owned(), "fork".to_owned()]).err().unwrap();
        assert_eq!(
            error.to_string(),
            "no load `fork`; there are switch, fresh, stale, storm, disk, syscall, connect, stream"
        );
    }
}
