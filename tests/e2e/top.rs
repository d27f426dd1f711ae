//! `hostlens top` on a terminal: what it draws of a live agent, and how it leaves the terminal.

use hostlens_tests::{Agent, agent::program};
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(60);

/// A program on a terminal of its own.
struct Terminal {
    child: Child,
    /// The program's end of it, kept open.
    inner: File,
    outer: File,
    said: Receiver<Vec<u8>>,
    screen: String,
}

impl Terminal {
    fn start(args: &[&str]) -> Self {
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&outer).unwrap();
        unlockpt(&outer).unwrap();
        let path = ptsname(&outer, Vec::new()).unwrap().into_string().unwrap();
        let inner = OpenOptions::new().read(true).write(true).open(path).unwrap();
        tcsetwinsize(&inner, Winsize { ws_row: 50, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let end = || Stdio::from(inner.try_clone().unwrap());
        let mut command = Command::new(program().unwrap());
        command.arg("top").args(args).env_clear().env("TERM", "xterm");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let outer = File::from(outer);
        let mut reader = outer.try_clone().unwrap();
        let (say, said) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Ends with the terminal, or with whoever listens.
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if say.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, inner, outer, said, screen: String::new() }
    }

    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + LIMIT;
        while !self.screen.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = self.said.recv_timeout(left);
            let bytes = bytes.unwrap_or_else(|_| panic!("{text:?} does not come: {}", self.screen));
            self.screen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn press(&mut self, keys: &str) {
        self.outer.write_all(keys.as_bytes()).unwrap();
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.inner).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Waits for the end of the program, which leaves the terminal as it was.
    fn end(mut self) {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.screen);
            thread::sleep(Duration::from_millis(10));
        };
        assert!(status.success(), "{status}");
        assert!(!self.is_raw());
        self.wait_for("\u{1b}[?1049l");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself: both calls then have nothing to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn shows_a_live_agent_until_q_is_pressed() {
    let agent = Agent::start("[collector.runqueue]\nenabled = true\n", &["--ebpf.enabled=never"]).unwrap();
    let mut terminal = Terminal::start(&["--url", &agent.address().to_string()]);
    terminal.wait_for("runqueue is unavailable: ");
    terminal.wait_for(" Memory ");
    terminal.wait_for("Missing: ");
    terminal.wait_for(" GiB");
    assert!(terminal.is_raw());
    terminal.press("?");
    terminal.wait_for("this help");
    terminal.press("q");
    terminal.end();
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let agent = Agent::start("[collector.runqueue]\nenabled = true\n", &["--ebpf.enabled=never"]).unwrap();
    let mut terminal = Terminal::start(&["--url", &format!("http://{}", agent.address())]);
    terminal.wait_for("runqueue is unavailable: ");
    let pid = Pid::from_raw(terminal.child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    terminal.end();
}

#[test]
fn where_no_agent_runs_it_looks_itself() {
    let mut terminal = Terminal::start(&["--ebpf.enabled=never", "--web.listen-address=127.0.0.1:1"]);
    terminal
        .wait_for("No running hostlens answers, so this one reads the host itself (connect to 127.0.0.1:1: ");
    terminal.wait_for(" GiB");
    terminal.press("\u{3}");
    terminal.end();
}

#[test]
fn says_what_it_needs() {
    let top = |args: &[&str]| {
        let output = Command::new(program().unwrap()).arg("top").args(args).stdin(Stdio::null()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(top(&[]).starts_with("hostlens: error: top needs a terminal to draw on and to read keys from"));
}
