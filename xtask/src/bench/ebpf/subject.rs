//! What runs beside a load: nothing, the agent as Prometheus scrapes it, or a tool of others.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::{load::Load, programs::hooks};
use crate::{bench::exporter::Exporter, process::find};

/// More often than Prometheus would, that a short run sees some.
const SCRAPE_EVERY: Duration = Duration::from_secs(1);
const TOOL_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// How often in a row a tool has the same programs before it has them all.
const STEADY: usize = 6;

/// A tool of libbpf-tools.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    args: &'static [&'static str],
    /// The load that it measures.
    pub(crate) load: Load,
    /// How the hooks begin at which the agent counts the same.
    pub(crate) hooks: &'static [&'static str],
}

/// Each prints its figures after an hour, or one line an event.
pub(crate) const TOOLS: &[Tool] = &[
    Tool { name: "runqlat", args: &["3600"], load: Load::Switch, hooks: &["sched_"] },
    Tool { name: "biolatency", args: &["3600"], load: Load::Disk, hooks: &["block_"] },
    Tool { name: "softirqs", args: &["3600"], load: Load::Stream, hooks: &["softirq_"] },
    Tool { name: "tcprtt", args: &["-i", "3600"], load: Load::Stream, hooks: &["tcp_"] },
    Tool { name: "tcplife", args: &[], load: Load::Connect, hooks: &["tcp_", "inet_sock_"] },
    Tool { name: "tcpconnlat", args: &[], load: Load::Connect, hooks: &["tcp_", "inet_sock_"] },
];

impl Tool {
    /// Those that are installed and run here, each tried once; what is missing is said.
    pub(crate) fn usable(loads: &[Load]) -> Vec<Self> {
        let wanted = TOOLS.iter().filter(|it| loads.contains(&it.load));
        let (found, missing): (Vec<&Self>, Vec<&Self>) = wanted.partition(|it| find(it.name).is_some());
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|it| it.name).collect();
            println!("left out: {}; apt-get install libbpf-tools", names.join(", "));
        }
        let mut usable = Vec::new();
        for tool in found {
            match Running::tool(tool) {
                Ok(_) => usable.push(*tool),
                Err(error) => println!("left out: {error:#}"),
            }
        }
        usable
    }
}

/// Something that runs; ended with the value.
pub(crate) enum Running {
    Nothing,
    Agent(Scraped),
    Tool(Process),
}

impl Running {
    /// With its default config and these flags more.
    pub(crate) fn agent(program: &Path, args: &[String]) -> Result<Self> {
        Ok(Self::Agent(Scraped::start(Exporter::start("hostlens", program, args, "gzip")?)))
    }

    pub(crate) fn tool(tool: &Tool) -> Result<Self> {
        Ok(Self::Tool(Process::start(tool)?))
    }

    /// The hook of each of its programs, by id.
    pub(crate) fn hooks(&self) -> Result<BTreeMap<u32, String>> {
        match self {
            Self::Nothing => Ok(BTreeMap::new()),
            Self::Agent(it) => hooks(it.exporter.pid()),
            Self::Tool(it) => hooks(it.0.id()),
        }
    }

    /// Ends it; an error if it did not run well until now.
    pub(crate) fn end(self) -> Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Agent(mut it) => it.end(),
            Self::Tool(mut it) => {
                let ended = it.0.try_wait()?;
                ensure!(ended.is_none(), "the tool ended too early");
                Ok(())
            }
        }
    }
}

/// An agent that is scraped from time to time; killed when dropped.
pub(crate) struct Scraped {
    exporter: Arc<Exporter>,
    /// Both are there until it ends.
    scraper: Option<(Sender<()>, JoinHandle<Result<()>>)>,
}

impl Scraped {
    fn start(exporter: Exporter) -> Self {
        let exporter = Arc::new(exporter);
        let (stop, stopped) = mpsc::channel();
        let scraped = Arc::clone(&exporter);
        let scraper = thread::spawn(move || {
            // It ends with the sender.
            while stopped.recv_timeout(SCRAPE_EVERY) == Err(RecvTimeoutError::Timeout) {
                scraped.get()?;
            }
            Ok(())
        });
        Self { exporter, scraper: Some((stop, scraper)) }
    }

    fn end(&mut self) -> Result<()> {
        let Some((stop, scraper)) = self.scraper.take() else { return Ok(()) };
        drop(stop);
        scraper.join().map_err(|_| anyhow!("the scraper panicked"))?
    }
}

impl Drop for Scraped {
    fn drop(&mut self) {
        // The scraper must let go of the agent first. What went wrong with it has been told, or something else has.
        self.end().ok();
    }
}

/// Killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Returns when all of its programs are attached.
    fn start(tool: &Tool) -> Result<Self> {
        let mut log = tempfile::tempfile()?;
        let child = Command::new(tool.name)
            .args(tool.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.try_clone()?)
            .spawn()
            .with_context(|| format!("start {}", tool.name))?;
        let mut process = Self(child);
        let deadline = Instant::now() + TOOL_LIMIT;
        let (mut before, mut n_same) = (BTreeMap::new(), 0);
        while n_same < STEADY {
            thread::sleep(POLL);
            if process.0.try_wait()?.is_some() {
                bail!("{} does not run here: {}", tool.name, last_line(&mut log)?);
            }
            ensure!(Instant::now() < deadline, "{} attaches nothing", tool.name);
            let now = hooks(process.0.id())?;
            n_same = if !now.is_empty() && now == before { n_same + 1 } else { 0 };
            before = now;
        }
        Ok(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn last_line(log: &mut File) -> Result<String> {
    let mut text = String::new();
    log.rewind()?;
    log.read_to_string(&mut text)?;
    Ok(text.lines().last().unwrap_or("without a word").to_owned())
}
