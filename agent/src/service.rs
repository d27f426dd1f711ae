//! What is expected of a service: systemd is told of it, where it started it with `Type=notify` (see sd_notify(3)), and
//! as the first process of a container it buries the others.

use rustix::process::{WaitOptions, wait};
use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    process,
    time::Duration,
};
use tokio::signal::unix::Signal;
use tracing::warn;

/// The collectors are open and the listeners accept.
pub fn tell_ready() {
    tell("READY=1");
}

/// The start takes that much longer than it should.
pub fn tell_waiting(wait: Duration) {
    const OPENING: Duration = Duration::from_secs(60);
    tell(&format!("EXTEND_TIMEOUT_USEC={}", (wait + OPENING).as_micros()));
}

/// The process is about to end.
pub fn tell_stopping() {
    tell("STOPPING=1");
}

/// Tells the watchdog that the thread that answers requests is alive. Returns at once where none is set.
pub async fn keep_alive() {
    let Some(limit) = watchdog() else { return };
    let mut ticks = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        tell("WATCHDOG=1");
    }
}

/// Takes note of the end of processes that were left to this one, which is the first of its container: until somebody
/// does, each of them keeps its number and an entry in the kernel's table.
pub async fn reap(mut child: Signal) {
    loop {
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        if child.recv().await.is_none() {
            return;
        }
    }
}

/// How long systemd waits for a word.
fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process::id()));
    is_for_us.then(|| number("WATCHDOG_USEC")).flatten().map(Duration::from_micros)
}

fn tell(state: &str) {
    if let Err(error) = notify(state) {
        warn!(%error, "systemd could not be told");
    }
}

/// Sends to an address and connects to none: the sandbox refuses that. Does not wait for the reader there: it is done
/// on the thread that answers requests.
fn notify(state: &str) -> io::Result<()> {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&socket)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}
