//! The init of a guest of `cargo xtask vm`: starts the agent, puts known loads on, compares, powers off.
//!
//! Writes to the second serial port, a line each: `BOOT <release> <seconds>`, `CHECK <name> <result> <detail>`
//! with the result `ok`, `fail` or `unavailable`, and last `DONE <number of checks>`.

use std::{
    env,
    fmt::Display,
    fs::{File, OpenOptions, create_dir_all, read_to_string, write},
    io::Write,
    path::Path,
    process::{ExitCode, id},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hostlens_tests::{
    Agent, KernelObjects, containers, devices,
    libtest::Verdicts,
    network::set_loopback_up,
    probes::{self, Check},
    truth::{self, Operation, State},
};
use rustix::{
    mount::{MountFlags, mount},
    process::Signal,
    system::{RebootCommand, reboot, uname},
    termios::tcdrain,
};

const AGENT: &str = "/hostlens";
const UNIT_TESTS: &str = "/unit-tests";
/// Two compare nanoseconds of two clocks, whose reading is most of what they show on an emulated CPU; those of budgets ask
/// what share of a CPU is used, and a guest's may stand still. Fuzzers read files of the repository.
const UNIT_TESTS_LEFT_OUT: [&str; 4] = [
    "--skip=fuzzed_",
    "--skip=what_costs_too_much_",
    "--skip=samples_tell_what_others_cost",
    "--skip=programs_know_what_they_cost_as_the_kernel_does",
];
const RESULTS: &str = "/dev/ttyS1";
const DISK: &str = "nvme0n1";

/// The kernel hands parameters that it does not know to init: proof that this is a guest of ours.
const MARK: &str = "hostlens_guest";
/// The lockdown mode that the kernel was asked for, if any.
const LOCKDOWN: &str = "hostlens_lockdown";

/// The collector whose checks are below.
const BLOCK_IO: &str = "block_io";

fn main() -> ExitCode {
    if id() != 1 || env::var_os(MARK).is_none() {
        eprintln!("this is the init of a guest of `cargo xtask vm`: it ends by switching the machine off");
        return ExitCode::FAILURE;
    }
    // Without a console to report to, the kernel log and the missing results are all there is.
    if let Err(error) = examine() {
        eprintln!("guest: {error:#}");
    }
    match reboot(RebootCommand::PowerOff) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guest: power off: {error}");
            ExitCode::FAILURE
        }
    }
}

fn examine() -> Result<()> {
    mount_all()?;
    let mut report = Report::open()?;
    let uptime = read_to_string("/proc/uptime")?;
    let seconds = uptime.split(' ').next().unwrap_or_default();
    report.line(format_args!("BOOT {} {seconds}", uname().release().to_string_lossy()))?;
    report.check("loopback", set_loopback_up().map(|()| ""))?;
    if let Some(wanted) = env::var_os(LOCKDOWN) {
        report.check("lockdown", lockdown(&wanted.to_string_lossy()))?;
    }
    let config = probes::config() + devices::CONFIG + containers::CONFIG;
    match Agent::start_program(Path::new(AGENT), &config, &[]) {
        Ok(agent) => {
            report.check("start", Ok(format_args!("{} ms", agent.ready_after().as_millis())))?;
            compare(&agent, &mut report)?;
            report.check("sandbox", sandbox(&agent))?;
            eprintln!("guest: the agent wrote\n{}", agent.log());
            report.check("stop", stop(agent))?;
            report.check("kill", kill())?;
            report.check("process 1", process_1())?;
            unit_tests(&mut report)?;
        }
        Err(error) => report.check("start", Err::<&str, _>(error))?,
    }
    report.done()
}

