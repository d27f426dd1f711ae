//! What systemd is told of the service, where it started it with `Type=notify`. See sd_notify(3).

use sd_notify::NotifyState;
use std::time::Duration;
use tracing::warn;

/// The collectors are open and the listeners accept.
pub fn tell_ready() {
    tell(&[NotifyState::Ready]);
}

/// The process is about to end.
pub fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog that the thread that answers requests is alive. Returns at once where none is set.
pub async fn keep_alive() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd could not be told");
    }
}
