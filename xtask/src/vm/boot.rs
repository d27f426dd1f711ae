//! One boot of one guest, and what it reports over its second serial port.

use std::{
    fs::{File, create_dir_all},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::kernels::Kernel;
use crate::process::workspace;

const DISK_BYTES: u64 = 64 << 20;

/// What one guest reported.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Boot {
    /// `uname -r`.
    pub(crate) release: String,
    /// Seconds from the kernel's start to init.
    pub(crate) boot_seconds: String,
    pub(crate) wall: Duration,
    pub(crate) checks: Vec<Check>,
    /// Why the report is not whole.
    pub(crate) broken: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) result: Outcome,
    pub(crate) detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// The kernel lacks what the collector hooks.
    Unavailable,
}

/// kernel_lockdown(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lockdown {
    None,
    Confidentiality,
}

/// Which of the probes' checks a guest makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checks {
    /// Those that are known to hold there.
    Known,
    All,
}

/// Where the kernel's console of a guest called `label` goes.
pub(crate) fn console(label: &str) -> PathBuf {
    workspace().join("target/vm").join(format!("{label}.log"))
}

/// Boots `kernel` and waits until the guest powers off, at most `limit`.
pub(crate) fn boot(
    label: &str,
    kernel: &Kernel,
    initramfs: &Path,
    lockdown: Lockdown,
    checks: Checks,
    limit: Duration,
) -> Result<Boot> {
    let disk = workspace().join("target/vm").join(format!("{label}.disk"));
    create_dir_all(workspace().join("target/vm"))?;
    File::create(&disk)?.set_len(DISK_BYTES)?;
    let started = Instant::now();
    let mut machine = Machine(
        Command::new("qemu-system-x86_64")
            // Emulated throughout: works in any virtual machine or container, and kernels behave alike. CPUs take
            // turns: when they run at once, one may still meet the breakpoint by which the other patches the kernel's
            // code, after its handler is gone ("Oops: int3" in one boot of 25). And without cmpxchg16b, after which
            // QEMU 7.2 now and then leaves an address in the flags ("double fault" in kmalloc, one boot of 35).
            .args(["-accel", "tcg,thread=single", "-cpu", "qemu64,-cx16", "-smp", "2", "-m", "1024"])
            .args(["-no-reboot", "-nodefaults", "-display", "none"])
            .arg("-serial")
            .arg(format!("file:{}", console(label).display()))
            .args(["-serial", "stdio"])
            .arg("-kernel")
            .arg(&kernel.vmlinuz)
            .arg("-initrd")
            .arg(initramfs)
            .arg("-drive")
            .arg(format!("file={},format=raw,if=none,id=disk", disk.display()))
            // Debian's cloud kernels have the driver built in.
            .args(["-device", "nvme,drive=disk,serial=1", "-append", &command_line(lockdown, checks)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start qemu-system-x86_64")?,
    );
    let results = lines(machine.0.stdout.take().context("take the guest's serial port")?);
    let complaints = lines(machine.0.stderr.take().context("take QEMU's messages")?);
    let mut boot = Boot::default();
    if let Err(error) = follow(&mut boot, &results, started + limit) {
        let complaints: Vec<String> = complaints.try_iter().collect();
        boot.broken = Some([vec![format!("{error:#}")], complaints].concat().join("; "));
    }
    boot.wall = started.elapsed();
    drop(machine);
    std::fs::remove_file(disk)?;
    Ok(boot)
}

fn command_line(lockdown: Lockdown, checks: Checks) -> String {
    // A panic reboots, which -no-reboot turns into the end of QEMU. A kernel that waits for its timer's interrupts in a
    // loop gives up ("IO-APIC + timer doesn't work!") where others have this machine's CPUs.
    let mut line = "console=ttyS0 panic=-1 no_timer_check mitigations=off hostlens_guest=1".to_owned();
    if lockdown == Lockdown::Confidentiality {
        line.push_str(" lockdown=confidentiality hostlens_lockdown=confidentiality");
    }
    if checks == Checks::All {
        line.push_str(" hostlens_checks=all");
    }
    line
}

/// Reads the report until its `DONE`, which must agree with what came before.
fn follow(boot: &mut Boot, results: &Receiver<String>, deadline: Instant) -> Result<()> {
    loop {
        let line = match results.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => bail!("no end in time, {} results so far", boot.checks.len()),
            Err(RecvTimeoutError::Disconnected) => bail!("ended early, after {} results", boot.checks.len()),
        };
        if let Some(n_checks) = boot.line(&line)? {
            let n_lines = boot.checks.len();
            ensure!(n_checks == n_lines, "the guest made {n_checks} checks, {n_lines} arrived");
            ensure!(n_checks > 0, "the guest made no check");
            return Ok(());
        }
    }
}

impl Boot {
    /// Takes in one line; the number of checks when it is the last.
    fn line(&mut self, line: &str) -> Result<Option<usize>> {
        let mut words = line.trim().splitn(4, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("BOOT"), Some(release), Some(seconds)) => {
                release.clone_into(&mut self.release);
                seconds.clone_into(&mut self.boot_seconds);
            }
            (Some("CHECK"), Some(name), Some(result)) => {
                let result = match result {
                    "ok" => Outcome::Passed,
                    "fail" => Outcome::Failed,
                    "unavailable" => Outcome::Unavailable,
                    _ => bail!("a result that is none: {line}"),
                };
                let detail = words.next().unwrap_or_default().to_owned();
                self.checks.push(Check { name: name.to_owned(), result, detail });
            }
            (Some("DONE"), Some(number), None) => {
                return Ok(Some(number.parse().context("the number of checks")?));
            }
            // Firmware writes here before the kernel starts.
            _ => {}
        }
        Ok(None)
    }
}

/// QEMU, ended with the value.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // A guest that said all it has to say may still be powering off, or be gone: both are fine.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &'static str) -> (Boot, Result<()>) {
        let mut boot = Boot::default();
        let outcome = follow(&mut boot, &lines(text.as_bytes()), Instant::now() + Duration::from_secs(5));
        (boot, outcome)
    }

    #[test]
    fn reads_a_whole_report() {
        let (boot, outcome) = report(
            "SeaBIOS\r\nBOOT 6.1.0-50-cloud-amd64 3.25\r\nCHECK start ok 812 ms\r\n\
             CHECK block_io/read fail off by 3: 1 of 4\r\nDONE 2\r\n",
        );
        outcome.unwrap();
        assert_eq!((boot.release.as_str(), boot.boot_seconds.as_str()), ("6.1.0-50-cloud-amd64", "3.25"));
        assert_eq!(boot.checks[1].result, Outcome::Failed);
        assert_eq!(boot.checks[1].detail, "off by 3: 1 of 4");
    }

    #[test]
    fn does_not_take_a_part_for_the_whole() {
        for (text, why) in [
            ("CHECK start ok\nDONE 2\n", "the guest made 2 checks, 1 arrived"),
            ("CHECK start ok\n", "ended early, after 1 results"),
            ("DONE 0\n", "the guest made no check"),
            ("CHECK start perhaps\nDONE 1\n", "a result that is none: CHECK start perhaps"),
        ] {
            assert_eq!(report(text).1.unwrap_err().to_string(), why);
        }
    }
}