fn compare(agent: &Agent, report: &mut Report) -> Result<()> {
    let page = agent.scrape();
    let states = page.as_ref().map_err(|error| anyhow::anyhow!("{error:#}")).and_then(truth::states);
    let states = match states {
        Ok(states) => states,
        Err(error) => return report.check("states", Err::<&str, _>(error)),
    };
    for State { collector, state, reason, .. } in &states {
        let name = format!("collector/{collector}");
        match state.as_str() {
            "running" | "absent" => report.check(&name, Ok(state))?,
            "unavailable" => report.unavailable(&name, reason)?,
            _ => report.check(&name, Err::<&str, _>(anyhow::anyhow!("{state}: {reason}")))?,
        }
    }
    let state = |name: &str| states.iter().find(|it| it.collector == name);

    for Check { collector, claim, run } in probes::here() {
        report.probe(&format!("{collector}/{claim}"), state(collector), || run(agent))?;
    }
    let device = Path::new("/dev").join(DISK);
    for operation in [Operation::Read, Operation::Write] {
        report.probe(&format!("block_io/{}", operation.label()), state(BLOCK_IO), || {
            truth::block_requests(agent, DISK, &device, operation, 400)?.inside()
        })?;
    }
    report.probe("block_io/devices that come and go", state(BLOCK_IO), || {
        devices::come_and_go(agent, Path::new("/"), &device)
    })?;
    let memory = page.and_then(|it| truth::memory_constants(&it));
    report.check("memory", memory.map(|it| format!("{it} equal")))?;
    let counter = |name, key| truth::stat_counter(agent, name, key).and_then(truth::Bounded::inside);
    let used = containers::memory_is_told(agent, 32 << 20).and_then(truth::Bounded::inside);
    report.check("memory of a cgroup", used)?;
    report.check("context switches", counter("node_context_switches_total", "ctxt"))?;
    report.check("forks", counter("node_forks_total", "processes"))?;
    report.check("boot time", counter("node_boot_time_seconds", "btime"))?;
    report.check("loopback bytes", truth::loopback_bytes(agent, 4 << 20).and_then(truth::Bounded::inside))
}

/// What is in force of it: Landlock as far as the kernel has it, and the filter everywhere.
fn sandbox(agent: &Agent) -> Result<String> {
    let log = agent.log();
    let line = log.lines().find(|it| it.contains("the sandbox is entered")).context("it was not entered")?;
    let (_, landlock) = line.split_once(" landlock=").context("the log says nothing of Landlock")?;
    let landlock = landlock.strip_suffix(" seccomp=on").context("no filter is in force")?;
    Ok(format!("landlock {}", landlock.trim_matches('"')))
}

/// That probes see what this process does: it is process 1.
fn process_1() -> Result<String> {
    let is_told = AtomicBool::new(false);
    let told = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_told.load(Relaxed) {
                thread::sleep(Duration::from_millis(5));
            }
        });
        let told = truth::doctor_of_process_1(Path::new(AGENT));
        is_told.store(true, Relaxed);
        told
    })?;
    ensure!(told.starts_with("ok") && told.ends_with("is seen"), "{told}");
    Ok(told)
}

/// An agent that is killed takes its programs, maps and links with it.
fn kill() -> Result<String> {
    let agent = Agent::start_program(Path::new(AGENT), "", &[])?;
    // It listens before it has opened its collectors.
    agent.scrape()?;
    let held = KernelObjects::held_by(agent.pid())?;
    ensure!(held.programs.len() >= 2 && held.maps.len() >= 2 && held.links.len() >= 2, "it holds but {held}");
    agent.signal(Signal::KILL)?;
    let after = held.wait_until_gone(Duration::from_secs(5))?;
    let n_objects = held.programs.len() + held.maps.len() + held.links.len();
    Ok(format!("{n_objects} gone in {} ms", after.as_millis()))
}

