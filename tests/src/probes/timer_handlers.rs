//! A thread that sleeps.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};

use super::{Check, growth};
use crate::Agent;

pub(super) const CHECKS: &[Check] =
    &[Check { collector: "timer_handlers", claim: "each sleep is a fine timer's end", run: sleeps }];

const SLEEPS: u32 = 1000;

fn sleeps(agent: &Agent) -> Result<String> {
    let timers = growth(agent, "node_timer_handler_seconds_count", &[("type", "hrtimer")], || {
        (0..SLEEPS).for_each(|_| thread::sleep(Duration::from_micros(100)));
        Ok(())
    })?;
    ensure!(timers >= f64::from(SLEEPS), "{timers} timers for {SLEEPS} sleeps");
    Ok(format!("{timers}, {SLEEPS} sleeps"))
}
