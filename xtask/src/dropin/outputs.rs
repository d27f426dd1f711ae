//! What both print and show for some flags: the log's enabled collectors, families, samples, words of a completion.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::{Report, cases, command, piped, serve};

/// `--collector.disable-defaults` is `--none` here.
const ENABLED: &[&str] = &[
    "--none --collector.uname --collector.cpu --collector.arp",
    "--none --collector.meminfo_numa --collector.meminfo --collector.netdev --collector.cpufreq --collector.cpu",
    "--no-collector.systemd",
    "--no-collector.systemd --no-collector.cpu --collector.processes",
];
const ENABLED_DIFFERENT: &[(&str, &str)] = &[("--no-collector.cpu", "systemd is Debian's own default")];
/// The flags, and how the series begin that both show alike.
const SAMPLES: &[(&str, &[&str])] = &[
    ("--collector.textfile --collector.textfile.directory=.", TEXTFILE),
    ("--collector.textfile --collector.textfile.directory=x/../y", TEXTFILE),
    ("--collector.cpu --collector.cpu.info", &["node_cpu_info{"]),
];
const TEXTFILE: &[&str] = &["node_textfile_", "outputs_"];
/// Families of the programs themselves; `--web.disable-exporter-metrics` takes them away.
const OWN: &[&str] = &["process_", "promhttp_"];
const OWN_DIFFERENT: &[(&str, &str)] = &[("go_", "there is no Go runtime")];
/// The last word is the one that is typed.
const TYPED: &[&str] =
    &["--collector.cp", "--web.", "--path", "--log.level w", "--log.level ", "--log.format "];
const TYPED_DIFFERENT: &[(&str, &str)] = &[("--runtime", "it has no effect")];

pub(super) fn compare(programs: &[PathBuf; 2], report: &mut Report) -> Result<()> {
    let known = complete(&programs[0], "--completion-bash --collector.")?;
    let is_known = |name: &&str| known.contains(&format!("--collector.{name}"));
    for (flags, why) in cases(ENABLED, ENABLED_DIFFERENT) {
        let flags = flags.replace("--none", "--collector.disable-defaults");
        let [theirs, ours] = programs.each_ref().map(|program| Ok(show(program, &flags)?.enabled));
        let (theirs, ours): (Result<Vec<_>>, Result<Vec<_>>) = (theirs, ours);
        let (theirs, ours) = (theirs?, ours?);
        ensure!(theirs.len() > 1, "{flags}: node_exporter logs no collectors");
        // Collectors that only hostlens has are filtered.
        let ours: Vec<_> = ours.iter().map(String::as_str).filter(is_known).collect();
        report.take(&format!("the log of {flags}"), [theirs.join(" "), ours.join(" ")], why);
    }
    for (flags, series) in SAMPLES {
        let flags = format!("--collector.disable-defaults {flags}");
        let shown = both(programs, &flags, |line| series.iter().any(|it| line.starts_with(it)))?;
        ensure!(!shown[0].is_empty(), "{flags}: node_exporter shows no {series:?}");
        report.take(&format!("samples of {flags}"), shown, None);
    }
    for (start, why) in cases(OWN, OWN_DIFFERENT) {
        let flags = "--collector.disable-defaults --collector.loadavg";
        let head = format!("# TYPE {start}");
        let shown = both(programs, flags, |line| line.starts_with(&head))?;
        ensure!(!shown[0].is_empty(), "node_exporter shows no {start}");
        report.take(&format!("families {start}*"), shown, why);
        let shown =
            both(programs, &format!("{flags} --web.disable-exporter-metrics"), |it| it.starts_with(&head))?;
        report.take(&format!("families {start}* switched off"), shown, None);
    }
    for (typed, why) in cases(TYPED, TYPED_DIFFERENT) {
        let last = typed.rsplit(' ').next().unwrap_or_default();
        // Its script for zsh asks by --completion-bash too.
        let mut theirs = complete(&programs[0], &format!("--completion-bash {typed}"))?;
        theirs.retain(|word| word.starts_with(last));
        ensure!(!theirs.is_empty(), "{typed}: node_exporter completes nothing");
        for flag in ["--completion-bash", "--completion-zsh"] {
            let ours = complete(&programs[1], &format!("{flag} {typed}"))?;
            let found: Vec<_> = theirs.iter().filter(|word| ours.contains(word)).cloned().collect();
            report.take(&format!("{flag} {typed}"), [theirs.join(" "), found.join(" ")], why);
        }
    }
    let [theirs, ours] = programs.each_ref().map(|program| complete(program, "--version"));
    report.take("the first line of --version", [shape(&theirs?), shape(&ours?)], None);
    Ok(())
}

/// What a server logs and shows.
struct Shown {
    enabled: Vec<String>,
    metrics: String,
}

/// Starts one in a folder with textfiles.
fn show(program: &Path, flags: &str) -> Result<Shown> {
    let folder = tempfile::tempdir().context("make a folder to start in")?;
    let [text, log] = ["a.prom", "log"].map(|name| folder.path().join(name));
    fs::write(&text, "outputs_a{b=\"c\"} 1\n")?;
    fs::create_dir(folder.path().join("x"))?;
    fs::create_dir(folder.path().join("y"))?;
    let below = folder.path().join("y/b.prom");
    fs::write(&below, "outputs_b 2\n")?;
    for file in [text, below] {
        File::options().write(true).open(file)?.set_modified(std::time::UNIX_EPOCH)?;
    }
    let mut command = command(program);
    command.current_dir(folder.path()).stderr(File::create(&log)?);
    let (_process, port) = serve(command, flags.split(' ').map(str::to_owned))?;
    // Who answers has logged its collectors.
    let answer = ureq::get(format!("http://127.0.0.1:{port}/metrics")).call();
    let metrics =
        answer.with_context(|| format!("ask {}", program.display()))?.body_mut().read_to_string()?;
    let log = fs::read_to_string(log)?;
    let parts: Vec<_> = log.split("msg=\"Enabled collectors\"\n").collect();
    ensure!(parts.len() == 2, "{} {flags}: does not log once what is enabled", program.display());
    let names = parts[1].lines().map_while(|line| line.split_once(" msg=")).map(|it| it.1);
    Ok(Shown { enabled: names.take_while(|it| !it.starts_with('"')).map(str::to_owned).collect(), metrics })
}

/// The lines that both show and `is_compared` takes, sorted.
fn both(programs: &[PathBuf; 2], flags: &str, is_compared: impl Fn(&str) -> bool) -> Result<[String; 2]> {
    let [theirs, ours] = programs.each_ref().map(|program| -> Result<String> {
        let Shown { metrics, .. } = show(program, flags)?;
        let mut lines: Vec<_> = metrics.lines().filter(|it| is_compared(it)).collect();
        lines.sort_unstable();
        Ok(lines.join("\n"))
    });
    Ok([theirs?, ours?])
}

/// The lines that one prints.
fn complete(program: &Path, words: &str) -> Result<Vec<String>> {
    let printed = piped(command(program).args(words.split(' ')))?;
    ensure!(printed.status.success(), "{} {words}: {}", program.display(), printed.status);
    Ok(String::from_utf8(printed.stdout)?.lines().map(str::to_owned).collect())
}

/// The first line without its values.
fn shape(lines: &[String]) -> String {
    let words = lines.first().map_or("", String::as_str).split(' ');
    let kept = words.map(|it| match it {
        "version" | "(branch:" | "revision:" => it.to_owned(),
        value => format!("X{}", value.trim_start_matches(|it| !matches!(it, ',' | ')'))),
    });
    kept.collect::<Vec<_>>().join(" ")
}
