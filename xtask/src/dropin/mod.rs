//! `cargo xtask dropin`: hostlens and node_exporter get the same command lines and the same raw requests; what they do
//! is to be the same, but for the differences that are listed with their reasons, and those are to be there.

mod command_lines;
mod flags;
mod hosts;
mod outputs;
mod requests;

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use lexopt::{Arg, Parser, ValueExt};

use crate::{
    peers,
    process::{cargo, run as run_command, workspace},
};

pub(crate) const SUMMARY: &str =
    "hold command lines, what they print and show, URLs and headers against node_exporter";
pub(crate) const HELP: &str = "\
usage: cargo xtask dropin [options]

  --verbose      print what both did in each case
  --host FILE    compare what both show of a recorded host, an archive or a folder with proc, sys and udev, such as
                 node_exporter's fixtures, spoiled in --hosts ways (default: 20), from --seed on (default: 1)
";

/// Of what is compared.
const FLAGS: [&str; 3] = ["--collector.disable-defaults", "--collector.time", "--collector.loadavg"];
/// For a start and for an answer.
const LIMIT: Duration = Duration::from_secs(20);
/// The headers that clients act on.
const HEADERS: [&str; 5] =
    ["content-type", "content-encoding", "location", "www-authenticate", "x-content-type-options"];

pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut report = Report::default();
    let (mut host, mut n_hosts, mut seed) = (None, 20, 1);
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("verbose") => report.is_verbose = true,
            Arg::Long("host") => host = Some(PathBuf::from(parser.value()?)),
            Arg::Long("hosts") => n_hosts = parser.value()?.parse()?,
            Arg::Long("seed") => seed = parser.value()?.parse()?,
            _ => return Err(arg.unexpected().into()),
        }
    }
    run_command(cargo().args(["build", "--package", "hostlens"]))?;
    let programs = [peers::get("node_exporter")?, workspace().join("target/debug/hostlens")];
    match host {
        Some(host) => hosts::compare(&programs, &host, n_hosts, seed, &mut report)?,
        None => {
            compare_command_lines(&programs, &mut report)?;
            compare_answers(&programs, &mut report)?;
            flags::compare(&programs, &mut report)?;
            outputs::compare(&programs, &mut report)?;
        }
    }
    ensure!(report.faults.is_empty(), "{} faults:\n{}", report.n_faults, report.faults);
    println!("{} cases are the same, {} differ as listed", report.n_same, report.n_different);
    Ok(())
}

/// What came of the cases.
#[derive(Default)]
struct Report {
    is_verbose: bool,
    n_same: usize,
    n_different: usize,
    n_faults: usize,
    faults: String,
}

impl Report {
    /// Takes what node_exporter and hostlens did; `why` is the reason of a difference that is meant.
    fn take(&mut self, case: &str, [theirs, ours]: [String; 2], why: Option<&str>) {
        let is_same = theirs == ours;
        if self.is_verbose {
            println!("{case:?}\n  node_exporter: {theirs}\n  hostlens:      {ours}");
        }
        match (is_same, why) {
            (true, None) => self.n_same += 1,
            (false, Some(_)) => self.n_different += 1,
            (true, Some(why)) => self.fault(format!("{case:?}: no difference any more ({why}): {ours}")),
            (false, None) => {
                self.fault(format!("{case:?}\n  node_exporter: {theirs}\n  hostlens: {ours}"));
            }
        }
    }

    fn fault(&mut self, text: String) {
        self.n_faults += 1;
        writeln!(self.faults, "{text}").expect("a string takes all");
    }
}

/// The cases of both lists, with the reasons of the second.
fn cases<'a>(
    same: &'a [&str],
    different: &'a [(&str, &str)],
) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    let different = different.iter().map(|&(case, why)| (case, Some(why)));
    same.iter().map(|&case| (case, None)).chain(different)
}

fn compare_command_lines(programs: &[PathBuf; 2], report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir().context("make an empty folder to start in")?;
    for (case, why) in cases(command_lines::SAME, command_lines::DIFFERENT) {
        let [theirs, ours] = programs.each_ref().map(|program| fate(program, case, folder.path()));
        report.take(case, [theirs?.to_owned(), ours?.to_owned()], why);
    }
    Ok(())
}

