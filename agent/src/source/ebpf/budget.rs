//! What probes may cost (`[ebpf.budget]`): at the end of each window their time is held against the machine's, and
//! while it is too much the costliest is detached, for a while.
//!
//! It runs on a thread of its own, which needs no privilege. A probe that costs too much is found at the end of the
//! first whole window in which it does.

use std::{
    io,
    sync::{
        Arc, Weak,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use tracing::{error, info, warn};

use super::{Excess, Loaded};
use crate::config::{Budget, Measure, OnExceed};

/// Watches over probes until it is dropped.
#[derive(Debug)]
pub(super) struct Guard {
    changes: Sender<Budget>,
}

impl Guard {
    /// `probes` lists those that there are.
    pub(super) fn start(
        probes: impl Fn() -> Vec<Arc<Loaded>> + Send + 'static,
        budget: Budget,
    ) -> io::Result<Self> {
        let (changes, receiver) = channel();
        let watch = move || watch(probes, budget, &receiver);
        thread::Builder::new().name("bpf-budget".to_owned()).spawn(watch)?;
        Ok(Self { changes })
    }

    /// Goes on by another budget; the window begins anew.
    pub(super) fn change(&self, budget: Budget) {
        self.changes.send(budget).expect("the thread ends when this is dropped, and does not panic");
    }
}

fn watch(probes: impl Fn() -> Vec<Arc<Loaded>>, mut budget: Budget, changes: &Receiver<Budget>) {
    let mut ledger = Ledger::new(Instant::now());
    loop {
        match changes.recv_timeout(budget.window.0) {
            Ok(changed) => budget = changed,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => match aya::util::online_cpus() {
                Ok(cpus) => ledger.close(&probes(), &budget, Instant::now(), cpus.len()),
                Err((path, error)) => error!(path, %error, "the probes' cost is not watched"),
            },
        }
    }
}

/// What each probe had spent when the last window was closed.
struct Ledger {
    closed: Instant,
    accounts: Vec<Account>,
    /// Whether the last window was too expensive and nothing was done about it.
    exceeded: bool,
}

struct Account {
    probe: Weak<Loaded>,
    spent: Duration,
    detached: Option<Instant>,
}

impl Ledger {
    fn new(now: Instant) -> Self {
        Self { closed: now, accounts: Vec::new(), exceeded: false }
    }

    /// Ends a window: detaches what costs too much, and attaches again what has been detached for long enough.
    fn close(&mut self, probes: &[Arc<Loaded>], budget: &Budget, now: Instant, n_cpus: usize) {
        let machine = now.duration_since(self.closed).as_secs_f64() * n_cpus as f64;
        self.closed = now;
        self.accounts.retain(|it| it.probe.strong_count() > 0);
        let is_kept = budget.measure == Measure::Sampled;
        let detaches = is_kept && budget.on_exceed == OnExceed::Detach;
        let mut shares = Vec::new();
        for probe in probes {
            let account = self.account(probe);
            let spent = probe.time();
            let share = spent.saturating_sub(account.spent).as_secs_f64() / machine;
            account.spent = spent;
            probe.set_share(share);
            match account.detached {
                None => shares.push(share),
                Some(since) => {
                    shares.push(0.0);
                    if !detaches || now.duration_since(since) >= budget.retry_after {
                        account.detached = if resume(probe) { None } else { Some(now) };
                    }
                }
            }
        }
        let excessive = if is_kept { excessive(&shares, budget.max_cpu.0) } else { Vec::new() };
        let was_exceeded = std::mem::replace(&mut self.exceeded, !excessive.is_empty());
        for idx in excessive {
            let (probe, share) = (&probes[idx], shares[idx]);
            if detaches {
                suspend(probe, share, budget);
                self.account(probe).detached = Some(now);
            } else if !was_exceeded {
                warn!(probe = probe.spec().name, share, max = budget.max_cpu.0, "probe is over budget");
            }
        }
    }

    fn account(&mut self, probe: &Arc<Loaded>) -> &mut Account {
        let known = self.accounts.iter().position(|it| Weak::as_ptr(&it.probe) == Arc::as_ptr(probe));
        let at = known.unwrap_or_else(|| {
            // It was loaded within the window, so all it has spent it has spent in it.
            let account = Account { probe: Arc::downgrade(probe), spent: Duration::ZERO, detached: None };
            self.accounts.push(account);
            self.accounts.len() - 1
        });
        &mut self.accounts[at]
    }
}

/// The places of those that must go so that the sum of the rest is at most `max`: the largest first, no more than
/// are needed.
fn excessive(shares: &[f64], max: f64) -> Vec<usize> {
    let mut by_share: Vec<usize> = (0..shares.len()).collect();
    by_share.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
    let mut total: f64 = shares.iter().sum();
    by_share.retain(|idx| {
        let is_too_much = total > max && shares[*idx] > 0.0;
        if is_too_much {
            total -= shares[*idx];
        }
        is_too_much
    });
    by_share
}

fn suspend(probe: &Loaded, share: f64, budget: &Budget) {
    let (max_share, retry_after) = (budget.max_cpu.0, budget.retry_after);
    probe.suspend(Excess { share, max_share, retry_at: SystemTime::now() + retry_after });
    warn!(
        probe = probe.spec().name,
        share,
        max = max_share,
        retry_after = ?retry_after,
        "probe is over budget and detached"
    );
}

/// Whether it runs again.
fn resume(probe: &Loaded) -> bool {
    match probe.resume() {
        Ok(()) => {
            info!(probe = probe.spec().name, "probe is attached again");
            true
        }
        Err(error) => {
            error!(probe = probe.spec().name, error = error.reason(), "probe cannot be attached again");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::excessive;

    #[test]
    fn the_costliest_go_until_the_rest_fits() {
        assert!(excessive(&[0.001, 0.004, 0.002], 0.01).is_empty());
        assert_eq!(excessive(&[0.001, 0.004, 0.002], 0.004), [1]);
        assert_eq!(excessive(&[0.001, 0.004, 0.002], 0.001), [1, 2]);
        assert_eq!(excessive(&[0.001, 0.004, 0.002], 0.0), [1, 2, 0]);
    }

    #[test]
    fn what_costs_nothing_may_stay() {
        assert_eq!(excessive(&[0.0, 0.5, 0.0], 0.0), [1]);
        assert!(excessive(&[], 0.0).is_empty());
    }
}