/// The agent's own tests of what it does in the kernel: also of kinds of hooks that none of its collectors needs yet.
fn unit_tests(report: &mut Report) -> Result<()> {
    let mut args = vec!["--ignored", "--test-threads=1", "source::ebpf"];
    args.extend(UNIT_TESTS_LEFT_OUT);
    match Verdicts::of(Path::new(UNIT_TESTS), &args) {
        Err(error) => report.check("unit tests", Err::<&str, _>(error)),
        Ok(verdicts) => {
            eprintln!("guest: the unit tests wrote\n{}", verdicts.log);
            for (name, why) in &verdicts.failed {
                report.check(&format!("unit/{name}"), Err::<&str, _>(anyhow::anyhow!("{why}")))?;
            }
            report.check("unit tests", Ok(format_args!("{} passed", verdicts.n_passed)))
        }
    }
}

fn stop(agent: Agent) -> Result<String> {
    let started = Instant::now();
    let status = agent.stop()?;
    ensure!(status.success(), "the agent ended with {status}");
    Ok(format!("{} ms", started.elapsed().as_millis()))
}

/// Lines to the host; a line that cannot be written is an error, since a missing one is a failure there.
struct Report {
    port: File,
    started: Instant,
    n_checks: usize,
}

impl Report {
    fn open() -> Result<Self> {
        let port = OpenOptions::new().write(true).open(RESULTS).with_context(|| format!("open {RESULTS}"))?;
        Ok(Self { port, started: Instant::now(), n_checks: 0 })
    }

    fn line(&mut self, line: impl Display) -> Result<()> {
        println!("guest: {:.1} s: {line}", self.started.elapsed().as_secs_f64());
        writeln!(self.port, "{line}").context("write to the host")
    }

    fn result(&mut self, name: &str, result: &str, detail: impl Display) -> Result<()> {
        self.n_checks += 1;
        let detail = detail.to_string().replace('\n', "; ");
        self.line(format_args!("CHECK {} {result} {detail}", name.replace(' ', "-")))
    }

    fn check<T: Display>(&mut self, name: &str, outcome: Result<T>) -> Result<()> {
        match outcome {
            Ok(detail) => self.result(name, "ok", detail),
            Err(error) => self.result(name, "fail", format_args!("{error:#}")),
        }
    }

    fn unavailable(&mut self, name: &str, reason: &str) -> Result<()> {
        self.result(name, "unavailable", reason)
    }

    /// A check of an eBPF collector: it is made only where the collector runs.
    fn probe<T: Display>(
        &mut self,
        name: &str,
        state: Option<&State>,
        check: impl FnOnce() -> Result<T>,
    ) -> Result<()> {
        match state {
            None => self.check(name, Err::<&str, _>(anyhow::anyhow!("the agent has no such collector"))),
            Some(it) if it.state == "running" => self.check(name, check()),
            Some(it) if it.state == "unavailable" => self.unavailable(name, &it.reason),
            Some(it) => self.check(name, Err::<&str, _>(anyhow::anyhow!("{}: {}", it.state, it.reason))),
        }
    }

    fn done(mut self) -> Result<()> {
        let n_checks = self.n_checks;
        self.line(format_args!("DONE {n_checks}"))?;
        tcdrain(&self.port).context("drain the serial port")
    }
}

/// What a host has mounted by the time an agent starts.
fn mount_all() -> Result<()> {
    for (kind, target) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tracefs", "/sys/kernel/tracing"),
        ("securityfs", "/sys/kernel/security"),
        ("cgroup2", "/sys/fs/cgroup"),
        ("bpf", "/sys/fs/bpf"),
        ("tmpfs", "/tmp"),
    ] {
        create_dir_all(target).with_context(|| format!("make {target}"))?;
        mount(kind, target, kind, MountFlags::empty(), None).with_context(|| format!("mount {target}"))?;
    }
    write("/proc/sys/kernel/printk", "4").context("keep the kernel's chatter off the console")
}

/// That the kernel is locked down as it was asked to.
fn lockdown(wanted: &str) -> Result<String> {
    let modes = read_to_string("/sys/kernel/security/lockdown").context("read the lockdown mode")?;
    ensure!(modes.contains(&format!("[{wanted}]")), "asked for {wanted}, the kernel says {modes}");
    Ok(wanted.to_owned())
}