/// What becomes of a program that is started with these words.
fn fate(program: &Path, words: &str, folder: &Path) -> Result<&'static str> {
    let port = free_port()?;
    let words = words.replace("PORT", &port.to_string());
    let mut command = command(program);
    // Behind the words: what stands first may matter.
    command.args(words.split(' ')).current_dir(folder);
    let has_address = words.contains("--web.listen-address");
    if !has_address && !words.starts_with("--completion") {
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    }
    let mut process = Process(command.spawn().with_context(|| format!("start {}", program.display()))?);
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        if let Some(status) = process.0.try_wait()? {
            return Ok(if status.success() { "ends well" } else { "refuses" });
        }
        let reached = [format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
        // What listens elsewhere is not found, and has not ended either.
        let has_settled = has_address && started.elapsed() > Duration::from_secs(2);
        if has_settled || reached.iter().any(|address| TcpStream::connect(address).is_ok()) {
            return Ok("serves");
        }
        thread::sleep(Duration::from_millis(5));
    }
    bail!("{} {words}: neither serves nor ends", program.display())
}

fn compare_answers(programs: &[PathBuf; 2], report: &mut Report) -> Result<()> {
    let mut servers = Vec::new();
    for program in programs {
        servers.push(serve(command(program), FLAGS.map(str::to_owned))?);
    }
    for (case, why) in cases(requests::SAME, requests::DIFFERENT) {
        let answers: Vec<String> = servers.iter().map(|(_, port)| ask(*port, case)).collect::<Result<_>>()?;
        let [theirs, ours] = answers.try_into().expect("there are two servers");
        report.take(case, [theirs, ours], why);
    }
    Ok(())
}

/// Starts one with these flags; the port at which it serves.
fn serve(mut command: Command, flags: impl IntoIterator<Item = String>) -> Result<(Process, u16)> {
    let port = free_port()?;
    let program = Path::new(command.get_program()).to_owned();
    command.args(flags).arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let mut process = Process(command.spawn().with_context(|| format!("start {}", program.display()))?);
    let started = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let has_ended = process.0.try_wait()?.is_some();
        ensure!(!has_ended && started.elapsed() < LIMIT, "{} does not listen", program.display());
        thread::sleep(Duration::from_millis(5));
    }
    Ok((process, port))
}

/// What one answers, as far as it is to be the same.
fn ask(port: u16, case: &str) -> Result<String> {
    let request = match case.split_once('\n') {
        _ if case.contains(" HTTP/") || case.ends_with("\n\n") => case.to_owned(),
        Some((line, headers)) => format!("{line} HTTP/1.1\nHost: t\nConnection: close\n{headers}\n\n"),
        None => format!("{case} HTTP/1.1\nHost: t\nConnection: close\n\n"),
    };
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(request.replace('\n', "\r\n").as_bytes())?;
    let mut answer = Vec::new();
    // A server that refuses a request may close before all of it was read; what it said counts.
    let read = stream.read_to_end(&mut answer);
    ensure!(read.is_ok() || !answer.is_empty(), "{case:?}: {}", read.expect_err("it is not ok"));
    Ok(essence(&answer))
}

/// Status, headers that matter, and what the body is.
fn essence(answer: &[u8]) -> String {
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap_or(answer.len());
    let (head, body) = answer.split_at(end);
    let head = String::from_utf8_lossy(head).to_lowercase();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or("none").to_owned();
    // What HTTP itself refuses is told in words of each server's own.
    if status == "400" && !contains(body, b"collector") || status == "431" || status == "501" {
        return status;
    }
    let mut kept: Vec<&str> =
        lines.filter(|line| line.split_once(':').is_some_and(|(name, _)| HEADERS.contains(&name))).collect();
    kept.sort_unstable();
    format!("{status} {} {}", kept.join(", "), describe(body, head.contains("transfer-encoding: chunked")))
}

fn describe(body: &[u8], is_chunked: bool) -> String {
    let text = String::from_utf8_lossy(body);
    let mut collectors: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("node_scrape_collector_success{collector=\"")?.split('"').next())
        .collect();
    collectors.sort_unstable();
    match () {
        () if !collectors.is_empty() => format!("samples of {}", collectors.join(", ")),
        () if contains(body, b"\x1f\x8b") => "gzip".to_owned(),
        () if contains(body, b"\x28\xb5\x2f\xfd") => "zstd".to_owned(),
        () if contains(body, b"node_exporter_build_info") => "other samples".to_owned(),
        () if contains(body, b"<html") => "a page".to_owned(),
        () if is_chunked => "something else".to_owned(),
        () => text.trim().to_owned(),
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|it| it == part)
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // They are not what is compared, and take time to load.
    command.env("HOSTLENS__EBPF__ENABLED", "never");
    command
}

/// Runs it to its end; what it wrote.
fn piped(command: &mut Command) -> Result<Output> {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.output().context("start a program that is compared")
}

/// Free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Ended with the value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
